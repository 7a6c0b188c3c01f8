"""One bar at a time on a terminal, with rows/s and time left, and lines above it."""

from __future__ import annotations

import sys
import time
from typing import Self, TextIO, cast

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from csvkafka.cli.load_view import QuietStream
from csvkafka.cli.output import count_text, duration_text


class Bar:
    """Shows what is going on while it is entered."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._console = Console(
            file=cast(TextIO, QuietStream(stream or sys.stdout)), highlight=False
        )
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[facts]}"),
            console=self._console,
            refresh_per_second=8,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
        )
        self._task: TaskID | None = None
        self._begun_at = time.monotonic()
        self._total = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def phase(self, text: str, total: int) -> None:
        """Says what begins now, and how much it is in all; `total` 0: nobody knows."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._begun_at, self._total = time.monotonic(), total
        self._task = self._progress.add_task(text, total=total or None, facts="")

    def reached(self, done: int) -> None:
        """`done` of the phase's total is reached."""
        if self._task is None:
            return
        passed = time.monotonic() - self._begun_at
        facts = f"{count_text(done)} rows"
        if passed > 0.5 and done:
            rate = done / passed
            left = max(0.0, (self._total - done) / rate)
            facts += f"  {count_text(rate)} rows/s  {duration_text(left)} left"
        self._progress.update(self._task, completed=done, facts=facts)

    def say(self, text: str) -> None:
        """Prints a line above the bar; the line stays."""
        self._console.print(Text(text), soft_wrap=True)
