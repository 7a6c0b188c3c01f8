"""What the user declares of a file's columns: types, names, keys; and what a text becomes by it.

Imports: the ground.
Imported by: the ground, cli, config, encode, job, registry, testing/checker, testing/judging,
testing/simulator.
Read: table (the declaration as values), declaration (the TOML that it is read from), toml_reader,
fitting (with the columns of a file), dropping (which rows make no record), routing (which topic a
row goes to), types (from a column's text to its value), formats (which of times a type may name),
inference (a table proposed from rows), subjects (the schemas that records name), avro, json_schema,
avro_values.
"""
