"""Where a worker dies: at which report of which step, and by which signal.

As text, for command lines and messages: `batch-sent`, `batch-sent#3` (the third),
`block-taken@5000` (the first that has reached row 5000), `tail-scanned!SIGSTOP` (another signal
than SIGKILL).
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

from csvkafka.errors import ConfigError
from csvkafka.model import Step

_FORM = re.compile(r"(?P<step>[a-z-]+)(#(?P<nth>\d+))?(@(?P<rows>\d+))?(!(?P<signal>SIG[A-Z]+))?")


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """The worker sends itself `signal` at the `nth` report of `step` (1: the first), before it does
    anything else. Only reports that have reached row `from_rows` of the source are counted."""

    step: Step
    nth: int = 1
    from_rows: int = 0
    signal: signal.Signals = signal.SIGKILL

    @classmethod
    def parse(cls, text: str) -> CrashPoint:
        """Reads the text form. Raises ConfigError."""
        match = _FORM.fullmatch(text)
        try:
            if match is None:
                raise ValueError("it is not STEP, STEP#NTH, STEP@ROWS or STEP!SIGNAL")
            return cls(
                Step(match["step"]),
                int(match["nth"] or 1),
                int(match["rows"] or 0),
                signal.Signals[match["signal"] or "SIGKILL"],
            )
        except (ValueError, KeyError) as error:
            raise ConfigError(f"{text!r} is no crash point: {error}") from error

    def __str__(self) -> str:
        text = self.step.value
        if self.nth != 1:
            text += f"#{self.nth}"
        if self.from_rows:
            text += f"@{self.from_rows}"
        if self.signal is not signal.SIGKILL:
            text += f"!{self.signal.name}"
        return text
