"""One worker's run of a set with ORDER=set: one job, as any other, that may be without some files.

A file that cannot be loaded stops it. Where that follows from the bytes of the file, it is noted,
so that the file can be skipped (`job.skip_in_order`), and the job goes on behind it.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from shlex import quote

from csvkafka.errors import CsvKafkaError, MalformedRowError, SourceCorruptError
from csvkafka.interfaces import ItemStore
from csvkafka.job.definition import JobSpec
from csvkafka.job.file_set import FileSet
from csvkafka.job.parts import JobParts, JobResult
from csvkafka.job.run import Job
from csvkafka.ledger.file_marks import Failure, FileMarks, SkippedFiles
from csvkafka.ledger.item import decode_lease
from csvkafka.model import Step

log = logging.getLogger(__name__)

OF_THE_BYTES = (MalformedRowError, SourceCorruptError)
"""What follows from the bytes of the file and the settings of the job, which both are frozen: no
worker comes to the file's end."""


class SetInOrder:
    """One run of the set `spec`, whose items are in `store`. `run` is called once. Observes it, and
    hands each step on."""

    def __init__(self, spec: JobSpec, parts: JobParts, file_set: FileSet, store: ItemStore) -> None:
        self._spec = spec
        self._parts = parts
        self._file_set = file_set
        self._store = store
        self._failed_after: int | None = None

    def run(self) -> JobResult:
        """As `Job.run`; the result says how many files are skipped."""
        parts = replace(self._parts, observer=self, file_set=self._file_set)
        try:
            result = Job(self._spec, parts).run()
        except OF_THE_BYTES as error:
            self._note(error)
            raise
        item = self._parts.ask_table(self._store.item(self._spec.job_id).get)
        skipped = SkippedFiles.of(item or {})
        if skipped.count:
            log.warning("%s", skipped)
        return replace(result, files_skipped=skipped.count)

    def report(self, step: Step, **facts: int) -> None:
        """See `interfaces.Observer`."""
        if step is Step.SOURCE_FAILED and not facts["uncounted"]:
            self._failed_after = facts["rows"]
        self._parts.observer.report(step, **facts)

    def _note(self, error: CsvKafkaError) -> None:
        """Stores that all rows before the fault are acknowledged and in the item, if they are, and
        says what can be done then. The error is raised however that goes."""
        number = error.file_number
        if number is None or self._failed_after is None:
            return
        try:
            item = self._parts.ask_table(self._store.item(self._spec.job_id).get)
            if item is None or item.get("last_line") != self._failed_after:
                return
            lease = decode_lease(item)
            if lease.owner is not None:
                return
            frozen, key = self._file_set.frozen, self._file_set.piece(number).key
            marks = FileMarks(self._spec.job_id, frozen.digest, frozen.count, self._store.item)
            at = int(self._parts.clock.wall())
            failure = Failure(key, type(error).__name__, str(error), at, lease.token)
            self._parts.ask_table(lambda: marks.note_failure(number, failure))
        except CsvKafkaError as problem:
            log.warning("The file that failed could not be noted: %s", problem)
            return
        error.args = (f"{error}; or go on without the file: csvkafka skip-file {quote(key)}",)
