"""This machine's files: a checkpoint file of SQLite in place of DynamoDB, a CSV in place of S3.

Imports: the ground, rows.
Imported by: cli, config, sources, stores, testing/processes.
Read: sqlite_store, sqlite_faults (what its errors mean), file_systems (which ones lock), state (the
user's folder for it), local_source.
"""
