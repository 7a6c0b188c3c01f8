"""What a row of a CSV is, in bytes, and the source's bytes cut into blocks of whole rows.

Imports: the ground.
Imported by: cli, encode, job, pipeline, testing/simulator.
Read: csv_rows, blocks.
"""
