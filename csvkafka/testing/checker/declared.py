"""What a declared table promises: the record of each row, by a reading of the checker's own.

Only the declaration as values is shared with the loader. What a text becomes, `declared_values`
says.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping

from csvkafka.schema.table import (
    Column,
    Drop,
    KeyFormat,
    Kind,
    Metadata,
    RecordFormat,
    RecordTable,
    Test,
    Undeclared,
)
from csvkafka.testing.checker.declared_values import (
    READINGS,
    as_json,
    canonical,
    comparable,
    masked,
    number_of_text,
    parsed_json,
    text_in_key,
)
from csvkafka.testing.checker.documented import (
    Decoder,
    LinesOf,
    TopicRecord,
    Twice,
    is_good,
    line_in_set,
)
from csvkafka.testing.checker.row_ledger import Fields, SourceRow
from csvkafka.testing.checker.wire import WireRecords, as_float, key_bytes, millis_fields

_OF_A_ROW = ("_source_line", "_source_file")
_MOST_DIGITS = 20
"""Of the number of a row; int() raises for thousands of them."""


def declared_record(
    table: RecordTable,
    source_uri: str,
    files: Mapping[str, LinesOf] | None = None,
    wire: WireRecords | None = None,
) -> Decoder:
    """Decodes the records that a declared table makes of one file, or of `files` of a set, whose
    lines are counted through all of them. `wire` reads those that name a schema. Line or file in a
    header that stands twice make a record that no row has, at the line that stands first."""

    def fields_in(value: bytes) -> object:
        if wire is None:
            return parsed_json(value)
        if table.format is RecordFormat.AVRO:
            return wire.fields(value)
        return parsed_json(wire.content(value))

    def decode(record: TopicRecord) -> tuple[int | None, Fields | None]:
        try:
            fields = fields_in(record.value or b"")
        except ValueError:
            return None, None
        if not isinstance(fields, dict):
            return None, None
        fields = {name: comparable(value) for name, value in fields.items()}
        if table.metadata is Metadata.NONE:
            return None, fields
        if table.metadata is Metadata.HEADERS:
            headers = dict(reversed(record.headers))  # of those that stand twice, the first
            names = [name for name, _ in record.headers]
            if any(names.count(each) > 1 for each in _OF_A_ROW):
                fields["_source_line"] = Twice(tuple(record.headers))
            line_text = headers.get("_source_line") or b""
            is_number = line_text.isdigit() and len(line_text) < _MOST_DIGITS
            line: object = int(line_text) if is_number else None
            file: object = (headers.get("_source_file") or b"").decode(errors="replace")
        else:
            line, file = fields.pop("_source_line", None), fields.pop("_source_file", None)
        if type(line) is int and files is not None:
            return line_in_set(files, file, line), fields
        return (line if type(line) is int and file == source_uri else None), fields

    return decode


class DeclaredRows:
    """The fields and keys that are due by `table`; None for a row that does not fit it, and for one
    that it drops. Keys in Avro name the schema `key_id`; `defaults` are due where no column makes
    these fields."""

    def __init__(self, table: RecordTable, key_id: int = 0, defaults: Fields | None = None) -> None:
        self.table = table
        self._defaults = dict(defaults or {})
        self._key_id = key_id
        self._millis = millis_fields(table)

    def fields_of(self, row: SourceRow, _: int) -> Fields | None:
        """The fields of the row's record."""
        if self.is_dropped(row):
            return None
        try:
            values = self.values(row, in_avro=self.table.format is RecordFormat.AVRO)
            made = {column.field: value for column, value in values if not column.is_dropped}
            return {name: comparable(value) for name, value in {**self._defaults, **made}.items()}
        except ValueError:
            return None

    def key_of(self, row: SourceRow) -> bytes | None:
        """The record's key."""
        table = self.table
        try:
            in_avro = table.key_format is KeyFormat.AVRO
            found = self.values(row, in_avro=in_avro)
            values = {column.name: (column, value) for column, value in found}
        except ValueError:
            return None
        if table.key_format is KeyFormat.TEXT:
            column, value = values[table.key[0]]
            if self._is_null(column, row):
                return None
            if column.constant is not None:
                return str(column.constant).encode()
            is_hidden = column.is_hashed or column.is_masked
            return str(value if is_hidden else row[column.name]).encode()
        wanted = [values[name] for name in table.key]
        if all(self._is_null(column, row) for column, _ in wanted):
            return None
        if table.key_format is KeyFormat.AVRO:
            return key_bytes(
                self._key_id,
                (
                    (column, column.constant is None and bool(table.nulls_of(column)), value)
                    for column, value in wanted
                ),
            )
        pairs = (
            f"{as_json(column.field)}:{self._in_key(column, value, row)}"
            for column, value in wanted
        )
        return ("{" + ",".join(pairs) + "}").encode()

    def _is_null(self, column: Column, row: SourceRow) -> bool:
        """Whether the table says so of the field: JSON's own null is a value."""
        return column.constant is None and row[column.name] in self.table.nulls_of(column)

    def _in_key(self, column: Column, value: object, row: SourceRow) -> str:
        """The column's value in a key of JSON. JSON is there as the file has it."""
        is_shown = not (column.is_hashed or column.is_masked)
        if column.type.kind is Kind.JSON and is_shown and not self._is_null(column, row):
            return str(row[column.name])
        return text_in_key(column, value)

    def is_dropped(self, row: SourceRow) -> bool:
        """Whether the row is to have no record, as the table drops it: only one of the header's
        width, and of text, can be."""
        return is_good(row) and any(self._fits(drop, row) for drop in self.table.drops)

    def misfit(self, row: SourceRow) -> str:
        """Why a row that the table does not drop does not fit it, with what it holds; empty where
        it fits."""
        if self.is_dropped(row):
            return ""
        try:
            for _ in self.values(row, in_avro=self.table.format is RecordFormat.AVRO):
                pass
        except ValueError as error:
            return str(error)
        return ""

    def topic_of(self, row: SourceRow) -> int:
        """The number of the topic of a row that has a record: 0 is KAFKA_TOPIC, k that of the k-th
        of the table's routes."""
        for number, route in enumerate(self.table.routes, 1):
            if any(row[route.column] == text for text in route.texts):
                return number
        return 0

    def _fits(self, drop: Drop, row: SourceRow) -> bool:
        text = str(row[drop.column])
        match drop.test:
            case Test.IN:
                passes = any(text == given for given in drop.texts)
            case Test.MATCHES:
                # Not as a part of a longer pattern: flags such as (?i) stand only at the start.
                passes = re.fullmatch(drop.pattern, text) is not None
            case Test.EMPTY:
                column = self.table.named(drop.column)
                has_own = column is not None and column.nulls is not None
                nulls = column.nulls if column is not None and has_own else self.table.nulls
                passes = not text or text in (nulls or ())
        return passes != drop.is_negated

    def columns_of(self, row: SourceRow) -> Iterator[tuple[Column, str]]:
        """The columns that the table makes something of, in the row's order, each with its text;
        then those that the file does not have, which are constants."""
        for name, text in row.items():
            assert isinstance(name, str)
            column = self.table.named(name)
            if column is None:
                column = Column(name, is_dropped=self.table.undeclared is Undeclared.DROP)
            if not column.is_dropped or name in self.table.key:
                yield column, str(text)
        for column in self.table.columns:
            if column.name not in row:
                yield column, ""

    def values(self, row: SourceRow, *, in_avro: bool) -> Iterator[tuple[Column, object]]:
        """The value of each of these columns, as JSON or Avro holds it. Raises ValueError for a row
        that does not fit."""
        if not is_good(row):
            raise ValueError("of another width, or no text")
        for column, text in self.columns_of(row):
            try:
                yield column, self._value(column, text, in_avro=in_avro)
            except ValueError as error:
                raise ValueError(f"column {column.name!r}: {text!r} is no {column.type}") from error

    def _value(self, column: Column, text: str, *, in_avro: bool) -> object:
        nulls = self.table.nulls if column.nulls is None else column.nulls
        if column.constant is not None:
            return canonical(column.constant)
        if text in nulls:
            return None
        if column.is_hashed:
            key = self.table.hash_key
            return hashlib.blake2b(text.encode(), digest_size=16, key=key).hexdigest()
        if column.is_masked:
            return masked(column, text)
        value = READINGS[column.type.kind](column, text)
        return self._in_avro(column, text, value) if in_avro else value

    def _in_avro(self, column: Column, text: str, value: object) -> object:
        """What Avro holds of a value."""
        match column.type.kind:
            case Kind.JSON:
                return text
            case Kind.FLOAT:
                return number_of_text(repr(as_float(float(text))))
            case Kind.TIMESTAMP if column.field in self._millis:
                if not re.fullmatch(r"[^.]*(\.[0-9]{3}000)?Z?", str(value)):
                    raise ValueError("finer than the schema")
        return value
