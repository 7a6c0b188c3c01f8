"""From a block of rows to the record batches of its lanes; the same block, the same bytes.

Imports: the ground, records, rows, schema.
Imported by: cli, job, pipeline, testing/simulator.
Read: encoder, joined (several small blocks as one), in_sequence (encoded ones), row_json (any row:
the reference), declared_rows (its records by a declared table), wire (those that name a schema),
compiled_rows, compiled_table, left_rows, plain_rows (the fast ways, to the same bytes), bad_row
(what ends a block early), dead_letter (what is set aside instead), partitioning.
"""
