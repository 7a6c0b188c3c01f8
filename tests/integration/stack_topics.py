"""Topics of a stack that is tested itself: names of their own, values sent and read back."""

from __future__ import annotations

from uuid import uuid4

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from csvkafka.local.base import Stack
from csvkafka.local.processes import wait_until


def new_name(kind: str) -> str:
    return f"{kind}-{uuid4().hex[:8]}"


def send(stack: Stack, topic: str, values: list[bytes]) -> None:
    producer = KafkaProducer(bootstrap_servers=stack.bootstrap_servers, acks="all")
    try:
        for future in [producer.send(topic, value, partition=0) for value in values]:
            future.get(60)
    finally:
        producer.close()


def values_in(stack: Stack, topic: str) -> list[bytes]:
    place = TopicPartition(topic, 0)
    consumer = KafkaConsumer(bootstrap_servers=stack.bootstrap_servers)
    try:
        consumer.assign([place])
        consumer.seek_to_beginning(place)
        end = consumer.end_offsets([place])[place]
        values: list[bytes] = []

        def all_read() -> bool:
            for records in consumer.poll(timeout_ms=200).values():
                values.extend(record.value for record in records)
            return consumer.position(place) >= end

        assert wait_until(all_read, 120)
        return values
    finally:
        consumer.close()
