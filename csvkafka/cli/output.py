"""What commands say: error lines, numbers for people, and how far something is."""

from __future__ import annotations

import contextlib
import sys
import traceback
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from csvkafka.errors import StoppedError, UserFunctionError
from csvkafka.process.logs import LOG_LEVEL_VARIABLE, is_debugging

if TYPE_CHECKING:
    from csvkafka.testing.judging.plan import JudgeView

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def report_error(error: Exception | str) -> None:
    """One line on stderr: what a user can do something about; settings are named by their options.

    Where DEBUG is asked for, the lines of a function of the user's that failed follow."""
    word = "stopped" if isinstance(error, StoppedError) else "error"
    from csvkafka.config.spelling import Form, spelled  # not for a command that ends well

    text = spelled(" ".join(str(error).split()), Form.OPTION)
    if isinstance(error, UserFunctionError) and error.frames and is_debugging():
        text = f"{text}\n{error.frames.rstrip()}"
    with contextlib.suppress(OSError):
        click.echo(f"csvkafka: {word}: {text}", err=True)


def report_unexpected(error: Exception) -> None:
    """Says an exception that is none of our errors: one line, and the traceback for whoever
    debugs."""
    report_error(
        f"{type(error).__name__}: {error}: this is a defect of csvkafka, please report it "
        f"({LOG_LEVEL_VARIABLE}=DEBUG shows the traceback)"
    )
    if is_debugging():
        with contextlib.suppress(OSError):
            traceback.print_exception(error, file=sys.stderr)


def is_terminal() -> bool:
    """Somebody watches stdout."""
    return sys.stdout is not None and sys.stdout.isatty()


def count_text(number: float) -> str:
    """`1,234,567`."""
    return f"{number:,.0f}"


def bytes_text(size: float) -> str:
    """`1.23 GB`; powers of 1,000."""
    unit = 0
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size /= 1000
        unit += 1
    return f"{size:.3g} {_UNITS[unit]}" if unit else f"{size:.0f} {_UNITS[0]}"


def percent_text(percent: float) -> str:
    """`99.9 %`; what is not all is never shown as 100.0 %."""
    return f"{percent if percent >= 100 else min(percent, 99.9):.1f} %"


def duration_text(seconds: float) -> str:
    """`3.2 s`, `4 min 05 s`, `2 h 07 min`, `3 d 04 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{whole} s"
    for unit, name, below, below_name in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if whole >= unit:
            return f"{whole // unit} {name} {whole % unit // below:02d} {below_name}"
    return f"{whole // 60} min {whole % 60:02d} s"


def time_text(unix_seconds: float) -> str:
    """`2026-01-16 10:30:45 UTC`."""
    return datetime.fromtimestamp(unix_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def watching(plain: bool, *, to_stderr: bool = False) -> AbstractContextManager[JudgeView]:
    """Shows how far a demo or a judgement is, while it is entered: a bar on a terminal, else (or
    if `plain`) lines."""
    if plain or not is_terminal():
        return nullcontext(_Lines(to_stderr))
    from csvkafka.cli.bar import Bar

    return Bar()


class _Lines:
    """A `JudgeView` of plain lines; on stderr where stdout is for JSON."""

    def __init__(self, to_stderr: bool) -> None:
        self._to_stderr = to_stderr

    def phase(self, text: str, total: int) -> None:
        self.say(f"{text}: {count_text(total)} rows ..." if total else f"{text} ...")

    def reached(self, done: int) -> None:
        """Plain lines do not move."""

    def say(self, text: str) -> None:
        click.echo(text, err=self._to_stderr)
