"""A row's record by the declared table: each field by its column's type, or why the row makes no
record.

The reference for it, row by row. `Declared` follows from a plan alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson

from csvkafka.encode.dead_letter import Fault, FaultCode, RowFault
from csvkafka.model import EncodePlan
from csvkafka.schema.fitting import check_columns, columns_of
from csvkafka.schema.table import Column, KeyFormat, RecordTable
from csvkafka.schema.types import converter


class Declared:
    """Makes fields and keys of a plan's rows. Raises ConfigError if the table does not fit them."""

    def __init__(self, plan: EncodePlan, table: RecordTable) -> None:
        names = plan.header
        check_columns(table, names, plan.source_uri)
        self._constants: dict[str, object] = {}
        self._columns: list[tuple[int, Column, Callable[[str], object]]] = []
        for place, column in enumerate(columns_of(table, names)):
            if place >= len(names):
                self._constants[column.field] = column.constant
            elif not column.is_dropped or column.name in table.key:
                nulls = table.nulls if column.nulls is None else column.nulls
                convert = converter(column, nulls, table.hash_key)
                self._columns.append((place, column, convert))
        by_name = {column.name: (place, column) for place, column, _ in self._columns}
        self._key = [by_name[name] for name in table.key]
        self._key_format = table.key_format

    def record(self, row: Sequence[str]) -> tuple[dict[str, object], bytes | None]:
        """The record's fields, without ours, and its key. Raises RowFault for the first field that
        does not fit its type; it says so without the contents."""
        record: dict[str, object] = {}
        values: dict[int, object] = {}
        for place, column, convert in self._columns:
            try:
                values[place] = value = convert(row[place])
            except ValueError as error:
                reason = f"row is no {column.type} in column {column.name!r}: it {error}"
                raise RowFault(Fault(FaultCode.TYPE, reason, column.name)) from error
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
        fields = {column.field: values[place] for place, column in self._key}
        if all(value is None for value in fields.values()):
            return None
        return b"%b" % orjson.dumps(fields)
