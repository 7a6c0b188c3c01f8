"""Asks a cluster, on a scratch topic, whether it really refuses a repeated sequence number.

csvkafka's promise hangs on that, and some servers that speak Kafka's protocol take the number but
do not check it.
"""

from __future__ import annotations

import time

from kafka.record.default_records import DefaultRecordBatchBuilder

from csvkafka.errors import ConfigError
from csvkafka.kafka.client import KafkaClient
from csvkafka.kafka.cluster import KafkaCluster
from csvkafka.kafka.sink import KafkaSink
from csvkafka.model import (
    Lane,
    OutcomeKind,
    ProduceOutcome,
    ProducerIdentity,
    SequencedBatch,
)

_GAP = 5
_ACCEPTED = (OutcomeKind.APPENDED, OutcomeKind.DUPLICATE)


def probe_sequence_enforcement(client: KafkaClient, topic: str) -> None:
    """Writes a few records to partition 0 of a scratch topic: one, the same again, and one whose
    number leaves a gap.

    Returns if the broker kept one of the first and refused the last. Raises ConfigError if it did
    not, or if there is no such topic; SinkUnavailableError, SinkRefusedError."""
    cluster = KafkaCluster(client)
    facts = cluster.describe_topic(topic)
    if facts is None:
        raise ConfigError(f"scratch topic {topic} does not exist; create it with one partition")
    lane = Lane(topic, 0)
    identity = cluster.new_producer_identity()
    begun_at = cluster.end_offset(lane)
    sink = KafkaSink(client, [lane], {topic: facts.topic_id})

    def answer(ticket: int, base_sequence: int) -> ProduceOutcome:
        batch = SequencedBatch(0, ticket, 1, _one_record(identity, base_sequence))

        def ask() -> ProduceOutcome | None:
            sink.send([batch])
            (outcome,) = sink.poll(client.settings.answer_timeout_ms / 1000) or (None,)
            retriable = outcome is None or outcome.kind is OutcomeKind.RETRIABLE
            return None if retriable else outcome

        outcome = client.until_answered(ask, f"topic {topic}")
        if outcome.kind is OutcomeKind.FATAL and outcome.error is not None:
            raise outcome.error
        return outcome

    if answer(0, 0).kind not in _ACCEPTED or answer(1, 0).kind not in _ACCEPTED:
        raise _not_enforced(topic, "it refuses a first or a repeated batch instead of knowing it")
    gap = answer(2, 1 + _GAP)
    ours = [
        header
        for header in cluster.read_tail(lane, begun_at).batches
        if header.producer_id == identity.producer_id
    ]
    if len([header for header in ours if header.base_sequence == 0]) != 1:
        raise _not_enforced(topic, "it stored a repeated batch twice")
    if gap.kind is not OutcomeKind.OUT_OF_ORDER or len(ours) != 1:
        raise _not_enforced(topic, "it stored a batch whose number leaves a gap")


def _one_record(identity: ProducerIdentity, base_sequence: int) -> bytes:
    """By kafka-python's encoder, so that the probe depends on no code that it vouches for."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=False,
        producer_id=identity.producer_id,
        producer_epoch=identity.producer_epoch,
        base_sequence=base_sequence,
        batch_size=1_000,
    )
    builder.append(0, int(time.time() * 1000), None, b"csvkafka probe", [])
    return bytes(builder.build())


def _not_enforced(topic: str, what: str) -> ConfigError:
    return ConfigError(
        f"the broker of topic {topic} does not enforce producer sequence numbers: {what}. On it "
        "rows could be repeated after a failure; use Apache Kafka 0.11 or newer, or a server that "
        "implements idempotent producers"
    )
