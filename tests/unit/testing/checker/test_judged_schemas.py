"""Records of a loader that is not ours, by whatever schema of the registry they name; and why a row
makes none."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_writer

from csvkafka.registry.settings import RegistrySettings
from csvkafka.schema.declaration import read_table
from csvkafka.schema.table import RecordTable
from csvkafka.testing.checker.declared import DeclaredRows, declared_record
from csvkafka.testing.checker.declared_values import canonical
from csvkafka.testing.checker.documented import TopicRecord
from csvkafka.testing.checker.row_ledger import Fields
from csvkafka.testing.checker.wire import NO_SCHEMA, JudgedSchemas, WireRecords
from tests.registries import SmallRegistry, small_registry
from tests.unit.testing.checker.test_job_expectation import CONFIG

COLUMNS = '\n[columns]\nid = "int"\nnote = { null = [""] }\n'
ROW: dict[str | None, object] = {"id": "7", "note": ""}
DUE = {"id": 7, "note": None}


def table(record: str, columns: str = COLUMNS) -> RecordTable:
    return read_table(f'[record]\nmetadata = "none"\n{record}{columns}', "columns.toml")


AVRO, JSON_SCHEMA = table('format = "avro"'), table('format = "json-schema"')
RECORD: dict[str, Any] = {
    "type": "record",
    "name": "Row",
    "fields": [{"name": "id", "type": "long"}, {"name": "note", "type": ["string", "null"]}],
}


COLOR = {"type": "enum", "symbols": ["red", "blue"]}
PAIR = {
    "type": "record",
    "name": "Pair",
    "fields": [
        {"name": "one", "type": {**COLOR, "name": "Paint"}},
        {"name": "two", "type": "Paint"},
    ],
}


@pytest.fixture
def registry() -> Iterator[SmallRegistry]:
    with small_registry() as running:
        yield running


def schemas(registry: SmallRegistry) -> JudgedSchemas:
    return JudgedSchemas(replace(CONFIG, registry=RegistrySettings(registry.url)))


def fields(registry: SmallRegistry, of: RecordTable, value: bytes) -> Fields | None:
    wire = WireRecords(of, schemas(registry).text_of, canonical)
    return declared_record(of, "s3://b/k", wire=wire)(TopicRecord(0, None, value))[1]


def in_avro(schema_id: int, schema: object, content: object) -> bytes:
    written = BytesIO()
    schemaless_writer(written, parse_schema(schema), content)
    return b"\0" + schema_id.to_bytes(4, "big") + written.getvalue()


def test_any_schema_of_the_registry_reads_a_record(registry: SmallRegistry) -> None:
    schema_id = registry.register("of-its-own", json.dumps(RECORD))
    value = in_avro(schema_id, RECORD, {"id": 7, "note": None})
    assert fields(registry, AVRO, value) == DUE == DeclaredRows(AVRO).fields_of(ROW, 1)


@pytest.mark.parametrize(
    "schema", ['{"type":"map","values":"int"}', '["null",{"type":"map","values":"int"}]', "{", "7"]
)
def test_a_record_by_a_schema_of_no_record_cannot_be_read(
    registry: SmallRegistry, schema: str
) -> None:
    schema_id = registry.register("rows-value", schema)
    by_map = in_avro(schema_id, {"type": "map", "values": "int"}, {"id": 7})
    assert fields(registry, AVRO, by_map) is None


def test_what_the_table_drops_is_in_no_record_though_its_schema_has_a_default(
    registry: SmallRegistry,
) -> None:
    of = table('format = "avro"\nundeclared = "drop"')
    more = {"name": "secret", "type": ["null", "string"], "default": None}
    day = {"name": "day", "type": {"type": "int", "logicalType": "date"}, "default": 1}
    shade = {"name": "shade", "type": "Color", "default": "red"}
    color = {**shade, "name": "color", "type": {**COLOR, "name": "Color"}}
    pair = {**shade, "name": "pair", "type": PAIR, "default": {"one": "red", "two": "red"}}
    schema = {**RECORD, "fields": [*RECORD["fields"], more, day, color, shade, pair]}
    schema_id = registry.register("of-its-own", json.dumps(schema))
    row = {"id": 7, "note": None}
    assert fields(registry, of, in_avro(schema_id, schema, row)) == DUE
    found = fields(registry, of, in_avro(schema_id, schema, {**row, "secret": "x"}))
    assert found == {**DUE, "secret": "x"}


def test_a_record_by_a_schema_that_nobody_has_cannot_be_read(registry: SmallRegistry) -> None:
    assert fields(registry, AVRO, in_avro(9, RECORD, {"id": 7, "note": None})) is None
    value = b'{"id":7,"note":null}'
    assert fields(registry, JSON_SCHEMA, b"\0\0\0\0\x09" + value) is None
    schema_id = registry.register("rows-value", '{"type":"object"}', "JSON")
    assert fields(registry, JSON_SCHEMA, b"\0" + schema_id.to_bytes(4, "big") + value) == DUE
    assert fields(registry, JSON_SCHEMA, value) is None


def test_a_schema_that_nobody_has_is_asked_for_once(registry: SmallRegistry) -> None:
    wire = WireRecords(JSON_SCHEMA, schemas(registry).text_of, canonical)
    decode = declared_record(JSON_SCHEMA, "s3://b/k", wire=wire)
    before = len(registry.asked)
    for kafka_offset in range(3):
        decode(TopicRecord(kafka_offset, None, b'\0\0\0\0\x09{"id":7,"note":null}'))
    assert len(registry.asked) == before + 1


@pytest.mark.parametrize(
    ("kind", "number"),
    [("double", math.nan), ("int", math.nan), ("double", math.inf), ("float", 1e300)],
)
def test_a_number_that_no_row_can_hold_is_not_the_rows(
    registry: SmallRegistry, kind: str, number: float
) -> None:
    of = table('format = "avro"', f'\n[columns]\nid = "{kind}"\n')
    schema = {"type": "record", "name": "Row", "fields": [{"name": "id", "type": "double"}]}
    value = in_avro(registry.register("rows-value", json.dumps(schema)), schema, {"id": number})
    assert fields(registry, of, value) != DeclaredRows(of).fields_of({"id": "1"}, 1)


def test_keys_name_the_latest_schema_of_their_subject(registry: SmallRegistry) -> None:
    keyed = table('key = "id"\nkey_format = "avro"')
    assert schemas(registry).key_id(keyed) == NO_SCHEMA
    schema_id = registry.register("rows-key", '"string"')
    assert schemas(registry).key_id(keyed) == schema_id


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (ROW, ""),
        ({"id": "x", "note": ""}, "column 'id': 'x' is no int"),
        ({"id": "1e3", "note": "void"}, ""),
        ({"id": "7", "note": None}, "of another width, or no text"),
    ],
)
def test_why_a_row_makes_no_record(row: dict[str | None, object], why: str) -> None:
    drop = '\n[[drop]]\ncolumn = "note"\nequals = "void"\n'
    assert DeclaredRows(table("", COLUMNS + drop)).misfit(row) == why


@pytest.mark.parametrize(
    ("kind", "text", "due", "other"),
    [
        ("int", "1", "1", "true"),
        ("int", "0", "0", "false"),
        ("boolean", "true", "true", "1"),
        ("boolean", "false", "false", "0"),
        ("json", '[{"a":[1]}]', '[{"a":[1.0]}]', '[{"a":[true]}]'),
        ("json", '["number","5"]', '["number", "5"]', "5"),
        ("json", '["number","x"]', '["number", "x"]', '["number"]'),
        ("double", "5", "5", '"5"'),
        ("decimal(9,2)", "5", "5", "5.01"),
        (
            "decimal(38,2)",
            "123456789012345678901234567890123456.00",
            "123456789012345678901234567890123456",
            "123456789012345678901234567890123457",
        ),
    ],
)
def test_numbers_are_compared_by_their_value_and_are_no_truth_values(
    kind: str, text: str, due: str, other: str
) -> None:
    one = table("", f'\n[columns]\nid = "{kind}"\n')
    wanted, decode = DeclaredRows(one).fields_of({"id": text}, 1), declared_record(one, "s3://b/k")

    def found(value: str) -> Fields | None:
        return decode(TopicRecord(0, None, b'{"id":%b}' % value.encode()))[1]

    assert found(due) == wanted
    assert found(other) != wanted


def test_a_text_of_many_quotes_is_refused_at_once() -> None:
    began = time.process_time()
    text = '\\"' * 30_000
    assert DeclaredRows(table("", '\n[columns]\nid = "json"\n')).fields_of({"id": text}, 1) is None
    assert time.process_time() - began < 5
