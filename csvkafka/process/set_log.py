"""The log lines of a worker that loads a set's files as jobs of their own."""

from __future__ import annotations

import logging
import time

from csvkafka.interfaces import Observer
from csvkafka.model import Step
from csvkafka.process.load_log import SECONDS_BETWEEN_LINES

log = logging.getLogger(__name__)


class SetLog:
    """Logs progress, at most every few seconds; hands each step on to `observer`, if any. "Records
    sent" counts this worker's."""

    def __init__(self, observer: Observer | None = None) -> None:
        self._observer = observer
        self._records_sent = 0
        self._logged_at = time.monotonic()

    def report(self, step: Step, **facts: int) -> None:
        """See `interfaces.Observer`."""
        if step is Step.SOURCE_OPENED and facts["in_topic"]:
            log.info("%d records after the checkpoint are in the topic already", facts["in_topic"])
        elif step is Step.BATCH_ACKNOWLEDGED:
            self._records_sent += facts["records"]
        elif step is Step.CHECKPOINT_STORED:
            now = time.monotonic()
            if now - self._logged_at >= SECONDS_BETWEEN_LINES:
                self._logged_at = now
                log.info("Progress: %d records sent by this worker", self._records_sent)
        elif step is Step.COMPLETED:
            log.info("Completed: %d records sent, %d rows", facts["sent"], facts["rows"])
        if self._observer is not None:
            self._observer.report(step, **facts)
