"""How far a load is, as numbers: rows, bytes, rows/s, time left."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from csvkafka.model import Step

RATE_SECONDS = 5.0
"""Rows/s and time left are those of the last few seconds."""

_PHASES = {
    Step.LEASE_WAITED: "waiting for the worker that owns the job",
    Step.LEASE_TAKEN: "starting",
    Step.TAIL_SCAN_BEGINS: "reading the end of the topic",
    Step.SOURCE_OPENED: "loading",
    Step.SENDING_PAUSED: "paused until the checkpoint store answers",
    Step.RESTARTED: "starting again",
    Step.ALL_ACKNOWLEDGED: "finishing",
    Step.COMPLETED: "complete",
}


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a load was at one moment."""

    seconds: float
    rows: int
    source_bytes: int


class LoadProgress:
    """The numbers of a run, gathered from its steps; implements `interfaces.Observer`.

    `clock` gives seconds. `is_gzip`: the source's size says nothing of how much is to come."""

    def __init__(self, is_gzip: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._is_gzip = is_gzip
        self._clock = clock
        self._seen: deque[Reached] = deque()
        self.phase = "connecting"
        self.rows = self.source_bytes = self.size = 0
        self.file = self.files = 0
        """Which file of how many; 0 where the source is one object."""

    def report(self, step: Step, **facts: int) -> None:
        """See `interfaces.Observer`."""
        self.phase = _PHASES.get(step, self.phase)
        if step is Step.SOURCE_OPENED:
            self._seen.clear()
            self.rows, self.source_bytes = facts["rows"], facts["bytes"]
            self.size = facts["size"]
            self.file, self.files = facts.get("file", 0), facts.get("files", 0)
        elif step is Step.FILE_ACKNOWLEDGED:
            self.file = facts["file"]
        elif step is Step.COMPLETED:
            self.rows = facts["rows"]
        elif step is Step.BLOCK_ACKNOWLEDGED:
            self.rows, self.source_bytes = facts["rows"], facts["bytes"]
            if self.phase.startswith("paused"):
                self.phase = "loading"

    @property
    def fraction(self) -> float | None:
        """How much of the source's bytes is loaded; None where that cannot be known."""
        if self._is_gzip or not self.size or self.source_bytes > self.size:
            return None
        return self.source_bytes / self.size

    def look(self) -> tuple[float | None, float | None]:
        """Rows per second and seconds left as of now; None: not known yet."""
        now = self._clock()
        self._seen.append(Reached(now, self.rows, self.source_bytes))
        while len(self._seen) > 2 and now - self._seen[1].seconds >= RATE_SECONDS:
            self._seen.popleft()
        before = self._seen[0]
        passed = now - before.seconds
        if passed < 0.5 or self.rows == before.rows:
            return None, None
        bytes_left = self.size - self.source_bytes
        byte_rate = (self.source_bytes - before.source_bytes) / passed
        left = None if self.fraction is None or not byte_rate else bytes_left / byte_rate
        return (self.rows - before.rows) / passed, left


def reads_gzip(source_compression: str, key: str) -> bool:
    """Whether an object is read as gzip, as far as its key tells."""
    return source_compression == "gzip" or (
        source_compression == "auto" and key.lower().endswith(".gz")
    )
