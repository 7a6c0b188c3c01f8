"""The judging can fail: planted bugs are seen, each by its own name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from csvkafka.errors import StackError
from csvkafka.model import Step
from csvkafka.testing.checker.verdict import AnomalyKind, Verdict
from csvkafka.testing.faults.faulty_s3 import FakeS3
from csvkafka.testing.faults.proxy import Proxy
from csvkafka.testing.faults.proxy_faults import Direction, Hold, ResetAfter
from csvkafka.testing.judging.recovery_case import BUCKET, RecoveryCase

NewCase = Callable[..., RecoveryCase]


def broken(bug: str) -> tuple[str, ...]:
    """What Python runs for a worker with that bug."""
    return (str(Path(__file__).with_name("broken_worker.py")), bug)


def anomalies(verdict: Verdict) -> dict[AnomalyKind, int]:
    return {anomaly.kind: anomaly.count for anomaly in verdict.anomalies}


def test_a_new_producer_id_on_resume_is_seen_as_duplicate_rows(recovery_case: NewCase) -> None:
    never = {"CHECKPOINT_INTERVAL": "1000000"}
    case = recovery_case(program=broken("new-producer-id"), settings=never)
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 2)
    case.assert_midway()
    repeated = case.view.record_count()
    case.run()
    assert anomalies(case.verdict()) == {AnomalyKind.DUPLICATE_ROW: repeated}
    with pytest.raises(AssertionError, match="duplicate-row"):
        case.assert_once()


def test_a_checkpoint_before_the_acknowledgement_is_seen_as_ahead(
    recovery_case: NewCase, kafka_proxy: Proxy
) -> None:
    case = recovery_case(
        program=broken("early-checkpoint"),
        settings={"KAFKA_BOOTSTRAP_SERVERS": kafka_proxy.address},
        proxies=[kafka_proxy],
    )
    worker = case.start_paused_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 4)
    kafka_proxy.inject(Hold(Direction.TO_SERVER))
    worker.resume()
    case.view.wait_for(lambda view: view.last_line() > view.record_count(), "a bold checkpoint")
    worker.kill()
    case.assert_midway()
    with pytest.raises(AssertionError, match="checkpoint-ahead"):
        case.assert_prefix()


def test_a_read_of_any_version_is_seen_as_torn_rows(recovery_case: NewCase) -> None:
    case = recovery_case(program=broken("unpinned-read"))
    with (
        FakeS3() as fake_s3,
        Proxy(fake_s3.endpoint_url.removeprefix("http://")) as proxy,
    ):
        case.settings["AWS_ENDPOINT_URL_S3"] = proxy.url
        fake_s3.put(BUCKET, case.key, case.source)
        worker = case.start_paused_at(Step.TAIL_SCANNED)
        held = proxy.inject(Hold(Direction.TO_CLIENT))
        worker.resume()
        held.wait_for_effect()
        # The same rows, line by line, but for their letters.
        fake_s3.put(BUCKET, case.key, case.source.replace(b"o", b"0"))
        proxy.inject(ResetAfter(Direction.TO_CLIENT, 1, count=1))
        held.lift()
        case.ends(worker)
    assert list(anomalies(case.verdict())) == [AnomalyKind.TORN_ROW]


def test_a_crash_point_that_is_never_reached_fails(recovery_case: NewCase) -> None:
    case = recovery_case()
    with pytest.raises(AssertionError, match="ended with 0, not -9"):
        case.kill_at(Step.SENDING_PAUSED)


def test_a_fault_that_nothing_meets_fails(kafka_proxy: Proxy) -> None:
    held = kafka_proxy.inject(Hold(Direction.TO_SERVER))
    with pytest.raises(StackError, match="nothing that it is meant for passed the proxy"):
        held.wait_for_effect(timeout_seconds=0.1)


def test_a_refusal_for_another_reason_fails(recovery_case: NewCase) -> None:
    case = recovery_case()
    with pytest.raises(AssertionError, match="no SourceChanged in"):
        case.refused("SourceChanged", settings={"KAFKA_TOPIC": "no-such-topic"})
