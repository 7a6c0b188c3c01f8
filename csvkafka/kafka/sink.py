"""Carries sequenced batches to their partition leaders, and turns each answer into one outcome.

Decides nothing: the sequencer decides which batch goes when, and which goes again. The sink
promises for each lane: there is one outcome per send, in the order of the sends; and after a batch
has failed, no later one of its lane leaves before the sequencer knows. It holds only references to
the batches' bytes. The memory on the way is twice the unanswered bytes (kafka-python encodes a
request into a buffer, then copies it out; 0.1 ms per MB).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from kafka import errors as kafka_errors
from kafka.net.connection import KafkaConnection
from kafka.protocol.producer import ProduceRequest

from csvkafka.errors import CsvKafkaError, SinkUnavailableError, TopicChangedError
from csvkafka.kafka import codes
from csvkafka.kafka.client import KafkaClient
from csvkafka.model import Lane, OutcomeKind, ProduceOutcome, SequencedBatch

ACKS_ALL = -1

MAX_REQUEST_BYTES = 1 << 20
"""Batches of several partitions share a request up to this size (max.request.size of Kafka's own
producer); one batch always fits."""

REFRESH_SECONDS = 0.1
"""Metadata is not read more often than this."""

SLOWEST_TIMEOUT_SECONDS = 300.0
"""On a slow network the request timeout grows with the measured answers, up to this."""


@dataclass(slots=True)
class _Flight:
    """One send of one batch, until its outcome is handed out."""

    batch: SequencedBatch
    outcome: ProduceOutcome | None = None


@dataclass(slots=True)
class _LaneState:
    """`waiting` is not sent yet; `flying` is, and its head's outcome is the next to hand out."""

    lane: Lane
    waiting: deque[SequencedBatch] = field(default_factory=deque)
    flying: deque[_Flight] = field(default_factory=deque)
    link: _Link | None = None
    failed: bool = False
    asked_for_leader: bool = False


@dataclass(slots=True)
class _Link:
    """One connection to a node. Nothing is sent before the topics' ids were read on it."""

    node_id: int
    connection: KafkaConnection
    verified: bool = False
    slowest_seconds: float = 0.0


class KafkaSink:
    """`interfaces.Sink` on a connected `KafkaClient`; lane i of a batch is `lanes[i]`.

    `topic_ids` maps each topic to the id that the job was begun with (`TopicFacts.topic_id`); a
    topic that has another one, after a reconnect or while running, is a FATAL TopicChangedError."""

    def __init__(
        self, client: KafkaClient, lanes: Sequence[Lane], topic_ids: Mapping[str, str]
    ) -> None:
        self._client = client
        self._lanes = [_LaneState(lane) for lane in lanes]
        self._topics = sorted({lane.topic for lane in lanes})
        self._topic_ids = dict(topic_ids)
        self._changed: dict[str, TopicChangedError] = {}
        self._links: dict[int, _Link] = {}
        self._outcomes: list[ProduceOutcome] = []
        self._refreshing = False
        self._refreshed_at = float("-inf")
        self._refresh_error: Exception | None = None
        self._woken = False

    # interfaces.Sink

    def send(self, batches: Sequence[SequencedBatch]) -> None:
        """Puts the batches on the wire, or in line for it; see `interfaces.Sink`."""
        for batch in batches:
            self._lanes[batch.lane].waiting.append(batch)
        self._pump()
        # kafka-python writes in the second of two cycles. Until then the bytes lie in a buffer of
        # ours: a worker that is suspended now would write them on waking, whoever owns the job.
        for _ in range(2):
            self._client.poll(0.0)

    def poll(self, timeout_seconds: float) -> Sequence[ProduceOutcome]:
        """Drives the network until there is an outcome, `wake` is called, or the time is up."""
        deadline = time.monotonic() + timeout_seconds
        self._client.poll(0.0)
        self._pump()
        while not self._outcomes and not self._woken:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                break
            self._client.poll(remaining)
            self._pump()
        self._woken = False
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def wake(self) -> None:
        """Makes a `poll` in another thread return; callable from any thread."""
        self._woken = True
        self._client.wake()

    def close(self) -> None:
        """Drops the connections that this sink sent on; the client stays usable."""
        for link in self._links.values():
            link.connection.close()

    # Sending

    def _pump(self) -> None:
        """Sends what can be sent now, in each lane in order, and answers what cannot."""
        while True:
            ready: dict[int, tuple[_Link, list[_LaneState]]] = {}
            for state in self._lanes:
                if state.waiting and (link := self._link_for(state)) is not None:
                    ready.setdefault(link.node_id, (link, []))[1].append(state)
            if not ready:
                return
            for link, states in ready.values():
                self._send_round(link, states)

    def _link_for(self, state: _LaneState) -> _Link | None:
        """Where the lane's next batch goes now; None: it waits, or has its outcome already."""
        if state.failed:
            return None  # the answers to the earlier batches first
        if state.lane.topic in self._changed:
            self._give_back(state, self._changed[state.lane.topic])
            return None
        leader = self._client.leader(state.lane)
        if leader is None:
            self._wait_for_leader(state)
            return None
        state.asked_for_leader = False
        try:
            link = self._link(leader)
        except kafka_errors.KafkaError as error:
            refused = self._client.refusal(leader)
            self._give_back(state, refused or SinkUnavailableError(str(error)))
            self._client.forget_leader(state.lane)
            return None
        if state.flying and state.link is not link:
            return None  # the former leader still owes answers
        sendable = link.verified and link.connection.connected and not link.connection.paused
        return link if sendable else None

    def _wait_for_leader(self, state: _LaneState) -> None:
        if self._refreshing:
            state.asked_for_leader = True
        elif state.asked_for_leader:
            state.asked_for_leader = False
            reason = f"partition {state.lane.partition} of topic {state.lane.topic} has no leader"
            if self._refresh_error is not None:
                reason = f"no metadata: {self._refresh_error}"
            refused = self._client.refusal()
            self._give_back(state, refused or SinkUnavailableError(reason))
        else:
            state.asked_for_leader = True
            self._refresh()

    def _link(self, node_id: int) -> _Link:
        connection = self._client.connection(node_id)
        link = self._links.get(node_id)
        if link is None or link.connection is not connection:
            slowest_seconds = 0.0 if link is None else link.slowest_seconds
            link = _Link(node_id, connection, slowest_seconds=slowest_seconds)
            self._links[node_id] = link
        if connection.connected and not link.verified:
            self._refresh(link)
        return link

    def _send_round(self, link: _Link, states: Sequence[_LaneState]) -> None:
        """One batch of each lane, in as few requests as their size allows."""
        flights: list[_Flight] = []
        size = 0
        for state in states:
            batch = state.waiting.popleft()
            if flights and size + len(batch.data) > MAX_REQUEST_BYTES:
                self._send_request(link, flights)
                flights, size = [], 0
            flight = _Flight(batch)
            flights.append(flight)
            size += len(batch.data)
            state.flying.append(flight)
            state.link = link
        self._send_request(link, flights)

    def _send_request(self, link: _Link, flights: Sequence[_Flight]) -> None:
        topics: dict[str, list[Any]] = {}
        names = {self._client.topics[topic].uuid: topic for topic in self._topics}
        for flight in flights:
            lane = self._lanes[flight.batch.lane].lane
            topics.setdefault(lane.topic, []).append(
                ProduceRequest.TopicProduceData.PartitionProduceData(
                    index=lane.partition, records=flight.batch.data
                )
            )
        limit_ms = self._client.settings.request_timeout_ms
        request = ProduceRequest(
            transactional_id=None,
            acks=ACKS_ALL,
            # The broker gives up waiting for its replicas before we give up waiting for it.
            timeout_ms=limit_ms // 2,
            topic_data=[
                ProduceRequest.TopicProduceData(
                    name=topic,
                    topic_id=self._client.topics[topic].uuid,
                    partition_data=partitions,
                )
                for topic, partitions in topics.items()
            ],
            min_version=3,  # the first with record batch v2
        )
        sent_at = time.monotonic()
        timeout_seconds = min(
            max(limit_ms / 1000, 4 * link.slowest_seconds), SLOWEST_TIMEOUT_SECONDS
        )
        future = link.connection.send_request(request, request_timeout_ms=timeout_seconds * 1000)
        future.add_callback(
            lambda response: self._answered(link, flights, names, response, sent_at)
        )
        future.add_errback(lambda error: self._unanswered(link, flights, error, sent_at))

    # Answers

    def _answered(
        self,
        link: _Link,
        flights: Sequence[_Flight],
        names: Mapping[UUID | None, str],
        response: Any,
        sent_at: float,
    ) -> None:
        latency = time.monotonic() - sent_at
        link.slowest_seconds = max(latency, 0.8 * link.slowest_seconds)
        answers = {
            (topic.name or names.get(topic.topic_id), partition.index): partition
            for topic in response.responses
            for partition in topic.partition_responses
        }
        for flight in flights:
            lane = self._lanes[flight.batch.lane].lane
            answer = answers.get((lane.topic, lane.partition))
            if answer is None:
                error = SinkUnavailableError("the broker's answer leaves the partition out")
                self._settle(flight, OutcomeKind.RETRIABLE, error)
                continue
            kind, reason = codes.produce_outcome(answer.error_code, lane, answer.error_message)
            self._settle(flight, kind, reason, answer.base_offset)

    def _unanswered(
        self, link: _Link, flights: Sequence[_Flight], error: Exception, sent_at: float
    ) -> None:
        link.slowest_seconds = max(link.slowest_seconds, time.monotonic() - sent_at)
        reason = SinkUnavailableError(f"node {link.node_id} did not answer: {error}")
        for flight in flights:
            self._settle(flight, OutcomeKind.RETRIABLE, reason)

    def _settle(
        self,
        flight: _Flight,
        kind: OutcomeKind,
        error: CsvKafkaError | None = None,
        base_kafka_offset: int = -1,
    ) -> None:
        """Records a flight's outcome, and hands out all that are next in line in its lane."""
        state = self._lanes[flight.batch.lane]
        if kind is OutcomeKind.RETRIABLE:
            # So the next send waits until the topic's leaders, and its id, were read again.
            self._client.forget_leader(state.lane)
            if state.lane.topic in self._changed:
                kind, error = OutcomeKind.FATAL, self._changed[state.lane.topic]
        if kind not in (OutcomeKind.APPENDED, OutcomeKind.DUPLICATE):
            state.failed = True
            base_kafka_offset = -1
        flight.outcome = _outcome(flight.batch, kind, error, base_kafka_offset)
        while state.flying and state.flying[0].outcome is not None:
            self._outcomes.append(state.flying[0].outcome)
            state.flying.popleft()
        if state.failed and not state.flying:
            self._give_back(state, SinkUnavailableError("an earlier batch of the lane failed"))

    def _give_back(self, state: _LaneState, error: CsvKafkaError) -> None:
        """Answers every batch of the lane that was not sent."""
        if state.flying:
            state.failed = True  # after the answers that are still due
            return
        kind = OutcomeKind.RETRIABLE if error.retriable else OutcomeKind.FATAL
        self._outcomes += [_outcome(batch, kind, error) for batch in state.waiting]
        state.waiting.clear()
        state.failed = False

    # Metadata

    def _refresh(self, link: _Link | None = None) -> None:
        """Begins to read the topics' metadata, unless that is on its way."""
        if self._refreshing:
            return
        self._refreshing = True
        delay_seconds = max(0.0, self._refreshed_at + REFRESH_SECONDS - time.monotonic())
        node_id = None if link is None else link.node_id
        future = self._client.start_refresh(self._topics, node_id, delay_seconds)
        future.add_callback(lambda _: self._refreshed(link, None))
        future.add_errback(lambda error: self._refreshed(None, error))

    def _refreshed(self, link: _Link | None, error: Exception | None) -> None:
        self._refreshing = False
        self._refreshed_at = time.monotonic()
        self._refresh_error = error
        for topic, expected in self._topic_ids.items():
            metadata = self._client.topics.get(topic)
            current = metadata.topic_id if metadata is not None else ""
            if expected and current and current != expected:
                self._changed[topic] = TopicChangedError(
                    f"topic {topic} was deleted and created again while the job was running (its "
                    f"id was {expected} and is {current}): the rows sent so far are gone. Load "
                    "again under another JOB_ID"
                )
        if link is not None:
            link.verified = True


def _outcome(
    batch: SequencedBatch,
    kind: OutcomeKind,
    error: CsvKafkaError | None,
    base_kafka_offset: int = -1,
) -> ProduceOutcome:
    return ProduceOutcome(batch.lane, batch.ticket, kind, base_kafka_offset, error)
