"""What each of Kafka's errors means: send again, stop and why, or refused."""

from __future__ import annotations

import ssl

import pytest
from kafka import errors as kafka_errors

from csvkafka.errors import ConfigError, SequenceError, SinkRefusedError, SinkUnavailableError
from csvkafka.kafka import codes
from csvkafka.model import Lane, OutcomeKind

LANE = Lane("rows", 3)


def test_each_code_that_kafka_calls_retriable_is_sent_again() -> None:
    retriable = [
        code
        for code, error in kafka_errors.kafka_errors.items()
        if error.retriable and code > codes.NO_ERROR
    ]
    assert len(retriable) > 20
    for code in retriable:
        assert codes.produce_outcome(code, LANE, None)[0] is OutcomeKind.RETRIABLE, code


@pytest.mark.parametrize("code", [-1, 2, 31_999])
def test_a_corrupt_or_unknown_answer_is_sent_again(code: int) -> None:
    kind, error = codes.produce_outcome(code, LANE, None)
    assert kind is OutcomeKind.RETRIABLE
    assert isinstance(error, SinkUnavailableError)


@pytest.mark.parametrize(
    ("code", "error_class", "told"),
    [
        (32, ConfigError, "message.timestamp.after.max.ms"),
        (29, SinkRefusedError, "WRITE"),
        (31, SinkRefusedError, "IDEMPOTENT_WRITE on the cluster"),
        (47, SequenceError, "producer id"),
        (90, SequenceError, "producer id"),
        (87, ConfigError, "topic's settings"),
        (76, ConfigError, "topic's settings"),
    ],
)
def test_a_fatal_answer_says_where_and_what_to_do(
    code: int, error_class: type[Exception], told: str
) -> None:
    kind, error = codes.produce_outcome(code, LANE, "the broker's words")
    assert kind is OutcomeKind.FATAL
    assert type(error) is error_class
    assert "partition 3 of topic rows" in str(error)
    assert told in str(error)


@pytest.mark.parametrize("code", [10, 18])
def test_a_batch_that_is_too_large_is_told_as_such(code: int) -> None:
    kind, error = codes.produce_outcome(code, LANE, None)
    assert kind is OutcomeKind.TOO_LARGE
    assert "partition 3 of topic rows refused a batch as too large" in str(error)


def test_the_brokers_own_message_is_passed_on() -> None:
    _, error = codes.produce_outcome(87, LANE, "Compacted topic cannot accept message without key")
    assert "cannot accept message without key" in str(error)


@pytest.mark.fault("F46")
def test_a_broken_certificate_is_a_refusal_in_the_handshake_and_later() -> None:
    bad = ssl.SSLCertVerificationError("certificate has expired")
    later = kafka_errors.KafkaConnectionError(bad)
    try:
        try:
            raise bad
        except ssl.SSLError as error:
            raise kafka_errors.KafkaConnectionError(f"Handshake failed: {error}")  # noqa: B904
    except kafka_errors.KafkaConnectionError as error:
        handshake = error
    for wrapped in (handshake, later):
        refused = codes.refusal(wrapped)
        assert refused is not None
        assert "expired" in str(refused)


@pytest.mark.parametrize(
    "error",
    [
        kafka_errors.KafkaConnectionError("socket disconnected"),
        kafka_errors.KafkaConnectionError(ssl.SSLEOFError("EOF occurred")),
        kafka_errors.KafkaTimeoutError(),
    ],
)
def test_a_lost_connection_is_no_refusal(error: Exception) -> None:
    assert codes.refusal(error) is None


def test_a_failed_authentication_is_a_refusal() -> None:
    assert codes.refusal(kafka_errors.SaslAuthenticationFailedError("no")) is not None
