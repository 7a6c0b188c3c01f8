"""What a row of a CSV is, in bytes, and the source's bytes cut into blocks of whole rows.

Imports: the ground.
Imported by: aws, cli, encode, job, pipeline, testing/simulator.
Read: csv_rows, window (a look at the bytes ahead), blocks, source_kind (what a source is, told from
its bytes), stored_as, gzip_stream, text_encodings, columns, preview (what its first rows say),
doubts.
"""
