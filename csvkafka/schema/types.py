"""From a column's text to its value, exactly: a text that is not of the type is refused, never
guessed at.

A value is what `orjson` writes: None, bool, int, float, str, or an `orjson.Fragment` of JSON text
where no type of Python's keeps all digits. Only ASCII digits are digits.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import orjson

from csvkafka.schema.formats import ISO, LOCAL, checked_format, checked_zone
from csvkafka.schema.table import Ambiguous, Column, ColumnType, Kind

Converter = Callable[[str], object]
"""Raises ValueError that says, without the text, why it is none of the type, and SchemaRefusal."""


class SchemaRefusal(ValueError):
    """A text is of its type, and the schema that is given has no room for its value."""


HASH_BYTES = 16
MOST_DIGITS = 76
"""Of a decimal; no database has more that is known here (BigQuery's BIGNUMERIC)."""

MOST_NESTED = 500
"""Arrays and objects of a JSON text in each other. Python's parser stops at about 1,000, at another
number in each place that calls it; so does Java's most used one."""

MASK = "*"

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_DECIMAL = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?", re.ASCII)
_FLOAT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]", re.ASCII)
_LEADING_ZEROS = "begins with 0; set leading_zeros = true if that is a number"
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_ISO_MOMENT = re.compile(
    _ISO_DATE.pattern
    + r"[T ](?:[01][0-9]|2[0-3]):[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
    + r"(?:Z|[+-][0-9]{2}:[0-9]{2})?",
    re.ASCII,
)
"""RFC 3339 with a space or T, without seconds too; of its fraction, what a record can hold."""

_BITS = {Kind.INT: 32, Kind.LONG: 64}


def parse_type(text: str) -> ColumnType:
    """The type that a declaration names. Raises ValueError that lists the types."""
    found = re.fullmatch(r"\s*([a-z]+)\s*(?:\((.*)\))?\s*", text, re.DOTALL)
    names = ", ".join(Kind)
    if found is None or found[1] not in list(Kind):
        raise ValueError(f"{text!r} is no type; the types are {names}")
    kind = Kind(found[1])
    arguments = found[2]
    match kind:
        case Kind.DECIMAL:
            digits = re.fullmatch(r"\s*([0-9]{1,3})\s*,\s*([0-9]{1,3})\s*", arguments or "")
            sizes = (0, 0) if digits is None else (int(digits[1]), int(digits[2]))
            if not 1 <= sizes[0] <= MOST_DIGITS or sizes[1] > sizes[0]:
                raise ValueError(
                    f"{text!r} needs its digits, all (at most {MOST_DIGITS}) and those after the "
                    "point: decimal(12,2)"
                )
            return ColumnType(kind, precision=sizes[0], scale=sizes[1])
        case Kind.DATE:
            return ColumnType(kind, format=checked_format(arguments or ISO))
        case Kind.TIMESTAMP:
            return _timestamp(text, arguments)
    if arguments is not None:
        raise ValueError(f"{text!r}: {kind} takes nothing in parentheses")
    return ColumnType(kind)


def _timestamp(text: str, arguments: str | None) -> ColumnType:
    if arguments is None:
        raise ValueError(f"{text!r} needs a format and a zone: timestamp(iso, UTC)")
    form, comma, zone = arguments.rpartition(",")
    form, zone = (form.strip(), zone.strip()) if comma else (zone.strip(), "")
    form = checked_format(form)
    if zone in ("", LOCAL):
        if not zone and "%z" not in form and form != ISO:
            raise ValueError(
                f"{text!r} reads no offset from UTC, so it needs a zone: an IANA name such as "
                "Europe/Berlin, UTC, or local for times of no zone"
            )
        return ColumnType(Kind.TIMESTAMP, format=form, zone=zone)
    try:
        checked_zone(zone)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from error
    return ColumnType(Kind.TIMESTAMP, format=form, zone=zone)


def converter(column: Column, nulls: tuple[str, ...], hash_key: bytes) -> Converter:
    """A function that makes the column's value from its text. `nulls` are the texts that mean
    null."""
    if column.constant is not None:
        constant = column.constant
        return lambda _: constant
    if column.is_hashed:
        convert = _hashed(hash_key)
    elif column.is_masked:
        convert = _masked(column.shown_first, column.shown_last)
    else:
        convert = _typed(column)
    if not nulls:
        return convert
    null_texts = frozenset(nulls)
    return lambda text: None if text in null_texts else convert(text)


def _typed(column: Column) -> Converter:
    kind = column.type.kind
    match kind:
        case Kind.STRING:
            return _string
        case Kind.INT | Kind.LONG:
            return _integer(_BITS[kind], leading_zeros=column.leading_zeros, as_text=column.as_text)
        case Kind.FLOAT | Kind.DOUBLE:
            return _floating(column)
        case Kind.BOOLEAN:
            return _boolean(column.trues, column.falses)
        case Kind.DECIMAL:
            return _decimal(column)
        case Kind.DATE:
            return _date(column.type.format)
        case Kind.TIMESTAMP:
            return _moment(column.type, column.ambiguous)
        case Kind.JSON:
            return _json


def _string(text: str) -> str:
    return text


def _shape(text: str, wanted: str) -> ValueError:
    """Says which character is wrong, and no more of the text."""
    if not text:
        return ValueError("is empty, and no text for null is declared")
    for place, character in enumerate(text, 1):
        if character not in wanted:
            return ValueError(f"has {character!r} as character {place} of {len(text)}")
    return ValueError(f"has {len(text)} characters in an order that it does not know")


def _integer(bits: int, *, leading_zeros: bool, as_text: bool) -> Converter:
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1

    def convert(text: str) -> object:
        if _INTEGER.fullmatch(text) is None:
            raise _shape(text, "+-0123456789")
        digits = text.lstrip("+-")
        if digits[0] == "0" and len(digits) > 1 and not leading_zeros:
            raise ValueError(_LEADING_ZEROS)
        if len(digits) > 64:
            raise ValueError(f"has {len(digits)} digits, too many for {bits} bits")
        value = int(text)
        if not low <= value <= high:
            raise ValueError(f"is beyond {bits} bits ({low} to {high})")
        return str(value) if as_text else value

    return convert


def _floating(column: Column) -> Converter:
    form = "<f" if column.type.kind is Kind.FLOAT else "<d"
    leading_zeros = column.leading_zeros

    def convert(text: str) -> float:
        if _FLOAT.fullmatch(text) is None:
            raise _shape(text, "+-.0123456789eE")
        if not leading_zeros and _LEADING_ZERO.match(text):
            raise ValueError(_LEADING_ZEROS)
        value = float(text)
        if math.isinf(value):
            raise ValueError("is beyond the largest double")
        try:
            struct.pack(form, value)
        except OverflowError as error:
            raise ValueError("is beyond the largest float of 32 bits") from error
        return value

    return convert


def _boolean(trues: tuple[str, ...], falses: tuple[str, ...]) -> Converter:
    values = {**dict.fromkeys(trues, True), **dict.fromkeys(falses, False)}
    known = ", ".join(values)

    def convert(text: str) -> bool:
        value = values.get(text)
        if value is None:
            raise ValueError(
                "is empty, and no text for null is declared" if not text else f"is none of {known}"
            )
        return value

    return convert


def _decimal(column: Column) -> Converter:
    scale, whole_digits = column.type.scale, column.type.precision - column.type.scale
    leading_zeros, as_text = column.leading_zeros, column.as_text

    def convert(text: str) -> object:
        found = _DECIMAL.fullmatch(text)
        if found is None or not (found[2] or found[3]):
            raise _shape(text, "+-.0123456789")
        sign, whole, fraction = found[1], found[2] or "0", found[3] or ""
        if whole[0] == "0" and len(whole) > 1:
            if not leading_zeros:
                raise ValueError(_LEADING_ZEROS)
            whole = whole.lstrip("0") or "0"
        if fraction[scale:].strip("0"):
            raise ValueError(f"has {len(fraction)} digits after the point, {scale} are declared")
        if len(whole) > whole_digits and whole != "0":
            raise ValueError(
                f"has {len(whole)} digits before the point, {whole_digits} are declared"
            )
        fraction = fraction[:scale].ljust(scale, "0")
        number = whole + ("." + fraction if scale else "")
        if sign == "-" and number.strip("0."):
            number = "-" + number
        return number if as_text else orjson.Fragment(number)

    return convert


def _parsed(text: str, form: str, iso: re.Pattern[str]) -> datetime:
    if not text:
        raise ValueError("is empty, and no text for null is declared")
    try:
        if form != ISO:
            return datetime.strptime(text, form)
        if iso.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"does not have the format {form}")


def _date(form: str) -> Converter:
    return lambda text: _parsed(text, form, _ISO_DATE).date().isoformat()


def _moment(wanted: ColumnType, ambiguous: Ambiguous) -> Converter:
    form, zone_name = wanted.format, wanted.zone
    zone = None if zone_name in ("", LOCAL) else ZoneInfo(zone_name)

    def convert(text: str) -> str:
        moment = _parsed(text, form, _ISO_MOMENT)
        if moment.tzinfo is None:
            if zone_name == LOCAL:
                return moment.isoformat()
            if zone is None:
                raise ValueError("has no offset from UTC, and the type names no zone")
            moment = _placed(moment, zone, ambiguous)
        elif zone_name == LOCAL:
            raise ValueError("has an offset from UTC, and the type says local")
        try:
            moment = moment.astimezone(UTC)
        except OverflowError as error:
            raise ValueError("lies before the year 1 or after 9999 in UTC") from error
        return moment.isoformat().replace("+00:00", "Z")

    return convert


def _placed(moment: datetime, zone: ZoneInfo, ambiguous: Ambiguous) -> datetime:
    """The local time in its zone. Raises ValueError for one that no clock showed, or showed twice
    where nothing says which is meant."""
    first = moment.replace(tzinfo=zone, fold=0)
    second = moment.replace(tzinfo=zone, fold=1)
    before, after = first.utcoffset() or timedelta(), second.utcoffset() or timedelta()
    if before == after:
        return first
    if after > before:
        raise ValueError(f"was shown by no clock in {zone.key}: summer time began")
    match ambiguous:
        case Ambiguous.FIRST:
            return first
        case Ambiguous.SECOND:
            return second
    raise ValueError(
        f'was shown twice in {zone.key}, as summer time ended; set ambiguous = "first" or "second"'
    )


def _json(text: str) -> object:
    if not text:
        raise ValueError("is empty, and no text for null is declared")
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if error.msg.startswith("depth limit"):
            raise _nested_too_deeply() from error
        raise ValueError(f"is no JSON: {error.msg} at character {error.pos + 1}") from error
    if text.count("[") + text.count("{") > MOST_NESTED and _depth(found) > MOST_NESTED:
        raise _nested_too_deeply()
    json.loads(text, object_pairs_hook=_once)
    return orjson.Fragment(text)


def _nested_too_deeply() -> ValueError:
    return ValueError(f"nests more than {MOST_NESTED} arrays and objects in each other")


def _depth(value: object) -> int:
    """How many arrays and objects stand in each other."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, list | dict)]:
        depth += 1
        level = [
            child for each in level for child in (each if isinstance(each, list) else each.values())
        ]
    return depth


def _once(pairs: list[tuple[str, object]]) -> None:
    """Parsers keep one of two equal keys, and not all the same one."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("is JSON in which an object has a key twice")


def _hashed(key: bytes) -> Converter:
    def convert(text: str) -> str:
        return hashlib.blake2b(text.encode(), key=key, digest_size=HASH_BYTES).hexdigest()

    return convert


def _masked(shown_first: int, shown_last: int) -> Converter:
    def convert(text: str) -> str:
        hidden = len(text) - shown_first - shown_last
        if hidden <= 0:
            return MASK * len(text)  # nothing would be hidden
        return text[:shown_first] + MASK * hidden + text[len(text) - shown_last :]

    return convert
