"""One run of a job: all before the first row, and again when the topic must be read anew.

Imports: the ground, encode, ledger, pipeline, records, rows, schema, sets.
Imported by: cli, config, processor, sources, testing/checker, testing/simulator, wiring.
Read: run (the steps in their order), parts (what it is given), beginning (what needs no lease),
file_set (a set as the source), begun_set (what does not matter to it), definition (what a job is),
same_job (whether it still is), preflight, schemas (those that records name), size_limit (how large
a record may be), tails (reads where the lanes end), recovery (checkpoint and topic tails: where to
go on), epochs (when a broker has forgotten the producer id), adoption, row_by_row, replayed (whose
dead letters a replay loads), replays (which were begun), letters (these as a source),
letter_blocks, dry_run (what a load would send first), estimate (what all of it would take), set_run
(a set whose files are jobs of their own), free_files (which file is next), file_steps, set_in_order
(a set that is one job), skip_file (a file of a set is left out for good), skip_in_order.
"""
