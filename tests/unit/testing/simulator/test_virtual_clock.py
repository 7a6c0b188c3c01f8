"""Tasks take turns in virtual time, whichever threads they run in."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from csvkafka.testing.simulator.virtual_clock import Stalled, VirtualTime


def test_turns_come_in_the_order_of_their_times_and_then_of_their_asking() -> None:
    time = VirtualTime()
    seen: list[tuple[str, float]] = []

    def wait(name: str, *rests: float) -> None:
        for seconds in rests:
            time.block(seconds)
            seen.append((name, time.now))

    time.spawn("a", partial(wait, "a", 1.0, 2.0, 4.0))
    time.spawn("b", partial(wait, "b", 3.0, 1.0))
    time.after(3.0, lambda: seen.append(("event", time.now)))
    time.join()
    # The event was asked for before either task had its first turn.
    assert seen == [("a", 1.0), ("event", 3.0), ("b", 3.0), ("a", 3.0), ("b", 4.0), ("a", 7.0)]


def test_one_that_waits_alone_takes_a_turn_as_any_other() -> None:
    time = VirtualTime(limit_seconds=10.0)
    turns = time.turns
    time.block(4.0)
    time.block(0.0)
    assert (time.now, time.turns) == (4.0, turns + 2)
    with pytest.raises(Stalled):
        time.block(6.5)


def test_what_is_due_first_comes_before_the_wait_is_over() -> None:
    time = VirtualTime()
    first = time.task
    time.after(2.0, lambda: time.wake(first))
    time.block(5.0)
    assert time.now == 2.0


def test_a_wake_that_comes_too_late_ends_no_later_wait() -> None:
    time = VirtualTime()
    first = time.task
    time.wake(first)
    time.block(1.0)
    time.wake(first)
    time.after(0.5, lambda: None)
    time.block(1.0)
    assert time.now == 2.0


def test_threads_serve_one_task_after_the_other() -> None:
    def run_one() -> None:
        time = VirtualTime()
        time.spawn("one", lambda: time.block(1.0))
        time.join()

    run_one()
    before = threading.active_count()
    for _ in range(50):
        run_one()
    assert threading.active_count() < before + 10
