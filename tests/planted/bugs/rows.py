"""Bugs of what a row is: positions, quotes, line ends, headers, encodings, widths."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import replace as changed
from typing import Any

from csvkafka.encode import joined, plain_rows, row_json
from csvkafka.encode.row_json import RowEncoder
from csvkafka.errors import MalformedRowError, RecordTooLargeError
from csvkafka.model import Block, Dialect, EncodedBlock, Position
from csvkafka.rows import blocks, cutters, pieces, preview
from csvkafka.rows.blocks import Header

from . import patch, replace


def _positions_drift(drift_of: Callable[[bytes], int]) -> None:
    cut = pieces.cut_blocks

    def drifting(*arguments: Any, **options: Any) -> Iterator[Block]:
        drift = 0
        for block in cut(*arguments, **options):
            drift += drift_of(block.data)
            end = Position(block.end.byte_offset + drift, block.end.row_count)
            yield changed(block, end=end)

    replace(pieces, "cut_blocks", drifting)


@patch("B2")
def positions_count_characters() -> None:
    _positions_drift(lambda data: len(data.decode()) - len(data))


@patch("B3")
def positions_drift_with_each_emoji() -> None:
    _positions_drift(lambda data: 4 * sum(char > "\uffff" for char in data.decode(errors="ignore")))


@patch("B4")
def a_last_row_without_newline_is_left_out() -> None:
    cut = pieces.cut_blocks

    def whole_lines_only(*arguments: Any, **options: Any) -> Iterator[Block]:
        for block in cut(*arguments, **options):
            data = block.data[: block.data.rfind(b"\n") + 1]
            if len(data) < len(block.data) and block.row_count > 1:
                start, rows = block.start.byte_offset, block.end.row_count - 1
                yield changed(block, data=data, end=Position(start + len(data), rows))
            elif data:
                yield block

    replace(pieces, "cut_blocks", whole_lines_only)


class _LineByLine:
    """A `csv.reader` that is given one physical line at a time."""

    def __init__(self, text: str, dialect: Dialect) -> None:
        self._lines = iter(text.removesuffix("\n").split("\n"))
        self._dialect = dialect
        self.line_num = 0

    def __iter__(self) -> _LineByLine:
        return self

    def __next__(self) -> list[str]:
        line = next(self._lines)
        self.line_num += 1
        return next(csv.reader([line.replace("\r", "")]), [])


@patch("B5")
def a_quoted_newline_splits_a_row() -> None:
    def by_lines(chunks: Any, start: Position, *_: Any) -> Iterator[Block]:
        data = b"".join(chunks)
        if start.byte_offset == 0:
            header_bytes = data.index(b"\n") + 1
            data, start = data[header_bytes:], Position(header_bytes, 0)
        for first in range(0, len(lines := data.splitlines(keepends=True)), 50):
            piece = b"".join(lines[first : first + 50])
            rows = sum(bool(line.strip(b"\r\n")) for line in piece.split(b"\n"))
            end = Position(start.byte_offset + len(piece), start.row_count + rows)
            yield Block(piece, start, end, plain=False)
            start = end

    replace(pieces, "cut_blocks", by_lines)
    replace(row_json, "parse_rows", _LineByLine)


@patch("B16")
def the_byte_order_mark_is_part_of_the_first_name() -> None:
    replace(blocks, "_byte_order_mark", lambda *_: 0)


@patch("B17")
def header_split_at_commas() -> None:
    def naive(chunks: Any, dialect: Dialect, *_: Any) -> Header:
        line = next(iter(chunks)).split(b"\n")[0]
        return Header(tuple(line.decode().split(dialect.delimiter)), len(line) + 1)

    replace(preview, "read_header", naive)


@patch("B18")
def only_lf_ends_a_line() -> None:
    def lf_only(data: bytes, _: Dialect) -> Iterator[tuple[int, bool]]:
        end = 0
        for line in data.splitlines(keepends=True) if b"\n" in data else [data]:
            end += len(line)
            yield end, bool(line.strip())

    for module in (blocks, cutters):
        replace(module, "row_ends", lf_only)


@patch("B19")
def the_rest_of_the_file_in_one_field() -> None:
    first_row = blocks._first_row

    def first_row_or_all(window: Any, *arguments: Any, **options: Any) -> bytes:
        try:
            return first_row(window, *arguments, **options)
        except MalformedRowError:
            return window.peek(1 << 30)

    replace(blocks, "_first_row", first_row_or_all)


@patch("B20")
def an_oversized_row_takes_its_neighbours_along() -> None:
    encode = joined.encode_block

    def encode_or_drop(block: Block, *arguments: Any) -> EncodedBlock:
        encoded = encode(block, *arguments)
        if isinstance(encoded.failure, RecordTooLargeError):
            return EncodedBlock(block.end, (0,), ())
        return encoded

    replace(joined, "encode_block", encode_or_drop)


@patch("B29")
def everything_is_utf8() -> None:
    def lenient(block: Block, _: Any) -> str:
        return block.data.decode("utf-8", "replace")

    for module in (row_json, plain_rows):
        replace(module, "text_of", lenient)


@patch("B30")
def ragged_rows_shift_fields() -> None:
    make = RowEncoder._record

    def shifted(self: Any, row: list[str], number: int) -> tuple[bytes, bytes | None]:
        width = len(self._names)
        return make(self, [*row, *[""] * width][:width], number)

    replace(RowEncoder, "_record", shifted)
