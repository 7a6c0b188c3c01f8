"""How long to go on trying: exponential backoff, bounded by the time without any progress.

There is no jitter: a job has one reader, so nobody retries in step with it.
"""

from __future__ import annotations

from csvkafka.clock import Clock

ANSWERING_SECONDS = 300.0
"""How long a service that has answered once may fail or throttle, without any progress."""

UNREACHED_SECONDS = 5.0
"""How long one that never answered is tried: most likely its name, port, region or endpoint was
mistyped, and whoever typed it should hear of it within ten seconds, the last try included."""


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
        """Call after a failure. Sleeps, then True: try again; False, at once: time is up.

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
