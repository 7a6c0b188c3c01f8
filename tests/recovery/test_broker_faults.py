"""The one broker is killed, restarted and paused while the same worker goes on."""

from __future__ import annotations

from collections.abc import Callable
from signal import SIGSTOP

import pytest

from csvkafka.local.base import Stack
from csvkafka.local.broker import Broker
from csvkafka.local.ports import LOOPBACK, ReservedPort
from csvkafka.model import Step
from csvkafka.testing.faults.crash_point import CrashPoint
from csvkafka.testing.judging.recovery_case import RecoveryCase
from csvkafka.testing.processes.supervisor import Incarnation

NewCase = Callable[..., RecoveryCase]


@pytest.fixture
def broker(harmed_stack: Stack) -> Broker:
    return harmed_stack.brokers[0]


def midway(case: RecoveryCase) -> Incarnation:
    """A worker that has stopped itself in the middle, with batches on their way."""
    worker = case.start_paused_at(Step.BATCH_SENT, from_rows=case.row_count // 3)
    case.assert_midway()
    return worker


def test_f28_broker_killed_and_started_again(
    recovery_case: NewCase, harmed_stack: Stack, broker: Broker
) -> None:
    case = recovery_case(stack=harmed_stack)
    worker = midway(case)
    broker.kill()
    worker.resume()
    broker.start()
    case.ends(worker)
    case.assert_once()
    assert "Sending again" in worker.output()


def test_f29_broker_restarted_in_three_places(
    recovery_case: NewCase, harmed_stack: Stack, broker: Broker
) -> None:
    case = recovery_case(stack=harmed_stack)
    places = (Step.LEASE_TAKEN, Step.TAIL_SCAN_BEGINS, Step.CHECKPOINT_BEGINS)
    worker = case.start(*(CrashPoint(step, signal=SIGSTOP) for step in places))
    for step in places:
        worker.wait_for_step(step)
        broker.terminate()
        worker.resume()
        broker.start()
    case.ends(worker)
    case.assert_once()


def test_f12_broker_paused_with_a_batch_in_its_socket_across_a_kill(
    recovery_case: NewCase, harmed_stack: Stack, broker: Broker
) -> None:
    case = recovery_case(stack=harmed_stack)
    worker = midway(case)
    answered = len(worker.steps(Step.BATCH_ACKNOWLEDGED))
    broker.pause()
    worker.resume()
    # Of the five at most that were on their way some are answered; the others never.
    worker.wait_for_step(Step.BATCH_SENT, nth=answered + 5)
    worker.kill()
    resumed = case.start()
    broker.resume()
    case.ends(resumed)
    case.assert_once()


def test_f39_broker_paused_past_the_request_timeout(
    recovery_case: NewCase, harmed_stack: Stack, broker: Broker
) -> None:
    case = recovery_case(
        stack=harmed_stack, kafka_limits={"request_timeout_ms": 1_000, "setup_timeout_ms": 1_000}
    )
    worker = midway(case)
    broker.pause()
    worker.resume()
    try:
        worker.wait_until(
            lambda: worker.output().count("Sending again") > 1, "send again", timeout_seconds=120
        )
    finally:
        broker.resume()
    case.ends(worker)
    case.assert_once()


def test_f39_broker_paused_past_the_watchdog(
    recovery_case: NewCase, harmed_stack: Stack, broker: Broker
) -> None:
    case = recovery_case(stack=harmed_stack, settings={"WATCHDOG_SECONDS": "2"})
    worker = midway(case)
    broker.pause()
    worker.resume()
    try:
        case.ends(worker, 1)
    finally:
        broker.resume()
    case.assert_midway()
    case.assert_stopped(worker, "Delivery")
    case.run()
    case.assert_once()


def test_f44_no_broker_at_the_start(recovery_case: NewCase) -> None:
    nobody = ReservedPort()
    limits = {"connect_timeout_ms": 2_000}
    case = recovery_case(kafka_limits=limits)
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 2)
    for server in (f"{LOOPBACK}:{nobody.number}", "no-such-host.invalid:9092"):
        case.refused("SinkUnavailable", settings={"KAFKA_BOOTSTRAP_SERVERS": server})
    case.run()
    case.assert_once()
