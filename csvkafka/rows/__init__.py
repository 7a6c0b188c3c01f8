"""What a row of a CSV is, in bytes, and the source's bytes cut into blocks of whole rows.

Imports: the ground.
Imported by: aws, cli, config, encode, files, job, pipeline, remote, sources, testing/simulator,
wiring.
Read: dialects, utf16, csv_rows (what a row is), window, blocks, cutters (where rows end), pieces
(the blocks of a set), joining (those that share a batch), columns, preview (what the first bytes
show), samples (rows of many places), doubts (what of it is not meant), text_encodings, source_kind
(what bytes are), stored_as, packed_stream, gzip_stream, zstd_stream, bzip2_stream, packed_content
(from any byte on), deflate_blocks (where such a stream can be entered), deflate_rest (what it holds
before its damage).
"""
