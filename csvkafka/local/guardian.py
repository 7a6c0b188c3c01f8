"""The process that owns a stack's servers and its folder, and outlives its parent by a moment.

It is run as a script, with nothing but the standard library, in a session of its own: a Ctrl-C in
the terminal does not reach it or the servers. It makes the stack's folder, starts servers when the
parent asks, and ends as soon as the parent is gone or closes the pipe, whatever the reason: then it
kills every server and removes the folder. The servers are its own children, so there is no moment
in which one runs that it does not know; on Linux they also die with it.

Protocol: one JSON object a line on standard input, one answer a line on standard output. The first
answer, unasked, names the folder. An answer carries its request's id.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Protocol

_PARENT_CHECK_SECONDS = 0.25
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> Callable[[], None] | None:
    """What a new server does first, so that the kernel kills it when its guardian is killed."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    guardian_pid = os.getpid()

    def die_with_guardian() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != guardian_pid:
            os._exit(1)

    return die_with_guardian


class Child(Protocol):
    """A process of ours as `subprocess.Popen` shows it."""

    def poll(self) -> int | None: ...

    def wait(self) -> int: ...


class Servers:
    """The servers that were started, by process id; each leads a process group of its own."""

    def __init__(self) -> None:
        self._processes: dict[int, Child] = {}
        self._before_exec = die_with_parent()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Does what the request says. Raises: OSError, if the system refuses."""
        action = request["action"]
        if action == "spawn":
            return {"pid": self._spawn(request["argv"], request["env"], Path(request["log"]))}
        pid = request["pid"]
        return_code = self._processes[pid].poll()
        if action == "signal" and return_code is None:
            os.killpg(pid, request["signal"])
        return {"return_code": return_code}

    def _spawn(self, argv: list[str], env: dict[str, str], log: Path) -> int:
        with log.open("ab") as output:
            process = subprocess.Popen(
                argv,
                env=env,
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=self._before_exec,
            )
        self._processes[process.pid] = process
        return process.pid

    def kill_all(self) -> None:
        """Returns when none is left."""
        running = {pid: child for pid, child in self._processes.items() if child.poll() is None}
        for pid in running:
            os.killpg(pid, signal.SIGKILL)
        for child in running.values():
            child.wait()


def serve(parent_pid: int, requests: BinaryIO, answers: BinaryIO, servers: Servers) -> None:
    """Answers requests until the parent is gone or has closed the pipe."""
    while os.getppid() == parent_pid:
        readable, _, _ = select.select([requests], [], [], _PARENT_CHECK_SECONDS)
        if not readable:
            continue
        line = requests.readline()
        if not line:
            return
        request = json.loads(line)
        try:
            answer = servers.answer(request)
        except OSError as error:
            answer = {"error": str(error)}
        answers.write(json.dumps({"id": request["id"], **answer}).encode() + b"\n")


def stop(signal_number: int, _frame: object) -> None:
    """Ends this process as an exception, so that it cleans up."""
    sys.exit(128 + signal_number)


def main() -> None:
    """Runs until the parent, whose process id is the first argument, is gone."""
    signal.signal(signal.SIGTERM, stop)
    servers = Servers()
    folder = tempfile.mkdtemp(prefix="csvkafka-stack-")
    try:
        with (
            open(0, "rb", buffering=0) as requests,
            open(1, "wb", buffering=0) as answers,
        ):
            answers.write(json.dumps({"id": 0, "folder": folder}).encode() + b"\n")
            serve(int(sys.argv[1]), requests, answers, servers)
    except BrokenPipeError:
        pass
    finally:
        servers.kill_all()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
