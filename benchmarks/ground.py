"""The ground that all contenders stand on: broker, S3 and DynamoDB on this machine, topics to fill.

The broker runs with the settings that Kafka itself ships for measuring (a heap of 1 GB, both
compilers), on the same cores as the loaders. Each run gets a topic of its own, which is counted
batch by batch afterwards and then deleted.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from uuid import uuid4

from benchmarks import measure
from benchmarks.measure import BenchmarkError
from csvkafka.kafka.client import KafkaClient, KafkaSettings
from csvkafka.kafka.cluster import KafkaCluster
from csvkafka.local.stack import EmbeddedStack
from csvkafka.model import Lane

BUCKET = "bench"
TABLE = "checkpoint"


@dataclass(frozen=True)
class Filled:
    """A topic after a run."""

    records: int
    batches: int
    broker_cpu_seconds: float


class Ground:
    """A running stack that serves the CSV files of `folder`; used as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.stack = EmbeddedStack(jvm_options=("-Xmx1g", "-Xms1g"))
        self._objects: subprocess.Popen[str] | None = None
        self._objects_url = ""

    def __enter__(self) -> Self:
        self.stack.start()
        self._objects = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.objects", str(self._folder)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._objects.stdout is not None
        self._objects_url = f"http://127.0.0.1:{int(self._objects.stdout.readline())}"
        self.stack.create_table(TABLE)
        return self

    def __exit__(self, *_: object) -> None:
        if self._objects is not None:
            self._objects.kill()
            self._objects.wait()
        self.stack.close()

    def environment(self) -> dict[str, str]:
        """What points boto3 and csvkafka here: S3 at the server of repeated files."""
        return {
            **self.stack.environment(),
            "AWS_ENDPOINT_URL_S3": self._objects_url,
            "DYNAMODB_TABLE": TABLE,
            "S3_BUCKET": BUCKET,
        }

    @contextmanager
    def topic(self, partitions: int = 1) -> Iterator[str]:
        """A new topic, deleted in the end."""
        name = f"bench-{uuid4().hex[:12]}"
        self.stack.create_topic(name, partitions)
        try:
            yield name
        finally:
            client = self.stack.admin_client()
            try:
                client.delete_topics([name])
            finally:
                client.close()

    def broker_cpu_seconds(self) -> float:
        """Processor time of the broker so far."""
        return measure.process_cpu_seconds(self.stack.brokers[0].pid)

    def count(self, topic: str, partitions: int = 1) -> tuple[int, int]:
        """Records and batches in the topic, read back with their checksums."""
        client = KafkaClient(KafkaSettings((self.stack.bootstrap_servers,)))
        try:
            client.connect()
            cluster = KafkaCluster(client)
            batches = [
                batch
                for partition in range(partitions)
                for batch in cluster.read_tail(Lane(topic, partition), 0).batches
                if not batch.is_control
            ]
        finally:
            client.close()
        return sum(batch.record_count for batch in batches), len(batches)

    def check_complete(self, topic: str, expected: int, partitions: int = 1) -> int:
        """Returns the number of batches. Raises BenchmarkError if records are missing or too
        many."""
        records, batches = self.count(topic, partitions)
        if records != expected:
            raise BenchmarkError(f"the topic has {records} records, not {expected}")
        return batches
