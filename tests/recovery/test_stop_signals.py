"""SIGTERM and SIGINT: the worker stores what was acknowledged, releases the lease, and says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from signal import SIGINT, SIGTERM, Signals

import pytest

from csvkafka.model import Step
from csvkafka.testing.faults.crash_point import CrashPoint
from csvkafka.testing.faults.proxy import Proxy
from csvkafka.testing.faults.proxy_faults import Cut, Direction, Hold
from csvkafka.testing.judging.recovery_case import RecoveryCase

NewCase = Callable[..., RecoveryCase]


@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
@pytest.mark.parametrize("step", [Step.ITEM_CREATED, Step.TAIL_SCAN_BEGINS, Step.BATCH_SENT])
def test_f13_stopped_by_a_signal(recovery_case: NewCase, step: Step, number: Signals) -> None:
    case = recovery_case()
    from_rows = case.row_count // 2 if step is Step.BATCH_SENT else 0
    worker = case.start(CrashPoint(step, from_rows=from_rows, signal=number))
    case.ends(worker, 128 + number)
    if from_rows:
        case.assert_midway()
    case.assert_stopped(worker, "Stopped")
    resumed = case.run()
    assert not resumed.steps(Step.LEASE_WAITED)
    case.assert_once()


def test_f14_stopped_in_time_without_acknowledgements(
    recovery_case: NewCase, kafka_proxy: Proxy
) -> None:
    case = recovery_case(
        settings={"KAFKA_BOOTSTRAP_SERVERS": kafka_proxy.address}, proxies=[kafka_proxy]
    )
    worker = case.start_paused_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 3)
    held = kafka_proxy.inject(Hold(Direction.TO_CLIENT))
    worker.resume()
    held.wait_for_effect()
    worker.send(SIGTERM)
    begun_at = time.monotonic()
    case.ends(worker, 143)
    assert time.monotonic() - begun_at < 20
    held.lift()
    case.assert_midway()
    case.assert_stopped(worker, "Stopped")
    case.run()
    case.assert_once()


@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
def test_f15_a_second_signal_ends_it_at_once(
    recovery_case: NewCase, dynamodb_proxy: Proxy, number: Signals
) -> None:
    case = recovery_case(
        settings={"AWS_ENDPOINT_URL_DYNAMODB": dynamodb_proxy.url}, proxies=[dynamodb_proxy]
    )
    worker = case.start_paused_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 3)
    held = dynamodb_proxy.inject(Hold(Direction.TO_SERVER))
    worker.send(number)
    worker.resume()
    held.wait_for_effect()
    worker.send(number)
    begun_at = time.monotonic()
    case.ends(worker, 128 + number)
    assert time.monotonic() - begun_at < 2
    assert "lease_owner" in (case.item() or {})
    held.lift()
    case.assert_midway()
    case.run()
    case.assert_once()


def test_f16_stopped_while_dynamodb_is_unreachable(
    recovery_case: NewCase, dynamodb_proxy: Proxy
) -> None:
    case = recovery_case(
        settings={"AWS_ENDPOINT_URL_DYNAMODB": dynamodb_proxy.url}, proxies=[dynamodb_proxy]
    )
    worker = case.start_paused_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 3)
    cut = dynamodb_proxy.inject(Cut())
    dynamodb_proxy.reset_connections()
    worker.send(SIGTERM)
    worker.resume()
    begun_at = time.monotonic()
    case.ends(worker, 1)
    assert time.monotonic() - begun_at < 20
    case.assert_error(worker, "CheckpointUnavailable")
    cut.lift()
    case.assert_midway()
    case.assert_prefix()
    case.run()
    case.assert_once()
