"""The real loop on fakes over a set of files, in both orders: each crash point (while the list is
frozen, between files, at their marks, at the end), each fault of store and source, several workers
at once; and random schedules.

Of most searches each 21st schedule is run, from a place that the seed chooses; all of them
where `--kills` says 100 or more, as each night. `tests/planted` holds the planted bugs
against what always runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

import pytest

from csvkafka.errors import SourceChangedError
from csvkafka.model import FileOrder
from csvkafka.testing.simulator.schedule import CRASHES, Fault, Schedule
from csvkafka.testing.simulator.search import (
    every_crash,
    every_fault_of_the_fakes,
    every_pair,
    points_of,
)
from csvkafka.testing.simulator.simulation import Simulation
from csvkafka.testing.simulator.simulation_judge import judge
from tests.recovery.conftest import ALL_FROM_KILLS
from tests.recovery.set_schedules import (
    BY_FILE,
    BY_THREE,
    IN_ORDER,
    RANDOM_SCHEDULES,
    TINY,
    drawn,
)
from tests.recovery.test_simulator import assert_all_pass

EACH_ORDER = {"set": IN_ORDER, "object": BY_FILE}

EVERY = 21
"""The share of a search that is run while you work, and in the gate."""


@dataclass(frozen=True)
class Share:
    """Of so many schedules each one, from the one of that number on."""

    every: int
    first: int

    def of(self, schedules: Iterable[Schedule]) -> Iterator[Schedule]:
        return islice(schedules, self.first, None, self.every)

    def passes(self, schedules: Iterable[Schedule], at_least: int) -> None:
        """None of the share shows anything wrong; all are so many as there should be."""
        assert_all_pass(self.of(schedules), at_least // self.every)


ALL = Share(1, 0)


@pytest.fixture
def share(kills: int, seed: int) -> Share:
    """What this run takes of each search."""
    every = 1 if kills >= ALL_FROM_KILLS else EVERY
    return Share(every, seed % every)


each_order = pytest.mark.parametrize("base", EACH_ORDER.values(), ids=EACH_ORDER)


@pytest.mark.fault("F116", "F117", "F120", "F121")
@pytest.mark.parametrize("same_host", [True, False], ids=["one host", "two hosts"])
@each_order
def test_each_crash_point_of_a_set(base: Schedule, same_host: bool, share: Share) -> None:
    """All of those of one worker on one host, in the set's order: they are cheap, and find much."""
    if base is IN_ORDER and same_host:
        share = ALL
    base = replace(base, same_host=same_host)
    share.passes(every_crash(base, CRASHES), at_least=200)


@each_order
def test_each_crash_point_of_a_set_in_three_partitions(base: Schedule, share: Share) -> None:
    share.passes(every_crash(replace(base, lane_count=3), CRASHES), at_least=200)


@pytest.mark.parametrize("lane_count", [1, 3])
def test_each_crash_point_of_files_that_share_their_batches(lane_count: int, share: Share) -> None:
    """All of those in one partition, as `tests/planted` needs them."""
    share = ALL if lane_count == 1 else share
    share.passes(every_crash(replace(TINY, lane_count=lane_count), CRASHES), at_least=100)


def test_files_that_share_their_batches_do_so() -> None:
    """Each block is acknowledged, so many that there are fewer than files."""
    simulation = Simulation(TINY)
    simulation.run()
    assert judge(simulation) == []
    blocks = sum("/block-acknowledged#" in met for met in simulation.trace)
    assert 2 <= blocks <= TINY.file_count - 3


@pytest.mark.parametrize("points", ["list-chunk-stored", "table-write"])
@each_order
def test_each_pair_of_crash_points_from_the_freeze_on(
    base: Schedule, points: str, share: Share
) -> None:
    """The first life dies at a point of that name, the second at any of its own."""

    def pairs() -> Iterator[Schedule]:
        for point, nth in points_of(base, 1):
            if point == points and nth <= 3:
                once = replace(base, faults=(Fault(1, point, nth, "crash-late"),))
                yield from every_crash(once, ("crash-late",), life=2)

    share.passes(pairs(), at_least=100)


@each_order
def test_the_list_has_several_chunks_and_a_life_comes_to_each_step(base: Schedule) -> None:
    """So the searches do reach what they are about; files have several blocks."""
    met = points_of(base, 1)
    assert ("block-acknowledged", 6) in met
    assert {("list-chunk-stored", nth) for nth in (1, 2)} < set(met)
    step = "file-marked" if base.order is FileOrder.OBJECT else "block-acknowledged"
    assert (step, 4) in met


@each_order
def test_each_fault_of_table_kafka_and_source_in_a_set(base: Schedule) -> None:
    assert_all_pass(every_fault_of_the_fakes(base), at_least=150)


@each_order
def test_a_stop_at_each_point_of_a_set(base: Schedule, share: Share) -> None:
    share.passes(every_crash(base, ["stop"]), at_least=100)


@pytest.mark.fault("F122")
@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("same_host", [True, False], ids=["one host", "two hosts"])
def test_each_crash_point_of_one_of_several_workers(
    workers: int, same_host: bool, share: Share
) -> None:
    """The others are in the middle of their files, or at the same write."""
    base = replace(BY_FILE, workers=workers, same_host=same_host)
    share.passes(every_crash(base, CRASHES), at_least=200)


@pytest.mark.fault("F123")
@pytest.mark.parametrize("action", ["pause", "suspend"])
@pytest.mark.parametrize("seconds", [12, 200])
def test_each_pause_of_one_of_two_workers(action: str, seconds: int, share: Share) -> None:
    base = replace(BY_FILE, workers=2)
    pauses = (
        replace(base, faults=(Fault(1, point, nth, action, seconds),))
        for point, nth in points_of(base, 1)
    )
    share.passes(pauses, at_least=100)


@pytest.mark.parametrize("write", ["throttle", "timeout-applied", "timeout-late", "reply-lost"])
def test_each_write_of_two_workers_that_goes_wrong_in_both(write: str) -> None:
    """S1 to S6 of docs/sets.md, and the writes of the files' jobs between them: the same one of
    both workers, so that each may find what the other's has left."""
    base = replace(BY_FILE, workers=2)
    both = (
        replace(base, faults=(Fault(1, point, nth, write), Fault(2, point, nth, write)))
        for point, nth in points_of(base, 1)
        if point == "table-write"
    )
    assert_all_pass(both, at_least=15)


@pytest.mark.parametrize(
    "base",
    [IN_ORDER, BY_FILE, BY_THREE],
    ids=["set", "object", "object, three workers"],
)
def test_random_schedules_of_sets(base: Schedule, seed: int) -> None:
    assert_all_pass(drawn(base, seed), at_least=RANDOM_SCHEDULES)


@pytest.mark.fault("F118")
@pytest.mark.parametrize("what", ["changed", "removed", "came"])
@each_order
def test_objects_that_change_between_two_lives(base: Schedule, what: str) -> None:
    """At each place where the first life may have died: the next one refuses what changed or is
    missing, and leaves alone what came; when all is as it was, the job goes on to its end."""
    for point, nth in points_of(base, 1)[:: 9 if what == "came" else 5]:
        kept: dict[str, bytes] = {}

        def change(simulation: Simulation) -> None:
            kept.update(simulation.files)  # noqa: B023 - called in this turn
            last = max(simulation.files)
            if what == "came":
                simulation.files["exports/part-99.csv"] = b"id,key,value\n99,k1,new\n"
            elif what == "removed":
                del simulation.files[last]
            else:
                simulation.files[last] += b"99,k1,new\n"

        def restore(simulation: Simulation) -> None:
            simulation.files.clear()
            simulation.files.update(kept)  # noqa: B023

        hooks = {"2/run-begins#1": change, "3/run-begins#1": restore}
        died = replace(base, faults=(Fault(1, point, nth, "crash"),))
        simulation = Simulation(died, hooks)
        simulation.run()
        second = simulation.lives[1]
        if second.result is None:
            assert isinstance(second.error, SourceChangedError), repr(second.error)
            assert what != "came"
            assert "part-04" in str(second.error)
            simulation.lives.pop(1)  # it ended as it had to
            assert judge(simulation) == []


@each_order
def test_each_pair_of_crash_points_of_a_small_set(base: Schedule, share: Share) -> None:
    small = replace(base, file_count=2, row_count=2)
    share.passes(every_pair(small, "crash-applied", "crash-late"), at_least=300)
