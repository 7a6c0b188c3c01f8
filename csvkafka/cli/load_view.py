"""The progress of a load on a terminal: rows, bytes, percent, rows/s, time left, and log lines.

The loop's thread only notes numbers; rich's own thread draws them a few times a second. If the
terminal can no longer be written to, the view stops, and the load goes on.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from typing import Self, TextIO, cast

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from csvkafka.cli.output import bytes_text, count_text, duration_text
from csvkafka.config.load_config import LoadConfig
from csvkafka.process.load_progress import LoadProgress

REFRESH_PER_SECOND = 5


class LoadView:
    """Draws a run's progress below its log lines while it is entered, and leaves its last state."""

    def __init__(self, config: LoadConfig, logger: logging.Logger) -> None:
        self.progress = LoadProgress()
        self.report = self.progress.report
        self._title = f"{config.source_uri} → {', '.join(config.spec.data_topics)}"
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

    def say(self, line: str) -> None:
        """A line above the progress."""
        self._console.print(Text(line), soft_wrap=True)

    def __enter__(self) -> Self:
        formatter = self._logger.handlers[0].formatter if self._logger.handlers else None
        handler = _ConsoleHandler(self._console)
        handler.setFormatter(formatter)
        # The bar says it all the time.
        handler.addFilter(lambda record: not str(record.msg).startswith("Progress:"))
        self._handlers, self._logger.handlers = self._logger.handlers, [handler]
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        self._logger.handlers = self._handlers

    def _drawn(self) -> RenderableType:
        progress = self.progress
        rate, left = progress.look()
        facts = [f"{count_text(progress.rows)} rows"] if progress.rows or progress.size else []
        if progress.files:
            facts.append(f"file {count_text(progress.file)} of {count_text(progress.files)}")
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


class QuietStream(io.TextIOBase):
    """Writes to a text stream, and ignores its failures."""

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
