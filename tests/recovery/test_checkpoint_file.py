"""Loads whose checkpoint is a file of SQLite: the real loop on fakes around a real file, and what
befalls the file. (Kills and two owners: see the modules of their names.)"""

from __future__ import annotations

import itertools
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from csvkafka.files.sqlite_store import SqliteStore
from csvkafka.interfaces import Item, ItemChange, Refused
from csvkafka.model import Step
from csvkafka.testing.checker.topic_reader import Isolation
from csvkafka.testing.judging.recovery_case import RecoveryCase
from csvkafka.testing.simulator.fake_table import TableServer
from csvkafka.testing.simulator.schedule import CRASHES, Schedule
from csvkafka.testing.simulator.search import (
    Judge,
    every_crash,
    every_fault_of_the_fakes,
    first_failure,
)
from csvkafka.testing.simulator.simulation import Simulation
from csvkafka.testing.simulator.simulation_judge import TABLE_POINTS, judge

NewCase = Callable[..., RecoveryCase]

RANDOM_SCHEDULES = int(os.environ.get("CSVKAFKA_SCHEDULES", "2000")) // 40


class FileServer(TableServer):
    """Keeps its items in a file; `items` is what was read back from there after each write."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.store = SqliteStore(path)
        self.store.create()

    def put_new(self, job_id: str, item: Item) -> Refused | None:
        return self._told(job_id, self.store.item(job_id).put_new(item))

    def update(self, job_id: str, change: ItemChange) -> Refused | None:
        return self._told(job_id, self.store.item(job_id).update(change))

    def _told(self, job_id: str, refused: Refused | None) -> Refused | None:
        if refused is None:
            item = self.store.item(job_id).get()
            assert item is not None
            self._store(job_id, item)
        return refused


@pytest.fixture
def on_files() -> Iterator[Judge]:
    """Runs a schedule with the table's items in a new file; in memory where that can be, as some
    thousand writes would wait for a disk."""
    memory = Path("/dev/shm")
    folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
    numbers = itertools.count()

    def violations(schedule: Schedule) -> list[str]:
        table = FileServer(Path(folder.name) / f"{next(numbers)}.sqlite")
        simulation = Simulation(schedule, table=table)
        simulation.run()
        found = judge(simulation)
        stands = {job_id: table.store.item(job_id).get() for job_id in table.items}
        return found if stands == table.items else [*found, f"the file holds {stands}"]

    with folder:
        yield violations


def of_the_table(schedules: Iterator[Schedule]) -> list[Schedule]:
    return [each for each in schedules if each.faults[-1].point in TABLE_POINTS]


def test_each_fault_of_the_table(on_files: Judge) -> None:
    schedules = of_the_table(every_fault_of_the_fakes(Schedule(row_count=20)))
    assert len(schedules) > 20
    failure = first_failure(schedules, on_files)
    assert failure is None, str(failure)


def test_each_crash_at_the_table(on_files: Judge) -> None:
    schedules = of_the_table(every_crash(Schedule(), CRASHES))
    assert len(schedules) > 20
    failure = first_failure(schedules, on_files)
    assert failure is None, str(failure)


def test_random_schedules(on_files: Judge, seed: int) -> None:
    schedules = map(Schedule.drawn, range(seed, seed + RANDOM_SCHEDULES))
    failure = first_failure(schedules, on_files)
    assert failure is None, str(failure)


# -- real brokers, real processes ------------------------------------------------------------------


@pytest.fixture
def new_case(recovery_case: NewCase) -> NewCase:
    def make(**options: object) -> RecoveryCase:
        return recovery_case(checkpoint="sqlite", **options)

    return make


def file_of(case: RecoveryCase) -> Path:
    return Path(case.settings["CHECKPOINT"].removeprefix("sqlite://"))


SHORT_LEASE = {"LEASE_SECONDS": "1"}

SLOW_PACE_SECONDS = 0.1
"""60 blocks take 6 s: the first checkpoint is on the disk before the last of them is sent."""


def test_two_jobs_of_one_file_do_not_meet(new_case: NewCase) -> None:
    first, second = new_case(), new_case()
    shared = {"CHECKPOINT": first.settings["CHECKPOINT"]}
    beside = first.start()
    first_of_second = second.start(settings=shared)
    first.ends(beside)
    second.ends(first_of_second)
    first.assert_once()
    store = SqliteStore(file_of(first))
    assert (store.item(second.job_id).get() or {})["status"] == "COMPLETED"
    assert all(second.verdict(isolation).is_clean for isolation in Isolation)


def test_f73_a_file_that_is_locked_while_running(new_case: NewCase) -> None:
    """By a process that stands still with it, longer than the lease: sending pauses till then."""
    case = new_case(settings=SHORT_LEASE, pace_seconds=SLOW_PACE_SECONDS)
    worker = case.start_paused_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 3)
    with closing(sqlite3.connect(file_of(case), isolation_level=None, timeout=60)) as other:
        other.execute("BEGIN EXCLUSIVE")
        worker.resume()
        worker.wait_for_step(Step.SENDING_PAUSED)
        other.execute("ROLLBACK")
    case.ends(worker)
    assert "the lease had run out, and was renewed" in worker.output()
    case.assert_once()


def test_f73_a_file_that_is_gone_while_running(new_case: NewCase) -> None:
    """Its disk may have been unmounted: sending pauses until it is back; no other file is made."""
    case = new_case(settings=SHORT_LEASE, pace_seconds=SLOW_PACE_SECONDS)
    worker = case.start_paused_at(Step.CHECKPOINT_STORED)
    case.assert_midway()
    away = file_of(case).rename(file_of(case).with_suffix(".away"))
    worker.resume()
    worker.wait_for_step(Step.SENDING_PAUSED)
    refused = case.start()
    case.ends(refused, 1)
    case.assert_error(refused, "CheckpointFileMissing")
    assert not file_of(case).exists()
    away.rename(file_of(case))
    case.ends(worker)
    case.assert_once()


@pytest.mark.parametrize("damage", [b"", b"id,name\n" * 1000])
def test_f77_a_file_that_is_none_any_more_is_refused(new_case: NewCase, damage: bytes) -> None:
    case = new_case(pace_seconds=SLOW_PACE_SECONDS)
    case.kill_at(Step.CHECKPOINT_STORED)
    case.assert_midway()
    kept, records = file_of(case).read_bytes(), case.view.record_count()
    file_of(case).write_bytes(damage)
    worker = case.start()
    case.ends(worker, 1)
    case.assert_error(worker, "CheckpointFileUnusable" if damage else "CheckpointFileMissing")
    assert case.view.record_count() == records
    file_of(case).write_bytes(kept)
    case.run()
    case.assert_once()


def test_f76_a_file_restored_from_a_backup(new_case: NewCase) -> None:
    case = new_case(pace_seconds=SLOW_PACE_SECONDS)
    case.kill_at(Step.IDENTITY_STORED)
    backup = file_of(case).read_bytes()
    case.kill_at(Step.CHECKPOINT_STORED)
    case.assert_midway()
    with case.replacing_the_checkpoint():
        file_of(case).write_bytes(backup)
    case.run()
    case.assert_once()
