"""Connecting is bounded and says why not; questions are asked again for a bounded time."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from kafka.errors import NodeNotReadyError

from csvkafka.errors import SinkRefusedError, SinkUnavailableError
from csvkafka.kafka.client import KafkaClient, KafkaSettings
from csvkafka.model import Lane
from tests.refusals import refusal
from tests.unit.kafka.ports import port, says
from tests.unit.kafka.scripted_broker import ScriptedBroker, scripted_broker


@pytest.fixture
def broker() -> Iterator[ScriptedBroker]:
    with scripted_broker() as running:
        yield running


@pytest.fixture
def clients() -> Iterator[list[KafkaClient]]:
    made: list[KafkaClient] = []
    yield made
    for client in made:
        client.close()


def client_of(clients: list[KafkaClient], address: str, **settings: Any) -> KafkaClient:
    clients.append(KafkaClient(KafkaSettings((address,), **settings)))
    return clients[-1]


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_connect_reads_the_cluster(broker: ScriptedBroker, clients: list[KafkaClient]) -> None:
    client = client_of(clients, broker.address)
    client.connect()
    client.refresh(["rows", "missing"])
    assert client.cluster_id == "scripted"
    assert client.leader(Lane("rows", 3)) == 1
    assert client.leader(Lane("rows", 4)) is None
    assert client.leader(Lane("missing", 0)) is None
    assert client.topics["missing"].error_code == 3


def test_a_topic_id_is_kafkas_text(broker: ScriptedBroker, clients: list[KafkaClient]) -> None:
    client = client_of(clients, broker.address)
    client.connect()
    client.refresh(["rows"])
    first = client.topics["rows"].topic_id
    assert len(first) == 22
    broker.topics["rows"] = uuid4()
    client.refresh(["rows"])
    assert client.topics["rows"].topic_id != first


def test_no_server_is_refused_in_bounded_time_with_the_address(clients: list[KafkaClient]) -> None:
    address = f"127.0.0.1:{closed_port()}"
    begun = time.monotonic()
    with refusal(SinkUnavailableError, match=f"{address}.*check KAFKA_BOOTSTRAP_SERVERS"):
        client_of(clients, address, connect_timeout_ms=500).connect()
    assert 0.4 < time.monotonic() - begun < 5


def test_a_silent_server_is_refused_in_bounded_time(clients: list[KafkaClient]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(SinkUnavailableError, match=address):
            client_of(clients, address, connect_timeout_ms=500).connect()
        assert time.monotonic() - begun < 5


def test_a_server_that_never_ends_the_tls_handshake_is_given_up(
    clients: list[KafkaClient],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        client = client_of(
            clients,
            address,
            security_protocol="SSL",
            setup_timeout_ms=100,
            connect_timeout_ms=1_000,
        )
        with pytest.raises(SinkUnavailableError, match="setup timed out"):
            client.connect()


def test_a_server_that_is_no_broker_is_refused_with_its_words(
    clients: list[KafkaClient],
) -> None:
    with (
        port(says(b"this is no TLS record")) as number,
        pytest.raises(SinkRefusedError, match=r"no Kafka broker.*'this is no TLS record'"),
    ):
        client_of(clients, f"127.0.0.1:{number}", security_protocol="SSL").connect()


def test_an_unreachable_advertised_address_is_named(
    broker: ScriptedBroker, clients: list[KafkaClient]
) -> None:
    address = broker.address
    broker.port = closed_port()
    with pytest.raises(SinkUnavailableError, match=r"advertised\.listeners"):
        client_of(clients, address, connect_timeout_ms=500).connect()


def test_a_question_is_asked_again_until_it_is_answered(
    broker: ScriptedBroker, clients: list[KafkaClient]
) -> None:
    client = client_of(clients, broker.address)
    client.connect()
    answers = iter([None, SinkUnavailableError("an election"), "the answer"])

    def ask() -> str | None:
        answer = next(answers)
        if isinstance(answer, SinkUnavailableError):
            raise answer
        return answer

    assert client.until_answered(ask, "anything") == "the answer"


def test_a_question_without_an_answer_ends_in_bounded_time_with_the_reason(
    broker: ScriptedBroker, clients: list[KafkaClient]
) -> None:
    client = client_of(clients, broker.address, answer_timeout_ms=300)
    client.connect()
    with pytest.raises(SinkUnavailableError, match="partition 9 of topic rows has no leader"):
        client.call_leader(Lane("rows", 9), lambda _: None, lambda _: None, "READ")


def test_a_client_may_be_closed_twice(broker: ScriptedBroker, clients: list[KafkaClient]) -> None:
    client = client_of(clients, broker.address)
    client.connect()
    client.close()
    client.close()


def test_a_node_that_fails_after_the_tcp_connect_is_left_alone_for_a_moment(
    clients: list[KafkaClient],
) -> None:
    """kafka-python forgets its backoff once a TCP connection stands."""

    def hang_up(connection: socket.socket) -> None:
        connection.recv(1000)

    with port(hang_up) as number:
        client = client_of(clients, f"127.0.0.1:{number}", reconnect_backoff_ms=1_000)
        connection = client.connection("bootstrap-0")
        deadline = time.monotonic() + 60
        while not connection.closed and time.monotonic() < deadline:
            client.poll(0.1)
        client.poll(0.0)
    with pytest.raises(NodeNotReadyError):
        client.connection("bootstrap-0")


def test_a_dead_broker_is_not_asked_again_and_again_while_another_lives(
    clients: list[KafkaClient],
) -> None:
    with scripted_broker() as first, scripted_broker() as second:
        address, first.port = first.address, closed_port()  # the metadata leads to nobody
        first.peers, second.node_id, second.peers = [second], 2, [first]
        client = client_of(clients, address, reconnect_backoff_max_ms=50)
        client.connect()
        client.connection(2).close()
        for _ in range(3):
            client.pause(0.2)  # longer than the dead one's backoff: it may be tried again
            with contextlib.suppress(SinkUnavailableError):
                client.refresh(["rows"])
        assert second.metadata_count > 0, "the one that lives was never asked"


def test_a_wrong_password_at_the_start_is_refused_at_once(
    broker: ScriptedBroker, clients: list[KafkaClient]
) -> None:
    broker.authenticate = lambda: 58
    client = client_of(
        clients,
        broker.address,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_plain_username="loader",
        sasl_plain_password="secret",
    )
    begun = time.monotonic()
    with refusal(SinkRefusedError, match="password") as refused:
        client.connect()
    assert "secret" not in str(refused.value)
    assert time.monotonic() - begun < 5
