"""The documented log lines of a load, from the steps that it reports.

Starting from line 50000
Progress: 10000 records sent (line 60000)
"""

from __future__ import annotations

import logging
import time

from csvkafka.interfaces import Observer
from csvkafka.model import Step

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 5.0


class LoadLog:
    """Logs progress, at most every few seconds; hands each step on to `observer`, if any.

    "Records sent" counts this run's, "line" the rows of the source that the checkpoint covers. Of
    a set of files, each line ends with the file that is being loaded: ", file 3 of 400"."""

    def __init__(self, observer: Observer | None = None) -> None:
        self._observer = observer
        self._records_sent = 0
        self._logged_at = float("-inf")
        self._started = False
        self._file = self._files = 0

    def report(self, step: Step, **facts: int) -> None:
        """See `interfaces.Observer`."""
        if step is Step.SOURCE_OPENED and not self._started:
            self._started = True
            self._logged_at = time.monotonic()
            self._file, self._files = facts.get("file", 0), facts.get("files", 0)
            log.info("Starting from line %d%s", facts["rows"] + facts["in_topic"], self._where())
            if facts["in_topic"]:
                log.info(
                    "The checkpoint says line %d; %d records after it are in the topic already",
                    facts["rows"],
                    facts["in_topic"],
                )
        elif step is Step.BATCH_ACKNOWLEDGED:
            self._records_sent += facts["records"]
        elif step is Step.FILE_ACKNOWLEDGED:
            self._file = facts["file"]
        elif step is Step.CHECKPOINT_STORED:
            now = time.monotonic()
            if now - self._logged_at >= SECONDS_BETWEEN_LINES:
                self._logged_at = now
                self._log_progress(facts["rows"])
        elif step is Step.COMPLETED:
            self._file = self._files
            self._log_progress(facts["rows"])
            log.info("Completed: %d records sent, %d rows", facts["sent"], facts["rows"])
        if self._observer is not None:
            self._observer.report(step, **facts)

    def _log_progress(self, rows: int) -> None:
        log.info("Progress: %d records sent (line %d)%s", self._records_sent, rows, self._where())

    def _where(self) -> str:
        return f", file {self._file} of {self._files}" if self._files else ""
