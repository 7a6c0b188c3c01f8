"""SIGTERM and SIGINT: the first asks the load to stop at its next step, the second ends it at once.

At once is safe too: what is in the topic and not yet in the checkpoint is found by the next start.
"""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType
from typing import Any, Self

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

LONGEST_STOP_SECONDS = 9.0
"""How long after the first signal the process ends at the latest, whatever a function of the user's
or a call that hangs is doing: less than the 10 seconds after which `docker stop` kills. A stop by
itself takes up to 3 s for acknowledgements and 3 s for the last checkpoint."""


def end_at_once_on_signals() -> None:
    """For the ways in, before anything else is imported, which takes a while: until `StopSignals`
    is entered nothing has been begun. To process 1 of a container a signal without a handler is not
    even delivered."""
    for number in STOP_SIGNALS:
        signal.signal(number, _end_at_once)


def leave_signals_to_python() -> None:
    """Undoes that for commands that clean up: Ctrl-C is KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _end_at_once:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end_at_once(number: int, _frame: FrameType | None = None, when: str = "at once") -> None:
    with contextlib.suppress(OSError):
        line = f"csvkafka: stopped {when} by signal {number}; the same command goes on from here\n"
        os.write(2, line.encode())
    os._exit(128 + number)


class StopSignals:
    """Remembers the first stop signal while it is entered; only in the main thread of a process
    that ends with it."""

    def __init__(self) -> None:
        self._requested: int | None = None
        self._before: list[Any] = []

    def requested(self) -> int | None:
        """The number of the signal that asked to stop; None: go on."""
        return self._requested

    def __enter__(self) -> Self:
        self._before = [signal.signal(number, self._handle) for number in STOP_SIGNALS]
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in zip(STOP_SIGNALS, self._before, strict=True):
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._requested is not None:
            os._exit(128 + number)
        self._requested = number
        _end_after(LONGEST_STOP_SECONDS, number)


def _end_after(seconds: float, number: int) -> None:
    import threading

    when = f"after {seconds:.0f} s without a last checkpoint"
    timer = threading.Timer(seconds, _end_at_once, (number, None, when))
    timer.daemon = True
    timer.start()
