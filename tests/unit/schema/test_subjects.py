"""The schemas that a table's records name: made of the columns, or given and held against them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastavro import parse_schema

from csvkafka.errors import ConfigError
from csvkafka.schema.declaration import read_table
from csvkafka.schema.subjects import WireSchema, WireSchemas, schemas_of
from csvkafka.schema.table import RecordTable
from tests.refusals import refusal

SECRET = b"0123456789abcdef"
NAMES = ("id", "price", "seen")
TABLE = """
[record]
format = "avro"
key = "id"
[columns]
id = "int"
price = { type = "decimal(9,2)", null = [""] }
seen = { type = "timestamp(iso, UTC)", rename = "seen_at" }
"""


def table(text: str, folder: Path | None = None) -> RecordTable:
    beside = None if folder is None else lambda name: (folder / name).read_text()
    return read_table(text, "columns.toml", SECRET, beside)


def value_of(text: str, names: tuple[str, ...] = NAMES, folder: Path | None = None) -> Any:
    schema = schemas_of(table(text, folder), names, "orders").value
    assert schema is not None
    return json.loads(schema.text)


def test_the_schema_is_made_of_the_columns() -> None:
    schemas = schemas_of(table(TABLE), NAMES, "orders")
    assert schemas.key is None
    assert schemas.value is not None
    assert (schemas.value.subject, schemas.value.schema_type) == ("orders-value", "AVRO")
    decimal = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
    assert json.loads(schemas.value.text) == {
        "type": "record",
        "name": "orders",
        "fields": [
            {"name": "id", "type": "int"},
            {"name": "price", "type": ["null", decimal], "default": None},
            {"name": "seen_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {"name": "_source_line", "type": "long"},
            {"name": "_source_file", "type": "string"},
        ],
    }


@pytest.mark.parametrize(
    ("declared", "avro"),
    [
        ('"string"', "string"),
        ('"int"', "int"),
        ('"long"', "long"),
        ('{ type = "long", as_text = true }', "string"),
        ('"float"', "float"),
        ('"double"', "double"),
        ('"boolean"', "boolean"),
        ('"json"', "string"),
        ('"date"', {"type": "int", "logicalType": "date"}),
        (
            '"timestamp(iso, local)"',
            {"type": "long", "logicalType": "local-timestamp-micros"},
        ),
        ('{ hash = "blake2b" }', "string"),
        ('{ mask = "all" }', "string"),
        ('{ constant = "x" }', "string"),
        ("{ constant = 7 }", "long"),
        ("{ constant = 0.5 }", "double"),
        ('{ constant = true, null = [""] }', "boolean"),
    ],
)
def test_each_type_in_avro(declared: str, avro: object) -> None:
    schema = value_of(
        f'[record]\nformat = "avro"\nmetadata = "none"\n[columns]\na = {declared}', ("a",)
    )
    assert schema["fields"] == [{"name": "a", "type": avro}]
    parse_schema(schema)


def test_names_and_subjects() -> None:
    text = TABLE.replace("[record]", '[record]\nsubject = "record"\nname = "shop.Order"')
    schemas = schemas_of(table(text), NAMES, "orders")
    assert schemas.value is not None
    assert schemas.value.subject == "shop.Order"
    keyed = text.replace('key = "id"', 'key = ["seen", "id"]\nkey_format = "avro"')
    key = schemas_of(table(keyed), NAMES, "orders").key
    assert key is not None
    assert key.subject == "shop.OrderKey"
    assert [field["name"] for field in json.loads(key.text)["fields"]] == ["seen_at", "id"]
    by_topic = schemas_of(table(keyed.replace('"record"', '"topic"')), NAMES, "orders.eu")
    assert [schema.subject for schema in by_topic] == ["orders.eu-value", "orders.eu-key"]


def test_a_topic_that_is_no_name_in_avro_gives_one() -> None:
    schema = schemas_of(table(TABLE), NAMES, "2026.orders-eu").value
    assert schema is not None
    assert json.loads(schema.text)["name"] == "_2026_orders_eu"
    assert schema.subject == "2026.orders-eu-value"


def test_a_column_that_avro_cannot_name_is_refused_with_a_name_for_it() -> None:
    text = '[record]\nformat = "avro"\n[columns]\n"unit price" = "int"\n"2nd" = { drop = true }'
    with refusal(ConfigError, match="'unit price' is no name .* rename = \"unit_price\""):
        schemas_of(table(text), ("unit price", "2nd"), "orders")


def test_json_schema_of_the_columns() -> None:
    schema = value_of(TABLE.replace('"avro"', '"json-schema"'))
    assert schema["title"] == "orders"
    assert schema["required"] == ["id", "price", "seen_at", "_source_line", "_source_file"]
    assert schema["properties"]["price"] == {"oneOf": [{"type": "null"}, {"type": "number"}]}
    assert schema["properties"]["seen_at"] == {"type": "string", "format": "date-time"}


GIVEN = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "doc": "One order.",
    "fields": [
        {"name": "seen_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "id", "type": ["null", "long"], "default": None},
        {
            "name": "price",
            "type": [
                {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2},
                "null",
            ],
        },
        {"name": "_source_line", "type": "long"},
        {"name": "_source_file", "type": "string"},
        {"name": "channel", "type": "string", "default": "web"},
    ],
}


def given(tmp_path: Path, schema: object, text: str = TABLE) -> Any:
    (tmp_path / "order.avsc").write_text(json.dumps(schema))
    return value_of(text.replace("[record]", '[record]\nschema = "order.avsc"'), folder=tmp_path)


def changed(name: str, kind: object) -> object:
    fields = [{**f, "type": kind} if f["name"] == name else f for f in GIVEN["fields"]]  # type: ignore[index,dict-item]
    return {**GIVEN, "fields": fields}


def test_a_given_schema_that_fits_is_the_one(tmp_path: Path) -> None:
    assert given(tmp_path, GIVEN) == GIVEN
    text = TABLE.replace("[record]", '[record]\nsubject = "record"\nschema = "order.avsc"')
    schema = schemas_of(table(text, tmp_path), NAMES, "orders").value
    assert schema is not None
    assert schema.subject == "shop.Order"


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (changed("id", "string"), "column 'id' is int, and is string there"),
        (changed("id", ["null", "int", "long"]), "column 'id' is a union of several types"),
        (changed("price", "double"), "column 'price' may be null, and is double there"),
        (
            changed("price", ["null", {**GIVEN["fields"][2]["type"][0], "scale": 3}]),  # type: ignore[index]
            r"column 'price' is decimal\(9,2\), and is decimal\(12,3\) there",
        ),
        (
            changed("seen_at", {"type": "long", "logicalType": "local-timestamp-micros"}),
            "column 'seen_at' is timestamp-micros, and is local-timestamp-micros there",
        ),
        (changed("seen_at", "long"), "column 'seen_at' is timestamp-micros, and is long there"),
        ({**GIVEN, "fields": GIVEN["fields"][1:]}, "no field for column 'seen_at'"),
        (
            {**GIVEN, "fields": [*GIVEN["fields"], {"name": "vat", "type": "int"}]},
            "its field 'vat' has no default, and no column makes it",
        ),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, "it is no record"),
    ],
)
def test_a_given_schema_that_does_not_fit_names_the_column(
    tmp_path: Path, schema: object, said: str
) -> None:
    with refusal(ConfigError, match=said):
        given(tmp_path, schema)


JSON_TABLE = TABLE.replace('"avro"', '"json-schema"')


def test_the_json_schema_that_would_be_made_fits_when_it_is_given(tmp_path: Path) -> None:
    made = value_of(JSON_TABLE)
    assert given(tmp_path, made, JSON_TABLE) == made
    looser = {"type": "object", "properties": {"id": {"type": "number"}}, "title": "o"}
    assert given(tmp_path, looser, JSON_TABLE) == looser


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": {"type": "string"}}, "column 'id' is integer, and type is 'string' there"),
        ({"id": {"type": "integer", "multipleOf": 5}}, "column 'id' is integer, and multipleOf"),
        ({"price": {"type": "number"}}, "column 'price' may be null, and is number there"),
        ({"seen_at": {"type": "string", "pattern": "Z$"}}, "column 'seen_at' is string, and patt"),
    ],
)
def test_a_json_schema_that_restricts_more_than_the_columns_is_refused(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    made = value_of(JSON_TABLE)
    with refusal(ConfigError, match=said):
        given(tmp_path, {**made, "properties": {**made["properties"], **change}}, JSON_TABLE)


def test_a_json_schema_that_requires_what_no_column_makes_is_refused(tmp_path: Path) -> None:
    made = value_of(JSON_TABLE)
    with refusal(ConfigError, match="requires 'vat', and no column makes it"):
        given(tmp_path, {**made, "required": ["vat"]}, JSON_TABLE)
    with refusal(ConfigError, match="restricts records by 'maxProperties'"):
        given(tmp_path, {**made, "maxProperties": 3}, JSON_TABLE)


def test_an_id_is_taken_from_a_configuration_only_for_that_schema() -> None:
    schemas = schemas_of(table(TABLE), NAMES, "orders")
    stored = schemas.mapped(lambda schema: schema.with_id(7)).configuration
    again = schemas.as_stored(stored)
    assert again.value is not None
    assert again.value.schema_id == 7
    other = schemas_of(table(TABLE.replace("9,2", "9,3")), NAMES, "orders").as_stored(stored)
    assert other.value is not None
    assert other.value.schema_id is None


def test_a_job_goes_on_with_the_given_schema_that_it_was_begun_with(tmp_path: Path) -> None:
    restricted = {
        "type": "object",
        "title": "shop.Order",
        "properties": {"id": {"type": "integer", "multipleOf": 1}},
    }
    (tmp_path / "order.json").write_text(json.dumps(restricted))
    text = JSON_TABLE.replace("[record]", '[record]\nsubject = "record"\nschema = "order.json"')
    of = table(text, tmp_path)
    with refusal(ConfigError, match="multipleOf is 1 there"):
        schemas_of(of, NAMES, "orders")
    begun = WireSchema("shop.Order", "JSON", json.dumps(restricted, separators=(",", ":")), 7)
    schemas = schemas_of(of, NAMES, "orders", WireSchemas(begun).configuration)
    assert schemas.value == begun
    (tmp_path / "order.json").write_text(json.dumps({**restricted, "maxProperties": 9}))
    with refusal(ConfigError, match="multipleOf is 1 there"):
        schemas_of(table(text, tmp_path), NAMES, "orders", WireSchemas(begun).configuration)
