"""How often a job is looked at."""

from __future__ import annotations

from csvkafka.testing.judging.job_view import ITEM_SECONDS, STILL_FACTOR, ItemAge, LookRest


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


def test_an_item_is_read_again_after_each_stored_checkpoint_and_now_and_then() -> None:
    stored = 0
    age = ItemAge(lambda: stored)
    assert age.is_over(0.0)
    assert not age.is_over(0.1)
    stored = 1
    assert age.is_over(0.2)
    assert not age.is_over(0.3)
    assert not age.is_over(0.1 + ITEM_SECONDS)
    assert age.is_over(0.2 + ITEM_SECONDS)


def test_where_nobody_reports_what_is_stored_an_item_is_read_at_each_look() -> None:
    age = ItemAge()
    assert age.is_over(0.0)
    assert age.is_over(0.0)
