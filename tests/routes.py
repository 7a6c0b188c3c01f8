"""The routes of the tests: by a column `country`, to two topics."""

from __future__ import annotations

ROUTES = """
[[route]]
topic = "{middle}"
column = "country"
in = ["DE", "AT"]

[[route]]
topic = "{south}"
column = "country"
equals = "IT"
"""
"""`{middle}` and `{south}` are the topics; a table's other lines stand before these."""
