"""Whether rows can be made into records as the settings say, and whether the job is the same."""

from __future__ import annotations

from collections.abc import Iterator

from csvkafka.cli.doctor.findings import Examination, Finding, Mark
from csvkafka.cli.output import count_text
from csvkafka.cli.schemas import with_no_ids
from csvkafka.encode.encoder import check_plan as check_encode_plan
from csvkafka.job.definition import define
from csvkafka.job.same_job import check_same_job, has_promised_nothing
from csvkafka.ledger.item import decode, is_documented_only
from csvkafka.limits import SIZE_LIMIT_SETTING
from csvkafka.stores import open_store


def check_plan(examination: Examination) -> Iterator[Finding]:
    """The settings fit the header."""
    spec, source, header = examination.spec, examination.source, examination.header
    facts = examination.facts
    if source is None or header is None or not facts.keys() >= set(spec.data_topics):
        return
    lanes = spec.lanes(facts[spec.topic].partition_count, spec.routed_partitions(facts))
    plan = examination.plan(source.uri, lanes, with_no_ids(spec, header.names))
    check_encode_plan(plan)
    by = "" if spec.key_column is None else f", key column {spec.key_column}"
    yield Finding(Mark.OK, "plan", f"records compressed by {spec.compression}{by}")
    if plan.set_aside_above_bytes is not None:
        most = count_text(plan.set_aside_above_bytes)
        letter = count_text(plan.max_letter_bytes)
        text = (
            f"rows whose record has more than {most} bytes are set aside; a dead letter may have "
            f"{letter} bytes, as compressed: a larger one stops the load"
        )
        yield Finding(Mark.OK, "plan", text, SIZE_LIMIT_SETTING)
        if plan.set_aside_above_bytes > plan.max_record_bytes:
            text = (
                f"{SIZE_LIMIT_SETTING} is more than {plan.record_limit} allows: a row whose record "
                f"has more than {count_text(plan.max_record_bytes)} bytes, as compressed, and is "
                "not set aside, stops the load"
            )
            yield Finding(Mark.WARNING, "plan", text)


def check_job(examination: Examination) -> Iterator[Finding]:
    """The job's item, if there is one, is of this very job."""
    spec, source, header = examination.config.spec, examination.source, examination.header
    facts = examination.facts
    if source is None or header is None or set(facts) != set(spec.topics):
        yield Finding(Mark.SKIPPED, "job", "cannot be compared before the rest is right")
        return
    if not (examination.table_answers or examination.table_is_to_come):
        yield Finding(Mark.SKIPPED, "job", "cannot be compared before the table can be read")
        return
    item = None
    if not examination.table_is_to_come:
        item = open_store(examination.config.checkpoint).item(spec.job_id).get()
    if item is None:
        yield Finding(Mark.OK, "job", f"{spec.job_id} is new")
    elif is_documented_only(item):
        examination.spec, examination.begun = spec.going_on({}), True
        yield Finding(
            Mark.WARNING,
            "job",
            f"{spec.job_id} was begun by another implementation, at line "
            f"{item.get('last_line')}: a load takes it over",
        )
    else:
        stored = decode(item)
        if has_promised_nothing(stored):
            text = f"{spec.job_id} was begun and has sent nothing yet: a load takes it as it is now"
            yield Finding(Mark.OK, "job", text)
            return
        spec = examination.spec = spec.going_on(stored.configuration)
        examination.begun = True
        file_set = examination.file_set
        if file_set is not None and stored.source.files is not None and stored.source != source:
            source, warnings = file_set.recall(stored.source, spec.job_id)
            for warning in warnings:
                yield Finding(Mark.WARNING, "job", warning)
        counts = stored.partition_count, stored.routed_partitions
        now = define(spec, source, header.names, facts, *counts)
        for warning in check_same_job(stored, now, facts, header.names):
            yield Finding(Mark.WARNING, "job", warning)
        rows = count_text(stored.position.row_count)
        yield Finding(
            Mark.OK, "job", f"{spec.job_id} is the same job: {stored.status}, {rows} rows"
        )
