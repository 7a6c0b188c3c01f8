"""Starts incarnations of a loader as real processes, signals them, and waits for what they do.

Works for csvkafka's own worker (`worker.py`), whose steps it reads, and for any other command, of
which it sees the process and its output. Workers are forked (`nursery.py`), so that a start costs
little. Everything it started is killed on `close`; the nursery does that too if this process is
killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from csvkafka.errors import StackError
from csvkafka.local.processes import GuardedProcess, is_stopped, log_tail, wait_until
from csvkafka.model import Step
from csvkafka.testing.faults.crash_point import CrashPoint
from csvkafka.testing.history import History
from csvkafka.testing.processes.nursery import forks_are_the_same, nursery
from csvkafka.testing.processes.step_log import StepLine, StepLogReader

WORKER = ("-m", "csvkafka.testing.processes.worker")

EXIT_TIMEOUT_SECONDS = 180.0
STEP_TIMEOUT_SECONDS = 120.0


class Incarnation:
    """One life of a loader's process. `number` counts from 1 in its supervisor."""

    def __init__(
        self, number: int, process: GuardedProcess, steps: StepLogReader, history: History
    ) -> None:
        self.number = number
        self.pid = process.pid
        self._process = process
        self._steps = steps
        self._history = history
        self._return_code: int | None = None

    def __str__(self) -> str:
        return f"incarnation {self.number} (process {self.pid})"

    # What it does

    def steps(self, step: Step | None = None) -> list[StepLine]:
        """The steps that it has reported (of one kind); only csvkafka's worker reports."""
        return [line for line in self._steps.lines() if step in (None, line.step)]

    @property
    def return_code(self) -> int | None:
        """None while it lives; minus the signal's number if a signal ended it."""
        if self._return_code is not None:
            return self._return_code
        code = self._process.return_code()
        if code is not None:
            self._return_code = code
            self._history.record("incarnation-ended", incarnation=self.number, return_code=code)
            for line in self.steps():
                self._history.record(
                    "step",
                    at_monotonic=line.seconds,
                    incarnation=self.number,
                    step=line.step.value,
                    reached=line.reached,
                    **line.facts,
                )
        return code

    def output(self) -> str:
        """What it printed so far, both streams."""
        return self._process.log.read_text("utf-8", "replace")

    # Waiting

    def wait(self, timeout_seconds: float = EXIT_TIMEOUT_SECONDS) -> int:
        """Its return code, when it has ended. Raises StackError if it does not end in time."""
        self.wait_until(lambda: self.return_code is not None, "end", timeout_seconds)
        code = self.return_code
        assert code is not None
        return code

    def lives_for(self, seconds: float) -> bool:
        """Whether it still lives after so long; returns at once when it has ended."""
        return not wait_until(lambda: self.return_code is not None, seconds)

    def wait_for_step(
        self,
        step: Step,
        nth: int = 1,
        from_rows: int = 0,
        timeout_seconds: float = STEP_TIMEOUT_SECONDS,
    ) -> StepLine:
        """The `nth` report of the step that has reached `from_rows`, when it has come.

        Raises StackError if the process ends before, or the time is up."""

        def found() -> list[StepLine]:
            return [line for line in self.steps(step) if line.reached >= from_rows]

        self.wait_until(
            lambda: len(found()) >= nth or self.return_code is not None,
            f"report {step}",
            timeout_seconds,
        )
        if len(found()) < nth:
            raise StackError(
                f"{self} ended with {self.return_code} before step {step}; its output ends:\n"
                + log_tail(self._process.log)
            )
        return found()[nth - 1]

    def wait_until(self, condition: Callable[[], bool], what: str, timeout_seconds: float) -> None:
        """Returns when the condition holds. Raises StackError with the end of its output."""
        if not wait_until(condition, timeout_seconds):
            raise StackError(
                f"{self} did not {what} within {timeout_seconds:g} s; its output ends:\n"
                + log_tail(self._process.log)
            )

    # Signals

    def kill(self) -> int:
        """SIGKILL; its return code."""
        self.send(signal.SIGKILL)
        return self.wait()

    def pause(self) -> None:
        """SIGSTOP: it holds its connections and does nothing."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT, after `pause` or a crash point that stops it, once it has stopped indeed: a
        SIGCONT before that would be lost, and it would sleep for ever. Raises StackError."""
        self.wait_until_stopped()
        self.send(signal.SIGCONT)

    def wait_until_stopped(self) -> None:
        """Returns when it stands still (or has ended): a moment after `pause`, or after the report
        of a step at which it stops itself. Raises StackError."""
        self.wait_until(
            lambda: is_stopped(self.pid) or self.return_code is not None,
            "stop",
            STEP_TIMEOUT_SECONDS,
        )

    def send(self, number: signal.Signals) -> None:
        """Sends the signal to the process and its children; nothing if it has ended."""
        self._history.record("signal-sent", incarnation=self.number, signal=number.name)
        self._process.send_signal(number)


class Supervisor:
    """Owns incarnations; `folder` holds their outputs and is gone after `close`."""

    def __init__(self, history: History | None = None) -> None:
        self.history = history or History()
        self._guardian = nursery()
        self.folder = Path(tempfile.mkdtemp(prefix="supervisor-", dir=self._guardian.folder))
        self.incarnations: list[Incarnation] = []

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], steps: Path | None = None
    ) -> Incarnation:
        """Starts any loader in a folder of its own, with these variables beside the least that a
        process needs; returns at once. Raises StackError if it cannot be started."""
        return self._begin(command, environment, steps)

    def start_python(
        self,
        program: Sequence[str],
        environment: Mapping[str, str],
        steps: Path | None = None,
        *,
        cold: bool = False,
    ) -> Incarnation:
        """As `start`, for what Python runs: a script, or -m and a module, and arguments.

        It is forked from this process's nursery. Where a fork would not be the same
        (`forks_are_the_same`), or it is to be `cold`, it starts as users start it."""

        # -P: the program imports the installed package, whatever lies in its folder.
        command = [sys.executable, "-P", *program]
        return self._begin(command, environment, steps, () if cold else program)

    def start_worker(
        self,
        environment: Mapping[str, str],
        *,
        crash: Sequence[CrashPoint] = (),
        pace_seconds: float = 0.0,
        block_bytes: int | None = None,
        point_bytes: int | None = None,
        kafka_limits: Mapping[str, int] | None = None,
        program: Sequence[str] = WORKER,
        cold: bool = False,
    ) -> Incarnation:
        """Starts csvkafka's worker; see `worker.py` for what the arguments do. `program` is what
        Python runs, a changed worker for example; `cold` as in `start_python`."""
        steps = self.folder / f"steps-{len(self.incarnations) + 1}"
        arguments = ["--steps", str(steps)]
        for point in crash:
            arguments += ["--crash", str(point)]
        if pace_seconds:
            arguments += ["--pace", str(pace_seconds)]
        if block_bytes is not None:
            arguments += ["--block-bytes", str(block_bytes)]
        if point_bytes is not None:
            arguments += ["--point-bytes", str(point_bytes)]
        for name, value in (kafka_limits or {}).items():
            arguments += ["--kafka", f"{name}={value}"]
        return self.start_python([*program, *arguments], environment, steps, cold=cold)

    def _begin(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        steps: Path | None,
        to_fork: Sequence[str] = (),
    ) -> Incarnation:
        number = len(self.incarnations) + 1
        folder = self.folder / f"incarnation-{number}"
        folder.mkdir()
        log = folder / "output"
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        variables = {**inherited, **environment}
        process = (
            self._guardian.fork(to_fork, variables, log)
            if to_fork and forks_are_the_same(variables)
            else self._guardian.spawn(command, log, variables)
        )
        incarnation = Incarnation(
            number, process, StepLogReader(steps or folder / "steps"), self.history
        )
        self.incarnations.append(incarnation)
        self.history.record(
            "incarnation-started", incarnation=number, pid=process.pid, command=list(command)
        )
        return incarnation

    def close(self) -> None:
        """Kills every incarnation that lives, notes their ends, and removes the folder."""
        try:
            for incarnation in self.incarnations:
                if incarnation.return_code is None:
                    incarnation.kill()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "NO_PROXY")
"""Of this process's own variables; its AWS settings must not reach a loader under test."""
