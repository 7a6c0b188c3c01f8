"""Sets whose files are jobs of their own: workers that stand still for longer than their lease and
wake up late, many workers for one file, lists and settings that change between two workers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from csvkafka.model import Step
from csvkafka.testing.faults.proxy import Proxy
from csvkafka.testing.faults.proxy_faults import Direction, Drop
from csvkafka.testing.judging.recovery_case import BUCKET, RecoveryCase
from csvkafka.testing.processes.supervisor import Incarnation
from tests.recovery.test_set_workers import CHECKPOINTS, said_so, set_case
from tests.recovery.test_sets import files

NewCase = Callable[..., RecoveryCase]


@contextmanager
def paused_at(case: RecoveryCase, step: Step, nth: int = 1) -> Iterator[Incarnation]:
    worker = case.start_paused_at(step, nth=nth)
    try:
        yield worker
    finally:
        worker.resume()


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
@pytest.mark.parametrize(
    ("step", "nth"),
    [
        (Step.LEASE_TAKEN, 1),
        (Step.IDENTITY_OBTAINED, 1),
        (Step.BATCH_SENT, 2),
        (Step.BATCH_ACKNOWLEDGED, 2),
        (Step.CHECKPOINT_BEGINS, 1),
        (Step.FILE_COMPLETED, 1),
        (Step.FILE_MARKED, 1),
    ],
)
def test_f123_a_worker_that_wakes_when_the_set_is_complete_adds_nothing(
    recovery_case: NewCase, step: Step, nth: int, checkpoint: str
) -> None:
    case = set_case(recovery_case, 900, 300, 300, checkpoint=checkpoint)
    with paused_at(case, step, nth) as zombie:
        case.run()
        case.assert_once()
    case.ends(zombie)
    case.assert_once()
    assert not said_so([zombie])
    assert "complete already" in zombie.output()


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_f123_two_workers_that_have_loaded_all_say_so_once(
    recovery_case: NewCase, checkpoint: str
) -> None:
    case = set_case(recovery_case, 300, 300, checkpoint=checkpoint)
    with (
        paused_at(case, Step.FILES_COMPLETED) as first,
        paused_at(case, Step.FILES_COMPLETED) as second,
    ):
        pass
    for worker in (first, second):
        case.ends(worker)
    case.assert_once()
    assert said_so([first, second]) == 1


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_f120_many_workers_for_one_file_at_the_same_moment(
    recovery_case: NewCase, checkpoint: str
) -> None:
    case = set_case(recovery_case, 3_000, checkpoint=checkpoint)
    workers = [case.start() for _ in range(4)]
    owner = None
    while owner is None:
        found = [worker for worker in workers if worker.steps(Step.CHECKPOINT_STORED)]
        owner = found[0] if found else None
    owner.kill()
    workers.remove(owner)
    for worker in workers:
        case.ends(worker)
    case.assert_once()
    assert said_so(workers) == 1
    assert sum("part-0000.csv is loaded" in worker.output() for worker in workers) == 1


def test_f123_the_reply_that_the_set_is_complete_is_lost(
    recovery_case: NewCase, dynamodb_proxy: Proxy
) -> None:
    settings = {"AWS_ENDPOINT_URL_DYNAMODB": dynamodb_proxy.url}
    case = set_case(recovery_case, 300, 300, settings=settings, proxies=[dynamodb_proxy])
    with paused_at(case, Step.FILES_COMPLETED) as worker:
        lost = dynamodb_proxy.inject(Drop(Direction.TO_CLIENT))
        worker.resume()
        lost.wait_for_effect()
        lost.lift()
    case.ends(worker)
    case.assert_once()
    assert said_so([worker]) == 1


def test_f123_the_table_is_gone_for_longer_than_the_lease_between_two_files(
    recovery_case: NewCase, dynamodb_proxy: Proxy
) -> None:
    settings = {"AWS_ENDPOINT_URL_DYNAMODB": dynamodb_proxy.url}
    case = set_case(recovery_case, *([300] * 8), settings=settings, proxies=[dynamodb_proxy])
    with paused_at(case, Step.FILE_COMPLETED, 2) as worker:
        lost = dynamodb_proxy.inject(Drop(Direction.TO_CLIENT))
        worker.resume()
        lost.wait_for_effect()
        direct = {"AWS_ENDPOINT_URL_DYNAMODB": case.stack.aws_endpoint_url}
        case.run(settings=direct)
        lost.lift()
    case.ends(worker)
    case.assert_once()


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
@pytest.mark.parametrize("step", [Step.ITEM_CREATED, Step.BATCH_ACKNOWLEDGED, Step.FILE_MARKED])
def test_f123_another_order_is_refused_and_the_first_one_goes_on(
    recovery_case: NewCase, step: Step, checkpoint: str
) -> None:
    case = set_case(recovery_case, 600, 600, checkpoint=checkpoint)
    case.kill_at(step)
    case.refused("ConfigChanged", settings={"ORDER": "set"})
    case.run()
    case.assert_once()


@pytest.mark.parametrize("step", [Step.ITEM_CREATED, Step.BATCH_ACKNOWLEDGED])
def test_f123_a_set_that_was_begun_in_its_order_is_not_loaded_file_by_file(
    recovery_case: NewCase, step: Step
) -> None:
    case = recovery_case(files(600, 600), settings={"LEASE_SECONDS": "2"})
    case.kill_at(step)
    case.refused("ConfigChanged", settings={"ORDER": "object"})
    case.run()
    case.assert_once()


@pytest.mark.parametrize("order", ["set", "object"])
def test_f118_a_list_that_another_worker_froze_a_moment_before_is_the_jobs(
    recovery_case: NewCase, order: str
) -> None:
    case = set_case(recovery_case, 300, 300, settings={"ORDER": order})
    of_no_list = f"{case.prefix}part-0009.csv"
    case.put_file(of_no_list, case.files[f"{case.prefix}part-0000.csv"])
    with paused_at(case, Step.LIST_CHUNK_STORED) as early:
        case.stack.client("s3").delete_object(Bucket=BUCKET, Key=of_no_list)
        case.kill_at(Step.BATCH_SENT)
        case.put_file(of_no_list, b"id,else\n1,2\n")
    case.ends(early)
    assert f"{of_no_list}" in early.output()
    case.assert_once()


@pytest.mark.parametrize(("order", "rows"), [("set", 300), ("object", 600)])
def test_f118_an_object_that_goes_after_it_was_listed_is_named_when_it_is_read(
    recovery_case: NewCase, order: str, rows: int
) -> None:
    case = set_case(recovery_case, 300, 300, 300, settings={"ORDER": order})
    key = f"{case.prefix}part-0001.csv.gz"
    with paused_at(case, Step.LIST_CHUNK_STORED) as worker:
        case.stack.client("s3").delete_object(Bucket=BUCKET, Key=key)
    case.ends(worker, 1)
    assert key in worker.output().splitlines()[-1]
    case.assert_prefix()
    assert case.view.record_count() == rows
    case.put_file(key, case.files[key])
    case.run()
    case.assert_once()


def test_f124_a_file_that_failed_here_and_was_loaded_by_a_later_worker_is_loaded(
    recovery_case: NewCase,
) -> None:
    large = random.Random(1).randbytes(1_500_000).hex().encode()
    made = {
        "part-0000.csv": b"id,text\n1,a\n2,b\n",
        "part-0001.csv": b"id,text\n1," + large + b"\n",
    }
    case = recovery_case(
        made,
        settings={"ORDER": "object", "LEASE_SECONDS": "2"},
        topic_config={"max.message.bytes": "4000000"},
    )
    case.settings["MAX_RECORD_BYTES"] = "1100000"
    with paused_at(case, Step.FILE_FAILED) as first:
        case.settings["MAX_RECORD_BYTES"] = "3000000"
        case.run()
        case.assert_once()
    case.ends(first)
    assert len(first.steps(Step.FILE_FAILED)) == 1
    assert "complete already" in first.output()
