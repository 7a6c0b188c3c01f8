"""Faults of S3 and of the rows: by a proxy, by a server that misbehaves, by changing the object."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator

import pytest

from csvkafka.model import Step
from csvkafka.testing.faults.faulty_s3 import (
    CutBody,
    FakeS3,
    IgnoreRange,
    OtherTotal,
    Refuse,
)
from csvkafka.testing.faults.proxy import Proxy
from csvkafka.testing.faults.proxy_faults import Direction, Hold, ResetAfter
from csvkafka.testing.inputs.csv_files import CsvSpec
from csvkafka.testing.judging.recovery_case import BUCKET, RecoveryCase
from csvkafka.testing.processes.supervisor import Incarnation

of_the_stacks_s3 = pytest.mark.stack_dependent
"""Of tests of the stack's own S3: FakeS3 is the same beside each stack."""

NewCase = Callable[..., RecoveryCase]


@pytest.fixture
def fake_s3() -> Iterator[FakeS3]:
    with FakeS3() as running:
        yield running


@pytest.fixture
def case(recovery_case: NewCase, fake_s3: FakeS3) -> RecoveryCase:
    """A load whose S3 is the fake."""
    made = recovery_case(settings={"AWS_ENDPOINT_URL_S3": fake_s3.endpoint_url})
    fake_s3.put(BUCKET, made.key, made.source)
    return made


def killed_midway(recovery_case: NewCase) -> RecoveryCase:
    case = recovery_case()
    case.kill_at(Step.CHECKPOINT_STORED)
    case.assert_midway()
    return case


@of_the_stacks_s3
def test_f81_the_stream_is_reset_three_times(recovery_case: NewCase, s3_proxy: Proxy) -> None:
    case = recovery_case(settings={"AWS_ENDPOINT_URL_S3": s3_proxy.url}, proxies=[s3_proxy])
    resets = s3_proxy.inject(ResetAfter(Direction.TO_CLIENT, 100_000, count=3))
    case.run()
    assert resets.times == 3
    case.assert_once()


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
def test_f81_the_body_ends_in_the_middle_of_a_row(
    case: RecoveryCase, fake_s3: FakeS3, reset: bool
) -> None:
    case.kill_at(Step.CHECKPOINT_STORED)
    case.assert_midway()
    cuts = [CutBody(after_bytes, reset) for after_bytes in (777, 33_333, 1)]
    fake_s3.script("GET", None, *cuts)  # the first one reads the header
    case.run()
    case.assert_once()


def test_f82_s3_is_slow_or_fails_for_a_while(case: RecoveryCase, fake_s3: FakeS3) -> None:
    case.kill_at(Step.CHECKPOINT_STORED)
    case.assert_midway()
    fake_s3.script("HEAD", Refuse(503, "SlowDown"), Refuse(500, "InternalError"))
    refusals = (Refuse(503, "SlowDown"), Refuse(500, "InternalError"))
    fake_s3.script("GET", *refusals, None, *refusals)
    case.run()
    case.assert_once()


@of_the_stacks_s3
def test_f83_object_overwritten_between_runs(recovery_case: NewCase) -> None:
    case = killed_midway(recovery_case)
    versions = case.stack.client("s3").list_object_versions(Bucket=BUCKET, Prefix=case.key)
    pinned = versions["Versions"][0]["VersionId"]
    case.stack.put_object(BUCKET, case.key, case.source.replace(b"e", b"E"))
    worker = case.refused("SourceChanged")
    assert pinned in worker.output()
    case.run(settings={"S3_VERSION_ID": pinned})
    case.assert_once()


@of_the_stacks_s3
def test_f83_object_of_a_complete_job_overwritten(recovery_case: NewCase) -> None:
    case = recovery_case()
    case.run()
    case.stack.put_object(BUCKET, case.key, case.source + b"1,2\n")
    case.refused("SourceChanged")
    case.assert_once()


@pytest.fixture
def interrupted(
    case: RecoveryCase, fake_s3: FakeS3
) -> Iterator[Callable[[Callable[[], object]], Incarnation]]:
    """Runs a worker whose body is cut after 64 KiB, and does something before it asks for more."""
    with Proxy(fake_s3.endpoint_url.removeprefix("http://")) as proxy:

        def run(meanwhile: Callable[[], object]) -> Incarnation:
            case.settings["AWS_ENDPOINT_URL_S3"] = proxy.url
            worker = case.start_paused_at(Step.TAIL_SCANNED)
            held = proxy.inject(Hold(Direction.TO_CLIENT))
            worker.resume()
            held.wait_for_effect()
            meanwhile()
            proxy.inject(ResetAfter(Direction.TO_CLIENT, 1, count=1))
            held.lift()
            return case.ends(worker, 1)

        yield run


Interrupted = Callable[[Callable[[], object]], Incarnation]


def test_f84_object_overwritten_while_running(
    case: RecoveryCase, fake_s3: FakeS3, interrupted: Interrupted
) -> None:
    worker = interrupted(lambda: fake_s3.put(BUCKET, case.key, case.source.replace(b"e", b"E")))
    case.assert_stopped(worker, "SourceChanged")
    fake_s3.put(BUCKET, case.key, case.source)
    case.run()
    case.assert_once()


def test_f85_object_deleted_while_running(
    case: RecoveryCase, fake_s3: FakeS3, interrupted: Interrupted
) -> None:
    worker = interrupted(lambda: fake_s3.delete(BUCKET, case.key))
    case.assert_stopped(worker, "SourceNotFound")
    fake_s3.put(BUCKET, case.key, case.source)
    case.run()
    case.assert_once()


@of_the_stacks_s3
@pytest.mark.parametrize("what", ["object", "version"])
def test_f85_object_deleted_between_runs(recovery_case: NewCase, what: str) -> None:
    case = killed_midway(recovery_case)
    s3 = case.stack.client("s3")
    settings = {}
    if what == "version":
        settings = {"S3_VERSION_ID": "no-such-version"}
    else:
        s3.delete_object(Bucket=BUCKET, Key=case.key)
    case.refused("SourceNotFound", settings=settings)
    case.stack.put_object(BUCKET, case.key, case.source)
    case.run()
    case.assert_once()


def test_f85_object_forbidden_while_running(case: RecoveryCase, fake_s3: FakeS3) -> None:
    case.kill_at(Step.CHECKPOINT_STORED)
    case.assert_midway()
    fake_s3.script("GET", None, CutBody(10), Refuse(403, "AccessDenied"))
    worker = case.run(exit_code=1)
    case.assert_error(worker, "SourceRead")
    case.run()
    case.assert_once()


def test_f86_another_total_in_content_range(case: RecoveryCase, fake_s3: FakeS3) -> None:
    case.kill_at(Step.CHECKPOINT_STORED)
    case.assert_midway()
    fake_s3.script("GET", None, OtherTotal(len(case.source) + 1))
    worker = case.run(exit_code=1)
    case.assert_error(worker, "SourceChanged")
    case.run()
    case.assert_once()


def test_f87_range_ignored(case: RecoveryCase, fake_s3: FakeS3) -> None:
    case.kill_at(Step.CHECKPOINT_STORED)
    case.assert_midway()
    fake_s3.script("GET", None, IgnoreRange(cut_after_bytes=200_000), IgnoreRange())
    case.run()
    case.assert_once()


def test_f90_gzip_object_of_two_members(recovery_case: NewCase) -> None:
    plain = recovery_case().source
    half = len(plain) // 2
    case = recovery_case(
        plain,
        stored=gzip.compress(plain[:half]) + gzip.compress(plain[half:]),
        settings={"SOURCE_COMPRESSION": "gzip"},
    )
    for fraction in (4, 2, 1):
        case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // fraction - 100)
    case.run()
    case.assert_once()


def test_f92_a_row_too_wide_after_the_kill(recovery_case: NewCase) -> None:
    lines = b"".join(b"%d,text %d\n" % (row, row) for row in range(20_000))
    case = recovery_case(b"id,text\n" + lines + b"1,2,3\n" + lines)
    case.kill_at(Step.CHECKPOINT_STORED)
    case.assert_midway()
    worker = case.run(exit_code=1)
    assert "row 20001 " in worker.output()
    case.assert_stopped(worker, "MalformedRow")


def test_f65_a_row_larger_than_a_batch(recovery_case: NewCase) -> None:
    rows = b"".join(b"%d,text\n" % row for row in range(1_000))
    case = recovery_case(b"id,text\n" + rows + b"1000," + b"x" * 1_200_000 + b"\n")
    worker = case.run(exit_code=1, settings={"KAFKA_COMPRESSION_TYPE": "none"})
    assert "row 1001 " in worker.output()
    case.assert_stopped(worker, "RecordTooLarge")


def test_f6_killed_while_eight_partitions_get_rows_by_key(recovery_case: NewCase) -> None:
    case = recovery_case(
        CsvSpec(row_count=8_000, newline_fraction=0.02, unicode_fraction=0.05),
        partitions=8,
        settings={"KEY_COLUMN": "key"},
    )
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 3)
    case.kill_at(Step.BLOCK_ACKNOWLEDGED, from_rows=case.row_count * 2 // 3)
    case.assert_midway()
    case.run()
    case.assert_once()


@of_the_stacks_s3
def test_f83_a_job_that_sent_nothing_takes_the_corrected_file_and_settings(
    recovery_case: NewCase,
) -> None:
    case = recovery_case()
    case.kill_at(Step.LEASE_TAKEN)
    case.source = case.source.replace(b"e", b"E")
    case.stack.put_object(BUCKET, case.key, case.source)
    case.settings["ON_BAD_ROW"] = "keep"
    worker = case.run()
    assert f"had sent nothing yet: it takes what is new, {case.uri} with ETag" in worker.output()
    assert "ON_BAD_ROW 'keep'" in worker.output()
    case.assert_once()
    case.settings["ON_BAD_ROW"] = "stop"
    case.refused("ConfigChanged")


@of_the_stacks_s3
def test_f83_a_file_whose_first_row_cannot_be_sent_binds_nothing(recovery_case: NewCase) -> None:
    case = recovery_case()
    header, _, rows = case.source.partition(b"\n")
    case.stack.put_object(BUCKET, case.key, header + b"\n1,2\n" + rows)
    worker = case.run(exit_code=1)
    case.assert_error(worker, "MalformedRow")
    assert case.item() is None
    case.stack.put_object(BUCKET, case.key, case.source)
    case.run()
    case.assert_once()
