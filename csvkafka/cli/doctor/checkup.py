"""All checks of `csvkafka doctor`, in the order in which a load needs what they look at."""

from __future__ import annotations

from csvkafka.cli.doctor.findings import Check
from csvkafka.cli.doctor.job_checks import check_job, check_plan
from csvkafka.cli.doctor.kafka_checks import check_broker, check_sequences, check_topics
from csvkafka.cli.doctor.record_checks import show_records
from csvkafka.cli.doctor.source_checks import check_columns, check_source
from csvkafka.cli.doctor.table_checks import check_table

CHECKS = (
    Check("source", check_source),
    Check("table", check_table),
    Check("kafka", check_broker),
    Check("topic", check_topics),
    Check("sequence", check_sequences),
    Check("job", check_job),
    Check("columns", check_columns),
    Check("plan", check_plan),
    Check("record", show_records),
)
