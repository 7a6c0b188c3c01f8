"""Records that name a schema of a registry: what they hold, and the bytes that a key should be.

A value is read as any consumer reads it, by the schema that its id names in the registry. A key's
bytes are written here from Avro's specification, with nothing of the loader's.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from io import BytesIO
from typing import Any

from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import SchemaDeletedError, SchemaRefusedError
from csvkafka.registry.client import RegistryClient
from csvkafka.schema.table import (
    OWN_FIELDS,
    Column,
    Kind,
    Metadata,
    RecordFormat,
    RecordTable,
    SubjectBy,
    Undeclared,
)
from csvkafka.testing.checker.declared_values import EXACTLY
from csvkafka.testing.checker.row_ledger import Fields

PREFIX_BYTES = 5
NO_SCHEMA = (1 << 32) - 1
"""What no key names."""


class WireRecords:
    """Reads the values of one job. What no table declares is left out where it is the schema's
    default; but not where columns that the table does not declare are texts."""

    def __init__(
        self,
        table: RecordTable,
        text_of: Callable[[int], str],
        canonical: Callable[[object], object],
        schema_id: int | None = None,
    ) -> None:
        """`text_of` is what a registry has under an id; `schema_id` the only one that records may
        name; `canonical` makes a value comparable."""
        self._table = table
        self._text_of = cache(text_of)
        self._schema_of = cache(self._read_schema)
        self._canonical = canonical
        self._schema_id = schema_id
        own = OWN_FIELDS if table.metadata is Metadata.VALUE else ()
        self._declared = {*own, *(column.field for column in table.columns)}
        self._floats = {c.field for c in table.columns if c.type.kind is Kind.FLOAT}

    def content(self, value: bytes) -> bytes:
        """What comes after the id of a schema that the registry has. Raises ValueError."""
        schema_id, content = self._split(value)
        if self._schema_id is None:
            self._text_of(schema_id)
        return content

    def _split(self, value: bytes) -> tuple[int, bytes]:
        if len(value) < PREFIX_BYTES or value[0] != 0:
            raise ValueError("it does not begin with a zero and an id")
        schema_id = int.from_bytes(value[1:PREFIX_BYTES], "big")
        if self._schema_id not in (None, schema_id):
            raise ValueError(f"it names schema {schema_id}")
        return schema_id, value[PREFIX_BYTES:]

    def _read_schema(self, schema_id: int) -> tuple[Any, dict[str, object]]:
        """A schema as fastavro reads it, and the defaults of fields that may be left out."""
        from fastavro import parse_schema

        schema = json.loads(self._text_of(schema_id))
        if not isinstance(schema, dict) or "fields" not in schema:
            raise ValueError(f"schema {schema_id} is no record's")
        has_texts = self._table.undeclared is Undeclared.STRING
        try:
            return parse_schema(schema), {} if has_texts else _defaults(schema, self._declared)
        except Exception as error:
            raise ValueError(f"schema {schema_id} is not Avro: {error}") from error

    def fields(self, value: bytes) -> Fields:
        """The fields of a value in Avro. Raises ValueError."""
        from fastavro import schemaless_reader

        schema_id, data = self._split(value)
        content = BytesIO(data)
        schema, defaults = self._schema_of(schema_id)
        try:
            record = schemaless_reader(content, schema, None)
        except Exception as error:
            raise ValueError(f"it is not of its schema: {error}") from error
        if content.read(1) or not isinstance(record, dict):
            raise ValueError("more stands behind it")
        return {
            name: self._comparable(name, found)
            for name, found in record.items()
            if name not in defaults or found != defaults[name]
        }

    def given_defaults(self) -> Fields:
        """What a schema that is given has in fields that the table does not declare, and that the
        columns of a file need not have; only where such columns are texts, as records are read
        without these fields elsewhere."""
        table = self._table
        is_given = table.given_schema and table.format is RecordFormat.AVRO
        if table.undeclared is not Undeclared.STRING or not is_given:
            return {}
        found = _defaults(json.loads(table.given_schema), {*self._declared, *OWN_FIELDS})
        return {name: self._comparable(name, value) for name, value in found.items()}

    def _comparable(self, name: str, found: object) -> object:
        if isinstance(found, datetime):
            zone = "" if found.tzinfo is None else "Z"
            fraction = "microseconds" if found.microsecond else "seconds"
            return found.replace(tzinfo=None).isoformat(timespec=fraction) + zone
        if isinstance(found, date):
            return found.isoformat()
        if isinstance(found, Decimal):
            whole = found.as_tuple().exponent == 0
            return int(found) if whole else ("number", str(found.normalize(EXACTLY)))
        if isinstance(found, float):
            return self._canonical(as_float(found) if name in self._floats else found)
        return found


def _defaults(schema: dict[str, Any], others: set[str]) -> dict[str, object]:
    """The defaults of a record's fields, but for those of these names, as fastavro reads them."""
    return {name: value for name, (value, _) in _written_defaults(schema, others).items()}


def _written_defaults(schema: dict[str, Any], others: set[str]) -> dict[str, tuple[object, bytes]]:
    """The same, each also as it is written."""
    from fastavro import parse_schema, schemaless_reader, schemaless_writer
    from fastavro.schema import expand_schema

    found: dict[str, tuple[object, bytes]] = {}
    # A field alone lacks the types of others, unless they are written out; twice in it they are not
    # to be. One that nobody can write is in no record: a column makes it, or the load was refused.
    for field in (*expand_schema(schema)["fields"], *schema["fields"]):
        if "default" not in field or {field["name"]} & {*found, *others}:
            continue
        with suppress(Exception):
            alone, written = parse_schema({**schema, "fields": [field]}), BytesIO()
            schemaless_writer(written, alone, {})
            data = written.getvalue()
            (value,) = schemaless_reader(BytesIO(data), alone, None).values()
            found[field["name"]] = value, data
    return found


class GivenAvro:
    """What a table's own schema in Avro says of the sizes of records: `types` of its fields, and
    what is written of a field that no column makes."""

    def __init__(self, given_schema: str) -> None:
        schema = json.loads(given_schema)
        self.types: dict[str, object] = {field["name"]: field["type"] for field in schema["fields"]}
        written = _written_defaults(schema, set())
        self._sizes = {name: len(data) for name, (_, data) in written.items()}

    def bytes_of_defaults(self, made: Container[str]) -> int:
        """How many bytes the fields take that are none of these."""
        return sum(size for name, size in self._sizes.items() if name not in made)


def as_float(number: float) -> float:
    """The nearest number of 32 bits; the number itself where it is larger than all of them."""
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", number))[0]
    except OverflowError:
        return number
    return rounded


def millis_fields(table: RecordTable) -> frozenset[str]:
    """The fields for which a schema that is given has milliseconds."""
    if not table.given_schema or table.format is not RecordFormat.AVRO:
        return frozenset()
    fields = json.loads(table.given_schema)["fields"]
    return frozenset(field["name"] for field in fields if "-millis" in json.dumps(field))


def key_bytes(schema_id: int, fields: Iterable[tuple[Column, bool, object]]) -> bytes:
    """A key in Avro: each column, whether it may be null, and its (comparable) value."""
    parts = [b"\0", schema_id.to_bytes(4, "big")]
    for column, may_be_null, value in fields:
        if may_be_null:
            parts.append(b"\0" if value is None else b"\2")
        if value is not None:
            parts.append(_written(column, value))
    return b"".join(parts)


def avro_size(column: Column, value: object, *, may_be_null: bool, given: object = None) -> int:
    """How many bytes a (comparable) value takes in a record. `given` is the type of its field in a
    schema that is given; None: the one that is made of the column, with null if it may be that."""
    is_union = may_be_null if given is None else isinstance(given, list)
    branches = given if isinstance(given, list) else [given]
    kind = next((branch for branch in branches if branch != "null"), None)
    if isinstance(kind, dict):
        kind = kind.get("logicalType", kind["type"])
    if value is None:
        return 1
    if kind == "double" and column.type.kind is Kind.FLOAT:
        column = replace(column, type=replace(column.type, kind=Kind.DOUBLE))
    unit = timedelta(milliseconds=1) if "-millis" in str(kind) else _MICROSECOND
    return is_union + len(_written(column, value, unit))


_MICROSECOND = timedelta(microseconds=1)


def _written(column: Column, value: object, unit: timedelta = _MICROSECOND) -> bytes:
    kind = column.type.kind
    is_text = column.is_hashed or column.is_masked or column.as_text
    if isinstance(value, bool):
        return b"\1" if value else b"\0"
    if kind is Kind.DECIMAL and not is_text:
        number = Decimal(value[1] if isinstance(value, tuple) else str(value))
        return _sized(_twos_complement(int(number.scaleb(column.type.scale, EXACTLY))))
    if isinstance(value, tuple):
        form = "<f" if kind is Kind.FLOAT else "<d"
        return struct.pack(form, float(value[1]))
    if isinstance(value, int):
        return _zigzag(value)
    text = str(value)
    if kind is Kind.DATE and not is_text:
        return _zigzag((date.fromisoformat(text) - date(1970, 1, 1)).days)
    if kind is Kind.TIMESTAMP and not is_text:
        since = datetime.fromisoformat(text.removesuffix("Z")) - datetime(1970, 1, 1)
        return _zigzag(since // unit)
    return _sized(text.encode())


def _twos_complement(number: int) -> bytes:
    size = 1
    while not -(1 << 8 * size - 1) <= number < 1 << 8 * size - 1:
        size += 1
    return (number % (1 << 8 * size)).to_bytes(size, "big")


def _sized(content: bytes) -> bytes:
    return _zigzag(len(content)) + content


def _zigzag(number: int) -> bytes:
    left = number * 2 if number >= 0 else -number * 2 - 1
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)


class JobSchemas:
    """The registry of a job that is judged, and the ids that its item has."""

    def __init__(self, config: LoadConfig) -> None:
        """Raises ConfigError."""
        assert config.registry is not None
        self._client = RegistryClient(config.registry)
        self._known = config.spec.known_schemas
        self._topic = config.spec.topic

    def text_of(self, schema_id: int) -> str:
        """As `RegistryClient.text_of`."""
        return self._client.text_of(schema_id)

    @property
    def value_id(self) -> int | None:
        """What the item says that values name."""
        return _id_in(self._known, "value schema")

    def key_id(self, table: RecordTable) -> int:
        """What keys name: by the item, or the latest of the subject."""
        known = _id_in(self._known, "key schema")
        if known is not None:
            return known
        by_topic = table.subject is SubjectBy.TOPIC
        return self._client.latest_id(f"{self._topic}-key" if by_topic else f"{table.name}Key")


class JudgedSchemas(JobSchemas):
    """The registry by which records of a loader that is not ours are read. No item says which
    schemas they name: any that the registry has will do, and one that it lacks is a fault of the
    record's."""

    def __init__(self, config: LoadConfig) -> None:
        """Raises ConfigError."""
        super().__init__(config)
        self._lacking: set[int] = set()
        """Each record may name one of these: they are not asked for again."""

    def text_of(self, schema_id: int) -> str:
        """As `JobSchemas.text_of`; ValueError where the registry has no such schema."""
        if schema_id in self._lacking:
            raise ValueError(f"the registry has no schema {schema_id}")
        try:
            return super().text_of(schema_id)
        except SchemaDeletedError as error:
            self._lacking.add(schema_id)
            raise ValueError(str(error)) from error

    def check_reachable(self) -> None:
        """Raises RegistryUnavailableError, RegistryRefusedError."""
        with suppress(SchemaRefusedError):
            self._client.latest_id(f"{self._topic}-value")

    def key_id(self, table: RecordTable) -> int:
        """The latest of the subject; `NO_SCHEMA` where it has none."""
        try:
            return super().key_id(table)
        except SchemaRefusedError:
            return NO_SCHEMA


def _id_in(known: Mapping[str, str], role: str) -> int | None:
    found = re.search(r", id ([0-9]+), ", known.get(role, ""))
    return None if found is None else int(found[1])
