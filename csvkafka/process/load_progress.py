"""How far a load is, as numbers: rows, bytes, rows/s, time left."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
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

    `clock` gives seconds. Of a compressed source, `source_bytes` are the stored bytes as soon as
    they are known; before that nothing says how much is to come."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._is_content = False
        self._seen: deque[Reached] = deque()
        self.phase = "connecting"
        self.rows = self.source_bytes = self.size = 0
        self.file = self.files = 0
        """Which file of how many; 0 where the source is one object."""
        self.is_compressed = False

    def report(self, step: Step, **facts: int) -> None:
        """See `interfaces.Observer`."""
        self.phase = _PHASES.get(step, self.phase)
        if step is Step.SOURCE_OPENED:
            self._seen.clear()
            self._reached(facts)
            self.size = facts["size"]
            self.is_compressed = facts.get("compressed", 0) > 0
            self.file, self.files = facts.get("file", 0), facts.get("files", 0)
        elif step is Step.FILE_ACKNOWLEDGED:
            self.file = facts["file"]
        elif step is Step.COMPLETED:
            self.rows, self.file = facts["rows"], self.files
        elif step is Step.BLOCK_ACKNOWLEDGED:
            self._reached(facts)
            if self.phase.startswith("paused"):
                self.phase = "loading"

    def _reached(self, facts: Mapping[str, int]) -> None:
        stored = facts.get("stored_bytes")
        if (stored is None) != self._is_content:
            # From content to stored bytes, or back: no rate can be told across that.
            self._seen.clear()
        self._is_content = stored is None
        self.rows = facts["rows"]
        self.source_bytes = facts["bytes"] if stored is None else stored

    @property
    def fraction(self) -> float | None:
        """How much of the source's bytes is loaded; None where that cannot be known."""
        is_content = self.is_compressed and self._is_content
        if is_content or not self.size or self.source_bytes > self.size:
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
