"""How large the record of a row has to be, in each form of records.

It follows from the row and the job's settings alone, and is told exactly, with nothing of the
loader's: JSON is written compactly, as the documents show it, and Avro by its specification. (For a
text Python's `json` takes as many bytes as orjson; a number with a point or an exponent is written
by orjson, as in a key.)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property

import orjson

from csvkafka.model import SOURCE_FILE, SOURCE_LINE
from csvkafka.schema.table import OWN_FIELDS, Column, Kind, Metadata, RecordFormat
from csvkafka.testing.checker.declared import DeclaredRows
from csvkafka.testing.checker.declared_values import READINGS, as_json, masked
from csvkafka.testing.checker.row_ledger import SourceRow
from csvkafka.testing.checker.wire import PREFIX_BYTES, GivenAvro, avro_size

PlaceOf = Callable[[int], tuple[str, int]]
"""The file, and the line in it, of a line of the source."""

_PER_CHARACTER = 6
"""No character takes more bytes in a record: a control character is six in JSON."""

_PER_VALUE = 64
"""More than any value takes whose size does not follow from its text: a hash, a time, a number."""

_HASH_BYTES = 32
_MOST_DIGITS = 20  # of a line


class DocumentedSizes:
    """The sizes of the documented records of good rows. `uris` are those of all files."""

    def __init__(self, place_of: PlaceOf, uris: Iterable[str]) -> None:
        self._place_of = place_of
        self._of_uri = max(map(_characters, uris), default=0)
        self._of_names: int | None = None

    def size_of(self, row: SourceRow, source_line: int, key: bytes | None) -> int:
        """As `SizeLimit` wants it."""
        uri, line = self._place_of(source_line)
        value = {**row, SOURCE_LINE: line, SOURCE_FILE: uri}
        return len(_compact(value)) + len(key or b"")

    def bound_of(self, row: SourceRow) -> int:
        """As `SizeLimit` wants it. All files of a set have the same columns, in whatever order."""
        if self._of_names is None:
            names = [*map(str, row), *OWN_FIELDS]
            punctuation = len('"":"",') * len(names) + len("{}")
            self._of_names = punctuation + sum(map(_characters, names)) + _MOST_DIGITS
        # Once in the value, once in the key.
        return self._of_names + self._of_uri + 2 * _texts(row)


class DeclaredSizes:
    """The sizes of the records that a declared table makes of rows that fit it."""

    def __init__(self, rows: DeclaredRows, place_of: PlaceOf, uris: Iterable[str]) -> None:
        self._rows, self._table = rows, rows.table
        self._place_of = place_of
        self._of_uri = max(map(_characters, uris), default=0)
        self._of_columns: int | None = None

    @cached_property
    def _given(self) -> GivenAvro | None:
        is_given = self._table.given_schema and self._table.format is RecordFormat.AVRO
        return GivenAvro(self._table.given_schema) if is_given else None

    def size_of(self, row: SourceRow, source_line: int, key: bytes | None) -> int:
        """As `SizeLimit` wants it."""
        uri, line = self._place_of(source_line)
        own: dict[str, int | str] = {SOURCE_LINE: line, SOURCE_FILE: uri}
        size = len(key or b"")
        if self._table.metadata is Metadata.HEADERS:
            size += sum(len(name) + len(str(value).encode()) for name, value in own.items())
        if self._table.metadata is not Metadata.VALUE:
            own = {}
        if self._table.format is RecordFormat.AVRO:
            return size + PREFIX_BYTES + self._in_avro(row, own)
        if self._table.format is RecordFormat.JSON_SCHEMA:
            size += PREFIX_BYTES
        return size + self._in_json(row, own)

    def bound_of(self, row: SourceRow) -> int:
        """As `SizeLimit` wants it."""
        if self._of_columns is None:
            columns = [column for column, _ in self._rows.columns_of(row)]
            columns += [Column(name) for name in OWN_FIELDS]
            self._of_columns = sum(map(self._most_beside_text, columns))
            if self._given is not None:
                made = {column.field for column in columns}
                self._of_columns += self._given.bytes_of_defaults(made)
        # Once in the value, once in the key.
        return PREFIX_BYTES * 2 + self._of_uri + 2 * (self._of_columns + _texts(row))

    def _most_beside_text(self, column: Column) -> int:
        """The most bytes of the field, but for those that its text brings along."""
        constant = 0 if column.constant is None else _characters(str(column.constant))
        digits = column.type.precision + column.type.scale
        return _characters(column.field) + constant + digits + _PER_VALUE

    def _in_json(self, row: SourceRow, own: Mapping[str, int | str]) -> int:
        """The size of the value as a JSON object."""
        sizes = {
            column.field: len(self._json_of(column, text))
            for column, text in self._rows.columns_of(row)
            if not column.is_dropped
        }
        sizes |= {name: len(as_json(value).encode()) for name, value in own.items()}
        names = sum(len(as_json(name).encode()) + len(":") for name in sizes)
        return len("{}") + names + sum(sizes.values()) + max(0, len(sizes) - 1)

    def _json_of(self, column: Column, text: str) -> bytes:
        """The value of a column as it stands in a record."""
        if column.constant is not None:
            is_float = isinstance(column.constant, float)
            return orjson.dumps(column.constant) if is_float else as_json(column.constant).encode()
        if text in self._table.nulls_of(column):
            return b"null"
        if column.is_hashed:
            return b'"%b"' % bytes(_HASH_BYTES)
        if column.is_masked:
            return as_json(masked(column, text)).encode()
        read = READINGS[column.type.kind]
        match column.type.kind:
            case Kind.JSON:
                return text.encode()
            case Kind.FLOAT | Kind.DOUBLE:
                return orjson.dumps(float(text))
            case Kind.DECIMAL if not column.as_text:
                return str(read(replace(column, as_text=True), text)).encode()
        return as_json(read(column, text)).encode()

    def _in_avro(self, row: SourceRow, own: Mapping[str, int | str]) -> int:
        """The size of the value in Avro, which names no field."""
        size, made = 0, set[str]()
        for column, value in self._rows.values(row, in_avro=True):
            if column.is_dropped:
                continue
            made.add(column.field)
            may_be_null = column.constant is None and bool(self._table.nulls_of(column))
            given = None if self._given is None else self._given.types[column.field]
            size += avro_size(column, value, may_be_null=may_be_null, given=given)
        for name, value in own.items():
            given = None if self._given is None else self._given.types[name]
            size += avro_size(Column(name), value, may_be_null=False, given=given)
        if self._given is not None:
            size += self._given.bytes_of_defaults({*made, *own})
        return size


def _compact(value: Mapping[str | None, object]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _characters(text: str) -> int:
    """The most bytes that the text takes, without what stands around it."""
    return _PER_CHARACTER * len(text)


def _texts(row: SourceRow) -> int:
    """The most bytes that the texts of a good row take."""
    return _PER_CHARACTER * sum(map(len, row.values()))  # type: ignore[arg-type]
