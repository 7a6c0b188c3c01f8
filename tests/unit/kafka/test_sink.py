"""The sink's contract, against a broker that answers as told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from csvkafka.errors import (
    ConfigError,
    SequenceError,
    SinkRefusedError,
    TopicChangedError,
)
from csvkafka.kafka.client import KafkaClient, KafkaSettings
from csvkafka.kafka.sink import KafkaSink
from csvkafka.model import Lane, OutcomeKind, ProduceOutcome, SequencedBatch
from tests.unit.kafka.scripted_broker import DROP, SILENCE, ScriptedBroker, scripted_broker

DEADLINE_SECONDS = 60.0
LANES = [Lane("rows", 0), Lane("rows", 1), Lane("rows", 2)]


@pytest.fixture
def broker() -> Iterator[ScriptedBroker]:
    with scripted_broker() as running:
        yield running


@contextmanager
def sink_for(broker: ScriptedBroker, **settings: Any) -> Iterator[KafkaSink]:
    client = KafkaClient(KafkaSettings((broker.address,), **settings))
    try:
        client.connect()
        client.refresh(["rows"])
        ids = {"rows": client.topics["rows"].topic_id}
        yield KafkaSink(client, LANES, ids)
    finally:
        client.close()


SASL = {
    "security_protocol": "SASL_PLAINTEXT",
    "sasl_mechanism": "PLAIN",
    "sasl_plain_username": "loader",
    "sasl_plain_password": "secret",
}
AUTHENTICATION_FAILED = 58


def batch(ticket: int, lane: int = 0, size: int = 10) -> SequencedBatch:
    return SequencedBatch(lane, ticket, 1, f"{lane}/{ticket}/".encode().ljust(size, b"."))


def outcomes_of(sink: KafkaSink, count: int) -> list[ProduceOutcome]:
    deadline = time.monotonic() + DEADLINE_SECONDS
    outcomes: list[ProduceOutcome] = []
    while len(outcomes) < count and time.monotonic() < deadline:
        outcomes += sink.poll(1.0)
    assert len(outcomes) == count
    return outcomes


def kinds(outcomes: list[ProduceOutcome]) -> list[OutcomeKind]:
    return [outcome.kind for outcome in outcomes]


def test_each_batch_of_a_lane_is_appended_in_the_order_of_the_sends(broker: ScriptedBroker) -> None:
    with sink_for(broker) as sink:
        sink.send([batch(0), batch(1), batch(2)])
        outcomes = outcomes_of(sink, 3)
    assert [(o.ticket, o.kind, o.base_kafka_offset) for o in outcomes] == [
        (0, OutcomeKind.APPENDED, 0),
        (1, OutcomeKind.APPENDED, 1),
        (2, OutcomeKind.APPENDED, 2),
    ]
    assert [data[:3] for _, _, data in broker.produced] == [b"0/0", b"0/1", b"0/2"]


def test_a_request_holds_at_most_one_batch_of_each_partition(broker: ScriptedBroker) -> None:
    with sink_for(broker) as sink:
        sink.send([batch(0, 0), batch(1, 0), batch(0, 1), batch(0, 2)])
        outcomes_of(sink, 4)
    assert broker.requests == [3, 1]


def test_batches_that_are_large_together_go_in_several_requests(broker: ScriptedBroker) -> None:
    with sink_for(broker) as sink:
        sink.send([batch(0, lane, 600_000) for lane in range(3)])
        outcomes_of(sink, 3)
    assert broker.requests == [1, 1, 1]


@pytest.mark.parametrize("version", [3, 8, 9, 12, 13])
def test_every_version_of_the_produce_request_works(broker: ScriptedBroker, version: int) -> None:
    broker.versions[0] = (3, version)
    with sink_for(broker) as sink:
        sink.send([batch(0)])
        assert kinds(outcomes_of(sink, 1)) == [OutcomeKind.APPENDED]


@pytest.mark.parametrize(
    ("code", "kind", "error"),
    [
        (46, OutcomeKind.DUPLICATE, None),
        (45, OutcomeKind.OUT_OF_ORDER, SequenceError),
        (10, OutcomeKind.TOO_LARGE, ConfigError),
        (32, OutcomeKind.FATAL, ConfigError),
        (29, OutcomeKind.FATAL, SinkRefusedError),
        (59, OutcomeKind.UNKNOWN_PRODUCER, SequenceError),
        (47, OutcomeKind.FATAL, SequenceError),
        (19, OutcomeKind.RETRIABLE, None),
        (20, OutcomeKind.RETRIABLE, None),
        (7, OutcomeKind.RETRIABLE, None),
        (2, OutcomeKind.RETRIABLE, None),
    ],
)
@pytest.mark.fault("F34", "F38", "F48")
def test_an_answer_becomes_one_outcome(
    broker: ScriptedBroker, code: int, kind: OutcomeKind, error: type[Exception] | None
) -> None:
    broker.answer = lambda *_: code
    with sink_for(broker) as sink:
        sink.send([batch(7)])
        (outcome,) = outcomes_of(sink, 1)
    assert (outcome.ticket, outcome.kind, outcome.base_kafka_offset) == (7, kind, -1)
    if error is not None:
        assert isinstance(outcome.error, error)


def test_a_lane_sends_again_after_a_failure(broker: ScriptedBroker) -> None:
    answers = iter([6, 0, 0])
    broker.answer = lambda *_: next(answers)
    with sink_for(broker) as sink:
        sink.send([batch(0)])
        assert kinds(outcomes_of(sink, 1)) == [OutcomeKind.RETRIABLE]
        sink.send([batch(0), batch(1)])
        assert kinds(outcomes_of(sink, 2)) == [OutcomeKind.APPENDED] * 2


def test_a_lost_connection_answers_all_that_was_in_flight_in_order(broker: ScriptedBroker) -> None:
    broker.answer = lambda *_: DROP
    with sink_for(broker) as sink:
        sink.send([batch(0), batch(1), batch(0, 1), batch(2)])
        outcomes = outcomes_of(sink, 4)
        assert set(kinds(outcomes)) == {OutcomeKind.RETRIABLE}
        assert [o.ticket for o in outcomes if o.lane == 0] == [0, 1, 2]
        broker.answer = lambda *_: 0
        sink.send([batch(0), batch(1), batch(2)])
        assert kinds(outcomes_of(sink, 3)) == [OutcomeKind.APPENDED] * 3


def test_a_silent_broker_is_given_up_after_the_request_timeout(broker: ScriptedBroker) -> None:
    broker.answer = lambda *_: SILENCE
    with sink_for(broker, request_timeout_ms=300) as sink:
        begun = time.monotonic()
        sink.send([batch(0)])
        assert kinds(outcomes_of(sink, 1)) == [OutcomeKind.RETRIABLE]
        assert 0.25 < time.monotonic() - begun < 5
        broker.answer = lambda *_: 0
        sink.send([batch(0)])
        assert kinds(outcomes_of(sink, 1)) == [OutcomeKind.APPENDED]


def test_the_request_timeout_grows_with_answers_that_were_slow(broker: ScriptedBroker) -> None:
    """F42: a link that needs longer for a batch than the timeout must get through some day."""
    release = threading.Event()

    def slowly(*_: Any) -> int:
        release.wait(0.7)  # longer than the timeout, shorter than four times it
        return 0

    broker.answer = slowly
    with sink_for(broker, request_timeout_ms=300) as sink:
        sink.send([batch(0)])
        assert kinds(outcomes_of(sink, 1)) == [OutcomeKind.RETRIABLE]
        sink.send([batch(0)])
        assert kinds(outcomes_of(sink, 1)) == [OutcomeKind.APPENDED]
        release.set()


def test_a_throttled_connection_waits_and_keeps_the_order(broker: ScriptedBroker) -> None:
    broker.throttle_ms = 300
    with sink_for(broker) as sink:
        sink.send([batch(0)])
        outcomes_of(sink, 1)
        begun = time.monotonic()
        sink.send([batch(1), batch(2)])
        broker.throttle_ms = 0
        outcomes = outcomes_of(sink, 2)
    assert [(o.ticket, o.kind) for o in outcomes] == [
        (1, OutcomeKind.APPENDED),
        (2, OutcomeKind.APPENDED),
    ]
    assert time.monotonic() - begun > 0.2


def test_the_topic_ids_are_read_again_before_the_first_send_on_a_new_connection(
    broker: ScriptedBroker,
) -> None:
    broker.versions[0] = (3, 9)  # requests without topic ids: only the metadata tells
    broker.answer = lambda *_: DROP
    with sink_for(broker) as sink:
        sink.send([batch(0)])
        assert kinds(outcomes_of(sink, 1)) == [OutcomeKind.RETRIABLE]
        broker.topics["rows"] = uuid4()
        broker.answer = lambda *_: 0
        sink.send([batch(0)])
        (outcome,) = outcomes_of(sink, 1)
    assert outcome.kind is OutcomeKind.FATAL
    assert isinstance(outcome.error, TopicChangedError)
    assert broker.produced == []


@pytest.mark.parametrize("version", [9, 13])
def test_a_topic_that_was_deleted_and_created_again_is_fatal(
    broker: ScriptedBroker, version: int
) -> None:
    """F53."""
    broker.versions[0] = (3, version)
    answers = iter([3])
    with sink_for(broker) as sink:
        sink.send([batch(0)])
        outcomes_of(sink, 1)
        broker.topics["rows"] = uuid4()
        broker.answer = lambda *_: next(answers, 0)
        sink.send([batch(1)])
        (outcome,) = outcomes_of(sink, 1)
        if outcome.kind is OutcomeKind.RETRIABLE:
            sink.send([batch(1)])
            (outcome,) = outcomes_of(sink, 1)
    assert isinstance(outcome.error, TopicChangedError)
    assert len(broker.produced) == 1


def test_a_deleted_topic_is_retriable_and_does_not_spin(broker: ScriptedBroker) -> None:
    with sink_for(broker) as sink:
        del broker.topics["rows"]
        for _ in range(3):
            sink.send([batch(0)])
            assert kinds(outcomes_of(sink, 1)) == [OutcomeKind.RETRIABLE]
    assert broker.metadata_count < 10


def test_wake_ends_a_poll_in_another_thread(broker: ScriptedBroker) -> None:
    with sink_for(broker) as sink:
        sink.send([batch(0)])
        outcomes_of(sink, 1)
        timer = threading.Timer(0.2, sink.wake)
        timer.start()
        begun = time.monotonic()
        assert list(sink.poll(DEADLINE_SECONDS)) == []
        timer.join()
        assert time.monotonic() - begun < DEADLINE_SECONDS / 2


def test_an_idle_poll_blocks_without_working(broker: ScriptedBroker) -> None:
    with sink_for(broker) as sink:
        sink.send([batch(0)])
        outcomes_of(sink, 1)
        begun, worked = time.monotonic(), time.thread_time()
        assert list(sink.poll(0.5)) == []
        assert time.monotonic() - begun >= 0.5
        assert time.thread_time() - worked < 0.1


@pytest.mark.fault("F45")
def test_no_broker_is_retriable_and_recovers(broker: ScriptedBroker) -> None:
    with sink_for(broker) as sink:
        port, broker.port = broker.port, 1  # the metadata sends us to a closed port
        broker.answer = lambda *_: DROP
        sink.send([batch(0)])
        assert kinds(outcomes_of(sink, 1)) == [OutcomeKind.RETRIABLE]
        sink.send([batch(0)])
        assert kinds(outcomes_of(sink, 1)) == [OutcomeKind.RETRIABLE]
        broker.port = port
        broker.answer = lambda *_: 0
        deadline = time.monotonic() + DEADLINE_SECONDS
        outcome = None
        while time.monotonic() < deadline:
            sink.send([batch(0)])
            (outcome,) = outcomes_of(sink, 1)
            if outcome.kind is OutcomeKind.APPENDED:
                break
        assert outcome is not None
        assert outcome.kind is OutcomeKind.APPENDED


def test_nothing_is_sent_behind_a_batch_that_failed(broker: ScriptedBroker) -> None:
    """A broker that lost our id's state would take the later batch and refuse the earlier one."""
    release = threading.Event()

    def answer(_topic: str, _partition: int, records: bytes) -> int:
        if records.startswith(b"0/0"):
            broker.throttle_ms = 200  # so that batch 3 has to wait behind 1 and 2
            return 0
        broker.throttle_ms = 0
        if records.startswith(b"0/1"):
            return 6
        release.wait(DEADLINE_SECONDS)
        return 0

    broker.answer = answer
    with sink_for(broker) as sink:
        sink.send([batch(0), batch(1), batch(2)])
        first = outcomes_of(sink, 2)
        sink.send([batch(3)])
        assert list(sink.poll(0.5)) == [], "batch 3 waits for the answer to batch 2"
        release.set()
        last = outcomes_of(sink, 2)
    assert [(o.ticket, o.kind) for o in first + last] == [
        (0, OutcomeKind.APPENDED),
        (1, OutcomeKind.RETRIABLE),
        (2, OutcomeKind.APPENDED),
        (3, OutcomeKind.RETRIABLE),
    ]
    assert [data[:3] for _, _, data in broker.produced] == [b"0/0", b"0/2"]


def test_a_new_leader_gets_nothing_before_the_former_one_has_answered(
    broker: ScriptedBroker,
) -> None:
    release = threading.Event()

    def held(_topic: str, _partition: int, _records: bytes) -> int:
        release.wait(DEADLINE_SECONDS)
        return 0

    with scripted_broker() as other:
        other.node_id = 2
        other.topics = broker.topics
        broker.peers, other.peers = [other], [broker]
        broker.leaders = other.leaders = {1: 2}
        with sink_for(broker) as sink:
            broker.answer = held
            sink.send([batch(0, 0)])
            assert list(sink.poll(0.1)) == []
            broker.leaders[0] = 2
            other.answer = lambda *_: 6  # makes the sink read the metadata again
            sink.send([batch(0, 1)])
            outcomes_of(sink, 1)
            other.answer = lambda *_: 0
            sink.send([batch(1, 1)])
            outcomes_of(sink, 1)
            sink.send([batch(1, 0)])
            assert list(sink.poll(0.3)) == []
            assert ("rows", 0) not in other.offsets
            release.set()
            outcomes = outcomes_of(sink, 2)
    assert [(o.lane, o.ticket, o.kind) for o in outcomes] == [
        (0, 0, OutcomeKind.APPENDED),
        (0, 1, OutcomeKind.APPENDED),
    ]
    assert other.offsets["rows", 0] == 1


def lose_the_connection(broker: ScriptedBroker, sink: KafkaSink) -> None:
    broker.answer = lambda *_: DROP
    sink.send([batch(0)])
    assert kinds(outcomes_of(sink, 1)) == [OutcomeKind.RETRIABLE]
    broker.answer = lambda *_: 0


def last_kind(sink: KafkaSink) -> OutcomeKind:
    """Sends a batch until the answer is not RETRIABLE."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        sink.send([batch(0)])
        (outcome,) = outcomes_of(sink, 1)
        if outcome.kind is not OutcomeKind.RETRIABLE:
            assert outcome.error is None or isinstance(outcome.error, SinkRefusedError)
            return outcome.kind
        sink.poll(0.05)
    raise AssertionError("still RETRIABLE")


@pytest.mark.fault("F47")
def test_an_authentication_that_fails_once_while_running_is_tried_again(
    broker: ScriptedBroker,
) -> None:
    """F47: a token that ran out just now."""
    with sink_for(broker, **SASL) as sink:
        sink.send([batch(0)])
        outcomes_of(sink, 1)
        answers = iter([AUTHENTICATION_FAILED])
        broker.authenticate = lambda: next(answers, 0)
        lose_the_connection(broker, sink)
        assert last_kind(sink) is OutcomeKind.APPENDED


def test_an_authentication_that_keeps_failing_while_running_is_fatal(
    broker: ScriptedBroker,
) -> None:
    with sink_for(broker, **SASL) as sink:
        sink.send([batch(0)])
        outcomes_of(sink, 1)
        broker.authenticate = lambda: AUTHENTICATION_FAILED
        lose_the_connection(broker, sink)
        assert last_kind(sink) is OutcomeKind.FATAL


@pytest.mark.fault("F47")
def test_a_session_that_must_authenticate_again_loses_nothing(broker: ScriptedBroker) -> None:
    """F47: `connections.max.reauth.ms`."""
    authenticated: list[int] = []
    broker.session_lifetime_ms = 1_000

    def authenticate() -> int:
        authenticated.append(1)
        return 0

    broker.authenticate = authenticate
    with sink_for(broker, **SASL) as sink:
        ticket = 0
        begun_with = len(authenticated)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(authenticated) < begun_with + 3 and time.monotonic() < deadline:
            sink.send([batch(ticket), batch(ticket + 1)])
            assert kinds(outcomes_of(sink, 2)) == [OutcomeKind.APPENDED] * 2
            ticket += 2
            sink.poll(0.01)
    assert len(authenticated) >= begun_with + 3
    assert [int(data[2:].split(b"/")[0]) for _, _, data in broker.produced] == list(range(ticket))
