"""A Kafka cluster in memory: topics, producer ids, and a network that loses what it carries.

`FakeKafka` holds the topics; `FakeCluster` and `FakeSink` are one client's view of it. Points and
their actions:

    ask        unavailable   no broker answers the question for as long as it is asked
    tail-read  (the tail was read; the caller does not have it yet)
    producers-told  (so too with whether the leaders know the producer id)
    produce    refuse        the leader answers a retriable error and appends nothing
               refuse-after  the leader appends, yet answers a retriable error
               reply-lost    the leader appends; the connection breaks before it answers
               reset         the connection breaks; what was on it is gone
               reset-late    the connection breaks; what was on it is still appended, later
               slow          the leader takes its time
               out-of-order  the leader answers OUT_OF_ORDER_SEQUENCE_NUMBER and appends nothing
               unknown-offset  the leader knows the batch as a duplicate, but not its offset
               not-allowed   the leader answers that we may not write (FATAL)
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from csvkafka.errors import SequenceError, SinkRefusedError, SinkUnavailableError, TopicChangedError
from csvkafka.model import (
    Lane,
    LaneTail,
    OutcomeKind,
    ProduceOutcome,
    ProducerIdentity,
    SequencedBatch,
    TopicFacts,
)
from csvkafka.testing.simulator.partition_log import (
    INVALID_PRODUCER_EPOCH,
    NO_ERROR,
    OUT_OF_ORDER_SEQUENCE_NUMBER,
    UNKNOWN_PRODUCER_ID,
    Append,
    PartitionLog,
    values,
)
from csvkafka.testing.simulator.points import Meet, OnTheirWay, nothing
from csvkafka.testing.simulator.virtual_clock import Task, VirtualTime

SLOW_SECONDS = 20.0
ANSWER_SECONDS = 15.0

_KINDS = {
    OUT_OF_ORDER_SEQUENCE_NUMBER: OutcomeKind.OUT_OF_ORDER,
    INVALID_PRODUCER_EPOCH: OutcomeKind.FATAL,
    UNKNOWN_PRODUCER_ID: OutcomeKind.UNKNOWN_PRODUCER,
}


@dataclass(slots=True)
class FakeTopic:
    """A topic and its partitions' logs."""

    topic_id: str
    logs: list[PartitionLog]
    config: dict[str, str] = field(default_factory=dict)


class FakeKafka:
    """The cluster's state, which outlives every client."""

    def __init__(
        self,
        cluster_id: str = "fake-cluster",
        new_log: Callable[[], PartitionLog] = PartitionLog,
    ) -> None:
        """`new_log` makes the log of each partition, with the rules of the cluster's servers."""
        self.cluster_id = cluster_id
        self.new_log = new_log
        self.topics: dict[str, FakeTopic] = {}
        self.log_accesses = 0
        """How often anybody has asked for a partition's log."""
        self._topic_number = itertools.count(1)
        self._producer_id = itertools.count(1000)

    def create_topic(self, name: str, partition_count: int = 1, **config: str) -> FakeTopic:
        """A new topic; one of the same name before is gone, with another id."""
        logs = [self.new_log() for _ in range(partition_count)]
        topic = FakeTopic(f"topic-id-{next(self._topic_number)}", logs, config)
        self.topics[name] = topic
        return topic

    def log(self, lane: Lane) -> PartitionLog:
        """The lane's partition."""
        self.log_accesses += 1
        return self.topics[lane.topic].logs[lane.partition]

    def new_producer_identity(self) -> ProducerIdentity:
        """An id that nobody else has."""
        return ProducerIdentity(next(self._producer_id), 0)


@dataclass(slots=True)
class FakeCluster:
    """`interfaces.Cluster` for one client. `latency` draws the seconds of a question's way."""

    kafka: FakeKafka
    time: VirtualTime = field(default_factory=VirtualTime)
    meet: Meet = nothing
    latency: Callable[[], float] = lambda: 0.001

    def describe_topic(self, topic: str) -> TopicFacts | None:
        self._ask()
        found = self.kafka.topics.get(topic)
        if found is None:
            return None
        expiration_seconds = found.logs[0].expiration_seconds
        return TopicFacts(
            cluster_id=self.kafka.cluster_id,
            topic_id=found.topic_id,
            partition_count=len(found.logs),
            replication_factor=1,
            config=dict(found.config),
            forgets_after_ms=round(expiration_seconds * 1000) or None,
        )

    def new_producer_identity(self) -> ProducerIdentity:
        self._ask()
        return self.kafka.new_producer_identity()

    def end_offset(self, lane: Lane) -> int:
        self._ask()
        return self.kafka.log(lane).end_offset

    def read_tail(self, lane: Lane, kafka_offset: int) -> LaneTail:
        self._ask()
        tail = self.kafka.log(lane).tail(kafka_offset)
        self.meet("tail-read")
        self.time.sleep(self.latency())
        return tail

    def knows_producer(self, lanes: Sequence[Lane], producer_id: int) -> Sequence[bool | None]:
        self._ask()
        known = [self.kafka.log(lane).knows(producer_id) for lane in lanes]
        self.meet("producers-told")
        self.time.sleep(self.latency())
        return known

    def last_values(self, lane: Lane, record_count: int) -> Sequence[bytes]:
        self._ask()
        return values(self.kafka.log(lane).records())[-record_count:]

    def _ask(self) -> None:
        action = self.meet("ask")
        self.time.sleep(self.latency())
        if action == "unavailable":
            self.time.sleep(ANSWER_SECONDS)
            raise SinkUnavailableError("no broker answers")


@dataclass(slots=True, eq=False)
class _Flight:
    """One send of one batch. `request` names it among what is on its way to the broker."""

    batch: SequencedBatch
    action: str
    request: int = 0
    outcome: ProduceOutcome | None = None


@dataclass(slots=True)
class _Link:
    """The connection to one lane's leader: requests arrive in order, and so do answers."""

    lane: Lane
    flights: deque[_Flight] = field(default_factory=deque)
    arrives_at: float = 0.0
    answers_at: float = 0.0
    failed: bool = False


class FakeSink:
    """`interfaces.Sink` for one client; each lane has a leader and a connection of its own.

    `latency` draws the seconds of one way, `late` those after which a broken connection's bytes
    are still read. A request is on the wire when `send` returns."""

    def __init__(
        self,
        kafka: FakeKafka,
        lanes: Sequence[Lane],
        topic_ids: Mapping[str, str],
        *,
        time: VirtualTime,
        meet: Meet = nothing,
        latency: Callable[[], float] = lambda: 0.001,
        late: Callable[[], float] = lambda: 1.0,
        on_their_way: OnTheirWay | None = None,
    ) -> None:
        self._kafka = kafka
        self._topic_ids = dict(topic_ids)
        self._time = time
        self._meet = meet
        self._latency = latency
        self._late = late
        self._on_their_way = on_their_way or OnTheirWay()
        self._links = [_Link(lane) for lane in lanes]
        self._outcomes: list[ProduceOutcome] = []
        self._woken = False
        self._closed = False
        self._poller: Task | None = None

    def send(self, batches: Sequence[SequencedBatch]) -> None:
        for batch in batches:
            link = self._links[batch.lane]
            flight = _Flight(batch, "")
            link.flights.append(flight)
            if link.failed:
                # An earlier batch of the lane failed, and the sender does not know yet.
                self._settle(link, flight, OutcomeKind.RETRIABLE)
                continue
            flight.request = self._on_their_way.add(partial(self._take, link, flight))
            flight.action = self._meet("produce")
            slow = SLOW_SECONDS if flight.action == "slow" else 0.0
            link.arrives_at = max(link.arrives_at, self._time.now + self._latency() + slow)
            self._time.after(link.arrives_at - self._time.now, partial(self._arrive, link, flight))

    def poll(self, timeout_seconds: float) -> Sequence[ProduceOutcome]:
        until = self._time.at(timeout_seconds)
        self._poller = self._time.task
        self._time.block(0.0)
        while not self._outcomes and not self._woken and self._time.now < until:
            self._time.block(until - self._time.now)
        self._woken = False
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def wake(self) -> None:
        self._woken = True
        if self._poller is not None:
            self._time.wake(self._poller)

    def close(self) -> None:
        """Drops the connections; what is on the wire already may still arrive."""
        self._closed = True

    # -- the broker's side, between the client's turns -------------------------------------------

    def _arrive(self, link: _Link, flight: _Flight) -> None:
        if not self._on_their_way.pending(flight.request):
            return  # its connection broke, or its sender died
        topic = self._kafka.topics.get(link.lane.topic)
        topic_id = self._topic_ids.get(link.lane.topic)
        if topic is None or (topic_id and topic.topic_id != topic_id):
            self._on_their_way.done(flight.request)
            changed = TopicChangedError(f"topic {link.lane.topic} is not what it was")
            self._answer(link, flight, OutcomeKind.FATAL, error=changed)
            return
        match flight.action:
            case "refuse" | "refuse-after":
                self._on_their_way.done(flight.request)
                if flight.action == "refuse-after":
                    self._take(link, flight)
                self._answer(link, flight, OutcomeKind.RETRIABLE)
            case "out-of-order":
                self._on_their_way.done(flight.request)
                self._answer(link, flight, OutcomeKind.OUT_OF_ORDER)
            case "not-allowed":
                self._on_their_way.done(flight.request)
                error = SinkRefusedError("not allowed to write")
                self._answer(link, flight, OutcomeKind.FATAL, error=error)
            case "reply-lost":
                self._on_their_way.done(flight.request)
                self._take(link, flight)
                self._break(link, late=False)
            case "reset" | "reset-late":
                self._break(link, late=flight.action == "reset-late")
            case action:
                self._on_their_way.done(flight.request)
                result = self._take(link, flight)
                kind = _KINDS.get(result.error_code, OutcomeKind.APPENDED)
                if action == "unknown-offset" and result.error_code == NO_ERROR:
                    self._answer(link, flight, OutcomeKind.DUPLICATE)
                else:
                    self._answer(link, flight, kind, result.base_kafka_offset)

    def _take(self, link: _Link, flight: _Flight) -> Append:
        return self._kafka.log(link.lane).append(flight.batch.data)

    def _answer(
        self,
        link: _Link,
        flight: _Flight,
        kind: OutcomeKind,
        base_kafka_offset: int = -1,
        error: Exception | None = None,
    ) -> None:
        link.answers_at = max(link.answers_at, self._time.now + self._latency())
        self._time.after(
            link.answers_at - self._time.now,
            lambda: self._settle(link, flight, kind, base_kafka_offset, error),
        )

    def _break(self, link: _Link, *, late: bool) -> None:
        """All that has no answer yet is unknown to the sender."""
        late_seconds = self._late()
        for flight in list(link.flights):
            if flight.request and self._on_their_way.pending(flight.request):
                self._on_their_way.done(flight.request)
                if late:
                    self._time.after(late_seconds, partial(self._take, link, flight))
            self._settle(link, flight, OutcomeKind.RETRIABLE)
        link.arrives_at = link.answers_at = self._time.now

    def _settle(
        self,
        link: _Link,
        flight: _Flight,
        kind: OutcomeKind,
        base_kafka_offset: int = -1,
        error: Exception | None = None,
    ) -> None:
        """Records an outcome, and hands out all that are next in line in the lane."""
        if flight.outcome is not None or self._closed:
            return
        if kind is OutcomeKind.RETRIABLE:
            error = SinkUnavailableError("the batch was not taken, or nobody knows")
        elif kind is OutcomeKind.FATAL and error is None:
            error = SequenceError("the producer id is not accepted any more")
        batch = flight.batch
        flight.outcome = ProduceOutcome(batch.lane, batch.ticket, kind, base_kafka_offset, error)
        link.failed |= kind not in (OutcomeKind.APPENDED, OutcomeKind.DUPLICATE)
        while link.flights and link.flights[0].outcome is not None:
            self._outcomes.append(link.flights[0].outcome)
            link.flights.popleft()
        if not link.flights:
            link.failed = False
        if self._outcomes and self._poller is not None:
            self._time.wake(self._poller)
