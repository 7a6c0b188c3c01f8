"""One partition's log by Kafka's rules for idempotent producers, and what may befall a log.

As Apache Kafka's `ProducerStateManager`: for each producer id the leader keeps its epoch and its
last five batches. A batch that equals one of them is answered with that one's offset and not
appended; another one must continue the last sequence number (mod 2^31), or is out of order. An
epoch before the leader's is refused, a later one must begin at 0. What a producer id without state
(a new one, or one that was forgotten) may begin with is where servers differ: `BrokerRules`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from csvkafka.limits import SEQUENCE_MODULUS
from csvkafka.model import BatchHeader, LaneTail
from csvkafka.records.record_batch import Record, iterate_records, read_headers

REMEMBERED_BATCHES = 5

NO_ERROR = 0
OUT_OF_ORDER_SEQUENCE_NUMBER = 45
INVALID_PRODUCER_EPOCH = 47
UNKNOWN_PRODUCER_ID = 59


@dataclass(frozen=True, slots=True)
class BrokerRules:
    """How a server treats a producer id that it has no state of, and what else differs.

    `any_first_number`: it may begin with any number; else a first number that is not 0 is answered
    UNKNOWN_PRODUCER_ID. `empty_takes_zero`: in a partition that never held a record it may begin
    with 0 only, else OUT_OF_ORDER. Not `keeps_epochs`: epochs are not looked at. Not
    `tells_producers`: it has no DescribeProducers."""

    any_first_number: bool = True
    empty_takes_zero: bool = False
    keeps_epochs: bool = True
    tells_producers: bool = True


BROKERS = {
    "before-2.5": BrokerRules(any_first_number=False, tells_producers=False),
    "2.5-2.7": BrokerRules(tells_producers=False),
    "2.8-4.4": BrokerRules(),
    "4.5": BrokerRules(empty_takes_zero=True),  # KAFKA-15591
    "strict": BrokerRules(any_first_number=False),  # KAFKA-19880
    "no-epochs": BrokerRules(keeps_epochs=False, tells_producers=False),
}
"""Apache Kafka by its releases, with the change that is under discussion as "strict", and servers
that take the sequence numbers but not the epochs."""

BROKER = "2.8-4.4"


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
    last_seconds: float = 0.0
    batches: deque[tuple[int, int, int]] = field(
        default_factory=lambda: deque(maxlen=REMEMBERED_BATCHES)
    )
    """First and last sequence number and base offset of each."""


@dataclass(frozen=True, slots=True)
class _Entry:
    header: BatchHeader
    data: bytes


class PartitionLog:
    """The log; appends are atomic, and replicated at once.

    `rules` are the server's. A producer id is forgotten `expiration_seconds` (0: never) after the
    time stamp of its last record, by the clock `wall_seconds`."""

    def __init__(
        self,
        rules: BrokerRules = BROKERS[BROKER],
        expiration_seconds: float = 0.0,
        wall_seconds: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.log_start_offset = 0
        self.end_offset = 0
        self.unguarded: set[int] = set()
        """Base offsets of batches that were taken although the leader had forgotten their writer:
        no number, or epoch, could be held against them."""
        self.looks: list[tuple[int, int]] = []
        """What was read of the log by `tail`: from which offset, and to which."""
        self._rules = rules
        self.expiration_seconds = expiration_seconds
        self._wall_seconds = wall_seconds
        self._entries: list[_Entry] = []
        self._producers: dict[int, _ProducerState] = {}
        self._ever: set[int] = set()

    def append(self, data: bytes) -> Append:
        """What the leader does with a ProduceRequest's batch."""
        (header,) = read_headers(data)
        if header.producer_id < 0:
            return self._store(header, data)
        self._expire()
        state = self._producers.get(header.producer_id)
        first = header.base_sequence
        if state is None:
            refused = self._refused_without_state(first)
        else:
            last = (first + header.record_count - 1) % SEQUENCE_MODULUS
            epoch = header.producer_epoch if self._rules.keeps_epochs else state.epoch
            if epoch == state.epoch:
                for known_first, known_last, base_offset in state.batches:
                    if (known_first, known_last) == (first, last):
                        return Append(NO_ERROR, base_offset)
            refused = _refused_by_state(state, epoch, first)
        if refused is not None:
            return refused
        if state is None and header.producer_id in self._ever:
            self.unguarded.add(self.end_offset)
        answer = self._store(header, data)
        self._remember(self._entries[-1])
        return answer

    def replay(self, data: bytes) -> None:
        """Holds a batch as a replica does that copies it: nothing is checked."""
        (header,) = read_headers(data)
        self._store(header, data)
        self._remember(self._entries[-1])

    def knows(self, producer_id: int) -> bool | None:
        """As `interfaces.Cluster.knows_producer`."""
        self._expire()
        return producer_id in self._producers if self._rules.tells_producers else None

    def forget_producers(self) -> None:
        """As after `producer.id.expiration.ms`: nothing is known of any."""
        self._producers.clear()

    def restart_uncleanly(self) -> None:
        """The leader's snapshot is lost: it knows what the rest of the log says."""
        self._producers.clear()
        for entry in self._entries:
            if entry.header.producer_id >= 0:
                self._remember(entry)

    def _refused_without_state(self, first: int) -> Append | None:
        if first == 0:
            return None
        if not self._rules.any_first_number:
            return Append(UNKNOWN_PRODUCER_ID)
        if self._rules.empty_takes_zero and self.end_offset == 0:
            return Append(OUT_OF_ORDER_SEQUENCE_NUMBER)
        return None

    def _expire(self) -> None:
        if self.expiration_seconds:
            before = self._wall_seconds() - self.expiration_seconds
            expired = [pid for pid, state in self._producers.items() if state.last_seconds < before]
            for producer_id in expired:
                del self._producers[producer_id]

    def truncate(self, end_offset: int) -> None:
        """Cuts off what stands at `end_offset` and after it, as an unclean election does; batches
        are cut whole. The producers' state is what the rest of the log says."""
        self._entries = [e for e in self._entries if e.header.last_kafka_offset < end_offset]
        last = self._entries[-1].header.last_kafka_offset + 1 if self._entries else 0
        self.end_offset = max(last, min(self.log_start_offset, end_offset))
        self.restart_uncleanly()

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
        self.looks.append((first, self.end_offset))
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

    def _remember(self, entry: _Entry) -> None:
        header = entry.header
        self._ever.add(header.producer_id)
        state = self._producers.get(header.producer_id)
        if state is None or (self._rules.keeps_epochs and header.producer_epoch > state.epoch):
            state = self._producers[header.producer_id] = _ProducerState(header.producer_epoch)
        first = header.base_sequence
        state.last_sequence = (first + header.record_count - 1) % SEQUENCE_MODULUS
        state.last_seconds = next(iterate_records(entry.data)).timestamp_ms / 1000
        state.batches.append((first, state.last_sequence, header.base_kafka_offset))


def _refused_by_state(state: _ProducerState, epoch: int, first: int) -> Append | None:
    if epoch < state.epoch:
        return Append(INVALID_PRODUCER_EPOCH)
    due = 0 if epoch > state.epoch else (state.last_sequence + 1) % SEQUENCE_MODULUS
    return None if first == due else Append(OUT_OF_ORDER_SEQUENCE_NUMBER)


def values(records: Iterable[Record]) -> list[bytes]:
    """The records' values."""
    return [record.value or b"" for record in records]
