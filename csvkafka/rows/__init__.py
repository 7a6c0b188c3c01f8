"""What a row of a CSV is, in bytes, and the source's bytes cut into blocks of whole rows.

Imports: the ground.
Imported by: aws, cli, encode, job, pipeline, testing/simulator.
Read: csv_rows, window (a look at the bytes ahead), blocks; what a source is, told from its bytes:
source_kind, stored_as, gzip_stream, text_encodings; and what its first rows say: columns, preview,
doubts.
"""
