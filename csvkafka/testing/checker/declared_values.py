"""What a text becomes by its column's declared type, and JSON read so that values can be compared,
by a reading of the checker's own.

Numbers are compared by their value, so `1.5` and `1.50` are one; times as text, as the docs say how
they are written.
"""

from __future__ import annotations

import json
import re
import struct
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from zoneinfo import ZoneInfo

import orjson

from csvkafka.schema.table import Ambiguous, Column, Kind

EXACTLY = Context(prec=1_000_000)
"""For arithmetic with decimals that rounds none: Python's default keeps 28 digits."""


def masked(column: Column, text: str) -> str:
    """The text with stars for all characters but those that are shown."""
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
    return number_of_text(repr(number))


def _decimal(column: Column, text: str) -> object:
    if set(text) & set("eE"):
        raise ValueError(text)
    number = _plain_number(text)
    _check_leading_zeros(column, text)
    scale = column.type.scale
    scaled = number.scaleb(scale, EXACTLY) if len(text) < 1000 else Decimal("NaN")
    if (
        scaled != scaled.to_integral_value()
        or scaled.copy_abs() >= Decimal(10) ** column.type.precision
    ):
        raise ValueError(text)
    written = f"{int(scaled):0{scale + 1 + (scaled < 0)}d}"
    if scale:
        written = f"{written[:-scale]}.{written[-scale:]}"
    if column.as_text:
        return written
    return number_of_text(written) if scale else int(scaled)


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
    if text[11:13] == "24":
        raise ValueError("some releases of Python take it for the next day")
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


_MARKS = re.compile(r'[][{}]|"(?:[^"\\]|\\.)*"?', re.DOTALL)
"""What opens or closes, and strings. One without an end goes to that of the text: else each quote
in it would be looked behind anew."""


def _nested(_: Column, text: str) -> object:
    deepest = depth = 0
    for mark in _MARKS.findall(text):
        depth += (mark in "[{") - (mark in "]}")
        deepest = max(deepest, depth)
    if deepest > 500:
        raise ValueError("nested too deeply")
    return parsed_json(text.encode())


READINGS: Mapping[Kind, Callable[[Column, str], object]] = {
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
"""By a type's kind, what gives the value of a text; it raises ValueError for one that has none."""


_LARGEST_DOUBLE = Decimal(sys.float_info.max)


def number_of_text(text: str) -> object:
    """A number with a point or an exponent, by its value."""
    number = Decimal(text)
    if not number.is_finite() or number.copy_abs() > _LARGEST_DOUBLE:
        raise ValueError("no number, or parsers make infinity of it")
    return ("number", str(number.normalize(EXACTLY)))


def _whole_number(text: str) -> int:
    number_of_text(text)
    return int(text)


def canonical(value: object) -> object:
    """A constant, or a number that was read, by its value."""
    return number_of_text(repr(value)) if isinstance(value, float) else value


_AS_THEY_ARE = (str, int)


def comparable(value: object) -> object:
    """What stands in a field, of a row or of a record, so that what is equal is the same number,
    text or truth value: JSON's 5 and 5.0 are one, and 1 is not true, as it is for Python."""
    if value is None or type(value) in _AS_THEY_ARE:
        return value
    match value:
        case bool():
            return ("boolean", value)
        case tuple(("number", str(text))):  # a list is JSON's own
            # Of normalized numbers these are the ones that are whole.
            is_whole = "E+" in text or not ("." in text or "E" in text)
            return int(Decimal(text)) if is_whole else value
        case dict():
            return {name: comparable(held) for name, held in value.items()}
        case list():
            return [*map(comparable, value)]
    return value


def _not_a_number(text: str) -> object:
    raise ValueError(f"{text} is no JSON")


def parsed_json(value: bytes) -> object:
    """The JSON, its numbers by their value. Raises ValueError for what is none, NaN and keys that
    stand twice among it."""
    try:
        return json.loads(
            value,
            parse_float=number_of_text,
            parse_int=_whole_number,
            parse_constant=_not_a_number,
            object_pairs_hook=_once,
        )
    except RecursionError as error:
        raise ValueError("no record of the loader's is nested so deeply") from error


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Raises ValueError for a key that stands twice."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key stands twice")
    return fields


_ENCODER = json.JSONEncoder(ensure_ascii=False)


def as_json(value: object) -> str:
    """A name or a text as it stands in the JSON of a key."""
    return _ENCODER.encode(value)


def text_in_key(column: Column, value: object) -> str:
    """A key's value as JSON text."""
    if isinstance(value, tuple):
        number = Decimal(value[1])
        if column.type.kind is Kind.DECIMAL:
            return f"{number:.{column.type.scale}f}"
        return orjson.dumps(float(number)).decode()
    return as_json(value)
