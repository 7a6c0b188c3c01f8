"""The records of a partition, batch by batch: those to come are compared where they stand in their
batch, and become objects only when they are taken one by one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from csvkafka.testing.checker.batch_records import PlainBatch
from csvkafka.testing.checker.documented import TopicRecord

_OBJECTS = 256
"""So many records of a batch become objects at once."""

Compare = Callable[[bytes, int, list[list[str]], list[int]], int]
"""How many records of a section, from that byte on, are those of the rows with these lines."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The Kafka offsets of records that were taken, and the bytes that they have."""

    kafka_offsets: list[int]
    byte_count: int


class RecordsAhead(Iterator[TopicRecord]):
    """Holds the batch that is being taken, and those that were compared and not yet taken."""

    def __init__(self, batches: Iterable[Sequence[TopicRecord]]) -> None:
        self._batches = iter(batches)
        self._held: deque[Sequence[TopicRecord]] = deque()
        self._place = 0
        """In the first batch that is held, that of the next record."""
        self._objects: Iterator[TopicRecord] | None = None
        """The next records, at most `_OBJECTS`, once one was taken by itself."""

    @classmethod
    def of(cls, records: Iterable[TopicRecord]) -> RecordsAhead:
        """Records without batches are compared with nothing."""
        return records if isinstance(records, cls) else cls([record] for record in records)

    def count_agreeing(
        self,
        compare: Compare,
        rows: list[list[str]],
        lines: list[int],
        most_bytes: int | None = None,
    ) -> int:
        """How many of the next records agree with the rows, one by one; they stay. With
        `most_bytes` those before the first one that takes more in its batch."""
        self._forget()
        count = 0
        for number, batch in enumerate(self._ahead()):
            place = 0 if number else self._place
            if isinstance(batch, PlainBatch):
                end = count + len(batch) - place
                is_all = count == 0 and end >= len(rows)
                part = (rows, lines) if is_all else (rows[count:end], lines[count:end])
                agreeing = compare(batch.section, batch.places[place], *part)
                if most_bytes is not None:
                    agreeing = batch.count_small(place, agreeing, most_bytes)
                count += agreeing
                is_odd = count < min(end, len(rows))
            else:
                is_odd = len(batch) > place
            if is_odd or count == len(rows):
                break
        return count

    def take(self, count: int) -> Taken:
        """Goes behind so many records that agreed."""
        self._objects = None
        kafka_offsets: list[int] = []
        byte_count = 0
        while count:
            batch = self._held[0]
            taken = min(count, len(batch) - self._place)
            if taken == 0:
                self._forget()
                continue
            assert isinstance(batch, PlainBatch)
            end = self._place + taken
            kafka_offsets += batch.kafka_offsets[self._place : end]
            byte_count += batch.places[end] - batch.places[self._place]
            self._place = end
            count -= taken
        return Taken(kafka_offsets, byte_count)

    def give_back(self) -> None:
        """The record that was taken last, by itself, comes next again."""
        self._place -= 1
        self._objects = None

    def __next__(self) -> TopicRecord:
        while True:
            if self._objects is not None:
                record = next(self._objects, None)
                if record is not None:
                    self._place += 1
                    return record
            self._forget()
            if not self._held:
                self._held.append(next(self._batches))
            self._objects = iter(self._held[0][self._place : self._place + _OBJECTS])

    def _ahead(self) -> Iterator[Sequence[TopicRecord]]:
        """The batches that are held, then those to come, which are held then."""
        yield from self._held
        for batch in self._batches:
            self._held.append(batch)
            yield batch

    def _forget(self) -> None:
        """Lets go of a batch that was taken to its end: not before more is asked for, as its last
        record may be given back."""
        while self._held and self._place >= len(self._held[0]):
            self._held.popleft()
            self._place = 0
