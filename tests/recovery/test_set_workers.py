"""Sets whose files are jobs of their own: any number of workers, killed among each other, around the
end of a file and of the set; owners that vanish; files that fail."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from csvkafka.model import Step
from csvkafka.testing.judging.recovery_case import KILLED, RecoveryCase
from csvkafka.testing.processes.supervisor import Incarnation
from tests.recovery.test_sets import SIZES, files

NewCase = Callable[..., RecoveryCase]

CHECKPOINTS = ("dynamodb", "sqlite")

WORKERS = 4


def set_case(recovery_case: NewCase, *row_counts: int, **options: object) -> RecoveryCase:
    more = options.pop("settings", {})
    settings = {"ORDER": "object", "LEASE_SECONDS": "2"} | dict(more)  # type: ignore[call-overload]
    return recovery_case(files(*(row_counts or SIZES)), settings=settings, **options)


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
    chance = random.Random(seed)
    sizes = [chance.choice((0, 1, 5, 40, 200, 700, 1_500)) for _ in range(12 + 10 * kills)]
    case = set_case(
        recovery_case,
        *sizes,
        partitions=1 if key is None else 3,
        settings={} if key is None else {"KEY_COLUMN": key},
        checkpoint=checkpoint,
    )
    workers = [case.start(pace_seconds=0.06) for _ in range(WORKERS)]
    killed = 0
    while killed < kills:
        time.sleep(chance.uniform(0.1, 1.0))
        number = chance.randrange(WORKERS)
        if workers[number].return_code is not None:
            break
        assert workers[number].kill() == KILLED
        killed += 1
        workers[number] = case.start(pace_seconds=0.06)
    assert killed, "the load ended before its first kill"
    for worker in workers:
        case.ends(worker)
    case.assert_once()


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
