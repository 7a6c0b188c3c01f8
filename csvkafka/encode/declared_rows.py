"""A row's record by the declared table: each field by its column's type, or why the row makes no
record.

The reference for it, row by row. `Declared` follows from a plan alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson

from csvkafka.encode.dead_letter import Fault, FaultCode, RowFault
from csvkafka.model import EncodePlan
from csvkafka.schema.dropping import dropping
from csvkafka.schema.fitting import check_columns, columns_of
from csvkafka.schema.routing import routing
from csvkafka.schema.table import (
    OWN_FIELDS,
    Column,
    KeyFormat,
    Metadata,
    RecordFormat,
    RecordTable,
)
from csvkafka.schema.types import Converter, SchemaRefusal, converter

if TYPE_CHECKING:
    from csvkafka.encode.wire import Dump


class Declared:
    """Makes fields and keys of a plan's rows. Raises ConfigError if the table does not fit them."""

    def __init__(self, plan: EncodePlan, table: RecordTable) -> None:
        names = plan.header
        check_columns(table, names, plan.source_uri)
        self.is_dropped = dropping(table, names)
        """Whether a row of the header's width makes no record; None: each makes one."""
        self.topic_of = routing(table, names)
        """The topic of a row of the header's width; None: all go to KAFKA_TOPIC."""
        self._constants: dict[str, object] = {}
        self._columns: list[tuple[int, Column, Converter]] = []
        self.dump, self._dump_key = _dumpers(plan, table)
        in_avro = table.format is RecordFormat.AVRO
        units = _units(plan) if in_avro else {}
        for place, column in enumerate(columns_of(table, names)):
            if place >= len(names):
                self._constants[column.field] = column.constant
            elif not column.is_dropped or column.name in table.key:
                unit = units.get(column.field) if in_avro else None
                convert = _converter(table, column, in_avro=in_avro, unit=unit)
                self._columns.append((place, column, convert))
        by_name = {column.name: (place, column) for place, column, _ in self._columns}
        self._key = [by_name[name] for name in table.key]
        self._key_format = table.key_format
        key_in_avro = table.key_format is KeyFormat.AVRO
        # The key's own, where a field's value is not what the key has.
        self._key_converters: list[Converter] | None = None
        if key_in_avro != in_avro and table.key_format is not KeyFormat.TEXT:
            self._key_converters = [
                _converter(table, column, in_avro=key_in_avro) for _, column in self._key
            ]

    def record(self, row: Sequence[str]) -> tuple[dict[str, object], bytes | None]:
        """The record's fields, without ours, and its key. Raises RowFault for the first field that
        does not fit its type; it says so without the contents."""
        record: dict[str, object] = {}
        values: dict[int, object] = {}
        for place, column, convert in self._columns:
            try:
                values[place] = value = convert(row[place])
            except ValueError as error:
                raise RowFault(_fault(column, error)) from error
            if not column.is_dropped:
                record[column.field] = value
        record.update(self._constants)
        return record, self._key_of(row, values) if self._key else None

    def _key_of(self, row: Sequence[str], values: dict[int, object]) -> bytes | None:
        if self._key_format is KeyFormat.TEXT:
            ((place, column),) = self._key
            if values[place] is None:
                return None
            # What is hidden from the value must not stand in the key.
            is_hidden = column.is_hashed or column.is_masked or column.constant is not None
            return str(values[place]).encode() if is_hidden else row[place].encode()
        # In the declared order: the files of a set may have their columns in another one, and equal
        # keys must be equal bytes.
        if self._key_converters is None:
            fields = {column.field: values[place] for place, column in self._key}
        else:
            converted = zip(self._key, self._key_converters, strict=True)
            fields = {column.field: convert(row[place]) for (place, column), convert in converted}
        if all(value is None for value in fields.values()):
            return None
        return b"%b" % orjson.dumps(fields) if self._dump_key is None else self._dump_key(fields)


def _fault(column: Column, error: ValueError) -> Fault:
    if isinstance(error, SchemaRefusal):
        reason = f"row does not fit its schema in column {column.name!r}: it {error}"
        return Fault(FaultCode.SCHEMA, reason, column.name)
    reason = f"row is no {column.type} in column {column.name!r}: it {error}"
    return Fault(FaultCode.TYPE, reason, column.name)


def _converter(
    table: RecordTable, column: Column, *, in_avro: bool, unit: str | None = None
) -> Converter:
    nulls = table.nulls_of(column)
    if not in_avro:
        return converter(column, nulls, table.hash_key)
    from csvkafka.schema.avro_values import MICROS, avro_converter

    return avro_converter(column, nulls, table.hash_key, unit or MICROS)


def _dumpers(plan: EncodePlan, table: RecordTable) -> tuple[Dump | None, Dump | None]:
    """What writes a record's value and its key; None: JSON does. Raises ConfigError."""
    if plan.schemas is None:
        return None, None
    # Not at the top: most tables have no schemas.
    from csvkafka.encode.wire import dumper

    columns = columns_of(table, plan.header)
    own = OWN_FIELDS if table.metadata is Metadata.VALUE else ()
    of_value = {*own, *(column.field for column in columns if not column.is_dropped)}
    of_key = {column.field for column in columns if column.name in table.key}
    value, key = plan.schemas.value, plan.schemas.key
    return (
        None if value is None else dumper(value, of_value),
        None if key is None else dumper(key, of_key),
    )


def _units(plan: EncodePlan) -> dict[str, str]:
    from csvkafka.encode.wire import units_of

    assert plan.schemas is not None
    assert plan.schemas.value is not None
    return units_of(plan.schemas.value)
