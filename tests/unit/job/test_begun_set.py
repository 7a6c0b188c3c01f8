"""Which objects do not matter any more to a set that was begun."""

from __future__ import annotations

from dataclasses import replace

from csvkafka.job.begun_set import BegunSet
from csvkafka.model import FileOrder
from csvkafka.testing.simulator.fake_table import FakeStore, FakeTable
from csvkafka.testing.simulator.life import JOB_ID
from tests.recovery.set_schedules import BY_FILE
from tests.recovery.skipped_sets import BROKEN, BrokenSet, with_rows

ONE = with_rows(BY_FILE)


def begun(load: BrokenSet) -> BegunSet:
    return BegunSet(JOB_ID, FakeStore(FakeTable(load.world.table, JOB_ID)).item)


def test_a_set_that_was_not_begun_needs_each_object() -> None:
    assert not begun(BrokenSet(ONE)).is_without("exports/other.csv")


def test_a_set_is_without_what_is_skipped_and_what_is_no_part_of_it() -> None:
    load = BrokenSet(ONE)
    load.run()
    before = begun(load)
    assert before.is_without("exports/other.csv")
    assert not before.is_without(BROKEN)
    load.skip(BROKEN)
    after = begun(load)
    assert after.is_without(BROKEN)
    assert not after.is_without("exports/part-02.csv")


def test_a_set_in_one_order_that_has_sent_nothing_takes_objects_as_they_are_now() -> None:
    load = BrokenSet(replace(ONE, order=FileOrder.SET))
    load.world.begin_life()
    load.world.time.join()
    assert begun(load).is_without("exports/other.csv")
    item = load.world.table.items[JOB_ID]
    for name in ("producer_id", "producer_epoch", "partitions"):
        del item[name]
    item |= {"byte_offset": 0, "last_line": 0, "total_sent": 0, "status": "IN_PROGRESS"}
    assert not begun(load).is_without("exports/other.csv")
