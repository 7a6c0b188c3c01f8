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

from csvkafka.errors import ANOTHER_JOB, MalformedRowError, RecordTooLargeError, counted
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
from csvkafka.rows.dialects import open_quote
from csvkafka.rows.utf16 import as_utf8, stored, utf16_codec
from csvkafka.rows.window import Window

MAX_ROW_BYTES = 64 * 1024 * 1024
"""A row longer than this stops the run: most likely a quote that is never closed."""

HEADER_ROW = "the header row"

_FIRST_WINDOW_BYTES = 4 * 1024
"""A look at the header: few are longer, and of a small file this is most of what it costs."""

_LINE = rb"[^\r\n]*(?:\r\n|\n|\r(?!\Z))"
"""A line with its end; a CR may be half of a CRLF where the bytes end."""


@dataclass(frozen=True, slots=True)
class Header:
    """The columns. `names` is empty if there are none: the object is empty, or its first line is.
    `byte_offset` is that of the first byte after the header row, a byte order mark counted; where
    the dialect says that there is no such row, of the first byte that may be a row's."""

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
    window = _window(chunks, 0, dialect, source_uri)
    begin = _skip_to_header(window, dialect, source_uri)
    if dialect.names:
        return Header(dialect.names, begin)
    is_row = dialect.names is None or _skip_to_row(window, dialect, source_uri)
    place = Position(window.byte_offset, -1 if dialect.names is None else 0)
    row = _first_row(window, _FIRST_WINDOW_BYTES, dialect, place, source_uri) if is_row else b""
    if not row:
        return Header((), begin)
    what = HEADER_ROW if dialect.names is None else "row 1"
    text = decode_row(row, what, place.byte_offset, dialect, source_uri)
    fields = next(parse_rows(text, dialect))
    if dialect.names is not None:
        return Header(tuple(f"c{number}" for number in range(1, len(fields) + 1)), begin)
    window.skip(len(row))
    return Header(tuple(fields), window.byte_offset)


def cut_blocks(
    chunks: Iterable[bytes],
    start: Position,
    plan: EncodePlan,
    max_row_bytes: int = MAX_ROW_BYTES,
    cutter: Cutter | None = None,
) -> Iterator[Block]:
    """The blocks from `start`, a row boundary, to the end of the source; each has at least one row.

    `chunks` are the source's bytes from `start.byte_offset` on; from byte 0, the header row is left
    out, if there is one. Blank lines and comments before a block belong to none. A block holds at
    most `plan.block_bytes`, and no more rows than make a batch that surely can be sent, or else
    exactly one row. `cutter` cuts in place of the one that suits best.

    Raises as `read_header` does."""
    check_dialect(plan.dialect)
    window = _window(chunks, start.byte_offset, plan.dialect, plan.source_uri)
    if start.byte_offset == 0:
        place = Position(_skip_to_header(window, plan.dialect, plan.source_uri), -1)
        if plan.dialect.names is None:
            size = min(_FIRST_WINDOW_BYTES, plan.block_bytes)
            header = _first_row(window, size, plan.dialect, place, plan.source_uri, max_row_bytes)
            window.skip(len(header))
    cutter = cutter or cutter_of(plan)
    row_count = start.row_count
    while _skip_to_row(window, plan.dialect, plan.source_uri):
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


def _window(chunks: Iterable[bytes], byte_offset: int, dialect: Dialect, source_uri: str) -> Window:
    """The content of the chunks, with positions of what is stored."""
    codec = utf16_codec(dialect.encoding)
    if codec is None:
        return Window(iter(chunks), byte_offset)
    content = as_utf8(chunks, codec, byte_offset, source_uri)
    return Window(content, byte_offset, lambda data: len(stored(data, dialect)))


def _byte_order_mark(window: Window, dialect: Dialect) -> int:
    """The length of the byte order mark at the object's very beginning, 0 if there is none."""
    starts_with_mark = window.peek(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK
    if starts_with_mark and source_codec(dialect.encoding) == "utf-8":
        return len(BYTE_ORDER_MARK)
    return 0


def _skip_to_header(window: Window, dialect: Dialect, source_uri: str) -> int:
    """Leaves out what stands before the header: a byte order mark, the lines that are to be
    skipped, comments. Returns where the header begins."""
    window.skip(_byte_order_mark(window, dialect))
    for _ in range(dialect.skipped_lines):
        _skip_line(window, source_uri)
    while _is_at_comment(window, dialect):
        _skip_line(window, source_uri)
    return window.byte_offset


def _skip_line(window: Window, source_uri: str) -> None:
    size = _FIRST_WINDOW_BYTES
    while not (line := re.match(_LINE, window.peek(size))) and not window.ends_within(size):
        if size >= MAX_ROW_BYTES:
            raise RecordTooLargeError(
                f"a line to be skipped (CSV_SKIP_LINES, CSV_COMMENT) at byte {window.byte_offset} "
                f"of {source_uri} does not end within {size} bytes; check that this is a CSV file"
            )
        window.raise_if_failed(size)
        size *= 2
    window.skip(line.end() if line else len(window.peek(size)))


def _is_at_comment(window: Window, dialect: Dialect) -> bool:
    comment = dialect.comment.encode()
    return bool(comment) and window.peek(len(comment)) == comment


def _skip_to_row(window: Window, dialect: Dialect, source_uri: str) -> bool:
    """Goes on to the next row, over blank lines and comments; False if there is none. Raises the
    source's error if that is next."""
    while window.skip_blank_lines():
        if not _is_at_comment(window, dialect):
            return True
        _skip_line(window, source_uri)
    return False


def _never_ends(
    row: bytes, dialect: Dialect, byte_offset: int, place: str, *, at_end: bool
) -> MalformedRowError:
    """What to raise for a row that a quote, or an escaped line end, keeps open to its end. It says
    where the quote began and what it took for a field, and not what that is."""
    where = (
        "before the end of the file" if at_end else f"within {len(row)} bytes, the limit of a row"
    )
    quote_at = open_quote(row, dialect)
    if quote_at is None:
        return MalformedRowError(
            f"{place} does not end {where}: its last line end stands behind CSV_ESCAPECHAR "
            f"({dialect.escapechar}); repair the file, or set another one, {ANOTHER_JOB}"
        )
    fields = next(parse_rows(row[:quote_at].decode("latin-1"), dialect), [""])
    quote_offset = byte_offset + len(stored(row[:quote_at], dialect))
    taken = row[quote_at + 1 :]
    size = counted(len(stored(taken, dialect)), "byte")
    lines = counted(len(taken.splitlines()), "line")
    return MalformedRowError(
        f"{place} has a quote that is not closed {where}: it opens column {len(fields)} at byte "
        f"{quote_offset}, and would take all that follows for that field, {size} in {lines}; "
        f"repair the file, or set another CSV_QUOTECHAR than {dialect.quotechar} (empty if nothing "
        f"is quoted), {ANOTHER_JOB}"
    )


def _plain_row_end(ahead: bytes, dialect: Dialect) -> int:
    """Where the first line ends, if without a doubt a row (or a blank line) ends there too; else
    0."""
    end = ahead.find(b"\n") + 1
    line, quote = ahead[:end].removesuffix(b"\n").removesuffix(b"\r"), dialect.quotechar.encode()
    is_plain = not (dialect.escapechar or dialect.comment or b"\r" in line)
    return end if is_plain and not (quote and quote in line) else 0


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
        if row_end := _plain_row_end(ahead, dialect):
            return ahead[:row_end]
        at_end = window.ends_within(size)
        for row_end, _ in row_ends(ahead if at_end else whole_lines(ahead), dialect):
            return ahead[:row_end]
        if at_end and not ahead:
            return b""
        window.raise_if_failed(size)
        if at_end or (size == max_row_bytes and open_quote(ahead, dialect) is not None):
            raise _never_ends(ahead, dialect, begin.byte_offset, place, at_end=at_end)
        if size == max_row_bytes:
            raise RecordTooLargeError(
                f"{place} does not end within {max_row_bytes} bytes, the limit of a row; "
                "is the object a CSV file?"
            )
        size *= 2
