"""A declared table: read, or refused with the line and the column of each mistake."""

from __future__ import annotations

import pytest

from csvkafka.errors import ConfigError
from csvkafka.schema.declaration import read_table
from csvkafka.schema.table import (
    Ambiguous,
    Column,
    ColumnType,
    KeyFormat,
    Kind,
    Metadata,
    RecordTable,
    Undeclared,
)

WHOLE = """
[record]
key = ["tenant", "id"]
key_format = "json"
metadata = "headers"
null = ["", "NULL"]
undeclared = "drop"

[columns]
tenant = "string"
id = { type = "long", null = [] }

[columns."unit price"]   # with a blank
type = "decimal(12,2)"
rename = "price"
as_text = true

[columns.email]
hash = "blake2b"

[columns.card]
mask = "last 4"

[columns.seen]
type = "timestamp(iso, Europe/Berlin)"
ambiguous = "first"

[columns.note]
drop = true

[columns.origin]
constant = "web"
"""


def test_all_that_can_be_declared() -> None:
    assert read_table(WHOLE, "columns.toml", b"k" * 16) == RecordTable(
        columns=(
            Column("tenant"),
            Column("id", ColumnType(Kind.LONG), nulls=()),
            Column("unit price", ColumnType(Kind.DECIMAL, 12, 2), rename="price", as_text=True),
            Column("email", is_hashed=True),
            Column("card", is_masked=True, shown_last=4),
            Column(
                "seen",
                ColumnType(Kind.TIMESTAMP, format="iso", zone="Europe/Berlin"),
                ambiguous=Ambiguous.FIRST,
            ),
            Column("note", is_dropped=True),
            Column("origin", constant="web"),
        ),
        key=("tenant", "id"),
        key_format=KeyFormat.JSON,
        metadata=Metadata.HEADERS,
        nulls=("", "NULL"),
        undeclared=Undeclared.DROP,
        hash_key=b"k" * 16,
    )


def test_a_key_may_be_one_name() -> None:
    assert read_table('record.key = "id"\ncolumns.id = "int"', "c.toml").key == ("id",)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[columns.a\n", "line 1, column 11"),
        (
            "\n[column.a]\n",
            "line 2, column 1: column 'column' is no setting of a table; is 'columns'",
        ),
        (
            '[record]\nkeys = "a"',
            "line 2, column 1: record.keys 'keys' is no setting of a table; is",
        ),
        (
            '[columns.a]\n  type = "integer"',
            "line 2, column 3: columns.a.type 'integer' is no type",
        ),
        ('[columns]\na = "decimal"', "line 2, column 1: columns.a 'decimal' needs its digits"),
        ("[columns]\na = 7", "line 2, column 1: columns.a must be a type"),
        ('[columns."x y"]\ntyp = "int"', "line 2, column 1: columns.x y.typ 'typ' is no setting"),
        (
            '[record]\nformat = "xml"',
            "line 2, column 1: record.format must be one of json, avro, json-schema, not 'xml'",
        ),
        ('[record]\nsubject = "record"', 'record.subject is for format = "avro" or "json-schema"'),
        ('[record]\nname = "a.B"', 'record.name is for format = "avro" or "json-schema"'),
        ('[record]\nschema = "a.avsc"', 'record.schema is for format = "avro" or'),
        ('[record]\nformat = "avro"\nsubject = "record"', "record.subject needs a name"),
        (
            '[record]\nformat = "avro"\nschema = "none.avsc"',
            "line 3, column 1: record.schema 'none.avsc' is no file of JSON",
        ),
        ('[record]\nnull = "NULL"', "line 2, column 1: record.null must be a list of texts"),
        ('[record]\nkey = ["a", "b"]', "line 2, column 1: record.key several columns make no text"),
        ('columns.a = {mask = "half"}', "line 1, column 1: columns.a 'half' is no mask; give"),
        (
            '[columns.a]\ntype = "int"\nmask = "all"',
            "line 3, column 1: columns.a.mask makes a",
        ),
        ('[columns.a]\ndrop = "yes"', "line 2, column 1: columns.a.drop must be true or false"),
        (
            "[columns.a]\ndrop = true\nmask = 'all'",
            "hash, mask, constant and drop exclude",
        ),
        ('[columns.a]\ntrue = ["1"]', "line 2, column 1: columns.a.true is for a boolean"),
        (
            '[columns.a]\ntype="boolean"\ntrue=["0"]\nfalse=["0"]',
            "'0' is declared as true and as false",
        ),
        ("[columns.a]\nleading_zeros = true", "columns.a.leading_zeros is for int, long, float"),
        ("[columns.a]\nconstant = 1979-05-27", "columns.a.constant must be text, a number (finite"),
        ("[columns.a]\nconstant = inf", "columns.a.constant must be text, a number (finite"),
        (
            "[columns.a]\nconstant = 9223372036854775808",
            "columns.a.constant must be text",
        ),
        ("[columns.a]\nrename = ''", "columns.a.rename must be text that is not empty"),
        ('[columns.a]\nhash = "md5"', "columns.a.hash must be one of blake2b, not 'md5'"),
        ('[columns.a]\nhash = "blake2b"', "CSV_HASH_KEY is not set"),
        ("columns = 7", "line 1, column 1: columns must be a table"),
        ('[[route]]\ncolumn = "a"', "'route' is no setting of a table; there are record, columns"),
        ("drop = true", "line 1, column 1: drop must be tables, as in [[drop]]"),
        ('[[drop]]\nequals = "x"', "line 1, column 1: drop.1 names no column"),
        ('[[drop]]\ncolumn = "a"', "line 1, column 1: drop.1 needs one of equals, in, matches"),
        (
            '[columns]\na = "int"\n\n[[drop]] # so\ncolumn = "a"\nempty = true\n'
            '[[drop]]\ncolumn = "a"\n  equal = "x"',
            "line 9, column 3: drop.2.equal 'equal' is no setting of a table; is 'equals' meant",
        ),
        ('[[drop]]\ncolumn = "a"\nequals = "x"\nin = ["y"]', "drop.1 needs one of"),
        ('[[drop]]\ncolumn = "a"\nequals = 7', "line 3, column 1: drop.1.equals must be text"),
        ('[[drop]]\ncolumn = "a"\nin = []', "line 3, column 1: drop.1.in is empty"),
        ('[[drop]]\ncolumn = "a"\nnot_in = "x"', "drop.1.not_in must be a list of texts"),
        (
            '[[drop]]\ncolumn = "a"\nmatches = "a("',
            "line 3, column 1: drop.1.matches 'a(' is no regular expression (missing ), unterm",
        ),
        ('[[drop]]\ncolumn = "a"\nempty = false', "drop.1.empty must be true, not False"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_table(text, "columns.toml")
    assert str(caught.value).startswith("columns.toml")
    assert where in str(caught.value)


def test_all_mistakes_are_said_at_once() -> None:
    with pytest.raises(ConfigError, match=r"line 2.*line 3"):
        read_table('[columns]\na = "in"\nb = "lon"', "columns.toml")
