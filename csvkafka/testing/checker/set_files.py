"""The files of a set, for the judge: their rows one after the other, and the lines of each.

The set is read twice: a record names its file and its line there, so how many rows each file has
must be known before the first record is looked at.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import islice
from typing import BinaryIO

from csvkafka.testing.checker.documented import FileLines
from csvkafka.testing.checker.row_ledger import SourceRow

OpenFile = Callable[[], AbstractContextManager[BinaryIO]]
"""Gives the CSV's bytes (decompressed) of one file."""

ReadRows = Callable[[BinaryIO], Iterator[SourceRow]]


class SetFiles:
    """The files by URI, in their order; `read_rows` says what a row is. Of the `skipped` ones that
    many rows are taken for all that they have; one without any is not opened."""

    def __init__(
        self,
        files: Mapping[str, OpenFile],
        read_rows: ReadRows,
        skipped: Mapping[str, int] | None = None,
    ) -> None:
        self._files = files
        self._read_rows = read_rows
        self._skipped = skipped or {}
        self.lines: dict[str, FileLines] = {}
        before = 0
        for uri in files:
            count = sum(1 for _ in self._rows_of(uri))
            self.lines[uri] = FileLines(before, count)
            before += count
        self._uris = [uri for uri, lines in self.lines.items() if lines.count]
        self._befores = [self.lines[uri].before for uri in self._uris]

    def rows(self) -> Iterator[SourceRow]:
        """All rows of the set."""
        for uri in self._files:
            yield from self._rows_of(uri)

    def place_of(self, line: int) -> tuple[str, int]:
        """The file and the line in it of the set's row `line` (1 is the first)."""
        at = self.file_of(line)
        return self._uris[at], line - self._befores[at]

    def file_of(self, line: int) -> int:
        """The number of the file that has the set's row `line`, among those that have rows."""
        return bisect_right(self._befores, line - 1) - 1

    def _rows_of(self, uri: str) -> Iterator[SourceRow]:
        rows = self._skipped.get(uri)
        if rows == 0:
            return
        with self._files[uri]() as stream:
            yield from islice(self._read_rows(stream), rows)
