"""Bugs of sets whose files are jobs of their own: whose a file is, and what the marks say of it."""

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from csvkafka.interfaces import AttributeValue, Item, ItemChange, Refused
from csvkafka.job import beginning, set_run
from csvkafka.job.definition import JobSpec
from csvkafka.job.free_files import FreeFiles
from csvkafka.job.set_run import SetRun
from csvkafka.ledger import file_marks
from csvkafka.ledger.file_marks import MARK, NOTHING, FileMarks, Loaded, Marks, Totals
from csvkafka.ledger.item import SETS_SCHEMA_VERSION, StoredJob
from csvkafka.ledger.ledger import JobLedger
from csvkafka.model import JobStatus

from . import patch, replace


class _Unconditional:
    """An item whose updates are always taken."""

    def __init__(self, item: Any) -> None:
        self._item = item

    def __getattr__(self, name: str) -> Any:
        return getattr(self._item, name)

    def update(self, change: ItemChange) -> Refused | None:
        refused: Refused | None = self._item.update(changed(change, expect={}))
        return refused


@patch("set-file-without-its-lease")
def a_file_is_taken_without_its_lease() -> None:
    take = JobLedger.take

    def take_at_once(self: Any, stored: StoredJob, *arguments: Any) -> StoredJob | None:
        if MARK not in self.job_id or stored.status is JobStatus.COMPLETED:
            return take(self, stored, *arguments)
        self._table = _Unconditional(self._table)
        self._number = stored.checkpoint_number
        self.holds_lease = True
        self._extend(self._clock.boottime())
        return stored

    def decode_anyones(self: Any, refused: Refused) -> StoredJob:
        if MARK not in self.job_id:
            return decode_mine(self, refused)
        stored: StoredJob = self._decode_or_lost(refused.item)
        return stored

    decode_mine = JobLedger._decode_mine
    replace(JobLedger, "take", take_at_once)
    replace(JobLedger, "_decode_mine", decode_anyones)


@patch("set-complete-when-no-file-is-free")
def the_set_is_complete_when_no_file_is_free() -> None:
    def of(known: Any) -> Totals:
        each = tuple(known)
        return Totals(
            sum(marks.count for marks in each), sum((marks.loaded for marks in each), NOTHING), ()
        )

    replace(FreeFiles, "wait_for_others", lambda _: False)
    replace(Totals, "of", staticmethod(of))


@patch("set-failed-is-done")
def a_file_that_failed_counts_as_done() -> None:
    replace(Marks, "with_failed", lambda self, number: self.with_done(number, NOTHING))


@patch("set-marked-before-it-is-loaded")
def a_file_is_marked_when_its_load_begins() -> None:
    load = SetRun._load

    def mark_and_load(self: Any, number: int) -> None:
        size = self._file_set.piece(number).size
        self._free.note(self._marks.mark_done(number, Loaded(0, 0, size)))
        load(self, number)

    replace(SetRun, "_load", mark_and_load)


@patch("set-marks-without-condition")
def marks_are_written_without_their_condition() -> None:
    def unconditional(*, set: Item, expect: dict[str, AttributeValue | None]) -> ItemChange:
        return ItemChange(set=set, expect={} if "done" in expect else expect)

    replace(file_marks, "ItemChange", unconditional)


@patch("set-marks-from-memory")
def marks_are_written_as_they_were_first_read() -> None:
    read = FileMarks.read
    remembered: dict[int, Marks] = {}

    def read_and_remember(self: FileMarks, group: int) -> Marks:
        marks = read(self, group)
        remembered.setdefault(group, marks)
        return marks

    def change(self: Any, number: int, with_it: Any) -> Marks:
        group = number // file_marks.GROUP_FILES
        marks: Marks = with_it(remembered[group])
        created = {"schema_version": SETS_SCHEMA_VERSION, "fencing_token": 0}
        item = {**created, "files": marks.count, **file_marks._encoded(marks)}
        if self._item(group).put_new(item) is not None:
            self._item(group).update(ItemChange(set=item))
        remembered[group] = marks
        return marks

    replace(FileMarks, "read", read_and_remember)
    replace(FileMarks, "_change", change)


@patch("set-rows-counted-twice")
def rows_are_added_though_the_bit_is_set() -> None:
    def with_done(self: Marks, number: int, loaded: Loaded) -> Marks:
        bit = 1 << (number - self.first)
        return changed(self, done=self.done | bit, loaded=self.loaded + loaded)

    replace(Marks, "with_done", with_done)


@patch("set-own-partition-count")
def a_file_takes_the_partitions_that_there_are_now() -> None:
    replace(JobSpec, "routing_partitions", lambda _, facts: facts.partition_count)


@patch("set-complete-said-by-each")
def each_worker_says_that_the_set_is_complete() -> None:
    def say(place: Any, *arguments: Any) -> bool:
        return own(_Unconditional(place), *arguments)

    own = file_marks.complete_set
    replace(set_run, "complete_set", say)


@patch("set-complete-file-not-marked")
def a_complete_file_counts_without_its_mark() -> None:
    look = FreeFiles.look

    def look_at_items(self: Any) -> None:
        look(self)
        for group, marks in enumerate(self._known):
            for number in range(marks.first, marks.first + marks.count):
                item = self._read_item(number) or {}
                if item.get("status") == JobStatus.COMPLETED:
                    self._known[group] = marks = changed(
                        marks, done=marks.done | 1 << (number - marks.first)
                    )

    replace(FreeFiles, "look", look_at_items)


@patch("set-columns-of-each-file")
def a_file_may_have_columns_of_its_own() -> None:
    replace(beginning, "check_columns", lambda *_: None)
