"""Reading back a partition's end from a broker whose answers are cut, damaged or late."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
from kafka.record.default_records import DefaultRecordBatchBuilder

from csvkafka.errors import SinkRefusedError, SinkUnavailableError
from csvkafka.kafka.client import KafkaClient, KafkaSettings
from csvkafka.kafka.cluster import KafkaCluster
from csvkafka.model import Lane, LaneTail
from tests.unit.kafka.scripted_broker import ScriptedBroker, scripted_broker

LANE = Lane("rows", 0)
OFFSET_OUT_OF_RANGE = 1
NOT_LEADER = 6
OFFSET_NOT_AVAILABLE = 78
TOPIC_AUTHORIZATION_FAILED = 29


@pytest.fixture
def broker() -> Iterator[ScriptedBroker]:
    with scripted_broker() as running:
        yield running


@pytest.fixture
def client(broker: ScriptedBroker) -> Iterator[KafkaClient]:
    client = KafkaClient(KafkaSettings((broker.address,), answer_timeout_ms=30_000))
    client.connect()
    yield client
    client.close()


@pytest.fixture
def cluster(client: KafkaClient) -> KafkaCluster:
    return KafkaCluster(client)


def batch(kafka_offset: int, record_count: int = 2) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, False, 7, 0, kafka_offset, 1 << 20)
    for number in range(record_count):
        builder.append(number, 1_700_000_000_000, None, b"%d" % (kafka_offset + number), [])
    data = bytearray(builder.build())
    data[:8] = kafka_offset.to_bytes(8, "big")
    return bytes(data)


LOG = [batch(offset) for offset in range(0, 10, 2)]


def serve(broker: ScriptedBroker, first_answers: Sequence[int | bytes]) -> list[int]:
    """The broker gives `first_answers`, then the rest of LOG; returns what it was asked for."""
    asked: list[int] = []
    answers = iter(first_answers)

    def fetch(kafka_offset: int) -> int | bytes:
        asked.append(kafka_offset)
        return next(answers, b"".join(LOG[kafka_offset // 2 :]))

    broker.bounds = lambda: (0, 10)
    broker.fetch = fetch
    return asked


def sequences(tail: LaneTail) -> list[int]:
    return [header.base_sequence for header in tail.batches]


def test_the_tail_begins_with_the_batch_before_the_offset(
    broker: ScriptedBroker, cluster: KafkaCluster
) -> None:
    asked = serve(broker, [])
    tail = cluster.read_tail(LANE, 4)
    assert asked == [3]
    assert sequences(tail) == [2, 4, 6, 8]
    assert (tail.log_start_offset, tail.end_offset) == (0, 10)


def test_a_batch_that_is_cut_off_is_fetched_again(
    broker: ScriptedBroker, cluster: KafkaCluster
) -> None:
    asked = serve(broker, [LOG[0] + LOG[1][:-5], LOG[1] + LOG[2][:30]])
    assert sequences(cluster.read_tail(LANE, 0)) == [0, 2, 4, 6, 8]
    assert asked == [0, 2, 4]


def flip(data: bytes, at: int) -> bytes:
    damaged = bytearray(data)
    damaged[at] ^= 0x40
    return bytes(damaged)


@pytest.mark.parametrize("at", [0, 5, 7, 8, 9, 11, 16, 17, 21, 30, 43, 51, 57, 65])
def test_a_flipped_byte_anywhere_that_matters_is_read_again(
    broker: ScriptedBroker, cluster: KafkaCluster, at: int, caplog: pytest.LogCaptureFixture
) -> None:
    """F43. The batch's offset, length and magic are outside its checksum."""
    serve(broker, [LOG[0] + flip(LOG[1], at) + LOG[2]])
    with caplog.at_level(logging.WARNING, "csvkafka"):
        assert sequences(cluster.read_tail(LANE, 0)) == [0, 2, 4, 6, 8]


def test_damage_that_stays_is_an_error_in_bounded_time(
    broker: ScriptedBroker, client: KafkaClient, cluster: KafkaCluster
) -> None:
    client.settings = replace(client.settings, answer_timeout_ms=1_000)
    serve(broker, [flip(LOG[0], 65)] * 1_000)
    with pytest.raises(SinkUnavailableError, match="no intact batch at Kafka offset 0"):
        cluster.read_tail(LANE, 0)


def test_a_gap_that_two_reads_show_is_believed(
    broker: ScriptedBroker, cluster: KafkaCluster
) -> None:
    """A topic that was compacted once has such gaps."""
    serve(broker, [LOG[0] + LOG[2], LOG[2] + LOG[3], LOG[4]])
    assert sequences(cluster.read_tail(LANE, 0)) == [0, 4, 6, 8]


def test_batches_past_the_high_watermark_are_left_out(
    broker: ScriptedBroker, cluster: KafkaCluster
) -> None:
    serve(broker, [])
    broker.bounds = lambda: (0, 6)
    assert sequences(cluster.read_tail(LANE, 0)) == [0, 2, 4]


def test_batches_after_the_end_are_no_gap(
    broker: ScriptedBroker, cluster: KafkaCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """A replay's letters end before those that it sets aside itself."""
    asked = serve(broker, [])
    with caplog.at_level(logging.WARNING, "csvkafka"):
        found = [header.base_sequence for header, _ in cluster.read_batches(LANE, 0, 4)]
    assert (found, asked, caplog.messages) == ([0, 2], [0], [])


def test_a_log_start_that_moves_meanwhile_is_read_anew(
    broker: ScriptedBroker, cluster: KafkaCluster
) -> None:
    serve(broker, [OFFSET_OUT_OF_RANGE])
    starts = iter([0, 0])
    broker.bounds = lambda: (next(starts, 4), 10)
    tail = cluster.read_tail(LANE, 0)
    assert tail.log_start_offset == 4
    assert sequences(tail) == [4, 6, 8]


@pytest.mark.parametrize("code", [OFFSET_NOT_AVAILABLE, NOT_LEADER])
def test_an_end_that_is_not_known_yet_is_asked_for_again(
    broker: ScriptedBroker, cluster: KafkaCluster, code: int
) -> None:
    """F31."""
    answers: Iterator[int | tuple[int, int]] = iter([code, code])
    broker.bounds = lambda: next(answers, (0, 10))
    assert cluster.end_offset(LANE) == 10


@pytest.mark.parametrize(
    "question",
    [lambda c: c.end_offset(LANE), lambda c: c.read_tail(LANE, 0)],
    ids=["end_offset", "read_tail"],
)
def test_a_missing_right_is_refused_and_named(
    broker: ScriptedBroker, cluster: KafkaCluster, question: Callable[[KafkaCluster], object]
) -> None:
    broker.bounds = lambda: TOPIC_AUTHORIZATION_FAILED
    with pytest.raises(SinkRefusedError, match="DESCRIBE"):
        question(cluster)


@pytest.mark.parametrize("count", [1, 3, 10, 50])
def test_the_last_values_come_oldest_first(
    broker: ScriptedBroker, cluster: KafkaCluster, count: int
) -> None:
    serve(broker, [])
    expected = [b"%d" % number for number in range(10)][-count:]
    assert list(cluster.last_values(LANE, count)) == expected
