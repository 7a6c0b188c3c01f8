"""The steps of a worker as lines in a file, which survive its SIGKILL; written there, read here.

A line is a JSON object: `seconds` (the host's monotonic clock, the same for all processes), `step`,
`reached` (rows of the source that this step has got to) and the step's own facts.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from csvkafka.model import Step


@dataclass(frozen=True, slots=True)
class StepLine:
    """One reported step. `reached` counts rows of the source: the step's own `rows`, or for
    batches the records sent (or acknowledged) so far, those already in the topic included."""

    seconds: float
    step: Step
    reached: int
    facts: Mapping[str, int]


class StepLogWriter:
    """Appends lines to the file, each by one write to the kernel; nothing is buffered."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._sent = self._acknowledged = 0

    def write(self, step: Step, facts: Mapping[str, int]) -> StepLine:
        """Writes one step; returns the line."""
        line = StepLine(time.monotonic(), step, self._rows_reached(step, facts), facts)
        record = {"seconds": line.seconds, "step": step.value, "reached": line.reached, **facts}
        os.write(self._descriptor, json.dumps(record).encode() + b"\n")
        return line

    def _rows_reached(self, step: Step, facts: Mapping[str, int]) -> int:
        if step is Step.SOURCE_OPENED:
            self._sent = self._acknowledged = facts["rows"] + facts["in_topic"]
        elif step is Step.BATCH_SENT:
            self._sent += facts["records"]
            return self._sent
        elif step is Step.BATCH_ACKNOWLEDGED:
            self._acknowledged += facts["records"]
            return self._acknowledged
        return facts.get("rows", 0)


class StepLogReader:
    """Reads the lines as they come."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_bytes = 0
        self._lines: list[StepLine] = []

    def lines(self) -> list[StepLine]:
        """All whole lines so far."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._read_bytes)
                whole = file.read().rpartition(b"\n")[0]
            if whole:
                self._read_bytes += len(whole) + 1
                self._lines += map(_parsed, whole.split(b"\n"))
        return list(self._lines)


class StepCount:
    """Counts the reports of some steps in all logs of a folder, `steps-1` and so on, as they
    grow."""

    def __init__(self, folder: Path, steps: Collection[Step]) -> None:
        self._folder = folder
        self._marks = [f'"step": "{step.value}"'.encode() for step in steps]
        self._read_bytes: dict[Path, int] = {}
        self._count = 0

    def so_far(self) -> int:
        """How many there are by now, in whole lines."""
        for path in self._folder.glob("steps-*"):
            read_bytes = self._read_bytes.get(path, 0)
            with path.open("rb") as file:
                file.seek(read_bytes)
                whole, newline, _ = file.read().rpartition(b"\n")
            self._read_bytes[path] = read_bytes + len(whole) + len(newline)
            self._count += sum(whole.count(mark) for mark in self._marks)
        return self._count


def _parsed(text: bytes) -> StepLine:
    facts = json.loads(text)
    return StepLine(facts.pop("seconds"), Step(facts.pop("step")), facts.pop("reached"), facts)
