"""The simulator finds the planted bugs of sets too, in what `tests/recovery/test_sets_simulated.py`
runs of its searches always: in as many random schedules over a set of files that three workers load
file by file, in each fault of table and source of one worker that does so, or in each crash of one
that loads a set in its order, of files of some rows or of so few that they share their batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from csvkafka.errors import ItemUnusableError
from csvkafka.testing.simulator.schedule import CRASHES, Schedule
from csvkafka.testing.simulator.search import every_crash, every_fault_of_the_fakes, first_failure
from csvkafka.testing.simulator.simulation_judge import violations
from tests.planted import bugs
from tests.recovery.set_schedules import (
    BY_FILE,
    BY_THREE,
    IN_ORDER,
    RANDOM_SCHEDULES,
    TINY,
    drawn,
)

DRAWN = [partial(drawn, BY_THREE, 1 + each * RANDOM_SCHEDULES) for each in range(2)]
FAULTS = [partial(every_fault_of_the_fakes, BY_FILE)]
IN_ORDER_CRASHES = [partial(every_crash, IN_ORDER, CRASHES)]
TINY_CRASHES = [partial(every_crash, TINY, CRASHES)]

FOUND_BY = {
    "set-file-without-its-lease": (DRAWN, "was written after it was COMPLETED"),
    "set-complete-when-no-file-is-free": (DRAWN, "checkpoint-ahead"),
    "set-failed-is-done": (FAULTS, "lost-row"),
    "set-marked-before-it-is-loaded": (DRAWN, "lost-row"),
    "set-marks-from-memory": (DRAWN, "the marks say"),
    "set-rows-counted-twice": (DRAWN, "the marks say"),
    "set-complete-said-by-each": (DRAWN, "was written after it was COMPLETED"),
    "set-resume-in-the-next-file": (IN_ORDER_CRASHES, "lost-row"),
    "set-resume-at-the-files-beginning": (IN_ORDER_CRASHES, "duplicate-row"),
    "set-columns-by-place": (IN_ORDER_CRASHES, "torn-row"),
    "set-batch-ends-with-its-first-file": (TINY_CRASHES, "duplicate-row"),
}
"""Bug -> the searches each of which finds it, and what some schedule of it must show.

(Marks that are written without their condition are mended by the worker that finds a file unmarked:
real workers show it.)"""


@pytest.mark.parametrize("name", FOUND_BY)
def test_simulator_finds_the_bug_of_sets(name: str, note_found: Callable[[str, str], None]) -> None:
    searches, said_of_it = FOUND_BY[name]

    def showing(schedule: Schedule) -> bool:
        try:
            return any(said_of_it in said for said in violations(schedule))
        except ItemUnusableError:
            return False  # the bug has damaged the marks: another schedule shows how

    with bugs.planted(name):
        missed = [search for search in searches if not any(map(showing, search()))]
    assert not missed, f"no schedule of {missed} showed {name}"
    note_found(f"{name} (simulated)", said_of_it)


@pytest.mark.parametrize("search", [DRAWN[0], IN_ORDER_CRASHES[0]], ids=["drawn", "crashes"])
def test_sound_workers_pass_the_same_schedules(search: Callable[[], Iterator[Schedule]]) -> None:
    assert first_failure(search()) is None
