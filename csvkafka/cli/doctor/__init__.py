"""The command `csvkafka doctor`: what a load would trip over, found before it.

Read: command (options, exit code), findings (what a check is), checkup (the list of checks),
source_checks, table_checks, kafka_checks, job_checks, record_checks, show.
"""
