"""The simulator finds the planted bugs of the core too, in seconds, and shrinks what shows them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from csvkafka.testing.simulator.schedule import Schedule
from csvkafka.testing.simulator.search import first_failure
from csvkafka.testing.simulator.simulation_judge import violations
from tests.planted import bugs

SEEDS = range(1, 1001)

FOUND_AS = {
    "checkpoint-before-acknowledgement": "checkpoint-ahead",
    "new-producer-id-on-resume": "duplicate-row",
    "no-token-in-the-condition": "was written after it was COMPLETED",
    "first-batch-not-alone": "TailGapError",
    "new-epoch-while-known": "RepeatedRowsError",
    "base-row-off-by-one": "EpochBaseError",
    "former-epoch-counted-twice": "lost-row",
    "B1": "duplicate-row",
    "B8": "lost-row",
    "B9": "checkpoint-ahead",
    "B13": "SequenceError",
    "B21": "lost-row",
    "B33": "duplicate-row",
}
"""Bug -> what some schedule must show of it; others show it by other words first. The bugs that are
not here are about real bytes, servers or processes."""


@pytest.mark.parametrize("name", FOUND_AS)
def test_simulator_finds_the_bug(name: str, note_found: Callable[[str, str], None]) -> None:
    def showing(schedule: Schedule) -> list[str]:
        return [said for said in violations(schedule) if FOUND_AS[name] in said]

    with bugs.planted(name):
        failure = first_failure(map(Schedule.drawn, SEEDS), showing)
    assert failure is not None, f"{len(SEEDS)} schedules did not show {name}"
    note_found(f"{name} (simulated)", FOUND_AS[name])


def test_a_sound_loader_passes_the_same_schedules() -> None:
    assert first_failure(map(Schedule.drawn, SEEDS)) is None
