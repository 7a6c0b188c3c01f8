"""The command line, one module a command; only these modules print or end the process.

Imports: the ground, aws, config, encode, files, job, kafka, ledger, local, pipeline, process,
registry, rows, schema, sources, stores, testing/checker, testing/history, testing/inputs,
testing/judging, testing/processes, testing/report, testing/stacks, wiring.
Imported by: __main__.
Read: program (the command `csvkafka`), options (made from the table of settings), load, set_list,
workers, set_progress, looked_at, dry_run, dry_run_view, schemas, load_view, replay, skip_file,
status, set_status, verify, doctor, infer, generate, local, demo, judge, output, bar.
"""
