"""Letters as blocks: whole rows again, each at the place that it had in its file.

Rows that followed each other there are a block as the file's own. Others share a block that names
the place of each (`Block.places`): a batch costs the same whatever it holds, and a partition takes
one at a time from a request. Which letters share a block counts for nothing but that: what is
stored, and what a resume goes on from, is the place of each letter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from csvkafka.errors import MalformedRowError
from csvkafka.model import Block, Dialect, Position, RowPlace
from csvkafka.rows.csv_rows import row_ends
from csvkafka.rows.utf16 import stored as as_stored
from csvkafka.rows.utf16 import utf16_codec

ROWS_ALONE = 64
"""So many rows that followed each other are a block alone: the compiled encoder takes them then."""

MOST_ROWS = 1_000
"""The most rows in a block whose rows did not follow each other: a batch costs about half a
millisecond, so half a microsecond of a row."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A row that was set aside. `value` holds its bytes as they stand in the file `uri`, from
    `byte_offset` on; `line` is its number there (1: the first)."""

    kafka_offset: int
    value: bytes
    uri: str
    line: int
    byte_offset: int


def runs_of(letters: Iterable[Letter], dialect: Dialect, most_bytes: int) -> Iterator[list[Letter]]:
    """Groups the letters: those are together whose rows followed each other in one file. A group
    has at most `most_bytes` bytes, or one letter."""
    run: list[Letter] = []
    size = 0
    for letter in letters:
        size += len(letter.value)
        if run and (size > most_bytes or not _line_end(run[-1], letter, dialect)):
            yield run
            run, size = [], len(letter.value)
        run.append(letter)
    if run:
        yield run


def _line_end(letter: Letter, after: Letter, dialect: Dialect) -> bytes:
    """The line end between both rows in their file, LF or CRLF by its length; empty if the rows did
    not follow each other, or if more than a line end is between them."""
    if (after.uri, after.line) != (letter.uri, letter.line + 1):
        return b""
    gap = after.byte_offset - letter.byte_offset - len(letter.value)
    return {len(as_stored(end, dialect)): end for end in (b"\n", b"\r\n")}.get(gap, b"")


def together(runs: Iterable[list[Letter]], most_bytes: int) -> Iterator[list[Letter]]:
    """Joins short runs of one file. What it gives has at most `MOST_ROWS` letters of at most
    `most_bytes` bytes, or is one run."""
    waiting: list[Letter] = []
    size = 0
    for run in runs:
        run_size = sum(len(letter.value) for letter in run)
        fits = size + run_size <= most_bytes and len(waiting) + len(run) <= MOST_ROWS
        is_alone = len(run) >= ROWS_ALONE
        if waiting and (is_alone or not fits or waiting[0].uri != run[0].uri):
            yield waiting
            waiting, size = [], 0
        if is_alone:
            yield run
        else:
            waiting += run
            size += run_size
    if waiting:
        yield waiting


def block_of(letters: Sequence[Letter], dialect: Dialect) -> Block:
    """The rows of letters of one file as a block, at their places there. Raises MalformedRowError
    if a letter is not exactly one row by this dialect."""
    ends = [_line_end(*both, dialect) for both in pairwise(letters)]
    places: tuple[RowPlace, ...] = ()
    if not all(ends):
        ends = [end or b"\n" for end in ends]
        places = tuple(RowPlace(letter.line, letter.byte_offset) for letter in letters)
    rows = [_row(*both, dialect) for both in zip(letters, [*ends, b"\n"], strict=True)]
    data = b"".join(rows)
    _check_rows(letters, rows, data, dialect)
    first = letters[0]
    start = Position(first.byte_offset, first.line - 1)
    size = len(as_stored(data, dialect))
    end = Position(first.byte_offset + size, start.row_count + len(letters))
    return Block(data, start, end, plain=False, places=places)


def _row(letter: Letter, line_end: bytes, dialect: Dialect) -> bytes:
    codec = utf16_codec(dialect.encoding)
    data = letter.value
    if codec is not None:
        data = data.decode(codec, "surrogatepass").encode("utf-8", "surrogatepass")
    return data + line_end


def _check_rows(
    letters: Sequence[Letter], rows: Sequence[bytes], data: bytes, dialect: Dialect
) -> None:
    """Raises MalformedRowError unless each is one row by this dialect; `data` are all of them."""
    comment = dialect.comment.encode()
    due = [(end, True) for end in accumulate(map(len, rows))]
    # All in one reading: each begins as the first one does if those before it are rows.
    if list(row_ends(data, dialect)) == due and not (
        comment and any(row.startswith(comment) for row in rows)
    ):
        return
    for letter, row in zip(letters, rows, strict=True):
        is_row = list(row_ends(row, dialect)) == [(len(row), True)]
        if not is_row or (comment and row.startswith(comment)):
            raise MalformedRowError(
                f"row {letter.line} at byte {letter.byte_offset} of {letter.uri}, which was set "
                "aside, is not one row by these settings: set those of the dialect "
                "(CSV_QUOTECHAR, CSV_ESCAPECHAR, CSV_COMMENT, CSV_ENCODING) as they were, or run "
                "the replay under another name"
            )
