"""A place for one load on the session's stack: bucket, topic, table and job of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from csvkafka.aws.dynamodb_item import DynamoDbItem
from csvkafka.checkpoint import CheckpointManager
from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import CsvKafkaError
from csvkafka.interfaces import Item
from csvkafka.job.parts import JobResult
from csvkafka.local.base import Stack
from csvkafka.processor import CSVToKafkaProcessor
from csvkafka.wiring import run_load
from tests.integration.kafka_rows import values_in


def _name(prefix: str) -> str:
    return f"{prefix}-{uuid4().hex[:12]}"


@dataclass
class LoadPlace:
    """Where one test loads. Its topic, bucket and table exist; the object is `put` by the test."""

    stack: Stack
    partition_count: int = 1
    topic_config: Mapping[str, str] | None = None
    key: str = "exports/data.csv"
    bucket: str = field(default_factory=lambda: _name("data"))
    topic: str = field(default_factory=lambda: _name("rows"))
    table: str = field(default_factory=lambda: _name("checkpoint"))
    job_id: str = field(default_factory=lambda: _name("job"))

    def __post_init__(self) -> None:
        self.stack.create_bucket(self.bucket)
        self.stack.create_topic(self.topic, self.partition_count, self.topic_config)
        self.stack.create_table(self.table)

    def put(self, body: bytes) -> None:
        self.stack.put_object(self.bucket, self.key, body)

    def settings(self, **more: str) -> dict[str, str]:
        """What the environment of a load here must hold."""
        return {
            "S3_BUCKET": self.bucket,
            "S3_KEY": self.key,
            "KAFKA_BOOTSTRAP_SERVERS": self.stack.bootstrap_servers,
            "KAFKA_TOPIC": self.topic,
            "DYNAMODB_TABLE": self.table,
            "JOB_ID": self.job_id,
            **more,
        }

    def load(self, **more: str) -> JobResult:
        """Loads in this process."""
        return run_load(LoadConfig.from_settings(self.settings(**more)))

    def processor(self, **more: Any) -> CSVToKafkaProcessor:
        """The documented class, for a load here."""
        return CSVToKafkaProcessor(
            s3_bucket=self.bucket,
            s3_key=self.key,
            kafka_bootstrap_servers=self.stack.bootstrap_servers,
            kafka_topic=self.topic,
            checkpoint_manager=CheckpointManager(self.table, self.job_id),
            **more,
        )

    def stored_item(self) -> DynamoDbItem:
        return DynamoDbItem(self.table, self.job_id, client=self.stack.client("dynamodb"))

    def item(self) -> Item | None:
        return self.stored_item().get()

    def records(self, partition: int = 0, topic: str | None = None) -> list[dict[str, Any]]:
        """The values in a partition, decoded, as a plain consumer sees them."""
        values = values_in(self.stack.bootstrap_servers, topic or self.topic, partition)
        return [json.loads(value) for value in values]

    def lines(self, partition: int = 0) -> list[int]:
        """`_source_line` of each record in a partition."""
        return [record["_source_line"] for record in self.records(partition)]


def refused(load: Callable[[], object], kind: type[CsvKafkaError], *words: str) -> None:
    """The load stops with exactly that error, whose message holds all the words."""
    with pytest.raises(kind) as caught:
        load()
    assert type(caught.value) is kind
    for word in words:
        assert word in str(caught.value)
