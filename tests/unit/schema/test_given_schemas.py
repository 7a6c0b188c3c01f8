"""A given schema takes every value that its column takes, or is refused before the first row.

The one exception is timestamp-millis, whose rows are refused one by one.
"""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import orjson
import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.schema import SchemaParseException
from hypothesis import event, example, given, settings
from hypothesis import strategies as some
from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError

from csvkafka.schema import avro, json_schema
from csvkafka.schema.avro_values import MICROS, MILLIS, avro_converter
from csvkafka.schema.declaration import read_table
from csvkafka.schema.table import Column, RecordTable
from csvkafka.schema.types import SchemaRefusal, converter

Json = Any

COLUMNS = {
    '"string"': ("", "a", "é" * 300),
    '{ type = "string", null = [""] }': ("", "a"),
    '"int"': ("-2147483648", "0", "1", "2147483647"),
    '{ type = "int", null = ["-"] }': ("-", "7"),
    '"long"': ("-9223372036854775808", "0", "9223372036854775807"),
    '"double"': ("1e300", "0.5", "3"),
    '"float"': ("0.1", "7"),
    '"decimal(5,2)"': ("-999.99", "0", "1.5"),
    '{ type = "decimal(5,2)", null = [""] }': ("", "1.5"),
    '"boolean"': ("true", "false"),
    '"date"': ("0001-01-01", "9999-12-31"),
    '"timestamp(iso, UTC)"': ("2026-11-28 09:00:00", "1969-12-31T23:59:59.000001"),
    '{ type = "timestamp(iso, local)", null = [""] }': ("", "2026-11-28T09:00:00.5"),
    '"json"': ("null", "1", '"a"', "[1]", '{"a": null}'),
    '{ type = "json", null = [""] }': ("", "true"),
    "{ constant = 1 }": ("",),
    "{ constant = true }": ("",),
    '{ constant = "x" }': ("",),
    '{ mask = "all" }': ("secret", ""),
}
"""Columns as declared, and texts that each takes."""


def column_of(declared: str, record_format: str) -> tuple[RecordTable, Column]:
    table = read_table(
        f'[record]\nformat = "{record_format}"\nmetadata = "none"\n[columns]\na = {declared}',
        "columns.toml",
        b"0123456789abcdef",
    )
    return table, table.columns[0]


def given_types(value: some.SearchStrategy[Json]) -> some.SearchStrategy[Json]:
    names = some.sampled_from(["string", "integer", "number", "boolean", "null", "object", "array"])
    keywords = {
        "type": names | some.lists(names, min_size=1, max_size=3, unique=True),
        "const": some.sampled_from([1, True, "x", None]),
        "enum": some.lists(some.sampled_from([1, True, "x", "a"]), min_size=1, unique_by=repr),
        "minimum": some.sampled_from([-(2**63), -(2**31), 0]),
        "maximum": some.sampled_from([2**63 - 1, 2**31 - 1, 7]),
        "exclusiveMinimum": some.just(0),
        "multipleOf": some.just(2),
        "minLength": some.just(1),
        "maxLength": some.just(3),
        "pattern": some.just("^a"),
        "format": some.sampled_from(["date", "date-time"]),
        "items": some.just(False),
        "required": some.just(["b"]),
        "title": some.just("A"),
        "connect.index": some.just(0),
        "not": value,
        "if": value,
        "then": value,
        "oneOf": some.lists(value, min_size=1, max_size=3),
        "anyOf": some.lists(value, min_size=1, max_size=3),
        "allOf": some.lists(value, min_size=1, max_size=2),
    }
    chosen = some.lists(some.sampled_from(sorted(keywords)), max_size=3, unique=True)
    return chosen.flatmap(
        lambda names: some.fixed_dictionaries({name: keywords[name] for name in names})
    )


PLAIN_SCHEMAS = some.sampled_from(
    [True, False, {}, {"type": "null"}, {"type": "string"}, {"type": "integer"}, {"type": "number"}]
)
JSON_SCHEMAS = some.recursive(PLAIN_SCHEMAS, given_types, max_leaves=4)


@given(some.sampled_from(sorted(COLUMNS)), JSON_SCHEMAS, some.booleans())
@example('"string"', False, False)
@example('{ type = "int", null = ["-"] }', {"oneOf": [{"type": "null"}, {}]}, False)
@example('"json"', {"oneOf": [{"type": "null"}, {}]}, False)
@example('"string"', {"oneOf": [{"type": "null"}, {"type": "string"}], "pattern": "^a"}, False)
@example('"string"', {"anyOf": [{"type": "string"}], "oneOf": [{"const": "x"}]}, False)
@example('{ type = "int", null = ["-"] }', {"anyOf": [{"type": "null"}], "title": "A"}, False)
@example("{ constant = 1 }", {"const": True}, False)
@example("{ constant = true }", {"const": 1}, False)
@settings(deadline=None, max_examples=400)
def test_a_json_schema_that_is_not_refused_takes_every_value(
    declared: str, prop: Json, beside_what_is_made: bool
) -> None:
    table, column = column_of(declared, "json-schema")
    made = json_schema.json_schema(table, ("a",), "o")
    if beside_what_is_made and isinstance(prop, dict):
        prop = {**prop, **made["properties"]["a"]}  # type: ignore[index]
    schema = {"type": "object", "properties": {"a": prop}}
    try:
        Draft7Validator.check_schema(schema)
    except SchemaError:
        return
    if list(json_schema.misfits(made, schema)):
        event("refused")
        return
    event("fits")
    convert = converter(column, table.nulls_of(column), b"")
    for text in COLUMNS[declared]:
        record = orjson.loads(orjson.dumps({"a": convert(text)}))
        Draft7Validator(schema).validate(record)


@pytest.mark.parametrize(
    "prop",
    [
        {"connect.index": 0, "oneOf": [{"type": "null"}, {"type": "string"}]},
        {"connect.index": 0, "oneOf": [{"type": "null"}, {"type": "string", "x-a": 1}]},
        {"connect.index": 0, "type": "string", "connect.type": "string", "readOnly": True},
        {"anyOf": [{"title": "none", "type": "null"}, {}], "deprecated": True, "$comment": "old"},
        {"definitions": {"a": False}, "writeOnly": False},
    ],
)
def test_keywords_that_refuse_no_value_are_not_looked_at(prop: Json) -> None:
    table, _ = column_of('"string"', "json-schema")
    made = json_schema.json_schema(table, ("a",), "o")
    schema = {"type": "object", "properties": {"a": prop}, "connect.name": "o", "$defs": {}}
    assert list(json_schema.misfits(made, schema)) == []
    Draft7Validator(schema).validate({"a": "x"})


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"pattern": "^a", "title": "A", "not": {}}, "has pattern, not beside oneOf there"),
        ({"anyOf": [{"type": "string"}]}, "has anyOf beside oneOf there"),
        ({"connect.index": 0, "type": "string"}, "has type beside oneOf there"),
    ],
)
def test_what_stands_beside_one_of_is_named(more: Json, said: str) -> None:
    table, _ = column_of('"string"', "json-schema")
    made = json_schema.json_schema(table, ("a",), "o")
    prop = {"oneOf": [{"type": "null"}, {"type": "string"}], **more}
    found = list(json_schema.misfits(made, {"type": "object", "properties": {"a": prop}}))
    assert found == [f"column 'a' {said}"]


DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}
PLAIN_AVRO: tuple[Json, ...] = (
    *("null", "string", "bytes", "int", "long", "float", "double", "boolean"),
    {"type": "string"},
    {"type": "string", "logicalType": "uuid"},
    {"type": "enum", "name": "E", "symbols": ["a", "x"]},
    {"type": "fixed", "name": "F", "size": 3},
    {**DECIMAL, "type": "fixed", "name": "D", "size": 4},
    DECIMAL,
    {**DECIMAL, "precision": 9},
    {**DECIMAL, "precision": 4},
    {**DECIMAL, "scale": 3},
    *({"type": "int", "logicalType": name} for name in ("date", "time-millis")),
    *(
        {"type": "long", "logicalType": f"{local}timestamp-{unit}"}
        for local in ("", "local-")
        for unit in ("micros", "millis")
    ),
    {"type": "array", "items": "string"},
    {"type": "map", "values": "int"},
    {"type": "record", "name": "R", "fields": []},
)
AVRO_TYPES: tuple[Json, ...] = (
    *PLAIN_AVRO,
    *(["null", kind] for kind in PLAIN_AVRO),
    *([kind, "null"] for kind in PLAIN_AVRO),
    *([kind, "string"] for kind in PLAIN_AVRO),
)


@pytest.mark.parametrize("declared", COLUMNS)
def test_an_avro_schema_that_is_not_refused_takes_every_value(declared: str) -> None:
    table, column = column_of(declared, "avro")
    made = avro.value_schema(table, ("a",), "o")
    fitting = 0
    for kind in AVRO_TYPES:
        schema = {**made, "fields": [{"name": "a", "type": kind}]}
        try:
            parsed = parse_schema(schema)
        except SchemaParseException:
            continue
        if list(avro.misfits(made, schema)):
            continue
        fitting += 1
        is_millis = "timestamp-millis" in json.dumps(kind)
        unit = MILLIS if is_millis else MICROS
        convert = avro_converter(column, table.nulls_of(column), b"", unit)
        as_made = avro_converter(column, table.nulls_of(column), b"")
        for text in COLUMNS[declared]:
            try:
                value = convert(text)
            except SchemaRefusal:
                assert is_millis
                continue
            due = written_and_read(parse_schema(made), as_made(text))
            assert written_and_read(parsed, value) == pytest.approx(due)
    assert fitting >= 2  # the one that is made of the column, at least, with null and without


def written_and_read(schema: Json, value: object) -> object:
    out = BytesIO()
    schemaless_writer(out, schema, {"a": value})
    out.seek(0)
    record: Json = schemaless_reader(out, schema, None)
    found = record["a"]
    return found if isinstance(found, int | float) else str(found)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "record", "name": "o", "fields": None},
        {"type": "record", "name": "o", "fields": [{"type": "string"}]},
        {"type": "record", "name": "o", "fields": [{"name": "a"}]},
        {"type": "record", "name": "o", "fields": ["a"]},
    ],
)
def test_what_is_no_avro_schema_is_a_sentence_and_no_traceback(schema: Json) -> None:
    table, _ = column_of('"string"', "avro")
    assert list(avro.misfits(avro.value_schema(table, ("a",), "o"), schema)) == [
        "its fields are no list of names and types"
    ]


@pytest.mark.parametrize("change", [{"properties": []}, {"required": True}, {"required": 5}])
def test_what_is_no_json_schema_is_a_sentence_and_no_traceback(change: Json) -> None:
    table, _ = column_of('"string"', "json-schema")
    made = json_schema.json_schema(table, ("a",), "o")
    (said,) = json_schema.misfits(made, {**made, **change})
    assert "its properties are no object, or what it requires is no list" in said
