"""How far a set is whose files are jobs of their own, while it is loaded: what its own item does
not say before its end; and which files it is without."""

from __future__ import annotations

from dataclasses import dataclass

from csvkafka.errors import ItemUnusableError, counted
from csvkafka.interfaces import ItemStore
from csvkafka.ledger.file_marks import FileMarks, child_id
from csvkafka.ledger.item import decode
from csvkafka.model import SourceIdentity

LOOKED_AT = 2_000
"""Of so many files that are not loaded the items are read, at most."""


@dataclass(frozen=True, slots=True)
class FilesSoFar:
    """Of `count` files so many are loaded, with `rows` in all; so many failed and are not loaded
    since; so many are `skipped`; of the others, so many are begun. `unknown` were not looked at
    (`LOOKED_AT`)."""

    count: int
    loaded: int
    rows: int
    failed: int
    begun: int
    unknown: int = 0
    skipped: int = 0

    @property
    def not_begun(self) -> int:
        over = self.loaded + self.skipped + self.failed
        return self.count - over - self.begun - self.unknown

    def __str__(self) -> str:
        said = [
            f"{self.loaded:,} of {counted(self.count, 'file')} loaded ({self.rows:,} rows)",
            f"{self.begun:,} under way",
            f"{self.not_begun:,} not begun",
        ]
        if self.failed:
            said.insert(2, f"{self.failed:,} failed")
        if self.skipped:
            said.insert(1, f"{self.skipped:,} skipped")
        if self.unknown:
            said.append(f"{self.unknown:,} not looked at")
        return ", ".join(said)


def files_so_far(store: ItemStore, job_id: str, source: SourceIdentity) -> FilesSoFar:
    """Reads the marks, and the items of files that are not loaded. Raises CheckpointError."""
    count = source.files or 0
    marks = FileMarks(job_id, source.etag, count, store.item)
    left: list[int] = []
    loaded = rows = failed = skipped = 0
    for group in range(marks.group_count):
        known = marks.read(group)
        loaded += known.done.bit_count()
        failed += known.failed.bit_count()
        rows += known.loaded.rows
        skipped += known.skipped.bit_count()
        is_over = known.over | known.failed
        left += [known.first + at for at in range(known.count) if not is_over >> at & 1]
    looked_at = left[:LOOKED_AT]
    begun = sum(
        store.item(child_id(job_id, source.etag, number)).get() is not None for number in looked_at
    )
    unknown = len(left) - len(looked_at)
    return FilesSoFar(count, loaded, rows, failed, begun, unknown, skipped)


def skipped_files(store: ItemStore, job_id: str, source: SourceIdentity) -> dict[str, int]:
    """The files that are skipped by URI, and how many rows of each are in the topic by its item.
    Raises CheckpointError."""
    marks = FileMarks(job_id, source.etag, source.files or 0, store.item)
    found = {}
    for number in marks.totals().skipped:
        child = child_id(job_id, source.etag, number)
        item = store.item(child).get()
        if item is None:
            raise ItemUnusableError(
                f"item {child} in the checkpoint store, which says how many rows of a skipped file "
                "are in the topic, is missing: restore it from a backup"
            )
        stored = decode(item)
        found[stored.source.uri] = stored.position.row_count
    return found
