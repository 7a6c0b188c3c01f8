"""SIGKILL at each step that the pipeline reports: first, middle and last occurrence."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from csvkafka.model import Step
from csvkafka.testing.judging.recovery_case import RecoveryCase

NewCase = Callable[..., RecoveryCase]


@pytest.fixture(params=["dynamodb", "sqlite"])
def new_case(recovery_case: NewCase, request: pytest.FixtureRequest) -> NewCase:
    """Loads with each kind of checkpoint."""
    return partial(recovery_case, checkpoint=request.param)


SLOW_PACE_SECONDS = 0.1
"""60 blocks take 6 s: the first checkpoint is stored before the last of them, however slow a disk
is that takes it."""

REPEATED_STEPS = (
    Step.BLOCK_TAKEN,
    Step.BATCH_SENT,
    Step.BATCH_ACKNOWLEDGED,
    Step.BLOCK_ACKNOWLEDGED,
    Step.CHECKPOINT_BEGINS,
    Step.CHECKPOINT_STORED,
)


@pytest.mark.parametrize("step", REPEATED_STEPS)
def test_killed_at_the_first_occurrence(new_case: NewCase, step: Step) -> None:
    case = new_case(pace_seconds=SLOW_PACE_SECONDS)
    case.kill_at(step)
    assert case.view.record_count() < case.row_count
    case.run()
    case.assert_once()


@pytest.mark.parametrize("step", REPEATED_STEPS)
def test_killed_at_a_middle_occurrence(new_case: NewCase, step: Step) -> None:
    case = new_case()
    # Checkpoints are few: the first that covers anything is in the middle already.
    from_rows = 1 if "checkpoint" in step else case.row_count // 2
    worker = case.kill_at(step, from_rows=from_rows)
    assert 0 < worker.steps(step)[-1].reached < case.row_count
    case.run()
    case.assert_once()


@pytest.mark.parametrize("step", REPEATED_STEPS)
def test_killed_at_the_last_occurrence(new_case: NewCase, step: Step) -> None:
    case = new_case()
    worker = case.kill_at(step, from_rows=case.row_count)
    assert worker.steps(step)[-1].reached == case.row_count
    case.run()
    case.assert_once()


def test_f1_killed_before_the_item_exists(new_case: NewCase) -> None:
    case = new_case()
    case.kill_at(Step.RUN_BEGINS)
    assert case.item() is None
    case.run()
    case.assert_once()


def test_f1_killed_after_the_items_creation(new_case: NewCase) -> None:
    case = new_case()
    case.kill_at(Step.ITEM_CREATED)
    item = case.item()
    assert item is not None
    assert (item["last_line"], item["fencing_token"]) == (0, 0)
    case.run()
    case.assert_once()


@pytest.mark.parametrize("step", [Step.LEASE_TAKEN, Step.IDENTITY_OBTAINED])
def test_f2_killed_before_the_producer_id_is_stored(new_case: NewCase, step: Step) -> None:
    case = new_case()
    case.kill_at(step)
    assert "producer_id" not in (case.item() or {})
    case.run()
    case.assert_once()


@pytest.mark.parametrize("step", [Step.IDENTITY_STORED, Step.TAIL_SCAN_BEGINS, Step.SOURCE_OPENED])
def test_f3_killed_before_the_first_batch(new_case: NewCase, step: Step) -> None:
    case = new_case()
    case.kill_at(step)
    item = case.item()
    assert item is not None
    assert case.view.record_count() == 0
    case.run()
    case.assert_once()
    assert (case.item() or {})["producer_id"] == item["producer_id"]


@pytest.mark.parametrize("cold", [False, True], ids=["forked", "started-anew"])
def test_f4_killed_with_a_batch_in_the_socket(new_case: NewCase, cold: bool) -> None:
    case = new_case(cold=cold)
    case.kill_at(Step.BATCH_SENT, from_rows=case.row_count // 2)
    case.assert_midway()
    producer_id = (case.item() or {})["producer_id"]
    case.run()
    case.assert_once()
    assert (case.item() or {})["producer_id"] == producer_id


def test_f5_what_was_acknowledged_is_found_and_not_sent_again(new_case: NewCase) -> None:
    case = new_case()
    case.kill_at(Step.CHECKPOINT_BEGINS)
    case.assert_midway()
    before = case.view.record_count()
    resumed = case.run()
    case.assert_once()
    sent = sum(line.facts["records"] for line in resumed.steps(Step.BATCH_SENT))
    assert sent == case.row_count - before


@pytest.mark.parametrize(
    "step", [Step.TAIL_SCAN_BEGINS, Step.TAIL_SCANNED, Step.SOURCE_OPENED, Step.BLOCK_TAKEN]
)
def test_f8_killed_again_while_it_recovers(new_case: NewCase, step: Step) -> None:
    case = new_case()
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 2)
    case.assert_midway()
    before = case.item() or {}
    case.kill_at(step)
    after = case.item() or {}
    assert after["last_line"] == before["last_line"]
    assert after["fencing_token"] == before["fencing_token"] + 1
    case.run()
    case.assert_once()


def test_f9_killed_before_the_final_write(new_case: NewCase) -> None:
    case = new_case()
    case.kill_at(Step.ALL_ACKNOWLEDGED)
    assert case.view.record_count() == case.row_count
    assert (case.item() or {})["status"] == "IN_PROGRESS"
    resumed = case.run()
    assert not resumed.steps(Step.BATCH_SENT)
    case.assert_once()


def test_f10_killed_after_the_final_write_then_run_again(new_case: NewCase) -> None:
    case = new_case()
    case.kill_at(Step.COMPLETED)
    item = case.item()
    again = case.run()
    assert "is complete already" in again.output()
    assert case.item() == item
    assert not again.steps(Step.LEASE_TAKEN)
    case.assert_once()
