"""A lane that gets no row for longer than its broker remembers a producer id, while its worker goes
on with another one."""

from __future__ import annotations

import csv
import io
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from csvkafka.encode.partitioning import murmur2_lane
from csvkafka.local.base import Stack
from csvkafka.model import Step
from csvkafka.testing.judging.recovery_case import RecoveryCase
from tests.integration.kafka_rows import values_in

NewCase = Callable[..., RecoveryCase]

PACE_SECONDS = 0.15
"""After each batch."""

BLOCK_BYTES = 128 * 1024
ROW_BYTES = 4 * 1024
ROWS_IN_A_BLOCK = BLOCK_BYTES // ROW_BYTES
REST_BLOCKS = 32 + 40
"""The first fill the window of 4 MiB, so that what follows them is not sent yet; the others take
six seconds. The forgetful broker remembers for two."""

SETTINGS = {"LEASE_SECONDS": "60", "KAFKA_COMPRESSION_TYPE": "none"}


def keyed(lanes: Sequence[int]) -> bytes:
    """A row for each of these lanes of two."""
    keys = {murmur2_lane(b"k%d" % number, 2): f"k{number}" for number in range(9)}
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["key", "value"])
    values = (f"{number} ".ljust(ROW_BYTES - 8, "x") for number in range(len(lanes)))
    rows.writerows((keys[lane], value) for lane, value in zip(lanes, values, strict=True))
    return text.getvalue().encode()


def rests(times: int) -> list[int]:
    """The second lane gets a row with each of the first, rests, and so on."""
    both = [0, 1] * ROWS_IN_A_BLOCK
    return [*both, *([0] * ROWS_IN_A_BLOCK * REST_BLOCKS + both) * times]


def resting_case(recovery_case: NewCase, stack: Stack, times: int) -> RecoveryCase:
    return recovery_case(
        keyed(rests(times)),
        stack=stack,
        partitions=2,
        settings={"KEY_COLUMN": "key", **SETTINGS},
        block_bytes=BLOCK_BYTES,
        pace_seconds=PACE_SECONDS,
    )


def epoch(case: RecoveryCase, partition: int, topic: str = "") -> int:
    """The lane's present epoch, by the item."""
    lane: list[Any] = (case.item() or {})["partitions"][f"{topic or case.topic}/{partition}"]
    return int(lane[-1][0]) if len(lane) > 2 else 0


def test_f111_a_lane_that_was_forgotten_goes_on_beside_the_others(
    recovery_case: NewCase, forgetful_stack: Stack
) -> None:
    case = resting_case(recovery_case, forgetful_stack, times=1)
    worker = case.run(pace_seconds=PACE_SECONDS)
    case.assert_once()
    assert worker.steps(Step.LANE_RESTED)
    assert not worker.steps(Step.RESTARTED)
    assert (epoch(case, 0), epoch(case, 1)) == (0, 1)


@pytest.mark.parametrize("step", [Step.LANE_RESTED, Step.EPOCH_BEGINS, Step.EPOCH_STORED])
def test_f111_killed_while_it_looks_at_the_lane(
    recovery_case: NewCase, forgetful_stack: Stack, step: Step
) -> None:
    case = resting_case(recovery_case, forgetful_stack, times=1)
    case.kill_at(step)
    case.assert_midway()
    case.run()
    case.assert_once()
    assert epoch(case, 1) == 1


@pytest.mark.timeout(600)
def test_f111_killed_at_random_while_a_lane_rests_again_and_again(
    recovery_case: NewCase, forgetful_stack: Stack, seed: int
) -> None:
    chance = random.Random(seed)
    case = resting_case(recovery_case, forgetful_stack, times=4)
    # The last two rests are not killed in. A worker that is started in the first of them may find
    # the lane forgotten and begin an epoch at once, and an epoch without a row needs no look.
    killed_in = len(rests(2))
    for row in sorted(chance.randrange(1, killed_in) for _ in range(5)):
        worker = case.start(pace_seconds=PACE_SECONDS)
        worker.wait_for_step(Step.BLOCK_ACKNOWLEDGED, from_rows=row, timeout_seconds=200)
        worker.kill()
        time.sleep(chance.uniform(0.0, 3.0))
    last = case.run(pace_seconds=PACE_SECONDS, timeout_seconds=200)
    case.assert_once()
    assert last.steps(Step.LANE_RESTED)
    assert epoch(case, 1) >= 1


def test_f111_the_dead_letter_lane_rests(recovery_case: NewCase, forgetful_stack: Stack) -> None:
    bad = [f"{row},x,surplus" for row in range(6)]
    value = "x" * (ROW_BYTES - 8)
    good = [f"{row},{value}" for row in range(ROWS_IN_A_BLOCK * REST_BLOCKS)]
    dead = "dead-letters-at-rest"
    forgetful_stack.create_topic(dead)
    case = recovery_case(
        "\n".join(["id,value", *bad[:3], *good, *bad[3:], ""]).encode(),
        stack=forgetful_stack,
        settings={
            "ON_BAD_ROW": "dead-letter",
            "DEAD_LETTER_TOPIC": dead,
            **SETTINGS,
        },
        block_bytes=BLOCK_BYTES,
    )
    worker = case.run(pace_seconds=PACE_SECONDS)
    assert worker.steps(Step.LANE_RESTED)
    assert values_in(forgetful_stack.bootstrap_servers, dead) == bad
    assert (epoch(case, 0), epoch(case, 0, topic=dead)) == (0, 1)
    assert case.verdict().is_clean
