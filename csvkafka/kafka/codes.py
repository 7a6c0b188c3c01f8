"""What Kafka's errors mean to csvkafka: send again, stop and why, or refused.

Pure. All knowledge of error codes is here, so that the adapters have none.
"""

from __future__ import annotations

import ssl

from kafka import errors as kafka_errors

from csvkafka.errors import (
    ConfigError,
    CsvKafkaError,
    SequenceError,
    SinkRefusedError,
    SinkUnavailableError,
)
from csvkafka.model import Lane, OutcomeKind

NO_ERROR = 0
OFFSET_OUT_OF_RANGE = 1
UNKNOWN_TOPIC_OR_PARTITION = 3
INVALID_TOPIC = 17
TOPIC_AUTHORIZATION_FAILED = 29
CLUSTER_AUTHORIZATION_FAILED = 31
OUT_OF_ORDER_SEQUENCE_NUMBER = 45
DUPLICATE_SEQUENCE_NUMBER = 46
UNKNOWN_PRODUCER_ID = 59

_TOO_LARGE = frozenset((10, 18))  # MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE
_INVALID_TIMESTAMP = 32
# INVALID_PRODUCER_EPOCH, INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, INVALID_TXN_STATE
_PRODUCER_REFUSED = frozenset((47, 49, 90, 48))
# INVALID_TOPIC, INVALID_REQUIRED_ACKS, UNSUPPORTED_VERSION, UNSUPPORTED_FOR_MESSAGE_FORMAT,
# POLICY_VIOLATION, UNSUPPORTED_COMPRESSION_TYPE, INVALID_RECORD
_NEVER_ACCEPTED = frozenset((17, 21, 35, 43, 44, 76, 87))

_TLS_INTERRUPTED = (
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
    ssl.SSLSyscallError,
    ssl.SSLWantReadError,
    ssl.SSLWantWriteError,
)


def name_of(error_code: int) -> str:
    """Kafka's name for an error code, as kafka-python spells it, and the number."""
    return f"{kafka_errors.for_code(error_code).__name__} ({error_code})"


def kafka_name(error_code: int) -> str:
    """Kafka's own name for an error code, e.g. OUT_OF_ORDER_SEQUENCE_NUMBER."""
    return str(kafka_errors.for_code(error_code).message)


def produce_outcome(
    error_code: int, lane: Lane, broker_message: str | None
) -> tuple[OutcomeKind, CsvKafkaError | None]:
    """What a partition's answer to a batch means; the error says what to do.

    A code that nobody listed is RETRIABLE: sending the same bytes with the same sequence numbers
    again can do no harm, and the watchdog ends it."""
    if error_code == NO_ERROR:
        return OutcomeKind.APPENDED, None
    if error_code == DUPLICATE_SEQUENCE_NUMBER:
        return OutcomeKind.DUPLICATE, None
    place = f"partition {lane.partition} of topic {lane.topic}"
    reason = name_of(error_code) + (f": {broker_message}" if broker_message else "")
    if error_code == OUT_OF_ORDER_SEQUENCE_NUMBER:
        return OutcomeKind.OUT_OF_ORDER, SequenceError(f"{place} refused a batch: {reason}")
    if error_code in _TOO_LARGE:
        return OutcomeKind.TOO_LARGE, ConfigError(
            f"{place} refused a batch as too large ({reason})"
        )
    if error_code == _INVALID_TIMESTAMP:
        return OutcomeKind.FATAL, ConfigError(
            f"{place} refused a batch for its timestamp ({reason}); compare this host's clock with "
            "the broker's, and see the topic's message.timestamp.before.max.ms, "
            "message.timestamp.after.max.ms and message.timestamp.difference.max.ms"
        )
    if error_code == UNKNOWN_PRODUCER_ID:
        return OutcomeKind.UNKNOWN_PRODUCER, SequenceError(
            f"{place} has forgotten this job's producer id: {reason}"
        )
    if error_code in _PRODUCER_REFUSED:
        return OutcomeKind.FATAL, SequenceError(
            f"{place} does not accept this job's producer id and epoch any more ({reason}): "
            "another worker has begun a later epoch; a new id could repeat rows, so csvkafka takes "
            "none. Run again to look at the topic anew"
        )
    if error_code in _NEVER_ACCEPTED:
        return OutcomeKind.FATAL, ConfigError(
            f"{place} does not accept csvkafka's batches ({reason}); see the topic's settings"
        )
    if is_authorization(error_code):
        on_cluster = error_code == CLUSTER_AUTHORIZATION_FAILED
        operation = "IDEMPOTENT_WRITE on the cluster" if on_cluster else "WRITE"
        return OutcomeKind.FATAL, not_authorized(place, error_code, operation)
    return OutcomeKind.RETRIABLE, SinkUnavailableError(f"{place} did not take a batch: {reason}")


def is_authorization(error_code: int) -> bool:
    """The code says that an ACL is missing."""
    return issubclass(kafka_errors.for_code(error_code), kafka_errors.AuthorizationError)


def is_retriable(error_code: int) -> bool:
    """Kafka documents the code as one that may pass."""
    return bool(getattr(kafka_errors.for_code(error_code), "retriable", False))


def not_authorized(what: str, error_code: int, operation: str) -> SinkRefusedError:
    """The error for a missing ACL: who needs which operation on what."""
    return SinkRefusedError(
        f"Kafka refused access to {what} ({name_of(error_code)}); grant this principal the "
        f"operation {operation}"
    )


def refusal(error: BaseException) -> SinkRefusedError | None:
    """The error to raise if a connection failed by authentication or TLS, or if the server does not
    have the request; None: anything else."""
    if isinstance(error, kafka_errors.IncompatibleBrokerVersion):
        return SinkRefusedError(f"this server does not have a request that is needed: {error}")
    if isinstance(
        error,
        kafka_errors.SaslAuthenticationFailedError
        | kafka_errors.UnsupportedSaslMechanismError
        | kafka_errors.IllegalSaslStateError,
    ):
        return SinkRefusedError(
            f"Kafka refused the authentication ({error}); check KAFKA_SASL_MECHANISM, "
            "KAFKA_SASL_PLAIN_USERNAME and the password, or the AWS identity"
        )
    tls = _tls_error(error)
    if tls is not None:
        return SinkRefusedError(
            f"no TLS connection to Kafka ({tls}); check the port, the broker's certificate, the "
            "name by which KAFKA_BOOTSTRAP_SERVERS calls it, and KAFKA_SSL_CAFILE"
        )
    return None


def _tls_error(error: BaseException) -> ssl.SSLError | None:
    """kafka-python wraps an SSLError: as the context in the handshake, as the argument later."""
    for candidate in (error, error.__context__, *error.args):
        if isinstance(candidate, ssl.SSLError) and not isinstance(candidate, _TLS_INTERRUPTED):
            return candidate
    return None
