"""The sink against a real broker: who keeps the order, and what failures look like."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest
from kafka.admin import NewTopic
from kafka.errors import TopicAlreadyExistsError

from csvkafka.errors import SinkUnavailableError, TopicChangedError
from csvkafka.kafka.client import KafkaClient, KafkaSettings
from csvkafka.kafka.cluster import KafkaCluster
from csvkafka.kafka.sink import KafkaSink
from csvkafka.local.broker import Broker
from csvkafka.model import Lane, OutcomeKind
from tests.integration.kafka_rows import (
    LaneWriter,
    admin,
    connected,
    create_topic,
    outcomes_of,
    send_until_answered,
    values_in,
)


def open_sink(client: KafkaClient, topic: str, lane_count: int = 1) -> tuple[KafkaSink, LaneWriter]:
    cluster = KafkaCluster(client)
    facts = cluster.describe_topic(topic)
    assert facts is not None
    lanes = [Lane(topic, partition) for partition in range(lane_count)]
    sink = KafkaSink(client, lanes, {topic: facts.topic_id})
    return sink, LaneWriter(cluster.new_producer_identity())


def rows(count: int, lane: int = 0) -> list[str]:
    return [f"{lane}/{row}" for row in range(count)]


def test_a_resent_batch_is_known_and_a_gap_is_refused(kafka: str) -> None:
    topic = create_topic(kafka)
    with connected(kafka) as client:
        sink, writer = open_sink(client, topic)
        first, resent, gap = writer.batch(0, 3), writer.batch(0, 3), writer.batch(9, 1)
        answers = [outcomes_of(sink, [batch])[0] for batch in (first, resent, gap)]
    assert [answer.kind for answer in answers] == [
        OutcomeKind.APPENDED,
        OutcomeKind.APPENDED,
        OutcomeKind.OUT_OF_ORDER,
    ]
    assert [answer.base_kafka_offset for answer in answers] == [0, 0, -1]
    assert values_in(kafka, topic) == rows(3)


def test_five_batches_in_flight_arrive_in_order(kafka: str) -> None:
    topic = create_topic(kafka)
    with connected(kafka) as client:
        sink, writer = open_sink(client, topic)
        outcomes_of(sink, [writer.batch(0, 10)])
        outcomes = outcomes_of(sink, [writer.batch(10 * n, 10) for n in range(1, 6)])
    assert [outcome.base_kafka_offset for outcome in outcomes] == [10, 20, 30, 40, 50]
    assert values_in(kafka, topic) == rows(60)


def test_twenty_lanes_at_once(kafka: str) -> None:
    topic = create_topic(kafka, partitions=20)
    with connected(kafka) as client:
        sink, writer = open_sink(client, topic, lane_count=20)
        # Each lane's first batch alone, as the sequencer does: a broker without state of our id
        # takes any number, so a second one could get in before a first one that was refused.
        send_until_answered(sink, [writer.batch(0, 10, lane) for lane in range(20)])
        batches = [writer.batch(10 * n, 10, lane) for n in range(1, 5) for lane in range(20)]
        outcomes = outcomes_of(sink, batches)
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.APPENDED}
    for lane in (0, 7, 19):
        assert values_in(kafka, topic, lane) == rows(50, lane)


def test_a_batch_larger_than_the_topic_takes_is_told_as_such(kafka: str) -> None:
    topic = create_topic(kafka, max_message_bytes="2000")
    with connected(kafka) as client:
        sink, writer = open_sink(client, topic)
        (outcome,) = outcomes_of(sink, [writer.batch(0, 1000)])
    assert outcome.kind is OutcomeKind.TOO_LARGE
    assert "refused a batch as too large" in str(outcome.error)


def test_a_killed_broker_makes_batches_retriable_and_takes_them_again(
    harmed_kafka: Broker,
) -> None:
    """F28."""
    broker = harmed_kafka
    topic = create_topic(broker.address)
    with connected(broker.address) as client:
        sink, writer = open_sink(client, topic)
        outcomes_of(sink, [writer.batch(0, 5)])
        broker.kill()
        batches = [writer.batch(5 * n, 5) for n in range(1, 4)]
        lost = outcomes_of(sink, batches)
        assert {outcome.kind for outcome in lost} == {OutcomeKind.RETRIABLE}
        broker.start()
        outcomes = send_until_answered(sink, batches)
    assert [outcome.base_kafka_offset for outcome in outcomes] == [5, 10, 15]
    assert values_in(broker.address, topic) == rows(20)


def test_a_stopped_broker_past_the_request_timeout_repeats_nothing(harmed_kafka: Broker) -> None:
    """F39: what lay in the stopped broker's socket is appended when it goes on; the resend is
    known."""
    broker = harmed_kafka
    topic = create_topic(broker.address)
    with connected(broker.address, request_timeout_ms=1_000) as client:
        sink, writer = open_sink(client, topic)
        outcomes_of(sink, [writer.batch(0, 5)])
        broker.pause()
        batches = [writer.batch(5, 5), writer.batch(10, 5)]
        lost = outcomes_of(sink, batches)
        assert {outcome.kind for outcome in lost} == {OutcomeKind.RETRIABLE}
        timer = threading.Timer(0.5, broker.resume)
        timer.start()
        outcomes = send_until_answered(sink, batches)
        timer.join()
    assert [outcome.base_kafka_offset for outcome in outcomes] == [5, 10]
    assert values_in(broker.address, topic) == rows(15)


def test_a_topic_deleted_and_created_again_stops_the_job(kafka: str) -> None:
    """F53."""
    topic = create_topic(kafka)
    with connected(kafka) as client:
        sink, writer = open_sink(client, topic)
        outcomes_of(sink, [writer.batch(0, 5)])
        with admin(kafka) as topics:
            topics.delete_topics([topic])
            (outcome,) = outcomes_of(sink, [writer.batch(5, 5)])
            assert outcome.kind is OutcomeKind.RETRIABLE
            recreate(topics, topic)
        (outcome,) = send_until_answered(sink, [writer.batch(5, 5)])
    assert outcome.kind is OutcomeKind.FATAL
    assert isinstance(outcome.error, TopicChangedError)
    assert values_in(kafka, topic) == []


def recreate(topics: Any, name: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            topics.create_topics([NewTopic(name, 1, 1)])
            return
        except TopicAlreadyExistsError:
            time.sleep(0.1)
    raise AssertionError(f"{name} cannot be created again")


def test_a_wrong_address_is_refused_in_bounded_time() -> None:
    """F44."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    client = KafkaClient(KafkaSettings((address,), connect_timeout_ms=1_000))
    begun = time.monotonic()
    with pytest.raises(SinkUnavailableError, match=address):
        client.connect()
    client.close()
    assert time.monotonic() - begun < 10
