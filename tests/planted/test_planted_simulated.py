"""The simulator finds the planted bugs of the core too, in seconds, and shrinks what shows them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from csvkafka.testing.simulator.schedule import Schedule
from csvkafka.testing.simulator.search import first_failure
from tests.planted import bugs

SEEDS = range(1, 1001)

FOUND_AS = {
    "checkpoint-before-acknowledgement": "checkpoint-ahead",
    "new-producer-id-on-resume": "duplicate-row|SequenceError",
    "no-token-in-the-condition": "the item was written after it was COMPLETED|regressed",
    "first-batch-not-alone": "TailGapError|lost-row",
    "new-epoch-while-known": "RepeatedRowsError|duplicate-row|SequenceError",
    "base-row-off-by-one": "EpochBaseError",
    "former-epoch-counted-twice": "lost-row|SequenceError",
    "B1": "duplicate-row",
    "B8": "lost-row|last_line is 0 at the end",
    "B9": "checkpoint-ahead|RepeatedRowsError",
    "B13": "SequenceError",
    "B21": "lost-row",
    "B33": "duplicate-row|TopicTruncatedError",
}
"""Bug -> what is said of it. The others are about real bytes, servers or processes."""


@pytest.mark.parametrize("name", FOUND_AS)
def test_simulator_finds_the_bug(name: str, note_found: Callable[[str, str], None]) -> None:
    with bugs.planted(name):
        failure = first_failure(map(Schedule.drawn, SEEDS))
    assert failure is not None, f"{len(SEEDS)} schedules did not show {name}"
    said = re.search(FOUND_AS[name], "\n".join(failure.violations))
    note_found(f"{name} (simulated)", said[0] if said else failure.violations[0])
    assert said, failure


def test_a_sound_loader_passes_the_same_schedules() -> None:
    assert first_failure(map(Schedule.drawn, SEEDS)) is None
