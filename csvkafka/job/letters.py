"""Dead letters as a source: row k of a replay is the k-th letter of the job that is replayed.

The letters are the records of that job's producer id in its dead-letter lane, in the order of their
Kafka offsets, which is that of their sequence numbers too. The replay's item pins which they are:
the first and the last Kafka offset, and their number. A position of a replay counts letters where
others count rows, and Kafka offsets from the first letter on where others count bytes.
`letter_blocks` makes the blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from csvkafka.encode.dead_letter import SOURCE_BYTE
from csvkafka.errors import SourceCorruptError, TopicChangedError, counted
from csvkafka.job.letter_blocks import Letter, block_of, runs_of, together
from csvkafka.job.replayed import ReplayedJob
from csvkafka.ledger.item import StoredJob
from csvkafka.limits import SEQUENCE_MODULUS
from csvkafka.model import (
    LETTERS_SCHEME,
    SOURCE_FILE,
    SOURCE_LINE,
    BatchHeader,
    EncodePlan,
    JobStatus,
    Lane,
    Position,
    SourceIdentity,
    TopicFacts,
)
from csvkafka.records.record_batch import Record
from csvkafka.rows.pieces import PlacedBlock, Span


class LetterLog(Protocol):
    """The dead-letter topic, read."""

    def describe_topic(self, topic: str) -> TopicFacts | None:
        """See `interfaces.Cluster`."""

    def log_start_offset(self, lane: Lane) -> int:
        """The first Kafka offset that is still there."""

    def end_offset(self, lane: Lane) -> int:
        """See `interfaces.Cluster`."""

    def read_batches(
        self, lane: Lane, first: int, end: int
    ) -> Iterator[tuple[BatchHeader, Callable[[], list[Record]]]]:
        """The batches from the one that holds Kafka offset `first` to the one before `end`, each
        with what parses its records. Raises as `interfaces.Cluster`."""


@dataclass(frozen=True, slots=True)
class HeaderOf:
    """The header of the replayed job's source. `first_bytes` returns the bytes of the source up to
    the end of its header row, `columns` the names of a file's columns, by the file's URI."""

    first_bytes: Callable[[], bytes]
    columns: Callable[[str], tuple[str, ...]]


class Letters:
    """The letters of `job`. It implements `interfaces.Source`; the bytes that it reads as such are
    the header's alone.

    `identify` and `first` ask `log`. Each `cut` opens its own log by `open_log`, because it reads
    in another thread, and one that hangs in the network may still be there when the next begins.

    `known` returns the replay's own item, if there is one. It is called each time anew: another
    worker may have loaded letters while this one waited for the lease."""

    def __init__(
        self,
        job: ReplayedJob,
        log: LetterLog,
        open_log: Callable[[], AbstractContextManager[LetterLog]],
        header: HeaderOf,
        known: Callable[[], StoredJob | None],
    ) -> None:
        self._job = job
        self._log = log
        self._open_log = open_log
        self._header = header
        self._known = known
        self._first = 0

    def identify(self) -> SourceIdentity:
        """The letters that the replay was begun with. Those that are not loaded yet must still be
        in the topic.

        Raises TopicChangedError if the topic is another one or lacks letters, and what
        `HeaderOf.first_bytes` raises."""
        job, known = self._job, self._known()
        self._job.check_topic(self._log.describe_topic(job.lane.topic))
        self._header.first_bytes()  # a wrong header is named before minutes of reading the topic
        if known is not None and known.source == self._identity(known.source.size):
            self._first = job.end - known.source.size
            if known.status is not JobStatus.COMPLETED:
                self._check_all_there(known.position)
        else:
            self._first = self._check_all_there(None)
        return self._identity(job.end - self._first)

    def read(self, byte_offset: int) -> Generator[bytes, None, None]:
        """See `interfaces.Source`. The letters themselves come by `cut`."""
        header = self._header.first_bytes()[byte_offset:]
        if header:
            yield header

    def cut(
        self, start: Position, plan: EncodePlan, max_row_bytes: int
    ) -> Generator[PlacedBlock, None, None]:
        """The letters after `start`, as blocks; a `rows.pieces.Cut`.

        Raises TopicChangedError if a letter is missing, SourceCorruptError for a record that is no
        letter, MalformedRowError for a letter that is not exactly one row by the plan's dialect."""
        del max_row_bytes  # each was a row of a load before
        before = start
        own: EncodePlan | None = None  # no longer than this cut: the next may have another plan
        with self._open_log() as log:
            letters = self._letters(log, self._first + start.byte_offset, start.row_count)
            for run in together(runs_of(letters, plan.dialect, plan.block_bytes), plan.block_bytes):
                ends = tuple(
                    Position(letter.kafka_offset + 1 - self._first, row_count)
                    for row_count, letter in enumerate(run, before.row_count + 1)
                )
                if own is None or own.source_uri != run[0].uri:
                    own = self._plan_of(run[0].uri, plan)
                block = block_of(run, plan.dialect)
                yield PlacedBlock(block, own, span=Span(before, ends, block.start.row_count))
                before = ends[-1]

    def first(self, plan: EncodePlan) -> PlacedBlock:
        """The first letter alone. Raises as `cut`; after `identify`."""
        letter = next(self._letters(self._log, self._first, 0))
        return PlacedBlock(block_of([letter], plan.dialect), self._plan_of(letter.uri, plan))

    def _plan_of(self, uri: str, plan: EncodePlan) -> EncodePlan:
        return replace(plan, source_uri=uri, header=self._header.columns(uri))

    def _identity(self, size: int) -> SourceIdentity:
        job = self._job
        pin = f"{job.topic_id}/{job.producer_id}/{job.end}/{job.count}"
        return SourceIdentity(job.lane.topic, job.job_id, pin, size, scheme=LETTERS_SCHEME)

    def _check_all_there(self, position: Position | None) -> int:
        """Returns the Kafka offset of the first letter after `position`; None: of the first of all.

        Raises TopicChangedError if a letter from there on is missing."""
        job, lane = self._job, self._job.lane
        log_start = self._log.log_start_offset(lane)
        begin = log_start if position is None else self._first + position.byte_offset
        missing = job.count - (0 if position is None else position.row_count)
        found_first = None
        if self._log.end_offset(lane) >= job.end:
            for header, _ in self._ours(self._log, max(begin, log_start), job.end):
                first = max(header.base_kafka_offset, begin)
                found_first = first if found_first is None else found_first
                missing -= min(header.record_count, header.last_kafka_offset + 1 - first)
        if missing:
            raise TopicChangedError(
                f"topic {lane.topic} lacks {missing} of the {counted(job.count, 'letter')} of job "
                f"{job.job_id} (partition {lane.partition} begins at Kafka offset {log_start}): "
                "retention took them, or they were deleted. Load the file by the repaired "
                "settings, under another JOB_ID into a clean topic"
            )
        return begin if found_first is None else found_first

    def _letters(self, log: LetterLog, begin: int, number: int) -> Iterator[Letter]:
        for header, records in self._ours(log, begin, self._job.end):
            for record in records():
                if record.kafka_offset >= begin:
                    number += 1
                    yield letter_of(record, header, self._job)
        if number != self._job.count:
            raise TopicChangedError(
                f"topic {self._job.lane.topic} gave {number} of the "
                f"{counted(self._job.count, 'letter')} of job {self._job.job_id}: the others were "
                "deleted meanwhile; run again to see which"
            )

    def _ours(
        self, log: LetterLog, begin: int, end: int
    ) -> Iterator[tuple[BatchHeader, Callable[[], list[Record]]]]:
        """The replayed job's batches. Raises TopicChangedError unless each goes on where the one
        before it ended."""
        before: BatchHeader | None = None
        for header, records in log.read_batches(self._job.lane, begin, end):
            if header.producer_id != self._job.producer_id or header.is_control:
                continue
            if before is not None and not _follows(header, before):
                raise TopicChangedError(
                    f"the letters of job {self._job.job_id} in topic {self._job.lane.topic} do not "
                    f"follow each other at Kafka offset {header.base_kafka_offset}: some were "
                    "deleted, or stand there twice. Load the file by the repaired settings, under "
                    "another JOB_ID into a clean topic"
                )
            before = header
            yield header, records


def _follows(header: BatchHeader, before: BatchHeader) -> bool:
    if header.producer_epoch != before.producer_epoch:
        return header.producer_epoch > before.producer_epoch and header.base_sequence == 0
    due = (before.base_sequence + before.record_count) % SEQUENCE_MODULUS
    return header.base_sequence == due


def letter_of(record: Record, header: BatchHeader, job: ReplayedJob) -> Letter:
    """The letter in a record. Raises SourceCorruptError if it holds none."""
    headers = dict(record.headers)
    try:
        return Letter(
            kafka_offset=record.kafka_offset,
            value=record.value or b"",
            uri=(headers[SOURCE_FILE] or b"").decode(),
            line=int(headers[SOURCE_LINE] or b""),
            byte_offset=int(headers[SOURCE_BYTE] or b""),
        )
    except (KeyError, ValueError) as error:
        raise SourceCorruptError(
            f"the record at Kafka offset {record.kafka_offset} of topic {job.lane.topic} carries "
            f"producer id {header.producer_id} of job {job.job_id} and is no dead letter "
            f"({type(error).__name__}: {error}); check who writes there, or load the file again"
        ) from error
