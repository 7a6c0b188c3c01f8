"""What the documents promise: the rows of a source, and the record of each.

Nothing of the loader's is in it, so that the two can disagree.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO, NamedTuple, Protocol

import orjson

from csvkafka.testing.checker.ahead import Ahead
from csvkafka.testing.checker.row_ledger import Fields, SourceRow


class TopicRecord(NamedTuple):
    """A record as a consumer sees it."""

    kafka_offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


Decoder = Callable[[TopicRecord], tuple[int | None, Fields | None]]
"""(source_line or None, fields or None): without fields the record could not be decoded; without a
line it is not one of the loader's, unless rows are identified by content."""


@dataclass(frozen=True, slots=True)
class FileLines:
    """The rows of one file of a set: how many rows the files before it have, and how many it has
    itself."""

    before: int
    count: int

    def at(self, line: int) -> int:
        """The line of the set that is `line` of the file; -1 if it has no such line, which must not
        be taken for one of the next file."""
        return self.before + line if 1 <= line <= self.count else -1


class LinesOf(Protocol):
    """Which lines of the source are those of one file."""

    def at(self, line: int) -> int:
        """The line of the source that is `line` of the file; -1: none is."""


def documented_record(
    source_uri: str | None = None, files: Mapping[str, LinesOf] | None = None
) -> Decoder:
    """Returns a decoder of the documented record: a JSON object with `_source_line` and
    `_source_file`. With `source_uri`, or with `files` of a set by URI, records of other files are
    not the loader's. In a set, lines are counted through all files. A key that stands twice has a
    value that no row has: parsers keep one of the two, and not all the same."""
    return DocumentedRecord(source_uri, files)


@dataclass(frozen=True, slots=True)
class DocumentedRecord:
    """See `documented_record`."""

    source_uri: str | None
    files: Mapping[str, LinesOf] | None = None

    def __call__(self, record: TopicRecord) -> tuple[int | None, Fields | None]:
        value = record.value or b""
        try:
            fields = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None, None
        if not isinstance(fields, dict):
            return None, None
        try:
            size = len(orjson.dumps(fields))
        except TypeError:
            return None, {}  # it is nested more deeply than orjson writes, so the loader did not
        if size != len(value):
            fields = json.loads(value, object_pairs_hook=_object)
        line = fields.pop("_source_line", None)
        file = fields.pop("_source_file", None)
        if type(line) is not int or file is None:
            return None, fields
        if self.files is not None:
            return line_in_set(self.files, file, line), fields
        return (line if self.source_uri in (None, file) else None), fields


@dataclass(frozen=True, slots=True)
class ColumnKey:
    """The key of a row's record: the column's field, UTF-8; None for a row that is too short, and
    for a field that is no text."""

    column: str

    def __call__(self, row: SourceRow) -> bytes | None:
        value = row.get(self.column)
        return value.encode() if isinstance(value, str) and _is_text(value) else None


def line_in_set(files: Mapping[str, LinesOf], file: object, line: int) -> int | None:
    """The line of a set that is `line` of `file`; None if that is no file of the set."""
    lines = files.get(file) if isinstance(file, str) else None
    return None if lines is None else lines.at(line)


@dataclass(frozen=True, slots=True)
class Twice:
    """The values of a key that an object has more than once."""

    values: tuple[object, ...]


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        for name in fields:
            values = tuple(value for other, value in pairs if other == name)
            if len(values) > 1:
                fields[name] = Twice(values)
    return fields


def documented_row(row: SourceRow, _: int) -> Fields:
    """The fields of the documented record of a row; surplus fields stand under "null", or, where a
    column has that name, under "null_2" or the next number that is free."""
    if None in row:
        names = ("null", *(f"null_{number}" for number in range(2, len(row) + 2)))
        row[next(name for name in names if name not in row)] = row.pop(None)
    row.pop("_source_line", None)
    row.pop("_source_file", None)
    return row  # type: ignore[return-value]


def documented_row_that_is_good(row: SourceRow, line: int) -> Fields | None:
    """As `documented_row`; None for a row of another width than the header's, or with bytes that
    are no text."""
    return documented_row(row, line) if is_good(row) else None


class SourceRows(Iterator[SourceRow]):
    """The rows that a `csv.DictReader` of these fields gives, where the first ones are the header;
    `rename` gives the columns other names. Rows to come can be looked at as lists of fields."""

    def __init__(
        self,
        rows: Iterator[list[str]],
        rename: Callable[[Sequence[str]], Sequence[str]] | None = None,
    ) -> None:
        names = next(rows, [])
        self.names = tuple(rename(names) if rename and names else names)
        self._ahead = Ahead(filter(None, rows))  # a blank line is no row

    def __next__(self) -> SourceRow:
        names, fields = self.names, next(self._ahead)
        row: SourceRow = dict(zip(names, fields, strict=False))
        if len(fields) > len(names):
            row[None] = fields[len(names) :]
        elif len(fields) < len(names):
            row.update(dict.fromkeys(names[len(fields) :]))
        return row

    def peek(self, count: int) -> list[list[str]]:
        """The fields of the next `count` rows, or of as many as there are; they stay."""
        return self._ahead.peek(count)

    def skip(self, count: int) -> None:
        """Leaves out so many of the rows that were looked at."""
        self._ahead.skip(count)


def read_rows(
    stream: BinaryIO,
    *,
    encoding: str = "utf-8-sig",
    delimiter: str = ",",
    quotechar: str = '"',
    escapechar: str = "",
    doublequote: bool = True,
    comment: str = "",
    trailing_delimiter: bool = False,
    skipped_lines: int = 0,
    names: Sequence[str] | None = None,
    errors: str = "strict",
    rename: Callable[[Sequence[str]], Sequence[str]] | None = None,
) -> SourceRows:
    """The rows of a CSV, by definition: parameters are those of `csv.reader` (no field is quoted if
    `quotechar` is empty, there is no `escapechar` if that is), and what the documents say beside
    them. `names` are the columns of a file without a header row, empty: c1, c2, ... by its first
    row. `errors` says what becomes of bytes that are no text, as `codecs` names it; `rename` gives
    the columns other names. Lifts the `csv` module's field size limit, which is the process's."""
    csv.field_size_limit(sys.maxsize)
    text: Iterator[str] = io.TextIOWrapper(stream, encoding=encoding, errors=errors, newline="")
    if encoding in ("utf-16-le", "utf-16-be"):
        text = _without_mark(text)  # "utf-8-sig" drops one itself
    for _ in range(skipped_lines):
        next(text, "")
    options: dict[str, Any] = {
        "delimiter": delimiter,
        "quotechar": quotechar or None,
        "quoting": csv.QUOTE_MINIMAL if quotechar else csv.QUOTE_NONE,
        "escapechar": escapechar or None,
        "doublequote": doublequote,
    }
    rows: Iterator[list[str]] = csv.reader(text, **options)
    if comment:
        rows = _between_comments(text, comment, options)
    if trailing_delimiter:
        rows = map(_without_empty_last, rows)
    if names is not None:
        first = next(filter(None, rows), [])
        named = list(names) or [f"c{place + 1}" for place in range(len(first))]
        rows = chain([named] if named else [], [first], rows)
    return SourceRows(rows, rename)


def _without_mark(lines: Iterator[str]) -> Iterator[str]:
    first = next(lines, "").removeprefix("\ufeff")
    return chain([first] if first else [], lines)


def _between_comments(
    lines: Iterator[str], comment: str, options: dict[str, Any]
) -> Iterator[list[str]]:
    """A reader for each row, which takes as many lines as the row has."""
    for line in lines:
        if not line.startswith(comment):
            yield next(csv.reader(chain([line], lines), **options))


def _without_empty_last(row: list[str]) -> list[str]:
    return row[:-1] if len(row) > 1 and row[-1] == "" else row


def is_good(row: SourceRow) -> bool:
    """Whether a row that was read with "surrogateescape" has the header's width, and was text in
    the file."""
    return None not in row and None not in row.values() and all(map(_is_text, row.values()))


def _is_text(value: object) -> bool:
    try:
        str(value).encode()
    except UnicodeEncodeError:
        return False
    return True


def numbered_names(names: Sequence[str]) -> list[str]:
    """The names that CSV_DUPLICATE_COLUMNS=number promises: the first column of a name keeps it,
    the others get the lowest number that makes a name which neither a column nor a record has."""
    given = {"_source_line", "_source_file"}
    result: list[str] = []
    for place, name in enumerate(names):
        stem = name or f"column_{place + 1}"
        if name and name not in given and name not in names[:place]:
            result.append(name)
            continue
        candidates = (stem if name == "" else "", *(f"{stem}_{n}" for n in range(2, 9_999)))
        taken = {"", *given, *names, *result}
        result.append(next(candidate for candidate in candidates if candidate not in taken))
    return result
