"""From a block of rows to the record batches of its lanes; the same block, the same bytes.

Imports: the ground, records, rows.
Imported by: cli, job, pipeline, testing/simulator.
Read: encoder, row_json (any row: the reference), plain_rows (the fast way, to the same bytes),
partitioning, bad_row (a row that cannot become a record).
"""
