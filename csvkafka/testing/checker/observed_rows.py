"""What the checker counts for each observation of the checkpoint: rows without a record that it
covered, and rows that it could not have seen in the topic."""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from csvkafka.testing.checker.agreement import Run
from csvkafka.testing.checker.verdict import CheckpointObservation


class DroppedRows:
    """Counts the rows that are to have no record anywhere: all, and those that each observation
    covered."""

    def __init__(self, checkpoints: Sequence[CheckpointObservation]) -> None:
        self._lines = sorted({observation.last_line for observation in checkpoints})
        # those after the line before, up to each line, and after the last one
        self._counts = [0] * (len(self._lines) + 1)

    def note(self, line: int) -> None:
        """Such a row."""
        self._counts[bisect_left(self._lines, line)] += 1

    @property
    def count(self) -> int:
        """All of them."""
        return sum(self._counts)

    def count_to(self, last_line: int) -> int:
        """Of the rows that an observation covered."""
        return sum(self._counts[: bisect_right(self._lines, last_line)])


class UncoveredRows:
    """For one partition: the lowest row that stands at or after each observation's end offset."""

    def __init__(self, partition: int, checkpoints: Sequence[CheckpointObservation]) -> None:
        self._ends = [
            observation.end_offsets.get(partition, sys.maxsize) for observation in checkpoints
        ]
        self._sorted_ends = sorted(self._ends)
        # lowest line among records with that many ends at or before them
        self._lowest = [sys.maxsize] * (len(self._ends) + 1)

    def note(self, kafka_offset: int, line: int) -> None:
        """A first occurrence."""
        if self._ends:
            passed = bisect_right(self._sorted_ends, kafka_offset)
            if line < self._lowest[passed]:
                self._lowest[passed] = line

    def note_run(self, run: Run) -> None:
        """First occurrences, lines and Kafka offsets of which rise."""
        place = 0
        while self._ends and place < len(run.kafka_offsets):
            kafka_offset = run.kafka_offsets[place]
            self.note(kafka_offset, run.lines[place])
            passed = bisect_right(self._sorted_ends, kafka_offset)
            if passed == len(self._sorted_ends):
                return
            # All that stand before the next end have as many ends at or before them.
            end = self._sorted_ends[passed]
            place = bisect_left(run.kafka_offsets, end)

    def lowest(self, index: int) -> int | None:
        """The lowest row that observation `index` could not have seen in the topic."""
        passed = bisect_right(self._sorted_ends, self._ends[index])
        line = min(self._lowest[passed:], default=sys.maxsize)
        return None if line == sys.maxsize else line
