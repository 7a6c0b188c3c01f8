"""Sets whose files are jobs of their own: any number of workers, killed among each other, around
the end of a file and of the set; owners that vanish; files that fail; worker processes."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from csvkafka.errors import WorkersEndedError
from csvkafka.limits import BLOCK_BYTES
from csvkafka.local.processes import wait_until
from csvkafka.model import Step
from csvkafka.testing.judging.recovery_case import BUCKET, KILLED, RecoveryCase
from csvkafka.testing.processes.supervisor import Incarnation
from tests.recovery.conftest import kills_of_a_set
from tests.recovery.test_sets import SIZES, days_for, files, nightly_export
from tests.refusals import refusal_in

NewCase = Callable[..., RecoveryCase]

CHECKPOINTS = ("dynamodb", "sqlite")

WORKERS = 4


def set_case(recovery_case: NewCase, *row_counts: int, **options: object) -> RecoveryCase:
    more = options.pop("settings", {})
    settings = {"ORDER": "object", "LEASE_SECONDS": "2"} | dict(more)  # type: ignore[call-overload]
    return recovery_case(files(*(row_counts or SIZES)), settings=settings, **options)


@pytest.fixture
def kills(kills: int) -> int:
    return kills_of_a_set(kills)


def said_so(workers: list[Incarnation]) -> int:
    """How many have written the set's COMPLETED."""
    return sum(bool(worker.steps(Step.COMPLETED)) for worker in workers)


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_four_workers_load_each_file_once_and_one_says_that_all_are(
    recovery_case: NewCase, checkpoint: str
) -> None:
    case = set_case(recovery_case, checkpoint=checkpoint)
    workers = [case.start(pace_seconds=0.02) for _ in range(WORKERS)]
    for worker in workers:
        case.ends(worker)
    case.assert_once()
    assert said_so(workers) == 1
    others = [worker for worker in workers if not worker.steps(Step.COMPLETED)]
    assert all("complete already" in worker.output() for worker in others)
    loaded = [len(worker.steps(Step.FILE_COMPLETED)) for worker in workers]
    assert sum(loaded) == len(SIZES)
    assert sum(count > 0 for count in loaded) > 1, "one worker has loaded all"


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
@pytest.mark.parametrize("nth", [1, 6, len(SIZES)])
@pytest.mark.parametrize("step", [Step.FILE_COMPLETED, Step.FILE_MARKED])
def test_f120_killed_when_a_file_is_complete_before_and_after_its_mark(
    recovery_case: NewCase, step: Step, nth: int, checkpoint: str
) -> None:
    case = set_case(recovery_case, checkpoint=checkpoint)
    case.kill_at(step, nth=nth)
    item = case.item()
    assert item is not None
    assert item["status"] == "IN_PROGRESS"
    worker = case.run()
    case.assert_once()
    assert len(worker.steps(Step.FILE_MARKED)) == len(SIZES) - nth + (step is Step.FILE_COMPLETED)


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
@pytest.mark.parametrize("step", [Step.FILES_COMPLETED, Step.COMPLETED])
def test_f121_killed_before_and_after_the_set_is_complete(
    recovery_case: NewCase, step: Step, checkpoint: str
) -> None:
    case = set_case(recovery_case, checkpoint=checkpoint)
    case.kill_at(step)
    workers = [case.start() for _ in range(2)]
    for worker in workers:
        case.ends(worker)
    case.assert_once()
    assert said_so(workers) == (step is Step.FILES_COMPLETED)


@pytest.mark.parametrize("step", [Step.LIST_CHUNK_STORED, Step.ITEM_CREATED])
def test_f121_killed_before_the_first_file(recovery_case: NewCase, step: Step) -> None:
    case = set_case(recovery_case)
    case.kill_at(step)
    assert case.view.record_count() == 0
    case.run()
    case.assert_once()


@pytest.mark.parametrize(
    "step", [Step.IDENTITY_STORED, Step.BATCH_SENT, Step.BATCH_ACKNOWLEDGED, Step.CHECKPOINT_STORED]
)
def test_f120_killed_inside_a_file_that_another_worker_goes_on_with(
    recovery_case: NewCase, step: Step
) -> None:
    case = set_case(recovery_case)
    other = case.start(pace_seconds=0.05)
    other.wait_for_step(Step.BATCH_ACKNOWLEDGED)
    case.kill_at(step, nth=3)
    case.ends(other)
    case.assert_once()


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
@pytest.mark.parametrize("key", [None, "id"])
def test_f122_four_workers_with_random_kills_among_them(
    recovery_case: NewCase, kills: int, seed: int, key: str | None, checkpoint: str
) -> None:
    """The kills are spread over four fifths of the load, whatever its speed. The last file alone
    takes three seconds and more, for the last kills."""
    chance = random.Random(seed)
    sizes = [chance.choice((0, 1, 5, 40, 200, 700, 1_500)) for _ in range(12 + 4 * kills)]
    sizes.append(5_000)
    case = set_case(
        recovery_case,
        *sizes,
        partitions=1 if key is None else 3,
        settings={} if key is None else {"KEY_COLUMN": key},
        checkpoint=checkpoint,
    )
    workers = [case.start(pace_seconds=0.06) for _ in range(WORKERS)]
    for killed in range(kills):
        case.view.wait_for_records(int(0.8 * case.row_count * killed / kills))
        time.sleep(chance.uniform(0.0, 0.5))
        number = chance.randrange(WORKERS)
        assert workers[number].kill() == KILLED, f"after {killed} kills the load has ended"
        workers[number] = case.start(pace_seconds=0.06)
    for worker in workers:
        case.ends(worker)
    case.assert_once()


def first_that_has_sent(workers: list[Incarnation], due: float) -> int:
    """The first worker that has rows of its own acknowledged, where the set has so many; waits."""

    def has_sent(worker: Incarnation) -> bool:
        return any(line.reached >= due for line in worker.steps(Step.BATCH_ACKNOWLEDGED))

    assert wait_until(lambda: any(map(has_sent, workers)), 120.0)
    return [has_sent(worker) for worker in workers].index(True)


@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_f122_a_nightly_export_by_four_workers_with_random_kills_among_them(
    recovery_case: NewCase, kills: int, seed: int, checkpoint: str
) -> None:
    """Of 400 files, where there are 92 kills or more, spread over four fifths of the load."""
    chance = random.Random(seed)
    made = nightly_export(days_for(kills))
    settings = {"ORDER": "object", "LEASE_SECONDS": "2"}
    case = recovery_case(made, settings=settings, checkpoint=checkpoint)
    workers = [case.start(pace_seconds=0.06) for _ in range(WORKERS)]
    for killed in range(kills):
        due = 0.8 * case.row_count * killed / kills
        number = first_that_has_sent(workers, due)
        workers[number].lives_for(chance.uniform(0.0, 0.1))
        assert workers[number].kill() == KILLED, f"after {killed} kills the load has ended"
        workers[number] = case.start(pace_seconds=0.06)
    case.assert_midway()
    for worker in workers:
        case.ends(worker)
    case.assert_once()
    assert said_so(workers) == 1


@contextmanager
def paused_inside_a_file(case: RecoveryCase) -> Iterator[Incarnation]:
    worker = case.start_paused_at(Step.BATCH_ACKNOWLEDGED, nth=2)
    try:
        yield worker
    finally:
        worker.resume()


def test_f123_a_worker_that_stands_still_is_replaced_and_goes_on_elsewhere(
    recovery_case: NewCase,
) -> None:
    case = set_case(recovery_case, 3_000, 3_000, 3_000, 3_000, 3_000, 3_000)
    with paused_inside_a_file(case) as zombie:
        other = case.start(pace_seconds=0.2)
        other.wait_until(
            lambda: len(other.steps(Step.LEASE_TAKEN)) == 6, "take the file over", 90.0
        )
    for worker in (other, zombie):
        case.ends(worker)
    case.assert_once()
    assert said_so([other, zombie]) == 1


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_f124_a_file_that_fails_for_several_workers_stops_no_other(
    recovery_case: NewCase, checkpoint: str
) -> None:
    made = files(*SIZES)
    made["part-0004.csv.zst"] = b"id,else\n1,2\n"
    settings = {"ORDER": "object", "LEASE_SECONDS": "2"}
    case = recovery_case(made, settings=settings, checkpoint=checkpoint)
    workers = [case.start(pace_seconds=0.02) for _ in range(3)]
    for worker in workers:
        case.ends(worker, 1)
        case.assert_error(worker, "FilesFailed")
        assert f"1 of {len(SIZES)} files" in worker.output()
        assert "part-0004.csv.zst (MalformedRowError" in worker.output()
    case.assert_prefix()
    assert case.view.record_count() == case.row_count - 1
    # A worker that was there when it failed leaves it alone; one that came later tries it once.
    tried = [len(worker.steps(Step.FILE_FAILED)) for worker in workers]
    assert max(tried) == 1


def test_f124_with_fail_fast_no_worker_takes_another_file(recovery_case: NewCase) -> None:
    made = files(*([1_500] * 8))
    made["part-0001.csv.gz"] = b"id,else\n1,2\n"
    settings = {"ORDER": "object", "FAIL_FAST": "true"}
    case = recovery_case(made, settings=settings)
    workers = [case.start(pace_seconds=0.05) for _ in range(2)]
    for worker in workers:
        case.ends(worker, 1)
        case.assert_error(worker, "FilesFailed")
    assert case.view.record_count() < case.row_count / 2
    case.assert_prefix()


def test_f124_a_truncated_gzip_file_is_named_and_its_rows_before_the_cut_are_there(
    recovery_case: NewCase,
) -> None:
    case = set_case(recovery_case, 300, 300, 3_000, 300)
    key = f"{case.prefix}part-0002.csv.gz"
    stored = case.stack.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    case.stack.put_object(BUCKET, key, stored[: len(stored) // 2])
    worker = case.run(exit_code=1)
    case.assert_error(worker, "FilesFailed")
    assert "part-0002.csv.gz (SourceCorruptError" in worker.output()
    assert 900 < case.view.record_count() < 3_900
    case.assert_prefix()


def test_f124_the_300th_of_400_files_is_a_truncated_gzip_and_all_others_are_loaded(
    recovery_case: NewCase,
) -> None:
    made = {f"part-{n:04}.csv.gz": b"id,text\n%d,a\n%d,b\n" % (n, -n) for n in range(400)}
    chance = random.Random(1)
    rows = (b"%d,%s\n" % (n, chance.randbytes(20).hex().encode()) for n in range(3_000))
    made["part-0299.csv.gz"] = b"id,text\n" + b"".join(rows)
    case = recovery_case(
        made, settings={"ORDER": "object", "LEASE_SECONDS": "2"}, checkpoint="sqlite"
    )
    key = f"{case.prefix}part-0299.csv.gz"
    stored = case.stack.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    case.stack.put_object(BUCKET, key, stored[: len(stored) // 2])
    workers = [case.start(pace_seconds=0.0) for _ in range(2)]
    for worker in workers:
        case.ends(worker, 1, timeout_seconds=180.0)
        case.assert_error(worker, "FilesFailed")
        assert "1 of 400 files" in worker.output()
        assert "part-0299.csv.gz (SourceCorruptError" in worker.output()
        assert "load a repaired copy alone, under another key" in worker.output()
    assert 798 < case.view.record_count() < 798 + 3_000
    case.assert_prefix()


def test_two_sets_in_one_topic_are_told_apart_whatever_is_killed(recovery_case: NewCase) -> None:
    first = set_case(recovery_case, exclusive=False)
    second = set_case(recovery_case, 500, 20, 800, 300, exclusive=False, topic=first.topic)
    first.kill_at(Step.BATCH_ACKNOWLEDGED, nth=3)
    second.kill_at(Step.FILE_COMPLETED)
    workers = [(case, case.start()) for case in (first, second, first, second)]
    for case, worker in workers:
        case.ends(worker)
    first.assert_once()
    second.assert_once()


# -- csvkafka load --workers -------------------------------------------------------------------

LOAD = ("-m", "csvkafka", "load", "--plain", "--workers", "3")


def many_files(recovery_case: NewCase) -> RecoveryCase:
    case = set_case(recovery_case, *([400] * 60), block_bytes=BLOCK_BYTES)
    assert case.row_count == 24_000
    return case


def start_load(case: RecoveryCase) -> Incarnation:
    environment = {**case.stack.environment(), **case.settings}
    parent = case.supervisor.start_python(LOAD, environment, cold=True)
    case.view.wait_for_records(2_000)
    assert parent.return_code is None, parent.output()
    return parent


def workers_of(parent: Incarnation) -> list[int]:
    """The processes that load; multiprocessing has another one of its own."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            stat, command = (place / "stat").read_text(), (place / "cmdline").read_text()
        except OSError:
            continue
        if int(stat.rpartition(")")[2].split()[1]) == parent.pid and "spawn_main" in command:
            found.append(int(place.name))
    return sorted(found)


def has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_f125_sigterm_stops_all_worker_processes_cleanly(recovery_case: NewCase) -> None:
    case = many_files(recovery_case)
    parent = start_load(case)
    workers = workers_of(parent)
    assert len(workers) == 3
    parent.send(signal.SIGTERM)
    case.ends(parent, 143)
    assert all(has_ended(pid) for pid in workers)
    case.assert_midway()
    case.assert_prefix()
    case.ends(case.supervisor.start_python(LOAD, {**case.stack.environment(), **case.settings}))
    case.assert_once()


def test_f125_the_workers_of_a_parent_that_was_killed_stop_and_nothing_is_lost(
    recovery_case: NewCase,
) -> None:
    case = many_files(recovery_case)
    parent = start_load(case)
    workers = workers_of(parent)
    assert parent.kill() == KILLED
    assert wait_until(lambda: all(has_ended(pid) for pid in workers), 120.0)
    case.assert_midway()
    case.run()
    case.assert_once()


def test_f125_worker_processes_that_are_killed_are_replaced_by_the_others(
    recovery_case: NewCase,
) -> None:
    case = many_files(recovery_case)
    parent = start_load(case)
    for pid in workers_of(parent)[:2]:
        os.kill(pid, signal.SIGKILL)
    case.ends(parent)
    assert parent.output().count("was ended by signal 9; the others go on") == 2
    case.assert_once()


def test_f125_a_load_whose_workers_were_all_killed_says_so(recovery_case: NewCase) -> None:
    case = many_files(recovery_case)
    parent = start_load(case)
    for pid in workers_of(parent):
        os.kill(pid, signal.SIGKILL)
    case.ends(parent, 1)
    refusal_in(WorkersEndedError, parent.output().splitlines()[-1])
    case.run()
    case.assert_once()
