from __future__ import annotations

from csvkafka.retry import Patience
from tests.unit.stepped_clock import SteppedClock


def patience(clock: SteppedClock) -> Patience:
    return Patience(clock, give_up_seconds=10, first_delay_seconds=1, max_delay_seconds=4)


def test_delays_double_up_to_the_longest_and_end_with_the_time() -> None:
    clock = SteppedClock()
    trying = patience(clock)
    while trying.wait():
        pass
    assert clock.slept == [1, 2, 4, 3]


def test_progress_starts_the_time_and_the_delays_anew() -> None:
    clock = SteppedClock()
    trying = patience(clock)
    assert trying.wait()
    assert trying.wait()
    trying.progressed()
    clock.now += 8
    assert trying.wait()
    assert clock.slept == [1, 2, 1]


def test_a_slow_caller_loses_no_patience() -> None:
    clock = SteppedClock()
    trying = patience(clock)
    trying.progressed()
    clock.now += 3600
    assert trying.wait()


def test_time_spent_in_failing_tries_counts() -> None:
    clock = SteppedClock()
    trying = patience(clock)
    assert trying.wait()
    clock.now += 20
    assert not trying.wait()
    assert clock.slept == [1]
