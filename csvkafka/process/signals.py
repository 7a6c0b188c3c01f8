"""SIGTERM and SIGINT: the first asks the load to stop at its next step, the second ends it at once.

At once is safe too: what is in the topic and not yet in the checkpoint is found by the next start.
"""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import Any, Self

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Remembers the first stop signal while it is entered; only in the main thread."""

    def __init__(self) -> None:
        self._requested: int | None = None
        self._before: list[Any] = []

    def requested(self) -> int | None:
        """The number of the signal that asked to stop; None: go on."""
        return self._requested

    def __enter__(self) -> Self:
        self._before = [signal.signal(number, self._handle) for number in STOP_SIGNALS]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in zip(STOP_SIGNALS, self._before, strict=True):
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._requested is not None:
            os._exit(128 + number)
        self._requested = number
