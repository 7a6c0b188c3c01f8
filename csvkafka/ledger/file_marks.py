"""What has become of the files of a set whose files are jobs of their own: loaded, failed, neither.

A file's own item is the truth; marks follow it, so that nobody need read an item for each file. A
bit says that a file is loaded, another that it failed; the rows of a file are added in the write
that sets its bit, so they count once, whoever sets it. docs/sets.md has each write's condition.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from csvkafka.errors import ItemLostError, ItemUnusableError
from csvkafka.interfaces import AttributeValue, Item, ItemChange, ItemTable
from csvkafka.ledger.item import SETS_SCHEMA_VERSION
from csvkafka.model import JobStatus

GROUP_FILES = 2_048
"""So many files share an item of marks: with two bits for each it is below 1 KB, for which DynamoDB
charges one write."""

MARK = "#file/"
"""Stands in the key of each item of a set's files, after the set's id, and in no job's id."""

MESSAGE_CHARACTERS = 2_000
"""Of a failure's message so much is kept."""


def child_id(job_id: str, digest: str, number: int) -> str:
    """The id of the job of file `number` (0 is the first) in the list of that digest."""
    return f"{job_id}{MARK}{digest[:32]}/{number}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a loaded file has: rows, the records that were sent for them, and stored bytes."""

    rows: int
    records: int
    stored_bytes: int

    def __add__(self, other: Loaded) -> Loaded:
        return Loaded(
            self.rows + other.rows,
            self.records + other.records,
            self.stored_bytes + other.stored_bytes,
        )


NOTHING = Loaded(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Marks:
    """Those of `count` files from number `first` on. Bit 0 of `done` and of `failed` is that of
    file `first`; a file that failed and was loaded later is only done. `loaded` is of all done."""

    first: int
    count: int
    done: int = 0
    failed: int = 0
    loaded: Loaded = NOTHING

    def with_done(self, number: int, loaded: Loaded) -> Marks:
        bit = 1 << (number - self.first)
        if self.done & bit:
            return self
        return replace(
            self, done=self.done | bit, failed=self.failed & ~bit, loaded=self.loaded + loaded
        )

    def with_failed(self, number: int) -> Marks:
        bit = 1 << (number - self.first)
        return self if self.done & bit else replace(self, failed=self.failed | bit)

    def failed_numbers(self) -> Iterator[int]:
        left = self.failed
        while left:
            yield self.first + (left & -left).bit_length() - 1
            left &= left - 1


@dataclass(frozen=True, slots=True)
class Totals:
    """How far a set is: so many of its files are loaded, and what they have; the numbers of those
    that failed and are not loaded since."""

    file_count: int
    loaded: Loaded
    failed: tuple[int, ...]

    @classmethod
    def of(cls, marks: Iterable[Marks]) -> Totals:
        marks = tuple(marks)
        return cls(
            sum(each.done.bit_count() for each in marks),
            sum((each.loaded for each in marks), NOTHING),
            tuple(number for each in marks for number in each.failed_numbers()),
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a file could not be loaded: the error's class and message. `at` is Unix time."""

    key: str
    error: str
    message: str
    at: int


class FileMarks:
    """The marks of the `count` files of job `job_id`, whose list has that digest. `open_item` gives
    the store's item of a key.

    Each call may be done again, whatever became of it, and raises CheckpointError."""

    def __init__(
        self, job_id: str, digest: str, count: int, open_item: Callable[[str], ItemTable]
    ) -> None:
        self.count = count
        self.group_count = -(-count // GROUP_FILES)
        self._prefix = f"{job_id}{MARK}{digest[:32]}/"
        self._open_item = open_item

    def read(self, group: int) -> Marks:
        """The marks of files `GROUP_FILES` * `group` and on."""
        first = group * GROUP_FILES
        empty = Marks(first, min(GROUP_FILES, self.count - first))
        item = self._item(group).get()
        return empty if item is None else _decoded(item, empty)

    def totals(self) -> Totals:
        """How far the set is; reads all marks."""
        return Totals.of(self.read(group) for group in range(self.group_count))

    def mark_done(self, number: int, loaded: Loaded) -> Marks:
        """The file is loaded: its item says COMPLETED. Returns the marks as they are then."""
        return self._change(number, lambda marks: marks.with_done(number, loaded))

    def mark_failed(self, number: int, failure: Failure) -> Marks:
        """The file failed, unless it is loaded."""
        item: Item = {
            "schema_version": SETS_SCHEMA_VERSION,
            "fencing_token": 0,
            "file": failure.key,
            "error": failure.error,
            "message": failure.message[:MESSAGE_CHARACTERS],
            "timestamp": failure.at,
        }
        place = self._open_item(f"{self._prefix}{number}-failure")
        if place.put_new(item) is not None:
            place.update(ItemChange(set=item))
        return self._change(number, lambda marks: marks.with_failed(number))

    def failure(self, number: int) -> Failure:
        """Why the file failed when it was last tried."""
        item = self._open_item(f"{self._prefix}{number}-failure").get()
        if item is None:
            return Failure(f"file {number + 1}", "", "nothing is known of why it failed", 0)
        at = item.get("timestamp")
        return Failure(
            str(item.get("file")),
            str(item.get("error")),
            str(item.get("message")),
            at if isinstance(at, int) else 0,
        )

    def _change(self, number: int, changed: Callable[[Marks], Marks]) -> Marks:
        """Applies the change to the marks as they stand. Each time that it is refused, another
        worker has got a bit of its own set."""
        group = number // GROUP_FILES
        place = self._item(group)
        before = self.read(group)
        while True:
            after = changed(before)
            if after == before:
                return after
            refused = place.update(ItemChange(set=_encoded(after), expect=_bits(before)))
            if refused is None:
                return after
            if refused.item is None:
                created = {"schema_version": SETS_SCHEMA_VERSION, "fencing_token": 0}
                refused = place.put_new({**created, "files": after.count, **_encoded(after)})
                if refused is None:
                    return after
            before = _decoded(refused.item or {}, before)

    def _item(self, group: int) -> ItemTable:
        return self._open_item(f"{self._prefix}marks-{group}")


def complete_set(place: ItemTable, loaded: Loaded, owner: str, now: int) -> bool:
    """The set's item says COMPLETED, after the marks of all files were read as done; False: another
    worker than `owner` has said so. May be done again. Raises CheckpointError."""
    refused = place.update(
        ItemChange(
            set={
                "status": JobStatus.COMPLETED.value,
                "last_line": loaded.rows,
                "total_sent": loaded.records,
                "timestamp": now,
                "completed_by": owner,
            },
            expect={"status": JobStatus.IN_PROGRESS.value},
        )
    )
    if refused is None:
        return True
    item = refused.item or {}
    if item.get("status") != JobStatus.COMPLETED.value:
        raise ItemLostError(
            "the item of the set was deleted or changed by something that is no csvkafka worker. "
            "Restore it, or load under another JOB_ID into a clean topic."
        )
    return item.get("completed_by") == owner


def _encoded(marks: Marks) -> Item:
    return {
        **_bits(marks),
        "rows": marks.loaded.rows,
        "records": marks.loaded.records,
        "stored_bytes": marks.loaded.stored_bytes,
    }


def _bits(marks: Marks) -> dict[str, AttributeValue]:
    return {name: _text(getattr(marks, name), marks.count) for name in ("done", "failed")}


def _text(bits: int, count: int) -> str:
    data = bits.to_bytes(-(-count // 8), "little") if bits else b""
    return base64.b64encode(data).decode("ascii")


def _decoded(item: Mapping[str, AttributeValue], place: Marks) -> Marks:
    """The marks that the item holds, of the files of `place`. Raises ItemUnusableError."""
    try:
        done, failed = (
            int.from_bytes(base64.b64decode(str(item[name]), validate=True), "little")
            for name in ("done", "failed")
        )
        numbers = [item[name] for name in ("rows", "records", "stored_bytes")]
    except (KeyError, ValueError) as error:
        raise _damaged(item) from error
    if max(done, failed) >> place.count or not all(isinstance(each, int) for each in numbers):
        raise _damaged(item)
    rows, records, stored_bytes = (each for each in numbers if isinstance(each, int))
    return Marks(place.first, place.count, done, failed, Loaded(rows, records, stored_bytes))


def _damaged(item: Mapping[str, AttributeValue]) -> ItemUnusableError:
    return ItemUnusableError(
        f"item {item.get('job_id')} in the checkpoint store, which says which files are loaded, is "
        "damaged: restore it from a backup; or delete it, and it is made anew from the files' own "
        "items"
    )
