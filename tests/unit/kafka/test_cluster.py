"""Whether the partitions' leaders know a producer id, and for how long: who is asked, and what the
answers mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from csvkafka.errors import SinkUnavailableError
from csvkafka.kafka.client import KafkaClient
from csvkafka.kafka.cluster import KafkaCluster
from csvkafka.kafka.settings import KafkaSettings
from csvkafka.model import Lane
from tests.unit.kafka.scripted_broker import ScriptedBroker, scripted_broker

DESCRIBE_CONFIGS = 32
DESCRIBE_PRODUCERS = 61
CLUSTER_AUTHORIZATION_FAILED = 31
NOT_LEADER = 6
LANES = [Lane("rows", partition) for partition in range(4)]


@pytest.fixture
def broker() -> Iterator[ScriptedBroker]:
    with scripted_broker() as running:
        reply = running.reply

        def noting_the_question(api_key: int, version: int, body: bytes) -> Any:
            running.requests.append(api_key)
            return reply(api_key, version, body)

        running.reply = noting_the_question  # type: ignore[method-assign]
        yield running


@pytest.fixture
def client(broker: ScriptedBroker) -> Iterator[KafkaClient]:
    client = KafkaClient(KafkaSettings((broker.address,), answer_timeout_ms=30_000))
    client.connect()
    yield client
    client.close()


@pytest.fixture
def cluster(client: KafkaClient) -> KafkaCluster:
    return KafkaCluster(client)


def asked(broker: ScriptedBroker) -> int:
    return broker.requests.count(DESCRIBE_PRODUCERS)


@pytest.mark.fault("F95")
def test_each_leader_is_asked_once_for_all_its_partitions(
    broker: ScriptedBroker, cluster: KafkaCluster
) -> None:
    known = {0: [(7, 0, 4)], 1: [], 2: [(8, 0, 1)], 3: [(8, 1, 0), (7, 3, 9)]}
    broker.producers = lambda: known[broker.asked_partition]
    assert list(cluster.knows_producer(LANES, 7)) == [True, False, False, True]
    assert list(cluster.knows_producer([LANES[3], LANES[1]], 7)) == [True, False]
    assert asked(broker) == 2


def test_a_leader_that_cannot_answer_now_is_asked_again(
    broker: ScriptedBroker, cluster: KafkaCluster
) -> None:
    answers: Iterator[Any] = iter([NOT_LEADER, [], [(7, 0, 0)]])
    broker.producers = lambda: next(answers)
    # The second partition has its answer, and is not asked for again.
    assert list(cluster.knows_producer(LANES[:2], 7)) == [True, False]
    assert asked(broker) == 2


def test_a_leader_that_never_answers_is_out_of_reach(
    broker: ScriptedBroker, client: KafkaClient, cluster: KafkaCluster
) -> None:
    client.settings = replace(client.settings, answer_timeout_ms=2_000)
    broker.producers = lambda: NOT_LEADER
    with pytest.raises(SinkUnavailableError, match="the producers that the partitions' leaders"):
        cluster.knows_producer(LANES[:1], 7)


@pytest.mark.fault("F105")
@pytest.mark.parametrize("code", [29, 42])
def test_a_right_that_is_missing_is_said_and_nothing_is_known(
    broker: ScriptedBroker,
    cluster: KafkaCluster,
    code: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """TOPIC_AUTHORIZATION_FAILED; INVALID_REQUEST, as of a server that knows only the name."""
    broker.producers = lambda: code
    assert list(cluster.knows_producer(LANES[:1], 7)) == [None]
    assert "partition 0 of topic rows" in caplog.text
    assert "first batch decides" in caplog.text


@pytest.mark.fault("F105")
def test_a_server_without_the_question_tells_nothing(broker: ScriptedBroker) -> None:
    del broker.versions[DESCRIBE_PRODUCERS]
    client = KafkaClient(KafkaSettings((broker.address,), answer_timeout_ms=30_000))
    client.connect()
    assert list(KafkaCluster(client).knows_producer(LANES, 7)) == [None] * 4
    assert asked(broker) == 0
    client.close()


@pytest.mark.fault("F111")
@pytest.mark.parametrize(
    ("settings", "forgets_after_ms"),
    [
        ({"producer.id.expiration.ms": "90000"}, 90_000),
        ({"transactional.id.expiration.ms": "604800000"}, 604_800_000),  # before Kafka 3.4
        (
            {
                "transactional.id.expiration.ms": "604800000",
                "producer.id.expiration.ms": "86400000",
            },
            86_400_000,
        ),
        ({}, None),
        (CLUSTER_AUTHORIZATION_FAILED, None),
    ],
)
def test_after_how_long_a_producer_id_is_forgotten_comes_with_the_topics_settings(
    broker: ScriptedBroker,
    cluster: KafkaCluster,
    settings: int | dict[str, str],
    forgets_after_ms: int | None,
) -> None:
    broker.settings = lambda: settings
    facts = cluster.describe_topic("rows")
    assert facts is not None
    assert facts.forgets_after_ms == forgets_after_ms
    assert broker.requests.count(DESCRIBE_CONFIGS) == 1
