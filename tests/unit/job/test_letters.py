"""Which records are letters of a job, in which order, and what becomes of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import pytest

from csvkafka.errors import (
    SourceChangedError,
    SourceCorruptError,
    TopicChangedError,
)
from csvkafka.job.letters import HeaderOf, Letters
from csvkafka.job.replayed import ReplayedJob
from csvkafka.ledger.item import StoredJob
from csvkafka.model import (
    START,
    BatchHeader,
    Block,
    EncodePlan,
    JobStatus,
    Lane,
    Position,
    SourceIdentity,
    TopicFacts,
)
from csvkafka.records.record_batch import Record
from tests.refusals import refusal

LANE = Lane("dead", 0)
JOB = ReplayedJob(
    job_id="orders",
    loaded_by="orders",
    source=SourceIdentity("b", "k.csv", '"e"', 9),
    lane=LANE,
    topic_id="T",
    cluster_id="C",
    producer_id=7,
    count=5,
    end=20,
    columns="",
)
FACTS = TopicFacts("C", "T", 1, 1, {})
PLAN = EncodePlan(("id", "name"), "dead-letters://dead/orders")


def record(kafka_offset: int, line: int) -> Record:
    headers = (
        ("_source_file", b"s3://b/k.csv"),
        ("_source_line", b"%d" % line),
        ("_source_byte", b"%d" % (line * 10)),
    )
    return Record(kafka_offset, 0, None, b"%d,x" % line, headers)


def batch(
    base: int, lines: Sequence[int], sequence: int, producer_id: int = 7, epoch: int = 0
) -> tuple[BatchHeader, list[Record]]:
    last = base + len(lines) - 1
    header = BatchHeader(base, last, len(lines), producer_id, epoch, sequence)
    return header, [record(base + place, line) for place, line in enumerate(lines)]


LOG = [
    batch(10, [4], 0, producer_id=6),
    batch(11, [2, 5], 0),
    batch(13, [4], 1, producer_id=6),
    batch(14, [8], 2),
    batch(15, [9, 11], 0, epoch=1),
    batch(20, [99], 2, epoch=1, producer_id=6),
]


class Log:
    """A `LetterLog` of these batches."""

    def __init__(self, batches: Sequence[tuple[BatchHeader, list[Record]]] = LOG) -> None:
        self.batches = list(batches)

    def describe_topic(self, topic: str) -> TopicFacts | None:
        return FACTS if topic == LANE.topic else None

    def log_start_offset(self, _: Lane) -> int:
        return self.batches[0][0].base_kafka_offset

    def end_offset(self, _: Lane) -> int:
        return self.batches[-1][0].last_kafka_offset + 1

    def read_batches(
        self, _: Lane, first: int, end: int
    ) -> Iterator[tuple[BatchHeader, Callable[[], list[Record]]]]:
        for header, records in self.batches:
            if header.last_kafka_offset >= first and header.base_kafka_offset < end:
                yield header, lambda records=records: records  # type: ignore[misc]


HEADER = HeaderOf(lambda: b"id,name\n", lambda _: ("id", "name"))


def letters(log: Log, job: ReplayedJob = JOB, known: StoredJob | None = None) -> Letters:
    return Letters(job, log, lambda: nullcontext(log), HEADER, lambda: known)


def known(identity: SourceIdentity, position: Position, **more: Any) -> StoredJob:
    values: dict[str, Any] = dict.fromkeys(StoredJob.__dataclass_fields__)
    values |= {"source": identity, "position": position, "status": JobStatus.IN_PROGRESS, **more}
    return StoredJob(**values)


def lines(source: Letters, start: Position = START) -> list[int]:
    return [line for placed in source.cut(start, PLAN, 1) for line in lines_in(placed.block)]


def lines_in(block: Block) -> list[int]:
    return [*map(block.source_line, range(block.row_count))]


def test_letters_of_the_job_alone_come_in_their_order() -> None:
    source = letters(Log())
    identity = source.identify()
    assert (identity.uri, identity.size) == ("dead-letters://dead/orders", 9)
    assert lines(source) == [2, 5, 8, 9, 11]


def test_a_resume_at_each_letter_gives_those_after_it() -> None:
    source = letters(Log())
    identity = source.identify()
    ends = [end for placed in source.cut(START, PLAN, 1) if placed.span for end in placed.span.ends]
    assert len(ends) == 5
    for count, position in enumerate(ends, 1):
        again = letters(Log(), known=known(identity, position))
        assert again.identify() == identity
        assert lines(again, position) == [2, 5, 8, 9, 11][count:]


def test_a_letter_is_a_row_of_its_file() -> None:
    source = letters(Log())
    source.identify()
    placed = next(source.cut(START, PLAN, 1))
    assert placed.plan == replace(PLAN, source_uri="s3://b/k.csv")
    assert placed.block.data == b"2,x\n5,x\n8,x\n9,x\n11,x\n"
    assert placed.block.places == ((2, 20), (5, 50), (8, 80), (9, 90), (11, 110))


def test_each_cut_is_by_the_plan_that_it_is_given() -> None:
    source = letters(Log())
    source.identify()
    list(source.cut(START, PLAN, 1))
    smaller = replace(PLAN, max_batch_bytes=PLAN.max_batch_bytes // 2)
    assert {placed.plan for placed in source.cut(START, smaller, 1)} == {
        replace(smaller, source_uri="s3://b/k.csv")
    }, "or a batch that the broker refused is refused for ever"


def test_a_cut_that_is_left_behind_does_not_share_its_log_with_the_next() -> None:
    """The reader of a feed that was closed may hang in the network: a client is for one thread."""
    opened: list[Log] = []
    closed: list[Log] = []

    @contextmanager
    def open_log() -> Iterator[Log]:
        opened.append(Log())
        yield opened[-1]
        closed.append(opened[-1])

    source = Letters(JOB, Log(), open_log, HEADER, lambda: None)
    source.identify()
    assert not opened, "no connection before it is needed"
    hanging = source.cut(START, replace(PLAN, block_bytes=4), 1)
    assert lines_in(next(hanging).block) == [2]
    assert lines(source) == [2, 5, 8, 9, 11]
    assert opened[0] is not opened[1]
    assert closed == opened[1:]
    assert [line for placed in hanging for line in lines_in(placed.block)] == [
        5,
        8,
        9,
        11,
    ]
    assert len(closed) == 2


def test_letters_that_are_missing_are_counted() -> None:
    with refusal(TopicChangedError, "lacks 2 of the 5 letters of job orders"):
        letters(Log(LOG[2:])).identify()


def test_letters_in_the_middle_that_are_missing_are_seen() -> None:
    with refusal(TopicChangedError, "do not follow each other at Kafka offset 14"):
        letters(Log([LOG[1], batch(14, [8], 3), *LOG[4:]])).identify()


def test_loaded_letters_may_be_gone_and_others_not() -> None:
    identity = letters(Log()).identify()
    after_two = known(identity, Position(2, 2))
    assert letters(Log(LOG[3:]), known=after_two).identify() == identity
    with refusal(TopicChangedError, "lacks 1 of"):
        letters(Log(LOG[4:]), known=after_two).identify()
    done = known(identity, Position(9, 5), status=JobStatus.COMPLETED)
    assert letters(Log(LOG[5:]), known=done).identify() == identity


def test_letters_that_another_worker_loaded_meanwhile_may_be_gone() -> None:
    """A standby identifies the replay before it is begun, and again when it gets the lease."""
    log = Log()
    item: list[StoredJob] = []
    standby = Letters(
        JOB, log, lambda: nullcontext(log), HEADER, lambda: item[-1] if item else None
    )
    identity = standby.identify()
    item.append(known(identity, Position(2, 2)))
    log.batches = LOG[3:]
    assert standby.identify() == identity
    assert lines(standby, Position(2, 2)) == [8, 9, 11]


def test_a_log_that_ends_before_the_letters_do() -> None:
    with refusal(TopicChangedError, "lacks 5 of"):
        letters(Log(LOG[:4])).identify()


def test_a_wrong_header_is_said_before_the_topic_is_read() -> None:
    class Unread(Log):
        def read_batches(self, *_: Any) -> Any:
            raise AssertionError("the topic was read before the header was known to fit")

    def first_bytes() -> bytes:
        raise SourceChangedError("another header")

    log = Unread()
    header = HeaderOf(first_bytes, HEADER.columns)
    with pytest.raises(SourceChangedError, match="another header"):
        Letters(JOB, log, lambda: nullcontext(log), header, lambda: None).identify()


def test_another_topic_of_that_name() -> None:
    with refusal(TopicChangedError, "was deleted and created again"):
        letters(Log(), replace(JOB, topic_id="U")).identify()
    with refusal(TopicChangedError, "does not exist"):
        letters(Log(), replace(JOB, lane=Lane("gone", 0))).identify()
    with refusal(TopicChangedError, "on Kafka cluster D"):
        letters(Log(), replace(JOB, cluster_id="D")).identify()


def test_a_record_that_is_no_letter() -> None:
    header, (first, second) = LOG[1]
    log = Log([(header, [first, replace(second, headers=())]), *LOG[3:]])
    source = letters(log)
    source.identify()
    with refusal(SourceCorruptError, "Kafka offset 12 .* is no dead letter"):
        lines(source)


def test_what_the_job_s_producer_wrote_after_the_end_is_no_letter() -> None:
    source = letters(Log([*LOG, batch(21, [98], 2, epoch=1)]))
    source.identify()
    assert lines(source) == [2, 5, 8, 9, 11]
