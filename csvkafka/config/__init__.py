"""Every setting in one table, and the values that a load is given: read, checked, frozen.

Imports: the ground, aws, files, job, kafka, pipeline, registry, remote, rows, schema, sets.
Imported by: checkpoint, cli, processor, sources, stores, testing/checker, testing/judging,
testing/processes, testing/stacks, wiring.
Read: settings (the table), load_config, given (each text, checked), secrets, checkpoint_place,
source_place, declared_table, spelling (how messages name settings), unknown (names that are none).
"""
