"""Leaves a file out of a set for good, by the word of whoever runs the load. Of a set with
ORDER=set, `skip_in_order` has what is its own.

The file's item is the truth, as always: it is written first (`ledger.skipped_item`), the mark
follows. Rows of the file that are in the topic stay, and are counted: so a file of which something
may have been sent is skipped only after a try that has read all rows before the fault, got them all
acknowledged, and was the last (`Failure.token`). Then nothing of the file is under way any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from csvkafka.clock import Clock
from csvkafka.errors import CheckpointError, ConfigError, FileNotSkippedError
from csvkafka.interfaces import Item, ItemStore, Observer
from csvkafka.job.skip_in_order import (
    in_new_epochs,
    may_be_skipped,
    place_behind,
    skipped_before,
)
from csvkafka.ledger import owner as owners
from csvkafka.ledger.file_marks import FileMarks, Loaded, child_id
from csvkafka.ledger.item import JobDefinition, StoredJob, decode, is_documented_only
from csvkafka.ledger.list_chunks import ListChunks
from csvkafka.ledger.skipped_item import (
    SkippedInOrder,
    move_past,
    put_skipped,
    set_skipped,
    skipped_in_order,
)
from csvkafka.model import FileOrder, JobStatus, Piece, SourceIdentity, Step
from csvkafka.retry import until_table_answers

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is skipped: `left` is what it has in the topic. `before`: it was so already."""

    uri: str
    left: Loaded
    before: bool


class SkipFiles:
    """Skips files of the set that is job `job_id` in `store`. `observer` learns of the two writes,
    after each.

    Raises CheckpointError if there is no such job, ConfigError if it is no set."""

    def __init__(
        self,
        store: ItemStore,
        job_id: str,
        clock: Clock,
        observer: Observer | None = None,
        *,
        is_known_dead: Callable[[str], bool] = owners.is_known_dead,
    ) -> None:
        self._store = store
        self._job_id = job_id
        self._clock = clock
        self._observer = observer
        self._is_known_dead = is_known_dead
        item = self._ask(store.item(job_id).get)
        if item is None:
            raise self._no_item()
        self._set = self._checked(item)
        source = self._set.source
        self._marks = FileMarks(job_id, source.etag, source.files or 0, store.item)
        self._list = self._ask(lambda: ListChunks(job_id, store.item).load(source.etag))

    def _checked(self, item: Item) -> StoredJob:
        stored = None if is_documented_only(item) else decode(item)
        if stored is None or stored.source.files is None:
            raise ConfigError(f"job {self._job_id} is no set of files; check JOB_ID")
        return stored

    def _no_item(self) -> CheckpointError:
        return CheckpointError(
            f"{self._store.where} has no item of job {self._job_id}: it was never begun, or under "
            "another JOB_ID; check both"
        )

    def skip(self, key: str) -> Skipped:
        """Skips the file of that key. May be done again.

        Raises ConfigError if the set has no such file, FileNotSkippedError if it is not to be
        skipped as it stands, CheckpointError."""
        uri_prefix = f"s3://{self._set.source.bucket}/"
        found = self._list.numbered(key) or self._list.numbered(key.removeprefix(uri_prefix))
        if found is None:
            raise ConfigError(
                f"{key!r} is none of the {self._list.count} files of job {self._job_id}; give the "
                "file's whole key, as csvkafka status shows it where it has failed"
            )
        number, piece = found
        if self._set.configuration.get("ORDER") != FileOrder.OBJECT:
            return self._skip_in_order(number, piece)
        place = self._store.item(child_id(self._job_id, self._set.source.etag, number))
        item = self._ask(place.get)
        before = item is not None and item.get("status") == JobStatus.SKIPPED
        while item is None or item.get("status") != JobStatus.SKIPPED:
            now = int(self._clock.wall())
            if item is None:
                definition = self._definition(piece)
                child = child_id(self._job_id, self._set.source.etag, number)
                self._ask(partial(put_skipped, place, child, definition, now))
            else:
                seen = self._may_be_skipped(item, number, piece)
                self._ask(partial(set_skipped, place, seen, now))
            # What stands there says whether it was refused, and a reply that was lost.
            item = self._ask(place.get)
        stored = decode(item)
        left = Loaded(stored.position.row_count, stored.total_sent, 0, stored.set_aside)
        self._report(Step.FILE_SKIPPED)
        self._ask(lambda: self._marks.mark_skipped(number, left))
        self._report(Step.FILE_MARKED)
        return Skipped(self._uri(piece), left, before)

    def _skip_in_order(self, number: int, piece: Piece) -> Skipped:
        place, uri = self._store.item(self._job_id), self._uri(piece)
        tried = False
        while True:
            item = self._ask(place.get)
            if item is None:
                raise self._no_item()
            found = skipped_before(item, number)
            if found is not None:
                left = Loaded(found.rows, found.rows, 0)
                return Skipped(uri, left, before=not tried)
            stored, rows = may_be_skipped(
                item,
                number,
                uri,
                lambda: self._ask(lambda: self._marks.failure(number)),
                self._is_known_dead,
            )
            skipped = (*skipped_in_order(item), SkippedInOrder(number, piece.key, rows))
            after = place_behind(self._list, number, stored.position.row_count)
            lanes, now = in_new_epochs(stored), int(self._clock.wall())
            tried = True
            # What stands there then says whether it was refused, and a reply that was lost.
            self._ask(partial(move_past, place, stored, skipped, after, lanes, now))
            self._report(Step.FILE_SKIPPED)

    def _may_be_skipped(self, item: Item, number: int, piece: Piece) -> StoredJob:
        """The file's item, if it may be skipped as it stands. Raises FileNotSkippedError."""
        stored = decode(item)
        uri, lease = self._uri(piece), stored.lease
        if stored.status is JobStatus.COMPLETED:
            raise FileNotSkippedError(
                f"{uri} is loaded already ({stored.position.row_count} rows), and what is in the "
                "topic stays there: let it be, and name other files"
            )
        is_gone = lease.owner is None or self._is_known_dead(lease.owner)
        if lease.owner is not None and not is_gone:
            raise FileNotSkippedError(
                f"{uri} is in the hands of {owners.describe(lease.owner)}: wait until that worker "
                "has loaded it or failed; should it have vanished, start csvkafka load once more, "
                "which takes the file over"
            )
        if stored.identity is None:
            return stored  # nothing can have been sent
        failure = self._ask(lambda: self._marks.failure(number))
        if lease.owner is not None or failure.token != lease.token:
            raise FileNotSkippedError(
                f"{uri} was begun, and the worker that had it last did not come to the fault: more "
                f"of its rows may be in the topic than the {stored.position.row_count} that its "
                "item has. Start csvkafka load once more, which tries the file again; once it has "
                "failed there, it can be skipped"
            )
        return stored

    def _definition(self, piece: Piece) -> JobDefinition:
        """That of a file that nobody has begun."""
        of_set = self._set
        return JobDefinition(
            source=SourceIdentity(
                bucket=of_set.source.bucket,
                key=piece.key,
                etag=piece.etag,
                size=piece.size,
                version_id=piece.version_id,
            ),
            configuration={k: v for k, v in of_set.configuration.items() if k != "ORDER"},
            cluster_id=of_set.cluster_id,
            topic_ids=of_set.topic_ids,
            partition_count=of_set.partition_count,
            routed_partitions=of_set.routed_partitions,
            lanes=(),
        )

    def _report(self, step: Step) -> None:
        if self._observer is not None:
            self._observer.report(step)

    def _uri(self, piece: Piece) -> str:
        return f"s3://{self._set.source.bucket}/{piece.key}"

    def _ask(self, ask: Callable[[], T]) -> T:
        return until_table_answers(ask, self._clock, lambda: None)
