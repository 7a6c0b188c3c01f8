"""A registry of schemas that speaks Confluent's API, asked before the first row.

Imports: the ground, schema.
Imported by: cli, config, testing/checker, wiring.
Read: settings, client.
"""
