"""Asks a server, on a scratch topic, how far it keeps Kafka's rules for idempotent producers.

csvkafka's promise hangs on them, and some servers that speak Kafka's protocol take sequence numbers
but do not check them. Nothing that others have written is deleted: records are deleted only in a
partition that held none when its case began.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Protocol
from uuid import UUID

from kafka import errors as kafka_errors
from kafka.protocol.admin import DeleteRecordsRequest, DescribeProducersRequest
from kafka.protocol.producer import ProduceRequest
from kafka.record.default_records import DefaultRecordBatchBuilder

from csvkafka.errors import ConfigError, SinkRefusedError
from csvkafka.kafka import codes
from csvkafka.kafka.client import KafkaClient
from csvkafka.kafka.cluster import KafkaCluster
from csvkafka.kafka.probe_cases import (
    CASES,
    EMPTIED,
    NOT_THERE,
    RECOGNISED,
    STORED,
    UNKNOWN,
    Ask,
    Case,
    CaseResult,
    Place,
    Send,
    known,
    result,
    skipped,
)
from csvkafka.model import Lane

PARTITION_COUNT = 3
"""A new topic with so many partitions has a place for each case."""

_LOOKED_AT = 32
"""Partitions beyond are not looked at for a place."""

_TO_THE_END = -1
_AUTHORIZATION = tuple(code for code in range(128) if codes.is_authorization(code))
_ANSWERS = tuple(
    code for code in range(-1, 128) if not codes.is_retriable(code) and code not in _AUTHORIZATION
)
"""Errors that answer a question; any other may pass, and is asked again, or is an ACL's."""


def probe(client: KafkaClient, topic: str) -> Iterator[CaseResult]:
    """Asks each case, with a few records in the scratch topic, and yields what came of it.

    A case for which the topic has no place is skipped, with the remedy. Raises ConfigError if there
    is no such topic; SinkUnavailableError, SinkRefusedError."""
    cluster = KafkaCluster(client)
    facts = cluster.describe_topic(topic)
    remedy = (
        f"create a new one with {PARTITION_COUNT} partitions: kafka-topics.sh --bootstrap-server "
        f"{client.settings.bootstrap_servers[0]} --create --topic NAME --partitions "
        f"{PARTITION_COUNT}"
    )
    if facts is None:
        raise ConfigError(f"scratch topic {topic} does not exist; {remedy}")
    places = _places(cluster, topic, facts.partition_count)
    for case in CASES:
        lane = places.get(case.place)
        if lane is None:
            yield skipped(case, f"No partition, 0 aside, {case.place}; {remedy}.")
        else:
            yield ask(case, _Producer(client, cluster, lane))


def _places(cluster: KafkaCluster, topic: str, partition_count: int) -> dict[Place, Lane]:
    """Partition 0 for most; of the others one that is empty, and one that was never written to."""
    places = {Place.WRITTEN: Lane(topic, 0)}
    never_written = []
    for partition in range(1, min(partition_count, _LOOKED_AT)):
        lane = Lane(topic, partition)
        end = cluster.end_offset(lane)
        if end == 0:
            never_written.append(lane)
        elif end == cluster.log_start_offset(lane):
            places.setdefault(Place.EMPTY, lane)
    if never_written:
        places[Place.NEVER_WRITTEN] = never_written.pop()
    if never_written:
        places.setdefault(Place.EMPTY, never_written[0])
    return places


def ask(case: Case, producer: Producer) -> CaseResult:
    """Does what the case says, by a producer id that is not used yet, and judges the answers."""
    answers: list[str] = []
    for step in case.steps:
        if isinstance(step, Send):
            answers.append(producer.send(step))
        elif step is Ask.DESCRIBE_PRODUCERS:
            answers.append(producer.describe())
        else:
            answers.append(producer.delete_records())
            if answers[-1] != EMPTIED:
                return skipped(
                    case,
                    f"Records could not be deleted ({answers[-1]}): grant DELETE on the topic.",
                )
    return result(case, answers)


class Producer(Protocol):
    """A producer id in one partition; the answers are those of `probe_cases`."""

    def send(self, step: Send) -> str:
        """What a batch of one record is answered."""

    def describe(self) -> str:
        """What DescribeProducers says about the id."""

    def delete_records(self) -> str:
        """What the deletion of all records is answered."""


class _Producer:
    """A new producer id in one partition. What it is answered is compared with the log: an answer
    without an error says that a batch was stored, or that it was known; the log says which."""

    def __init__(self, client: KafkaClient, cluster: KafkaCluster, lane: Lane) -> None:
        self._client = client
        self._cluster = cluster
        self._lane = lane
        self._producer_id = cluster.new_producer_identity().producer_id
        self._begun_at = cluster.end_offset(lane)
        self._batch_count = 0

    def send(self, step: Send) -> str:
        """STORED, RECOGNISED, or Kafka's name of the error."""
        code = self._produce(step)
        before, self._batch_count = self._batch_count, self._batches_in_log()
        is_stored = self._batch_count > before
        if code == codes.NO_ERROR:
            return STORED if is_stored else RECOGNISED
        return codes.kafka_name(code) + (f" and {STORED}" if is_stored else "")

    def describe(self) -> str:
        """What DescribeProducers says about this producer id, or Kafka's name of the error."""

        def make_request(_: UUID | None) -> Any:
            topic = DescribeProducersRequest.TopicRequest
            return DescribeProducersRequest(
                topics=[topic(name=self._lane.topic, partition_indexes=[self._lane.partition])]
            )

        answer = self._ask(make_request, "READ")
        if isinstance(answer, str):
            return answer
        for state in answer.active_producers:
            if state.producer_id == self._producer_id:
                return known(state.producer_epoch, state.last_sequence)
        return UNKNOWN

    def delete_records(self) -> str:
        """Empties the partition: EMPTIED, or Kafka's name of the error."""

        def make_request(_: UUID | None) -> Any:
            topic = DeleteRecordsRequest.DeleteRecordsTopic
            partition = topic.DeleteRecordsPartition(
                partition_index=self._lane.partition, offset=_TO_THE_END
            )
            return DeleteRecordsRequest(
                topics=[topic(name=self._lane.topic, partitions=[partition])],
                timeout_ms=self._client.settings.request_timeout_ms // 2,
            )

        answer = self._ask(make_request, "DELETE")
        self._batch_count = self._batches_in_log()
        return answer if isinstance(answer, str) else EMPTIED

    def _produce(self, step: Send) -> int:
        def make_request(topic_uuid: UUID | None) -> Any:
            topic = ProduceRequest.TopicProduceData
            partition = topic.PartitionProduceData(
                index=self._lane.partition, records=self._one_record(step)
            )
            return ProduceRequest(
                transactional_id=None,
                acks=-1,
                timeout_ms=self._client.settings.request_timeout_ms // 2,
                topic_data=[
                    topic(name=self._lane.topic, topic_id=topic_uuid, partition_data=[partition])
                ],
                min_version=3,  # the first with record batch v2
            )

        answer = self._client.call_leader(
            self._lane,
            make_request,
            lambda response: response.responses[0].partition_responses[0],
            "WRITE",
            expected=_ANSWERS,
        )
        return int(answer.error_code)

    def _ask(self, make_request: Any, operation: str) -> Any:
        """The partition's answer, or Kafka's name of the error; NOT_THERE: no such request."""
        try:
            answer = self._client.call_leader(
                self._lane,
                make_request,
                lambda response: response.topics[0].partitions[0],
                operation,
                expected=(*_ANSWERS, *_AUTHORIZATION),
            )
        except SinkRefusedError as error:
            if isinstance(error.__cause__, kafka_errors.IncompatibleBrokerVersion):
                return NOT_THERE
            raise
        code = answer.error_code
        return answer if code == codes.NO_ERROR else codes.kafka_name(code)

    def _batches_in_log(self) -> int:
        tail = self._cluster.read_tail(self._lane, self._begun_at)
        return len([batch for batch in tail.batches if batch.producer_id == self._producer_id])

    def _one_record(self, step: Send) -> bytes:
        """By kafka-python's encoder, so that the probe depends on no code that it vouches for."""
        builder = DefaultRecordBatchBuilder(
            magic=2,
            compression_type=0,
            is_transactional=False,
            producer_id=self._producer_id,
            producer_epoch=step.epoch,
            base_sequence=step.sequence,
            batch_size=1_000,
        )
        builder.append(0, int(time.time() * 1000), None, b"csvkafka probe", [])
        return bytes(builder.build())
