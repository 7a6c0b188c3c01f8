"""CSV files of any size from a seed, and strategies for hypothesis.

Imports: the ground, aws.
Imported by: cli, testing/checker, testing/judging.
Read: csv_files, packed (compressed as a name says), strategies, byte_stream.
"""
