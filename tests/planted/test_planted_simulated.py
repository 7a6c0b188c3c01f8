"""The simulator finds the planted bugs of the core too, in seconds, and shrinks what shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from csvkafka.compiled import compiled_module
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

FOUND_AMONG_LARGE = {
    "size-compressed": "phantom-row",
    "size-of-the-value-alone": "phantom-row",
    "size-limit-of-today": "dead letters: lost-row",
    # Of a record that has just the limit's size the compiled encoder decides itself.
    **(
        {"size-limit-that-is-met": "lost-row"}
        if compiled_module() is None
        else {"size-compiled-limit-too-large": "phantom-row"}
    ),
}
"""The same, of loads with rows that make too large a record."""


def large(seed: int) -> Schedule:
    """The schedule of this seed, with such rows."""
    return replace(Schedule.drawn(seed), large=True)


@pytest.mark.parametrize("name", FOUND_AS)
def test_simulator_finds_the_bug(name: str, note_found: Callable[[str, str], None]) -> None:
    def showing(schedule: Schedule) -> list[str]:
        return [said for said in violations(schedule) if FOUND_AS[name] in said]

    with bugs.planted(name):
        failure = first_failure(map(Schedule.drawn, SEEDS), showing)
    assert failure is not None, f"{len(SEEDS)} schedules did not show {name}"
    note_found(f"{name} (simulated)", FOUND_AS[name])


@pytest.mark.parametrize("name", FOUND_AMONG_LARGE)
def test_simulator_finds_the_bug_of_a_records_size(
    name: str, note_found: Callable[[str, str], None]
) -> None:
    def showing(schedule: Schedule) -> list[str]:
        return [said for said in violations(schedule) if FOUND_AMONG_LARGE[name] in said]

    with bugs.planted(name):
        failure = first_failure(map(large, SEEDS), showing)
    assert failure is not None, f"{len(SEEDS)} schedules did not show {name}"
    assert failure.schedule.large
    note_found(f"{name} (simulated)", FOUND_AMONG_LARGE[name])


@pytest.mark.parametrize("drawn", [Schedule.drawn, large])
def test_a_sound_loader_passes_the_same_schedules(drawn: Callable[[int], Schedule]) -> None:
    assert first_failure(map(drawn, SEEDS)) is None
