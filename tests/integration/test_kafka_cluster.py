"""Questions to a real broker: the topic, identities, and what a partition's end holds."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from csvkafka.errors import ConfigError
from csvkafka.job.preflight import check_topic
from csvkafka.kafka.client import KafkaClient
from csvkafka.kafka.cluster import KafkaCluster
from csvkafka.kafka.sink import KafkaSink
from csvkafka.local.base import Stack
from csvkafka.local.broker import Broker
from csvkafka.local.processes import wait_until
from csvkafka.model import Lane, ProducerIdentity
from tests.healing import heal
from tests.integration.kafka_rows import (
    LaneWriter,
    admin,
    connected,
    create_topic,
    eventually,
    outcomes_of,
)


def write(client: KafkaClient, topic: str, identity: ProducerIdentity, *batches: range) -> None:
    sink = KafkaSink(client, [Lane(topic, 0)], {})
    writer = LaneWriter(identity)
    for rows in batches:
        outcomes_of(sink, [writer.batch(rows.start, len(rows))])


def test_a_topic_is_described_and_passes_the_checks(kafka: str) -> None:
    topic = create_topic(kafka, partitions=3, max_message_bytes="500000")
    with connected(kafka) as client:
        facts = KafkaCluster(client).describe_topic(topic)
    assert facts is not None
    assert (facts.partition_count, facts.replication_factor) == (3, 1)
    assert len(facts.topic_id) == 22
    assert facts.cluster_id
    assert facts.config["cleanup.policy"] == "delete"
    findings = check_topic(topic, facts)
    assert findings.topic_bytes == 500_000 - 1_024
    assert any("one replica" in warning for warning in findings.warnings)


def test_a_missing_topic_is_none_and_is_not_created(kafka: str) -> None:
    """F50: brokers create topics on request by default; csvkafka does not request it."""
    with connected(kafka) as client:
        cluster = KafkaCluster(client)
        assert cluster.describe_topic("no-such-topic") is None
        assert cluster.describe_topic("no-such-topic") is None
    with admin(kafka) as topics:
        assert "no-such-topic" not in topics.list_topics()


def test_a_topic_that_is_created_a_moment_later_is_found(kafka: str) -> None:
    name = f"late-{uuid4().hex[:12]}"
    with connected(kafka) as client, ThreadPoolExecutor(1) as other:
        asked = other.submit(KafkaCluster(client).describe_topic, name)
        assert wait_until(lambda: name in client.topics, 120)
        with admin(kafka) as topics:
            topics.create_topics([NewTopic(name, 2, 1)])
        facts = asked.result(30)
    assert facts is not None
    assert facts.partition_count == 2


def test_a_name_that_kafka_does_not_allow_is_a_mistake_in_the_settings(kafka: str) -> None:
    with connected(kafka) as client, pytest.raises(ConfigError, match="name"):
        KafkaCluster(client).describe_topic("rows of may")


def test_each_producer_identity_is_another(kafka: str) -> None:
    with connected(kafka) as client:
        cluster = KafkaCluster(client)
        first, second = cluster.new_producer_identity(), cluster.new_producer_identity()
    assert first.producer_id >= 0
    assert first.producer_id != second.producer_id


def test_an_empty_partition_has_an_empty_tail(kafka: str) -> None:
    topic = create_topic(kafka)
    with connected(kafka) as client:
        cluster = KafkaCluster(client)
        tail = cluster.read_tail(Lane(topic, 0), 0)
        assert (tail.log_start_offset, tail.end_offset, list(tail.batches)) == (0, 0, [])
        assert list(cluster.last_values(Lane(topic, 0), 3)) == []


def test_the_tail_holds_our_batches_beside_others_and_transaction_markers(kafka: str) -> None:
    """F63."""
    topic = create_topic(kafka)
    with connected(kafka) as client:
        cluster = KafkaCluster(client)
        lane, ours = Lane(topic, 0), cluster.new_producer_identity()
        write(client, topic, ours, range(3), range(3, 5))
        foreign_records(kafka, topic)
        # A coordinator writes its markers a moment after it has said that a transaction has ended.
        assert wait_until(lambda: cluster.end_offset(lane) == 5 + 3 + 2 * 2, 120)
        write(client, topic, ours, range(5, 7))
        end = cluster.end_offset(lane)
        tail = cluster.read_tail(lane, 4)
        values = cluster.last_values(lane, 6)
    assert tail.end_offset == end == tail.batches[-1].last_kafka_offset + 1
    assert tail.batches[0].base_kafka_offset == 3, "the batch that holds Kafka offset 3"
    mine = [batch for batch in tail.batches if batch.producer_id == ours.producer_id]
    assert [(b.base_sequence, b.record_count) for b in mine] == [(3, 2), (5, 2)]
    assert sum(batch.is_control for batch in tail.batches) == 2
    assert list(values) == [b"plain-1", b"plain-2", b"committed", b"aborted", b"0/5", b"0/6"]


def foreign_records(kafka: str, topic: str) -> None:
    plain = KafkaProducer(
        bootstrap_servers=kafka, compression_type="gzip", enable_idempotence=False
    )
    for number in range(3):
        plain.send(topic, f"plain-{number}".encode(), partition=0)
        plain.flush()
    plain.close()
    for end in ("committed", "aborted"):
        producer = KafkaProducer(bootstrap_servers=kafka, transactional_id=f"{end}-{topic}")
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(topic, end.encode(), partition=0)
        producer.flush()
        if end == "committed":
            producer.commit_transaction()
        else:
            producer.abort_transaction()
        producer.close()


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
def test_the_last_values_are_read_through_each_codec(kafka: str, codec: str) -> None:
    topic = create_topic(kafka)
    producer = KafkaProducer(bootstrap_servers=kafka, compression_type=codec, linger_ms=100)
    for number in range(100):
        producer.send(topic, str(number).encode(), partition=0)
    producer.close()
    with connected(kafka) as client:
        values = KafkaCluster(client).last_values(Lane(topic, 0), 3)
    assert list(values) == [b"97", b"98", b"99"]


def test_a_tail_of_several_fetches_is_whole(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    topic = create_topic(kafka)
    monkeypatch.setattr("csvkafka.kafka.tail.FETCH_BYTES", 1_000)
    with connected(kafka) as client:
        cluster = KafkaCluster(client)
        ours = cluster.new_producer_identity()
        write(client, topic, ours, *(range(n, n + 20) for n in range(0, 400, 20)))
        tail = cluster.read_tail(Lane(topic, 0), 0)
    assert [batch.base_sequence for batch in tail.batches] == list(range(0, 400, 20))


def test_a_tail_begins_at_the_log_start_after_records_were_deleted(kafka: str) -> None:
    """F58."""
    topic = create_topic(kafka)
    with connected(kafka) as client:
        cluster = KafkaCluster(client)
        lane, ours = Lane(topic, 0), cluster.new_producer_identity()
        write(client, topic, ours, range(5), range(5, 10), range(10, 15))
        with admin(kafka) as topics:
            topics.delete_records({TopicPartition(topic, 0): 7})
        eventually(lambda: cluster.log_start_offset(lane) == 7)
        tail = cluster.read_tail(lane, 2)
        beyond = cluster.read_tail(lane, 1_000)
    assert (tail.log_start_offset, tail.end_offset) == (7, 15)
    assert [batch.base_sequence for batch in tail.batches] == [5, 10]
    assert (beyond.end_offset, list(beyond.batches)) == (15, [])


def test_questions_outlast_a_restart_of_the_broker(harmed_kafka: Broker) -> None:
    """F29."""
    broker = harmed_kafka
    topic = create_topic(broker.address)
    with connected(broker.address) as client:
        cluster = KafkaCluster(client)
        lane, ours = Lane(topic, 0), cluster.new_producer_identity()
        write(client, topic, ours, range(5))
        broker.kill()
        starting = threading.Thread(target=broker.start)
        starting.start()
        tail = cluster.read_tail(lane, 5)
        again = cluster.new_producer_identity()
        starting.join()
    assert [batch.base_sequence for batch in tail.batches] == [0]
    assert again.producer_id != ours.producer_id


def test_a_broker_that_a_failed_test_left_paused_harms_no_other(harmed_stack: Stack) -> None:
    (broker,) = harmed_stack.brokers
    broker.pause()
    heal(harmed_stack)
    heal(harmed_stack)
    with connected(broker.address, request_timeout_ms=20_000) as client:
        assert KafkaCluster(client).describe_topic(create_topic(broker.address)) is not None
