"""Whether the brokers answer, the topics are fit for a load, and sequence numbers count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from csvkafka.cli.doctor.findings import Examination, Finding, Mark
from csvkafka.cli.output import bytes_text, count_text
from csvkafka.errors import ConfigError, CsvKafkaError
from csvkafka.job.preflight import (
    batch_bytes,
    check_partition,
    check_topic,
    letter_warnings,
    missing_topic,
)
from csvkafka.kafka.client import KafkaClient
from csvkafka.kafka.cluster import KafkaCluster
from csvkafka.kafka.probe import probe
from csvkafka.kafka.probe_cases import Verdict
from csvkafka.model import TopicFacts

ANSWER_TIMEOUT_MS = 20_000

_MARKS = {
    Verdict.OK: Mark.OK,
    Verdict.WARNING: Mark.WARNING,
    Verdict.REFUSED: Mark.ERROR,
    Verdict.SKIPPED: Mark.SKIPPED,
}


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
    spec, facts = examination.config.spec, examination.facts
    if facts.keys() >= set(spec.topics):
        for warning in letter_warnings(spec, batch_bytes(spec, facts)):
            yield Finding(Mark.WARNING, "topic", warning)


def _check_topic(examination: Examination, client: KafkaClient, topic: str) -> Iterator[Finding]:
    spec = examination.config.spec
    facts = KafkaCluster(client).describe_topic(topic)
    if facts is None:
        raise missing_topic(topic, spec)
    examination.facts[topic] = facts
    for lane in spec.lanes(facts.partition_count):  # of the others, the first partition
        if lane.topic == topic:
            check_partition(topic, facts, lane.partition)
    findings = check_topic(topic, facts)
    yield _rights(topic, facts)
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


def _rights(topic: str, facts: TopicFacts) -> Finding:
    if facts.rights is None:
        text = f"the brokers do not tell which rights {facts.principal} has on {topic}"
        return Finding(Mark.SKIPPED, "topic", text)
    rights = ", ".join(sorted(facts.rights))
    text = f"{facts.principal} has on {topic} the rights {rights}"
    return Finding(Mark.OK, "topic", text, how="by the brokers' metadata")


def check_sequences(examination: Examination) -> Iterator[Finding]:
    """How far the broker keeps the rules that the promise hangs on, if a scratch topic was
    named."""
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
    if examination.probe_topic in examination.config.spec.topics:
        raise ConfigError(
            f"topic {examination.probe_topic} is one of this load's own: the records of a probe do "
            "not belong there; name a scratch topic by --probe-topic"
        )
    for case in probe(examination.kafka, examination.probe_topic):
        text = f"{case.case}: {case.meaning}"
        yield Finding(_MARKS[case.verdict], "sequence", text, f"{case.sent}: {case.answer}", case)
