"""The first contact with a cluster: tries its servers until one answers, or the time is up.

What waiting cannot cure (another protocol, a refused authentication) is raised at once. But a name
that does not resolve, or a port that refuses, may be that of a server that is just starting. So it
is tried again, and after the first failure the log says so.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from kafka import errors as kafka_errors
from kafka.cluster import ClusterMetadata
from kafka.future import Future
from kafka.net.selector import NetworkSelector

from csvkafka.errors import SinkUnavailableError
from csvkafka.kafka import codes
from csvkafka.kafka.settings import KafkaSettings

log = logging.getLogger(__name__)

NodeId = int | str
"""A broker's number; for a bootstrap server, kafka-python's name of it."""

RETRY_SECONDS = 0.1

NEXT_SERVER_SECONDS = 1.0
"""A server that is silent for so long is waited for beside the next one."""

INTERRUPT_SECONDS = 0.2
"""A blocking call looks this often whether it is to go on."""


class NamedBrokerError(kafka_errors.KafkaConnectionError):  # type: ignore[misc]
    """The server answered; the brokers that it names cannot be reached."""


class Bootstrap:
    """One first contact. `reach(node_id)` talks to a bootstrap server, and is done when a broker of
    the cluster is connected."""

    def __init__(
        self,
        net: NetworkSelector,
        cluster: ClusterMetadata,
        settings: KafkaSettings,
        reach: Callable[[NodeId], Coroutine[Any, Any, None]],
        interrupt: Callable[[], None],
    ) -> None:
        self._net = net
        self._cluster = cluster
        self._settings = settings
        self._reach = reach
        self._interrupt = interrupt
        self._servers: list[NodeId] = [server.node_id for server in cluster.bootstrap_brokers()]
        self._reasons: dict[NodeId, BaseException] = {}

    def run(self) -> None:
        """Returns when a broker is connected; see `KafkaClient.connect` for what it raises."""
        log.debug("connecting to Kafka at %s", ", ".join(self._settings.bootstrap_servers))
        deadline = time.monotonic() + self._settings.connect_timeout_ms / 1000
        tries: dict[NodeId, Future] = {}
        for server in itertools.cycle(self._servers):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise self._unreachable()
            if server not in tries:
                tries[server] = self._net.call_soon_with_future(self._reach(server))
            ended = self._first_ended(tries, min(remaining, NEXT_SERVER_SECONDS))
            if ended is None:
                continue
            error = tries.pop(ended).exception
            if error is None:
                return
            if not isinstance(error, kafka_errors.NodeNotReadyError):  # the reason is another one
                self._note(ended, error)
            self._first_ended({}, min(RETRY_SECONDS, deadline - time.monotonic()))

    def _first_ended(self, tries: Mapping[NodeId, Future], seconds: float) -> NodeId | None:
        """Waits until one of the tries has ended; None: none did in the time."""
        until = time.monotonic() + seconds
        while True:
            for server, future in tries.items():
                if future.is_done:
                    return server
            remaining = until - time.monotonic()
            if remaining <= 0:
                return None
            self._net.poll(timeout_ms=min(remaining, INTERRUPT_SECONDS) * 1000)
            self._interrupt()

    def _note(self, server: NodeId, error: BaseException) -> None:
        """Keeps the reason, and raises what waiting cannot cure."""
        if not isinstance(error, kafka_errors.KafkaError):
            raise error
        is_first = server not in self._reasons
        self._reasons[server] = error
        if is_first and not isinstance(error, NamedBrokerError) and "DNS" not in str(error):
            from csvkafka.kafka.port import mismatch  # not needed by a start that goes well

            place = self._cluster.broker_metadata(server)
            wrong = mismatch(self._settings, place.host, place.port)
            if wrong is not None:
                raise wrong from error
        refused = codes.refusal(error)
        if refused is not None:
            raise refused from error
        if is_first:
            seconds = self._settings.connect_timeout_ms / 1000
            log.warning("Kafka at %s: %s; trying for %g s", self._address(server), error, seconds)

    def _unreachable(self) -> SinkUnavailableError:
        silence = kafka_errors.KafkaTimeoutError("no answer")
        told = {server: self._reasons.get(server, silence) for server in self._servers}
        said = "; ".join(f"{self._address(server)}: {reason}" for server, reason in told.items())
        error = SinkUnavailableError(
            "no Kafka broker could be reached within "
            f"{self._settings.connect_timeout_ms / 1000:g} s ({said}); check "
            "KAFKA_BOOTSTRAP_SERVERS, and that the network lets through to them; raise "
            "KAFKA_CONNECT_SECONDS where they are only starting"
        )
        error.__cause__ = next(iter(told.values()))
        return error

    def _address(self, server: NodeId) -> str:
        place = self._cluster.broker_metadata(server)
        return f"{place.host}:{place.port}"
