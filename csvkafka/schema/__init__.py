"""What the user declares of a file's columns: types, names, keys; and what a text becomes by it.

Imports: the ground.
Imported by: config, encode, the ground, job.
Read: table (the declaration as values), declaration (the TOML that it is read from), types (from a
column's text to its value).
"""
