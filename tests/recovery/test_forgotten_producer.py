"""Brokers that forget a producer id within seconds: a job that is resumed after that, its zombies
and their late batches, lanes of which some are forgotten, and a leader that changes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from signal import SIGSTOP
from typing import Any

import pytest
from kafka import TopicPartition

from csvkafka.encode.partitioning import murmur2_lane
from csvkafka.local.base import Stack
from csvkafka.local.processes import wait_until
from csvkafka.model import Lane, Step
from csvkafka.testing.faults.crash_point import CrashPoint
from csvkafka.testing.faults.proxy import Proxy
from csvkafka.testing.faults.proxy_faults import Direction, Hold
from csvkafka.testing.inputs.csv_files import CsvSpec
from csvkafka.testing.judging.recovery_case import RecoveryCase
from csvkafka.testing.processes.supervisor import Incarnation
from tests.integration.kafka_rows import values_in
from tests.recovery.conftest import FORGETFUL, NewStack

NewCase = Callable[..., RecoveryCase]

SHORT_LEASE = {"LEASE_SECONDS": "1"}
DEADLINE_SECONDS = 120
REQUEST_BYTES = 1_000
"""A produce request with a batch is larger, any other request of a load is smaller."""


LOOK_SECONDS = 0.2
"""A broker forgets within seconds: who asks it more often only keeps both busy."""


@contextmanager
def asking_leaders(case: RecoveryCase, *lanes: Lane) -> Iterator[Callable[[], list[bool]]]:
    """A question: whether the lanes' leaders (those of the topic) have state of the job's producer
    id."""
    producer_id = (case.item() or {})["producer_id"]
    asked = lanes or [Lane(case.topic, number) for number in range(case.partitions)]
    places = [TopicPartition(lane.topic, lane.partition) for lane in asked]
    admin = case.stack.admin_client()

    def know_us() -> list[bool]:
        described = admin.describe_producers(places)
        return [
            producer_id in {each.producer_id for each in described[place].active_producers}
            for place in places
        ]

    try:
        yield know_us
    finally:
        admin.close()


def knows_us(case: RecoveryCase, *lanes: Lane) -> list[bool]:
    """The answer of now."""
    with asking_leaders(case, *lanes) as know_us:
        return know_us()


def wait_until_forgotten(case: RecoveryCase, *lanes: Lane) -> None:
    """Returns when no leader has state of the job's producer id any more."""
    with asking_leaders(case, *lanes) as know_us:
        assert wait_until(lambda: not any(know_us()), DEADLINE_SECONDS, LOOK_SECONDS)


def lane_in_item(case: RecoveryCase, partition: int = 0, topic: str = "") -> list[Any]:
    """What the item says of the lane."""
    lane: list[Any] = (case.item() or {})["partitions"][f"{topic or case.topic}/{partition}"]
    return lane


def epoch(case: RecoveryCase, partition: int = 0, topic: str = "") -> int:
    """The lane's present epoch, by the item."""
    _, _, *epochs = lane_in_item(case, partition, topic)
    return int(epochs[-1][0]) if epochs else 0


def killed_midway(case: RecoveryCase) -> int:
    """Kills a worker in the middle; gives the number of rows in the topic, which is forgotten."""
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 2)
    case.assert_midway()
    rows = case.view.record_count()
    wait_until_forgotten(case)
    return rows


def zombie_midway(case: RecoveryCase, step: Step = Step.BATCH_ACKNOWLEDGED) -> Incarnation:
    """A worker that has stopped itself in the middle, and is forgotten."""
    half = case.row_count // 2
    zombie = case.start(CrashPoint(step, from_rows=half, signal=SIGSTOP))
    zombie.wait_for_step(step, from_rows=half)
    case.assert_midway()
    wait_until_forgotten(case)
    return zombie


# -- resumed after the broker has forgotten --------------------------------------------------------


@pytest.mark.stack_dependent
def test_f61_f95_down_for_longer_than_the_broker_remembers(
    recovery_case: NewCase, forgetful_stack: Stack
) -> None:
    case = recovery_case(stack=forgetful_stack)
    rows = killed_midway(case)
    worker = case.run()
    case.assert_once()
    assert len(worker.steps(Step.EPOCH_STORED)) == 1
    assert lane_in_item(case) == [case.row_count, case.row_count, [0, 0], [1, rows]]
    assert (case.item() or {})["schema_version"] == 2


def test_f99_down_for_a_moment_nothing_is_begun_anew(recovery_case: NewCase, stack: Stack) -> None:
    case = recovery_case(stack=stack)
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 2)
    assert all(knows_us(case))
    worker = case.run()
    case.assert_once()
    assert not worker.steps(Step.EPOCH_BEGINS)
    assert lane_in_item(case) == [case.row_count, case.row_count]
    assert (case.item() or {})["schema_version"] == 1


@pytest.mark.parametrize("step", [Step.EPOCH_BEGINS, Step.EPOCH_STORED, Step.BATCH_SENT])
def test_f98_killed_between_the_new_epoch_and_its_first_acknowledgement(
    recovery_case: NewCase, forgetful_stack: Stack, step: Step
) -> None:
    case = recovery_case(stack=forgetful_stack)
    rows = killed_midway(case)
    case.kill_at(step)
    case.run()
    case.assert_once()
    assert lane_in_item(case)[2:] == [[0, 0], [1, rows]]


def test_f100_forgotten_again_and_again(recovery_case: NewCase, forgetful_stack: Stack) -> None:
    case = recovery_case(stack=forgetful_stack)
    for part in (1, 2, 3):
        case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count * part // 4)
        wait_until_forgotten(case)
    case.run()
    case.assert_once()
    assert epoch(case) == 3


# -- zombies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("woken_at", [Step.EPOCH_STORED, Step.BATCH_SENT, Step.BATCH_ACKNOWLEDGED])
def test_f96_a_zombie_wakes_before_during_and_after_the_first_batch_of_the_next(
    recovery_case: NewCase, forgetful_stack: Stack, woken_at: Step
) -> None:
    """Its lease is over, so that it sends no more than it had handed over."""
    case = recovery_case(stack=forgetful_stack, settings=SHORT_LEASE)
    zombie = zombie_midway(case, Step.BATCH_SENT)
    second = case.start_paused_at(woken_at)
    zombie.resume()
    case.ends(zombie, 1)
    case.assert_error(zombie, "Fenced")
    second.resume()
    case.ends(second)
    case.assert_once()
    assert epoch(case) == 1


def test_f22_a_zombie_whose_producer_id_is_forgotten_sends_nothing(
    recovery_case: NewCase, forgetful_stack: Stack
) -> None:
    case = recovery_case(stack=forgetful_stack, settings=SHORT_LEASE)
    # Not with a batch half handed over: that one would be written on waking (docs/guarantees.md).
    half = case.row_count // 2
    zombie = case.start_paused_at(Step.BATCH_ACKNOWLEDGED, from_rows=half)
    case.assert_midway()
    case.run()
    sent = len(zombie.steps(Step.BATCH_SENT))
    wait_until_forgotten(case)
    zombie.resume()
    case.ends(zombie, 1)
    case.assert_error(zombie, "Fenced")
    assert len(zombie.steps(Step.BATCH_SENT)) == sent
    case.assert_once()


def test_f109_a_worker_that_stood_still_looks_at_the_topic_before_it_sends(
    recovery_case: NewCase, forgetful_stack: Stack
) -> None:
    """Nobody took its lease meanwhile, and it goes on: in a new epoch."""
    case = recovery_case(stack=forgetful_stack, settings=SHORT_LEASE)
    worker = zombie_midway(case)
    rows = case.view.record_count()
    worker.resume()
    case.ends(worker)
    case.assert_once()
    assert worker.steps(Step.RESTARTED)
    assert lane_in_item(case)[2:] == [[0, 0], [1, rows]]


@pytest.fixture
def forgetful_proxy(forgetful_stack: Stack) -> Iterator[Proxy]:
    """A proxy before the forgetful broker: KAFKA_BOOTSTRAP_SERVERS is its `address`."""
    broker = forgetful_stack.brokers[0]
    with Proxy(broker.proxied_address, broker.proxy_address) as proxy:
        yield proxy


def batch_held(case: RecoveryCase, proxy: Proxy) -> Any:
    """A worker dies with a batch on its way, which waits in the proxy; the broker forgets it."""
    through_proxy = {"KAFKA_BOOTSTRAP_SERVERS": proxy.address}
    half = case.row_count // 2
    worker = case.start_paused_at(Step.BATCH_ACKNOWLEDGED, from_rows=half, settings=through_proxy)
    held = proxy.inject(Hold(Direction.TO_SERVER, REQUEST_BYTES))
    worker.resume()
    held.wait_for_effect()
    worker.kill()
    case.assert_midway()
    wait_until_forgotten(case)
    return held


def test_f96_a_late_batch_after_the_first_of_the_new_epoch_is_refused(
    recovery_case: NewCase, forgetful_stack: Stack, forgetful_proxy: Proxy
) -> None:
    case = recovery_case(stack=forgetful_stack, proxies=[forgetful_proxy])
    held = batch_held(case, forgetful_proxy)
    second = case.start_paused_at(Step.BATCH_ACKNOWLEDGED)
    held.lift()
    forgetful_proxy.wait_until_idle()
    second.resume()
    case.ends(second)
    case.assert_once()
    assert epoch(case) == 1


def test_f97_a_late_batch_before_the_first_of_the_new_epoch_is_named(
    recovery_case: NewCase, forgetful_stack: Stack, forgetful_proxy: Proxy
) -> None:
    """These brokers take any number of a producer that they have forgotten. (Others would refuse
    the batch; then the load ends well.)"""
    case = recovery_case(stack=forgetful_stack, proxies=[forgetful_proxy])
    held = batch_held(case, forgetful_proxy)
    rows = case.view.record_count()
    second = case.start_paused_at(Step.SOURCE_OPENED)
    held.lift()
    forgetful_proxy.wait_until_idle()
    late = case.view.record_count() - rows
    second.resume()
    if late == 0:
        case.ends(second)
        case.assert_once()
        return
    case.ends(second, 1)
    case.assert_error(second, "RepeatedRows")
    assert f"holds rows number {rows} to " in second.output()
    assert f"Kafka offsets {rows} to " in second.output()
    case.refused("RepeatedRows")


# -- lanes -----------------------------------------------------------------------------------------


def keys_of(partition: int, count: int) -> Iterator[str]:
    """Keys that belong to this one of `count` partitions."""
    number = 0
    while True:
        if murmur2_lane(b"k%d" % number, count) == partition:
            yield f"k{number}"
        number += 1


def rows_for(partitions: Sequence[int], rows: int, count: int) -> Iterator[str]:
    """Keys of so many rows, for these partitions by turns."""
    keys = [next(keys_of(partition, count)) for partition in partitions]
    for row in range(rows):
        yield keys[row % len(keys)]


def test_f102_of_8_partitions_some_are_forgotten(
    recovery_case: NewCase, new_stack: NewStack
) -> None:
    """The first four get no rows for longer than the broker remembers. What follows in the file
    does not fit into the window of 4 MiB beside what is sent until then."""
    rows_in_a_block, blocks = 32, 120
    keys = [
        *rows_for(range(8), 2 * rows_in_a_block, 8),
        *rows_for(range(4, 8), blocks * rows_in_a_block, 8),
        *rows_for(range(8), 2 * rows_in_a_block, 8),
    ]
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["key", "value"])
    rows.writerows((key, f"{number} ".ljust(4_000, "x")) for number, key in enumerate(keys))
    properties = {**FORGETFUL, "producer.id.expiration.ms": "12000"}
    with new_stack(properties=properties) as stack:
        case = recovery_case(
            text.getvalue().encode(),
            stack=stack,
            partitions=8,
            settings={
                "KEY_COLUMN": "key",
                "LEASE_SECONDS": "60",
                "KAFKA_COMPRESSION_TYPE": "none",
            },
            block_bytes=128 * 1024,
        )
        worker = case.start(pace_seconds=0.15)  # after each of a block's four batches
        worker.wait_for_step(Step.BATCH_ACKNOWLEDGED)
        wait_until_forgotten(case, *(Lane(case.topic, partition) for partition in range(4)))
        worker.kill()
        case.assert_midway()
        assert knows_us(case) == [False] * 4 + [True] * 4
        case.run()
        case.assert_once()
        assert [epoch(case, partition) for partition in range(8)] == [1] * 4 + [0] * 4
        case.close()


def test_f102_the_dead_letter_lane_is_forgotten_too(
    recovery_case: NewCase, forgetful_stack: Stack
) -> None:
    text = "".join(
        f"{row},{'x' * 20}{',surplus' if row % 5 == 0 else ''}\n" for row in range(4_000)
    )
    dead = "dead-letters"
    forgetful_stack.create_topic(dead)
    case = recovery_case(
        ("id,value\n" + text).encode(),
        stack=forgetful_stack,
        settings={"ON_BAD_ROW": "dead-letter", "DEAD_LETTER_TOPIC": dead},
        block_bytes=2_000,
    )
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 2)
    wait_until_forgotten(case, Lane(case.topic, 0), Lane(dead, 0))
    case.run()
    bad = [f"{row},{'x' * 20},surplus" for row in range(0, 4_000, 5)]
    assert values_in(forgetful_stack.bootstrap_servers, dead) == bad
    assert (epoch(case), epoch(case, topic=dead)) == (1, 1)
    assert case.verdict().is_clean


# -- a leader that changes -------------------------------------------------------------------------


def test_f106_the_leader_is_killed_after_the_new_epochs_first_batches(
    recovery_case: NewCase, new_stack: NewStack
) -> None:
    # It is not forgotten while a new leader is found.
    properties = {**FORGETFUL, "producer.id.expiration.ms": "25000"}
    with new_stack(3, properties=properties) as three_brokers:
        case = recovery_case(
            CsvSpec(row_count=10_000),
            stack=three_brokers,
            topic_config={"min.insync.replicas": "2"},
        )
        killed_midway(case)
        worker = case.start_paused_at(Step.BATCH_ACKNOWLEDGED, nth=3)
        case.assert_midway()
        admin = three_brokers.admin_client()
        leader = admin.describe_topics([case.topic])[0]["partitions"][0]["leader_id"]
        admin.close()
        brokers = {broker.node_id: broker for broker in three_brokers.brokers}
        brokers[leader].kill()
        worker.resume()
        case.ends(worker)
        case.assert_once()
        assert epoch(case) >= 1
        case.close()
