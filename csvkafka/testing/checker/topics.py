"""Several topics as one: partition p of topic k has the number k * `PER_TOPIC` + p.

So of a job with one topic a number is the partition's own. A number does not change when a topic
gets more partitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Self

from csvkafka.errors import ConfigError
from csvkafka.kafka.settings import KafkaSettings
from csvkafka.testing.checker.documented import TopicRecord
from csvkafka.testing.checker.expectation import PER_TOPIC, number_of
from csvkafka.testing.checker.records_ahead import RecordsAhead
from csvkafka.testing.checker.topic_reader import Bounds, Isolation, TopicReader


class TopicsReader:
    """A `TopicReader` of all these topics; a context manager, for one thread. Memory: that of a
    reader for each topic. Raises as `TopicReader`; ConfigError for a topic with too many
    partitions to be numbered."""

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[str],
        isolation: Isolation = Isolation.READ_UNCOMMITTED,
        producer_id: int | None = None,
    ) -> None:
        self.topics = topics
        self._readers = [TopicReader(settings, topic, isolation, producer_id) for topic in topics]
        self._entered = ExitStack()
        self.bounds: dict[int, Bounds] = {}
        """By number; known once the reader is entered."""

    def __enter__(self) -> Self:
        with ExitStack() as entered:
            for topic, reader in enumerate(self._readers):
                entered.enter_context(reader)
                if len(self.topics) > 1 and len(reader.bounds) > PER_TOPIC:
                    raise ConfigError(
                        f"topic {self.topics[topic]} has {len(reader.bounds)} partitions; of jobs "
                        f"with [[route]], take topics of at most {PER_TOPIC} to be judged"
                    )
                for partition, bounds in reader.bounds.items():
                    self.bounds[number_of(topic, partition)] = bounds
            self._entered = entered.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._entered.close()

    def partition_count(self, topic: int) -> int:
        """Of the topic of that number."""
        return len(self._readers[topic].bounds)

    @property
    def record_count(self) -> int:
        """As `TopicReader.record_count`, of all topics."""
        return sum(reader.record_count for reader in self._readers)

    def is_of_another(self, number: int, kafka_offset: int) -> bool:
        """As `TopicReader.is_of_another`."""
        topic, partition = divmod(number, PER_TOPIC)
        return self._readers[topic].is_of_another(partition, kafka_offset)

    def read_batches(self, number: int) -> Iterator[Sequence[TopicRecord]]:
        """As `TopicReader.read_batches`."""
        topic, partition = divmod(number, PER_TOPIC)
        return self._readers[topic].read_batches(partition)

    def records(self) -> dict[int, RecordsAhead]:
        """As `TopicReader.records`, by number."""
        return {
            number_of(topic, partition): records
            for topic, reader in enumerate(self._readers)
            for partition, records in reader.records().items()
        }
