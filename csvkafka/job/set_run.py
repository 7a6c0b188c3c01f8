"""One worker's run of a set with ORDER=object: it takes file after file, until none is free.

The set's item is created and compared as that of any job. Each file is a job of its own, run as any
job is run. What the marks and the set's item say, and when, docs/sets.md has.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from random import Random
from typing import Protocol

from csvkafka.errors import (
    ConfigError,
    CsvKafkaError,
    FencedError,
    FilesFailedError,
    ItemUnusableError,
    RecordTooLargeError,
    RecoveryError,
    SequenceError,
    SourceError,
    TopicChangedError,
    UserFunctionError,
    as_a_job_of_its_own,
    counted,
)
from csvkafka.interfaces import ItemStore
from csvkafka.job.beginning import Beginning, Begun
from csvkafka.job.definition import JobSpec, Membership
from csvkafka.job.file_set import FileSet
from csvkafka.job.file_steps import FileSteps
from csvkafka.job.free_files import FreeFiles
from csvkafka.job.parts import JobParts, JobResult, OwnedByAnother, not_in_topic
from csvkafka.ledger import owner as owners
from csvkafka.ledger.file_marks import (
    SKIPPED_KEYS,
    Failure,
    FileMarks,
    Loaded,
    SkippedFiles,
    child_id,
    complete_set,
)
from csvkafka.ledger.item import LeaseState, decode_lease
from csvkafka.model import JobStatus, Piece, SourceIdentity, Step

log = logging.getLogger(__name__)

OF_THE_FILE = (
    SourceError,
    ConfigError,
    RecordTooLargeError,
    UserFunctionError,
    ItemUnusableError,
    RecoveryError,
    SequenceError,
)
"""What fails for one file; others may still be loaded. (Kafka or the checkpoint store fail for
all.)"""

FAILURES_IN_A_ROW = 3
"""So many files, one after the other, that might succeed if they were tried again: then most likely
S3 fails, and not a file."""

FILES_NAMED = 20
"""So many files that failed the error names."""


class RunFile(Protocol):
    """Runs the job `spec` of one file; as `Job.run`, but raises OwnedByAnother where that waits.
    For the lease `watched` nobody need wait."""

    def __call__(
        self, spec: JobSpec, piece: Piece, steps: FileSteps, watched: LeaseState | None
    ) -> JobResult: ...


class SetRun:
    """One run of the set `spec` by the incarnation `owner`. `run` is called once."""

    def __init__(
        self,
        spec: JobSpec,
        parts: JobParts,
        file_set: FileSet,
        store: ItemStore,
        run_file: RunFile,
        *,
        owner: str,
        fail_fast: bool = False,
        is_known_dead: Callable[[str], bool] = owners.is_known_dead,
        chance: Random | None = None,
    ) -> None:
        self._spec = spec
        self._parts = parts
        self._file_set = file_set
        self._store = store
        self._run_file = run_file
        self._owner = owner
        self._fail_fast = fail_fast
        self._is_known_dead = is_known_dead
        self._chance = chance or Random(owner)
        self._failed_in_a_row = 0
        self._sent_now = 0

    def run(self) -> JobResult:
        """Loads files until all are loaded, by whomever.

        Raises FilesFailedError if some failed and all others are loaded, what fails for all files,
        and StoppedError after a signal."""
        self._parts.observer.report(Step.RUN_BEGINS)
        beginning = Beginning(self._spec, self._parts)
        begun = beginning.begin()
        beginning.say_warnings()
        stored = begun.stored
        if stored.status is JobStatus.COMPLETED:
            rows, records = stored.position.row_count, stored.total_sent
            return self._complete_already(
                rows, records, self._set_aside_in(begun.definition.source)
            )
        self._begin(begun)
        is_waiting = False
        while not self._is_over():
            number = self._free.next()
            if number is not None:
                is_waiting = False
                self._load(number)
                continue
            if not is_waiting:
                is_waiting = True
                self._parts.observer.report(Step.LEASE_WAITED)
            if not self._free.wait_for_others():
                break
        self._free.look_at_failed()
        if self._free.totals.over < self._marks.count:
            raise self._incomplete()
        return self._complete()

    def _begin(self, begun: Begun) -> None:
        source = begun.definition.source
        frozen = self._file_set.frozen
        self._digest = frozen.digest
        self._marks = FileMarks(self._spec.job_id, self._digest, frozen.count, self._store.item)
        self._steps = FileSteps(self._parts.observer, frozen.count, source.size)
        self._membership = Membership(
            self._file_set.first_uri,
            begun.plan.header,
            begun.definition.partition_count,
            begun.definition.routed_partitions,
        )
        self._of_files = self._spec.going_on(begun.definition.configuration)
        self._free = FreeFiles(
            self._marks,
            lambda number: self._store.item(self._child_id(number)).get(),
            self._parts,
            is_known_dead=self._is_known_dead,
            chance=self._chance,
        )
        self._free.look()
        skipped = len(self._free.totals.skipped)
        log.info(
            "%d of %s of %s are loaded%s",
            self._free.totals.file_count,
            counted(frozen.count, "file"),
            source.uri,
            f", {skipped} skipped" if skipped else "",
        )

    def _child_id(self, number: int) -> str:
        return child_id(self._spec.job_id, self._digest, number)

    def _is_over(self) -> bool:
        self._parts.raise_if_stopped()
        return self._fail_fast and self._free.has_new_failure()

    # -- one file ------------------------------------------------------------------------------

    def _load(self, number: int) -> None:
        piece = self._file_set.piece(number)
        self._steps.begin(number + 1, piece.size, self._free.totals.loaded)
        spec = self._of_files.of_file(self._child_id(number), self._membership)
        try:
            result = self._run_file(spec, piece, self._steps, self._free.watched(number))
        except (OwnedByAnother, FencedError):
            return  # another has it, or it is skipped: its item says so
        except OF_THE_FILE as error:
            if isinstance(error, TopicChangedError):
                raise
            self._note_failure(number, piece, error)
            return
        self._failed_in_a_row = 0
        self._sent_now += result.sent_now
        loaded = Loaded(result.row_count, result.total_sent, piece.size, result.set_aside)
        self._free.note(self._parts.ask_table(lambda: self._marks.mark_done(number, loaded)))
        count = self._free.totals.file_count
        self._parts.observer.report(Step.FILE_MARKED, loaded=count, files=self._marks.count)
        log.info(
            "%s %s, %s; %d of %d files",
            self._file_set.uri(piece),
            # By a worker that has marked it at the same time, or ended before.
            "was loaded by another worker" if result.already_complete else "is loaded",
            counted(result.row_count, "row"),
            count,
            self._marks.count,
        )

    def _note_failure(self, number: int, piece: Piece, error: CsvKafkaError) -> None:
        """Others go on. Raises the error if it is not the file's, after all."""
        name = type(error).__name__
        message = as_a_job_of_its_own(str(error), may_have_sent=True)
        log.error("%s failed, %s: %s", self._file_set.uri(piece), name, message)
        at = int(self._parts.clock.wall())
        failure = Failure(piece.key, name, message, at, self._counted_under(number))
        marks = self._parts.ask_table(lambda: self._marks.mark_failed(number, failure))
        self._free.note_failed(number, marks)
        self._parts.observer.report(Step.FILE_FAILED, file=number + 1)
        self._failed_in_a_row = self._failed_in_a_row + 1 if error.retriable else 0
        if self._failed_in_a_row == FAILURES_IN_A_ROW:
            raise error

    def _counted_under(self, number: int) -> int | None:
        """The fencing token of the try that failed just now, if all that was sent of the file is
        acknowledged and stands in its item; see `Failure`."""
        if self._steps.failed_after is None:
            return None
        item = self._parts.ask_table(self._store.item(self._child_id(number)).get)
        if item is None or item.get("last_line") != self._steps.failed_after:
            return None
        lease = decode_lease(item)
        return lease.token if lease.owner is None else None

    # -- the end -------------------------------------------------------------------------------

    def _complete(self) -> JobResult:
        totals = self._free.totals
        in_topic = totals.loaded + totals.left
        self._parts.observer.report(Step.FILES_COMPLETED, rows=in_topic.rows)
        place = self._store.item(self._spec.job_id)
        now = int(self._parts.clock.wall())
        keys = [self._file_set.piece(number).key for number in totals.skipped[:SKIPPED_KEYS]]
        if not self._parts.ask_table(lambda: complete_set(place, totals, keys, self._owner, now)):
            return self._complete_already(in_topic.rows, in_topic.records, in_topic.set_aside)
        self._parts.observer.report(Step.COMPLETED, rows=in_topic.rows, sent=in_topic.records)
        if in_topic.records < in_topic.rows:
            dropped = counted(in_topic.rows - in_topic.records, "row")
            log.info("%s of the set dropped, as CSV_COLUMNS says", dropped)
        if in_topic.set_aside:
            set_aside, topic = counted(in_topic.set_aside, "row"), self._spec.dead_letter_topic
            log.warning("%s of the set set aside in topic %s", set_aside, topic)
        skipped = self._say_skipped()
        return JobResult(
            in_topic.rows,
            in_topic.records,
            self._sent_now,
            files_skipped=skipped,
            set_aside=in_topic.set_aside,
        )

    def _set_aside_in(self, source: SourceIdentity) -> int:
        """How many rows of the complete set `source` are dead letters, by the marks of its files:
        its own item does not tell."""
        if self._spec.dead_letter_topic is None:
            return 0
        assert source.files is not None
        marks = FileMarks(self._spec.job_id, source.etag, source.files, self._store.item)
        totals = self._parts.ask_table(marks.totals)
        return (totals.loaded + totals.left).set_aside

    def _complete_already(self, rows: int, records: int, set_aside: int) -> JobResult:
        log.info(
            "Job %s is complete already: %d rows, %d records sent%s; this worker sent %d",
            self._spec.job_id,
            rows,
            records,
            not_in_topic(rows - records, set_aside, self._spec.dead_letter_topic),
            self._sent_now,
        )
        return JobResult(
            rows,
            records,
            self._sent_now,
            already_complete=True,
            files_skipped=self._say_skipped(),
            set_aside=set_aside,
        )

    def _say_skipped(self) -> int:
        """Says which files the complete set is without, and returns how many these are."""
        item = self._parts.ask_table(self._store.item(self._spec.job_id).get)
        skipped = SkippedFiles.of(item or {})
        if skipped.count:
            log.warning("%s", skipped)
        return skipped.count

    def _incomplete(self) -> FilesFailedError:
        totals = self._free.totals
        failed, loaded = totals.failed, totals.file_count
        named = [self._failure(number) for number in failed[:FILES_NAMED]]
        what = "; ".join(f"{each.key} ({each.error}: {each.message})" for each in named)
        more = f"; and {len(failed) - len(named)} more" if len(failed) > len(named) else ""
        count = self._marks.count
        others = (
            f"the others are loaded{' or skipped' if totals.skipped else ''}"
            if totals.over + len(failed) == count
            else f"{loaded} are loaded, and no other is taken (FAIL_FAST)"
        )
        return FilesFailedError(
            f"{len(failed)} of {counted(count, 'file')} of job {self._spec.job_id} failed, "
            f"{others}: {what}{more}. This job takes its objects only as they were: load a "
            "repaired copy alone, under another key; the same command tries again those that "
            "could not be read; csvkafka skip-file leaves a file out for good"
        )

    def _failure(self, number: int) -> Failure:
        return self._parts.ask_table(lambda: self._marks.failure(number))
