"""Faults between the worker and Kafka, by a proxy before the broker."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from csvkafka.model import Step
from csvkafka.testing.faults.proxy import Proxy
from csvkafka.testing.faults.proxy_faults import (
    Delay,
    Direction,
    Drop,
    FlipByte,
    Hold,
    ResetAfter,
    Throttle,
)
from csvkafka.testing.inputs.csv_files import CsvSpec
from csvkafka.testing.judging.recovery_case import RecoveryCase
from csvkafka.testing.processes.supervisor import Incarnation

NewCase = Callable[..., RecoveryCase]

REQUEST_BYTES = 1_000
"""Every produce request of these files is larger, every other request smaller."""


@pytest.fixture
def case(recovery_case: NewCase, kafka_proxy: Proxy) -> RecoveryCase:
    return recovery_case(
        settings={"KAFKA_BOOTSTRAP_SERVERS": kafka_proxy.address, "KAFKA_COMPRESSION_TYPE": "none"},
        kafka_limits={"request_timeout_ms": 2_000},
        proxies=[kafka_proxy],
    )


def midway(case: RecoveryCase) -> Incarnation:
    """A worker that has stopped itself in the middle; `resume` lets it go on."""
    return case.start_paused_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 3)


def test_f12_a_batch_held_until_the_next_incarnation_has_sent_it(
    case: RecoveryCase, kafka_proxy: Proxy
) -> None:
    worker = midway(case)
    held = kafka_proxy.inject(Hold(Direction.TO_SERVER, REQUEST_BYTES))
    worker.resume()
    held.wait_for_effect()
    worker.kill()
    case.assert_midway()
    # Not through the proxy: the held batch comes when the new incarnation has sent its own.
    direct = {"KAFKA_BOOTSTRAP_SERVERS": case.stack.bootstrap_servers}
    resumed = case.start_paused_at(Step.BATCH_ACKNOWLEDGED, nth=3, settings=direct)
    case.assert_midway()
    held.lift()
    kafka_proxy.wait_until_idle()
    resumed.resume()
    case.ends(resumed)
    case.assert_once()


def test_f12_a_batch_held_until_after_the_next_tail_scan(
    case: RecoveryCase, kafka_proxy: Proxy
) -> None:
    worker = midway(case)
    held = kafka_proxy.inject(Hold(Direction.TO_SERVER, REQUEST_BYTES))
    worker.resume()
    held.wait_for_effect()
    worker.kill()
    case.assert_midway()
    before = case.view.record_count()
    direct = {"KAFKA_BOOTSTRAP_SERVERS": case.stack.bootstrap_servers}
    resumed = case.start_paused_at(Step.TAIL_SCANNED, settings=direct)
    held.lift()
    kafka_proxy.wait_until_idle()
    assert case.view.record_count() > before
    resumed.resume()
    case.ends(resumed)
    case.assert_once()


def sends_again_after(case: RecoveryCase, kafka_proxy: Proxy, fault: Drop | FlipByte) -> None:
    """The fault strikes three times in the middle; the worker sends again, and each row is there
    once."""
    worker = midway(case)
    injected = kafka_proxy.inject(fault)
    worker.resume()
    injected.wait_for_effect(3)
    case.ends(worker)
    assert "Sending again" in worker.output()
    case.assert_once()


def test_f40_a_produce_request_is_lost(case: RecoveryCase, kafka_proxy: Proxy) -> None:
    sends_again_after(
        case, kafka_proxy, Drop(Direction.TO_SERVER, count=3, min_bytes=REQUEST_BYTES)
    )


def test_f40_a_response_is_lost(case: RecoveryCase, kafka_proxy: Proxy) -> None:
    sends_again_after(case, kafka_proxy, Drop(Direction.TO_CLIENT, count=3))


def test_f41_a_response_is_held_past_the_request_timeout(
    case: RecoveryCase, kafka_proxy: Proxy
) -> None:
    worker = midway(case)
    held = kafka_proxy.inject(Hold(Direction.TO_CLIENT))
    worker.resume()
    worker.wait_until(lambda: "Sending again" in worker.output(), "send again", 120)
    kafka_proxy.reset_connections()
    held.lift()
    case.ends(worker)
    case.assert_once()


def test_f41_connections_are_reset_again_and_again(case: RecoveryCase, kafka_proxy: Proxy) -> None:
    resets = kafka_proxy.inject(ResetAfter(Direction.TO_SERVER, 100_000))
    worker = case.run(pace_seconds=case.pace_seconds)
    assert resets.times > 2
    assert "Sending again" in worker.output()
    case.assert_once()


def test_f42_a_slow_line(recovery_case: NewCase, kafka_proxy: Proxy) -> None:
    case = recovery_case(
        CsvSpec(row_count=600),
        settings={
            "KAFKA_BOOTSTRAP_SERVERS": kafka_proxy.address,
            "WATCHDOG_SECONDS": "5",
        },
        proxies=[kafka_proxy],
    )
    slow = [
        kafka_proxy.inject(Delay(Direction.TO_SERVER, 0.25)),
        kafka_proxy.inject(Delay(Direction.TO_CLIENT, 0.25)),
        kafka_proxy.inject(Throttle(Direction.TO_SERVER, 10_000)),
    ]
    case.run()
    assert all(fault.times for fault in slow)
    case.assert_once()


def test_f43_a_byte_of_a_produce_request_is_flipped(case: RecoveryCase, kafka_proxy: Proxy) -> None:
    sends_again_after(case, kafka_proxy, FlipByte(Direction.TO_SERVER, count=3))


def test_f43_a_byte_of_the_tail_scans_answer_is_flipped(
    case: RecoveryCase, kafka_proxy: Proxy
) -> None:
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 2)
    case.assert_midway()
    flipped = kafka_proxy.inject(FlipByte(Direction.TO_CLIENT))
    worker = case.run()
    assert flipped.times == 1
    assert "came damaged" in worker.output()
    case.assert_once()
