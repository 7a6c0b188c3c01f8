"""What the simulator stands on: its fakes and the real servers give the same answers."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition

from csvkafka.aws.dynamodb_item import DynamoDbItem, create_table
from csvkafka.files.sqlite_store import SqliteStore
from csvkafka.interfaces import Cluster, Item, ItemChange, ItemTable, Refused, Sink
from csvkafka.kafka.cluster import KafkaCluster
from csvkafka.kafka.sink import KafkaSink
from csvkafka.limits import SEQUENCE_MODULUS
from csvkafka.model import (
    EncodedBatch,
    Lane,
    OutcomeKind,
    ProduceOutcome,
    ProducerIdentity,
    SequencedBatch,
)
from csvkafka.records.record_batch import frame_records, seal
from csvkafka.testing.simulator.fake_kafka import FakeCluster, FakeKafka, FakeSink
from csvkafka.testing.simulator.fake_table import FakeTable, TableServer
from csvkafka.testing.simulator.virtual_clock import VirtualTime
from tests.integration.kafka_rows import admin, connected, create_topic, outcomes_of
from tests.integration.patient_clients import patient_dynamodb

REAL = pytest.param("real", marks=pytest.mark.stack_dependent)
SERVERS = ("fake", REAL)
TABLES = (*SERVERS, "file")


# -- Kafka -----------------------------------------------------------------------------------------


@dataclass
class Leader:
    """One partition and a client of it; each call of `send` is one request of one batch."""

    lane: Lane
    cluster: Cluster
    sink: Sink
    delete_before: Callable[[int], object]

    def send(
        self, identity: ProducerIdentity, first_row: int, row_count: int
    ) -> tuple[OutcomeKind, int]:
        (outcome,) = self.send_all(identity, (first_row, row_count))
        return outcome.kind, outcome.base_kafka_offset

    def send_all(
        self, identity: ProducerIdentity, *rows: tuple[int, int]
    ) -> Sequence[ProduceOutcome]:
        """Sends batches of (first row, row count) at once."""
        batches = [
            SequencedBatch(
                0,
                ticket,
                count,
                seal(
                    EncodedBatch(0, count, 0, frame_records([b"row"] * count)),
                    identity,
                    first,
                    int(time.time() * 1000),
                ),
            )
            for ticket, (first, count) in enumerate(rows)
        ]
        return outcomes_of(self.sink, batches)  # type: ignore[arg-type]

    def tail(self, kafka_offset: int) -> tuple[int, int, list[tuple[int, ...]]]:
        """Log start, end, and each batch's first and last offset, size, epoch and sequence."""
        tail = self.cluster.read_tail(self.lane, kafka_offset)
        return (
            tail.log_start_offset,
            tail.end_offset,
            [
                (
                    header.base_kafka_offset,
                    header.last_kafka_offset,
                    header.record_count,
                    header.producer_epoch,
                    header.base_sequence,
                )
                for header in tail.batches
            ],
        )


@pytest.fixture(params=SERVERS)
def leader(request: pytest.FixtureRequest) -> Iterator[Leader]:
    if request.param == "fake":
        now, kafka, lane = VirtualTime(), FakeKafka(), Lane("rows", 0)
        topic = kafka.create_topic("rows")
        sink = FakeSink(kafka, [lane], {"rows": topic.topic_id}, time=now)
        yield Leader(lane, FakeCluster(kafka, now), sink, kafka.log(lane).delete_before)
        return
    bootstrap_servers = request.getfixturevalue("kafka")
    lane = Lane(create_topic(bootstrap_servers), 0)
    with connected(bootstrap_servers) as client:
        cluster = KafkaCluster(client)
        facts = cluster.describe_topic(lane.topic)
        assert facts is not None

        def delete_before(kafka_offset: int) -> None:
            with admin(bootstrap_servers) as deleter:
                place = TopicPartition(lane.topic, lane.partition)
                deleter.delete_records({place: kafka_offset})

        real = KafkaSink(client, [lane], {lane.topic: facts.topic_id})
        yield Leader(lane, cluster, real, delete_before)


APPENDED, OUT_OF_ORDER = OutcomeKind.APPENDED, OutcomeKind.OUT_OF_ORDER


def test_batches_in_order_are_appended(leader: Leader) -> None:
    mine = leader.cluster.new_producer_identity()
    assert [leader.send(mine, *rows) for rows in ((0, 2), (2, 3))] == [(APPENDED, 0), (APPENDED, 2)]
    assert leader.tail(0) == (0, 5, [(0, 1, 2, 0, 0), (2, 4, 3, 0, 2)])
    assert leader.cluster.end_offset(leader.lane) == 5


def test_each_of_the_last_five_batches_is_known_by_its_offset(leader: Leader) -> None:
    mine = leader.cluster.new_producer_identity()
    for row in range(6):
        assert leader.send(mine, row, 1) == (APPENDED, row)
    for row in range(1, 6):
        assert leader.send(mine, row, 1) == (APPENDED, row)
    assert leader.cluster.end_offset(leader.lane) == 6


def test_an_older_batch_is_out_of_order_and_appends_nothing(leader: Leader) -> None:
    mine = leader.cluster.new_producer_identity()
    for row in range(6):
        leader.send(mine, row, 1)
    assert leader.send(mine, 0, 1) == (OUT_OF_ORDER, -1)
    assert leader.cluster.end_offset(leader.lane) == 6


@pytest.mark.parametrize("rows", [(1, 2), (0, 1), (3, 1), (1, 1)])
def test_a_gap_or_other_bounds_are_out_of_order(leader: Leader, rows: tuple[int, int]) -> None:
    mine = leader.cluster.new_producer_identity()
    leader.send(mine, 0, 2)
    assert leader.send(mine, *rows) == (OUT_OF_ORDER, -1)
    assert leader.send(mine, 2, 1) == (APPENDED, 2)


def test_what_follows_a_refused_batch_is_refused(leader: Leader) -> None:
    mine = leader.cluster.new_producer_identity()
    leader.send(mine, 0, 1)
    outcomes = leader.send_all(mine, (5, 1), (6, 1), (7, 1))
    assert [outcome.ticket for outcome in outcomes] == [0, 1, 2]
    assert outcomes[0].kind is OUT_OF_ORDER
    assert {outcome.kind for outcome in outcomes} <= {OUT_OF_ORDER, OutcomeKind.RETRIABLE}
    assert leader.cluster.end_offset(leader.lane) == 1


def test_the_sequence_number_starts_over_inside_a_batch(leader: Leader) -> None:
    mine, other = (leader.cluster.new_producer_identity() for _ in range(2))
    leader.send(other, 0, 1)  # a log that never held a record may want sequence 0 first
    first = SEQUENCE_MODULUS - 3
    assert leader.send(mine, first, 2) == (APPENDED, 1)
    assert leader.send(mine, first + 2, 3) == (APPENDED, 3)
    assert leader.send(mine, first + 5, 1) == (APPENDED, 6)
    assert leader.send(mine, first + 2, 3) == (APPENDED, 3)


def test_an_epoch_behind_the_newest_is_fatal(leader: Leader) -> None:
    mine = leader.cluster.new_producer_identity()
    newer = ProducerIdentity(mine.producer_id, mine.producer_epoch + 1)
    leader.send(mine, 0, 1)
    assert leader.send(newer, 5, 1) == (OUT_OF_ORDER, -1)  # a new epoch begins at 0
    assert leader.send(newer, 0, 1) == (APPENDED, 1)
    assert leader.send(mine, 1, 1)[0] is OutcomeKind.FATAL


def test_a_producer_is_remembered_when_its_records_were_deleted(leader: Leader) -> None:
    mine = leader.cluster.new_producer_identity()
    leader.send(mine, 0, 2)
    leader.send(mine, 2, 2)
    leader.delete_before(4)
    assert leader.send(mine, 2, 2) == (APPENDED, 2)
    assert leader.send(mine, 7, 1) == (OUT_OF_ORDER, -1)
    assert leader.send(mine, 4, 1) == (APPENDED, 4)
    assert leader.tail(2) == (4, 5, [(4, 4, 1, 0, 4)])


@pytest.mark.parametrize("kafka_offset", [0, 1, 2, 3, 4, 5, 9])
def test_a_tail_begins_with_the_batch_before_the_offset(leader: Leader, kafka_offset: int) -> None:
    mine = leader.cluster.new_producer_identity()
    leader.send(mine, 0, 2)
    leader.send(mine, 2, 3)
    batches = [(0, 1, 2, 0, 0), (2, 4, 3, 0, 2)]
    expected = batches if kafka_offset <= 2 else batches[1:] if kafka_offset <= 5 else []
    assert leader.tail(kafka_offset) == (0, 5, expected)


def test_a_leader_tells_whom_it_knows(leader: Leader) -> None:
    mine, other = (leader.cluster.new_producer_identity() for _ in range(2))
    assert list(leader.cluster.knows_producer([leader.lane], mine.producer_id)) == [False]
    leader.send(mine, 0, 1)
    assert list(leader.cluster.knows_producer([leader.lane], mine.producer_id)) == [True]
    assert list(leader.cluster.knows_producer([leader.lane], other.producer_id)) == [False]
    leader.delete_before(1)
    assert list(leader.cluster.knows_producer([leader.lane], mine.producer_id)) == [True]


def test_a_later_epoch_in_the_middle_of_the_log(leader: Leader) -> None:
    """Without state any epoch is taken; then the one before is refused, and repeats are known."""
    mine, other = (leader.cluster.new_producer_identity() for _ in range(2))
    later = ProducerIdentity(mine.producer_id, mine.producer_epoch + 1)
    leader.send(other, 0, 3)
    assert leader.send(later, 0, 2) == (APPENDED, 3)
    assert leader.send(later, 0, 2) == (APPENDED, 3)
    assert leader.send(later, 2, 1) == (APPENDED, 5)
    for first_row in (0, 2, 3):
        assert leader.send(mine, first_row, 1)[0] is OutcomeKind.FATAL
    assert leader.cluster.end_offset(leader.lane) == 6


def test_two_producers_are_told_apart(leader: Leader) -> None:
    first, second = (leader.cluster.new_producer_identity() for _ in range(2))
    assert first != second
    assert leader.send(first, 0, 1) == (APPENDED, 0)
    assert leader.send(second, 0, 1) == (APPENDED, 1)
    assert leader.send(first, 1, 1) == (APPENDED, 2)


# -- the checkpoint table --------------------------------------------------------------------------


@pytest.fixture(params=TABLES)
def table(request: pytest.FixtureRequest, tmp_path: Path) -> ItemTable:
    if request.param == "fake":
        return FakeTable(TableServer(), "job")
    if request.param == "file":
        store = SqliteStore(tmp_path / "checkpoints.sqlite")
        store.create()
        return store.item("job")
    client: Any = patient_dynamodb(request.getfixturevalue("aws_endpoint_url"))
    name = f"contract-{uuid.uuid4()}"
    create_table(name, client)
    return DynamoDbItem(name, "job", client=client)


ITEM: Item = {
    "job_id": "job",
    "status": "IN_PROGRESS",
    "last_line": 3,
    "partitions": {"rows/0": [3, 2**40, [0, 0]]},
}


def test_an_item_is_created_once_and_read_back(table: ItemTable) -> None:
    assert table.get() is None
    assert table.put_new(ITEM) is None
    assert table.put_new(ITEM | {"last_line": 9}) == Refused(ITEM)
    assert table.get() == ITEM


def test_a_change_is_applied_if_all_it_expects_holds(table: ItemTable) -> None:
    table.put_new(ITEM)
    change = ItemChange(
        set={"last_line": 4, "partitions": {"rows/0": [4, 5]}, "owner": "me"},
        remove=("status",),
        expect={"last_line": 3, "owner": None, "partitions": {"rows/0": [3, 2**40, [0, 0]]}},
    )
    assert table.update(change) is None
    assert table.get() == {
        "job_id": "job",
        "last_line": 4,
        "partitions": {"rows/0": [4, 5]},
        "owner": "me",
    }
    assert table.update(change) == Refused(table.get())


@pytest.mark.parametrize(
    "expect",
    [
        *({"last_line": 4}, {"status": None}, {"owner": "me"}, {"last_line": "3"}),
        *({"partitions": {"rows/0": [3, 2**40, [0, 1]]}}, {"partitions": {"rows/0": [3, 2**40]}}),
    ],
)
def test_a_change_is_refused_with_the_item_if_anything_does_not_hold(
    table: ItemTable, expect: dict[str, Any]
) -> None:
    table.put_new(ITEM)
    change = ItemChange(set={"last_line": 5}, expect={"job_id": "job", **expect})
    assert table.update(change) == Refused(ITEM)
    assert table.get() == ITEM


def test_a_missing_item_is_not_made_by_a_change(table: ItemTable) -> None:
    assert table.update(ItemChange(set={"last_line": 5})) == Refused(None)
    assert table.get() is None


def test_what_is_not_there_may_be_removed(table: ItemTable) -> None:
    table.put_new(ITEM)
    assert table.update(ItemChange(set={}, remove=("owner",))) is None
    assert table.get() == ITEM
