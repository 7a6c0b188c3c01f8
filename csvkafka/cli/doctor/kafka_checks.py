"""Whether the brokers answer, the topics are fit for a load, and sequence numbers count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from csvkafka.cli.doctor.findings import Examination, Finding, Mark
from csvkafka.cli.output import bytes_text, count_text
from csvkafka.errors import CsvKafkaError
from csvkafka.job.preflight import check_partition, check_topic
from csvkafka.kafka.client import KafkaClient
from csvkafka.kafka.cluster import KafkaCluster
from csvkafka.kafka.probe import probe_sequence_enforcement

ANSWER_TIMEOUT_MS = 20_000


def check_broker(examination: Examination) -> Iterator[Finding]:
    """A broker answers, and gives producer ids."""
    settings = examination.config.kafka
    client = KafkaClient(replace(settings, answer_timeout_ms=ANSWER_TIMEOUT_MS))
    try:
        client.connect()
    except BaseException:
        client.close()
        raise
    examination.kafka = client
    servers = ",".join(settings.bootstrap_servers)
    yield Finding(Mark.OK, "kafka", f"{servers}: cluster {client.cluster_id}")
    KafkaCluster(client).new_producer_identity()
    yield Finding(Mark.OK, "kafka", "gives producer ids")


def check_topics(examination: Examination) -> Iterator[Finding]:
    """Each topic of the load exists and has settings under which the promise holds."""
    if examination.kafka is None:
        return
    for topic in examination.config.spec.topics:
        try:
            yield from _check_topic(examination, examination.kafka, topic)
        except CsvKafkaError as error:
            yield Finding(Mark.ERROR, "topic", str(error))


def _check_topic(examination: Examination, client: KafkaClient, topic: str) -> Iterator[Finding]:
    spec = examination.config.spec
    facts = KafkaCluster(client).describe_topic(topic)
    if facts is None:
        yield Finding(
            Mark.ERROR, "topic", f"{topic} does not exist; create it, csvkafka never does"
        )
        return
    examination.facts[topic] = facts
    for lane in spec.lanes(facts.partition_count):
        if lane.topic == topic:
            check_partition(topic, facts, lane.partition)
    findings = check_topic(topic, facts)
    examination.topic_bytes = min(examination.topic_bytes, findings.topic_bytes)
    yield Finding(
        Mark.OK,
        "topic",
        f"{topic}: partitions {count_text(facts.partition_count)}, replication "
        f"{facts.replication_factor}, batches of up to {bytes_text(findings.topic_bytes)}",
    )
    for warning in findings.warnings:
        yield Finding(Mark.WARNING, "topic", warning)
    if not facts.config:
        yield Finding(
            Mark.WARNING,
            "topic",
            f"the settings of {topic} may not be read (DESCRIBE_CONFIGS), so they were not checked",
        )


def check_sequences(examination: Examination) -> Iterator[Finding]:
    """Whether the broker refuses repeated sequence numbers, if a topic to try it on was named."""
    if examination.kafka is None:
        return
    if examination.probe_topic is None:
        yield Finding(
            Mark.SKIPPED,
            "sequence",
            "whether the broker refuses repeated sequence numbers was not asked: Apache Kafka "
            "does; for another server name a scratch topic by --probe-topic",
        )
        return
    probe_sequence_enforcement(examination.kafka, examination.probe_topic)
    yield Finding(Mark.OK, "sequence", "the broker refuses repeated sequence numbers")
