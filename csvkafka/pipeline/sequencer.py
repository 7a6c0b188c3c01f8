"""Gives each batch its sequence number; decides what is sent now, what again, in which order.

Pure, for all lanes of a job. Row k of a lane always carries sequence k, counted from where the
lane's epoch began, so the partition's leader takes each row at most once and only in order, from
whoever sends it. The rules (their reasons are in docs/architecture.md):

- an incarnation's first batch to a lane goes alone until it is acknowledged, and so does the first
  one after a failure; then at most `MAX_IN_FLIGHT` are on their way, because the broker remembers
  the last five batches of a producer;
- after a failure nothing is sent in the lane until every batch on its way has its answer; then all
  unacknowledged ones go again, the same bytes, lowest first;
- TOO_LARGE means that nothing of the batch was appended now. Its rows have their numbers for good,
  so other batches may carry them; but where the lane ends is for the tails to say, as an earlier
  send of the same bytes may have been taken before the topic's limit was lowered;
- OUT_OF_ORDER for the lowest unacknowledged batch means that we do not know the lane's end: the
  tails must be read again. For a higher one it is only what a failed batch leaves behind;
- UNKNOWN_PRODUCER for the lowest means that the leader has forgotten us: the tails must be read
  again, and only if that batch was alone on its way is it known that no later one was taken;
- a lane that has rested for long is looked at before its next batch, which goes alone: its leader
  may have forgotten us meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from csvkafka.clock import Clock
from csvkafka.errors import ConfigError, CsvKafkaError, RecordTooLargeError, SequenceError
from csvkafka.limits import SMALLEST_BATCH_BYTES
from csvkafka.model import (
    EncodedBatch,
    LaneProgress,
    OutcomeKind,
    ProduceOutcome,
    ProducerIdentity,
    SequencedBatch,
)
from csvkafka.pipeline.progress import LaneRested, RescanNeeded, SmallerBatchesNeeded

MAX_IN_FLIGHT = 5
"""Kafka's brokers keep the last five batches of each producer id and partition
(ProducerStateEntry.NUM_BATCHES_TO_RETAIN); a resend of an older one cannot be recognised."""

FIRST_BACKOFF_SECONDS = 0.05
LAST_BACKOFF_SECONDS = 1.0

Seal = Callable[[EncodedBatch, ProducerIdentity, int, int], bytes]
"""(batch, identity, base sequence, timestamp in ms) -> the final bytes; `record_batch.seal`."""


class ProducerForgotten(RescanNeeded):
    """The leader of `lane` has no state of our producer id, and so refused the lane's record
    `next_row`, which was alone on its way."""

    def __init__(self, lane: int, next_row: int) -> None:
        super().__init__(f"the broker has forgotten this job's producer id in lane {lane}")
        self.lane = lane
        self.next_row = next_row


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The lane's lowest unacknowledged batch is in the topic. `base_kafka_offset` may be -1.
    `sent_again`: it had been sent before, and nobody knew what became of it."""

    lane: int
    base_kafka_offset: int
    record_count: int
    sent_again: bool = False


@dataclass(slots=True)
class _Waiting:
    """A batch that is not acknowledged: `batch` before its first send, `sealed` from then on; both
    would be its bytes twice. `size` is that of `batch.records`, `sealed_at` its records' time."""

    ticket: int
    base_sequence: int
    record_count: int
    size: int
    batch: EncodedBatch | None
    sealed: SequencedBatch | None = None
    sealed_at: float = 0.0
    sent_again: bool = False


class _LaneQueue:
    """Unacknowledged batches of one lane, lowest first; the first `handed_over` of them were given
    to the sink since the last failure, and `in_flight` holds the tickets still unanswered.
    `heard_at` (boottime) is the time of the lane's last record, or of the last look at its end."""

    __slots__ = (
        "failures",
        "handed_over",
        "heard_at",
        "in_flight",
        "limit",
        "next_sequence",
        "next_ticket",
        "not_before",
        "recovering",
        "waiting",
    )

    def __init__(self, next_sequence: int, heard_at: float) -> None:
        self.next_sequence = next_sequence
        self.heard_at = heard_at
        self.next_ticket = 0
        self.waiting: deque[_Waiting] = deque()
        self.handed_over = 0
        self.in_flight: deque[int] = deque()
        self.limit = 1
        self.recovering = False
        self.failures = 0
        self.not_before = 0.0

    def fail(self, now: float) -> None:
        """A batch was refused or lost: wait for the answers of the others, then start over."""
        if not self.recovering:
            backoff = min(FIRST_BACKOFF_SECONDS * 2**self.failures, LAST_BACKOFF_SECONDS)
            self.failures = min(self.failures + 1, 16)
            self.recovering = True
            self.limit = 1
            self.not_before = now + backoff

    def succeed(self) -> None:
        """The lowest batch is acknowledged."""
        self.heard_at = self.waiting.popleft().sealed_at
        self.handed_over = max(0, self.handed_over - 1)
        if not self.recovering:
            self.limit = MAX_IN_FLIGHT
            self.failures = 0


class Sequencer:
    """The batches between encoder and sink; `lanes` is where each lane ends in the topic.

    A lane whose last record is older than `longest_rest_seconds` may have been forgotten;
    `heard_ms` is the Unix time of that record, -1 if it is not known."""

    def __init__(
        self,
        lanes: Sequence[LaneProgress],
        identity: ProducerIdentity,
        clock: Clock,
        seal: Seal,
        heard_ms: Sequence[int],
        longest_rest_seconds: float,
    ) -> None:
        self._longest_rest_seconds = longest_rest_seconds
        self._base_rows = [lane.base_row for lane in lanes]
        unix_time_at_boot = clock.wall() - clock.boottime()
        self._queues = [
            _LaneQueue(lane.next_sequence - lane.base_row, heard / 1000 - unix_time_at_boot)
            for lane, heard in zip(lanes, heard_ms, strict=True)
        ]
        self._identities = [ProducerIdentity(identity.producer_id, lane.epoch) for lane in lanes]
        self._clock = clock
        self._seal = seal
        self.unacknowledged_bytes = 0
        self.unacknowledged_batches = 0

    def enqueue(self, batch: EncodedBatch) -> None:
        """Takes the lane's next batch and fixes its sequence numbers."""
        queue = self._queues[batch.lane]
        size = len(batch.records)
        queue.waiting.append(
            _Waiting(queue.next_ticket, queue.next_sequence, batch.record_count, size, batch)
        )
        queue.next_ticket += 1
        queue.next_sequence += batch.record_count
        self.unacknowledged_bytes += size
        self.unacknowledged_batches += 1

    def due(self) -> list[SequencedBatch]:
        """The batches that go to the sink now, in order in each lane; they are in flight then."""
        now = self._clock.monotonic()
        due: list[SequencedBatch] = []
        for lane, queue in enumerate(self._queues):
            if queue.recovering:
                if queue.in_flight or now < queue.not_before:
                    continue
                queue.recovering = False
                queue.handed_over = 0
            while queue.handed_over < len(queue.waiting) and len(queue.in_flight) < queue.limit:
                waiting = queue.waiting[queue.handed_over]
                if waiting.batch is not None:
                    waiting.sealed_at = self._clock.boottime()
                    waiting.sealed = self._sealed(lane, waiting, waiting.batch)
                    waiting.batch = None
                else:
                    waiting.sent_again = True
                assert waiting.sealed is not None
                queue.handed_over += 1
                queue.in_flight.append(waiting.ticket)
                due.append(waiting.sealed)
        return due

    def rested(self) -> list[int]:
        """The lanes that have rested for so long that they must be looked at before their next
        batch leaves; then `go_on`. One without a row in its present epoch needs none: any leader
        takes that from 0.

        Raises LaneRested if the next batch of such a lane has been sent before."""
        heard_before = self._clock.boottime() - self._longest_rest_seconds
        rested = []
        for lane, queue in enumerate(self._queues):
            if queue.heard_at >= heard_before or queue.in_flight or not queue.waiting:
                continue
            following = queue.waiting[0]
            if following.base_sequence == 0:
                continue
            if following.sealed is not None:
                raise LaneRested(f"nothing was acknowledged in lane {lane} for long")
            rested.append(lane)
        return rested

    def next_row(self, lane: int) -> int:
        """The row after the last that was acknowledged."""
        queue = self._queues[lane]
        number = queue.waiting[0].base_sequence if queue.waiting else queue.next_sequence
        return self._base_rows[lane] + number

    def go_on(self, lane: int, end: LaneProgress) -> None:
        """The lane was looked at, with no batch on its way or to be sent again, and ends as it
        should: it goes on in `end`'s epoch, its next batch alone."""
        queue = self._queues[lane]
        shift = self._base_rows[lane] - end.base_row
        for waiting in queue.waiting:
            waiting.base_sequence += shift
        queue.next_sequence += shift
        queue.limit = 1
        queue.heard_at = self._clock.boottime()
        self._base_rows[lane] = end.base_row
        self._identities[lane] = replace(self._identities[lane], producer_epoch=end.epoch)

    @property
    def in_flight(self) -> int:
        """Sends that the sink has not answered yet."""
        return sum(len(queue.in_flight) for queue in self._queues)

    def next_due_at(self) -> float | None:
        """When a lane's wait after a failure ends (monotonic seconds); None if none waits."""
        waits = [q.not_before for q in self._queues if q.recovering and not q.in_flight]
        return min(waits, default=None)

    def settle(self, outcome: ProduceOutcome) -> Acknowledged | None:
        """Takes the sink's answer for one send; returns what it acknowledges, if anything.

        Raises RescanNeeded (see the module's rules), the outcome's own error if it is fatal, and
        ConfigError or RecordTooLargeError if smaller batches cannot help."""
        queue = self._queues[outcome.lane]
        if not queue.in_flight or queue.in_flight.popleft() != outcome.ticket:
            raise SequenceError(
                f"the sink answered for batch {outcome.ticket} of lane {outcome.lane} out of turn; "
                "this is a defect of csvkafka: please report it. Running again resumes safely."
            )
        if outcome.kind is OutcomeKind.TOO_LARGE:
            raise _too_large(queue, outcome)
        if outcome.kind is OutcomeKind.FATAL:
            raise outcome.error or SequenceError(
                "the broker refused a batch without a reason; look at its log"
            )
        is_lowest = queue.waiting[0].ticket == outcome.ticket
        if outcome.kind in (OutcomeKind.APPENDED, OutcomeKind.DUPLICATE):
            # Above a failed batch, success only says that the resends will be duplicates.
            return self._acknowledge(outcome) if is_lowest else None
        if outcome.kind is OutcomeKind.OUT_OF_ORDER and is_lowest:
            raise RescanNeeded(
                f"the broker refused batch {outcome.ticket} of lane {outcome.lane} as out of order"
            )
        if outcome.kind is OutcomeKind.UNKNOWN_PRODUCER and is_lowest:
            raise self._forgotten(outcome.lane, queue)
        queue.fail(self._clock.monotonic())
        return None

    def _forgotten(self, lane: int, queue: _LaneQueue) -> RescanNeeded:
        if queue.in_flight:
            return RescanNeeded(f"the broker has forgotten this job's producer id in lane {lane}")
        return ProducerForgotten(lane, self._base_rows[lane] + queue.waiting[0].base_sequence)

    def _acknowledge(self, outcome: ProduceOutcome) -> Acknowledged:
        queue = self._queues[outcome.lane]
        acknowledged = queue.waiting[0]
        queue.succeed()
        self.unacknowledged_bytes -= acknowledged.size
        self.unacknowledged_batches -= 1
        return Acknowledged(
            outcome.lane,
            outcome.base_kafka_offset,
            acknowledged.record_count,
            acknowledged.sent_again,
        )

    def _sealed(self, lane: int, waiting: _Waiting, batch: EncodedBatch) -> SequencedBatch:
        timestamp_ms = int(self._clock.wall() * 1000)
        data = self._seal(batch, self._identities[lane], waiting.base_sequence, timestamp_ms)
        return SequencedBatch(lane, waiting.ticket, waiting.record_count, data)


def _too_large(queue: _LaneQueue, outcome: ProduceOutcome) -> CsvKafkaError | SmallerBatchesNeeded:
    """What a batch that was refused for its size becomes."""
    refused = next(waiting for waiting in queue.waiting if waiting.ticket == outcome.ticket)
    assert refused.sealed is not None
    size = len(refused.sealed.data)
    if refused.record_count == 1:
        return RecordTooLargeError(
            f"{outcome.error}: it holds one row alone, number {refused.base_sequence + 1} of this "
            f"partition, and has {size} bytes; raise the topic's max.message.bytes, and run again"
        )
    if size <= SMALLEST_BATCH_BYTES:
        return ConfigError(
            f"{outcome.error}, though it has only {size} bytes; raise the topic's "
            f"max.message.bytes to more than {SMALLEST_BATCH_BYTES}, and run again"
        )
    return SmallerBatchesNeeded(str(outcome.error), size)
