"""A record in Confluent's wire format: a zero byte, its schema's id in four, then what that schema
describes."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Collection, Mapping
from io import BytesIO
from typing import Any

import orjson

from csvkafka.errors import ConfigError
from csvkafka.schema.avro_values import MICROS, MILLIS
from csvkafka.schema.subjects import AVRO, WireSchema

Dump = Callable[[Mapping[str, object]], bytes]

MAGIC = b"\0"
PREFIX_BYTES = 5


def prefix(schema: WireSchema) -> bytes:
    """What stands before each record. Raises ConfigError for a schema that was not asked for in the
    registry."""
    if schema.schema_id is None:
        raise ConfigError(
            f"CSV_COLUMNS: no id is known for the schema of subject {schema.subject}; this is a "
            "defect of csvkafka: please report it. Nothing was sent."
        )
    return MAGIC + schema.schema_id.to_bytes(4, "big")


def dumper(schema: WireSchema, made: Collection[str]) -> Dump:
    """What writes the fields of one record; `made` is their names. Raises ConfigError as `prefix`
    does, for what is no schema, for a default that cannot be written, and where `fastavro` is
    missing."""
    first = prefix(schema)
    if schema.schema_type != AVRO:
        return lambda fields: first + orjson.dumps(fields)
    try:
        from fastavro import parse_schema, schemaless_writer
        from fastavro.schema import SchemaParseException
    except ImportError as error:
        raise ConfigError(
            'records in Avro (CSV_COLUMNS) need the package fastavro; install "csvkafka[registry]"'
        ) from error
    try:
        parsed = parse_schema(json.loads(schema.text))
    except (SchemaParseException, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"the schema that CSV_COLUMNS names is none of Avro ({error}); repair it"
        ) from error

    _check_defaults(json.loads(schema.text), made)

    def dump(fields: Mapping[str, object]) -> bytes:
        # One for each record: several threads encode.
        out = BytesIO()
        out.write(first)
        schemaless_writer(out, parsed, fields)
        return out.getvalue()

    return dump


def _check_defaults(schema: dict[str, Any], made: Collection[str]) -> None:
    """Raises ConfigError if the fields that no column makes (all but `made`) cannot be written as
    they say: each row would fail at it."""
    from fastavro import parse_schema, schemaless_writer

    fields = [field for field in schema["fields"] if field["name"] not in made]
    try:
        schemaless_writer(BytesIO(), parse_schema({**schema, "fields": fields}), {})
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError, struct.error) as error:
        raise ConfigError(
            "the schema that CSV_COLUMNS names has a field that no column makes, and whose default "
            f"cannot be written ({error}); repair it, or drop the field"
        ) from error


def readable(data: bytes, schema: WireSchema) -> object:
    """What a record holds: of Avro its values, else the bytes of its JSON."""
    if schema.schema_type != AVRO:
        return data[PREFIX_BYTES:]
    from fastavro import parse_schema, schemaless_reader

    content = BytesIO(data[PREFIX_BYTES:])
    return schemaless_reader(content, parse_schema(json.loads(schema.text)), None)


def units_of(schema: WireSchema) -> dict[str, str]:
    """The unit of each of an Avro schema's timestamps, by the field's name."""
    return {
        field["name"]: MILLIS if "timestamp-millis" in json.dumps(field["type"]) else MICROS
        for field in json.loads(schema.text)["fields"]
    }
