"""The checker's memory: which rows of the source have had a record, and what the others should say.

Two ledgers, one question: which row is this record, and is it its first? `LineLedger` trusts the
record's line number and holds only rows that are late or missing; `ContentLedger` is for records
without a line number, and holds a digest of every row.
"""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import blake2b

Fields = Mapping[str, object]
"""The fields of a record or a row, without the metadata that a loader adds."""


@dataclass(frozen=True, slots=True)
class ExpectedRow:
    """What a record of the row must hold. `key` None: not judged here. `partition`
    -1: any; other negative ones are for the checker to read (`any_of`)."""

    fields: Fields
    key: bytes | None = None
    partition: int = -1


@dataclass(frozen=True, slots=True)
class TooLarge:
    """What is due for a row that is to be set aside because its record, `row`, would be of this
    size."""

    row: ExpectedRow
    size: int


class Found(Enum):
    """What a record turned out to be."""

    FIRST = auto()
    TORN = auto()  # the first, but its content is not the row's
    REPEATED = auto()
    NO_SUCH_ROW = auto()


SourceRow = dict[str | None, object]
"""A row as `csv.DictReader` gives it: surplus fields are a list under None."""

Due = ExpectedRow | TooLarge | None
"""What is due for a row; None for one that should not be in this topic."""

Expecting = Callable[[SourceRow, int], Due]
"""What is due for a row of that line."""


def digest(fields: Fields, key: bytes | None) -> int:
    """64 bits of the content; the order of the fields does not matter."""
    text = json.dumps(fields, sort_keys=True, default=repr)
    content = text.encode("utf-8", "surrogatepass") + b"\0" + (b"-" if key is None else b"+" + key)
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big")


class LineLedger:
    """Rows found by their source line. Walks the source along with the records.

    Memory: nothing for a row whose record comes in its turn; 21 bytes for each row that is skipped
    over (late, missing, or not for this topic), so 21 MB for a million."""

    def __init__(self, rows: Iterable[SourceRow], expecting: Expecting, judges_keys: bool) -> None:
        self._rows = iter(rows)
        self._expecting = expecting
        self._judges_keys = judges_keys
        self.next_line = 1
        """That of the next row that is read from the source."""
        self._ended = False
        self._skipped_lines = array("Q")
        self._skipped_digests = array("Q")
        self._skipped_partitions = array("i")
        self._skipped_states = bytearray()
        self.row_count = 0
        """Rows of this topic that were met so far; all after `missing` has ended."""
        self.due = -1
        """The partition where the row that was found last belongs; -1: not known."""
        self.size_above = 0
        """Where the record that was taken last is of no row: the size of the row's record, if that
        is too large."""

    _MISSING, _FOUND, _ABSENT = range(3)

    def take(self, line: int, fields: Fields, key: bytes | None) -> Found:
        """Notes a record that says it is row `line`."""
        self.size_above = 0
        if line < self.next_line:
            return self._take_skipped(line, fields, key)
        while not self._ended:
            expected = self._pull()
            if self._ended:
                break
            if self.next_line <= line:
                self._skip(expected)
                continue
            if not isinstance(expected, ExpectedRow):
                self._skip(expected)
                self.size_above = 0 if expected is None else expected.size
                return Found.NO_SUCH_ROW
            self.due = expected.partition
            same = expected.fields == fields and (not self._judges_keys or expected.key == key)
            return Found.FIRST if same else Found.TORN
        return Found.NO_SUCH_ROW

    def skip_found(self, count: int) -> None:
        """So many rows were read elsewhere, and their records found."""
        self.next_line += count
        self.row_count += count

    def _pull(self) -> Due:
        try:
            row = next(self._rows)
        except StopIteration:
            self._ended = True
            return None
        expected = self._expecting(row, self.next_line)
        self.next_line += 1
        if isinstance(expected, ExpectedRow):
            self.row_count += 1
        return expected

    def _skip(self, expected: Due) -> None:
        self._skipped_lines.append(self.next_line - 1)
        if not isinstance(expected, ExpectedRow):
            self._skipped_digests.append(0 if expected is None else expected.size)
            self._skipped_partitions.append(-1)
            self._skipped_states.append(self._ABSENT)
        else:
            key = expected.key if self._judges_keys else None
            self._skipped_digests.append(digest(expected.fields, key))
            self._skipped_partitions.append(expected.partition)
            self._skipped_states.append(self._MISSING)

    def _take_skipped(self, line: int, fields: Fields, key: bytes | None) -> Found:
        if line < 1:
            return Found.NO_SUCH_ROW
        index = bisect_left(self._skipped_lines, line)
        if index == len(self._skipped_lines) or self._skipped_lines[index] != line:
            return Found.REPEATED
        state = self._skipped_states[index]
        if state == self._ABSENT:
            self.size_above = self._skipped_digests[index]
            return Found.NO_SUCH_ROW
        if state == self._FOUND:
            return Found.REPEATED
        self._skipped_states[index] = self._FOUND
        self.due = self._skipped_partitions[index]
        same = self._skipped_digests[index] == digest(fields, key if self._judges_keys else None)
        return Found.FIRST if same else Found.TORN

    def missing(self) -> Iterator[tuple[int, int]]:
        """The rows that had no record, rising, each with its partition (-1: unknown); reads the
        source to its end."""
        for index, state in enumerate(self._skipped_states):
            if state == self._MISSING:
                yield self._skipped_lines[index], self._skipped_partitions[index]
        while True:
            expected = self._pull()
            if self._ended:
                return
            if isinstance(expected, ExpectedRow):
                yield self.next_line - 1, expected.partition


class ContentLedger:
    """Rows found by their content, for records without a line number. Reads the whole source first.

    How many rows are lost or surplus is exact. Equal rows are told apart only by where they belong
    and by their order, so where some are lost or surplus, which of them is a guess, and so is their
    order.

    Memory: about 150 bytes for each row, 150 MB for a million."""

    def __init__(self, rows: Iterable[SourceRow], expecting: Expecting, judges_keys: bool) -> None:
        self._judges_keys = judges_keys
        self._unseen: dict[int, int | deque[int]] = {}
        """Digest and place -> the line that has it; -line once it was found; a deque where several
        have."""
        self._places = {-1: 0}
        """Where rows belong, each as what is added to a digest. -1: they may stand anywhere."""
        self._partitions = array("i")
        self.due = -1
        """The partition where the row that was found last belongs; -1: not known."""
        self.size_above = 0
        """Where the record that was taken last is of no row: the size of the one that is to be set
        aside and has this content, if there is one."""
        self._too_large: dict[int, tuple[int, int]] = {}
        """Digest -> line and size of such a row."""
        self.row_count = 0
        for line, row in enumerate(rows, 1):
            expected = expecting(row, line)
            if isinstance(expected, TooLarge):
                self._too_large[self._content_of(expected.row)] = line, expected.size
            if not isinstance(expected, ExpectedRow):
                self._partitions.append(-1)
                continue
            self._partitions.append(expected.partition)
            self.row_count += 1
            place = self._places.setdefault(expected.partition, len(self._places) << 64)
            content = self._content_of(expected) + place
            known = self._unseen.setdefault(content, line)
            if known != line:
                if isinstance(known, deque):
                    known.append(line)
                else:
                    self._unseen[content] = deque((known, line))

    def take(
        self, fields: Fields, key: bytes | None, after_line: int, places: Sequence[int]
    ) -> tuple[Found, int | None]:
        """Notes a record; of several equal rows it is one that belongs in one of the `places`, if
        there is one: the first unseen one after `after_line`, else the first unseen one. Gives its
        line, if there is exactly one or it is new."""
        content = digest(fields, key if self._judges_keys else None)
        self.size_above = 0
        found, line = Found.NO_SUCH_ROW, None
        for place in (*places, *self._places):
            if place in self._places:
                found, line = self._take(content + self._places[place], after_line)
            if found is not Found.NO_SUCH_ROW:
                break
        self.due = -1 if line is None else self._partitions[line - 1]
        if found is Found.NO_SUCH_ROW and content in self._too_large:
            line, self.size_above = self._too_large[content]
        return found, line

    def _content_of(self, row: ExpectedRow) -> int:
        return digest(row.fields, row.key if self._judges_keys else None)

    def _take(self, content: int, after_line: int) -> tuple[Found, int | None]:
        lines = self._unseen.get(content)
        if lines is None:
            return Found.NO_SUCH_ROW, None
        if isinstance(lines, int):
            if lines < 0:
                return Found.REPEATED, -lines
            self._unseen[content] = -lines
            return Found.FIRST, lines
        if not lines:
            return Found.REPEATED, None
        if lines[0] > after_line or lines[-1] <= after_line:
            return Found.FIRST, lines.popleft()
        index = bisect_left(lines, after_line + 1)
        line = lines[index]
        del lines[index]
        return Found.FIRST, line

    def missing(self) -> Iterator[tuple[int, int]]:
        """The rows that had no record, rising, each with its partition (-1: unknown)."""
        unseen = array("Q")
        for lines in self._unseen.values():
            if isinstance(lines, deque):
                unseen.extend(lines)
            elif lines > 0:
                unseen.append(lines)
        for line in sorted(unseen):
            yield line, self._partitions[line - 1]
