"""Cuts the source's bytes into blocks of whole rows.

A block begins and ends at a row boundary, and where it ends follows from the bytes after its
start and the plan alone, never from how the bytes arrived in chunks: a resume from a block's end
cuts the same blocks again. `csv_rows` says what a row is; `cutters` says how many of them a block
takes, and where they end.

Memory: the largest chunk plus three times `plan.block_bytes`; a row that is longer than a block
costs about six times its size while it is looked for, at most `max_row_bytes`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from csvkafka.errors import ANOTHER_JOB, MalformedRowError, RecordTooLargeError
from csvkafka.model import Block, Dialect, EncodePlan, Position
from csvkafka.rows.csv_rows import (
    BYTE_ORDER_MARK,
    check_dialect,
    decode_row,
    parse_rows,
    row_ends,
    source_codec,
)
from csvkafka.rows.cutters import Cutter, cutter_of, whole_lines
from csvkafka.rows.window import Window

MAX_ROW_BYTES = 64 * 1024 * 1024
"""A row longer than this stops the run: most likely a quote that is never closed."""

HEADER_ROW = "the header row"

_FIRST_WINDOW_BYTES = 64 * 1024
_LINE = rb"[^\r\n]*(?:\r\n|\n|\r(?!\Z))"
"""A line with its end; a CR may be half of a CRLF where the bytes end."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header row. `names` is empty if there is none: the object is empty, or its first line is.
    `byte_offset` is that of the first byte after it, a byte order mark counted."""

    names: tuple[str, ...]
    byte_offset: int


def read_header(
    chunks: Iterable[bytes], dialect: Dialect, source_uri: str = "the source"
) -> Header:
    """The header of an object, given its bytes from the very beginning; reads no more than needed.

    Raises ConfigError for a dialect that cannot be, MalformedRowError for a quote that is never
    closed, RecordTooLargeError for an endless row, SourceCorruptError for bytes that the encoding
    does not have, and what `chunks` raises."""
    check_dialect(dialect)
    window = Window(iter(chunks), 0)
    begin = _skip_to_header(window, dialect, source_uri)
    row = _first_row(window, _FIRST_WINDOW_BYTES, dialect, Position(begin, -1), source_uri)
    if not row:
        return Header((), begin)
    text = decode_row(row, HEADER_ROW, begin, dialect, source_uri)
    return Header(tuple(next(parse_rows(text, dialect))), begin + len(row))


def cut_blocks(
    chunks: Iterable[bytes],
    start: Position,
    plan: EncodePlan,
    max_row_bytes: int = MAX_ROW_BYTES,
    cutter: Cutter | None = None,
) -> Iterator[Block]:
    """The blocks from `start`, a row boundary, to the end of the source; each has at least one row.

    `chunks` are the source's bytes from `start.byte_offset` on; from byte 0, the header row is left
    out. Blank lines before a block belong to none. A block holds at most `plan.block_bytes`, and no
    more rows than make a batch that surely can be sent, or else exactly one row. `cutter` cuts in
    place of the one that suits best.

    Raises as `read_header` does."""
    check_dialect(plan.dialect)
    window = Window(iter(chunks), start.byte_offset)
    if start.byte_offset == 0:
        place = Position(_skip_to_header(window, plan.dialect, plan.source_uri), -1)
        header = _first_row(
            window, plan.block_bytes, plan.dialect, place, plan.source_uri, max_row_bytes
        )
        window.skip(len(header))
    cutter = cutter or cutter_of(plan)
    row_count = start.row_count
    while window.skip_blank_lines():
        begin = Position(window.byte_offset, row_count)
        ahead, at_end = window.peek(plan.block_bytes), window.ends_within(plan.block_bytes)
        data, rows, plain = cutter.cut(ahead, at_end)
        if rows == 0:
            data = _first_row(
                window, plan.block_bytes, plan.dialect, begin, plan.source_uri, max_row_bytes
            )
            rows = 1
        window.skip(len(data))
        row_count += rows
        yield Block(data, begin, Position(window.byte_offset, row_count), plain)


def _byte_order_mark(window: Window, dialect: Dialect) -> int:
    """The length of the byte order mark at the object's very beginning, 0 if there is none."""
    starts_with_mark = window.peek(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK
    if starts_with_mark and source_codec(dialect.encoding) == "utf-8":
        return len(BYTE_ORDER_MARK)
    return 0


def _skip_to_header(window: Window, dialect: Dialect, source_uri: str) -> int:
    """Leaves out what stands before the header, a byte order mark and the lines that are to be
    skipped; returns where the header begins."""
    window.skip(_byte_order_mark(window, dialect))
    for _ in range(dialect.skipped_lines):
        size = _FIRST_WINDOW_BYTES
        while not (line := re.match(_LINE, window.peek(size))) and not window.ends_within(size):
            if size >= MAX_ROW_BYTES:
                raise RecordTooLargeError(
                    f"a line to be skipped (CSV_SKIP_LINES) at byte {window.byte_offset} of "
                    f"{source_uri} does not end within {size} bytes; is the object a CSV file?"
                )
            window.raise_if_failed(size)
            size *= 2
        window.skip(line.end() if line else len(window.peek(size)))
    return window.byte_offset


def _first_row(
    window: Window,
    size: int,
    dialect: Dialect,
    begin: Position,
    source_uri: str,
    max_row_bytes: int = MAX_ROW_BYTES,
) -> bytes:
    """The window's first row (or blank line), however long; looks `size` bytes ahead, then further.

    Empty at the end of the source."""
    what = HEADER_ROW if begin.row_count < 0 else f"row {begin.row_count + 1}"
    place = f"{what} at byte {begin.byte_offset} of {source_uri}"
    while True:
        size = min(size, max_row_bytes)
        ahead = window.peek(size)
        at_end = window.ends_within(size)
        for row_end, _ in row_ends(ahead if at_end else whole_lines(ahead), dialect):
            return ahead[:row_end]
        if at_end and not ahead:
            return b""
        window.raise_if_failed(size)
        if at_end:
            raise MalformedRowError(
                f"{place} has a quote that is not closed before the end of the file; "
                f"repair the file, or set another CSV_QUOTECHAR than {dialect.quotechar} (empty if "
                f"nothing is quoted), {ANOTHER_JOB}"
            )
        if size == max_row_bytes and dialect.quotechar and dialect.quotechar.encode() in ahead:
            raise MalformedRowError(
                f"{place} does not end within {max_row_bytes} bytes, the limit of a row: a quote "
                f"in it is probably never closed; repair the file, or set another CSV_QUOTECHAR "
                f"than {dialect.quotechar} (empty if nothing is quoted), {ANOTHER_JOB}"
            )
        if size == max_row_bytes:
            raise RecordTooLargeError(
                f"{place} does not end within {max_row_bytes} bytes, the limit of a row; "
                "is the object a CSV file?"
            )
        size *= 2
