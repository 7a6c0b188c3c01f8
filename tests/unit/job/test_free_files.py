"""Which file a worker takes next: few reads, no file twice, none forgotten."""

from __future__ import annotations

import base64
from collections import Counter
from random import Random
from typing import Any, cast

from csvkafka.interfaces import Item
from csvkafka.job.free_files import FreeFiles
from csvkafka.job.parts import JobParts
from csvkafka.ledger.file_marks import Failure, FileMarks, Loaded
from csvkafka.ledger.item import LeaseState
from csvkafka.testing.simulator.fake_table import FakeTable, TableServer
from csvkafka.testing.simulator.virtual_clock import VirtualTime
from tests.unit.stepped_clock import SteppedClock

ONE = Loaded(1, 1, 1)
COUNT = 100_000


class Files:
    """A set of `COUNT` files in a store whose reads are counted."""

    def __init__(self, count: int = COUNT) -> None:
        self.server = TableServer()
        self.clock = SteppedClock()
        self.reads: Counter[str] = Counter()
        self.marks = FileMarks("job", "ab" * 32, count, self.item)
        self.children: dict[int, Item] = {}

    def item(self, key: str) -> FakeTable:
        files = self

        class Counted(FakeTable):
            def get(self) -> Item | None:
                files.reads["marks"] += 1
                return super().get()

        return Counted(self.server, key, VirtualTime())

    def child(self, number: int) -> Item | None:
        self.reads["child"] += 1
        return self.children.get(number)

    def worker(self, name: str) -> FreeFiles:
        parts = JobParts(
            **dict.fromkeys(
                ("source", "cluster", "ledger", "open_sink", "open_feed", "store", "observer"),
                cast(Any, None),
            ),
            clock=self.clock,
            stop_signal=lambda: None,
        )
        free = FreeFiles(
            self.marks, self.child, parts, is_known_dead=lambda _: False, chance=Random(name)
        )
        free.look()
        return free

    def take(self, number: int, owner: str, counter: int = 1) -> None:
        self.children[number] = {
            "status": "IN_PROGRESS",
            "lease_owner": owner,
            "fencing_token": 1,
            "lease_counter": counter,
            "lease_milliseconds": 10_000,
        }

    def complete(self, number: int, free: FreeFiles) -> None:
        self.children[number] = {"status": "COMPLETED"}
        free.note(self.marks.mark_done(number, ONE))


def test_one_worker_takes_the_files_in_their_order_with_one_read_each() -> None:
    files = Files()
    free = files.worker("a")
    for due in range(50):
        number = free.next()
        assert number == due
        files.complete(number, free)
    assert files.reads == {"marks": 49 + 50, "child": 50}


def test_a_worker_that_comes_when_nearly_all_is_done_reads_marks_and_few_items() -> None:
    files = Files()
    bits = (1 << 2_048) - 1
    for group in range(files.marks.group_count):
        first = group * 2_048
        count = min(2_048, COUNT - first)
        done = bits & ((1 << count) - 1)
        if group == 30:
            done &= ~(1 << 77)
        files.marks.mark_done(first, ONE)
        key = next(key for key in files.server.items if key.endswith(f"marks-{group}"))
        data = done.to_bytes(-(-count // 8), "little")
        files.server.items[key] |= {"done": base64.b64encode(data).decode()}
    files.reads.clear()
    assert files.worker("a").next() == 30 * 2_048 + 77
    assert files.reads == {"marks": 49, "child": 1}


def test_workers_part_and_load_each_file_once_with_few_reads() -> None:
    files = Files(3_000)
    names = [f"w{n}" for n in range(16)]
    workers = {name: files.worker(name) for name in names}
    files.reads.clear()
    at: dict[str, int] = {}
    loaded: Counter[int] = Counter()
    while len(loaded) < 3_000:
        for name, free in workers.items():
            if name in at:
                number = at.pop(name)
                loaded[number] += 1
                files.complete(number, free)
            taken = free.next()
            if taken is not None:
                files.take(taken, name)
                at[name] = taken
    assert set(loaded.values()) == {1}
    assert files.reads["child"] < 2 * 3_000
    assert files.reads["marks"] < 3 * 3_000


def test_a_file_of_an_owner_that_stands_still_is_taken_over_and_a_living_ones_is_not() -> None:
    files = Files(2)
    files.take(0, "dead")
    files.take(1, "alive")
    free = files.worker("a")
    assert free.next() is None
    for turn in range(20):
        files.take(1, "alive", counter=2 + turn)
        assert free.wait_for_others()
        if free.next() == 0:
            break
    else:
        raise AssertionError("it was never taken over")
    assert turn >= 13, "1.5 times its lease"
    assert free.watched(0) == LeaseState("dead", 1, 1, 10.0)
    assert free.watched(1) is None


def test_who_stood_still_in_one_file_is_alive_in_the_next() -> None:
    files = Files(2)
    files.take(0, "slow")
    files.take(1, "other")
    free = files.worker("a")
    for turn in range(20):
        files.take(1, "other", counter=2 + turn)
        if free.next() is not None:
            break
        assert free.wait_for_others()
    files.complete(0, free)
    files.take(1, "slow", counter=40)
    assert free.next() is None
    assert free.wait_for_others()
    assert free.next() is None


def test_what_failed_here_and_was_loaded_by_another_since_is_loaded() -> None:
    files = Files(3_000)
    first = files.worker("a")
    failed = first.next()
    assert failed == 0
    first.note_failed(0, files.marks.mark_failed(0, Failure("k", "E", "m", 0)))
    later = files.worker("b")
    assert later.next() == 0
    files.complete(0, later)
    assert first.totals.failed == (0,)
    files.reads.clear()
    first.look_at_failed()
    assert first.totals.failed == ()
    assert first.totals.file_count == 1
    assert files.reads == {"marks": 1}


def test_a_file_that_was_completed_but_not_marked_is_given_to_be_marked() -> None:
    files = Files(3)
    files.children[0] = {"status": "COMPLETED"}
    assert files.worker("a").next() == 0


def test_what_failed_before_is_tried_once_by_each_and_what_fails_now_by_one() -> None:
    files = Files(3)
    failure = Failure("k", "E", "m", 0)
    files.marks.mark_failed(0, failure)
    first, second = files.worker("a"), files.worker("b")
    assert first.next() == 0
    first.note_failed(0, files.marks.mark_failed(0, failure))
    assert first.next() == 1
    first.note_failed(1, files.marks.mark_failed(1, failure))
    assert first.next() == 2
    files.complete(2, first)
    assert first.next() is None
    assert not first.wait_for_others()
    assert first.totals.failed == (0, 1)
    assert second.next() == 0
    second.note_failed(0, files.marks.mark_failed(0, failure))
    assert second.next() is None
    assert second.has_new_failure()
