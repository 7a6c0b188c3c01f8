"""Are all rows in the topic, once, in order, with their content? Knows nothing of the loader.

Imports: the ground, config, job, kafka, ledger, pipeline, registry, schema, sources, stores,
testing/inputs.
Imported by: cli, testing/judging, testing/report, testing/simulator.
Read: documented (what a record should be), declared (what by a declared table), declared_values,
wire (records that name a schema), expectation (what a correct topic looks like), job_expectation
(what by a job's settings), record_sizes (how large that is), size_limit (which rows it is too large
for), checker, verdict (the anomalies), row_ledger (its memory), observed_rows, agreement (many
records at a time), ahead, records_ahead, topic_reader (a topic as consumers see it), topics
(several as one), batch_records, files_so_far, set_files (a set's rows), replayed_rows (letters as a
source), source_rows (what settings make of a source), verify (a job where it really ran).
"""
