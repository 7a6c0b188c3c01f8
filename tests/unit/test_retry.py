from __future__ import annotations

import logging

import pytest

from csvkafka.errors import CheckpointUnavailableError
from csvkafka.retry import (
    ANSWERING_SECONDS,
    UNREACHED_SECONDS,
    Complaint,
    Patience,
    until_table_answers,
)
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


def test_a_closer_limit_counts_from_the_first_try_the_time_of_tries_included() -> None:
    clock = SteppedClock()
    trying = patience(clock)
    clock.now += 4  # the first try hung for so long
    assert trying.wait(limit_seconds=5)
    assert not trying.wait(limit_seconds=5)
    assert clock.slept == [1]


def test_what_lasts_is_said_once_then_each_minute_with_since_when(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = SteppedClock()
    complaint = Complaint(clock, logging.getLogger("table"), "The table does not answer")
    caplog.set_level(logging.INFO)
    for _ in range(1300):
        complaint.say(RuntimeError("gone"))
        clock.now += 0.1
    complaint.over()
    complaint.over()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 4
    assert said[0] == "The table does not answer: gone"
    assert " since " in said[1]
    assert "for 60 s: gone" in said[1]
    assert "for 120 s: gone" in said[2]
    assert said[3] == "No longer, after 130 s: The table does not answer"


@pytest.mark.parametrize(
    ("has_answered", "seconds"), [(True, ANSWERING_SECONDS), (False, UNREACHED_SECONDS)]
)
def test_a_table_that_has_answered_is_borne_for_longer(has_answered: bool, seconds: float) -> None:
    clock = SteppedClock()
    before = clock.now

    def ask() -> None:
        raise CheckpointUnavailableError("throttles", has_answered=has_answered)

    with pytest.raises(CheckpointUnavailableError):
        until_table_answers(ask, clock, lambda: None)
    assert clock.now - before == seconds


def test_a_signal_ends_the_patience_with_the_table() -> None:
    def ask() -> None:
        raise CheckpointUnavailableError("throttles", has_answered=True)

    tries = iter(range(3))

    def look() -> None:
        next(tries)

    with pytest.raises(StopIteration):
        until_table_answers(ask, SteppedClock(), look)
