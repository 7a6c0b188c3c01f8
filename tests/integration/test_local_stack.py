"""The embedded stack keeps its promises: apart from others, alive after kills, gone with us."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from kafka import KafkaProducer
from kafka.admin import ConfigResource, KafkaAdminClient
from kafka.errors import KafkaError

from csvkafka.errors import StackError
from csvkafka.local.broker import BrokerCluster
from csvkafka.local.class_archive import make_class_archive
from csvkafka.local.jars import kafka_class_path
from csvkafka.local.ports import ReservedPort
from csvkafka.local.processes import Guardian, wait_until
from csvkafka.local.stack import BROKER_JVM_OPTIONS, EmbeddedStack
from tests.integration.stack_topics import new_name, send, values_in

MIB = 1 << 20


@pytest.fixture(scope="module")
def stack() -> Iterator[EmbeddedStack]:
    """The embedded stack, on whatever the other modules run."""
    make_class_archive()
    with EmbeddedStack() as running:
        yield running


@pytest.fixture(scope="module")
def other_stack() -> Iterator[EmbeddedStack]:
    """A stack of this module's own, whose servers may be killed."""
    with EmbeddedStack(properties={"message.max.bytes": "2222222"}) as running:
        yield running


def topics_of(stack: EmbeddedStack) -> set[str]:
    client = KafkaAdminClient(bootstrap_servers=stack.bootstrap_servers)
    try:
        return set(client.list_topics())
    finally:
        client.close()


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_the_broker_is_of_the_chosen_release(stack: EmbeddedStack) -> None:
    assert stack.brokers[0].says(f"Kafka version: {stack.kafka_release}".encode())


def test_kafka_tools_see_a_created_topic(stack: EmbeddedStack) -> None:
    topic = new_name("seen-by-tools")
    stack.create_topic(topic, partitions=2)
    arguments = ["--bootstrap-server", stack.bootstrap_servers, "--list"]
    listed = stack.kafka_tool("org.apache.kafka.tools.TopicCommand", arguments)
    assert topic in listed.split()


def test_a_failing_tool_says_what_it_printed(stack: EmbeddedStack) -> None:
    with pytest.raises(StackError, match=r"(?s)TopicCommand ended with 1;.*no-such-option"):
        stack.kafka_tool("org.apache.kafka.tools.TopicCommand", ["--no-such-option"])


def test_a_tool_that_takes_too_long_is_ended(stack: EmbeddedStack) -> None:
    with pytest.raises(StackError, match=r"TopicCommand took longer than 0\.05 s"):
        stack.kafka_tool("org.apache.kafka.tools.TopicCommand", ["--help"], timeout_seconds=0.05)


def test_kafka_measures_its_own_producer(stack: EmbeddedStack) -> None:
    topic = new_name("measured")
    stack.create_topic(topic)
    arguments = ["--num-records", "1000", "--record-size", "100", "--throughput", "-1", "--topic"]
    printed = stack.kafka_tool(
        "org.apache.kafka.tools.ProducerPerformance",
        [*arguments, topic, "--producer-props", f"bootstrap.servers={stack.bootstrap_servers}"],
    )
    assert "1000 records sent" in printed


def test_a_refused_topic_bucket_and_table_are_named(stack: EmbeddedStack) -> None:
    topic, bucket, table = new_name("topic"), new_name("bucket"), new_name("table")
    stack.create_topic(topic)
    stack.create_table(table)
    with pytest.raises(StackError, match=topic):
        stack.create_topic(topic)
    with pytest.raises(StackError, match=table):
        stack.create_table(table)
    with pytest.raises(StackError, match=bucket):
        stack.put_object(bucket, "key", b"")


def test_writing_to_a_topic_that_is_not_there_makes_none(stack: EmbeddedStack) -> None:
    topic = new_name("never-created")
    producer = KafkaProducer(bootstrap_servers=stack.bootstrap_servers, max_block_ms=500)
    with pytest.raises(KafkaError):
        producer.send(topic, b"value").get(10)
    producer.close()
    assert topic not in topics_of(stack)


def test_large_versioned_objects_are_read_by_range_and_condition(
    stack: EmbeddedStack, tmp_path: Path
) -> None:
    bucket = new_name("bucket")
    stack.create_bucket(bucket, versioned=True)
    block = os.urandom(MIB)
    with (tmp_path / "large").open("wb") as file:
        for _ in range(100):
            file.write(block)
    stack.put_object(bucket, "key", tmp_path / "large")
    client = stack.client("s3")
    first = client.head_object(Bucket=bucket, Key="key")
    assert first["ContentLength"] == 100 * MIB
    stack.put_object(bucket, "key", b"another version")
    part = client.get_object(
        Bucket=bucket,
        Key="key",
        VersionId=first["VersionId"],
        IfMatch=first["ETag"],
        Range=f"bytes={60 * MIB + 5}-",
    )["Body"]
    assert part.read(MIB) == block[5:] + block[:5]
    assert len(part.read()) == 39 * MIB - 5
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.get_object(Bucket=bucket, Key="key", IfMatch=first["ETag"], Range="bytes=0-1")


def test_the_environment_points_a_child_at_the_stack(stack: EmbeddedStack) -> None:
    table = new_name("table")
    stack.create_table(table)
    read = (
        "import boto3, os, subprocess\n"
        f"print(boto3.client('dynamodb').describe_table(TableName='{table}')['Table']['KeySchema'])\n"
        "java = os.environ['JAVA_HOME'] + '/bin/java'\n"
        "subprocess.run([java, 'org.apache.kafka.tools.TopicCommand', '--list',\n"
        "    '--bootstrap-server', os.environ['KAFKA_BOOTSTRAP_SERVERS']], check=True)\n"
    )
    environment = {"PATH": os.environ["PATH"], **stack.environment()}
    printed = subprocess.run(
        [sys.executable, "-c", read], env=environment, check=True, capture_output=True, text=True
    )
    assert "job_id" in printed.stdout


def test_stacks_do_not_meet(stack: EmbeddedStack, other_stack: EmbeddedStack) -> None:
    here, there = new_name("here"), new_name("there")
    stack.create_topic(here)
    other_stack.create_topic(there)
    assert topics_of(stack) & {here, there} == {here}
    assert topics_of(other_stack) & {here, there} == {there}
    ours = {stack.bootstrap_servers, stack.aws_endpoint_url, str(stack.folder)}
    assert not ours & {
        other_stack.bootstrap_servers,
        other_stack.aws_endpoint_url,
        str(other_stack.folder),
    }


def test_server_properties_reach_the_broker(other_stack: EmbeddedStack) -> None:
    topic = new_name("wide")
    other_stack.create_topic(topic)
    with closing(other_stack.admin_client()) as admin:
        settings = admin.describe_configs([ConfigResource("topic", topic)], config_filter="all")
    assert settings["topic"][topic]["max.message.bytes"]["value"] == "2222222"


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_a_broker_that_ended_comes_back_with_its_data(other_stack: EmbeddedStack, end: str) -> None:
    topic = new_name("kept")
    other_stack.create_topic(topic)
    values = [b"%d" % number for number in range(1000)]
    send(other_stack, topic, values)
    (broker,) = other_stack.brokers
    address, pid = broker.address, broker.pid
    getattr(broker, end)()
    assert not broker.is_running
    broker.start()
    assert (broker.address, broker.pid != pid) == (address, True)
    assert values_in(other_stack, topic) == values


def test_a_paused_broker_is_silent_until_it_is_resumed(other_stack: EmbeddedStack) -> None:
    topic = new_name("paused")
    other_stack.create_topic(topic)
    (broker,) = other_stack.brokers
    producer = KafkaProducer(bootstrap_servers=other_stack.bootstrap_servers, acks="all")
    producer.partitions_for(topic)
    broker.pause()
    assert broker.is_running
    future = producer.send(topic, b"value", partition=0)
    with pytest.raises(KafkaError):
        future.get(1)
    broker.resume()
    future.get(30)
    producer.close()
    assert values_in(other_stack, topic) == [b"value"]


def test_the_aws_server_can_be_started_again_on_its_port(other_stack: EmbeddedStack) -> None:
    bucket = new_name("bucket")
    endpoint_url = other_stack.aws_endpoint_url
    other_stack.aws.process.kill()
    other_stack.aws.start()
    assert other_stack.aws_endpoint_url == endpoint_url
    other_stack.create_bucket(bucket)
    assert other_stack.client("s3").list_buckets()["Buckets"][0]["Name"] == bucket


def test_three_brokers_serve_on_when_a_leader_is_killed() -> None:
    with EmbeddedStack(3) as stack:
        topic = new_name("led")
        stack.create_topic(topic, config={"min.insync.replicas": "2"})
        send(stack, topic, [b"before"])
        client = KafkaAdminClient(bootstrap_servers=stack.bootstrap_servers)
        partition = client.describe_topics([topic])[0]["partitions"][0]
        client.close()
        assert len(partition["isr_nodes"]) == 3
        leader = stack.brokers[partition["leader_id"] - 1]
        leader.kill()
        send(stack, topic, [b"meanwhile"])
        leader.start()
        assert values_in(stack, topic) == [b"before", b"meanwhile"]


def test_a_broker_that_cannot_start_says_why_and_leaves_nothing() -> None:
    stack = EmbeddedStack(properties={"num.network.threads": "none"})
    with pytest.raises(StackError, match=r"(?s)broker 1 ended.*num\.network\.threads"):
        stack.start()
    with pytest.raises(StackError, match="not running"):
        _ = stack.folder


def test_two_brokers_are_refused() -> None:
    with pytest.raises(StackError, match="1 or 3"):
        EmbeddedStack(2)


def test_a_port_that_was_taken_meanwhile_costs_another_try() -> None:
    taken = socket.create_server(("127.0.0.1", 0))

    class TakenPort(ReservedPort):
        def __init__(self) -> None:
            super().__init__()
            self.number = taken.getsockname()[1]

    kinds = iter([TakenPort])
    guardian = Guardian()
    cluster = BrokerCluster(
        guardian,
        kafka_class_path(),
        1,
        {},
        BROKER_JVM_OPTIONS,
        lambda: next(kinds, ReservedPort)(),
    )
    try:
        cluster.start()
        assert str(taken.getsockname()[1]) not in cluster.bootstrap_servers
        assert cluster.brokers[0].is_running
    finally:
        guardian.close()
        taken.close()
        for broker in cluster.brokers:
            broker.release_ports()


PARENT = """
import json, sys
from csvkafka.local.stack import EmbeddedStack
with EmbeddedStack() as stack:
    pids = [stack.guardian_pid, stack.aws.process.pid, *(b.pid for b in stack.brokers)]
    print(json.dumps([str(stack.folder), *pids]), flush=True)
    sys.stdin.read()
"""


def test_nothing_is_left_when_the_parent_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-P", "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        folder, *pids = json.loads(parent.stdout.readline())
        assert len(pids) == 3
        assert not any(is_gone(pid) for pid in pids)
        # A JVM's performance data would outlive its SIGKILL.
        assert not [pid for pid in pids if list(Path("/tmp").glob(f"hsperfdata_*/{pid}"))]
        parent.kill()
        parent.wait(10)
    assert wait_until(lambda: all(is_gone(pid) for pid in pids), 120)
    assert not Path(folder).exists()


RUN_LOCAL = """
from csvkafka.local.run import run_local
run_local(
    echo=lambda line: print(line, flush=True),
    bucket='my-bucket',
    table='my-table',
    topics=('my-topic', 'my-dead-letters'),
    partition_count=2,
)
"""


def start_run_local() -> tuple[subprocess.Popen[str], list[str]]:
    """The process, and its lines up to `# ready`."""
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", RUN_LOCAL],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    lines: list[str] = []
    for line in parent.stdout:
        lines.append(line.rstrip())
        if line.startswith("# ready"):
            break
    return parent, lines


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_run_local_ends_when_a_broker_does() -> None:
    parent, _ = start_run_local()
    with parent:
        (guardian,) = children_of(parent.pid)
        servers = children_of(guardian)
        brokers = [
            pid for pid in servers if b"kafka.Kafka" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        os.kill(brokers[0], signal.SIGKILL)
        _, errors = parent.communicate(timeout=120)
    assert "StackError: broker 1 has ended" in errors
    assert parent.returncode == 1
    assert all(is_gone(pid) for pid in [guardian, *servers])


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_run_local_exports_serves_and_stops(signal_number: int) -> None:
    parent, lines = start_run_local()
    with parent:
        assert parent.stdout is not None
        children = children_of(parent.pid)
        exports = dict(line[7:].split("=", 1) for line in lines if line.startswith("export "))
        with closing(
            KafkaAdminClient(bootstrap_servers=exports["KAFKA_BOOTSTRAP_SERVERS"])
        ) as client:
            assert {"my-topic", "my-dead-letters"} <= set(client.list_topics())
        parent.send_signal(signal_number)
        assert parent.stdout.read() == "# stopped\n"
    assert parent.returncode == 0
    assert children
    assert all(is_gone(pid) for pid in children)
    assert (exports["S3_BUCKET"], exports["DYNAMODB_TABLE"]) == ("my-bucket", "my-table")
    assert exports["KAFKA_TOPIC"] == "my-topic"
    assert exports["KAFKA_BOOTSTRAP_SERVERS"].startswith("127.0.0.1:")


def test_clients_of_the_stack_know_nothing_of_the_users_aws_profile(
    stack: EmbeddedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    assert "Buckets" in stack.client("s3").list_buckets()
