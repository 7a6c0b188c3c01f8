"""Three brokers, min.insync.replicas 2: leaders are killed and moved, replicas leave and return."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from signal import SIGSTOP
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from csvkafka.local.base import Stack
from csvkafka.local.broker import Broker
from csvkafka.local.processes import wait_until
from csvkafka.model import Step
from csvkafka.testing.faults.crash_point import CrashPoint
from csvkafka.testing.inputs.csv_files import CsvSpec
from csvkafka.testing.judging.recovery_case import RecoveryCase
from tests.recovery.conftest import NewStack

NewCase = Callable[..., RecoveryCase]

LEADER_KILLS = 5
PREFERRED = 0
"""Kafka's number for the election of the preferred leader."""

DEADLINE_SECONDS = 120


@pytest.fixture(scope="module")
def three_brokers(new_stack: NewStack) -> Iterator[Stack]:
    with new_stack(3) as running:
        yield running


@pytest.fixture
def harmed(three_brokers: Stack) -> Iterator[Stack]:
    """The three brokers; those that the test leaves dead are started again."""
    yield three_brokers
    for broker in brokers(three_brokers).values():
        if not broker.is_running:
            broker.start()


def brokers(stack: Stack) -> dict[int, Broker]:
    return {broker.node_id: broker for broker in stack.brokers}


def partition(admin: KafkaAdminClient, topic: str) -> dict[str, Any]:
    """What the cluster says of partition 0; nothing while the broker that is asked is dead."""
    try:
        described: dict[str, Any] = admin.describe_topics([topic])[0]["partitions"][0]
    except KafkaError:
        return {"leader_id": -1, "isr_nodes": [], "replica_nodes": []}
    return described


def new_leader(admin: KafkaAdminClient, topic: str, old: int | None) -> int:
    """The partition's leader, once it is another than `old`."""
    seen: list[int] = []

    def elected() -> bool:
        seen.append(partition(admin, topic)["leader_id"])
        return seen[-1] not in (old, -1)

    assert wait_until(elected, DEADLINE_SECONDS)
    return seen[-1]


def wait_for_all_in_sync(admin: KafkaAdminClient, topic: str) -> None:
    assert wait_until(lambda: len(partition(admin, topic)["isr_nodes"]) == 3, DEADLINE_SECONDS)


def wait_for_replicas(admin: KafkaAdminClient, topic: str, replicas: list[int]) -> int:
    """The leader, when these brokers, in this order, are the partition's replicas, all in sync.

    Asked again, another broker might answer, which has not heard of it yet."""
    found: dict[str, Any] = {}

    def have_moved() -> bool:
        found.update(partition(admin, topic))
        in_sync = set(found["isr_nodes"]) == set(replicas)
        return in_sync and found["replica_nodes"] == replicas and found["leader_id"] in replicas

    assert wait_until(have_moved, DEADLINE_SECONDS), found
    return int(found["leader_id"])


def controller_of(admin: KafkaAdminClient) -> int:
    """The active controller: the leader of the metadata's quorum; -1 while none answers."""
    try:
        quorum = admin.describe_metadata_quorum()
        return int(quorum["topics"][0]["partitions"][0]["leader_id"])
    except KafkaError:
        return -1


@pytest.fixture
def admin(three_brokers: Stack) -> Iterator[KafkaAdminClient]:
    client = three_brokers.admin_client()
    yield client
    client.close()


def test_f30_the_leader_is_killed_five_times(
    recovery_case: NewCase, harmed: Stack, admin: KafkaAdminClient
) -> None:
    case = recovery_case(
        CsvSpec(row_count=20_000, newline_fraction=0.02, unicode_fraction=0.02),
        stack=harmed,
        topic_config={"min.insync.replicas": "2"},
    )
    stops = [
        CrashPoint(Step.BATCH_SENT, 1, case.row_count * kill // (LEADER_KILLS + 1), SIGSTOP)
        for kill in range(1, LEADER_KILLS + 1)
    ]
    worker = case.start(*stops)
    for stop in stops:
        worker.wait_for_step(stop.step, from_rows=stop.from_rows)
        wait_for_all_in_sync(admin, case.topic)
        leader = new_leader(admin, case.topic, None)
        brokers(harmed)[leader].kill()
        worker.resume()
        new_leader(admin, case.topic, leader)
        brokers(harmed)[leader].start()
    case.ends(worker)
    case.assert_once()


def test_f31_the_leader_is_killed_before_the_tail_scan(
    recovery_case: NewCase, harmed: Stack, admin: KafkaAdminClient
) -> None:
    case = recovery_case(stack=harmed, topic_config={"min.insync.replicas": "2"})
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 2)
    case.assert_midway()
    worker = case.start_paused_at(Step.TAIL_SCAN_BEGINS)
    killed = brokers(harmed)[new_leader(admin, case.topic, None)]
    killed.kill()
    worker.resume()
    case.ends(worker)
    killed.start()
    case.assert_once()


def test_f32_replicas_move_a_leader_is_elected_and_the_controller_killed(
    recovery_case: NewCase, harmed: Stack, admin: KafkaAdminClient
) -> None:
    case = recovery_case(
        CsvSpec(row_count=20_000), stack=harmed, topic_config={"min.insync.replicas": "2"}
    )
    stops = [
        CrashPoint(Step.BATCH_SENT, 1, case.row_count * part // 4, SIGSTOP) for part in (1, 2, 3)
    ]
    worker = case.start(*stops)

    def paused_at(stop: CrashPoint) -> None:
        worker.wait_for_step(stop.step, from_rows=stop.from_rows)
        case.assert_unfinished(worker)

    place = TopicPartition(case.topic, 0)
    paused_at(stops[0])
    first = new_leader(admin, case.topic, None)
    second, third = (node for node in brokers(harmed) if node != first)
    assert admin.alter_partition_reassignments({place: [second, third]}) == {place: None}
    worker.resume()
    assert wait_for_replicas(admin, case.topic, [second, third]) == second

    paused_at(stops[1])
    assert admin.alter_partition_reassignments({place: [third, second, first]}) == {place: None}
    wait_for_replicas(admin, case.topic, [third, second, first])
    admin.elect_leaders(PREFERRED, {case.topic: [0]})
    worker.resume()
    assert new_leader(admin, case.topic, second) == third

    paused_at(stops[2])
    controller = controller_of(admin)
    brokers(harmed)[controller].kill()
    worker.resume()
    assert wait_until(lambda: controller_of(admin) not in (controller, -1), DEADLINE_SECONDS)
    brokers(harmed)[controller].start()
    case.ends(worker)
    case.assert_once()


def test_f33_too_few_replicas_for_a_while(
    recovery_case: NewCase, harmed: Stack, admin: KafkaAdminClient
) -> None:
    case = recovery_case(stack=harmed, topic_config={"min.insync.replicas": "3"})
    worker = case.start_paused_at(Step.BATCH_SENT, from_rows=case.row_count // 3)
    case.assert_midway()
    leader = new_leader(admin, case.topic, None)
    follower = next(broker for node, broker in brokers(harmed).items() if node != leader)
    follower.kill()
    worker.resume()
    worker.wait_until(
        lambda: "NotEnoughReplicas" in worker.output(), "miss replicas", DEADLINE_SECONDS
    )
    follower.start()
    case.ends(worker)
    case.assert_once()
