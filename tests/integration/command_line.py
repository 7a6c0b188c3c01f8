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

from csvkafka.testing.processes.nursery import forks_are_the_same, nursery, without_python

CSVKAFKA = str(Path(sys.executable).with_name("csvkafka"))
TIMEOUT_SECONDS = 240.0


def environment_with(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, with Python's usual ways of buffers, and `settings`."""
    return {**without_python(os.environ), **settings}


def run_csvkafka(
    *arguments: str, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return run_python(CSVKAFKA, *arguments, environment=environment_with(settings or {}))


def run_python(*program: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs a script (or -m and a module) to its end, in a folder of its own.

    It is forked from the nursery where that can be. Commands that `start_csvkafka` and
    `run_on_terminal` start are started as users start them."""
    with tempfile.TemporaryDirectory() as folder:
        if not forks_are_the_same(environment):
            return subprocess.run(
                [sys.executable, "-P", *program],
                env=environment,
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        out, errors = Path(folder) / "out", Path(folder) / "errors"
        process = nursery().fork(program, environment, out, errors)
        if not process.wait(TIMEOUT_SECONDS):
            process.kill()
            raise subprocess.TimeoutExpired(program, TIMEOUT_SECONDS, out.read_bytes())
        code = process.return_code()
        assert code is not None
        return subprocess.CompletedProcess(program, code, out.read_text(), errors.read_text())


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
        return process.wait(timeout=60), shown.decode("utf-8", "replace")
    finally:
        process.kill()
        os.close(ours)
