"""The stack in containers: harmed through the Docker API, and nothing of it left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from kafka import KafkaProducer
from kafka.admin import ConfigResource
from kafka.errors import KafkaError

from csvkafka.errors import StackError
from csvkafka.local.ports import LOOPBACK, ReservedPort
from csvkafka.testing.stacks import container_server
from csvkafka.testing.stacks.containers import ContainerStack
from csvkafka.testing.stacks.engine import OWNER_LABEL, connect, labels, remove_leftovers
from csvkafka.testing.stacks.images import LOCALSTACK, kafka_image
from tests.integration.stack_topics import new_name, send, values_in

TOPIC_TOOL = "org.apache.kafka.tools.TopicCommand"


@pytest.fixture(scope="module")
def own() -> Iterator[ContainerStack]:
    """A stack of this module's own, whose servers may be harmed."""
    with ContainerStack(properties={"message.max.bytes": "2222222"}) as running:
        yield running


def ours(owner_part: str) -> list[str]:
    """Names of all containers and networks whose owner label holds the text, sorted: the engine
    lists them in no fixed order."""
    engine = connect()
    every_one = {"label": OWNER_LABEL}
    found = [
        *((c.name, c.labels) for c in engine.containers.list(all=True, filters=every_one)),
        *((n.name, n.attrs["Labels"]) for n in engine.networks.list(filters=every_one)),
    ]
    engine.close()
    return sorted(name for name, labels in found if owner_part in labels[OWNER_LABEL])


def test_tools_see_a_topic_and_properties_reach_the_broker(own: ContainerStack) -> None:
    topic = new_name("seen")
    own.create_topic(topic, partitions=2)
    servers = ["--bootstrap-server", own.bootstrap_servers]
    assert topic in own.kafka_tool(TOPIC_TOOL, [*servers, "--list"]).split()
    with closing(own.admin_client()) as admin:
        settings = admin.describe_configs([ConfigResource("topic", topic)], config_filter="all")
    assert settings["topic"][topic]["max.message.bytes"]["value"] == "2222222"


def test_a_tool_that_fails_or_takes_too_long_says_so(own: ContainerStack) -> None:
    with pytest.raises(StackError, match=r"(?s)TopicCommand ended with 1;.*no-such-option"):
        own.kafka_tool(TOPIC_TOOL, ["--no-such-option"])
    with pytest.raises(StackError, match=r"TopicCommand took longer than 0\.05 s"):
        own.kafka_tool(TOPIC_TOOL, ["--help"], timeout_seconds=0.05)


def test_kafkas_image_has_an_archive_of_classes_that_fits(own: ContainerStack) -> None:
    """A broker leaves one that does not fit aside, without a word; -Xshare:on insists on it."""
    printed = own.engine.containers.run(
        kafka_image(own.kafka_release).name,
        ["-version"],
        entrypoint=["/opt/kafka/bin/kafka-run-class.sh"],
        environment={**own.brokers[0].plan.environment((1, 2, 3)), "KAFKA_OPTS": "-Xshare:on"},
        labels=labels(),
        stderr=True,
        remove=True,
    )
    assert b"sharing" in printed


def test_a_localstack_session_is_a_boto3_session_of_the_stack(own: ContainerStack) -> None:
    bucket = new_name("bucket")
    own.aws.localstack_session().client("s3").create_bucket(Bucket=bucket)
    own.put_object(bucket, "key", b"body")
    session = own.aws.localstack_session()
    assert session.resource("s3").Object(bucket, "key").get()["Body"].read() == b"body"


@pytest.mark.parametrize("end", ["kill", "terminate", "pause and kill"])
def test_a_broker_that_ended_comes_back_with_its_data(own: ContainerStack, end: str) -> None:
    topic = new_name("kept")
    own.create_topic(topic)
    values = [b"%d" % number for number in range(1000)]
    send(own, topic, values)
    (broker,) = own.brokers
    address, pid = broker.address, broker.pid
    for action in end.split(" and "):
        getattr(broker, action)()
    assert not broker.is_running
    broker.start()
    assert (broker.address, broker.pid != pid) == (address, True)
    assert values_in(own, topic) == values


def test_a_broker_that_does_not_end_in_time_is_told_with_its_log(own: ContainerStack) -> None:
    with pytest.raises(StackError, match=r"kafka-1 did not end within 0 s; its log ends:\n."):
        own.brokers[0].wait_until_ended(0.1)


@pytest.mark.parametrize(("harm", "heal"), [("pause", "resume"), ("disconnect", "reconnect")])
def test_a_broker_is_silent_until_it_is_healed(own: ContainerStack, harm: str, heal: str) -> None:
    topic = new_name("silent")
    own.create_topic(topic)
    (broker,) = own.brokers
    producer = KafkaProducer(bootstrap_servers=own.bootstrap_servers, acks="all")
    producer.partitions_for(topic)
    getattr(broker, harm)()
    assert broker.is_running
    future = producer.send(topic, b"value", partition=0)
    with pytest.raises(KafkaError):
        future.get(1)
    getattr(broker, heal)()
    future.get(60)
    producer.close()
    assert values_in(own, topic) == [b"value"]


def test_localstack_forgets_everything_when_it_is_started_again(own: ContainerStack) -> None:
    bucket = new_name("bucket")
    own.create_bucket(bucket)
    endpoint_url = own.aws_endpoint_url
    own.aws.kill()
    own.aws.start()
    assert own.aws_endpoint_url == endpoint_url
    assert own.client("s3").list_buckets()["Buckets"] == []


def test_three_brokers_serve_on_when_a_leader_is_killed() -> None:
    with ContainerStack(3) as stack:
        topic = new_name("led")
        stack.create_topic(topic, config={"min.insync.replicas": "2"})
        send(stack, topic, [b"before"])
        client = stack.admin_client()
        partition = client.describe_topics([topic])[0]["partitions"][0]
        client.close()
        leader = next(b for b in stack.brokers if b.node_id == partition["leader_id"])
        leader.kill()
        send(stack, topic, [b"after"])
        assert values_in(stack, topic) == [b"before", b"after"]
        leader.start()


def test_what_a_killed_run_left_is_removed_by_the_next(own: ContainerStack) -> None:
    assert own.brokers[0].is_running
    script = (
        "import signal, sys\n"
        "from csvkafka.testing.stacks.containers import ContainerStack\n"
        "stack = ContainerStack().start()\n"
        "print('ready', flush=True)\n"
        "signal.pause()\n"
    )
    command = [sys.executable, "-P", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd="/") as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"ready\n"
        left = ours(f"/{run.pid}/")
        assert len(left) == 3, left
        run.send_signal(signal.SIGKILL)
    mine = ours(f"/{os.getpid()}/")
    engine = connect()
    remove_leftovers(engine)
    engine.close()
    assert ours(f"/{run.pid}/") == []
    assert ours(f"/{os.getpid()}/") == mine, "what a living run uses was removed"


def test_runs_side_by_side_remove_the_same_leftovers(own: ContainerStack) -> None:
    script = "from csvkafka.ledger.owner import this_incarnation; print(this_incarnation())"
    owner = subprocess.check_output([sys.executable, "-P", "-c", script], text=True).strip()
    engine = own.engine
    network = engine.networks.create(new_name("left"), labels={OWNER_LABEL: owner})
    for _ in range(3):
        engine.containers.run(
            LOCALSTACK.name,
            ["600"],
            entrypoint="sleep",
            detach=True,
            network=network.name,
            labels={OWNER_LABEL: owner},
        )
    with ThreadPoolExecutor(4) as runs:
        for run in [runs.submit(remove_leftovers, engine) for _ in range(4)]:
            run.result()
    label = {"label": f"{OWNER_LABEL}={owner}"}
    assert engine.containers.list(all=True, filters=label) == []
    assert engine.networks.list(filters=label) == []


def test_a_broker_that_cannot_start_leaves_nothing_and_shows_its_log() -> None:
    before = ours(f"/{os.getpid()}/")
    with (
        pytest.raises(StackError, match=r"(?s)broker 1 ended; its log ends:.*no-such-role"),
        ContainerStack(properties={"process.roles": "no-such-role"}),
    ):
        pass
    assert ours(f"/{os.getpid()}/") == before


def test_a_port_that_is_taken_costs_another_try(
    own: ContainerStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody listens at the port that was chosen: the next one is taken."""
    del own
    taken = ReservedPort()
    taken._socket.listen()
    given: list[ReservedPort] = []

    def reserve() -> ReservedPort:
        given.append(taken if not given else ReservedPort())
        return given[-1]

    monkeypatch.setattr(container_server, "ReservedPort", reserve)
    with ContainerStack() as stack:
        assert stack.aws.address != f"{LOOPBACK}:{taken.number}"
        assert len(given) == 5
        stack.create_bucket(new_name("bucket"))


def test_an_image_that_is_not_there_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CSVKAFKA_KAFKA_IMAGE", "no-such-image:1")
    with pytest.raises(StackError, match=r"no-such-image:1 is not there; fetch it.*nox -s images"):
        ContainerStack().start()
