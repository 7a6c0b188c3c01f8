"""Skipping a file of a set: what is refused, by which line, and writes that go wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from csvkafka.errors import CheckpointError, ConfigError, FileNotSkippedError, ItemUnusableError
from csvkafka.interfaces import Item, ItemChange, Refused
from csvkafka.job.skip_file import SkipFiles
from csvkafka.ledger.file_marks import child_id
from csvkafka.model import FileOrder
from csvkafka.testing.simulator.fake_table import FakeStore, FakeTable
from csvkafka.testing.simulator.life import JOB_ID
from csvkafka.testing.simulator.points import Script
from csvkafka.testing.simulator.schedule import Fault
from csvkafka.testing.simulator.virtual_clock import VirtualClock
from tests.recovery.set_schedules import BY_FILE
from tests.recovery.skipped_sets import BROKEN, BrokenSet, with_rows
from tests.refusals import refusal

ONE = with_rows(BY_FILE)


@pytest.fixture
def load() -> BrokenSet:
    """A set all of which is loaded but the broken file, of which `GOOD_ROWS` rows are."""
    load = BrokenSet(ONE)
    load.run()
    return load


def child_of(load: BrokenSet, number: int = 3) -> Item:
    """The item of that file, to be changed."""
    items = load.world.table.items
    digest = str(items[JOB_ID]["source"]["etag"])  # type: ignore[index, call-overload]
    return items[child_id(JOB_ID, digest, number)]


def test_a_job_that_was_never_begun(load: BrokenSet) -> None:
    store = FakeStore(FakeTable(load.world.table, JOB_ID))
    with refusal(CheckpointError, "no item of job other: it was never begun"):
        SkipFiles(store, "other", VirtualClock(load.world.time))


def test_a_job_of_one_object(load: BrokenSet) -> None:
    store = FakeStore(FakeTable(load.world.table, JOB_ID))
    child = str(child_of(load)["job_id"])
    with refusal(ConfigError, "is no set of files; check JOB_ID"):
        SkipFiles(store, child, VirtualClock(load.world.time))


def test_a_set_in_one_order_that_a_worker_has() -> None:
    load = BrokenSet(replace(ONE, order=FileOrder.SET))
    load.world.begin_life()
    load.world.time.join()
    load.world.table.items[JOB_ID]["lease_owner"] = "host-a/boot/ns/17/99/abcd"
    with refusal(FileNotSkippedError, "the set is in the hands of process 17 on host host-a: wait"):
        load.skip()


def test_a_set_in_one_order_whose_item_is_damaged() -> None:
    load = BrokenSet(replace(ONE, order=FileOrder.SET))
    load.world.begin_life()
    load.world.time.join()
    load.world.table.items[JOB_ID]["skipped_each"] = [["3", "a"]]
    with refusal(ItemUnusableError, "does not tell which of its files are skipped: it was damaged"):
        load.skip()


def test_a_key_that_is_not_in_the_set(load: BrokenSet) -> None:
    with refusal(ConfigError, "'exports/part-3.csv' is none of the 5 files of job job; give"):
        load.skip("exports/part-3.csv")


def test_a_file_may_be_named_by_its_uri(load: BrokenSet) -> None:
    assert load.skip(f"s3://bucket/{BROKEN}").uri == f"s3://bucket/{BROKEN}"


def test_a_file_that_is_loaded(load: BrokenSet) -> None:
    with refusal(FileNotSkippedError, r"part-02\.csv is loaded already \(\d+ rows\)"):
        load.skip("exports/part-02.csv")


def test_a_file_that_a_worker_has(load: BrokenSet) -> None:
    child_of(load)["lease_owner"] = "host-a/boot/ns/17/99/abcd"
    with refusal(FileNotSkippedError, "in the hands of process 17 on host host-a: wait until"):
        load.skip()


def test_a_file_in_which_a_worker_was_killed(load: BrokenSet) -> None:
    child_of(load)["lease_owner"] = load.world.lives[0].owner
    with refusal(FileNotSkippedError, r"did not come to the fault.*than the 3 that its"):
        load.skip()


def test_a_file_that_was_taken_again_since_it_failed(load: BrokenSet) -> None:
    child_of(load)["fencing_token"] = 7
    with refusal(FileNotSkippedError, "Start csvkafka load once more"):
        load.skip()


def test_a_try_whose_last_checkpoint_was_not_stored_does_not_count() -> None:
    """Its lease may have been released by a write that says nothing of the rows."""
    broken = BrokenSet(ONE, {"1/released#1": lambda _: child_of(broken).update(last_line=1)})
    broken.run()
    with refusal(FileNotSkippedError, "did not come to the fault"):
        broken.skip()


def test_a_file_that_could_not_be_read_up_to_where_the_topic_ends() -> None:
    """A killed worker had sent more rows than the item has; the next one failed before it had read
    as far, so nobody has counted them."""
    killed = Fault(1, "batch-acknowledged", 5, "crash")
    load = BrokenSet(replace(ONE, faults=(killed, Fault(2, "source-read", 4, "unavailable"))))
    for _ in range(2):
        load.world.begin_life()
        load.world.time.join()
    key = "exports/part-02.csv"
    counted, in_topic = child_of(load, 2)["last_line"], load.records_of(key)
    assert (counted, in_topic) == (5, 14)
    with refusal(FileNotSkippedError, "did not come to the fault"):
        load.skip(key)
    load.complete()
    load.assert_exact()


def test_a_file_of_which_a_stopped_worker_has_sent_some_rows() -> None:
    load = BrokenSet(replace(ONE, faults=(Fault(1, "batch-acknowledged", 8, "stop"),)))
    load.world.begin_life()
    load.world.time.join()
    begun = [key for key, item in load.world.table.items.items() if "producer_id" in item]
    key = f"exports/part-{int(begun[-1][-1]):02}.csv"
    with refusal(FileNotSkippedError, "did not come to the fault"):
        load.skip(key)


def test_a_file_of_which_a_killed_worker_can_have_sent_nothing() -> None:
    """Its owner is gone, and has no producer id yet."""
    load = BrokenSet(replace(ONE, faults=(Fault(1, "lease-taken", 4, "crash"),)))
    load.world.begin_life()
    load.world.time.join()
    assert load.skip().left.rows == 0
    load.complete()
    load.assert_exact()


def test_the_token_grows_so_whoever_had_the_file_is_refused(load: BrokenSet) -> None:
    before = child_of(load)
    load.skip()
    after = child_of(load)
    assert after["fencing_token"] == int(str(before["fencing_token"])) + 1
    assert after["checkpoint_number"] == before["checkpoint_number"]


class Between(FakeTable):
    """`change` strikes once, between a read of the file's item and the write after it."""

    change: Callable[[], object] | None = None

    def update(self, change: ItemChange) -> Refused | None:
        strikes, Between.change = Between.change, None
        if strikes is not None:
            strikes()
        return super().update(change)


def skip_with(load: BrokenSet, change: Callable[[], object]) -> None:
    Between.change = change
    store = FakeStore(Between(load.world.table, JOB_ID, load.world.time))
    SkipFiles(store, JOB_ID, VirtualClock(load.world.time)).skip(BROKEN)


def test_a_worker_that_takes_the_file_just_before_it_is_skipped_keeps_it(load: BrokenSet) -> None:
    child = child_of(load)
    taken: Item = {"lease_owner": "h/b/n/1/2/c", "fencing_token": 2, "lease_counter": 50}
    with refusal(FileNotSkippedError, "in the hands of process 1"):
        skip_with(load, lambda: child.update(taken))
    assert child["status"] == "IN_PROGRESS"


def test_a_worker_that_takes_the_set_in_one_order_just_before_keeps_it() -> None:
    load = BrokenSet(replace(ONE, order=FileOrder.SET))
    load.world.begin_life()
    load.world.time.join()
    item = load.world.table.items[JOB_ID]
    place, number = item["piece"], item["checkpoint_number"]
    taken: dict[str, Any] = {
        "lease_owner": "h/b/n/1/2/c",
        "fencing_token": 2,
        "lease_counter": 50,
    }
    with refusal(FileNotSkippedError, "the set is in the hands of process 1"):
        skip_with(load, lambda: item.update(taken))
    assert (item["piece"], item["checkpoint_number"]) == (place, number)


def test_a_load_in_one_order_whose_last_checkpoint_was_not_stored_is_not_noted() -> None:
    def lose(_: object) -> None:
        broken.world.table.items[JOB_ID].update(last_line=1)

    broken = BrokenSet(replace(ONE, order=FileOrder.SET), {"1/released#1": lose})
    broken.world.begin_life()
    broken.world.time.join()
    with refusal(FileNotSkippedError, "the load has not stopped at"):
        broken.skip()


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("action", ["throttle", "timeout", "timeout-applied", "reply-lost"])
def test_a_set_in_one_order_is_moved_once_whatever_becomes_of_the_write(
    action: str, nth: int
) -> None:
    load = BrokenSet(replace(ONE, order=FileOrder.SET))
    load.world.begin_life()
    load.world.time.join()
    script = Script({f"table-write#{nth}": action})
    table = FakeTable(load.world.table, JOB_ID, load.world.time, script, give_up_seconds=1.0)
    files = SkipFiles(FakeStore(table), JOB_ID, VirtualClock(load.world.time))
    token = int(str(load.world.table.items[JOB_ID]["fencing_token"]))
    assert files.skip(BROKEN).left.rows == load.good_rows
    item = load.world.table.items[JOB_ID]
    assert (item["fencing_token"], item["files_skipped"]) == (token + 1, 1)


def test_a_worker_that_completes_the_file_just_before_it_is_skipped(load: BrokenSet) -> None:
    child = child_of(load)
    with refusal(FileNotSkippedError, "is loaded already"):
        skip_with(load, lambda: child.update(status="COMPLETED"))
    assert child["status"] == "COMPLETED"


def test_a_worker_that_tried_again_and_stopped_just_before(load: BrokenSet) -> None:
    child = child_of(load)
    with refusal(FileNotSkippedError, "did not come to the fault"):
        skip_with(load, lambda: child.update(fencing_token=2))
    assert child["status"] == "IN_PROGRESS"


@pytest.mark.parametrize("good_rows", [3, None])
@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("action", ["throttle", "timeout", "timeout-applied", "reply-lost"])
def test_writes_that_go_wrong_are_done_once(action: str, nth: int, good_rows: int | None) -> None:
    load = BrokenSet(ONE, good_rows=good_rows)
    load.run()
    script = Script({f"table-write#{nth}": action})
    table = FakeTable(load.world.table, JOB_ID, load.world.time, script, give_up_seconds=1.0)
    files = SkipFiles(FakeStore(table), JOB_ID, VirtualClock(load.world.time))
    load.skipped = files.skip(BROKEN)
    load.complete()
    load.assert_exact()


def test_a_skipped_file_may_change_or_vanish_and_others_not(load: BrokenSet) -> None:
    load.skip()
    kept = dict(load.world.files)
    del load.world.files[BROKEN]
    load.world.files["exports/part-04.csv"] += b"99,k1,new\n"
    life = load.world.begin_life()
    load.world.time.join()
    assert "1 object changed: exports/part-04.csv" in str(life.error)
    assert BROKEN not in str(life.error)
    load.world.files["exports/part-04.csv"] = kept["exports/part-04.csv"]
    life = load.world.begin_life()
    load.world.time.join()
    assert life.result is not None
    load.world.files.update(kept)
    load.assert_exact()
