"""From a block of rows to the record batches of its lanes; the same block, the same bytes.

Imports: the ground, records, rows.
Imported by: cli, job, pipeline, testing/simulator.
Read: encoder, row_json (any row: the reference), compiled_rows, plain_rows (the fast ways, to the
same bytes), bad_row (what ends a block early), partitioning.
"""
