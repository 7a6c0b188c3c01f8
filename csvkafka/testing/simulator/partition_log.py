"""One partition's log by Kafka's rules for idempotent producers, and what may befall a log.

As Apache Kafka's `ProducerStateManager`: for each producer id the leader keeps its epoch and its
last five batches. A batch that equals one of them is answered with that one's offset and not
appended; another one must continue the last sequence number (mod 2^31), or is out of order; and a
producer id without state (a new one, or one that was forgotten) may begin with any number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from csvkafka.model import SEQUENCE_MODULUS, BatchHeader, LaneTail
from csvkafka.records.record_batch import Record, iterate_records, read_headers

REMEMBERED_BATCHES = 5

NO_ERROR = 0
OUT_OF_ORDER_SEQUENCE_NUMBER = 45
INVALID_PRODUCER_EPOCH = 47


@dataclass(frozen=True, slots=True)
class Append:
    """The leader's answer. `appended` False with NO_ERROR: a duplicate, `base_kafka_offset` is that
    of the first copy."""

    error_code: int
    base_kafka_offset: int = -1
    appended: bool = False


@dataclass(slots=True)
class _ProducerState:
    epoch: int
    last_sequence: int = -1
    batches: deque[tuple[int, int, int]] = field(
        default_factory=lambda: deque(maxlen=REMEMBERED_BATCHES)
    )
    """First and last sequence number and base offset of each."""


@dataclass(frozen=True, slots=True)
class _Entry:
    header: BatchHeader
    data: bytes


class PartitionLog:
    """The log; appends are atomic, and replicated at once."""

    def __init__(self) -> None:
        self.log_start_offset = 0
        self.end_offset = 0
        self._entries: list[_Entry] = []
        self._producers: dict[int, _ProducerState] = {}

    def append(self, data: bytes) -> Append:
        """What the leader does with a ProduceRequest's batch."""
        (header,) = read_headers(data)
        if header.producer_id < 0:
            return self._store(header, data)
        state = self._producers.get(header.producer_id)
        first = header.base_sequence
        last = (first + header.record_count - 1) % SEQUENCE_MODULUS
        if state is not None and header.producer_epoch < state.epoch:
            return Append(INVALID_PRODUCER_EPOCH)
        if state is not None and header.producer_epoch == state.epoch:
            for known_first, known_last, base_offset in state.batches:
                if (known_first, known_last) == (first, last):
                    return Append(NO_ERROR, base_offset)
            if first != (state.last_sequence + 1) % SEQUENCE_MODULUS:
                return Append(OUT_OF_ORDER_SEQUENCE_NUMBER)
        elif state is not None and first != 0:
            return Append(OUT_OF_ORDER_SEQUENCE_NUMBER)
        answer = self._store(header, data)
        self._remember(self._entries[-1].header)
        return answer

    def forget_producers(self) -> None:
        """As after `producer.id.expiration.ms`: any first sequence number is accepted."""
        self._producers.clear()

    def truncate(self, end_offset: int) -> None:
        """Cuts off what stands at `end_offset` and after it, as an unclean election does; batches
        are cut whole. The producers' state is what the rest of the log says."""
        self._entries = [e for e in self._entries if e.header.last_kafka_offset < end_offset]
        last = self._entries[-1].header.last_kafka_offset + 1 if self._entries else 0
        self.end_offset = max(last, min(self.log_start_offset, end_offset))
        self._producers.clear()
        for entry in self._entries:
            if entry.header.producer_id >= 0:
                self._remember(entry.header)

    def delete_before(self, kafka_offset: int) -> None:
        """Retention or DeleteRecords: the log starts there now; the producers are not forgotten."""
        self.log_start_offset = max(self.log_start_offset, min(kafka_offset, self.end_offset))
        self._entries = [
            e for e in self._entries if e.header.last_kafka_offset >= self.log_start_offset
        ]

    def remove_batch(self, base_kafka_offset: int) -> None:
        """What no Kafka does: a batch inside the log vanishes."""
        self._entries = [
            e for e in self._entries if e.header.base_kafka_offset != base_kafka_offset
        ]

    def tail(self, kafka_offset: int) -> LaneTail:
        """As `interfaces.Cluster.read_tail`."""
        first = max(kafka_offset - 1, self.log_start_offset)
        headers = [e.header for e in self._entries if e.header.last_kafka_offset >= first]
        return LaneTail(self.log_start_offset, self.end_offset, headers)

    def headers(self) -> Sequence[BatchHeader]:
        """All batches in the log."""
        return [entry.header for entry in self._entries]

    def records(self) -> Iterator[Record]:
        """All records but markers, as a `read_uncommitted` consumer sees them."""
        for entry in self._entries:
            if entry.header.is_control:
                continue
            shift = entry.header.base_kafka_offset
            for record in iterate_records(entry.data):
                kafka_offset = shift + record.kafka_offset
                if kafka_offset >= self.log_start_offset:
                    yield replace(record, kafka_offset=kafka_offset)

    def _store(self, header: BatchHeader, data: bytes) -> Append:
        base = self.end_offset
        last = base + header.last_kafka_offset
        placed = replace(header, base_kafka_offset=base, last_kafka_offset=last)
        self._entries.append(_Entry(placed, data))
        self.end_offset = last + 1
        return Append(NO_ERROR, base, appended=True)

    def _remember(self, header: BatchHeader) -> None:
        state = self._producers.get(header.producer_id)
        if state is None or header.producer_epoch > state.epoch:
            state = self._producers[header.producer_id] = _ProducerState(header.producer_epoch)
        first = header.base_sequence
        state.last_sequence = (first + header.record_count - 1) % SEQUENCE_MODULUS
        state.batches.append((first, state.last_sequence, header.base_kafka_offset))


def values(records: Iterable[Record]) -> list[bytes]:
    """The records' values."""
    return [record.value or b"" for record in records]
