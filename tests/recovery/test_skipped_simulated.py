"""`csvkafka skip-file` beside simulated workers: at each point of a load, after each crash of one,
killed between its own two writes, and with whatever else befalls worker and store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from csvkafka.errors import FilesFailedError
from csvkafka.model import Step
from csvkafka.testing.simulator.schedule import CRASHES, HELD, Fault, Schedule
from tests.recovery.set_schedules import BY_FILE, BY_THREE, drawn
from tests.recovery.skipped_sets import BrokenSet, Dies, DiesAt, with_rows

ONE, THREE = with_rows(BY_FILE), with_rows(BY_THREE)
ROUTED = replace(ONE, routed=True, lane_count=2)
"""Its rows go to two topics."""


def points(schedule: Schedule) -> list[str]:
    """Where the first life comes while it loads all but the broken file."""
    load = BrokenSet(schedule)
    load.run()
    return [place for place in load.world.trace if place.startswith("1/")]


def test_a_set_is_complete_without_the_file_that_is_skipped() -> None:
    load = BrokenSet(ONE)
    life = load.run()
    assert isinstance(life.error, FilesFailedError)
    assert "csvkafka skip-file leaves a file out for good" in str(life.error)
    skipped = load.skip()
    assert (skipped.left.rows, skipped.before) == (load.good_rows, False)
    assert load.skip().before
    load.complete()
    load.assert_exact()


def test_a_file_that_nobody_could_begin_is_skipped_without_a_row() -> None:
    load = BrokenSet(ONE, good_rows=None)
    load.run()
    assert load.skip().left.rows == 0
    load.complete()
    load.assert_exact()


@pytest.mark.fault("F127")
@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("schedule", [ONE, THREE], ids=["one worker", "three workers"])
def test_at_each_point_of_a_load_it_is_refused_or_exact(
    schedule: Schedule, beside: bool, seed: int
) -> None:
    """Whoever asks at a bad moment is refused. However that went, the set can be completed. (At
    each write of the worker, and at each fifth of the other points.)"""
    refused = done = 0
    places = points(schedule)
    writes = [place for place in places if "table-write" in place]
    for place in dict.fromkeys([*writes, *places[seed % 5 :: 5]]):
        load: BrokenSet

        def ask(_: object) -> None:
            (load.try_to_skip_beside if beside else load.try_to_skip)()  # noqa: B023 - in this turn

        load = BrokenSet(schedule, {place: ask})
        load.run()
        refused, done = refused + (load.skipped is None), done + (load.skipped is not None)
        load.complete()
        load.assert_exact()
        load.assert_nothing_else_failed()
    assert refused
    assert done


def test_at_each_point_of_the_next_try_it_is_refused_or_exact() -> None:
    """The second life has but the broken file to try, which has failed in the first."""
    load = BrokenSet(ONE)
    load.run()
    load.world.begin_life()
    load.world.time.join()
    places = [place for place in load.world.trace if place.startswith("2/")]
    refused = 0
    for place in places:

        def ask(_: object) -> None:
            load.try_to_skip()  # noqa: B023 - called in this turn

        load = BrokenSet(ONE, {place: ask})
        load.run()
        load.world.begin_life()
        load.world.time.join()
        refused += load.skipped is None
        load.complete()
        load.assert_exact()
        load.assert_nothing_else_failed()
    assert 0 < refused < len(places) - 5


@pytest.mark.parametrize("writes", [3, 6, 9])
def test_the_store_fails_where_the_file_has_failed(writes: int) -> None:
    """For so many writes: the last checkpoint is stored late, or not at all."""
    load = BrokenSet(ONE)
    load.run()
    trace = load.world.trace
    before_it = trace[: trace.index("1/file-failed#1")]
    begun = max(at for at, place in enumerate(before_it) if "source-failed" in place)
    first = sum("table-write" in place for place in before_it[:begun]) + 1
    faults = tuple(Fault(1, "table-write", first + nth, "timeout") for nth in range(writes))
    load = BrokenSet(replace(ONE, faults=faults))
    load.run()
    load.try_to_skip()
    load.complete()
    load.assert_exact()


@pytest.mark.parametrize("how", CRASHES)
@pytest.mark.parametrize(
    "schedule", [ONE, THREE, ROUTED], ids=["one worker", "three workers", "two topics"]
)
def test_after_each_crash_of_a_worker_it_is_refused_or_exact(
    schedule: Schedule, how: str, seed: int
) -> None:
    for place in points(schedule)[seed % 17 :: 17]:
        point, nth = place[2:].split("#")
        load: BrokenSet

        def ask(_: object) -> None:
            load.try_to_skip()  # noqa: B023 - called in this turn

        crashed = replace(schedule, faults=(Fault(1, point, int(nth), how),))
        load = BrokenSet(crashed, {f"{schedule.workers + 1}/run-begins#1": ask})
        load.complete()
        load.assert_exact()


@pytest.mark.parametrize("step", [Step.FILE_SKIPPED, Step.FILE_MARKED])
@pytest.mark.parametrize("good_rows", [3, None])
@pytest.mark.parametrize("again", [False, True])
def test_killed_between_the_item_and_the_mark_a_worker_marks_the_file(
    step: Step, good_rows: int | None, again: bool
) -> None:
    load = BrokenSet(ONE, good_rows=good_rows)
    load.run()
    with pytest.raises(Dies):
        load.files(DiesAt(step)).skip("exports/part-03.csv")
    if again:
        assert load.skip().before
    load.complete()
    load.assert_exact()


def test_two_that_skip_a_file_at_once_are_both_told_so() -> None:
    load = BrokenSet(ONE)
    load.run()
    first = load.files()
    skipped = []

    class Between:
        def report(self, step: Step, **_: int) -> None:
            if step is Step.FILE_SKIPPED:
                skipped.append(first.skip("exports/part-03.csv"))

    skipped.append(load.files(Between()).skip("exports/part-03.csv"))
    assert sorted(each.before for each in skipped) == [False, True]
    load.complete()
    load.assert_exact()


HARMLESS = ("expire", "forget", "restart", "release", HELD)
"""Not drawn here: what they do to a job, other searches look at."""


@pytest.mark.parametrize("base", [BY_FILE, BY_THREE], ids=["one worker", "three workers"])
def test_random_schedules_of_a_set_with_a_file_that_is_skipped(base: Schedule, seed: int) -> None:
    for number, each in enumerate(drawn(base, seed)):
        faults = tuple(fault for fault in each.faults if fault.action not in HARMLESS)
        schedule = replace(
            each, faults=faults, file_count=5, row_count=40, broker=base.broker, expiry=0
        )
        asked_at = f"{1 + number % 3}/{('file-marked', 'batch-sent', 'lease-taken')[number % 3]}#2"
        load: BrokenSet

        def ask(_: object) -> None:
            load.try_to_skip_beside()  # noqa: B023 - called in this turn

        load = BrokenSet(schedule, {asked_at: ask})
        load.complete()
        load.assert_exact()
