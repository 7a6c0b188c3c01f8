"""The documented log lines of a load, from the steps that it reports.

Starting from line 50000
Progress: 10000 records sent (line 60000)
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from csvkafka.interfaces import Observer
from csvkafka.model import Step
from csvkafka.process.load_progress import LoadProgress

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 5.0


class LoadLog:
    """Logs progress, at most every few seconds; hands each step on to `observer`, if any.

    "Records sent" counts this run's, "line" the rows of the source that the checkpoint covers. Of
    a set of files, each line ends with the file that is being loaded, and the share of all their
    bytes: ", file 3 of 400, 1 %, about 130 s left". Of a compressed object, it ends so, too."""

    def __init__(
        self, observer: Observer | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._observer = observer
        self._records_sent = 0
        self._logged_at = float("-inf")
        self._started = False
        self._clock = clock
        self._progress = LoadProgress(clock)

    def report(self, step: Step, **facts: int) -> None:
        """See `interfaces.Observer`."""
        self._progress.report(step, **facts)
        if step is Step.SOURCE_OPENED and not self._started:
            self._started = True
            self._logged_at = self._clock()
            self._progress.look()
            log.info("Starting from line %d%s", facts["rows"] + facts["in_topic"], self._where())
            if facts["in_topic"]:
                log.info(
                    "The checkpoint says line %d; %d records after it are in the topic already",
                    facts["rows"],
                    facts["in_topic"],
                )
        elif step is Step.BATCH_ACKNOWLEDGED:
            self._records_sent += facts["records"]
        elif step is Step.CHECKPOINT_STORED:
            now = self._clock()
            if now - self._logged_at >= SECONDS_BETWEEN_LINES:
                self._logged_at = now
                self._log_progress(facts["rows"], self._share())
        elif step is Step.COMPLETED:
            self._log_progress(facts["rows"])
            log.info("Completed: %d records sent, %d rows", facts["sent"], facts["rows"])
        if self._observer is not None:
            self._observer.report(step, **facts)

    def _log_progress(self, rows: int, share: str = "") -> None:
        where = self._where() + share
        log.info("Progress: %d records sent (line %d)%s", self._records_sent, rows, where)

    def _where(self) -> str:
        progress = self._progress
        return f", file {progress.file} of {progress.files}" if progress.files else ""

    def _share(self) -> str:
        """How much is loaded and how long the rest takes, as far as it is known."""
        progress = self._progress
        _, seconds_left = progress.look()
        if progress.fraction is None or not (progress.files or progress.is_compressed):
            return ""
        left = "" if seconds_left is None else f", about {seconds_left:.0f} s left"
        return f", {progress.fraction:.0%}{left}".replace("%", " %")
