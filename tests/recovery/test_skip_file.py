"""`csvkafka skip-file` on real servers: the set without its broken file, exactly; SIGKILL around
its two writes; beside workers that load the set."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest

from csvkafka.model import Step
from csvkafka.testing.judging.recovery_case import BUCKET, KILLED, RecoveryCase
from csvkafka.testing.processes.supervisor import Incarnation
from tests.recovery.test_sets import files

NewCase = Callable[..., RecoveryCase]

CHECKPOINTS = ("dynamodb", "sqlite")

SIZES = (700, 3, 3_000, 40, 0, 300)

SKIP_AND_DIE = """
import os, signal, sys
from csvkafka.cli.options import store_of
from csvkafka.clock import SystemClock
from csvkafka.job.skip_file import SkipFiles

class DiesAt:
    def report(self, step, **facts):
        if step == sys.argv[2]:
            os.kill(os.getpid(), signal.SIGKILL)

store = store_of(dict(os.environ))
SkipFiles(store, os.environ["JOB_ID"], SystemClock(), DiesAt()).skip(sys.argv[1])
"""


class BrokenCase:
    """A set whose third file, a gzip object, is cut off in its middle."""

    def __init__(
        self, recovery_case: NewCase, checkpoint: str, order: str = "object", **options: object
    ) -> None:
        settings = {"ORDER": order, "LEASE_SECONDS": "2"}
        self.case = recovery_case(
            files(*SIZES), settings=settings, checkpoint=checkpoint, **options
        )
        self.key = f"{self.case.prefix}part-0002.csv.gz"
        stored = self.case.stack.client("s3").get_object(Bucket=BUCKET, Key=self.key)
        data = stored["Body"].read()
        self.case.stack.put_object(BUCKET, self.key, data[: len(data) // 2])
        self.environment = {**self.case.stack.environment(), **self.case.settings}
        self.environment.setdefault("CHECKPOINT", "")

    def csvkafka(self, *arguments: str, exit_code: int | None = 0) -> Incarnation:
        program = ("-m", "csvkafka", *arguments)
        process = self.case.supervisor.start_python(program, self.environment)
        if exit_code is not None:
            self.case.ends(process, exit_code)
        return process

    def assert_complete_without_it(self) -> int:
        """ONCE, of all rows of the other files and of so many of the broken one; returns that."""
        said = self.csvkafka("verify", "--exclusive", "--isolation", "both", "--json").output()
        verdicts = json.loads(said[said.index("{") :])
        uri = f"s3://{BUCKET}/{self.key}"
        (rows,) = {verdict["skipped"][uri] for verdict in verdicts.values()}
        due = sum(SIZES) - SIZES[2] + rows
        assert {verdict["rows_found"] for verdict in verdicts.values()} == {due}
        assert self.case.view.record_count() == due
        item = self.case.item()
        assert item is not None
        assert (item["status"], item["last_line"], item["total_sent"]) == ("COMPLETED", due, due)
        assert (item["files_skipped"], item["skipped"]) == (1, [self.key])
        shown = self.csvkafka("status").output()
        assert "files       5 of 6" in shown
        assert f"skipped     {self.key}  {rows:,} rows of it are in the topic" in shown
        assert isinstance(rows, int)
        return rows


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
@pytest.mark.parametrize("key", [None, "id"])
@pytest.mark.parametrize("order", ["object", "set"])
def test_f127_the_set_is_complete_without_the_file_and_each_command_says_so(
    recovery_case: NewCase, checkpoint: str, order: str, key: str | None
) -> None:
    of = BrokenCase(recovery_case, checkpoint, order, partitions=1 if key is None else 3)
    if key is not None:
        of.environment["KEY_COLUMN"] = of.case.settings["KEY_COLUMN"] = key
    of.case.run(exit_code=1)
    said = of.csvkafka("skip-file", of.key).output()
    of.case.run()
    rows = of.assert_complete_without_it()
    assert 100 < rows < 2_900
    assert f"{of.key} is skipped: {rows:,} of its rows are in the topic, and stay there" in said
    again = of.case.run()
    assert "complete already" in again.output()
    assert f"1 of 6 files skipped (csvkafka skip-file): {of.key}; {rows} of" in again.output()
    assert f"{of.key} was skipped before: {rows:,} of" in of.csvkafka("skip-file", of.key).output()


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
@pytest.mark.parametrize("step", [Step.FILE_SKIPPED, Step.FILE_MARKED])
def test_f127_sigkill_after_each_of_its_two_writes(
    recovery_case: NewCase, step: Step, checkpoint: str
) -> None:
    of = BrokenCase(recovery_case, checkpoint)
    of.case.run(exit_code=1)
    script = of.case.supervisor.folder / "skip_and_die.py"
    script.write_text(SKIP_AND_DIE)
    dies = of.case.supervisor.start([sys.executable, str(script), of.key, step], of.environment)
    of.case.ends(dies, KILLED)
    workers = [of.case.start() for _ in range(2)]
    for worker in workers:
        of.case.ends(worker)
    assert of.assert_complete_without_it() > 100


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_f127_asked_again_and_again_while_workers_load_and_are_killed(
    recovery_case: NewCase, checkpoint: str, kills: int
) -> None:
    """It is refused as long as more of the file may be under way than is counted."""
    of = BrokenCase(recovery_case, checkpoint)
    workers = [of.case.start(pace_seconds=0.05) for _ in range(3)]
    refused = 0
    for number in range(200):
        skip = of.csvkafka("skip-file", of.key, exit_code=None)
        if skip.wait(60.0) == 0:
            break
        refused += 1
        if number < min(kills, 6):
            workers[number % 3].kill()
            workers[number % 3] = of.case.start(pace_seconds=0.05)
        elif all(worker.return_code is not None for worker in workers):
            workers[0] = of.case.start()
    for worker in workers:
        worker.wait(120.0)
    of.case.run()
    assert refused, "it was never asked at a bad moment"
    of.assert_complete_without_it()


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_f127_in_one_order_asked_again_and_again_while_workers_are_killed(
    recovery_case: NewCase, checkpoint: str, kills: int
) -> None:
    """It is refused until the load has stopped at the file. Then the load goes on behind it,
    through more kills."""
    of = BrokenCase(recovery_case, checkpoint, "set")
    worker = of.case.start(pace_seconds=0.05)
    refused = skipped = killed = 0
    for _ in range(200):
        skip = of.csvkafka("skip-file", of.key, exit_code=None)
        done = skip.wait(60.0) == 0
        refused, skipped = refused + (not done), skipped + done
        if killed < min(kills, 6):
            worker.kill()
            killed += 1
            worker = of.case.start(pace_seconds=0.05)
        elif worker.wait(120.0) == 0:
            break
        else:
            worker = of.case.start(pace_seconds=0.05)
    assert refused, "it was never asked at a bad moment"
    assert skipped
    of.assert_complete_without_it()


def test_f127_two_that_skip_it_at_once_are_both_told_so(recovery_case: NewCase) -> None:
    of = BrokenCase(recovery_case, "dynamodb")
    of.case.run(exit_code=1)
    both = [of.csvkafka("skip-file", of.key, exit_code=None) for _ in range(2)]
    for each in both:
        of.case.ends(each)
        assert "skipped" in each.output()
    of.case.run()
    of.assert_complete_without_it()
