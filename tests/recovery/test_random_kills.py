"""SIGKILL at random moments (F11): `--kills N` in all, twenty in a load, `--seed` to replay."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from csvkafka.local.base import Stack
from csvkafka.model import Step
from csvkafka.testing.inputs.csv_files import CsvSpec
from csvkafka.testing.judging.recovery_case import KILLED, RecoveryCase

KILLS_IN_A_LOAD = 20
PACE_SECONDS = 0.06
"""So slow that no load ends before its kills: 450 blocks take 27 s, and 20 incarnations live for
some 18 s at their blocks."""

ROW_COUNT = 30_000

LONGEST_REST = 4.0
"""Seconds between two incarnations: longer, by turns, than the forgetful broker remembers."""


def a_file(chance: random.Random) -> CsvSpec:
    return CsvSpec(
        row_count=ROW_COUNT,
        seed=chance.randrange(1 << 32),
        quoted_fraction=chance.choice([0.0, 0.05, 0.3]),
        newline_fraction=chance.choice([0.0, 0.02]),
        unicode_fraction=chance.choice([0.0, 0.1]),
        hostile_fraction=chance.choice([0.0, 0.02]),
        line_end=chance.choice(["\n", "\r\n"]),
        byte_order_mark=chance.random() < 0.3,
        final_line_end=chance.random() < 0.7,
    )


def kill_at_random(
    case: RecoveryCase, chance: random.Random, kills: int, longest_rest: float = 0.0
) -> None:
    """Kills so many incarnations; none may end before. By turns each dies after some time of its
    life, perhaps before its first row, and some time after its first acknowledgement, so that the
    load gets on, however slow the machine is. Between two nothing happens for up to
    `longest_rest` seconds."""
    covered = [0]
    for number in range(kills):
        worker = case.start(pace_seconds=PACE_SECONDS)
        if number % 2:
            worker.wait_for_step(Step.BATCH_ACKNOWLEDGED)
        worker.lives_for(chance.uniform(0.0, 1.0) if number % 2 else chance.uniform(0.2, 2.5))
        assert worker.kill() == KILLED, f"the load ended before its kill:\n{worker.output()}"
        covered.append(case.view.last_line())
        time.sleep(chance.uniform(0.0, longest_rest))
    assert covered == sorted(covered)
    assert covered[-1] < case.row_count


def load_by_load(
    new_case: Callable[..., RecoveryCase],
    chance: random.Random,
    kills: int,
    longest_rest: float = 0.0,
) -> Iterator[RecoveryCase]:
    """Kills so often in all, and gives each load when it is complete and was judged."""
    while kills > 0:
        case = new_case(a_file(chance), block_bytes=4_096)
        now = min(kills, KILLS_IN_A_LOAD)
        kill_at_random(case, chance, now, longest_rest)
        if now == KILLS_IN_A_LOAD:
            case.assert_midway()
        case.run()
        case.assert_once()
        yield case
        case.close()
        kills -= now


@pytest.mark.timeout(0)  # --kills decides
@pytest.mark.parametrize("checkpoint", ["dynamodb", "sqlite"])
def test_f11_killed_at_random(
    recovery_case: Callable[..., RecoveryCase], kills: int, seed: int, checkpoint: str
) -> None:
    new_case = partial(recovery_case, checkpoint=checkpoint)
    loads = sum(1 for _ in load_by_load(new_case, random.Random(seed), kills))
    assert loads * KILLS_IN_A_LOAD >= kills


@pytest.mark.timeout(0)  # --kills decides
def test_f108_killed_at_random_and_forgotten_every_few_seconds(
    recovery_case: Callable[..., RecoveryCase], forgetful_stack: Stack, kills: int, seed: int
) -> None:
    def new_case(*arguments: Any, **options: Any) -> RecoveryCase:
        return recovery_case(*arguments, stack=forgetful_stack, **options)

    later_epochs = 0
    for case in load_by_load(new_case, random.Random(seed), kills, longest_rest=LONGEST_REST):
        _, _, *epochs = (case.item() or {})["partitions"][f"{case.topic}/0"]
        later_epochs += epochs[-1][0] if epochs else 0
    assert later_epochs >= kills // KILLS_IN_A_LOAD
