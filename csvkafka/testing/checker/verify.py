"""Judges a job where it really ran: its object in S3, its topic, its item in the checkpoint table.

`judge_load` takes a load's configuration and compares the whole topic with the whole source, for
one isolation level; `verify_job` does that for a production job, whose item says which version of
the object, how many partitions, and whether the load is complete. `job_expectation` says what a
record should be. Both read as streams, in bounded memory (see `checker`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from typing import BinaryIO

from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import (
    CheckpointError,
    ConfigChangedError,
    SourceChangedError,
    counted,
)
from csvkafka.interfaces import Item
from csvkafka.job.definition import JobSpec
from csvkafka.job.same_job import differing_settings
from csvkafka.ledger.item import decode, decode_documented, is_documented_only
from csvkafka.ledger.list_chunks import ListChunks
from csvkafka.ledger.skipped_item import skipped_in_order
from csvkafka.limits import SIZE_LIMIT_SETTING
from csvkafka.model import (
    LETTERS_SCHEME,
    BadRows,
    FileOrder,
    JobStatus,
    SourceIdentity,
)
from csvkafka.sources import open_source, set_objects
from csvkafka.stores import open_store
from csvkafka.testing.checker.checker import check
from csvkafka.testing.checker.documented import (
    TopicRecord,
)
from csvkafka.testing.checker.expectation import IdentifyBy, partition_text
from csvkafka.testing.checker.files_so_far import FilesSoFar, files_so_far, skipped_files
from csvkafka.testing.checker.job_expectation import expectation_of
from csvkafka.testing.checker.records_ahead import RecordsAhead
from csvkafka.testing.checker.replayed_rows import ReplayedRows
from csvkafka.testing.checker.set_files import OpenFile, SetFiles
from csvkafka.testing.checker.source_rows import files_of, replayed_rows, source_rows
from csvkafka.testing.checker.topic_reader import Isolation
from csvkafka.testing.checker.topics import TopicsReader
from csvkafka.testing.checker.verdict import CheckpointObservation, Verdict
from csvkafka.testing.inputs.byte_stream import stream_of

Progress = Callable[[int, int], None]
"""Called now and then with (records examined, records in the topic)."""

PROGRESS_RECORDS = 10_000


@dataclass(frozen=True, slots=True)
class Scope:
    """What the judge may take for granted. `exclusive`: every record in the topic should be one of
    this load, others are phantom rows; else others are counted and left alone. Without `complete`,
    the load is to go on later: rows after the last one found are not lost yet. `identify_by`:
    CONTENT for records without `_source_line`. `partition_count` routes keys (None: the topic's),
    `routed_partitions` those of rows that the table sends to other topics (None: these topics').
    With the job's `producer_id`, a record of another one may stand for a row that is to have none:
    a row that was set aside, and replayed."""

    isolation: Isolation = Isolation.READ_UNCOMMITTED
    exclusive: bool = True
    complete: bool = True
    identify_by: IdentifyBy = IdentifyBy.LINE
    partition_count: int | None = None
    routed_partitions: Mapping[str, int] | None = None
    producer_id: int | None = None


def judge_load(
    config: LoadConfig,
    scope: Scope | None = None,
    *,
    source: BinaryIO | None = None,
    files: Mapping[str, OpenFile] | None = None,
    letters: ReplayedRows | None = None,
    checkpoints: Sequence[CheckpointObservation] = (),
    progress: Progress | None = None,
    skipped: Mapping[str, int] | None = None,
) -> Verdict:
    """Compares every record of the topic with every row of the source: position, content, order.

    `source` is the CSV's bytes (decompressed), where the caller has them, `files` those of a set by
    URI, in its order; without them they are read from S3. Of the `skipped` ones that many rows, the
    first, are to be in the topic. `letters` are the source of a replay.

    Raises errors of `csvkafka.errors` where source or topic cannot be read."""
    scope = scope or Scope()
    if files is None and letters is None and config.is_set:
        files = files_of(config, set_objects(config).pieces())
    if files is None and letters is None and source is None:
        with closing(open_source(config).read(0)) as chunks:
            return judge_load(
                config,
                scope,
                source=stream_of(chunks),
                checkpoints=checkpoints,
                progress=progress,
            )
    numbered: SetFiles | ReplayedRows | None = letters
    if files is not None:
        numbered = SetFiles(files, partial(source_rows, config.spec), skipped)
    ours = scope.producer_id
    topics = config.spec.data_topics
    with TopicsReader(config.kafka, topics, scope.isolation, ours) as reader:
        records = reader.records()
        if progress is not None:
            counted = _Counted(progress, reader.record_count)
            records = {
                partition: RecordsAhead(counted.over(reader.read_batches(partition)))
                for partition in records
            }
        partition_count = scope.partition_count or reader.partition_count(0)
        routed = scope.routed_partitions
        if routed is None:
            routed = {topic: reader.partition_count(k) for k, topic in enumerate(topics)}
        verdict = check(
            numbered.rows() if numbered else source_rows(config.spec, source or BytesIO()),
            records,
            replace(
                expectation_of(config, partition_count, numbered, scope.identify_by, routed),
                ignore_foreign=not scope.exclusive,
                is_of_another=reader.is_of_another,
                complete=scope.complete,
            ),
            checkpoints,
        )
        notes = [*verdict.notes, *_notes(config, reader)]
        if verdict.foreign_count and verdict.row_count and not verdict.rows_found:
            notes.append(
                f"no record tells a line of this file by _source_line and _source_file, "
                f"{verdict.foreign_count} tell none: if the loader leaves them out, judge by "
                "content (--by-content)"
            )
        return replace(verdict, notes=tuple(notes))


@dataclass(frozen=True, slots=True)
class JobVerdict:
    """`status` and `last_line` are the item's, None where there is no item. `files`: of a set that
    is not complete and whose files are jobs of their own, how far these are. `skipped`: those that
    are left out by URI, with the rows that they have in the topic."""

    status: JobStatus | None
    last_line: int | None
    source_uri: str
    verdict: Verdict
    files: FilesSoFar | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)


def verify_job(
    config: LoadConfig,
    scope: Scope | None = None,
    *,
    needs_item: bool = False,
    progress: Progress | None = None,
) -> JobVerdict:
    """Judges a job by its item: the object's version, the number of partitions that routes keys,
    and whether it is complete come from there; what the checkpoint covers must be in the topic.

    Without an item, source and topic are taken as they are now, and the load as complete; if
    `needs_item`, CheckpointError is raised. Raises as `judge_load`, before source and topic are
    read ConfigChangedError and SourceChangedError if the job was begun with another topic or
    object, and SourceChangedError if the object has changed since."""
    scope = scope or Scope(exclusive=False)
    store, job_id = open_store(config.checkpoint), config.spec.job_id
    item = store.item(job_id).get()
    if item is None and needs_item:
        raise CheckpointError(
            f"{store.where} has no item of job {job_id}: it was never begun, or under another "
            "JOB_ID; check both, or give --so-far to judge the topic without one"
        )
    job = _stored_job(item)
    _check_places(config, job)
    given = config.spec
    spec = given.going_on(job.configuration)
    if job.configuration:
        order = FileOrder(job.configuration.get("ORDER", FileOrder.SET))
        spec = replace(spec, order=order, own_size_limit=None)
    config = replace(config, spec=spec)
    if job.partition_count is not None:
        scope = replace(
            scope,
            partition_count=job.partition_count,
            routed_partitions=job.routed_partitions,
        )
    if spec.bad_rows is BadRows.DEAD_LETTER:
        scope = replace(scope, producer_id=job.producer_id)
    if job.status is not None:
        scope = replace(scope, complete=job.status is JobStatus.COMPLETED)
    uri = config.source_uri
    so_far: FilesSoFar | None = None
    files: Mapping[str, OpenFile] | None = None
    letters: ReplayedRows | None = None
    skipped: dict[str, int] = {}
    if job.source is not None and job.source.scheme == LETTERS_SCHEME:
        uri = job.source.uri
        scope = replace(scope, producer_id=job.producer_id)
        letters = replayed_rows(config, store, job.source, job.configuration.get("columns", ""))
    elif config.is_set and job.source is not None:
        frozen = ListChunks(job_id, store.item).load(job.source.etag)
        files = files_of(config, frozen.pieces())
        if spec.order is FileOrder.OBJECT and job.status is not JobStatus.COMPLETED:
            so_far = files_so_far(store, job_id, job.source)
        if spec.order is FileOrder.OBJECT:
            skipped = skipped_files(store, job_id, job.source)
        else:
            begin = f"s3://{job.source.bucket}/"
            skipped = {begin + each.key: each.rows for each in skipped_in_order(item or {})}
    elif not config.is_set:
        source = open_source(config, pinned=job.source)
        uri = source.identify().uri
    # The item was read first: whatever it covers must stand before these ends.
    with TopicsReader(config.kafka, config.spec.data_topics) as reader:
        ends = {partition: bounds.end for partition, bounds in reader.bounds.items()}
    checkpoints: tuple[CheckpointObservation, ...] = ()
    if job.last_line is not None:
        checkpoints = (CheckpointObservation(job.last_line, ends, total_sent=job.total_sent),)
    with ExitStack() as reading:
        stream = None
        if letters is None and not config.is_set:
            stream = stream_of(reading.enter_context(closing(source.read(0))))
        verdict = judge_load(
            config,
            scope,
            source=stream,
            files=files,
            letters=letters,
            checkpoints=checkpoints,
            progress=progress,
            skipped=skipped,
        )
    if not verdict.is_clean and job.configuration:
        if letters is not None:
            names = letters.header()
        elif files is not None:
            names = _header_of_first(files, spec)
        else:
            with closing(source.read(0)) as chunks:
                names = source_rows(spec, stream_of(chunks)).names
        others = _other_settings(spec, job.configuration, names)
        verdict = replace(verdict, notes=(*verdict.notes, *others))
    if letters is not None:
        again = letters.count - verdict.row_count - verdict.dropped
        note = f"{again} of {counted(letters.count, 'letter')} do not fit again, and are set aside"
        verdict = replace(verdict, notes=(*verdict.notes, note))
    if given.own_size_limit not in (None, spec.size_limit):
        note = (
            f"judged by {SIZE_LIMIT_SETTING}={spec.size_limit or 'none'}, as the job's item says, "
            f"not by {given.own_size_limit}"
        )
        verdict = replace(verdict, notes=(*verdict.notes, note))
    if item is None:
        note = f"{store.where} has no item of job {job_id}"
        verdict = replace(verdict, notes=(*verdict.notes, note))
    return JobVerdict(job.status, job.last_line, uri, verdict, so_far, skipped)


class _Counted:
    """Tells `progress` how many records went by, of all partitions together."""

    def __init__(self, progress: Progress, record_count: int) -> None:
        self._progress = progress
        self._record_count = record_count
        self._seen = self._told = 0

    def over(self, batches: Iterator[Sequence[TopicRecord]]) -> Iterator[Sequence[TopicRecord]]:
        for batch in batches:
            self._seen += len(batch)
            if self._seen - self._told >= PROGRESS_RECORDS:
                self._told = self._seen
                self._progress(self._seen, self._record_count)
            yield batch


@dataclass(frozen=True, slots=True)
class _ItemFacts:
    """What an item says of its job; None where it does not."""

    status: JobStatus | None = None
    last_line: int | None = None
    total_sent: int | None = None
    partition_count: int | None = None
    routed_partitions: Mapping[str, int] = field(default_factory=dict)
    producer_id: int | None = None
    source: SourceIdentity | None = None
    configuration: Mapping[str, str] = field(default_factory=dict)
    topics: frozenset[str] = frozenset()


def _stored_job(item: Item | None) -> _ItemFacts:
    if item is None:
        return _ItemFacts()
    if is_documented_only(item):
        documented = decode_documented(item)
        # How another program counts what it sends twice is its own affair.
        return _ItemFacts(documented.status, documented.last_line)
    stored = decode(item)
    return _ItemFacts(
        stored.status,
        stored.position.row_count,
        stored.total_sent,
        stored.partition_count,
        stored.routed_partitions,
        None if stored.identity is None else stored.identity.producer_id,
        stored.source,
        stored.configuration,
        frozenset(stored.topic_ids),
    )


def _check_places(config: LoadConfig, job: _ItemFacts) -> None:
    """Raises ConfigChangedError, SourceChangedError unless topic and object are the job's."""
    job_id, topic = config.spec.job_id, config.spec.topic
    begun_with = job.configuration.get("KAFKA_TOPIC", topic)
    if begun_with != topic:
        raise ConfigChangedError(
            f"job {job_id} was begun with topic {begun_with}, not {topic}; check KAFKA_TOPIC and "
            "JOB_ID"
        )
    others = job.topics - {topic, job.configuration.get("DEAD_LETTER_TOPIC", "")}
    routed = frozenset(config.spec.data_topics[1:])
    if job.topics and others != routed:
        raise ConfigChangedError(
            f"job {job_id} was begun with {_routes_text(others)}, not with {_routes_text(routed)}; "
            "check CSV_COLUMNS and JOB_ID"
        )
    uri = config.source_uri
    is_replay = job.source is not None and job.source.scheme == LETTERS_SCHEME
    if job.source is not None and not is_replay and job.source.uri != uri:
        raise SourceChangedError(
            f"job {job_id} was begun with {job.source.uri}, not {uri}; check the source's "
            "settings and JOB_ID"
        )


def _header_of_first(files: Mapping[str, OpenFile], spec: JobSpec) -> Sequence[str]:
    """The columns that a set was defined with."""
    with next(iter(files.values()))() as stream:
        return source_rows(spec, stream).names


def _other_settings(
    spec: JobSpec, stored: Mapping[str, str], names: Sequence[str]
) -> Iterator[str]:
    """A note on settings that the job was begun with, and was not judged by."""
    now = {name: text for name, text in spec.configuration(names).items() if name.isupper()}
    then = {name: text for name, text in stored.items() if name.isupper()}
    if then and (differing := differing_settings(then, now, spec.columns(names))):
        yield (
            f"job {spec.job_id} was begun with other settings, and judged by those given: "
            f"{'; '.join(differing)}"
        )


def _routes_text(topics: frozenset[str]) -> str:
    return f"[[route]] to {', '.join(sorted(topics))}" if topics else "no [[route]]"


def _notes(config: LoadConfig, reader: TopicsReader) -> list[str]:
    """What could not be judged."""
    notes = []
    for number, bounds in reader.bounds.items():
        partition = partition_text(number, reader.topics)
        if bounds.undecided:
            notes.append(
                f"{partition}: {bounds.undecided} Kafka offsets from {bounds.end} on "
                "wait for the end of an open transaction, and were not read"
            )
        if bounds.start:
            notes.append(
                f"{partition} begins at Kafka offset {bounds.start}: retention has "
                "deleted what was before, so rows of it count as lost"
            )
    if config.spec.dead_letter_topic is not None:
        notes.append(f"topic {config.spec.dead_letter_topic} (dead letters) was not judged")
    return notes
