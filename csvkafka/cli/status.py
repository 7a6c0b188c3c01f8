"""`csvkafka status`: a job's item in the checkpoint table, in human words or as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

from csvkafka.cli.options import STORE_SETTINGS, setting_options, store_of, values_given
from csvkafka.cli.output import bytes_text, count_text, duration_text, percent_text, time_text
from csvkafka.cli.set_status import SetFiles, files_of, skipped_json, skipped_lines
from csvkafka.config.settings import DEFAULT_JOB_ID
from csvkafka.errors import CheckpointError, ConfigError, counted
from csvkafka.interfaces import Item, ItemStore
from csvkafka.ledger import owner as owners
from csvkafka.ledger.item import StoredJob, decode, decode_documented, is_documented_only
from csvkafka.ledger.point_item import point_item_id, point_of
from csvkafka.ledger.skipped_item import SkippedInOrder, skipped_in_order
from csvkafka.limits import SIZE_LIMIT_SETTING
from csvkafka.model import LETTERS_SCHEME, JobStatus, RestartPoint

EPILOG = """
\b
Examples:
  csvkafka status data-2026-01 --dynamodb-table csv-kafka-checkpoint
  csvkafka status --json | jq .percent       table and job from the environment
  csvkafka status data-2026-01 --watch       a line every 2 seconds until it is complete
  csvkafka status --checkpoint sqlite        a job in the checkpoint file of your own folder

Region, credentials and endpoint are those of boto3. Exit codes: 0 shown, 1 there is no such job or
the table cannot be read.
"""

WATCH_SECONDS = 2.0


@click.command("status", epilog=EPILOG)
@click.argument("job", metavar="[JOB]", required=False)
@setting_options(STORE_SETTINGS)
@click.option("--json", "as_json", is_flag=True, help="The item and what follows from it, as JSON.")
@click.option("--watch", is_flag=True, help="One line again and again, until the job is complete.")
def command(job: str | None, as_json: bool, watch: bool, **options: Any) -> int:
    """Shows how far the job JOB (default: $JOB_ID, else csv-job-1) is, and who works on it."""
    values = values_given(options)
    store = store_of(values)
    job_id = values.get("JOB_ID", DEFAULT_JOB_ID) if job is None else job
    if not job_id:
        raise ConfigError(
            f"the job's name is empty: give one, or leave it out altogether for {DEFAULT_JOB_ID}"
        )
    if watch:
        _watch(store, job_id)
        return 0
    view = _look(store, job_id)
    if as_json:
        click.echo(json.dumps(view.to_json(), indent=2, ensure_ascii=False))
        return 0
    for name, text in view.lines(time.time()):
        click.echo(f"{name:<12}{text}")
    return 0


def _look(store: ItemStore, job_id: str) -> JobView:
    """Raises CheckpointError if there is no such job."""
    item = store.item(job_id).get()
    if item is None:
        raise CheckpointError(
            f"{store.where} has no item of job {job_id}: it was never begun, or under "
            "another JOB_ID; check both"
        )
    return JobView(job_id, item, files_of(store, job_id, item), _point_of(store, job_id, item))


def _point_of(store: ItemStore, job_id: str, item: Item) -> RestartPoint | None:
    """The restart point of a compressed object; None if it has none that can be used."""
    if is_documented_only(item) or not (source := decode(item).source).is_compressed:
        return None
    point = store.item(point_item_id(job_id)).get()
    try:
        return None if point is None else point_of(point, source)
    except ValueError:
        return None


def _watch(store: ItemStore, job_id: str) -> None:
    """Rates are between two looks, by this host's clock."""
    before: tuple[float, int] | None = None
    while True:
        view = _look(store, job_id)
        now = time.monotonic()
        facts = [f"{view.status}", f"{count_text(view.rows)} rows"]
        if view.files is not None:
            facts.append(f"{count_text(view.files[0])} of {count_text(view.files[1])} files")
        if view.percent is not None:
            facts.append(percent_text(view.percent))
        if before is not None:
            facts.append(f"{count_text((view.rows - before[1]) / (now - before[0]))} rows/s")
        click.echo(f"{time.strftime('%H:%M:%S')}  {'  '.join(facts)}")
        if view.status is JobStatus.COMPLETED:
            return
        before = now, view.rows
        time.sleep(WATCH_SECONDS)


@dataclass(frozen=True, slots=True)
class JobView:
    """What an item says, csvkafka's own or one with the documented attributes alone. With the
    `of_files` of a set, rows and bytes are those of the files that are loaded, rows those of the
    skipped ones too. `point` is the
    restart point of a compressed object."""

    job_id: str
    item: Item
    of_files: SetFiles | None = None
    point: RestartPoint | None = None

    @property
    def stored(self) -> StoredJob | None:
        """The item, decoded; None for one of another implementation. Raises CheckpointError."""
        return None if is_documented_only(self.item) else decode(self.item)

    @property
    def status(self) -> JobStatus:
        stored = self.stored
        return decode_documented(self.item).status if stored is None else stored.status

    @property
    def rows(self) -> int:
        """Rows that the checkpoint covers."""
        if self.of_files is not None:
            return self.of_files.in_topic.rows
        stored = self.stored
        return (
            decode_documented(self.item).last_line if stored is None else stored.position.row_count
        )

    @property
    def records_sent(self) -> int:
        if self.of_files is not None:
            return self.of_files.in_topic.records
        stored = self.stored
        return decode_documented(self.item).total_sent if stored is None else stored.total_sent

    @property
    def set_aside(self) -> int:
        """Rows that are dead letters."""
        if self.of_files is not None:
            return self.of_files.in_topic.set_aside
        return 0 if self.stored is None else self.stored.set_aside

    @property
    def skipped(self) -> tuple[SkippedInOrder, ...]:
        """The files that a set with ORDER=set is without."""
        return () if self.stored is None else skipped_in_order(self.item)

    @property
    def dropped(self) -> int:
        """Rows that made no record, as the job's table says; 0 where the item does not tell."""
        return 0 if self.stored is None else self.rows - self.records_sent

    @property
    def percent(self) -> float | None:
        """Of the source's bytes; None where that cannot be known: an item of another
        implementation, a compressed object without a restart point.

        Of a compressed object it is about so much: as if what is behind the restart point were
        compressed as what is before it."""
        stored = self.stored
        if self.status is JobStatus.COMPLETED:
            return 100.0
        if stored is None or not stored.source.size:
            return None
        if stored.source.is_compressed:
            if self.point is None or not self.point.content_bytes:
                return None
            ratio = self.point.stored_bits / 8 / self.point.content_bytes
            return min(100.0, 100 * stored.position.byte_offset * ratio / stored.source.size)
        return 100 * self._source_bytes(stored) / stored.source.size

    @property
    def files(self) -> tuple[int, int] | None:
        """How many files of a set are loaded, and of how many; None for a job of one object."""
        stored = self.stored
        if stored is None or stored.source.files is None or stored.position.piece is None:
            return None
        count = stored.source.files
        if self.of_files is not None:
            return self.of_files.totals.file_count, count
        is_done = stored.status is JobStatus.COMPLETED
        done = count if is_done else stored.position.piece.number
        return done - len(self.skipped), count

    @property
    def rows_per_second(self) -> float | None:
        """The average between the job's beginning and its last checkpoint, rests included, by whole
        seconds; None where that is no more than a second, or not known."""
        stored = self.stored
        if self.of_files is not None and self.status is not JobStatus.COMPLETED:
            return None  # a set's item is written at its beginning and at its end
        seconds = 0 if stored is None else stored.timestamp - stored.started_at
        return self.rows / seconds if seconds > 1 else None

    def lines(self, now: float) -> Iterator[tuple[str, str]]:
        """The item in human words, as of `now` (Unix time)."""
        stored = self.stored
        yield "job", f"{self.job_id}  {self.status}"
        if stored is not None:
            source = stored.source
            version = f", version {source.version_id}" if source.version_id else ""
            pinned = f"ETag {source.etag}{version}"
            if source.files is not None:
                pinned = f"{counted(source.files, 'file')}, list {source.etag[:12]}"
            if source.scheme == LETTERS_SCHEME:
                count = source.etag.rpartition("/")[2]
                yield (
                    "source",
                    f"{count} dead letters of job {source.key} in topic {source.bucket}",
                )
            else:
                yield "source", f"{source.uri}  {bytes_text(source.size)}, {pinned}"
            for topic in stored.topic_ids:
                yield "topic", f"{topic}  {self._partitions(stored, topic)}"
        records = "record" if self.records_sent == 1 else "records"
        yield "rows", f"{count_text(self.rows)}  ({count_text(self.records_sent)} {records} sent)"
        if self.set_aside:
            yield "set aside", f"{count_text(self.set_aside)} rows, as dead letters"
        limit = "" if stored is None else stored.configuration.get(SIZE_LIMIT_SETTING, "")
        if limit.isdecimal():
            yield "record size", f"up to {count_text(int(limit))} bytes; else its row is set aside"
        if stored is not None and stored.replays:
            yield "replayed", f"by {', '.join(stored.replays)}"
        if self.dropped:
            yield "dropped", f"{count_text(self.dropped)} rows, as CSV_COLUMNS says"
        if stored is not None:
            if self.files is not None:
                done, of = self.files
                yield "files", f"{count_text(done)} of {count_text(of)}"
                yield from () if self.of_files is None else self.of_files.lines()
                yield from skipped_lines(self.skipped)
            if stored.source.scheme != LETTERS_SCHEME:
                yield "bytes", self._bytes(stored)
        rate = self.rows_per_second
        if rate is not None and stored is not None:
            seconds = duration_text(stored.timestamp - stored.started_at)
            yield "rate", f"{count_text(rate)} rows/s on average over {seconds}, rests included"
        elif stored is not None and self.of_files is None:
            yield "rate", "not known: the job's beginning and its checkpoint are a second apart"
        timestamp = self.item.get("timestamp")
        if isinstance(timestamp, int):
            ago = duration_text(max(0.0, now - timestamp))
            is_begun = self.of_files is not None and self.status is not JobStatus.COMPLETED
            yield "begun" if is_begun else "checkpoint", f"{time_text(timestamp)}, {ago} ago"
        if stored is not None:
            for name, lane in stored.lanes.items():
                if lane.base_row:
                    yield (
                        "epoch",
                        f"{lane.epoch} in {name}, since record {count_text(lane.base_row)}",
                    )
        yield "owner", self._owner(stored)

    def to_json(self) -> dict[str, object]:
        """All that is known; `item` is the item as it stands in the table."""
        stored = self.stored
        owner = None if stored is None else stored.lease.owner
        return {
            "job_id": self.job_id,
            "status": self.status.value,
            "rows": self.rows,
            "records_sent": self.records_sent,
            "set_aside": self.set_aside,
            "dropped": self.dropped,
            **({} if self.stored is None else {"replays": list(self.stored.replays)}),
            "percent": self.percent,
            "rows_per_second": self.rows_per_second,
            **({} if self.files is None else {"files_done": self.files[0], "files": self.files[1]}),
            **({} if self.of_files is None else self.of_files.to_json()),
            **skipped_json(self.skipped),
            "owner": None if owner is None else owners.describe(owner),
            "owner_is_known_dead": None if owner is None else owners.is_known_dead(owner),
            "item": self.item,
        }

    def _source_bytes(self, stored: StoredJob) -> int:
        if self.of_files is not None:
            return self.of_files.totals.loaded.stored_bytes
        return stored.position.source_bytes

    def _bytes(self, stored: StoredJob) -> str:
        done = bytes_text(self._source_bytes(stored))
        if stored.source.is_compressed:
            if self.percent is None:
                return f"{done} decompressed (of a compressed object, so nobody knows of how many)"
            of = f"a compressed object of {bytes_text(stored.source.size)}"
            return f"{done} decompressed, about {percent_text(self.percent)} of {of}"
        percent = "" if self.percent is None else f"  ({percent_text(self.percent)})"
        if self.status is JobStatus.COMPLETED and self.of_files and self.of_files.totals.skipped:
            percent = ", the rest in skipped files"
        if self.skipped:
            percent = f"{percent}, those of skipped files among them"
        return f"{done} of {bytes_text(stored.source.size)}{percent}"

    def _partitions(self, stored: StoredJob, topic: str) -> str:
        """The partitions of ours in the topic; none before the first row was sent."""
        if self.of_files is not None:  # which ones, the items of the files say
            return f"{counted(_partition_count(stored, topic), 'partition')} in the topic"
        return _partitions(stored, topic)

    def _owner(self, stored: StoredJob | None) -> str:
        if stored is None:
            return "not known: the item was written by another implementation"
        owner = stored.lease.owner
        if self.of_files is not None:
            return "none of the set; each file has its own while it is loaded"
        if owner is None:
            return "nobody"
        if owners.is_known_dead(owner):
            return f"{owners.describe(owner)}, which is gone: the next start goes on at once"
        return (
            f"{owners.describe(owner)}; should it vanish, another may take over after "
            f"{duration_text(stored.lease.seconds)}"
        )


def _topic(lane: str) -> str:
    """Of `topic/partition`."""
    return lane.rpartition("/")[0]


def _partition_count(stored: StoredJob, topic: str) -> int:
    return stored.routed_partitions.get(topic, stored.partition_count)


def _partitions(stored: StoredJob, topic: str) -> str:
    numbers = [name.rpartition("/")[2] for name in stored.lanes if _topic(name) == topic]
    if not numbers:
        return (
            f"{counted(_partition_count(stored, topic), 'partition')} in the topic, none used yet"
        )
    shown = ", ".join(numbers) if len(numbers) <= 12 else f"{numbers[0]} to {numbers[-1]}"
    partitions = f"partition {shown}" if len(numbers) == 1 else f"partitions {shown}"
    if not stored.routed_partitions:
        return partitions
    sent = sum(lane.next_sequence for name, lane in stored.lanes.items() if _topic(name) == topic)
    return f"{partitions}, {count_text(sent)} {'record' if sent == 1 else 'records'}"
