"""Finds the whole rows that the bytes ahead begin with: as many as make one block.

No guess is made from the parity of quotes. `CompiledCutter` reads each row as the `csv` module
does; without it, `PythonCutter` cuts a window of the source in which line ends and quotes cannot be
mistaken by `bytes` methods, and any other by the `csv` module. The two may end a block at different
rows; where one does follows from the bytes and the plan alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from csvkafka.compiled import CompiledModule, compiled_module
from csvkafka.model import Dialect, EncodePlan
from csvkafka.rows.csv_rows import quotes_around_fields, row_ends
from csvkafka.rows.dialects import plainness

COMPRESSIBLE_FACTOR = 3
"""JSON of CSV rows repeats the column names: each codec shrinks it to a third, most far more."""

_ALL_BYTES = bytes(range(256))
_CONTROL_BYTES = _ALL_BYTES[:32]

Cut = tuple[bytes, int, bool]
"""Whole rows: their bytes, their number, and whether they make a plain block."""


class Cutter(Protocol):
    """Cuts for one plan."""

    def cut(self, ahead: bytes, at_end: bool) -> Cut:
        """The next block, given the bytes from a row's beginning on; no rows if none ends among
        them. `at_end`: nothing comes behind them."""
        ...


def cutter_of(plan: EncodePlan) -> Cutter:
    """The fastest cutter that can be used here. Raises ConfigError as `compiled_module` does."""
    compiled = compiled_module()
    fast = PythonCutter(plan) if compiled is None else CompiledCutter(plan, compiled)
    is_plain = plainness(plan.dialect)
    return fast if is_plain is None else DialectCutter(plan, fast, is_plain)


def whole_lines(ahead: bytes) -> bytes:
    """The lines of `ahead` that have an end."""
    # A CR at the very end may be half of a CRLF: then the LF is a blank line, which is no row.
    return ahead[: max(ahead.rfind(b"\n"), ahead.rfind(b"\r")) + 1]


@dataclass(frozen=True, slots=True)
class BatchLimit:
    """How many rows make a batch of the size that we want, by the header and the file of a plan."""

    max_encoded_bytes: int
    row_overhead_bytes: int

    @classmethod
    def of(cls, plan: EncodePlan) -> BatchLimit:
        factor = 1 if plan.compression == "none" else COMPRESSIBLE_FACTOR
        names = _names_bytes(plan.header)
        # Names, punctuation, metadata, framing: about so much longer than its row is a record.
        others = len(plan.source_uri.encode()) + len('"_source_line":,"_source_file":""') + 24
        return cls(plan.max_batch_bytes * factor, names + others)

    def allows(self, size: int, rows: int) -> bool:
        """Whether a block may hold so many rows of so many bytes in all."""
        return size + rows * self.row_overhead_bytes <= self.max_encoded_bytes


@lru_cache(maxsize=8)
def _names_bytes(header: tuple[str, ...]) -> int:
    """How long the names are in a record, with their punctuation."""
    return sum(len(name.encode()) + len(',"":""') for name in header)


class DialectCutter:
    """By a fast cutter where that reads as the dialect says, else by the `csv` module."""

    def __init__(self, plan: EncodePlan, fast: Cutter, is_plain: Callable[[bytes], bool]) -> None:
        self._fast = fast
        self._is_plain = is_plain
        self._by_csv = PythonCutter(plan).by_csv

    def cut(self, ahead: bytes, at_end: bool) -> Cut:
        """See `Cutter`."""
        if self._is_plain(ahead):
            return self._fast.cut(ahead, at_end)
        return *self._by_csv(ahead, at_end), False


class CompiledCutter:
    """By the compiled module, in one pass, whatever the rows hold. No block is called plain: that
    is for the Python encoder."""

    def __init__(self, plan: EncodePlan, compiled: CompiledModule) -> None:
        quote = plan.dialect.quotechar
        self._whole_rows = compiled.whole_rows
        self._delimiter = ord(plan.dialect.delimiter)
        self._quote = ord(quote) if quote else -1
        self._limit = BatchLimit.of(plan)

    def cut(self, ahead: bytes, at_end: bool) -> Cut:
        """See `Cutter`."""
        limit = self._limit
        size, rows = self._whole_rows(
            ahead,
            self._delimiter,
            self._quote,
            at_end,
            limit.row_overhead_bytes,
            limit.max_encoded_bytes,
        )
        return ahead[:size], rows, False


class PythonCutter:
    """By `bytes` methods where they cannot be mistaken, else by the `csv` module."""

    def __init__(self, plan: EncodePlan) -> None:
        quote = plan.dialect.quotechar.encode()
        delimiter = plan.dialect.delimiter.encode()
        escaped = _CONTROL_BYTES.replace(b"\n", b"") + b'"\\'
        self._dialect: Dialect = plan.dialect
        self._limit = BatchLimit.of(plan)
        self._quote = quote
        self._delimiter = delimiter
        self._not_plain = escaped.replace(delimiter, b"")
        self._not_plain_quoted = escaped.replace(quote, b"")
        self._letters = _ALL_BYTES.translate(None, _CONTROL_BYTES + b'"\\' + quote + delimiter)
        self._skeletons = _row_skeletons(len(plan.header), quote, delimiter)

    def cut(self, ahead: bytes, at_end: bool) -> Cut:
        """See `Cutter`."""
        lines = ahead[: ahead.rfind(b"\n") + 1]
        rows = self._regular_rows(lines)
        if rows:
            return *self._trimmed(lines, rows), True
        plain = self._plainness(lines)
        if plain is not None:
            return *self._trimmed(lines, lines.count(b"\n")), plain
        return *self.by_csv(ahead, at_end), False

    def _regular_rows(self, lines: bytes) -> int:
        """The number of rows in `lines` if they all have the header's width and the same skeleton:
        then each line is one row, and no character of a field needs an escape in JSON. 0: not
        known.

        With a quoted skeleton, two quotes stand between each separator and the next. However the
        csv module takes them (as the field's own, or as text in one that does not begin with a
        quote), it is outside of quotes again at the separator. One pass and one comparison tell all
        of it."""
        skeleton = lines.translate(None, self._letters)
        for row in self._skeletons:
            if skeleton.startswith(row):
                count = len(skeleton) // len(row)
                if skeleton != row * count:
                    return 0
                # A CR and an LF with letters between are two line ends, and look like one here.
                torn = row.endswith(b"\r\n") and lines.count(b"\r\n") != count
                return 0 if torn else count
        return 0

    def _plainness(self, lines: bytes) -> bool | None:
        """None unless each line of `lines` is certainly one row; then whether they are plain."""
        line_count = lines.count(b"\n")
        newline = b"\n"
        if b"\r" in lines:
            newline = b"\r\n"
            if not lines.count(b"\r") == lines.count(newline) == line_count:
                return None
        if line_count == 0 or newline + newline in lines:
            return None
        not_plain = self._not_plain
        if self._quote and self._quote in lines:
            around_fields = quotes_around_fields(self._dialect, delimiters_inside=True)
            every_field = self._every_field_is_quoted(lines, newline)
            if not every_field and not around_fields.fullmatch(lines):
                return None
            not_plain = self._not_plain_quoted
        not_plain = not_plain if newline == b"\n" else not_plain.replace(b"\r", b"")
        return len(lines.translate(None, not_plain)) == len(lines)

    def _every_field_is_quoted(self, lines: bytes, newline: bytes) -> bool:
        """Whether `lines` is nothing but quoted fields without quotes or line ends in them.

        That is what `quotes_around_fields` would find too, but a pattern is slow where quotes are
        many. Here each quote must be the first or the last one, or be used up by one
        `"<newline>"` or `","`, from left to right; what is left are the fields."""
        quote, delimiter = self._quote, self._delimiter
        if not (lines.startswith(quote) and lines.endswith(quote + newline)):
            return False
        fields = lines[1 : -1 - len(newline)]
        # NUL keeps apart what a removed separator stood between.
        for separator in (quote + newline + quote, quote + delimiter + quote):
            fields = fields.replace(separator, b"\0")
        return len(lines) > 1 + len(newline) and quote not in fields and b"\n" not in fields

    def _trimmed(self, lines: bytes, rows: int) -> tuple[bytes, int]:
        """As many of `lines`, each one of `rows`, as fit, at least one; and their number."""
        limit = self._limit
        while rows > 1 and not limit.allows(len(lines), rows):
            encoded_size = len(lines) + rows * limit.row_overhead_bytes
            size = len(lines) * limit.max_encoded_bytes // encoded_size
            # Short of the last byte, which is a line end: so it gets shorter each time.
            end = lines.rfind(b"\n", 0, size) + 1 or lines.find(b"\n") + 1
            lines = lines[:end]
            rows = lines.count(b"\n")
        return lines, rows

    def by_csv(self, ahead: bytes, at_end: bool) -> tuple[bytes, int]:
        """As many rows as fit, as the csv module reads them, and their number."""
        ahead = ahead if at_end else whole_lines(ahead)
        end = rows = 0
        for row_end, is_row in row_ends(ahead, self._dialect):
            if rows and is_row and not self._limit.allows(row_end, rows + 1):
                break
            end = row_end
            rows += is_row
        return ahead[:end], rows


def _row_skeletons(width: int, quote: bytes, delimiter: bytes) -> tuple[bytes, ...]:
    """What is left of a row without its letters if no field is quoted, and if every one is; with
    either line end. Not for one column: there a blank line would look like a row."""
    if width < 2:
        return ()
    unquoted = delimiter * (width - 1)
    quoted = delimiter.join([quote + quote] * width)
    rows = (unquoted, quoted) if quote else (unquoted,)
    return tuple(row + newline for row in rows for newline in (b"\n", b"\r\n"))
