"""How often a job is looked at."""

from __future__ import annotations

from csvkafka.testing.judging.job_view import STILL_FACTOR, LookRest


def test_what_moves_is_looked_at_as_often_as_can_be() -> None:
    rest = LookRest(0.1)
    rest.looked(moved=False)
    rest.looked(moved=True)
    assert rest.seconds == 0.1


def test_what_stands_still_is_looked_at_less_and_less_but_never_forgotten() -> None:
    rest = LookRest(0.1)
    rests = [rest.seconds]
    for _ in range(20):
        rest.looked(moved=False)
        rests.append(rest.seconds)
    assert rests == sorted(rests)
    assert rests[1] > rests[0]
    assert rests[-1] == rests[-2] == STILL_FACTOR * 0.1
