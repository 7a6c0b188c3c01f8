"""The simulator finds the planted bugs of sets too, in what `tests/recovery/test_sets_simulated.py`
runs of its searches in the gate, whatever share that is: in random schedules over a set of files
that three workers load file by file, or in the crashes of the one that loads it in its order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from csvkafka.testing.simulator.schedule import CRASHES, Schedule
from csvkafka.testing.simulator.search import every_crash, first_failure
from csvkafka.testing.simulator.simulation_judge import violations
from tests.planted import bugs
from tests.recovery.test_sets_simulated import (
    BY_THREE,
    EVERY,
    IN_ORDER,
    RANDOM_SCHEDULES,
    Share,
    drawn,
)


def crashes(share: Share) -> Iterator[Schedule]:
    """What is run of `test_each_crash_point_of_a_set`, for a set in its order on one host."""
    return share.of(every_crash(IN_ORDER, CRASHES))


DRAWN = [partial(drawn, BY_THREE, 1 + each * RANDOM_SCHEDULES) for each in range(2)]
IN_EACH_SHARE = [partial(crashes, Share(EVERY, first)) for first in range(EVERY)]

FOUND_BY = {
    "set-file-without-its-lease": (DRAWN, "was written after it was COMPLETED"),
    "set-complete-when-no-file-is-free": (DRAWN, "checkpoint-ahead"),
    "set-failed-is-done": (DRAWN, "lost-row"),
    "set-marked-before-it-is-loaded": (DRAWN, "lost-row"),
    "set-marks-from-memory": (DRAWN, "the marks say"),
    "set-rows-counted-twice": (DRAWN, "the marks say"),
    "set-complete-said-by-each": (DRAWN, "was written after it was COMPLETED"),
    "set-resume-in-the-next-file": (IN_EACH_SHARE, "lost-row"),
    "set-resume-at-the-files-beginning": (IN_EACH_SHARE, "duplicate-row"),
    "set-columns-by-place": (IN_EACH_SHARE, "torn-row"),
}
"""Bug -> the searches each of which finds it, and what some schedule of it must show.

(Marks that are written without their condition are mended by the worker that finds a file unmarked:
real workers show it.)"""


@pytest.mark.parametrize("name", FOUND_BY)
def test_simulator_finds_the_bug_of_sets(name: str, note_found: Callable[[str, str], None]) -> None:
    searches, said_of_it = FOUND_BY[name]

    def showing(schedule: Schedule) -> list[str]:
        return [said for said in violations(schedule) if said_of_it in said]

    with bugs.planted(name):
        missed = [search for search in searches if not any(map(showing, search()))]
    assert not missed, f"no schedule of {missed} showed {name}"
    note_found(f"{name} (simulated)", said_of_it)


@pytest.mark.parametrize("search", [DRAWN[0], IN_EACH_SHARE[0]], ids=["drawn", "crashes"])
def test_sound_workers_pass_the_same_schedules(search: Callable[[], Iterator[Schedule]]) -> None:
    assert first_failure(search()) is None
