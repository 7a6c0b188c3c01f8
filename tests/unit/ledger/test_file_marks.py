"""The marks of a set's files: each write with its condition, by many workers at once."""

from __future__ import annotations

from typing import Any

import pytest

from csvkafka.errors import CheckpointUnavailableError, ItemUnusableError
from csvkafka.ledger.file_marks import GROUP_FILES, Failure, FileMarks, Loaded
from csvkafka.testing.simulator.fake_table import FakeTable, TableServer
from csvkafka.testing.simulator.points import Script
from csvkafka.testing.simulator.virtual_clock import VirtualTime
from tests.refusals import refusal

DIGEST = "ab" * 32
ONE = Loaded(10, 11, 100)


def marks(server: TableServer, count: int = 5_000, **actions: str) -> FileMarks:
    time = VirtualTime()
    script = Script({name.replace("_", "-", 1): action for name, action in actions.items()})
    return FileMarks("job", DIGEST, count, lambda key: FakeTable(server, key, time, script))


def test_a_file_that_is_done_is_marked_with_its_rows() -> None:
    server = TableServer()
    of = marks(server)
    assert of.group_count == 3
    assert of.read(2).count == 5_000 - 2 * GROUP_FILES
    of.mark_done(GROUP_FILES, ONE)
    seen = of.mark_done(GROUP_FILES + 9, ONE)
    assert (seen.done, seen.loaded) == (0b10_0000_0001, Loaded(20, 22, 200))
    assert of.read(1) == seen
    assert of.read(0).done == 0


def test_rows_count_once_however_often_a_file_is_marked() -> None:
    server = TableServer()
    for _ in range(3):
        marks(server).mark_done(3, ONE)
    assert marks(server).read(0).loaded == ONE


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("action", ["reply-lost", "timeout-applied", "timeout"])
def test_a_write_whose_answer_is_lost_counts_once(nth: int, action: str) -> None:
    server = TableServer()
    marks(server).mark_done(1, ONE)
    actions: Any = {f"table_write#{nth}": action}
    of = marks(server, **actions)
    for number in (2, 3):
        while True:
            try:
                of.mark_done(number, ONE)
                break
            except CheckpointUnavailableError:
                continue
    seen = marks(server).read(0)
    assert (seen.done, seen.loaded.rows) == (0b1110, 30)


def test_two_workers_that_mark_at_once_lose_no_bit() -> None:
    server = TableServer()
    first = marks(server)
    first.mark_done(0, ONE)
    reads = iter([True])

    class Between(FakeTable):
        def get(self):  # type: ignore[no-untyped-def]
            item = super().get()
            if next(reads, False):
                first.mark_done(7, ONE)
            return item

    second = FileMarks("job", DIGEST, 5_000, lambda key: Between(server, key))
    assert second.mark_done(1, ONE).done == 0b1000_0011
    assert first.read(0).loaded.rows == 30


def test_a_file_that_failed_is_named_until_it_is_loaded() -> None:
    server = TableServer()
    of = marks(server)
    failure = Failure("x/a.csv", "MalformedRowError", "row 3 has 7 fields", 1_700_000_000)
    of.mark_failed(4, failure)
    of.mark_failed(4, failure)
    assert list(of.read(0).failed_numbers()) == [4]
    assert of.failure(4) == failure
    assert of.mark_done(4, ONE).failed == 0
    assert of.mark_failed(4, failure).failed == 0, "it is loaded"


def test_marks_of_a_full_group_stay_below_1_kb() -> None:
    server = TableServer()
    of = marks(server, 3 * GROUP_FILES)
    for number in range(GROUP_FILES, 2 * GROUP_FILES):
        seen = of.mark_done(number, Loaded(10**9, 10**9, 10**12))
    assert seen.done == (1 << GROUP_FILES) - 1
    assert of.totals().file_count == GROUP_FILES
    of.mark_failed(0, Failure("k", "E", "m", 0))
    (item,) = (item for key, item in server.items.items() if key.endswith("marks-1"))
    item |= {"failed": item["done"], "skipped": "2047,3", "skipped_rows": 10**9}
    item |= {"set_aside": 10**9, "skipped_set_aside": 10**9}
    assert sum(len(str(part)) for pair in item.items() for part in pair) < 1_024


@pytest.mark.parametrize(
    "change",
    [
        {"done": "?"},
        {"rows": "many"},
        {"failed": "/////w=="},
        {"skipped": "8"},
        {"skipped": "-1"},
        {"skipped": "a"},
        {"skipped_rows": "b"},
        {"set_aside": "b"},
    ],
)
def test_damaged_marks_are_refused(change: dict[str, str]) -> None:
    server = TableServer()
    of = marks(server, 8)
    of.mark_done(1, ONE)
    server.items[f"job#file/{DIGEST[:32]}/marks-0"] |= change
    with refusal(ItemUnusableError, "which says which files are loaded, is damaged"):
        of.read(0)


# -- files that are skipped ----------------------------------------------------------------------

LEFT = Loaded(3, 2, 0)


def test_a_file_that_is_skipped_failed_no_more_and_what_it_left_counts_apart() -> None:
    server = TableServer()
    of = marks(server)
    failure = Failure("x/a.csv", "MalformedRowError", "row 3 has 7 fields", 1_700_000_000, token=4)
    of.mark_failed(4, failure)
    assert of.failure(4) == failure
    of.mark_done(3, ONE)
    assert of.mark_skipped(4, LEFT) == of.mark_skipped(4, LEFT) == of.read(0)
    assert of.mark_failed(4, failure).failed == 0, "it is skipped"
    totals = of.totals()
    assert (totals.skipped, totals.left, totals.failed) == ((4,), LEFT, ())
    assert (totals.file_count, totals.loaded, totals.over) == (1, ONE, 2)


def test_rows_that_are_set_aside_are_counted_of_loaded_and_of_skipped_files() -> None:
    of = marks(TableServer())
    of.mark_done(3, Loaded(10, 10, 100, set_aside=2))
    of.mark_done(4, Loaded(10, 10, 100, set_aside=1))
    of.mark_skipped(5, Loaded(3, 2, 0, set_aside=1))
    totals = of.totals()
    assert (totals.loaded, totals.left) == (Loaded(20, 20, 200, 3), Loaded(3, 2, 0, 1))


def test_a_try_that_came_to_nothing_leaves_the_count_of_the_one_before() -> None:
    of = marks(TableServer())
    of.mark_failed(4, Failure("x/a.csv", "MalformedRowError", "row 3 has 7 fields", 1, token=4))
    of.mark_failed(4, Failure("x/a.csv", "SourceNotFoundError", "it is gone", 2))
    assert of.failure(4) == Failure("x/a.csv", "SourceNotFoundError", "it is gone", 2, token=4)


def test_marks_of_a_set_without_skipped_files_say_nothing_of_them() -> None:
    server = TableServer()
    of = marks(server)
    of.mark_done(0, ONE)
    of.mark_failed(1, Failure("k", "E", "m", 0))
    (item,) = (item for key, item in server.items.items() if key.endswith("marks-0"))
    assert not [name for name in item if name.startswith("skipped")]


def test_a_skip_and_a_worker_that_marks_at_once_lose_no_bit() -> None:
    server = TableServer()
    first = marks(server)
    reads = iter([True])

    class Between(FakeTable):
        def get(self):  # type: ignore[no-untyped-def]
            item = super().get()
            if next(reads, False):
                first.mark_skipped(7, LEFT)
            return item

    second = FileMarks("job", DIGEST, 5_000, lambda key: Between(server, key))
    seen = second.mark_done(1, ONE)
    assert (seen.done, seen.skipped, seen.left) == (0b10, 0b1000_0000, LEFT)
    seen = first.mark_skipped(2, LEFT)
    assert (seen.done, seen.skipped, seen.left.rows) == (0b10, 0b1000_0100, 6)
