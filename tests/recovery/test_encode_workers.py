"""Encode workers die, or the loader that owns them: nothing is lost, and nothing is left behind."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

from csvkafka.errors import EncodeWorkerError
from csvkafka.local.processes import wait_until
from csvkafka.model import Step
from csvkafka.testing.inputs.csv_files import CsvSpec
from csvkafka.testing.judging.recovery_case import KILLED, RecoveryCase
from csvkafka.testing.processes.supervisor import Incarnation
from tests.refusals import refusal_in

NewCase = Callable[..., RecoveryCase]


def encode_workers(loader: Incarnation) -> list[int]:
    """The loader's encode workers; Python's resource tracker is none."""
    found = []
    for listing in Path(f"/proc/{loader.pid}/task").glob("*/children"):
        for child in map(int, listing.read_text().split()):
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
    return found


def has_ended(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


def all_end(pids: list[int]) -> bool:
    return wait_until(lambda: all(map(has_ended, pids)), 120.0)


def midway(recovery_case: NewCase) -> tuple[RecoveryCase, Incarnation, list[int]]:
    """A load with two workers, stopped when a quarter of its rows is acknowledged."""
    spec = CsvSpec(row_count=120_000, newline_fraction=0.02)
    # Blocks so small that most are still to be encoded when it stops.
    case = recovery_case(spec, block_bytes=16_000, settings={"ENCODE_WORKERS": "2"})
    loader = case.start_paused_at(Step.BLOCK_ACKNOWLEDGED, from_rows=case.row_count // 4)
    case.assert_midway()
    workers = encode_workers(loader)
    assert len(workers) == 2
    return case, loader, workers


def test_f19_a_killed_worker_stops_the_load_and_the_next_goes_on(recovery_case: NewCase) -> None:
    case, loader, workers = midway(recovery_case)
    os.kill(workers[0], signal.SIGKILL)
    os.kill(loader.pid, signal.SIGCONT)
    case.ends(loader, 1)
    case.assert_stopped(loader, "EncodeWorker")
    (said,) = re.findall("EncodeWorkerError: (.*)", loader.output())
    refusal_in(EncodeWorkerError, said)
    assert all_end(workers)
    case.run()
    case.assert_once()


def test_f19_workers_end_with_their_killed_loader(recovery_case: NewCase) -> None:
    case, loader, workers = midway(recovery_case)
    assert not any(map(has_ended, workers))
    os.kill(loader.pid, signal.SIGKILL)
    case.ends(loader, KILLED)
    assert all_end(workers)
    case.run()
    case.assert_once()
