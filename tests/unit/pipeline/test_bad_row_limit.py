"""A load that sets aside too many rows stops, having sent all up to there; counted over the job."""

from __future__ import annotations

from collections import deque

import pytest

from csvkafka.errors import TooManyBadRowsError
from csvkafka.model import Checkpoint, EncodedBlock, LaneProgress, Position
from csvkafka.pipeline.bad_row_limit import BadRowLimit, LimitedFeed
from tests.refusals import refusal, refusal_in


def places(count: int) -> tuple[str, ...]:
    return tuple(f"row {number}" for number in range(count))


class Feed:
    """Blocks of 100 rows, of which so many are bad and others dropped, after `before` others."""

    def __init__(self, *bad: int, before: int = 0, dropped: int = 0) -> None:
        self._blocks = deque(
            EncodedBlock(
                Position(0, before + 100 * number),
                (100 - dropped - count, count),
                (),
                None,
                tuple(f"row {n}" for n in range(count)),
            )
            for number, count in enumerate(bad, 1)
        )

    def take(self) -> EncodedBlock | None:
        return self._blocks.popleft() if self._blocks else None

    @property
    def exhausted(self) -> bool:
        return not self._blocks

    def close(self) -> None:
        self._blocks.clear()


def limited(feed: Feed, limit: BadRowLimit, good: int = 0, bad: int = 0) -> LimitedFeed:
    lanes = (LaneProgress(good, good), LaneProgress(bad, bad))
    return LimitedFeed(feed, limit, Checkpoint(Position(0, good + bad), 0, lanes), 1, "dead")


def failures(feed: LimitedFeed) -> list[bool]:
    taken = []
    while not feed.exhausted:
        block = feed.take()
        assert block is not None
        taken.append(block.failure is not None)
        if block.failure is not None:
            break
    return taken


def test_the_block_that_goes_beyond_the_limit_is_the_last() -> None:
    assert failures(limited(Feed(1, 1, 1, 1), BadRowLimit(rows=2))) == [False, False, True]
    assert failures(limited(Feed(1, 1), BadRowLimit(rows=2))) == [False, False]
    assert failures(limited(Feed(0, 1), BadRowLimit(rows=0))) == [False, True]
    assert failures(limited(Feed(9, 99), BadRowLimit())) == [False, False]


def test_a_share_is_looked_at_from_a_thousand_rows_on() -> None:
    bad = [100, *[0] * 12]
    assert failures(limited(Feed(*bad), BadRowLimit(share=0.05))) == [False] * 9 + [True]
    assert failures(limited(Feed(*bad), BadRowLimit(share=0.1))) == [False] * 13
    assert failures(limited(Feed(100), BadRowLimit(share=0.0))) == [False]


def test_a_share_is_one_of_all_rows_those_that_are_dropped_among_them() -> None:
    bad = [10] * 12
    assert failures(limited(Feed(*bad, dropped=85), BadRowLimit(share=0.1))) == [False] * 12
    assert failures(limited(Feed(*bad, dropped=85), BadRowLimit(share=0.09))) == [False] * 9 + [
        True
    ]


def test_what_was_set_aside_before_counts() -> None:
    feed = limited(Feed(1, before=100), BadRowLimit(rows=5), good=95, bad=5)
    block = feed.take()
    assert block is not None
    refusal_in(TooManyBadRowsError, str(block.failure))
    assert "6 of the first 200 rows were set aside in topic dead" in str(block.failure)
    assert "MAX_BAD_ROWS=5 allows, in this run first row 0." in str(block.failure)


def test_a_load_that_stopped_for_it_stops_again_before_its_first_row() -> None:
    feed = limited(Feed(0), BadRowLimit(rows=5), good=94, bad=6)
    with refusal(TooManyBadRowsError, "6 of the first 100 rows"):
        feed.take()
    assert not feed.exhausted


@pytest.mark.parametrize(("bad", "shown"), [((3, 3), 5), ((1, 1), 2)])
def test_the_first_places_are_named_and_no_more(bad: tuple[int, ...], shown: int) -> None:
    feed = limited(Feed(*bad), BadRowLimit(rows=sum(bad) - 1))
    feed.take()
    block = feed.take()
    assert block is not None
    assert str(block.failure).count("row ") == shown
