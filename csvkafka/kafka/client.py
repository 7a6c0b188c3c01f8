"""Connections to a Kafka cluster and its metadata, driven by the thread that calls.

Uses kafka-python's connection manager, without its I/O thread, bootstrap and refresh loops. Things
happen only in `connect`, `call`, `call_leader`, `refresh`, `pause` and `poll`. One client
belongs to one thread; only `wake` may be called from another. No request ever creates a topic.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from kafka import errors as kafka_errors
from kafka.future import Future
from kafka.net.connection import KafkaConnection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.protocol.metadata import MetadataRequest

from csvkafka.errors import SinkRefusedError, SinkUnavailableError
from csvkafka.kafka import codes
from csvkafka.kafka.bootstrap import (
    INTERRUPT_SECONDS,
    RETRY_SECONDS,
    Bootstrap,
    NamedBrokerError,
    NodeId,
)
from csvkafka.kafka.metadata import TopicMetadata, topic_metadata
from csvkafka.kafka.settings import KafkaSettings
from csvkafka.model import Lane

__all__ = ["KafkaClient", "KafkaSettings", "NodeId"]

T = TypeVar("T")

REFUSALS_THAT_STOP = 3
"""While running, an authentication that failed once may pass with the next token; this many
failures in a row are an answer."""


@dataclass(slots=True)
class _Attempts:
    """Failed attempts to connect to a node, in a row."""

    count: int
    not_before: float
    error: BaseException


class KafkaClient:
    """Connections, metadata and blocking questions; see the module for its rules.

    `interrupt` is called several times a second while a question waits for its answer; what it
    raises ends the waiting. Raises ConfigError if the settings name files or packages that cannot
    be used."""

    def __init__(
        self, settings: KafkaSettings, interrupt: Callable[[], None] = lambda: None
    ) -> None:
        self.settings = settings
        self._interrupt = interrupt
        # No warning about slow steps: the first name lookup is one, and blocks by its nature.
        self._net = NetworkSelector(client_id=settings.client_id, slow_task_threshold_secs=0)
        self._manager = KafkaConnectionManager(self._net, **settings.connection_config())
        self._bootstrap_ids: list[NodeId] = [
            broker.node_id for broker in self._manager.cluster.bootstrap_brokers()
        ]
        self._seen: dict[NodeId, KafkaConnection] = {}
        self._attempts: dict[NodeId, _Attempts] = {}
        self._closed = False
        self.topics: dict[str, TopicMetadata] = {}
        self.cluster_id = ""

    # Driving the network

    def poll(self, timeout_seconds: float) -> None:
        """Handles what the network has now; waits for it for at most `timeout_seconds`."""
        self._net.poll(timeout_ms=max(0.0, timeout_seconds) * 1000)

    def pause(self, seconds: float) -> None:
        """Waits while the network goes on."""
        until = time.monotonic() + seconds
        while (remaining := until - time.monotonic()) > 0:
            self._interrupt()
            self.poll(min(remaining, INTERRUPT_SECONDS))

    def wake(self) -> None:
        """Makes a `poll` in another thread return; callable from any thread."""
        self._net.wakeup()

    def close(self) -> None:
        """Drops all connections; may be called twice."""
        if not self._closed:
            self._closed = True
            self._manager.close()
            self._net.close()

    # Connections

    def connect(self) -> None:
        """Reads the cluster's metadata and reaches one of its brokers, within `connect_timeout_ms`.

        Raises SinkUnavailableError with each server's last reason, and SinkRefusedError at once
        where waiting cannot help."""
        Bootstrap(
            self._net, self._manager.cluster, self.settings, self._bootstrap, self._interrupt
        ).run()

    def connection(self, node_id: NodeId) -> KafkaConnection:
        """The connection to the node, begun if there is none; it may still be initializing.

        Raises kafka-python's NodeNotReadyError while the node must be left alone for a moment,
        and UnknownBrokerIdError."""
        attempts = self._attempts.get(node_id)
        if attempts is not None and time.monotonic() < attempts.not_before:
            raise kafka_errors.NodeNotReadyError(f"node {node_id}: {attempts.error}")
        try:
            connection = self._manager.get_connection(node_id, refresh_metadata_on_err=False)
        except kafka_errors.NodeNotReadyError as error:
            reason = "in its backoff" if attempts is None else attempts.error
            raise kafka_errors.NodeNotReadyError(f"node {node_id}: {reason}") from error
        if connection is not self._seen.get(node_id):
            self._seen[node_id] = connection
            connection.init_future.add_callback(lambda _: self._attempts.pop(node_id, None))
            connection.init_future.add_errback(lambda error: self._count_failure(node_id, error))
            self._guard_setup(connection)
        return connection

    def refusal(self, node_id: NodeId | None = None) -> SinkRefusedError | None:
        """Why the node refuses us, if it did so several times in a row; without a node: why any
        does, if we are connected to none."""
        if node_id is not None:
            suspects = [self._attempts[node_id]] if node_id in self._attempts else []
        elif any(connection.connected for connection in self._seen.values()):
            suspects = []
        else:
            suspects = list(self._attempts.values())
        refusals = (codes.refusal(s.error) for s in suspects if s.count >= REFUSALS_THAT_STOP)
        return next(filter(None, refusals), None)

    def _count_failure(self, node_id: NodeId, error: BaseException) -> None:
        # The manager's own backoff is not enough: it starts over once a TCP connection stands,
        # before the authentication has failed.
        before = self._attempts.get(node_id)
        count = 1 if before is None else before.count + 1
        backoff_ms = min(
            self.settings.reconnect_backoff_ms * 2 ** min(count - 1, 16),
            self.settings.reconnect_backoff_max_ms,
        )
        self._attempts[node_id] = _Attempts(count, time.monotonic() + backoff_ms / 1000, error)

    def _guard_setup(self, connection: KafkaConnection) -> None:
        """kafka-python does not bound the TLS handshake: a silent server would hold us for ever."""

        def give_up() -> None:
            if connection.initializing:
                connection.close(kafka_errors.KafkaConnectionError("connection setup timed out"))

        # Later than every limit of kafka-python's own, which tell the reason better.
        self._net.call_later(1.5 * self.settings.setup_timeout_ms / 1000, give_up)

    async def _bootstrap(self, node_id: NodeId) -> None:
        await self._refresh((), node_id)
        reason: Exception = kafka_errors.MetadataEmptyBrokerList("the metadata names no broker")
        for broker in self._manager.cluster.brokers():
            try:
                await self.connection(broker.node_id)
            except kafka_errors.KafkaError as error:
                reason = NamedBrokerError(
                    f"the bootstrap server answered, but the broker it names, {broker.host}:"
                    f"{broker.port}, cannot be reached ({error}): see its advertised.listeners"
                )
                reason.__context__ = error.__context__
                if codes.refusal(error) is not None:
                    raise
            else:
                self._manager.close(node_id)
                return
        raise reason

    # Metadata

    def leader(self, lane: Lane) -> int | None:
        """The node that leads the lane's partition by the last metadata; None if unknown."""
        topic = self.topics.get(lane.topic)
        leader = -1 if topic is None else topic.leaders.get(lane.partition, -1)
        return None if leader < 0 else leader

    def forget_leader(self, lane: Lane) -> None:
        """The last metadata is wrong about this lane."""
        topic = self.topics.get(lane.topic)
        if topic is not None:
            topic.leaders.pop(lane.partition, None)

    def refresh(self, topics: Sequence[str], *, with_rights: bool = False) -> None:
        """Reads the topics' metadata once, and our rights on them if the broker can tell.

        Raises SinkUnavailableError, SinkRefusedError."""
        self._answer(self._refresh(topics, None, with_rights))

    def start_refresh(
        self, topics: Sequence[str], node_id: NodeId | None, delay_seconds: float
    ) -> Future:
        """Will read the topics' metadata after `delay_seconds`; `poll` drives it."""

        async def later() -> None:
            await self._net.sleep(delay_seconds)
            await self._refresh(topics, node_id)

        return self._net.call_soon_with_future(later)

    async def _refresh(
        self, topics: Sequence[str], node_id: NodeId | None, with_rights: bool = False
    ) -> None:
        request = MetadataRequest(
            topics=[MetadataRequest.MetadataRequestTopic(name=topic) for topic in topics],
            allow_auto_topic_creation=False,
            include_cluster_authorized_operations=False,
            include_topic_authorized_operations=with_rights,
            min_version=4,  # the first that can forbid the creation of a topic
        )
        response = await self._send(request, self._any_node() if node_id is None else node_id)
        self._manager.cluster.update_metadata(response)
        self.cluster_id = response.cluster_id or ""
        for topic in response.topics:
            self.topics[topic.name] = topic_metadata(topic)

    def _any_node(self) -> NodeId:
        """The node that is likeliest to answer soon: the least busy one, connected ones first, then
        the one that failed least; the bootstrap servers only if no broker can be tried."""
        now = time.monotonic()
        brokers = [broker.node_id for broker in self._manager.cluster.brokers()]
        for nodes in (brokers, self._bootstrap_ids):
            best: tuple[int, bool, int] | None = None
            chosen: NodeId | None = None
            for node_id in nodes:
                attempts = self._attempts.get(node_id)
                if attempts is not None and now < attempts.not_before:
                    continue
                connection = self._seen.get(node_id)
                rank = (0, True, 0 if attempts is None else attempts.count)
                if connection is not None and connection.connected:
                    if connection.paused:
                        continue
                    rank = (len(connection.in_flight_requests), False, 0)
                if best is None or rank < best:
                    best, chosen = rank, node_id
            if chosen is not None:
                return chosen
        reason = next(iter(self._attempts.values())).error if self._attempts else "no node"
        raise kafka_errors.NodeNotReadyError(f"no broker can be reached now: {reason}")

    def any_broker(self) -> int | None:
        """The id of the broker that is likeliest to answer soon; None if none can be tried now."""
        try:
            node_id = self._any_node()
        except kafka_errors.NodeNotReadyError:
            return None
        return node_id if isinstance(node_id, int) else None  # a bootstrap server has a name

    # Questions

    def call(
        self, request: Any, node_id: NodeId | None = None, timeout_seconds: float | None = None
    ) -> Any:
        """Sends one request (to any node, if none is given) and returns the response.

        Raises SinkUnavailableError if there is none within the time (`request_timeout_ms` if none
        is given), SinkRefusedError."""
        return self._answer(self._call(request, node_id), timeout_seconds)

    def until_answered(self, ask: Callable[[], T | None], what: str) -> T:
        """Asks until there is an answer, for at most `answer_timeout_ms`: None, and
        SinkUnavailableError, mean not now. Raises SinkUnavailableError, naming `what`."""
        deadline = time.monotonic() + self.settings.answer_timeout_ms / 1000
        reason: SinkUnavailableError | None = None
        while True:
            try:
                answer = ask()
                if answer is not None:
                    return answer
            except SinkUnavailableError as error:
                reason = error
            if time.monotonic() >= deadline:
                raise SinkUnavailableError(
                    f"Kafka gave no answer within {self.settings.answer_timeout_ms / 1000:g} s "
                    f"to the question for {what}; the last reason: {reason}; check the brokers and "
                    "the network to them, and run again"
                ) from reason
            self.pause(min(RETRY_SECONDS, deadline - time.monotonic()))

    def call_leader(
        self,
        lane: Lane,
        make_request: Callable[[UUID | None], Any],
        partition_of: Callable[[Any], Any],
        operation: str,
        expected: Sequence[int] = (),
    ) -> Any:
        """Asks the lane's leader until it answers with no error, or with one of `expected`.

        `make_request` gets the topic's id; `partition_of` picks, from the response, the part with
        the partition's `error_code`, which is returned. Bounded as `until_answered`; raises
        SinkUnavailableError, SinkRefusedError (`operation` is the ACL that is then missing)."""
        what = f"partition {lane.partition} of topic {lane.topic}"

        def ask() -> Any:
            if self.leader(lane) is None:
                self.refresh([lane.topic])
            leader = self.leader(lane)
            if leader is None:
                raise SinkUnavailableError(f"{what} has no leader, or does not exist")
            try:
                response = self.call(make_request(self.topics[lane.topic].uuid), leader)
            except SinkUnavailableError:
                self.forget_leader(lane)
                raise
            answer = partition_of(response)
            code = answer.error_code
            if code == codes.NO_ERROR or code in expected:
                return answer
            if codes.is_authorization(code):
                raise codes.not_authorized(f"topic {lane.topic}", code, operation)
            self.forget_leader(lane)
            raise SinkUnavailableError(f"{what}: {codes.name_of(code)}")

        return self.until_answered(ask, what)

    async def _call(self, request: Any, node_id: NodeId | None) -> Any:
        return await self._send(request, self._any_node() if node_id is None else node_id)

    async def _send(self, request: Any, node_id: NodeId) -> Any:
        connection = self.connection(node_id)
        await connection
        return await connection.send_request(request)

    def _answer(
        self, question: Coroutine[Any, Any, Any], timeout_seconds: float | None = None
    ) -> Any:
        if timeout_seconds is None:
            timeout_seconds = self.settings.request_timeout_ms / 1000
        try:
            return self._run(question, timeout_seconds)
        except kafka_errors.KafkaError as error:
            refused = codes.refusal(error)
            if refused is not None:
                raise refused from error
            raise SinkUnavailableError(f"Kafka did not answer: {error}") from error

    def _run(self, question: Coroutine[Any, Any, Any], timeout_seconds: float) -> Any:
        deadline = time.monotonic() + max(0.0, timeout_seconds)
        future = self._net.call_soon_with_future(question)
        remaining = timeout_seconds
        while not future.is_done and remaining > 0:
            self._net.poll(timeout_ms=min(remaining, INTERRUPT_SECONDS) * 1000, future=future)
            self._interrupt()
            remaining = deadline - time.monotonic()
        if not future.is_done:
            raise kafka_errors.KafkaTimeoutError(f"no answer within {timeout_seconds:g} s")
        if future.exception is not None:
            raise future.exception
        return future.value
