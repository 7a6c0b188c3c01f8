"""The process that has imported what a loader needs, and forks one when it is asked to.

A start of Python with boto3 and kafka-python costs a third of a second of processor time, a fork of
a process that has them a hundredth. What is forked is a process like one that was started anew: its
own process id, session and group, its own environment, arguments, folder and streams, and Python's
own end with the exit status or the signal that ended it (but where that would take all modules
apart, the last thing it does and a fifth of a loader's life, the fork leaves). When this process is
gone, however that came about, so are those that it forked.

Promises to what it forks: there is one thread and no client in this process, and all that was taken
from its environment (`sys.path`, temporary folder, time zone) is taken anew. `random` seeds itself
after a fork. Only the seed of text hashes is the same for all.

Protocol as in `local/guardian.py`, with one action more, `fork`; the first one imports all.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from csvkafka.local.guardian import Servers, die_with_parent, serve, stop

PRELOADED = (
    "csvkafka.testing.processes.worker",
    "csvkafka.cli.load",
    "boto3.session",
    "boto3.s3.inject",
    "isal.igzip",
)
"""Imported before the first fork: entry points, and what they import only when they need it. What
the first clients of S3 and DynamoDB read, import and work out is there then too."""

NO_AWS = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
"""In the place of all of this process's own AWS settings, while it makes clients that ask nobody.
No fork sees them."""


class _Born(BaseException):
    """Leads the new process out of the loop of the old one, so that it ends as Python ends."""

    def __init__(self, order: Mapping[str, Any]) -> None:
        super().__init__()
        self.order = order


class _Forked:
    """A forked process, as `subprocess.Popen` would show it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._return_code: int | None = None

    def poll(self) -> int | None:
        return self._waited(os.WNOHANG)

    def wait(self) -> int:
        code = self._waited(0)
        assert code is not None
        return code

    def _waited(self, options: int) -> int | None:
        if self._return_code is None:
            pid, status = os.waitpid(self._pid, options)
            if pid:
                self._return_code = os.waitstatus_to_exitcode(status)
        return self._return_code


class _Nursery(Servers):
    """Servers that may be forks of this process too."""

    def __init__(self) -> None:
        super().__init__()
        self._after_fork = die_with_parent()
        self._has_preloaded = False

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["action"] == "fork":
            return {"pid": self._fork(request)}
        return super().answer(request)

    def _fork(self, order: Mapping[str, Any]) -> int:
        if not self._has_preloaded:
            _preload()
            self._has_preloaded = True
        to_file = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        streams = [
            os.open(os.devnull, os.O_RDONLY),
            os.open(order["log"], to_file, 0o666),
            os.open(order["errors"], to_file, 0o666),
        ]
        # Nobody may signal the new process's group before there is one.
        has_begun, begins = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.setsid()
            if self._after_fork is not None:
                self._after_fork()
            os.close(has_begun)
            os.close(begins)
            raise _Born({**order, "streams": streams})
        for descriptor in (*streams, begins):
            os.close(descriptor)
        os.read(has_begun, 1)
        os.close(has_begun)
        self._processes[pid] = _Forked(pid)
        return pid


def _preload() -> None:
    from csvkafka.aws import clients
    from csvkafka.aws.smart_open_s3 import smart_open_s3

    for name in PRELOADED:
        importlib.import_module(name)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(NO_AWS)
    for make_client in (clients.s3_client, clients.dynamodb_client):
        make_client(endpoint_url="http://127.0.0.1:1", region_name="us-east-1").close()
    smart_open_s3()
    gc.collect()
    gc.freeze()


_status: int | None = None
"""With which this process leaves, once all that is registered for its exit is done; None: as Python
does by itself."""


def _leave() -> None:
    if _status is None:
        return
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return  # Python's own end says so, and has a status for it
    os._exit(_status)


def _live(
    order: Mapping[str, Any], python_path: Sequence[str], set_by_python: Mapping[str, str]
) -> None:
    """Is from here on what the order says. `python_path`: without $PYTHONPATH; `set_by_python`:
    variables that Python sets when it starts."""
    for number, stream in enumerate(order["streams"]):
        os.dup2(stream, number)
        os.close(stream)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.chdir(Path(order["log"]).parent)
    os.environ.clear()
    os.environ.update({**order["env"], **set_by_python})
    time.tzset()
    tempfile.tempdir = None
    sys.path[:] = [*_entries(os.environ), *python_path]
    importlib.invalidate_caches()
    try:
        _run(order["program"])
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):
            raise  # Python prints it
        _leave_with(end.code or 0)
    else:
        _leave_with(0)


def _leave_with(status: int) -> None:
    global _status
    _status = status


def _run(words: Sequence[str]) -> None:
    program, *arguments = words
    if program == "-m":
        module, *arguments = arguments
        # It is loaded a second time, as the module that Python was told to run.
        sys.modules.pop(module, None)
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.argv = [program, *arguments]
        runpy.run_path(program, run_name="__main__")


def _entries(environment: Mapping[str, str]) -> list[str]:
    return [str(Path(p).absolute()) for p in environment.get("PYTHONPATH", "").split(":") if p]


def main() -> None:
    """Serves until the parent, whose process id is the first argument, is gone."""
    signal.signal(signal.SIGTERM, stop)
    atexit.register(_leave)  # the first to be registered is the last that is called
    own_entries = _entries(os.environ)
    python_path = [entry for entry in sys.path if entry not in own_entries]
    set_by_python = {name: os.environ[name] for name in ("LC_CTYPE",) if name in os.environ}
    order: Mapping[str, Any] | None = None
    nursery = _Nursery()
    folder = tempfile.mkdtemp(prefix="csvkafka-nursery-")
    try:
        with (
            open(0, "rb", buffering=0) as requests,
            open(1, "wb", buffering=0) as answers,
        ):
            answers.write(json.dumps({"id": 0, "folder": folder}).encode() + b"\n")
            serve(int(sys.argv[1]), requests, answers, nursery)
    except BrokenPipeError:
        pass
    except _Born as born:
        order = born.order
    finally:
        if order is None:
            nursery.kill_all()
            shutil.rmtree(folder, ignore_errors=True)
    if order is not None:
        _live(order, python_path, set_by_python)


if __name__ == "__main__":
    main()
