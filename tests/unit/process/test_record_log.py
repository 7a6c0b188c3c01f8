"""DEBUG: a line for each record, once it is acknowledged, with number and size alone."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from csvkafka.model import (
    EncodedBatch,
    Lane,
    OutcomeKind,
    ProduceOutcome,
    ProducerIdentity,
    SequencedBatch,
)
from csvkafka.process.record_log import RecordLog, with_record_log
from csvkafka.records.record_batch import codec_attributes, compress, frame_records, seal

LANES = (Lane("rows", 0), Lane("rows", 1))
VALUES = [b'{"name":"ada"}', b'{"name":"grace"}']


def batch(first: int, ticket: int, codec: str = "gzip") -> SequencedBatch:
    """Two records of lane 1, the first of which has the sequence number `first`."""
    records = compress(codec, (frame_records(VALUES, [b"k", None], None),))
    encoded = EncodedBatch(1, len(VALUES), codec_attributes(codec), records)
    return SequencedBatch(1, ticket, 2, seal(encoded, ProducerIdentity(7, 0), first, 1_700_000_000))


class Answers:
    """A sink that answers as it was told to."""

    def __init__(self, *kinds: OutcomeKind) -> None:
        self._kinds = list(kinds)
        self.sent: list[SequencedBatch] = []

    def send(self, batches: Sequence[SequencedBatch]) -> None:
        self.sent += batches

    def poll(self, timeout_seconds: float) -> Sequence[ProduceOutcome]:  # noqa: ARG002
        return [ProduceOutcome(1, self.sent[-1].ticket, self._kinds.pop(0))]

    def wake(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_off_nothing_stands_in_the_way(caplog: pytest.LogCaptureFixture) -> None:
    sink = Answers()
    with caplog.at_level(logging.INFO, "csvkafka"):
        assert with_record_log(sink, LANES) is sink
    with caplog.at_level(logging.DEBUG, "csvkafka"):
        assert isinstance(with_record_log(sink, LANES), RecordLog)


@pytest.mark.parametrize("codec", ["gzip", "none"])
def test_each_record_has_a_line_once_it_is_acknowledged(
    caplog: pytest.LogCaptureFixture, codec: str
) -> None:
    sink = RecordLog(Answers(OutcomeKind.RETRIABLE, OutcomeKind.APPENDED), LANES)
    with caplog.at_level(logging.DEBUG, "csvkafka"):
        sink.send([batch(10, ticket=3, codec=codec)])
        sink.poll(0)
        assert caplog.messages == []
        sink.send([batch(10, ticket=3, codec=codec)])
        sink.poll(0)
    assert caplog.messages == [
        "Sent record 11 of partition 1 of topic rows: 15 bytes",
        "Sent record 12 of partition 1 of topic rows: 16 bytes",
    ]


def test_one_that_was_there_already_is_sent_too(caplog: pytest.LogCaptureFixture) -> None:
    sink = RecordLog(Answers(OutcomeKind.DUPLICATE), LANES)
    with caplog.at_level(logging.DEBUG, "csvkafka"):
        sink.send([batch(0, ticket=0)])
        sink.poll(0)
    assert len(caplog.messages) == 2
