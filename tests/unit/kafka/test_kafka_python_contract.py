"""All that csvkafka uses of kafka-python beyond its documented API.

If one of these fails after an upgrade, read `client`, `sink`, `cluster` and `tail` of
csvkafka/kafka against the new release before widening the range in pyproject.toml.
"""

from __future__ import annotations

import inspect
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from kafka import errors as kafka_errors
from kafka.future import Future
from kafka.net import manager as manager_module
from kafka.net.connection import KafkaConnection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.protocol.admin import DescribeConfigsRequest
from kafka.protocol.consumer import FetchRequest, IsolationLevel, ListOffsetsRequest, OffsetSpec
from kafka.protocol.metadata import MetadataRequest, MetadataResponse
from kafka.protocol.producer import InitProducerIdRequest, ProduceRequest, ProduceResponse

from csvkafka.kafka.settings import KafkaSettings
from tests.unit.kafka.scripted_broker import SILENCE, ScriptedBroker, scripted_broker


@pytest.fixture
def net() -> Iterator[NetworkSelector]:
    selector = NetworkSelector(client_id="contract", slow_task_threshold_secs=0)
    yield selector
    selector.close()


@pytest.fixture
def broker() -> Iterator[ScriptedBroker]:
    with scripted_broker() as running:
        yield running


def connected(net: NetworkSelector, broker: ScriptedBroker, **config: Any) -> KafkaConnection:
    manager = KafkaConnectionManager(net, bootstrap_servers=[broker.address], **config)
    (bootstrap,) = manager.cluster.bootstrap_brokers()
    connection = manager.get_connection(bootstrap.node_id, refresh_metadata_on_err=False)
    assert connection.initializing
    assert not connection.connected
    net.poll(timeout_ms=60_000, future=connection.init_future)
    assert connection.connected
    return connection


def metadata_request() -> Any:
    return MetadataRequest(
        topics=[MetadataRequest.MetadataRequestTopic(name="rows")],
        allow_auto_topic_creation=False,
        include_cluster_authorized_operations=False,
        include_topic_authorized_operations=False,
        min_version=4,
    )


def produce_request(records: bytes = b"x") -> Any:
    topic = ProduceRequest.TopicProduceData
    return ProduceRequest(
        transactional_id=None,
        acks=-1,
        timeout_ms=1000,
        topic_data=[
            topic(
                name="rows",
                topic_id=uuid4(),
                partition_data=[topic.PartitionProduceData(index=0, records=records)],
            )
        ],
        min_version=3,
    )


def test_each_setting_that_we_pass_is_one_that_the_manager_knows() -> None:
    config = KafkaSettings(("localhost:9092",)).connection_config()
    assert set(config) <= set(KafkaConnectionManager.DEFAULT_CONFIG)
    passed_on = {"max_in_flight_requests_per_connection", "receive_message_max_bytes"}
    assert passed_on <= set(KafkaConnection.DEFAULT_CONFIG)


def test_the_network_moves_only_in_poll_and_poll_waits(net: NetworkSelector) -> None:
    begun = time.monotonic()
    net.poll(timeout_ms=100)
    assert time.monotonic() - begun >= 0.09


def test_wakeup_ends_a_poll_from_another_thread(net: NetworkSelector) -> None:
    timer = threading.Timer(0.1, net.wakeup)
    timer.start()
    begun = time.monotonic()
    net.poll(timeout_ms=10_000)
    timer.join()
    assert time.monotonic() - begun < 5


def test_a_timer_ends_a_poll(net: NetworkSelector) -> None:
    rung: list[bool] = []
    net.call_later(0.1, lambda: rung.append(True))
    begun = time.monotonic()
    while not rung and time.monotonic() - begun < 5:
        net.poll(timeout_ms=10_000)
    assert rung


def test_a_coroutine_runs_to_a_future_and_may_sleep(net: NetworkSelector) -> None:
    async def question() -> int:
        await net.sleep(0.01)
        return 7

    future = net.call_soon_with_future(question())
    assert isinstance(future, Future)
    net.poll(timeout_ms=60_000, future=future)
    assert future.is_done
    assert future.value == 7


def test_futures_call_back_at_once_when_they_are_done_and_keep_the_order() -> None:
    seen: list[str] = []
    future = Future()
    future.add_callback(lambda value: seen.append(f"first {value}"))
    future.add_callback(lambda value: seen.append(f"second {value}"))
    future.success(1)
    future.add_callback(lambda value: seen.append(f"late {value}"))
    failed = Future().failure(ValueError("no"))
    failed.add_errback(lambda error: seen.append(str(error)))
    assert seen == ["first 1", "second 1", "late 1", "no"]


def test_a_paused_connection_refuses_and_unpauses_itself(
    net: NetworkSelector, broker: ScriptedBroker
) -> None:
    connection = connected(net, broker)
    assert connection.paused == set()
    broker.throttle_ms = 100
    net.poll(timeout_ms=60_000, future=connection.send_request(produce_request()))
    assert connection.paused == {"throttle"}
    refused = connection.send_request(produce_request())
    assert isinstance(refused.exception, kafka_errors.NodeNotReadyError)
    deadline = time.monotonic() + 60
    while connection.paused and time.monotonic() < deadline:
        net.poll(timeout_ms=1000)
    assert not connection.paused


def test_a_request_timeout_closes_the_connection_and_fails_the_requests_in_order(
    net: NetworkSelector, broker: ScriptedBroker
) -> None:
    broker.versions[0] = (3, 9)
    broker.answer = lambda *_: SILENCE
    connection = connected(net, broker)
    failed: list[int] = []
    for number in range(3):
        future = connection.send_request(produce_request(), request_timeout_ms=200)
        future.add_errback(lambda _, number=number: failed.append(number))
    assert len(connection.in_flight_requests) == 3
    net.poll(timeout_ms=60_000, future=future)
    assert failed == [0, 1, 2]
    assert not connection.connected


def test_a_closed_connection_is_replaced_by_a_new_one(
    net: NetworkSelector, broker: ScriptedBroker
) -> None:
    manager = KafkaConnectionManager(net, bootstrap_servers=[broker.address])
    (bootstrap,) = manager.cluster.bootstrap_brokers()
    first = manager.get_connection(bootstrap.node_id, refresh_metadata_on_err=False)
    assert manager.get_connection(bootstrap.node_id, refresh_metadata_on_err=False) is first
    net.poll(timeout_ms=60_000, future=first.init_future)
    first.close()
    assert manager.get_connection(bootstrap.node_id, refresh_metadata_on_err=False) is not first


def test_a_connection_that_never_came_up_can_be_closed(net: NetworkSelector) -> None:
    manager = KafkaConnectionManager(net, bootstrap_servers=["127.0.0.1:1"])
    connection = manager.get_connection("bootstrap-0", refresh_metadata_on_err=False)
    connection.close(kafka_errors.KafkaConnectionError("given up"))
    assert str(connection.init_future.exception) == "KafkaConnectionError: given up"


def test_a_refused_connection_fails_its_init_future_and_backs_off(net: NetworkSelector) -> None:
    manager = KafkaConnectionManager(net, bootstrap_servers=["127.0.0.1:1"])
    connection = manager.get_connection("bootstrap-0", refresh_metadata_on_err=False)
    net.poll(timeout_ms=60_000, future=connection.init_future)
    assert isinstance(connection.init_future.exception, kafka_errors.KafkaConnectionError)
    net.poll(timeout_ms=0)
    with pytest.raises(kafka_errors.NodeNotReadyError):
        manager.get_connection("bootstrap-0", refresh_metadata_on_err=False)


def test_metadata_is_read_by_one_request_and_makes_the_brokers_known(
    net: NetworkSelector, broker: ScriptedBroker
) -> None:
    manager = KafkaConnectionManager(net, bootstrap_servers=[broker.address])
    connection = manager.get_connection("bootstrap-0", refresh_metadata_on_err=False)
    net.poll(timeout_ms=60_000, future=connection.init_future)
    future = connection.send_request(metadata_request())
    net.poll(timeout_ms=60_000, future=future)
    response = future.value
    manager.cluster.update_metadata(response)
    (known,) = manager.cluster.brokers()
    assert (known.node_id, known.host, known.port) == (1, "127.0.0.1", broker.port)
    assert response.cluster_id == "scripted"
    (topic,) = response.topics
    assert (topic.error_code, topic.name, topic.topic_id) == (0, "rows", broker.topics["rows"])
    assert [p.partition_index for p in topic.partitions] == [0, 1, 2, 3]
    assert {p.leader_id for p in topic.partitions} == {1}
    assert [p.replica_nodes for p in topic.partitions] == [[1]] * 4


def test_the_manager_does_nothing_in_the_background(
    net: NetworkSelector, broker: ScriptedBroker
) -> None:
    """No bootstrap and no refresh loop of its own, even when a connection is lost."""
    manager = KafkaConnectionManager(net, bootstrap_servers=[broker.address])
    connection = manager.get_connection("bootstrap-0", refresh_metadata_on_err=False)
    net.poll(timeout_ms=60_000, future=connection.init_future)
    connection.close(kafka_errors.KafkaConnectionError("lost"))
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        net.poll(timeout_ms=50)
    assert broker.metadata_count == 0


def test_the_tls_error_is_the_context_of_the_handshakes_error() -> None:
    source = inspect.getsource(KafkaConnectionManager._build_transport)
    assert "except Exception as e:\n            raise Errors.KafkaConnectionError" in source


def test_no_connection_for_ever_in_a_handshake_is_ours_to_prevent() -> None:
    """The guard in `KafkaClient` may go when kafka-python bounds the handshake."""
    source = inspect.getsource(KafkaConnectionManager._build_transport)
    assert "await transport.handshake()" in source


@pytest.mark.parametrize("version", range(3, 14))
def test_a_batch_travels_unchanged_in_each_version_of_produce(version: int) -> None:
    records = bytes(range(256)) * 8
    request = produce_request(records)
    request.API_VERSION = version
    request.with_header(correlation_id=1, client_id="contract")
    data = request.encode(framed=True, header=True)
    assert data.count(records) == 1


def test_the_answer_to_produce_has_what_we_read() -> None:
    topic = ProduceResponse.TopicProduceResponse
    partition = topic.PartitionProduceResponse(
        index=2, error_code=45, base_offset=-1, error_message="why", record_errors=[]
    )
    given = ProduceResponse(
        responses=[topic(name="rows", partition_responses=[partition])], throttle_time_ms=0
    )
    given.API_VERSION = 9
    read = ProduceResponse.decode(given.encode(), version=9)
    (back,) = read.responses[0].partition_responses
    assert read.responses[0].name == "rows"
    assert (back.index, back.error_code, back.base_offset, back.error_message) == (2, 45, -1, "why")


@pytest.mark.parametrize("version", range(4, 19))
def test_fetch_requests_encode_in_each_version(version: int) -> None:
    topic = FetchRequest.FetchTopic
    partition = topic.FetchPartition(partition=0, fetch_offset=5, partition_max_bytes=100)
    request = FetchRequest(
        max_wait_ms=1,
        min_bytes=1,
        max_bytes=100,
        isolation_level=IsolationLevel.READ_UNCOMMITTED,
        session_epoch=-1,
        topics=[topic(topic="rows", topic_id=uuid4(), partitions=[partition])],
        forgotten_topics_data=[],
        min_version=4,
    )
    request.API_VERSION = version
    again = FetchRequest.decode(request.encode(), version=version)
    (sent,) = again.topics[0].partitions
    assert (again.session_id, again.session_epoch, again.isolation_level) == (0, -1, 0) or (
        version < 7
    )
    assert (sent.fetch_offset, sent.partition_max_bytes) == (5, 100)


@pytest.mark.parametrize("version", range(1, 12))
def test_list_offsets_requests_encode_in_each_version(version: int) -> None:
    topic = ListOffsetsRequest.ListOffsetsTopic
    partition = topic.ListOffsetsPartition(partition_index=3, timestamp=int(OffsetSpec.LATEST))
    request = ListOffsetsRequest(
        isolation_level=IsolationLevel.READ_UNCOMMITTED,
        topics=[topic(name="rows", partitions=[partition])],
        timeout_ms=1000,
        min_version=1,
    )
    request.API_VERSION = version
    again = ListOffsetsRequest.decode(request.encode(), version=version)
    assert again.replica_id == -1
    assert again.topics[0].partitions[0].timestamp == -1


def test_the_other_requests_have_the_fields_that_we_set() -> None:
    describe = DescribeConfigsRequest(
        resources=[
            DescribeConfigsRequest.DescribeConfigsResource(
                resource_type=2, resource_name="rows", configuration_keys=None
            )
        ],
        include_synonyms=False,
        include_documentation=False,
    )
    identity = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000)
    for request in (describe, identity):
        for version in range(request.max_version + 1):
            request.API_VERSION = version
            assert request.encode()


def test_the_ssl_context_is_used_as_it_is() -> None:
    context = ssl.create_default_context()
    transport = manager_module.KafkaSSLTransport
    config = dict.fromkeys(transport.DEFAULT_CONFIG) | {"ssl_context": context}
    assert transport._build_ssl_context(config) is context


def test_a_metadata_response_without_brokers_is_ignored(net: NetworkSelector) -> None:
    manager = KafkaConnectionManager(net, bootstrap_servers=["127.0.0.1:1"])
    empty = MetadataResponse(brokers=[], cluster_id=None, controller_id=-1, topics=[], error_code=0)
    empty.API_VERSION = 12
    manager.cluster.update_metadata(empty)
    assert manager.cluster.brokers() == []
