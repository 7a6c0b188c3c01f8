"""This machine's files: a checkpoint file of SQLite in place of DynamoDB.

Imports: the ground.
Imported by: cli, config, stores.
Read: sqlite_store, sqlite_faults (what its errors mean), file_systems (which ones lock), state (the
user's folder for it).
"""
