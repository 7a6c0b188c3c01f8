"""What a declared table promises: the record of each row, by a reading of the checker's own.

Only the declaration as values is shared with the loader. Numbers are compared by their value, so
`1.5` and `1.50` are one; times as text, as the docs say how they are written.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

import orjson

from csvkafka.schema.table import (
    Ambiguous,
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
from csvkafka.testing.checker.documented import (
    Decoder,
    LinesOf,
    TopicRecord,
    is_good,
    line_in_set,
)
from csvkafka.testing.checker.row_ledger import Fields, SourceRow
from csvkafka.testing.checker.wire import WireRecords, as_float, key_bytes, millis_fields


def declared_record(
    table: RecordTable,
    source_uri: str,
    files: Mapping[str, LinesOf] | None = None,
    wire: WireRecords | None = None,
) -> Decoder:
    """Decodes the records that a declared table makes of one file, or of `files` of a set, whose
    lines are counted through all of them. `wire` reads those that name a schema."""

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
        if table.metadata is Metadata.NONE:
            return None, fields
        if table.metadata is Metadata.HEADERS:
            headers = dict(record.headers)
            line_text = headers.get("_source_line") or b""
            line: object = int(line_text) if line_text.isdigit() else None
            file: object = (headers.get("_source_file") or b"").decode(errors="replace")
        else:
            line, file = fields.pop("_source_line", None), fields.pop("_source_file", None)
        if type(line) is int and files is not None:
            return line_in_set(files, file, line), fields
        return (line if type(line) is int and file == source_uri else None), fields

    return decode


class DeclaredRows:
    """The fields and keys that are due; None for a row that does not fit the table, and for one
    that it drops. Keys in Avro name the schema `key_id`; `defaults` are due where no column makes
    these fields."""

    def __init__(self, table: RecordTable, key_id: int = 0, defaults: Fields | None = None) -> None:
        self._table = table
        self._defaults = dict(defaults or {})
        self._key_id = key_id
        self._millis = millis_fields(table)

    def fields_of(self, row: SourceRow, _: int) -> Fields | None:
        """The fields of the row's record."""
        if self.is_dropped(row):
            return None
        try:
            values = self._values(row, in_avro=self._table.format is RecordFormat.AVRO)
            made = {column.field: value for column, value in values if not column.is_dropped}
            return {**self._defaults, **made} if self._defaults else made
        except ValueError:
            return None

    def key_of(self, row: SourceRow) -> bytes | None:
        """The record's key."""
        table = self._table
        try:
            in_avro = table.key_format is KeyFormat.AVRO
            found = self._values(row, in_avro=in_avro)
            values = {column.name: (column, value) for column, value in found}
        except ValueError:
            return None
        if table.key_format is KeyFormat.TEXT:
            column, value = values[table.key[0]]
            if value is None:
                return None
            is_hidden = column.is_hashed or column.is_masked or column.constant is not None
            return str(value if is_hidden else row[column.name]).encode()
        wanted = [values[name] for name in table.key]
        if all(value is None for _, value in wanted):
            return None
        if table.key_format is KeyFormat.AVRO:
            return key_bytes(
                self._key_id,
                (
                    (column, column.constant is None and bool(table.nulls_of(column)), value)
                    for column, value in wanted
                ),
            )
        pairs = (f"{_json(column.field)}:{_written(column, value)}" for column, value in wanted)
        return ("{" + ",".join(pairs) + "}").encode()

    def is_dropped(self, row: SourceRow) -> bool:
        """Whether the row is to have no record, as the table drops it: only one of the header's
        width, and of text, can be."""
        return is_good(row) and any(self._fits(drop, row) for drop in self._table.drops)

    def topic_of(self, row: SourceRow) -> int:
        """The number of the topic of a row that has a record: 0 is KAFKA_TOPIC, k that of the k-th
        of the table's routes."""
        for number, route in enumerate(self._table.routes, 1):
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
                column = self._table.named(drop.column)
                has_own = column is not None and column.nulls is not None
                nulls = column.nulls if column is not None and has_own else self._table.nulls
                passes = not text or text in (nulls or ())
        return passes != drop.is_negated

    def _values(self, row: SourceRow, *, in_avro: bool) -> Iterator[tuple[Column, object]]:
        if not is_good(row):
            raise ValueError("of another width, or no text")
        for name, text in row.items():
            assert isinstance(name, str)
            column = self._table.named(name)
            if column is None:
                column = Column(name, is_dropped=self._table.undeclared is Undeclared.DROP)
            if not column.is_dropped or name in self._table.key:
                yield column, self._value(column, str(text), in_avro=in_avro)
        for column in self._table.columns:
            if column.name not in row:
                yield column, canonical(column.constant)

    def _value(self, column: Column, text: str, *, in_avro: bool) -> object:
        nulls = self._table.nulls if column.nulls is None else column.nulls
        if column.constant is not None:
            return canonical(column.constant)
        if text in nulls:
            return None
        if column.is_hashed:
            key = self._table.hash_key
            return hashlib.blake2b(text.encode(), digest_size=16, key=key).hexdigest()
        if column.is_masked:
            return _masked(column, text)
        value = _READINGS[column.type.kind](column, text)
        return self._in_avro(column, text, value) if in_avro else value

    def _in_avro(self, column: Column, text: str, value: object) -> object:
        """What Avro holds of a value."""
        match column.type.kind:
            case Kind.JSON:
                return text
            case Kind.FLOAT:
                return _number(repr(as_float(float(text))))
            case Kind.TIMESTAMP if column.field in self._millis:
                if not re.fullmatch(r"[^.]*(\.[0-9]{3}000)?Z?", str(value)):
                    raise ValueError("finer than the schema")
        return value


def _masked(column: Column, text: str) -> str:
    shown = column.shown_first + column.shown_last
    if shown >= len(text):
        return "*" * len(text)
    places = range(column.shown_first, len(text) - column.shown_last)
    return "".join("*" if place in places else text[place] for place in range(len(text)))


def _plain_number(text: str) -> Decimal:
    """Of digits, a sign, a point and an exponent alone."""
    if set(text) - set("0123456789+-.eE"):
        raise ValueError(text)
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError(text) from error


def _whole(column: Column, text: str) -> object:
    if set(text) & set(".eE"):
        raise ValueError(text)
    number = int(_plain_number(text))
    _check_leading_zeros(column, text)
    try:
        struct.pack("<i" if column.type.kind is Kind.INT else "<q", number)
    except struct.error as error:
        raise ValueError(text) from error
    return str(number) if column.as_text else number


def _check_leading_zeros(column: Column, text: str) -> None:
    whole = text.lower().partition("e")[0].lstrip("+-").partition(".")[0]
    if len(whole) > 1 and whole.startswith("0") and not column.leading_zeros:
        raise ValueError(text)


def _floating(column: Column, text: str) -> object:
    number = float(_plain_number(text))
    _check_leading_zeros(column, text)
    try:
        struct.pack("<f" if column.type.kind is Kind.FLOAT else "<d", number)
    except OverflowError as error:
        raise ValueError(text) from error
    if number in (float("inf"), float("-inf")):
        raise ValueError(text)
    return _number(repr(number))


def _decimal(column: Column, text: str) -> object:
    if set(text) & set("eE"):
        raise ValueError(text)
    number = _plain_number(text)
    _check_leading_zeros(column, text)
    scale = column.type.scale
    scaled = number.scaleb(scale) if len(text) < 1000 else Decimal("NaN")
    if scaled != scaled.to_integral_value() or abs(scaled) >= Decimal(10) ** column.type.precision:
        raise ValueError(text)
    written = f"{int(scaled):0{scale + 1 + (scaled < 0)}d}"
    if scale:
        written = f"{written[:-scale]}.{written[-scale:]}"
    if column.as_text:
        return written
    return _number(written) if scale else int(scaled)


def _boolean(column: Column, text: str) -> object:
    if text not in column.trues + column.falses:
        raise ValueError(text)
    return text in column.trues


def _time(text: str, form: str) -> datetime:
    if form != "iso":
        return datetime.strptime(text, form)
    head = text[:10]
    if len(text) < 16 or text[10] not in "T " or head != date.fromisoformat(head).isoformat():
        raise ValueError(text)
    return datetime.fromisoformat(text)


def _date(column: Column, text: str) -> object:
    form = "%Y-%m-%d" if column.type.format == "iso" else column.type.format
    if column.type.format == "iso" and len(text) != 10:
        raise ValueError(text)
    return datetime.strptime(text, form).strftime("%Y-%m-%d").rjust(10, "0")


def _moment(column: Column, text: str) -> object:
    moment = _time(text, column.type.format)
    if column.type.zone == "local":
        if moment.tzinfo is not None:
            raise ValueError(text)
        return _iso(moment)
    if moment.tzinfo is None:
        if not column.type.zone:
            raise ValueError(text)
        moment = _in_zone(moment, ZoneInfo(column.type.zone), column.ambiguous)
    try:
        return _iso(moment.astimezone(UTC).replace(tzinfo=None)) + "Z"
    except OverflowError as error:
        raise ValueError(text) from error


def _iso(moment: datetime) -> str:
    whole = moment.strftime("%m-%dT%H:%M:%S")
    return f"{moment.year:04}-{whole}" + (f".{moment.microsecond:06}" if moment.microsecond else "")


_NONE = timedelta()


def _in_zone(moment: datetime, zone: ZoneInfo, ambiguous: Ambiguous) -> datetime:
    """The moments at which a clock in the zone shows this time are looked for around it."""
    found = set()
    for minutes in range(-26 * 60, 26 * 60 + 1, 180):
        with suppress(OverflowError):
            near = moment.replace(tzinfo=UTC) + timedelta(minutes=minutes)
            candidate = moment.replace(tzinfo=UTC) - (near.astimezone(zone).utcoffset() or _NONE)
            if candidate.astimezone(zone).replace(tzinfo=None) == moment:
                found.add(candidate)
    if not found or (len(found) > 1 and ambiguous is Ambiguous.REFUSE):
        raise ValueError(str(moment))
    return max(found) if ambiguous is Ambiguous.SECOND else min(found)


def _nested(_: Column, text: str) -> object:
    return parsed_json(text.encode())


_READINGS: Mapping[Kind, Callable[[Column, str], object]] = {
    Kind.STRING: lambda _, text: text,
    Kind.INT: _whole,
    Kind.LONG: _whole,
    Kind.FLOAT: _floating,
    Kind.DOUBLE: _floating,
    Kind.BOOLEAN: _boolean,
    Kind.DECIMAL: _decimal,
    Kind.DATE: _date,
    Kind.TIMESTAMP: _moment,
    Kind.JSON: _nested,
}


_LARGEST_DOUBLE = Decimal(sys.float_info.max)


def _number(text: str) -> object:
    """A number with a point or an exponent, by its value."""
    if abs(Decimal(text)) > _LARGEST_DOUBLE:
        raise ValueError("parsers make infinity of it")
    return ("number", str(Decimal(text).normalize()))


def _whole_number(text: str) -> int:
    _number(text)
    return int(text)


def canonical(value: object) -> object:
    """A constant, or a number that was read, by its value."""
    return _number(repr(value)) if isinstance(value, float) else value


def _not_a_number(text: str) -> object:
    raise ValueError(f"{text} is no JSON")


def parsed_json(value: bytes) -> object:
    """The JSON, its numbers by their value. Raises ValueError for what is none, NaN and keys that
    stand twice among it."""
    return json.loads(
        value,
        parse_float=_number,
        parse_int=_whole_number,
        parse_constant=_not_a_number,
        object_pairs_hook=_once,
    )


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Raises ValueError for a key that stands twice."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key stands twice")
    return fields


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _written(column: Column, value: object) -> str:
    """A key's value as JSON text."""
    if isinstance(value, tuple):
        number = Decimal(value[1])
        if column.type.kind is Kind.DECIMAL:
            return f"{number:.{column.type.scale}f}"
        return orjson.dumps(float(number)).decode()
    return _json(value)
