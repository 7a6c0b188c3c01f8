"""Time, passed in: the simulator replaces it, and a wall clock that jumps cannot hurt a lease.

`boottime()` drives leases (it goes on while the host is suspended), `monotonic()` drives timeouts,
`wall()` only labels records and items.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """What csvkafka asks of time; all values are seconds as floats."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back; may stand still in suspend."""

    def boottime(self) -> float:
        """Seconds since boot, suspend included (CLOCK_BOOTTIME)."""

    def wall(self) -> float:
        """Unix time. Does not jump within a process: see `SystemClock`."""

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""


class SystemClock:
    """The host's clocks. `wall()` is the wall clock at start plus the time since, suspend included:
    a step of the wall clock (NTP, an operator) while a load runs does not reach record timestamps,
    and they do not fall behind the brokers' time, which would let a producer id expire early."""

    def __init__(self) -> None:
        self._wall_at_start = time.time() - self.boottime()

    def monotonic(self) -> float:
        return time.monotonic()

    def boottime(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME) if _HAS_BOOTTIME else time.monotonic()

    def wall(self) -> float:
        return self._wall_at_start + self.boottime()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class InterruptibleClock(SystemClock):
    """The host's clocks; `interrupt` is called several times in each second of sleep; if it raises,
    the sleep ends."""

    def __init__(self, interrupt: Callable[[], None]) -> None:
        super().__init__()
        self._interrupt = interrupt

    def sleep(self, seconds: float) -> None:
        until = self.monotonic() + seconds
        self._interrupt()
        while (remaining := until - self.monotonic()) > 0:
            super().sleep(min(remaining, 0.2))
            self._interrupt()


# macOS has no CLOCK_BOOTTIME; its monotonic clock is the nearest.
_HAS_BOOTTIME = hasattr(time, "CLOCK_BOOTTIME")
