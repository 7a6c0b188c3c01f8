"""Runs of records that are just what the rows say: found by a compiled reading, many at a time.

It answers one question: are the next records of each partition those of the next rows, in their
order, with their keys, in the partitions where they belong? Rows are read by the `csv` module. What
is compiled (`compiled/agreement.h`, which shares nothing with the encoder) compares a record's
JSON, where it stands in its batch, with a row's fields, however the JSON is spaced and escaped.
It can only say yes. From the first record on that is not plainly its row's, the slow reading goes
on, by other libraries, and it alone names anomalies.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from csvkafka.compiled import CompiledModule, compiled_module
from csvkafka.testing.checker.documented import (
    ColumnKey,
    DocumentedRecord,
    SourceRows,
    documented_row,
    documented_row_that_is_good,
)
from csvkafka.testing.checker.expectation import Expectation, IdentifyBy
from csvkafka.testing.checker.records_ahead import RecordsAhead
from csvkafka.testing.checker.row_ledger import SourceRow

MOST_ROWS = 512
"""The most rows that are compared at once; fewer if they are long: about `MOST_BYTES` of
records."""

MOST_BYTES = 1 << 20
_FIRST_ROWS = 16
_KNOWN_KEYS = 1 << 16

Lookaheads = Mapping[int, RecordsAhead]
"""The records of each partition."""


@dataclass(frozen=True, slots=True)
class Run:
    """Records of one partition that are those of the rows `lines`, one by one: where they stand,
    and how many bytes they have."""

    partition: int
    kafka_offsets: list[int]
    lines: list[int]
    byte_count: int


class Agreement:
    """Compares the rows ahead with the records ahead. Memory: the rows and records compared at
    once, and `_KNOWN_KEYS` keys with their partitions."""

    @classmethod
    def of(
        cls,
        rows: Iterable[SourceRow],
        partitions: Lookaheads,
        expectation: Expectation,
    ) -> Agreement | None:
        """None where this way is not open: nothing is compiled, records are not the documented
        ones, or it is not known beforehand in which partition a row's record belongs."""
        compiled = compiled_module()
        decode, key_of = expectation.decode, expectation.key_of
        columns = {"_source_line", "_source_file"}
        is_open = (
            expectation.identify_by is IdentifyBy.LINE
            and isinstance(rows, SourceRows)
            and isinstance(decode, DocumentedRecord)
            and decode.source_uri is not None
            and expectation.fields_of in (documented_row, documented_row_that_is_good)
            and (key_of is None or isinstance(key_of, ColumnKey))
            and (expectation.partition_of is not None or len(partitions) == 1)
            and expectation.number_for is None
        )
        if compiled is None or not is_open:
            return None
        assert isinstance(rows, SourceRows)
        names = rows.names
        key = key_of.column if isinstance(key_of, ColumnKey) else None
        if len({*names, *columns}) < len(names) + len(columns) or (key and key not in names):
            return None
        return cls(compiled, rows, partitions, expectation)

    def __init__(
        self,
        compiled: CompiledModule,
        rows: SourceRows,
        partitions: Lookaheads,
        expectation: Expectation,
    ) -> None:
        assert isinstance(expectation.decode, DocumentedRecord)
        key_of = expectation.key_of
        self._agreeing = compiled.agreeing
        self._rows = rows
        self._names = rows.names
        self._file = expectation.decode.source_uri or ""
        self._key = rows.names.index(key_of.column) if isinstance(key_of, ColumnKey) else -1
        self._partitions = partitions
        self._partition_of = _remembering(expectation.partition_of)
        self._most = _FIRST_ROWS
        # No JSON of a record is shorter than the documented one. So a row whose record is there and
        # is not above the limit makes none that is; the others are for the slow reading.
        limit = expectation.size_limit
        self._most_bytes = None if limit is None else limit.most_bytes

    def advance(self, line: int) -> tuple[list[Run], int]:
        """The runs with which the topic goes on, given the line of the next row, which are taken
        then; and the last line that was compared, an endless one at the end of the source."""
        rows = self._rows.peek(self._most)
        after = line + len(rows)
        first_odd = after
        compared: list[tuple[int, list[int]]] = []
        for partition, lines in self._routed(rows, line).items():
            if partition not in self._partitions:
                first_odd = min(first_odd, lines[0])
                continue
            of_lane = rows if len(lines) == len(rows) else [rows[n - line] for n in lines]
            count = self._partitions[partition].count_agreeing(
                self._compare, of_lane, lines, self._most_bytes
            )
            if count < len(lines):
                first_odd = min(first_odd, lines[count])
            compared.append((partition, lines))
        runs = []
        for partition, lines in compared:
            count = bisect_left(lines, first_odd)
            if count:
                taken = self._partitions[partition].take(count)
                runs.append(Run(partition, taken.kafka_offsets, lines[:count], taken.byte_count))
        self._rows.skip(first_odd - line)
        self._suit(runs)
        return runs, after - 1 if rows else sys.maxsize

    def _compare(self, section: bytes, place: int, rows: list[list[str]], lines: list[int]) -> int:
        return self._agreeing(section, place, rows, lines, self._names, self._file, self._key)

    def _routed(self, rows: list[list[str]], line: int) -> dict[int, list[int]]:
        """The lines of the rows that belong in each partition."""
        if not rows:
            return {}
        if self._partition_of is None:
            (partition,) = self._partitions
            return {partition: list(range(line, line + len(rows)))}
        if self._key < 0:
            return {self._partition_of(None): list(range(line, line + len(rows)))}
        lines: dict[int, list[int]] = {}
        for number, row in enumerate(rows, line):
            # A row without the column has no key, and agrees with no record anyway.
            key = row[self._key].encode("utf-8", "replace") if len(row) > self._key else None
            lines.setdefault(self._partition_of(key), []).append(number)
        return lines

    def _suit(self, runs: list[Run]) -> None:
        """Compares as many rows at once next time as their size allows."""
        count = sum(len(run.lines) for run in runs)
        if count:
            size = sum(run.byte_count for run in runs)
            self._most = max(1, min(MOST_ROWS, MOST_BYTES * count // size))


def _remembering(
    partition_of: Callable[[bytes | None], int] | None,
) -> Callable[[bytes | None], int] | None:
    return None if partition_of is None else lru_cache(maxsize=_KNOWN_KEYS)(partition_of)
