"""What `csvkafka status` says of the files of a set that are jobs of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from csvkafka.cli.output import count_text
from csvkafka.errors import counted
from csvkafka.interfaces import Item, ItemStore
from csvkafka.ledger.file_marks import Failure, FileMarks, Loaded, Totals, child_id
from csvkafka.ledger.item import StoredJob, decode, is_documented_only
from csvkafka.ledger.skipped_item import SkippedInOrder

FILES_SHOWN = 20
"""So many files that failed are named, and so many that are skipped."""


def files_of(store: ItemStore, job_id: str, item: Item) -> SetFiles | None:
    """What is known of the files of a set that are jobs of their own."""
    if is_documented_only(item) or decode(item).configuration.get("ORDER") is None:
        return None
    source = decode(item).source
    marks = FileMarks(job_id, source.etag, source.files or 0, store.item)
    totals = marks.totals()
    children = (
        store.item(child_id(job_id, source.etag, number)).get()
        for number in totals.skipped[:FILES_SHOWN]
    )
    return SetFiles(
        totals,
        tuple(marks.failure(number) for number in totals.failed[:FILES_SHOWN]),
        tuple(decode(child) for child in children if child is not None),
    )


@dataclass(frozen=True, slots=True)
class SetFiles:
    """The files of a set with ORDER=object; `failures` are the first few of those that failed,
    `skipped` the items of the first that are skipped."""

    totals: Totals
    failures: tuple[Failure, ...]
    skipped: tuple[StoredJob, ...] = ()

    @property
    def in_topic(self) -> Loaded:
        """What is in the topic of files that are loaded or skipped."""
        return self.totals.loaded + self.totals.left

    def lines(self) -> Iterator[tuple[str, str]]:
        """Which files failed, and which are skipped."""
        for failure in self.failures:
            yield "failed", f"{failure.key}  {failure.error}: {failure.message}"
        yield from _more("failed", len(self.totals.failed) - len(self.failures))
        for stored in self.skipped:
            yield (
                "skipped",
                f"{stored.source.key}  {count_text(stored.position.row_count)} rows of it are in "
                "the topic",
            )
        yield from _more("skipped", len(self.totals.skipped) - len(self.skipped))

    def to_json(self) -> dict[str, object]:
        failed = [
            {"file": each.key, "error": each.error, "message": each.message, "at": each.at}
            for each in self.failures
        ]
        skipped = [
            {"file": each.source.key, "rows": each.position.row_count} for each in self.skipped
        ]
        totals = self.totals
        return {
            "files_failed": {"count": len(totals.failed), "first": failed},
            "files_skipped": {
                "count": len(totals.skipped),
                "rows": totals.left.rows,
                "first": skipped,
            },
        }


def skipped_lines(skipped: Sequence[SkippedInOrder]) -> Iterator[tuple[str, str]]:
    """Those that a set with ORDER=set is without."""
    for each in skipped[:FILES_SHOWN]:
        yield "skipped", f"{each.key}  {count_text(each.rows)} rows of it are in the topic"
    yield from _more("skipped", len(skipped) - FILES_SHOWN)


def skipped_json(skipped: Sequence[SkippedInOrder]) -> dict[str, object]:
    """The same for `--json`; nothing where there are none."""
    if not skipped:
        return {}
    first = [{"file": each.key, "rows": each.rows} for each in skipped[:FILES_SHOWN]]
    rows = sum(each.rows for each in skipped)
    return {"files_skipped": {"count": len(skipped), "rows": rows, "first": first}}


def _more(name: str, count: int) -> Iterator[tuple[str, str]]:
    if count > 0:
        yield name, f"and {counted(count, 'file')} more"
