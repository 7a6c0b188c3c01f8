"""One load under kills and faults, from its source to the verdict, on a stack.

Imports: the ground, aws, config, kafka, ledger, local, schema, stores, testing/checker,
testing/faults, testing/history, testing/inputs, testing/processes.
Imported by: cli, testing/pytest_plugin, testing/report.
Read: plan, judge (any loader), judged_source, judged_table (records that a table declares),
judgement, recovery_case (csvkafka, killed at any step), case_source, job_view (what is seen of a
job), demo.
"""
