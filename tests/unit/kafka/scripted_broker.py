"""A Kafka broker on a loopback port that answers as a test tells it.

Speaks the real protocol by kafka-python's schemas: ApiVersions, SASL PLAIN, Metadata, Produce,
ListOffsets, Fetch, InitProducerId, DescribeConfigs, DeleteRecords and DescribeProducers. For
answers that a real broker cannot be made to give at will (throttling, lost answers, damaged bytes,
errors by name).
"""

from __future__ import annotations

import io
import itertools
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from kafka.protocol.admin import (
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DescribeConfigsRequest,
    DescribeConfigsResponse,
    DescribeProducersRequest,
    DescribeProducersResponse,
)
from kafka.protocol.consumer import (
    FetchRequest,
    FetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
)
from kafka.protocol.metadata import (
    ApiVersionsRequest,
    ApiVersionsResponse,
    MetadataRequest,
    MetadataResponse,
)
from kafka.protocol.producer import (
    InitProducerIdRequest,
    InitProducerIdResponse,
    ProduceRequest,
    ProduceResponse,
)
from kafka.protocol.sasl import (
    SaslAuthenticateRequest,
    SaslAuthenticateResponse,
    SaslHandshakeRequest,
    SaslHandshakeResponse,
)

VERSIONS = {
    0: (3, 13),
    1: (4, 12),
    2: (1, 9),
    3: (4, 13),
    17: (0, 1),
    18: (0, 4),
    21: (0, 2),
    22: (0, 4),
    32: (1, 4),
    36: (0, 2),
    61: (0, 0),
}
_REQUESTS = {
    0: ProduceRequest,
    1: FetchRequest,
    2: ListOffsetsRequest,
    3: MetadataRequest,
    17: SaslHandshakeRequest,
    18: ApiVersionsRequest,
    21: DeleteRecordsRequest,
    22: InitProducerIdRequest,
    32: DescribeConfigsRequest,
    36: SaslAuthenticateRequest,
    61: DescribeProducersRequest,
}

DROP = object()
"""Returned by `ScriptedBroker.answer`: close the connection instead of answering."""

SILENCE = object()
"""Returned by `ScriptedBroker.answer`: read the request, never answer."""


@dataclass
class ScriptedBroker:
    """`answer(topic, partition, records)` decides each batch: an error code, 0 with the next
    offset, DROP or SILENCE. `topics` maps a name to its UUID; each has 4 partitions, led here.
    `leaders` says otherwise, and `peers` where the other brokers are.
    `authenticate()` decides each SASL PLAIN authentication by an error code.
    `fetch(kafka_offset)` gives an error code or records; `bounds()` an error code, or the log's
    start and its high watermark; `delete_records()` an error code; `producers()` an error code, or
    (producer id, epoch, last sequence) of each. They are asked about partition `asked_partition`.
    `settings()` gives an error code, or the broker's own. Producer ids count from 7."""

    port: int = 0
    topics: dict[str, UUID] = field(default_factory=lambda: {"rows": uuid4()})
    versions: dict[int, tuple[int, int]] = field(default_factory=lambda: dict(VERSIONS))
    answer: Callable[[str, int, bytes], Any] = lambda _topic, _partition, _records: 0
    node_id: int = 1
    leaders: dict[int, int] = field(default_factory=dict)
    peers: list[ScriptedBroker] = field(default_factory=list)
    fetch: Callable[[int], int | bytes] = lambda _kafka_offset: b""
    bounds: Callable[[], int | tuple[int, int]] = lambda: (0, 0)
    delete_records: Callable[[], int] = lambda: 0
    producers: Callable[[], int | list[tuple[int, int, int]]] = list
    settings: Callable[[], int | dict[str, str]] = dict
    asked_partition: int = 0
    producer_ids: Iterator[int] = field(default_factory=lambda: itertools.count(7))
    authenticate: Callable[[], int] = lambda: 0
    session_lifetime_ms: int = 0
    throttle_ms: int = 0
    produced: list[tuple[str, int, bytes]] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    metadata_count: int = 0
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def reply(self, api_key: int, version: int, body: bytes) -> Any:
        request = _REQUESTS[api_key].decode(body, version=version)
        if api_key == 18:
            keys = [
                ApiVersionsResponse.ApiVersion(api_key=key, min_version=low, max_version=high)
                for key, (low, high) in self.versions.items()
            ]
            return ApiVersionsResponse(error_code=0, api_keys=keys)
        if api_key == 3:
            self.metadata_count += 1
            return self._metadata(request)
        if api_key == 17:
            return SaslHandshakeResponse(error_code=0, mechanisms=["PLAIN"])
        if api_key == 36:
            return SaslAuthenticateResponse(
                error_code=self.authenticate(),
                error_message=None,
                auth_bytes=b"",
                session_lifetime_ms=self.session_lifetime_ms,
            )
        if api_key == 22:
            return InitProducerIdResponse(
                error_code=0, producer_id=next(self.producer_ids), producer_epoch=0
            )
        if api_key == 21:
            return self._delete_records(request)
        if api_key == 61:
            return self._describe_producers(request)
        if api_key == 32:
            return self._describe_configs(request)
        if api_key == 2:
            return self._list_offsets(request)
        if api_key == 1:
            return self._fetch(request)
        return self._produce(request)

    def _describe_configs(self, request: Any) -> Any:
        result = DescribeConfigsResponse.DescribeConfigsResult
        results = []
        for asked in request.resources:
            is_broker = asked.resource_type == 4
            told = self.settings() if is_broker else {}
            assert not is_broker or asked.resource_name == str(self.node_id)
            results.append(
                result(
                    error_code=told if isinstance(told, int) else 0,
                    error_message=None,
                    resource_type=asked.resource_type,
                    resource_name=asked.resource_name,
                    configs=[
                        result.DescribeConfigsResourceResult(name=name, value=value)
                        for name, value in ({} if isinstance(told, int) else told).items()
                    ],
                )
            )
        return DescribeConfigsResponse(results=results)

    def _delete_records(self, request: Any) -> Any:
        (asked,) = request.topics
        (partition,) = asked.partitions
        self.asked_partition = partition.partition_index
        topic = DeleteRecordsResponse.DeleteRecordsTopicResult
        answer = topic.DeleteRecordsPartitionResult(
            partition_index=partition.partition_index,
            low_watermark=-1,
            error_code=self.delete_records(),
        )
        return DeleteRecordsResponse(topics=[topic(name=asked.name, partitions=[answer])])

    def _describe_producers(self, request: Any) -> Any:
        topic = DescribeProducersResponse.TopicResponse
        return DescribeProducersResponse(
            topics=[
                topic(
                    name=asked.name,
                    partitions=[self._producers_of(number) for number in asked.partition_indexes],
                )
                for asked in request.topics
            ]
        )

    def _producers_of(self, partition: int) -> Any:
        self.asked_partition = partition
        producers = self.producers()
        answer = DescribeProducersResponse.TopicResponse.PartitionResponse
        return answer(
            partition_index=partition,
            error_code=producers if isinstance(producers, int) else 0,
            active_producers=[
                answer.ProducerState(
                    producer_id=producer_id,
                    producer_epoch=epoch,
                    last_sequence=last_sequence,
                    coordinator_epoch=-1,
                )
                for producer_id, epoch, last_sequence in (
                    [] if isinstance(producers, int) else producers
                )
            ],
        )

    def _list_offsets(self, request: Any) -> Any:
        (asked,) = request.topics
        (partition,) = asked.partitions
        self.asked_partition = partition.partition_index
        bounds = self.bounds()
        topic = ListOffsetsResponse.ListOffsetsTopicResponse
        answer = topic.ListOffsetsPartitionResponse(
            partition_index=partition.partition_index,
            error_code=bounds if isinstance(bounds, int) else 0,
            offset=-1 if isinstance(bounds, int) else bounds[partition.timestamp == -1],
        )
        return ListOffsetsResponse(topics=[topic(name=asked.name, partitions=[answer])])

    def _fetch(self, request: Any) -> Any:
        (asked,) = request.topics
        (partition,) = asked.partitions
        self.asked_partition = partition.partition
        records = self.fetch(partition.fetch_offset)
        topic = FetchResponse.FetchableTopicResponse
        answer = topic.PartitionData(
            partition_index=partition.partition,
            error_code=records if isinstance(records, int) else 0,
            high_watermark=0,
            aborted_transactions=None,
            records=b"" if isinstance(records, int) else records,
        )
        return FetchResponse(
            error_code=0, session_id=0, responses=[topic(topic=asked.topic, partitions=[answer])]
        )

    def _metadata(self, request: Any) -> Any:
        topic_class = MetadataResponse.MetadataResponseTopic
        topics = []
        for asked in request.topics:
            uuid = self.topics.get(asked.name)
            partitions = [
                topic_class.MetadataResponsePartition(
                    error_code=0,
                    partition_index=index,
                    leader_id=self.leaders.get(index, self.node_id),
                    replica_nodes=[1],
                    isr_nodes=[1],
                    offline_replicas=[],
                )
                for index in range(4 if uuid else 0)
            ]
            topics.append(
                topic_class(
                    error_code=0 if uuid else 3,
                    name=asked.name,
                    topic_id=uuid,
                    is_internal=False,
                    partitions=partitions,
                )
            )
        brokers = [
            MetadataResponse.MetadataResponseBroker(
                node_id=broker.node_id, host="127.0.0.1", port=broker.port, rack=None
            )
            for broker in (self, *self.peers)
        ]
        return MetadataResponse(
            brokers=brokers, cluster_id="scripted", controller_id=1, topics=topics, error_code=0
        )

    def _produce(self, request: Any) -> Any:
        names = {uuid: name for name, uuid in self.topics.items()}
        response_class = ProduceResponse.TopicProduceResponse
        topics = []
        self.requests.append(sum(len(topic.partition_data) for topic in request.topic_data))
        for topic in request.topic_data:
            name: Any = topic.name or names.get(topic.topic_id)
            answers = []
            for partition in topic.partition_data:
                records = bytes(partition.records)
                code = 100 if name is None else self.answer(name, partition.index, records)
                if code in (DROP, SILENCE):
                    return code
                offset = -1
                if code == 0:
                    self.produced.append((name, partition.index, records))
                    offset = self.offsets.get((name, partition.index), 0)
                    self.offsets[name, partition.index] = offset + 1
                answers.append(
                    response_class.PartitionProduceResponse(
                        index=partition.index, error_code=code, base_offset=offset, record_errors=[]
                    )
                )
            topics.append(
                response_class(
                    name=topic.name, topic_id=topic.topic_id, partition_responses=answers
                )
            )
        return ProduceResponse(responses=topics, throttle_time_ms=self.throttle_ms)


@contextmanager
def scripted_broker() -> Iterator[ScriptedBroker]:
    """A broker that listens until the block ends."""
    broker = ScriptedBroker()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while header := self.rfile.read(4):
                data = self.rfile.read(struct.unpack(">i", header)[0])
                api_key, version, correlation_id = struct.unpack_from(">hhi", data)
                stream = io.BytesIO(data)
                _REQUESTS[api_key].parse_header(stream, version=version)
                reply = broker.reply(api_key, version, stream.read())
                if reply is DROP:
                    return
                if reply is not SILENCE:
                    reply.API_VERSION = version
                    reply.with_header(correlation_id=correlation_id)
                    self.wfile.write(reply.encode(header=True, framed=True))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that leaves in the middle of a request is no error here."""

    with Server(("127.0.0.1", 0), Handler) as server:
        broker.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield broker
        finally:
            server.shutdown()
            thread.join()
