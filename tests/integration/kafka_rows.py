"""What the Kafka integration tests share: topics, batches, and sending until there are outcomes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.record.default_records import DefaultRecordBatchBuilder

from csvkafka.kafka.client import KafkaClient, KafkaSettings
from csvkafka.kafka.sink import KafkaSink
from csvkafka.model import OutcomeKind, ProduceOutcome, ProducerIdentity, SequencedBatch

DEADLINE_SECONDS = 120.0


@contextmanager
def admin(bootstrap_servers: str) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        yield client
    finally:
        client.close()


def create_topic(bootstrap_servers: str, partitions: int = 1, **config: str) -> str:
    """A new topic under a name of its own; `_` in a setting's name stands for `.`."""
    name = f"rows-{uuid4().hex[:12]}"
    settings = {key.replace("_", "."): value for key, value in config.items()}
    with admin(bootstrap_servers) as client:
        client.create_topics([NewTopic(name, partitions, 1, topic_configs=settings)])
    return name


@contextmanager
def connected(bootstrap_servers: str, **settings: Any) -> Iterator[KafkaClient]:
    client = KafkaClient(KafkaSettings((bootstrap_servers,), **settings))
    try:
        client.connect()
        yield client
    finally:
        client.close()


class LaneWriter:
    """Makes batches whose row k has sequence k and the value `lane/k`."""

    def __init__(self, identity: ProducerIdentity) -> None:
        self._identity = identity

    def batch(self, first_row: int, row_count: int, lane: int = 0) -> SequencedBatch:
        builder = DefaultRecordBatchBuilder(
            2,
            0,
            False,
            self._identity.producer_id,
            self._identity.producer_epoch,
            first_row,
            1 << 30,
        )
        now_ms = int(time.time() * 1000)
        for row in range(row_count):
            builder.append(row, now_ms, None, f"{lane}/{first_row + row}".encode(), [])
        return SequencedBatch(lane, first_row, row_count, bytes(builder.build()))


def outcomes_of(
    sink: KafkaSink, batches: Sequence[SequencedBatch], timeout_seconds: float = DEADLINE_SECONDS
) -> list[ProduceOutcome]:
    """Sends the batches and waits for one outcome of each."""
    deadline = time.monotonic() + timeout_seconds
    sink.send(batches)
    outcomes: list[ProduceOutcome] = []
    while len(outcomes) < len(batches) and time.monotonic() < deadline:
        outcomes += sink.poll(1.0)
    assert len(outcomes) == len(batches)
    return outcomes


def send_until_answered(sink: KafkaSink, batches: Sequence[SequencedBatch]) -> list[ProduceOutcome]:
    """Sends the batches again and again until none is RETRIABLE."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        outcomes = outcomes_of(sink, batches)
        if all(outcome.kind is not OutcomeKind.RETRIABLE for outcome in outcomes):
            return outcomes
        sink.poll(0.1)
    raise AssertionError(f"still not answered: {outcomes}")


def values_in(bootstrap_servers: str, topic: str, partition: int = 0) -> list[str]:
    """All values in the partition, as a plain consumer (read_uncommitted) sees them."""
    place = TopicPartition(topic, partition)
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest", enable_auto_commit=False
    )
    try:
        consumer.assign([place])
        end = consumer.end_offsets([place])[place]
        values: list[str] = []
        deadline = time.monotonic() + DEADLINE_SECONDS
        while consumer.position(place) < end and time.monotonic() < deadline:
            for records in consumer.poll(timeout_ms=500).values():
                values += [record.value.decode() for record in records]
        return values
    finally:
        consumer.close()


def eventually(condition: Callable[[], bool]) -> None:
    """Waits until the condition holds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.05)
