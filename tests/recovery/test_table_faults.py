"""Faults of DynamoDB, by a proxy before it; and what a damaged or foreign item does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from csvkafka.model import Step
from csvkafka.testing.faults.crash_point import CrashPoint
from csvkafka.testing.faults.proxy import Proxy
from csvkafka.testing.faults.proxy_faults import Cut, Direction, Drop, Hold
from csvkafka.testing.judging.recovery_case import TABLE, RecoveryCase
from csvkafka.testing.processes.supervisor import Incarnation

pytestmark = pytest.mark.stack_dependent

NewCase = Callable[..., RecoveryCase]


@pytest.fixture
def case(recovery_case: NewCase, dynamodb_proxy: Proxy) -> RecoveryCase:
    return recovery_case(
        settings={"AWS_ENDPOINT_URL_DYNAMODB": dynamodb_proxy.url}, proxies=[dynamodb_proxy]
    )


def midway(case: RecoveryCase) -> Incarnation:
    """A worker that has stopped itself in the middle; `resume` lets it go on."""
    return case.start_paused_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 3)


def key_of(case: RecoveryCase) -> dict[str, Any]:
    return {"TableName": TABLE, "Key": {"job_id": {"S": case.job_id}}}


def killed_midway(recovery_case: NewCase) -> RecoveryCase:
    case = recovery_case()
    case.kill_at(Step.CHECKPOINT_STORED)
    case.assert_midway()
    return case


def test_f7_killed_with_a_checkpoint_applied_and_its_reply_unread(
    case: RecoveryCase, dynamodb_proxy: Proxy
) -> None:
    worker = case.start_paused_at(Step.CHECKPOINT_BEGINS)
    held = dynamodb_proxy.inject(Hold(Direction.TO_CLIENT))
    worker.resume()
    held.wait_for_effect()
    worker.kill()
    held.lift()
    assert not worker.steps(Step.CHECKPOINT_STORED)
    assert (case.item() or {})["checkpoint_number"] == 1
    case.assert_midway()
    case.run()
    case.assert_once()


def test_f7_a_checkpoint_of_a_dead_worker_arrives_after_its_successor_began(
    case: RecoveryCase, dynamodb_proxy: Proxy
) -> None:
    worker = case.start_paused_at(Step.CHECKPOINT_BEGINS)
    held = dynamodb_proxy.inject(Hold(Direction.TO_SERVER))
    worker.resume()
    held.wait_for_effect()
    worker.kill()
    assert (case.item() or {})["checkpoint_number"] == 0
    case.assert_midway()
    direct = {"AWS_ENDPOINT_URL_DYNAMODB": case.stack.aws_endpoint_url}
    resumed = case.start_paused_at(Step.CHECKPOINT_STORED, settings=direct)
    before = case.item()
    held.lift()
    dynamodb_proxy.wait_until_idle()
    assert case.item() == before
    resumed.resume()
    case.ends(resumed)
    case.assert_once()


@pytest.mark.parametrize(
    "step", [Step.RUN_BEGINS, Step.ITEM_CREATED, Step.IDENTITY_OBTAINED, Step.ALL_ACKNOWLEDGED]
)
def test_f70_a_write_is_applied_and_its_reply_lost(
    case: RecoveryCase, dynamodb_proxy: Proxy, step: Step
) -> None:
    worker = case.start_paused_at(step)
    # At the start of a run the item is read first: that reply may be lost as well.
    count = 2 if step is Step.RUN_BEGINS else 1
    lost = dynamodb_proxy.inject(Drop(Direction.TO_CLIENT, count=count))
    worker.resume()
    lost.wait_for_effect(count)
    case.ends(worker)
    case.assert_once()


def test_f70_replies_of_checkpoints_are_lost(case: RecoveryCase, dynamodb_proxy: Proxy) -> None:
    worker = midway(case)
    lost = dynamodb_proxy.inject(Drop(Direction.TO_CLIENT, count=3))
    worker.resume()
    lost.wait_for_effect(3)
    case.ends(worker)
    case.assert_once()


def test_f72_dynamodb_unreachable_at_the_start(case: RecoveryCase, dynamodb_proxy: Proxy) -> None:
    direct = {"AWS_ENDPOINT_URL_DYNAMODB": case.stack.aws_endpoint_url}
    case.ends(case.start(CrashPoint(Step.CHECKPOINT_STORED), settings=direct), exit_code=-9)
    case.assert_midway()
    cut = dynamodb_proxy.inject(Cut())
    case.refused("CheckpointUnavailable")
    cut.lift()
    case.run()
    case.assert_once()


def test_f72_table_missing_at_the_start(recovery_case: NewCase) -> None:
    case = killed_midway(recovery_case)
    worker = case.refused("Checkpoint", settings={"DYNAMODB_TABLE": "no-such-table"})
    assert "CREATE_TABLE=true" in worker.output()
    case.run()
    case.assert_once()


def test_f73_dynamodb_unreachable_while_running(case: RecoveryCase, dynamodb_proxy: Proxy) -> None:
    case.settings["LEASE_SECONDS"] = "1"
    case.pace_seconds = 0.1
    worker = midway(case)
    cut = dynamodb_proxy.inject(Cut())
    dynamodb_proxy.reset_connections()
    worker.resume()
    worker.wait_for_step(Step.SENDING_PAUSED)
    case.assert_midway()
    cut.lift()
    case.ends(worker)
    assert "the lease had run out, and was renewed" in worker.output()
    case.assert_once()


def test_f75_item_deleted_while_running(recovery_case: NewCase) -> None:
    case = recovery_case()
    worker = case.start_paused_at(Step.CHECKPOINT_STORED)
    case.assert_midway()
    case.stack.client("dynamodb").delete_item(**key_of(case))
    worker.resume()
    case.ends(worker, 1)
    assert "was deleted" in worker.output()
    assert case.item() is None


def test_f76_item_restored_from_a_backup(recovery_case: NewCase) -> None:
    case = recovery_case()
    case.kill_at(Step.IDENTITY_STORED)
    backup = case.stored_item()
    case.kill_at(Step.CHECKPOINT_STORED)
    case.assert_midway()
    case.restore_item(backup)
    case.run()
    case.assert_once()


HUGE = {"N": str(1 << 50)}


DAMAGES: tuple[dict[str, dict[str, str] | None], ...] = (
    {"byte_offset": None},
    {"partitions": None},
    {"source": None},
    {"byte_offset": HUGE},
    {"schema_version": HUGE},
)


def test_f77_a_damaged_item_is_refused(recovery_case: NewCase) -> None:
    case = killed_midway(recovery_case)
    backup = case.stored_item()
    for damage in DAMAGES:
        case.change_item(damage)
        case.refused("ItemUnusable")
        case.restore_item(backup)
    case.run()
    case.assert_once()


def test_f78_an_item_of_another_implementation_is_adopted(recovery_case: NewCase) -> None:
    case = killed_midway(recovery_case)
    item = case.item() or {}
    documented = {
        "job_id": {"S": case.job_id},
        "last_line": {"N": str(item["last_line"])},
        "total_sent": {"N": str(item["total_sent"])},
        "timestamp": {"N": str(int(time.time()))},
        "status": {"S": "IN_PROGRESS"},
    }
    case.restore_item(documented)
    worker = case.run()
    assert "was begun by another program" in worker.output()
    case.assert_once()


def test_f79_an_item_copied_to_another_job_is_refused(recovery_case: NewCase) -> None:
    case = killed_midway(recovery_case)
    copied = case.stored_item() | {"job_id": {"S": f"{case.job_id}-2"}}
    case.stack.client("dynamodb").put_item(TableName=TABLE, Item=copied)
    worker = case.refused("ConfigChanged", settings={"JOB_ID": f"{case.job_id}-2"})
    assert "JOB_ID" in worker.output()
    case.run()
    case.assert_once()


OTHER_SETTINGS = (
    ("CSV_DELIMITER", ";"),
    ("CSV_QUOTECHAR", "'"),
    ("KEY_COLUMN", "key"),
    ("ON_BAD_ROW", "keep"),
)


def test_f80_other_settings_than_the_jobs_are_refused(recovery_case: NewCase) -> None:
    case = killed_midway(recovery_case)
    for variable, value in OTHER_SETTINGS:
        worker = case.refused("ConfigChanged", settings={variable: value})
        assert variable in worker.output()
    case.run()
    case.assert_once()
