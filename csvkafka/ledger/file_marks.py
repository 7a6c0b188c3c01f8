"""What has become of the files of a set whose files are jobs of their own: loaded, failed, skipped
or none of these.

A file's own item is the truth; marks follow it, so that nobody need read an item for each file. A
bit says that a file is loaded, another that it failed, a third that it is skipped; the rows of a
file are added in the write that sets its bit, so they count once, whoever sets it. docs/sets.md has
each write's condition.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from csvkafka.errors import ItemLostError, ItemUnusableError, counted
from csvkafka.interfaces import AttributeValue, Item, ItemChange, ItemTable
from csvkafka.ledger.item import SETS_SCHEMA_VERSION
from csvkafka.model import JobStatus

GROUP_FILES = 2_048
"""So many files share an item of marks: with two bits for each it is below 1 KB, for which DynamoDB
charges one write."""

MARK = "#file/"
"""Stands in the key of each item of a set's files, after the set's id, and in no job's id."""

SKIPPED_KEYS = 20
"""Of the files that are skipped so many are named in the set's item."""

MESSAGE_CHARACTERS = 2_000
"""Of a failure's message so much is kept."""


def child_id(job_id: str, digest: str, number: int) -> str:
    """The id of the job of file `number` (0 is the first) in the list of that digest."""
    return f"{job_id}{MARK}{digest[:32]}/{number}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a loaded file has: rows, the records that were sent for them, and stored bytes.
    `set_aside` of the records are dead letters."""

    rows: int
    records: int
    stored_bytes: int
    set_aside: int = 0

    def __add__(self, other: Loaded) -> Loaded:
        return Loaded(
            self.rows + other.rows,
            self.records + other.records,
            self.stored_bytes + other.stored_bytes,
            self.set_aside + other.set_aside,
        )


NOTHING = Loaded(0, 0, 0)

_KINDS = ("done", "failed", "skipped")
_MAY_BE_ABSENT = ("set_aside", "skipped_rows", "skipped_records", "skipped_set_aside")


@dataclass(frozen=True, slots=True)
class Marks:
    """Those of `count` files from number `first` on. Bit 0 of `done`, `failed` and `skipped` is
    that of file `first`; a file that failed and was loaded or skipped later is only that. `loaded`
    is of all done; `left` is what those that are skipped have in the topic, and takes no stored
    bytes."""

    first: int
    count: int
    done: int = 0
    failed: int = 0
    loaded: Loaded = NOTHING
    skipped: int = 0
    left: Loaded = NOTHING

    def with_done(self, number: int, loaded: Loaded) -> Marks:
        bit = 1 << (number - self.first)
        if self.done & bit:
            return self
        return replace(
            self, done=self.done | bit, failed=self.failed & ~bit, loaded=self.loaded + loaded
        )

    def with_failed(self, number: int) -> Marks:
        bit = 1 << (number - self.first)
        return self if self.over & bit else replace(self, failed=self.failed | bit)

    def with_skipped(self, number: int, left: Loaded) -> Marks:
        bit = 1 << (number - self.first)
        if self.over & bit:
            return self
        return replace(
            self, skipped=self.skipped | bit, failed=self.failed & ~bit, left=self.left + left
        )

    @property
    def over(self) -> int:
        """The bits of what nobody need take any more."""
        return self.done | self.skipped

    def failed_numbers(self) -> Iterator[int]:
        return _numbers(self.failed, self.first)

    def skipped_numbers(self) -> Iterator[int]:
        return _numbers(self.skipped, self.first)


def _numbers(bits: int, first: int) -> Iterator[int]:
    while bits:
        yield first + (bits & -bits).bit_length() - 1
        bits &= bits - 1


@dataclass(frozen=True, slots=True)
class Totals:
    """How far a set is: so many of its files are loaded, and what they have; the numbers of those
    that failed and are not loaded since; those of the skipped ones, and what they left."""

    file_count: int
    loaded: Loaded
    failed: tuple[int, ...]
    skipped: tuple[int, ...] = ()
    left: Loaded = NOTHING

    @property
    def over(self) -> int:
        """How many files are loaded or skipped."""
        return self.file_count + len(self.skipped)

    @classmethod
    def of(cls, marks: Iterable[Marks]) -> Totals:
        marks = tuple(marks)
        return cls(
            sum(each.done.bit_count() for each in marks),
            sum((each.loaded for each in marks), NOTHING),
            tuple(number for each in marks for number in each.failed_numbers()),
            tuple(number for each in marks for number in each.skipped_numbers()),
            sum((each.left for each in marks), NOTHING),
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a file could not be loaded: the error's class and message. `at` is Unix time. `token` is
    the fencing token of a try that has read all rows before the fault, and of which all that was
    sent is acknowledged and counted in the file's item; None: no try is known to have done so."""

    key: str
    error: str
    message: str
    at: int
    token: int | None = None


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
        """The file failed, unless it is loaded or skipped."""
        self.note_failure(number, failure)
        return self._change(number, lambda marks: marks.with_failed(number))

    def note_failure(self, number: int, failure: Failure) -> None:
        """Stores why the file failed, without a mark."""
        item: Item = {
            "schema_version": SETS_SCHEMA_VERSION,
            "fencing_token": 0,
            "file": failure.key,
            "error": failure.error,
            "message": failure.message[:MESSAGE_CHARACTERS],
            "timestamp": failure.at,
            # A try that came to nothing leaves the token of the one before it as it is.
            **({} if failure.token is None else {"counted_under": failure.token}),
        }
        place = self._open_item(f"{self._prefix}{number}-failure")
        if place.put_new(item) is not None:
            place.update(ItemChange(set=item))

    def mark_skipped(self, number: int, left: Loaded) -> Marks:
        """The file is skipped: its item says SKIPPED, and what of it is in the topic."""
        return self._change(number, lambda marks: marks.with_skipped(number, left))

    def failure(self, number: int) -> Failure:
        """Why the file failed when it was last tried."""
        item = self._open_item(f"{self._prefix}{number}-failure").get()
        if item is None:
            return Failure(f"file {number + 1}", "", "nothing is known of why it failed", 0)
        at, token = item.get("timestamp"), item.get("counted_under")
        return Failure(
            str(item.get("file")),
            str(item.get("error")),
            str(item.get("message")),
            at if isinstance(at, int) else 0,
            token if isinstance(token, int) else None,
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
            expect = {name: _bits(before).get(name) for name in _KINDS}
            refused = place.update(ItemChange(set=_encoded(after), expect=expect))
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


def skipped_numbers(
    job_id: str, open_item: Callable[[str], ItemTable], digest: str, count: int
) -> tuple[int, ...]:
    """The files of job `job_id` that are skipped; see `FileMarks`. Raises CheckpointError."""
    return FileMarks(job_id, digest, count, open_item).totals().skipped


def complete_set(
    place: ItemTable, totals: Totals, skipped_keys: Sequence[str], owner: str, now: int
) -> bool:
    """The set's item says COMPLETED, after the marks of all files were read as done or skipped (the
    keys of the first of these stand in it); False: another worker than `owner` has said so. May be
    done again. Raises CheckpointError."""
    skipped: Item = {
        "files_skipped": len(totals.skipped),
        "skipped_rows": totals.left.rows,
        "skipped": list(skipped_keys),
    }
    in_topic = totals.loaded + totals.left
    refused = place.update(
        ItemChange(
            set={
                "status": JobStatus.COMPLETED.value,
                "last_line": in_topic.rows,
                "total_sent": in_topic.records,
                "timestamp": now,
                "completed_by": owner,
                **(skipped if totals.skipped else {}),
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


@dataclass(frozen=True, slots=True)
class SkippedFiles:
    """What a complete set's item says of the files that it is without: how many, of how many, the
    keys of the first, and how many rows of them are in the topic."""

    count: int = 0
    of_files: int = 0
    keys: tuple[str, ...] = ()
    rows: int = 0

    @classmethod
    def of(cls, item: Item) -> SkippedFiles:
        match item:
            case {
                "files_skipped": int(count),
                "skipped_rows": int(rows),
                "skipped": [*keys],
                "source": {"files": int(files)},
            }:
                return cls(count, files, tuple(map(str, keys)), rows)
        return cls()

    def __str__(self) -> str:
        more = self.count - len(self.keys)
        rows = f"{self.rows} of their rows are in the topic, and stay there"
        return (
            f"{self.count} of {counted(self.of_files, 'file')} skipped (csvkafka skip-file): "
            f"{', '.join(self.keys)}{f' and {more} more' if more else ''}; "
            f"{rows if self.rows else 'none of their rows is in the topic'}"
        )


def _encoded(marks: Marks) -> Item:
    return {
        **_bits(marks),
        "rows": marks.loaded.rows,
        "records": marks.loaded.records,
        "stored_bytes": marks.loaded.stored_bytes,
        **({"set_aside": marks.loaded.set_aside} if marks.loaded.set_aside else {}),
        **({"skipped_set_aside": marks.left.set_aside} if marks.left.set_aside else {}),
        **(
            {"skipped_rows": marks.left.rows, "skipped_records": marks.left.records}
            if marks.skipped
            else {}
        ),
    }


def _bits(marks: Marks) -> dict[str, AttributeValue]:
    """Skipped files are few, if there are any: their numbers are written, from that of the first
    file of the marks on."""
    bits: dict[str, AttributeValue] = {
        name: _text(getattr(marks, name), marks.count) for name in ("done", "failed")
    }
    if marks.skipped:
        bits["skipped"] = ",".join(map(str, _numbers(marks.skipped, 0)))
    return bits


def _text(bits: int, count: int) -> str:
    data = bits.to_bytes(-(-count // 8), "little") if bits else b""
    return base64.b64encode(data).decode("ascii")


def _decoded(item: Mapping[str, AttributeValue], place: Marks) -> Marks:
    """The marks that the item holds, of the files of `place`. Raises ItemUnusableError."""
    try:
        whole = {"skipped": "", **dict.fromkeys(_MAY_BE_ABSENT, 0), **item}
        done, failed = (
            int.from_bytes(base64.b64decode(str(item[name]), validate=True), "little")
            for name in ("done", "failed")
        )
        skipped = sum(1 << int(each) for each in str(whole["skipped"]).split(",") if each)
        values = [whole[name] for name in ("rows", "records", "stored_bytes", *_MAY_BE_ABSENT)]
    except (KeyError, ValueError) as error:
        raise _damaged(item) from error
    numbers = [each for each in values if isinstance(each, int)]
    if max(done, failed, skipped) >> place.count or len(numbers) < len(values):
        raise _damaged(item)
    loaded, left = Loaded(*numbers[:4]), Loaded(numbers[4], numbers[5], 0, numbers[6])
    return Marks(place.first, place.count, done, failed, loaded, skipped, left)


def _damaged(item: Mapping[str, AttributeValue]) -> ItemUnusableError:
    return ItemUnusableError(
        f"item {item.get('job_id')} in the checkpoint store, which says which files are loaded, is "
        "damaged: restore it from a backup; or delete it, and it is made anew from the files' own "
        "items"
    )
