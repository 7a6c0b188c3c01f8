"""Every setting in one table, and the values that a load is given: read, checked, frozen.

Imports: the ground, job, kafka, pipeline, schema, sets.
Imported by: cli, processor, testing/checker, testing/judging, testing/processes, testing/stacks,
wiring.
Read: settings (the table), load_config, spelling (how messages name settings), unknown (names that
are none).
"""
