"""Runs a command and says what it took: time, processor time and memory of it and its children."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

SAMPLE_SECONDS = 0.05
BEGUN_AT = "BENCHMARK_BEGUN_AT"
"""Environment variable of the child: when it was started, by the machine's monotonic clock."""

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """What one command took. `cpu_seconds` is user and system time, with all its children;
    `peak_bytes` the most resident memory, the children's added."""

    output: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    exit_code: int


class BenchmarkError(Exception):
    """A contender failed, or what it wrote is not what it should have written."""


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    timeout_seconds: float = 1200.0,
    expected_exit: int = 0,
) -> Run:
    """Runs the command to its end. Raises BenchmarkError if it ends with another exit code."""
    begun = time.monotonic()
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment, BEGUN_AT: repr(begun)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    sampler = _MemorySampler(process.pid)
    usage_before = _children_cpu_seconds()
    try:
        output, _ = process.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        raise BenchmarkError(
            f"{_name(command)} took over {timeout_seconds} s:\n{output[-2000:]}"
        ) from None
    finally:
        seconds = time.monotonic() - begun
        sampler.stop()
    if process.returncode != expected_exit:
        raise BenchmarkError(f"{_name(command)} ended with {process.returncode}:\n{output[-4000:]}")
    cpu_seconds = _children_cpu_seconds() - usage_before
    return Run(output, seconds, cpu_seconds, sampler.peak_bytes, process.returncode)


def process_cpu_seconds(pid: int) -> float:
    """User and system time that a running process has taken so far, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def cpu_of_children() -> float:
    """User and system time of this process's running children, so far."""
    pids = [pid for pid in _family(os.getpid()) if pid != os.getpid()]
    return sum(process_cpu_seconds(pid) for pid in pids)


def _children_cpu_seconds() -> float:
    """Of all children that were waited for, and theirs; to the microsecond."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _name(command: Sequence[str]) -> str:
    return " ".join(command)[:200]


class _MemorySampler:
    """Watches the resident memory of a process and its descendants from a thread."""

    def __init__(self, pid: int) -> None:
        self.peak_bytes = 0
        self._pid = pid
        self._stopped = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(SAMPLE_SECONDS):
            members = list(_family(self._pid))
            now = sum(_memory(pid, "VmRSS") for pid in members)
            # The kernel's own high-water mark misses nothing, but is one process's.
            self.peak_bytes = max(self.peak_bytes, now, _memory(self._pid, "VmHWM"))


def _family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in children.read_text().split():
                yield from _family(int(child))
        except OSError:
            continue  # the thread has ended


def _memory(pid: int, name: str) -> int:
    """One of the memory figures in /proc/PID/status, in bytes; 0 if the process is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
