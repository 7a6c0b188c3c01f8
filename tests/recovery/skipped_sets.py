"""Simulated sets with a file that stays broken, for the tests of `csvkafka skip-file`."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from csvkafka.errors import (
    CheckpointError,
    ConfigError,
    FileNotSkippedError,
    FilesFailedError,
    MalformedRowError,
)
from csvkafka.interfaces import Observer
from csvkafka.job.skip_file import SkipFiles, Skipped
from csvkafka.ledger.file_marks import FileMarks, Loaded, SkippedFiles, child_id
from csvkafka.model import Step
from csvkafka.testing.simulator.fake_table import FakeStore, FakeTable, random_latency
from csvkafka.testing.simulator.life import JOB_ID, Life
from csvkafka.testing.simulator.schedule import Schedule
from csvkafka.testing.simulator.simulation import Hooks, Simulation
from csvkafka.testing.simulator.virtual_clock import VirtualClock

BROKEN = "exports/part-03.csv"
GOOD_ROWS = 3
"""Of the broken file so many rows can be loaded; there are others behind them, which cannot."""


class Dies(BaseException):
    """What skips the file is killed."""


@dataclass
class DiesAt:
    """The observer of one that is killed after its first write (FILE_SKIPPED) or its last."""

    step: Step

    def report(self, step: Step, **_: int) -> None:
        if step is self.step:
            raise Dies


class BrokenSet:
    """A simulated load of a set whose fourth file breaks off after `GOOD_ROWS` rows, or in its
    header. `run` lets one life follow another until they load all but that file."""

    def __init__(
        self, schedule: Schedule, hooks: Hooks | None = None, *, good_rows: int | None = GOOD_ROWS
    ) -> None:
        self.world = Simulation(schedule, hooks)
        lines = self.world.files[BROKEN].splitlines(keepends=True)
        self.good_rows = good_rows or 0
        if good_rows is None:
            lines[0] = b"id,key,other\n"
        else:
            assert len(lines) > good_rows + 2
            lines[good_rows + 1] = b"1,2,3,4,5\n"
        self.world.files[BROKEN] = b"".join(lines)
        self.skipped: Skipped | None = None

    def files(
        self, observer: Observer | None = None, latency: Callable[[], float] = lambda: 0.0
    ) -> SkipFiles:
        table = FakeTable(self.world.table, JOB_ID, self.world.time, latency=latency)
        return SkipFiles(
            FakeStore(table),
            JOB_ID,
            VirtualClock(self.world.time),
            observer,
            is_known_dead=self.is_known_dead,
        )

    def is_known_dead(self, owner: str) -> bool:
        lives = self.world.lives
        is_here = self.world.schedule.same_host
        return is_here and any(life.owner == owner and life.ended for life in lives)

    def skip(self, key: str = BROKEN) -> Skipped:
        self.skipped = self.files().skip(key)
        return self.skipped

    def try_to_skip(self, latency: Callable[[], float] = lambda: 0.0) -> None:
        """As whoever runs the command at any time; it may be refused."""
        try:
            self.skipped = self.files(latency=latency).skip(BROKEN)
        except (CheckpointError, ConfigError, FileNotSkippedError):
            return

    def try_to_skip_beside(self) -> None:
        """The same in a process of its own, whose requests take their time beside the workers'."""
        latency = random_latency(self.world.random, 0.01)
        self.world.time.spawn("skip-file", lambda: self.try_to_skip(latency))

    def run(self, most_lives: int = 8) -> Life:
        """Lives until one ends by FilesFailedError or has completed the set; returns it."""
        for _turn in range(most_lives):
            others = self.world.schedule.workers - 1 if not self.world.lives else 0
            for _ in range(1 + others):
                self.world.begin_life()
            self.world.time.join()
            ended = [it for it in self.world.lives if it.result or it.error]
            if any(it.result or isinstance(it.error, FilesFailedError) for it in ended):
                return next(
                    it for it in ended if it.result or isinstance(it.error, FilesFailedError)
                )
        raise AssertionError(f"no end after {most_lives} lives: {self.world.trace[-30:]}")

    def complete(self) -> None:
        """Skips the file, if that has not been done, and lets a life complete the set; each life
        before it failed for the broken file alone."""
        self.run()
        for _ in range(6):
            if self.skipped is None:
                self.try_to_skip()
            life = self.world.begin_life()
            self.world.time.join()
            if life.result is not None:
                break
        self.world.release_withheld()
        self.world.time.run_out()
        assert life.result is not None, repr(life.error)
        assert life.result.files_skipped == 1

    def records_of(self, key: str) -> int:
        """How many records of that file are in the topic."""
        uri = f"s3://bucket/{key}"
        logs = [self.world.kafka.log(lane).records() for lane in self.world.lanes]
        values = [record.value or b"" for records in logs for record in records]
        return sum(json.loads(value)["_source_file"] == uri for value in values)

    def assert_nothing_else_failed(self) -> None:
        """No worker took a file for failed because it was skipped under its hands."""
        for life in self.world.lives:
            assert all(isinstance(error, MalformedRowError) for error in life.file_errors)

    def assert_exact(self) -> None:
        """The topic has each row of each file once and in order, and of the skipped one as many as
        its item says; items and marks agree."""
        items = self.world.table.items
        of_set = items[JOB_ID]
        source = of_set["source"]
        assert isinstance(source, dict)
        digest = str(source["etag"])
        child = items[child_id(JOB_ID, digest, 3)]
        assert child["status"] == "SKIPPED"
        assert "lease_owner" not in child
        left = child["last_line"]
        assert left in (0, self.good_rows), "not what is before the fault"
        expected: Counter[tuple[str, int]] = Counter()
        rows = records = 0
        for key, data in self.world.files.items():
            count = sum(1 for _ in csv.reader(io.StringIO(data.decode()))) - 1
            count = left if key == BROKEN else count
            rows += count
            expected.update((f"s3://bucket/{key}", line) for line in range(1, count + 1))
        seen: Counter[tuple[str, int]] = Counter()
        for lane in self.world.lanes:
            last: dict[str, int] = {}
            for record in self.world.kafka.log(lane).records():
                assert record.value is not None
                if record.value.startswith(b"another"):
                    continue
                value = json.loads(record.value)
                file, line = value["_source_file"], value["_source_line"]
                assert line > last.get(file, 0), f"{file}: row {line} after {last[file]}"
                last[file] = line
                seen[file, line] += 1
                records += 1
        assert seen == expected
        assert (of_set["status"], of_set["last_line"], of_set["total_sent"]) == (
            "COMPLETED",
            rows,
            records,
        )
        assert SkippedFiles.of(of_set) == SkippedFiles(1, 5, (BROKEN,), left)
        table = FakeTable(self.world.table, JOB_ID, self.world.time)
        totals = FileMarks(JOB_ID, digest, 5, FakeStore(table).item).totals()
        assert (totals.file_count, totals.failed, totals.skipped) == (4, (), (3,))
        assert totals.left == Loaded(left, left, 0)


def at(place: str, act: Callable[[], object]) -> Hooks:
    """`act` is done when a life comes to the place."""
    return {place: lambda _: act()}


def with_rows(schedule: Schedule) -> Schedule:
    """Of so many rows that the fourth file has some behind the fault."""
    return replace(schedule, row_count=40)
