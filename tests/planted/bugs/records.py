"""Bugs of records by a declared table: values that are nearly right, and the schemas they name."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC
from typing import Any

from csvkafka.encode import compiled_table, declared_rows, wire
from csvkafka.encode.declared_rows import Declared
from csvkafka.job.letters import Letters
from csvkafka.model import Position
from csvkafka.schema import avro_values, dropping, types
from csvkafka.schema.table import Drop, Test

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
        return moment.replace(tzinfo=UTC)

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


@patch("record-of-a-dropped-row")
def texts_that_mean_null_are_not_dropped() -> None:
    test = dropping._test

    def passes(drop: Drop, table: Any) -> Callable[[str], bool]:
        return (lambda text: text == "") if drop.test is Test.EMPTY else test(drop, table)

    replace(dropping, "_test", passes)


@patch("record-dropped-by-a-part-of-its-text")
def a_pattern_need_not_match_all_of_a_text() -> None:
    test = dropping._test

    def passes(drop: Drop, table: Any) -> Callable[[str], bool]:
        if drop.test is not Test.MATCHES:
            return test(drop, table)
        return lambda text: re.match(drop.pattern, text) is not None

    replace(dropping, "_test", passes)


@patch("record-milliseconds-as-microseconds")
def an_avro_time_has_the_wrong_unit() -> None:
    replace(avro_values, "_MICROSECOND", 1000 * avro_values._MICROSECOND)


def _naming_the_first(role: str) -> None:
    prefix = wire.prefix

    def prefix_of(schema: Any) -> bytes:
        is_meant = schema.subject.endswith(role)
        return wire.MAGIC + (1).to_bytes(4, "big") if is_meant else prefix(schema)

    replace(wire, "prefix", prefix_of)


@patch("record-of-another-schema")
def a_record_names_another_schema() -> None:
    _naming_the_first("-value")


@patch("record-key-of-another-schema")
def a_key_names_another_schema() -> None:
    _naming_the_first("-key")


# -- what the compiled encoder is told -------------------------------------------------------------


def _compiled(kind: int, change: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> None:
    """Changes what it takes a column of that kind for."""
    column = compiled_table._column

    def changed(*arguments: Any) -> tuple[Any, ...] | None:
        found = column(*arguments)
        return change(found) if found is not None and found[0] == kind else found

    replace(compiled_table, "_column", changed)


@patch("record-compiled-integer-of-64-bits")
def the_compiled_encoder_takes_each_integer_for_a_long() -> None:
    _compiled(compiled_table._INTEGER, lambda column: (*column[:2], 64, *column[3:]))


@patch("record-compiled-local-time-as-utc")
def the_compiled_encoder_does_not_look_at_a_zone() -> None:
    needs = compiled_table._NEEDS_OFFSET
    _compiled(
        compiled_table._TIMESTAMP, lambda column: (column[0], column[1] & ~needs, *column[2:])
    )


@patch("record-compiled-scale-off-by-one")
def the_compiled_encoder_has_one_digit_more_after_the_point() -> None:
    _compiled(compiled_table._DECIMAL, lambda column: (*column[:3], column[3] + 1, *column[4:]))


@patch("record-compiled-of-a-dropped-row")
def the_compiled_encoder_is_not_told_what_means_null() -> None:
    replace(compiled_table, "texts_of", lambda drop, _: drop.texts or ("",))


@patch("record-letter-read-again")
def a_replay_goes_on_with_the_last_letter_that_is_loaded() -> None:
    cut = Letters.cut

    def one_early(self: Any, start: Position, *more: Any) -> Any:
        rows = max(0, start.row_count - 1)
        return cut(self, Position(max(0, start.byte_offset - 1), rows), *more)

    replace(Letters, "cut", one_early)
