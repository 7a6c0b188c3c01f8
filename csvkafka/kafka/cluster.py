"""Questions to Kafka outside the hot path: the topic, a producer id, where a partition ends.

Each question is asked again while Kafka cannot answer it now (an election, a restart), for at most
`KafkaSettings.answer_timeout_ms`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from kafka.errors import IncompatibleBrokerVersion
from kafka.protocol.admin import DescribeConfigsRequest, DescribeProducersRequest
from kafka.protocol.consumer import IsolationLevel, ListOffsetsRequest, OffsetSpec
from kafka.protocol.producer import InitProducerIdRequest

from csvkafka.errors import ConfigError, SinkRefusedError, SinkUnavailableError
from csvkafka.kafka import codes
from csvkafka.kafka.client import KafkaClient
from csvkafka.kafka.metadata import TopicMetadata
from csvkafka.kafka.tail import TailReader
from csvkafka.model import BatchHeader, Lane, LaneTail, ProducerIdentity, TopicFacts
from csvkafka.records.record_batch import Record

log = logging.getLogger(__name__)

_NEW_TOPIC_SECONDS = 3.0
_RESOURCE_TYPE_TOPIC = 2
_RESOURCE_TYPE_BROKER = 4
_EXPIRATIONS = ("producer.id.expiration.ms", "transactional.id.expiration.ms")
"""The broker's setting for how long it remembers a producer id, and the one that says so before
Kafka 3.4 (later that is about transactional ids)."""
_NO_TRANSACTION_TIMEOUT_MS = 2**31 - 1


class KafkaCluster:
    """`interfaces.Cluster` on a connected `KafkaClient`; blocks the calling thread."""

    def __init__(self, client: KafkaClient) -> None:
        self._client = client

    def describe_topic(self, topic: str) -> TopicFacts | None:
        """Facts of the topic; None if it does not exist. Never creates it.

        A broker learns of a new topic some moments after its creation was confirmed, so one that it
        does not know is asked for again, for `_NEW_TOPIC_SECONDS`.

        Without the right to read the topic's settings `config` is empty, with a warning in the
        log. Raises ConfigError for a name that Kafka does not allow, SinkUnavailableError,
        SinkRefusedError."""
        deadline = time.monotonic() + _NEW_TOPIC_SECONDS

        def ask() -> TopicMetadata | None:
            metadata = self._topic_metadata(topic)
            unknown = metadata.error_code == codes.UNKNOWN_TOPIC_OR_PARTITION
            return None if unknown and time.monotonic() < deadline else metadata

        metadata = self._client.until_answered(ask, f"topic {topic}")
        if metadata.error_code == codes.UNKNOWN_TOPIC_OR_PARTITION:
            return None
        config, broker = self._client.until_answered(
            lambda: self._settings(topic), f"the settings of topic {topic}"
        )
        expirations = [int(broker[name]) for name in _EXPIRATIONS if name in broker]
        return TopicFacts(
            cluster_id=self._client.cluster_id,
            topic_id=metadata.topic_id,
            partition_count=len(metadata.leaders),
            replication_factor=metadata.replication_factor,
            rights=metadata.rights,
            principal=self._client.settings.principal,
            config=config,
            forgets_after_ms=expirations[0] if expirations else None,
        )

    def new_producer_identity(self) -> ProducerIdentity:
        """A fresh producer id from the cluster (InitProducerId without a transactional id)."""
        return self._client.until_answered(self._init_producer_id, "a producer id")

    def end_offset(self, lane: Lane) -> int:
        """The high watermark: the Kafka offset after the last record that readers see."""
        return self._list_offset(lane, OffsetSpec.LATEST)

    def log_start_offset(self, lane: Lane) -> int:
        """The first Kafka offset that retention has left."""
        return self._list_offset(lane, OffsetSpec.EARLIEST)

    def read_tail(self, lane: Lane, kafka_offset: int) -> LaneTail:
        """Headers of the batches from the one with `kafka_offset` - 1 to the high watermark."""
        reader = TailReader(self._client, lane, self.log_start_offset, self.end_offset)
        return reader.read_tail(kafka_offset)

    def knows_producer(self, lanes: Sequence[Lane], producer_id: int) -> Sequence[bool | None]:
        """Whether each lane's leader has state of the producer id; one question for each leader.

        None where it does not tell: a server before Kafka 2.8, or READ on the topic is missing."""
        answers: dict[Lane, bool | None] = {}

        def ask() -> bool | None:
            for leader, led in self._by_leader(lane for lane in lanes if lane not in answers):
                answers.update(self._describe_producers(leader, led, producer_id))
            return True if len(answers) == len(lanes) else None

        self._client.until_answered(ask, "the producers that the partitions' leaders know")
        return [answers[lane] for lane in lanes]

    def last_values(self, lane: Lane, record_count: int) -> Sequence[bytes]:
        """Values of up to the last `record_count` records, oldest first; markers are none."""
        reader = TailReader(self._client, lane, self.log_start_offset, self.end_offset)
        return reader.last_values(record_count)

    def read_batches(
        self, lane: Lane, first: int, end: int
    ) -> Iterator[tuple[BatchHeader, Callable[[], list[Record]]]]:
        """See `TailReader.read_batches`."""
        reader = TailReader(self._client, lane, self.log_start_offset, self.end_offset)
        return reader.read_batches(first, end)

    def _topic_metadata(self, topic: str) -> TopicMetadata:
        self._client.refresh([topic], with_rights=True)
        metadata = self._client.topics[topic]
        code = metadata.error_code
        if code in (codes.NO_ERROR, codes.UNKNOWN_TOPIC_OR_PARTITION):
            return metadata
        if code == codes.INVALID_TOPIC:
            raise ConfigError(
                f"{topic!r} is not a name that Kafka allows for a topic: check KAFKA_TOPIC, "
                "DEAD_LETTER_TOPIC and [[route]] in CSV_COLUMNS (at most 249 letters, digits, '.', "
                "'_' and '-')"
            )
        if codes.is_authorization(code):
            raise codes.not_authorized(f"topic {topic}", code, "DESCRIBE")
        raise SinkUnavailableError(f"topic {topic}: {codes.name_of(code)}")

    def _settings(self, topic: str) -> tuple[dict[str, str], dict[str, str]]:
        """The topic's settings, and of the broker that is asked those of `_EXPIRATIONS`: empty
        without the right to read them."""
        broker_id = self._client.any_broker()
        resource = DescribeConfigsRequest.DescribeConfigsResource
        resources = [
            resource(
                resource_type=_RESOURCE_TYPE_TOPIC, resource_name=topic, configuration_keys=None
            )
        ]
        if broker_id is not None:
            resources.append(
                resource(
                    resource_type=_RESOURCE_TYPE_BROKER,
                    resource_name=str(broker_id),
                    configuration_keys=list(_EXPIRATIONS),
                )
            )
        response = self._client.call(
            DescribeConfigsRequest(
                resources=resources, include_synonyms=False, include_documentation=False
            ),
            broker_id,
        )
        results = {result.resource_type: result for result in response.results}
        broker = results.get(_RESOURCE_TYPE_BROKER)
        told = broker is not None and broker.error_code == codes.NO_ERROR
        expirations = _values(broker) if told else {}
        return self._topic_config(topic, results[_RESOURCE_TYPE_TOPIC]), expirations

    def _topic_config(self, topic: str, result: Any) -> dict[str, str]:
        if codes.is_authorization(result.error_code):
            log.warning(
                "The settings of topic %s cannot be checked: %s. Grant DESCRIBE_CONFIGS on it.",
                topic,
                codes.name_of(result.error_code),
            )
            return {}
        if result.error_code != codes.NO_ERROR:
            raise SinkUnavailableError(f"topic {topic}: {codes.name_of(result.error_code)}")
        return _values(result)

    def _init_producer_id(self) -> ProducerIdentity:
        # An id whose answer is lost is not used by anybody: asking again does no harm.
        response = self._client.call(
            InitProducerIdRequest(
                transactional_id=None, transaction_timeout_ms=_NO_TRANSACTION_TIMEOUT_MS
            )
        )
        code = response.error_code
        if codes.is_authorization(code):
            raise codes.not_authorized(
                "a producer id", code, "WRITE on the topic (before Kafka 3.0: IDEMPOTENT_WRITE)"
            )
        if code != codes.NO_ERROR:
            raise SinkUnavailableError(f"no producer id: {codes.name_of(code)}")
        return ProducerIdentity(response.producer_id, response.producer_epoch)

    def _by_leader(self, lanes: Iterable[Lane]) -> list[tuple[int, list[Lane]]]:
        """The lanes by the nodes that lead them. Raises SinkUnavailableError if one has none."""
        led: dict[int, list[Lane]] = {}
        for lane in lanes:
            if self._client.leader(lane) is None:
                self._client.refresh([lane.topic])
            leader = self._client.leader(lane)
            if leader is None:
                raise SinkUnavailableError(
                    f"partition {lane.partition} of topic {lane.topic} has no leader"
                )
            led.setdefault(leader, []).append(lane)
        return list(led.items())

    def _describe_producers(
        self, leader: int, lanes: Sequence[Lane], producer_id: int
    ) -> dict[Lane, bool | None]:
        """What one leader says; lanes of which it cannot speak now are left out."""
        topics: dict[str, list[int]] = {}
        for lane in lanes:
            topics.setdefault(lane.topic, []).append(lane.partition)
        request = DescribeProducersRequest(
            topics=[
                DescribeProducersRequest.TopicRequest(name=topic, partition_indexes=partitions)
                for topic, partitions in topics.items()
            ]
        )
        try:
            response = self._client.call(request, leader)
        except SinkRefusedError as error:
            if isinstance(error.__cause__, IncompatibleBrokerVersion):
                return dict.fromkeys(lanes)
            raise
        except SinkUnavailableError:
            for lane in lanes:
                self._client.forget_leader(lane)
            raise
        said: dict[Lane, bool | None] = {}
        for topic in response.topics:
            for partition in topic.partitions:
                lane = Lane(topic.name, partition.partition_index)
                code = partition.error_code
                if code == codes.NO_ERROR:
                    ids = {producer.producer_id for producer in partition.active_producers}
                    said[lane] = producer_id in ids
                elif codes.is_retriable(code):
                    self._client.forget_leader(lane)
                else:
                    log.warning(
                        "Whether partition %d of topic %s has forgotten this job's producer id "
                        "cannot be asked: %s. Its answer to the first batch decides.",
                        lane.partition,
                        lane.topic,
                        codes.name_of(code),
                    )
                    said[lane] = None
        return said

    def _list_offset(self, lane: Lane, which: OffsetSpec) -> int:
        def make_request(_: UUID | None) -> Any:
            topic = ListOffsetsRequest.ListOffsetsTopic
            partition = topic.ListOffsetsPartition(
                partition_index=lane.partition, timestamp=int(which)
            )
            return ListOffsetsRequest(
                isolation_level=IsolationLevel.READ_UNCOMMITTED,
                topics=[topic(name=lane.topic, partitions=[partition])],
                timeout_ms=self._client.settings.request_timeout_ms // 2,
                min_version=1,  # the first that answers with one offset
            )

        answer = self._client.call_leader(
            lane, make_request, lambda response: response.topics[0].partitions[0], "DESCRIBE"
        )
        return int(answer.offset)


def _values(result: Any) -> dict[str, str]:
    """The settings that a resource of the answer tells."""
    return {entry.name: entry.value for entry in result.configs if entry.value is not None}
