"""Runs `csvkafka` as users do: the installed command, in a process and a folder of its own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

CSVKAFKA = str(Path(sys.executable).with_name("csvkafka"))
TIMEOUT_SECONDS = 120.0


def environment_with(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, with Python's usual buffers, and `settings`."""
    inherited = {name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**inherited, **settings}


def run_csvkafka(
    *arguments: str, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        [CSVKAFKA, *arguments],
        env=environment_with(settings or {}),
        cwd=tempfile.gettempdir(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def start_csvkafka(
    *arguments: str, settings: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Starts a command; its streams are pipes."""
    return subprocess.Popen(
        [CSVKAFKA, *arguments],
        env=environment_with(settings or {}),
        cwd=tempfile.gettempdir(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_on_terminal(*arguments: str, settings: Mapping[str, str]) -> tuple[int, str]:
    """Runs a command whose stdout is a terminal of 100 columns: exit code and what it showed."""
    ours, terminal = pty.openpty()
    process = subprocess.Popen(
        [CSVKAFKA, *arguments],
        env=environment_with({"COLUMNS": "100", "TERM": "xterm", **settings}),
        cwd=tempfile.gettempdir(),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    try:
        while time.monotonic() < deadline:
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    shown += os.read(ours, 65_536)
                except OSError:  # Linux: the other side is closed
                    break
            elif process.poll() is not None:
                break
        return process.wait(timeout=10), shown.decode("utf-8", "replace")
    finally:
        process.kill()
        os.close(ours)
