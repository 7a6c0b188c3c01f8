"""Two workers of one job: hot standby, zombies, and leases that end in every way."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from signal import SIGSTOP

import pytest

from csvkafka.model import Step
from csvkafka.testing.faults.crash_point import CrashPoint
from csvkafka.testing.faults.proxy import Proxy
from csvkafka.testing.faults.proxy_faults import Cut
from csvkafka.testing.judging.recovery_case import RecoveryCase
from csvkafka.testing.processes.supervisor import Incarnation

NewCase = Callable[..., RecoveryCase]

SHORT_LEASE = {"LEASE_SECONDS": "1"}

on_each_checkpoint = pytest.mark.parametrize("checkpoint", ["dynamodb", "sqlite"])


def stopped_midway(case: RecoveryCase, step: Step = Step.BATCH_SENT) -> Incarnation:
    """A worker that has stopped itself in the middle, with a batch just handed to the sink."""
    zombie = case.start_paused_at(step, from_rows=case.row_count // 2)
    case.assert_midway()
    return zombie


@on_each_checkpoint
def test_f20_a_zombie_wakes_while_the_second_sends(recovery_case: NewCase, checkpoint: str) -> None:
    case = recovery_case(checkpoint=checkpoint, settings=SHORT_LEASE)
    zombie = stopped_midway(case)
    second = case.start(CrashPoint(Step.BATCH_ACKNOWLEDGED, nth=3, signal=SIGSTOP))
    second.wait_for_step(Step.LEASE_WAITED)
    second.wait_for_step(Step.BATCH_ACKNOWLEDGED, nth=3)
    zombie.resume()
    case.ends(zombie, 1)
    case.assert_error(zombie, "Fenced")
    second.resume()
    case.ends(second)
    case.assert_once()


def test_f21_a_zombie_wakes_after_the_second_has_completed(recovery_case: NewCase) -> None:
    case = recovery_case(settings=SHORT_LEASE)
    zombie = stopped_midway(case)
    case.run()
    item = case.item()
    zombie.resume()
    case.ends(zombie, 1)
    case.assert_error(zombie, "Fenced")
    assert case.item() == item
    case.assert_once()


@on_each_checkpoint
def test_f23_two_workers_start_at_once(recovery_case: NewCase, checkpoint: str) -> None:
    case = recovery_case(checkpoint=checkpoint, settings=SHORT_LEASE)
    both = [case.start(), case.start()]
    for worker in both:
        case.ends(worker)
    senders = [worker for worker in both if worker.steps(Step.BATCH_SENT)]
    assert len(senders) == 1
    (idle,) = (worker for worker in both if worker not in senders)
    assert "is complete already" in idle.output()
    case.assert_once()


def test_f23_two_workers_meet_a_dead_owners_lease(recovery_case: NewCase) -> None:
    case = recovery_case(settings=SHORT_LEASE)
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 2)
    case.assert_midway()
    both = [case.start(), case.start()]
    for worker in both:
        case.ends(worker)
    assert sum(bool(worker.steps(Step.BATCH_SENT)) for worker in both) == 1
    case.assert_once()


def test_f23_a_hot_standby_takes_over_when_the_owner_dies(recovery_case: NewCase) -> None:
    case = recovery_case(settings={"LEASE_SECONDS": "5"})
    owner = case.start(CrashPoint(Step.BATCH_ACKNOWLEDGED, from_rows=1000, signal=SIGSTOP))
    owner.wait_for_step(Step.BATCH_ACKNOWLEDGED, from_rows=1000)
    standby = case.start()
    standby.wait_for_step(Step.LEASE_WAITED)
    assert "waiting until it ends or vanishes" in standby.output()
    owner.kill()
    case.assert_midway()
    case.ends(standby)
    case.assert_once()


def test_f24_an_owner_cut_off_from_its_table_pauses_and_is_fenced(
    recovery_case: NewCase, dynamodb_proxy: Proxy
) -> None:
    case = recovery_case(settings=SHORT_LEASE)
    through_proxy = {"AWS_ENDPOINT_URL_DYNAMODB": dynamodb_proxy.url}
    owner = case.start(settings=through_proxy, pace_seconds=0.1)
    owner.wait_for_step(Step.CHECKPOINT_STORED)
    cut = dynamodb_proxy.inject(Cut())
    dynamodb_proxy.reset_connections()
    owner.wait_for_step(Step.SENDING_PAUSED)
    case.assert_midway()
    case.run()
    cut.lift()
    case.ends(owner, 1)
    case.assert_error(owner, "Fenced")
    case.assert_once()


def test_f25_a_dead_owners_process_number_belongs_to_another_now(recovery_case: NewCase) -> None:
    case = recovery_case(settings={"LEASE_SECONDS": "60"})
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 2)
    case.assert_midway()
    host, boot, namespace, _, started, chance = (case.item() or {})["lease_owner"].split("/")
    owner = "/".join((host, boot, namespace, str(os.getpid()), started, chance))
    case.change_item({"lease_owner": {"S": owner}})
    begun_at = time.monotonic()
    resumed = case.run()
    assert time.monotonic() - begun_at < 30
    assert not resumed.steps(Step.LEASE_WAITED)
    case.assert_once()
