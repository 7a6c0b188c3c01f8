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
    Route,
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


ROUTE = """[[route]]
topic = "t"
column = "a"
in = ["x", "y"]
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


def test_routes_are_sorted_by_topic_as_their_order_says_nothing() -> None:
    other = "[[route]]\ntopic = 'a.b_c-d'\ncolumn = 'a'\nequals = ''\n"
    routes = (Route("a.b_c-d", "a", ("",)), Route("t", "a", ("x", "y")))
    assert read_table(ROUTE + other, "columns.toml").routes == routes
    assert read_table(other + ROUTE, "columns.toml").routes == routes


def test_records_that_name_a_schema_may_go_to_several_topics_by_a_subject_of_their_own() -> None:
    named = '[record]\nformat = "avro"\nsubject = "record"\nname = "shop.Order"\n'
    assert len(read_table(named + ROUTE, "columns.toml").routes) == 1


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
        (
            '[record]\nkey = ["a", "b", "a"]\nkey_format = "json"',
            "line 2, column 1: record.key names 'a' twice",
        ),
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
        (
            '[columns.a]\ntype = "boolean"\nnull = ["", "true"]',
            "line 3, column 1: columns.a.null 'true' is declared as null and as true or false",
        ),
        ('[columns.a]\ntype="boolean"\ntrue=[]', "line 3, column 1: columns.a.true is empty"),
        (
            '[columns.a]\nambiguous = "first"',
            "line 2, column 1: columns.a.ambiguous is for a timestamp in a zone",
        ),
        (
            '[columns.a]\ntype = "timestamp(iso, local)"\nambiguous = "first"',
            "line 3, column 1: columns.a.ambiguous is for a timestamp in a zone",
        ),
        (
            '[columns.a]\ntype = "int"\nconstant = "web"',
            "line 2, column 1: columns.a.type is that of the constant itself: leave it out",
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
        ('[[routes]]\ncolumn = "a"', "'routes' is no setting of a table; is 'route' meant?"),
        ("route = 1", "line 1, column 1: route must be tables, as in [[route]] topic ="),
        ('[[route]]\ncolumn = "a"', "line 1, column 1: route.1 names no topic"),
        ('[[route]]\ntopic = "t"', "line 1, column 1: route.1 names no column"),
        ('[[route]]\ntopic = "t"\ncolumn = "a"', "route.1 needs one of equals, in, and has 0"),
        ('[[route]]\ntopic = ""\ncolumn = "a"\nequals = "x"', "route.1.topic must be text that"),
        ('[[route]]\ntopic = "t"\ncolumn = 1\nequals = "x"', "route.1.column must be text that"),
        ('[[route]]\ntopic = "t"\ncolumn = "a"\nin = []', "line 4, column 1: route.1.in is empty"),
        ('[[route]]\ntopic = "t"\ncolumn = "a"\nequals = 1', "route.1.equals must be text, not 1"),
        (
            '[[route]]\ntopic = "t"\ncolumn = "a"\nmatches = "x"',
            "line 4, column 1: route.1.matches 'matches' is no setting of a table; there are topic",
        ),
        (
            f"{ROUTE}[[route]]\ntopic = 't'\ncolumn = 'a'\nequals = 'z'",
            "line 6, column 1: route.2.topic 't' has a route already",
        ),
        (
            f"{ROUTE}[[route]]\ntopic = 'u'\ncolumn = 'a'\nequals = 'y'",
            "line 8, column 1: route.2.equals 'y' goes to topic 't' already",
        ),
        (ROUTE.replace('"y"', '"x"'), "line 4, column 1: route.1.in names 'x' twice"),
        (
            f"{ROUTE}[[route]]\ntopic = 'u'\ncolumn = 'b'\nequals = 'z'",
            "line 7, column 1: route.2.column is 'b', and another route's is 'a': all routes look",
        ),
        (
            f'[record]\nformat = "avro"\n{ROUTE}',
            'record needs subject = "record", and a name: with [[route]] records of one schema',
        ),
        (f'[record]\nkey_format = "avro"\n{ROUTE}', 'record needs subject = "record"'),
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
