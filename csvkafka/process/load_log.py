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

    "Records sent" counts this run's, "line" the rows of the source that the checkpoint covers."""

    def __init__(self, observer: Observer | None = None) -> None:
        self._observer = observer
        self._records_sent = 0
        self._logged_at = float("-inf")
        self._started = False

    def report(self, step: Step, **facts: int) -> None:
        """See `interfaces.Observer`."""
        if step is Step.SOURCE_OPENED and not self._started:
            self._started = True
            self._logged_at = time.monotonic()
            log.info("Starting from line %d", facts["rows"] + facts["in_topic"])
            if facts["in_topic"]:
                log.info(
                    "The checkpoint says line %d; %d records after it are in the topic already",
                    facts["rows"],
                    facts["in_topic"],
                )
        elif step is Step.BATCH_ACKNOWLEDGED:
            self._records_sent += facts["records"]
        elif step is Step.CHECKPOINT_STORED:
            now = time.monotonic()
            if now - self._logged_at >= SECONDS_BETWEEN_LINES:
                self._logged_at = now
                self._log_progress(facts["rows"])
        elif step is Step.COMPLETED:
            self._log_progress(facts["rows"])
            log.info("Completed: %d records sent, %d rows", facts["sent"], facts["rows"])
        if self._observer is not None:
            self._observer.report(step, **facts)

    def _log_progress(self, rows: int) -> None:
        log.info("Progress: %d records sent (line %d)", self._records_sent, rows)
