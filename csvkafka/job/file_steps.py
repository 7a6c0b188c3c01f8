"""The steps of the jobs of a set's files, told as steps of the set."""

from __future__ import annotations

from csvkafka.interfaces import Observer
from csvkafka.ledger.file_marks import NOTHING, Loaded
from csvkafka.model import Step


class FileSteps:
    """Hands on what the job of the present file reports, to the observer of the set: rows and bytes
    count all files that are known to be loaded, too. `files` have `stored_bytes` in all."""

    def __init__(self, observer: Observer, files: int, stored_bytes: int) -> None:
        self._observer = observer
        self._files = files
        self._stored_bytes = stored_bytes
        self._number = self._file_bytes = 0
        self._loaded = NOTHING
        self.failed_after: int | None = None
        """How many rows of the present file are before its fault, all of them acknowledged; None
        too where the topic holds more of it."""

    def begin(self, number: int, file_bytes: int, loaded: Loaded) -> None:
        """From now on file `number` (1 is the first) reports."""
        self._number, self._file_bytes, self._loaded = number, file_bytes, loaded
        self.failed_after = None

    def report(self, step: Step, **facts: int) -> None:
        """See `interfaces.Observer`."""
        if step is Step.RUN_BEGINS:
            return  # that of the set was reported
        if step is Step.SOURCE_FAILED and not facts["uncounted"]:
            self.failed_after = facts["rows"]
        if step in (Step.SOURCE_OPENED, Step.BLOCK_ACKNOWLEDGED):
            facts["file_rows"] = facts["rows"]
        if "rows" in facts:
            facts["rows"] += self._loaded.rows
        if "bytes" in facts:
            # Of a compressed file the bytes are those of its content.
            facts["file_bytes"] = min(facts["bytes"], self._file_bytes)
            facts["bytes"] = self._loaded.stored_bytes + facts["file_bytes"]
        if "stored_bytes" in facts:
            facts["stored_bytes"] += self._loaded.stored_bytes
        if step is Step.SOURCE_OPENED:
            facts |= {"size": self._stored_bytes, "file": self._number, "files": self._files}
        self._observer.report(Step.FILE_COMPLETED if step is Step.COMPLETED else step, **facts)
