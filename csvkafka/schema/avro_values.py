"""From a column's text to what Avro writes: as `types`, and with the same refusals.

Logical types are made here, down to Avro's own: bytes of a decimal, days, microseconds.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from csvkafka.schema.table import Column, Kind
from csvkafka.schema.types import Converter, SchemaRefusal, converter

MILLIS, MICROS = "millis", "micros"

_FIRST_DAY = date(1970, 1, 1).toordinal()
_EPOCH, _LOCAL_EPOCH = datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)


def avro_converter(
    column: Column, nulls: tuple[str, ...], hash_key: bytes, unit: str = MICROS
) -> Converter:
    """What makes the column's value of its text. `unit` is that of a timestamp."""
    convert = converter(column, nulls, hash_key)
    if column.constant is not None or column.is_hashed or column.is_masked or column.as_text:
        return convert
    match column.type.kind:
        case Kind.DECIMAL:
            convert = _unscaled(converter(replace(column, as_text=True), (), hash_key))
        case Kind.DATE:
            convert = _days(converter(column, (), hash_key))
        case Kind.TIMESTAMP:
            convert = _since_epoch(converter(column, (), hash_key), unit)
        case Kind.JSON:
            convert = _checked(converter(column, (), hash_key))
        case _:
            return convert
    null_texts = frozenset(nulls)
    return lambda text: None if text in null_texts else convert(text)


def _unscaled(as_text: Converter) -> Converter:
    def convert(text: str) -> bytes:
        number = int(str(as_text(text)).replace(".", ""))
        # Two's complement, in as few bytes as hold it.
        size = ((number if number >= 0 else ~number).bit_length() + 8) // 8
        return number.to_bytes(size, "big", signed=True)

    return convert


def _days(as_text: Converter) -> Converter:
    return lambda text: date.fromisoformat(str(as_text(text))).toordinal() - _FIRST_DAY


def _since_epoch(as_text: Converter, unit: str) -> Converter:
    def convert(text: str) -> int:
        moment = datetime.fromisoformat(str(as_text(text)))
        microseconds = (moment - (_EPOCH if moment.tzinfo else _LOCAL_EPOCH)) // _MICROSECOND
        if unit == MICROS:
            return microseconds
        if microseconds % 1000:
            raise SchemaRefusal("has parts of a millisecond, which the schema does not hold")
        return microseconds // 1000

    return convert


def _checked(as_json: Converter) -> Converter:
    def convert(text: str) -> str:
        as_json(text)
        return text

    return convert
