"""The simulator finds the planted bugs of sets too: in random schedules over a set of files, in its
order by one worker, or file by file by three."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from csvkafka.model import FileOrder
from csvkafka.testing.simulator.schedule import Schedule
from csvkafka.testing.simulator.search import every_crash, first_failure
from csvkafka.testing.simulator.simulation_judge import violations
from tests.planted import bugs

SEEDS = range(1, 401)


def drawn() -> Iterator[Schedule]:
    """Of a set of one to six files, loaded file by file by three workers."""
    for seed in SEEDS:
        yield replace(
            Schedule.drawn(seed), file_count=1 + seed % 6, order=FileOrder.OBJECT, workers=3
        )


def crashes_in_order() -> Iterator[Schedule]:
    """Each crash of the one worker that loads a set in its order."""
    return every_crash(Schedule(row_count=24, file_count=5), ("crash", "crash-applied"))


FOUND_BY = {
    "set-file-without-its-lease": (drawn, "was written after it was COMPLETED"),
    "set-complete-when-no-file-is-free": (drawn, "checkpoint-ahead"),
    "set-failed-is-done": (drawn, "lost-row"),
    "set-marked-before-it-is-loaded": (drawn, "lost-row"),
    "set-marks-from-memory": (drawn, "the marks say"),
    "set-rows-counted-twice": (drawn, "the marks say"),
    "set-complete-said-by-each": (drawn, "was written after it was COMPLETED"),
    "set-resume-in-the-next-file": (crashes_in_order, "lost-row"),
    "set-resume-at-the-files-beginning": (crashes_in_order, "duplicate-row"),
    "set-columns-by-place": (crashes_in_order, "torn-row"),
}
"""Bug -> the schedules that show it, and what some of them must show. (Marks that are written
without their condition are mended by the worker that finds a file unmarked: real workers show it.)
"""


@pytest.mark.parametrize("name", FOUND_BY)
def test_simulator_finds_the_bug_of_sets(name: str, note_found: Callable[[str, str], None]) -> None:
    schedules, said_of_it = FOUND_BY[name]

    def showing(schedule: Schedule) -> list[str]:
        return [said for said in violations(schedule) if said_of_it in said]

    with bugs.planted(name):
        failure = first_failure(schedules(), showing)
    assert failure is not None, f"no schedule showed {name}"
    note_found(f"{name} (simulated)", said_of_it)


@pytest.mark.parametrize("schedules", [drawn, crashes_in_order])
def test_sound_workers_pass_the_same_schedules(
    schedules: Callable[[], Iterator[Schedule]],
) -> None:
    assert first_failure(schedules()) is None
