"""Cuts the source's bytes into blocks of whole rows.

A block begins and ends at a row boundary, and where it ends follows from the bytes after its
start and the plan alone, never from how the bytes arrived in chunks: a resume from a block's end
cuts the same blocks again. What a row is, `csv_rows` says. No guess is made from the parity of
quotes: a window of the source in which line ends and quotes cannot be mistaken is cut by `bytes`
methods, any other by the `csv` module.

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
    quotes_around_fields,
    row_ends,
    source_codec,
)
from csvkafka.rows.window import Window

MAX_ROW_BYTES = 64 * 1024 * 1024
"""A row longer than this stops the run: most likely a quote that is never closed."""

COMPRESSIBLE_FACTOR = 3
"""JSON of CSV rows repeats the column names: each codec shrinks it to a third, most far more."""

HEADER_ROW = "the header row"

_FIRST_WINDOW_BYTES = 64 * 1024
_LINE = rb"[^\r\n]*(?:\r\n|\n|\r(?!\Z))"
"""A line with its end; a CR may be half of a CRLF where the bytes end."""
_ALL_BYTES = bytes(range(256))
_CONTROL_BYTES = _ALL_BYTES[:32]


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
    chunks: Iterable[bytes], start: Position, plan: EncodePlan, max_row_bytes: int = MAX_ROW_BYTES
) -> Iterator[Block]:
    """The blocks from `start`, a row boundary, to the end of the source; each has at least one row.

    `chunks` are the source's bytes from `start.byte_offset` on; from byte 0, the header row is left
    out. Blank lines before a block belong to none. A block holds at most `plan.block_bytes`, and no
    more rows than make a batch that surely can be sent, or else exactly one row.

    Raises as `read_header` does."""
    check_dialect(plan.dialect)
    window = Window(iter(chunks), start.byte_offset)
    if start.byte_offset == 0:
        place = Position(_skip_to_header(window, plan.dialect, plan.source_uri), -1)
        header = _first_row(
            window, plan.block_bytes, plan.dialect, place, plan.source_uri, max_row_bytes
        )
        window.skip(len(header))
    rules = _CutRules.of(plan)
    row_count = start.row_count
    while window.skip_blank_lines():
        begin = Position(window.byte_offset, row_count)
        data, rows, plain = _cut(window, rules)
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


@dataclass(frozen=True, slots=True)
class _CutRules:
    """The plan, as far as it decides where blocks end."""

    dialect: Dialect
    block_bytes: int
    max_encoded_bytes: int
    row_overhead_bytes: int
    quote: bytes
    delimiter: bytes
    not_plain: bytes
    not_plain_quoted: bytes
    letters: bytes
    skeletons: tuple[bytes, ...]

    @classmethod
    def of(cls, plan: EncodePlan) -> _CutRules:
        quote = plan.dialect.quotechar.encode()
        delimiter = plan.dialect.delimiter.encode()
        escaped = _CONTROL_BYTES.replace(b"\n", b"") + b'"\\'
        not_plain = escaped.replace(delimiter, b"")
        factor = 1 if plan.compression == "none" else COMPRESSIBLE_FACTOR
        return cls(
            dialect=plan.dialect,
            block_bytes=plan.block_bytes,
            max_encoded_bytes=plan.max_batch_bytes * factor,
            row_overhead_bytes=_row_overhead_bytes(plan),
            quote=quote,
            delimiter=delimiter,
            not_plain=not_plain,
            not_plain_quoted=escaped.replace(quote, b""),
            letters=_ALL_BYTES.translate(None, _CONTROL_BYTES + b'"\\' + quote + delimiter),
            skeletons=_row_skeletons(len(plan.header), quote, delimiter),
        )

    def fits(self, size: int, rows: int) -> bool:
        """Whether so many rows of so many bytes in all make a batch of the size that we want."""
        return size + rows * self.row_overhead_bytes <= self.max_encoded_bytes


def _row_skeletons(width: int, quote: bytes, delimiter: bytes) -> tuple[bytes, ...]:
    """What is left of a row without its letters if no field is quoted, and if every one is; with
    either line end. Not for one column: there a blank line would look like a row."""
    if width < 2:
        return ()
    unquoted = delimiter * (width - 1)
    quoted = delimiter.join([quote + quote] * width)
    rows = (unquoted, quoted) if quote else (unquoted,)
    return tuple(row + newline for row in rows for newline in (b"\n", b"\r\n"))


def _row_overhead_bytes(plan: EncodePlan) -> int:
    """About how much longer than its row a record is: names, punctuation, metadata, framing."""
    names = sum(len(name.encode()) + len(',"":""') for name in plan.header)
    return names + len(plan.source_uri.encode()) + len('"_source_line":,"_source_file":""') + 24


def _cut(window: Window, rules: _CutRules) -> tuple[bytes, int, bool]:
    """The next block: its bytes, its number of rows, and whether it is plain; no rows if no row
    ends within `block_bytes`. The window begins with a row."""
    ahead = window.peek(rules.block_bytes)
    lines = ahead[: ahead.rfind(b"\n") + 1]
    rows = _regular_rows(lines, rules)
    if rows:
        return *_trimmed(lines, rows, rules), True
    plain = _plainness(lines, rules)
    if plain is not None:
        return *_trimmed(lines, lines.count(b"\n"), rules), plain
    return *_cut_rows(ahead, window.ends_within(rules.block_bytes), rules), False


def _regular_rows(lines: bytes, rules: _CutRules) -> int:
    """The number of rows in `lines` if they all have the header's width and the same skeleton: then
    each line is one row, and no character of a field needs an escape in JSON. 0: not known.

    With a quoted skeleton, two quotes stand between each separator and the next. However the csv
    module takes them (as the field's own, or as text in one that does not begin with a quote), it
    is outside of quotes again at the separator. One pass and one comparison tell all of it."""
    skeleton = lines.translate(None, rules.letters)
    for row in rules.skeletons:
        if skeleton.startswith(row):
            count = len(skeleton) // len(row)
            if skeleton != row * count:
                return 0
            # A CR and an LF with letters between are two line ends, and look like one here.
            torn = row.endswith(b"\r\n") and lines.count(b"\r\n") != count
            return 0 if torn else count
    return 0


def _plainness(lines: bytes, rules: _CutRules) -> bool | None:
    """None unless each line of `lines` is certainly one row; then whether they are plain."""
    line_count = lines.count(b"\n")
    newline = b"\n"
    if b"\r" in lines:
        newline = b"\r\n"
        if not lines.count(b"\r") == lines.count(newline) == line_count:
            return None
    if line_count == 0 or newline + newline in lines:
        return None
    not_plain = rules.not_plain
    if rules.quote and rules.quote in lines:
        around_fields = quotes_around_fields(rules.dialect, delimiters_inside=True)
        if not _every_field_is_quoted(lines, newline, rules) and not around_fields.fullmatch(lines):
            return None
        not_plain = rules.not_plain_quoted
    not_plain = not_plain if newline == b"\n" else not_plain.replace(b"\r", b"")
    return len(lines.translate(None, not_plain)) == len(lines)


def _every_field_is_quoted(lines: bytes, newline: bytes, rules: _CutRules) -> bool:
    """Whether `lines` is nothing but quoted fields without quotes or line ends in them.

    That is what `quotes_around_fields` would find too, but a pattern is slow where quotes are many.
    Here each quote must be the first or the last one, or be used up by one `"<newline>"` or `","`,
    from left to right; what is left are the fields."""
    quote, delimiter = rules.quote, rules.delimiter
    if not (lines.startswith(quote) and lines.endswith(quote + newline)):
        return False
    fields = lines[1 : -1 - len(newline)]
    # NUL keeps apart what a removed separator stood between.
    for separator in (quote + newline + quote, quote + delimiter + quote):
        fields = fields.replace(separator, b"\0")
    return len(lines) > 1 + len(newline) and quote not in fields and b"\n" not in fields


def _trimmed(lines: bytes, rows: int, rules: _CutRules) -> tuple[bytes, int]:
    """As many of `lines`, each one of `rows`, as fit, at least one; and their number."""
    while rows > 1 and not rules.fits(len(lines), rows):
        encoded_size = len(lines) + rows * rules.row_overhead_bytes
        size = len(lines) * rules.max_encoded_bytes // encoded_size
        # Short of the last byte, which is a line end: so it gets shorter each time.
        end = lines.rfind(b"\n", 0, size) + 1 or lines.find(b"\n") + 1
        lines = lines[:end]
        rows = lines.count(b"\n")
    return lines, rows


def _cut_rows(ahead: bytes, at_end: bool, rules: _CutRules) -> tuple[bytes, int]:
    """As many rows as fit, as the csv module reads them, and their number."""
    ahead = ahead if at_end else _whole_lines(ahead)
    end = rows = 0
    for row_end, is_row in row_ends(ahead, rules.dialect):
        if rows and is_row and not rules.fits(row_end, rows + 1):
            break
        end = row_end
        rows += is_row
    return ahead[:end], rows


def _whole_lines(ahead: bytes) -> bytes:
    # A CR at the very end may be half of a CRLF: then the LF is a blank line, which is no row.
    return ahead[: max(ahead.rfind(b"\n"), ahead.rfind(b"\r")) + 1]


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
        for row_end, _ in row_ends(ahead if at_end else _whole_lines(ahead), dialect):
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
