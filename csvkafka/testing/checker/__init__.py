"""Are all rows in the topic, once, in order, with their content? Knows nothing of the loader.

Imports: the ground, aws, config, job, kafka, ledger, schema, testing/inputs, wiring.
Imported by: cli, testing/judging, testing/report, testing/simulator.
Read: documented (what a record should be), declared (what by a declared table), expectation (what a
correct topic looks like), checker, verdict (the anomalies), row_ledger (its memory), topic_reader
(a topic as consumers see it), batch_records, set_files (a set's rows), verify (a job where it
really ran).
"""
