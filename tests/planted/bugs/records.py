"""Bugs of records by a declared table: values that are nearly right, and the schemas they name."""

from __future__ import annotations

from typing import Any

from csvkafka.encode import declared_rows, wire
from csvkafka.encode.declared_rows import Declared
from csvkafka.schema import avro_values, types

from . import patch, replace


@patch("record-decimals-through-floats")
def decimals_go_through_floats() -> None:
    replace(types, "_decimal", lambda _: float)


@patch("record-integer-wraps")
def an_integer_beyond_its_bits_wraps() -> None:
    def integer(bits: int, **_: bool) -> types.Converter:
        half = 1 << bits - 1
        return lambda text: (int(text) + half) % (2 * half) - half

    replace(types, "_integer", integer)


@patch("record-local-time-as-utc")
def a_zone_is_not_looked_at() -> None:
    def placed(moment: Any, *_: Any) -> Any:
        return moment.replace(tzinfo=types.UTC)

    replace(types, "_placed", placed)


@patch("record-null-as-text")
def a_text_that_means_null_is_sent() -> None:
    def without_nulls(column: Any, _: Any, hash_key: bytes) -> types.Converter:
        return types.converter(column, (), hash_key)

    replace(declared_rows, "converter", without_nulls)


@patch("record-mask-shows-the-wrong-end")
def a_mask_shows_the_other_end() -> None:
    masked = types._masked
    replace(types, "_masked", lambda first, last: masked(last, first))


@patch("record-key-in-the-files-order")
def a_keys_columns_stand_as_in_the_file() -> None:
    begin = Declared.__init__

    def in_the_files_order(self: Any, *arguments: Any) -> None:
        begin(self, *arguments)
        self._key = sorted(self._key, key=lambda placed: placed[0])

    replace(Declared, "__init__", in_the_files_order)


@patch("record-leading-zeros-taken")
def digits_after_a_zero_are_a_number() -> None:
    integer = types._integer

    def lenient(bits: int, **options: bool) -> types.Converter:
        return integer(bits, **{**options, "leading_zeros": True})

    replace(types, "_integer", lenient)


@patch("record-days-off-by-one")
def days_are_counted_from_the_second() -> None:
    replace(avro_values, "_FIRST_DAY", avro_values._FIRST_DAY + 1)


@patch("record-decimal-unsigned")
def an_avro_decimal_has_no_room_for_its_sign() -> None:
    def unscaled(as_text: types.Converter) -> types.Converter:
        def convert(text: str) -> bytes:
            number = int(str(as_text(text)).replace(".", ""))
            size = max(1, (number.bit_length() + 7) // 8)
            return (number % (1 << 8 * size)).to_bytes(size, "big")

        return convert

    replace(avro_values, "_unscaled", unscaled)


@patch("record-of-another-schema")
def a_record_names_another_schema() -> None:
    replace(wire, "prefix", lambda _: wire.MAGIC + (1).to_bytes(4, "big"))
