"""How long to go on trying: exponential backoff, bounded by the time without any progress.

There is no jitter: a job has one reader, so nobody retries in step with it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from csvkafka.clock import Clock
from csvkafka.errors import CheckpointUnavailableError

T = TypeVar("T")

ANSWERING_SECONDS = 300.0
"""How long a service that has answered once may fail or throttle, without any progress."""

UNREACHED_SECONDS = 5.0
"""How long a service that never answered is tried. Most likely its name, port, region or endpoint
was mistyped, and whoever typed it should hear of it within ten seconds, the last try included."""


class Patience:
    """Paces the tries of one operation, and says when to give up.

    The time counts from the first failure after the last progress, never from the last progress
    itself: a caller that was slow between two reads has lost no patience.
    """

    def __init__(
        self,
        clock: Clock,
        give_up_seconds: float,
        first_delay_seconds: float = 0.1,
        max_delay_seconds: float = 5.0,
    ) -> None:
        """Delays double from `first_delay_seconds` up to `max_delay_seconds`."""
        self._clock = clock
        self._give_up_seconds = give_up_seconds
        self._first_delay_seconds = first_delay_seconds
        self._max_delay_seconds = max_delay_seconds
        self.progressed()

    def progressed(self) -> None:
        """The operation got somewhere: forget all earlier failures."""
        self._failing_since: float | None = None
        self._begun_at = self._clock.monotonic()
        self._delay_seconds = self._first_delay_seconds

    def wait(self, limit_seconds: float | None = None) -> bool:
        """Call after a failure. Sleeps, and returns True: try again. Returns False at once if the
        time is up.

        `limit_seconds` bounds it more closely, from the first try on, the time of tries included.
        """
        now = self._clock.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        remaining_seconds = self._failing_since + self._give_up_seconds - now
        if limit_seconds is not None:
            remaining_seconds = min(remaining_seconds, self._begun_at + limit_seconds - now)
        if remaining_seconds <= 0:
            return False
        self._clock.sleep(min(self._delay_seconds, remaining_seconds))
        self._delay_seconds = min(2 * self._delay_seconds, self._max_delay_seconds)
        return True


SAID_AGAIN_SECONDS = 60.0
"""A failure that lasts is said again after this many seconds."""


class Complaint:
    """Says of a failure that lasts once that it began, then once a minute since when, and in the
    end that it is over."""

    def __init__(self, clock: Clock, log: logging.Logger, what: str) -> None:
        """`what` fails, as the subject and verb of a sentence."""
        self._clock = clock
        self._log = log
        self._what = what
        self._since: tuple[float, str] | None = None
        self._said_at = 0.0

    def say(self, error: Exception) -> None:
        """Call at each failure."""
        now = self._clock.monotonic()
        if self._since is None:
            self._since = now, time.strftime("%H:%M:%S", time.localtime(self._clock.wall()))
            self._said_at = now
            self._log.warning("%s: %s", self._what, error)
        elif now - self._said_at >= SAID_AGAIN_SECONDS:
            self._said_at = now
            begun, clock_time = self._since
            self._log.warning(
                "%s since %s, for %.0f s: %s", self._what, clock_time, now - begun, error
            )

    def over(self) -> None:
        """Call when it works."""
        if self._since is not None:
            seconds = self._clock.monotonic() - self._since[0]
            self._log.info("No longer, after %.0f s: %s", seconds, self._what)
            self._since = None


def until_table_answers(ask: Callable[[], T], clock: Clock, before_each: Callable[[], None]) -> T:
    """Asks the checkpoint store with the patience that S3 gets: throttled, or fallen silent, it is
    asked again for `ANSWERING_SECONDS`; one that never answered for `UNREACHED_SECONDS`.

    `before_each` may end it by raising. Raises what `ask` raises."""
    patience = Patience(clock, ANSWERING_SECONDS, max_delay_seconds=1.0)
    complaint = Complaint(
        clock, logging.getLogger(__name__), "The checkpoint store does not answer"
    )
    while True:
        before_each()
        try:
            answer = ask()
        except CheckpointUnavailableError as error:
            if not patience.wait(None if error.has_answered else UNREACHED_SECONDS):
                raise
            complaint.say(error)
        else:
            complaint.over()
            return answer
