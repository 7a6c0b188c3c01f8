"""When a loader is struck: by rows, by writes, by time; always after its first new record."""

from __future__ import annotations

import pytest

from csvkafka.testing.faults.strikes import (
    WRITE_PATIENCE_SECONDS,
    Action,
    Strike,
    StrikeWatch,
    Trigger,
    plan_strikes,
)


def test_a_seed_gives_one_plan_and_another_seed_another() -> None:
    assert plan_strikes(1000, 5, 2, seed=3) == plan_strikes(1000, 5, 2, seed=3)
    assert plan_strikes(1000, 5, 2, seed=3) != plan_strikes(1000, 5, 2, seed=4)


@pytest.mark.parametrize("seed", range(20))
def test_strikes_are_spread_over_the_file_in_order(seed: int) -> None:
    strikes = plan_strikes(1000, 5, 2, seed)
    rows = [strike.from_rows for strike in strikes]
    assert sorted(rows) == rows
    assert 1 <= rows[0] <= 250
    assert 750 <= rows[-1] < 1000
    assert [strike.action for strike in strikes].count(Action.PAUSE) == 2
    assert len(strikes) == 7


def test_no_strike_before_the_incarnation_brought_a_record() -> None:
    watch = StrikeWatch(Strike(Action.KILL, Trigger.ROWS, from_rows=10))
    assert not watch.is_due(0.0, record_count=9, new_records=9, writes=0)
    assert not watch.is_due(0.0, record_count=50, new_records=0, writes=0)
    assert watch.is_due(0.0, record_count=50, new_records=1, writes=0)


def test_a_strike_at_a_write_waits_for_the_next_one() -> None:
    watch = StrikeWatch(Strike(Action.KILL, Trigger.WRITE, from_rows=10))
    assert not watch.is_due(5.0, record_count=10, new_records=1, writes=3)
    assert not watch.is_due(5.1, record_count=10, new_records=1, writes=3)
    assert watch.is_due(5.2, record_count=10, new_records=1, writes=4)


def test_a_loader_that_never_writes_is_struck_all_the_same() -> None:
    watch = StrikeWatch(Strike(Action.KILL, Trigger.WRITE, from_rows=10))
    assert not watch.is_due(5.0, record_count=10, new_records=1, writes=0)
    later = 5.0 + WRITE_PATIENCE_SECONDS
    assert watch.is_due(later, record_count=10, new_records=1, writes=0)


def test_a_strike_by_time_counts_from_when_its_rows_were_there() -> None:
    watch = StrikeWatch(Strike(Action.KILL, Trigger.TIME, from_rows=10, delay_seconds=0.125))
    assert not watch.is_due(5.0, record_count=9, new_records=1, writes=0)
    assert not watch.is_due(6.0, record_count=10, new_records=1, writes=0)
    assert watch.is_due(6.125, record_count=10, new_records=1, writes=0)
