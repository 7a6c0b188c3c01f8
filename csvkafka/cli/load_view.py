"""The progress of a load on a terminal: rows, bytes, percent, rows/s, time left, and log lines.

The loop's thread only notes numbers; rich's own thread draws them a few times a second. A terminal
that cannot be written any more is let go, and the load goes on.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TextIO, cast

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from csvkafka.cli.output import bytes_text, count_text, duration_text
from csvkafka.config import LoadConfig
from csvkafka.model import Step

REFRESH_PER_SECOND = 5
RATE_SECONDS = 5.0
"""Rows/s and time left are those of the last few seconds."""

_PHASES = {
    Step.LEASE_WAITED: "waiting for the worker that owns the job",
    Step.LEASE_TAKEN: "starting",
    Step.TAIL_SCAN_BEGINS: "reading the end of the topic",
    Step.SOURCE_OPENED: "loading",
    Step.SENDING_PAUSED: "paused until the checkpoint table answers",
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

    def report(self, step: Step, **facts: int) -> None:
        """See `interfaces.Observer`."""
        self.phase = _PHASES.get(step, self.phase)
        if step is Step.SOURCE_OPENED:
            self._seen.clear()
            self.rows, self.source_bytes = facts["rows"], facts["bytes"]
            self.size = facts["size"]
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


class LoadView:
    """Draws a run's progress below its log lines while it is entered, and leaves its last state."""

    def __init__(self, config: LoadConfig, logger: logging.Logger) -> None:
        self.progress = LoadProgress(reads_gzip(config.spec.source_compression, config.s3_key))
        self.report = self.progress.report
        self._title = f"s3://{config.s3_bucket}/{config.s3_key} → {config.spec.topic}"
        self._console = Console(file=cast(TextIO, QuietStream(sys.stdout)), highlight=False)
        self._live = Live(
            get_renderable=self._drawn,
            console=self._console,
            refresh_per_second=REFRESH_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._logger = logger
        self._handlers: list[logging.Handler] = []

    def __enter__(self) -> Self:
        formatter = self._logger.handlers[0].formatter if self._logger.handlers else None
        handler = _ConsoleHandler(self._console)
        handler.setFormatter(formatter)
        # The bar says it all the time.
        handler.addFilter(lambda record: not str(record.msg).startswith("Progress:"))
        self._handlers, self._logger.handlers = self._logger.handlers, [handler]
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()
        self._logger.handlers = self._handlers

    def _drawn(self) -> RenderableType:
        progress = self.progress
        rate, left = progress.look()
        facts = [f"{count_text(progress.rows)} rows"]
        fraction = progress.fraction
        if progress.size:
            facts.append(
                f"{bytes_text(progress.source_bytes)} of {bytes_text(progress.size)}"
                if fraction is not None
                else f"{bytes_text(progress.source_bytes)} (decompressed)"
            )
        if rate is not None:
            facts.append(f"{count_text(rate)} rows/s")
        if left is not None and progress.phase == "loading":
            facts.append(f"{duration_text(left)} left")
        table = Table.grid(padding=(0, 1))
        if fraction is None:
            table.add_row(Text(progress.phase, style="cyan"), Text(self._title))
        else:
            bar = ProgressBar(total=1.0, completed=fraction, width=30)
            percent = Text(f"{fraction:4.0%}", style="bold")
            table.add_row(Text(progress.phase, style="cyan"), bar, percent, Text(self._title))
        grid = Table.grid()
        grid.add_row(table)
        grid.add_row(Text("  ".join(facts), style="bold"))
        return grid


def reads_gzip(source_compression: str, key: str) -> bool:
    """Whether an object is read as gzip, as far as its key tells."""
    return source_compression == "gzip" or (
        source_compression == "auto" and key.lower().endswith(".gz")
    )


class QuietStream(io.TextIOBase):
    """Writes to a text stream whose failures shall disturb nobody."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()


class _ConsoleHandler(logging.Handler):
    """Prints log lines above the progress."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(Text(self.format(record)), soft_wrap=True)
