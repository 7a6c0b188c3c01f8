"""Scenarios that need no process: what a real broker or S3 cannot be made to do on request."""

from __future__ import annotations

from typing import Any

import boto3

from csvkafka.aws.s3_source import S3Source
from csvkafka.clock import SystemClock
from csvkafka.errors import SourceChangedError
from csvkafka.ledger.file_marks import FileMarks, Loaded
from csvkafka.model import (
    EncodedBatch,
    LaneProgress,
    OutcomeKind,
    ProduceOutcome,
    ProducerIdentity,
    SequencedBatch,
)
from csvkafka.pipeline.progress import RescanNeeded
from csvkafka.pipeline.sequencer import Sequencer
from csvkafka.testing.faults.faulty_s3 import CutBody, FakeS3
from csvkafka.testing.simulator.fake_table import FakeTable, TableServer
from csvkafka.testing.simulator.points import Script
from csvkafka.testing.simulator.virtual_clock import VirtualTime
from tests.planted.scenarios import Found, Ground

BEFORE, AFTER = b"a\n" + b"1\n" * 500_000, b"a\n" + b"2\n" * 500_000


def _source(s3: FakeS3) -> S3Source:
    client = boto3.client(
        "s3",
        endpoint_url=s3.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    return S3Source("bucket", "data.csv", client=client, chunk_bytes=65_536)


def object_overwritten_between_two_gets(_: Ground) -> Found:
    with FakeS3() as s3:
        s3.put("bucket", "data.csv", BEFORE)
        source = _source(s3)
        source.identify()
        s3.script("GET", CutBody(after_bytes=300_000))
        chunks = source.read(0)
        read = next(chunks)
        s3.put("bucket", "data.csv", AFTER)
        try:
            read += b"".join(chunks)
        except SourceChangedError:
            return set()
    return {"spliced"} if read not in (BEFORE, AFTER) else {"not refused"}


def resume_far_into_the_object(_: Ground) -> Found:
    with FakeS3() as s3:
        s3.put("bucket", "data.csv", BEFORE)
        rest = b"".join(_source(s3).read(900_000))
        first_get = next(request for request in s3.requests if request.method == "GET")
    assert rest == BEFORE[900_000:]
    if first_get.range.startswith("bytes=900000-"):
        return set()
    return {"reads again what is loaded"}


class _ForgetfulPartition:
    """A partition's leader without state of the producer (KAFKA-14359): it refuses the first
    request for once, takes any first sequence number, and from then on only the next one."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._refused = False
        self.rows: list[int] = []

    def take(self, first_row: int, batch: SequencedBatch) -> OutcomeKind:
        if not self._refused:
            self._refused = True
            return OutcomeKind.RETRIABLE
        if self._next not in (None, first_row):
            return OutcomeKind.OUT_OF_ORDER
        self._next = first_row + batch.record_count
        self.rows += range(first_row, self._next)
        return OutcomeKind.APPENDED


def broker_without_state_refuses_the_first(_: Ground) -> Found:
    def seal(*sealed: object) -> bytes:
        return str(sealed[2]).encode()  # the base sequence

    clock = SystemClock()
    heard_ms, longest_rest_seconds = [round(clock.wall() * 1000)], 3600.0
    sequencer = Sequencer(
        [LaneProgress(100, 100)],
        ProducerIdentity(7, 0),
        clock,
        seal,
        heard_ms,
        longest_rest_seconds,
    )
    for _number in range(3):
        sequencer.enqueue(EncodedBatch(0, 10, 0, b"records"))
    leader = _ForgetfulPartition()
    while sequencer.unacknowledged_batches:
        for batch in sequencer.due():
            kind = leader.take(int(batch.data), batch)
            try:
                sequencer.settle(ProduceOutcome(0, batch.ticket, kind, 0))
            except RescanNeeded:
                return {"lost-row"} if 100 not in leader.rows else {"rescan"}
    return set() if leader.rows == list(range(100, 130)) else {"reordered-row"}


def two_mark_at_the_same_moment(_: Ground) -> Found:
    """One of them between the other's read and its write."""
    server = TableServer()

    def marks(table: type[FakeTable]) -> FileMarks:
        return FileMarks("job", "ab" * 32, 9, lambda key: table(server, key, time, script))

    class Between(FakeTable):
        def update(self, change: Any) -> Any:
            others = marks(FakeTable)
            if not others.read(0).done & 0b10:
                others.mark_done(1, one)
            return super().update(change)

    time, script, one = VirtualTime(), Script({}), Loaded(10, 10, 100)
    marks(FakeTable).mark_done(0, one)
    marks(Between).mark_done(2, one)
    seen = marks(FakeTable).read(0)
    return set() if (seen.done, seen.loaded.rows) == (0b111, 30) else {"mark lost"}
