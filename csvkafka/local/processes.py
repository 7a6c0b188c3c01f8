"""Servers that never outlive this process: started, signalled and watched through a guardian.

A `Guardian` is one child process (`guardian.py`) and one folder. However this process ends, by
SIGKILL too, the guardian kills every server and removes the folder.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from csvkafka.errors import StackError

POLL_SECONDS = 0.02
_CLOSE_SECONDS = 120.0


def wait_until(
    condition: Callable[[], bool], timeout_seconds: float, look_seconds: float = POLL_SECONDS
) -> bool:
    """Waits until the condition holds, and looks again and again; returns False if the time is over
    before."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(look_seconds)
    return True


def is_stopped(pid: int) -> bool:
    """Whether a signal has stopped each thread of the process, which takes a moment after it was
    sent; True where the system has no /proc to tell."""
    threads = list(Path(f"/proc/{pid}/task").glob("*/stat"))
    try:
        states = [stat.read_text().rpartition(")")[2].split()[0] for stat in threads]
    except (FileNotFoundError, ProcessLookupError):
        return False  # a thread that has ended meanwhile
    return all(state in ("T", "t") for state in states) if states else not Path("/proc").exists()


def log_tail(log: Path, line_count: int = 20) -> str:
    """The last lines of a server's log, or "" when there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-line_count:])


class GuardedProcess:
    """One server (and its children) under a guardian."""

    def __init__(self, guardian: Guardian, pid: int, log: Path) -> None:
        self._guardian = guardian
        self.pid = pid
        self.log = log

    def return_code(self) -> int | None:
        """None while it runs; minus the signal's number when a signal ended it."""
        answer = self._guardian.ask({"action": "poll", "pid": self.pid})
        code: int | None = answer["return_code"]
        return code

    def send_signal(self, signal_number: int) -> None:
        """Sends the signal to the server's process group; nothing if it has ended."""
        self._guardian.ask({"action": "signal", "pid": self.pid, "signal": signal_number})

    def wait(self, timeout_seconds: float) -> bool:
        """Whether it ended within the time."""
        return wait_until(lambda: self.return_code() is not None, timeout_seconds)

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        self.send_signal(signal.SIGKILL)
        if not self.wait(_CLOSE_SECONDS):
            raise StackError(f"process {self.pid} did not end within {_CLOSE_SECONDS:.0f} s")


class Guardian:
    """Starts the guardian process. `folder` exists until `close`, or until this process ends."""

    program: ClassVar[Sequence[str]] = ("-I", "-S", str(Path(__file__).with_name("guardian.py")))
    """What Python runs as the guardian."""

    gone: ClassVar[str] = "the stack's guardian process has ended; start a new stack"
    """The error's text for whoever asks a guardian that was killed."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, *self.program, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            env=env,
            start_new_session=True,
        )
        self._requests = itertools.count(1)
        self.folder = Path(self._answer(0)["folder"])

    @property
    def pid(self) -> int:
        """Process id of the guardian."""
        return self._process.pid

    def spawn(
        self, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> GuardedProcess:
        """Starts a server in the folder of its log, to which both its streams are appended.

        Raises: StackError, if it cannot be started."""
        environment = dict(os.environ if env is None else env)
        request = {"action": "spawn", "argv": list(argv), "env": environment, "log": str(log)}
        return GuardedProcess(self, self.ask(request)["pid"], log)

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One request, one answer. Raises: StackError, if the guardian is gone or refuses."""
        with self._lock:
            assert self._process.stdin is not None
            request_id = next(self._requests)
            line = json.dumps({"id": request_id, **request}).encode() + b"\n"
            try:
                self._process.stdin.write(line)
                self._process.stdin.flush()
            except ValueError as error:
                raise StackError("the stack is closed; start a new one") from error
            except OSError as error:
                raise StackError(self.gone) from error
            answer = self._answer(request_id)
        if "error" in answer:
            raise StackError(f"cannot {request['action']} a server of the stack: {answer['error']}")
        return answer

    def _answer(self, request_id: int) -> dict[str, Any]:
        assert self._process.stdout is not None
        # An exception between a request and its answer (a signal's) leaves the answer unread.
        for line in self._process.stdout:
            answer: dict[str, Any] = json.loads(line)
            if answer["id"] == request_id:
                return answer
        raise StackError(self.gone)

    def close(self) -> None:
        """Kills every server and removes the folder; returns when that is done."""
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.wait(_CLOSE_SECONDS)
            self._process.stdout.close()
