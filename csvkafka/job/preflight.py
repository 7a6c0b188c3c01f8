"""Checks a topic's settings before the first row: what would break the promise, what weakens it.

Pure. A setting that the cluster did not tell (no right to read it) is taken as Kafka's default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from csvkafka.errors import ConfigError, SinkRefusedError, counted
from csvkafka.job.definition import JobSpec
from csvkafka.limits import SMALLEST_BATCH_BYTES
from csvkafka.model import TopicFacts

DEFAULT_MAX_MESSAGE_BYTES = 1_048_588
"""`max.message.bytes` where nobody set it."""

BATCH_HEADER_SLACK_BYTES = 1_024
"""Left between a batch and `max.message.bytes`."""

SHORTEST_TIMESTAMP_LIMIT_MS = 600_000
"""A resent batch keeps its timestamp, so it may be this old when the broker takes it."""

DAY_MS = 86_400_000

DEFAULT_FORGETS_AFTER_MS = DAY_MS
"""`producer.id.expiration.ms` where nobody set it. Before Kafka 3.4 it was seven days."""

SHORTEST_MEMORY_MS = 300_000
"""How long a request may be on its way before its answer is given up."""

SAFE_SHARE_OF_REST = 0.5
"""How much of that time a lane may rest. The other half is for clocks that differ: the broker
compares its own with a record's time."""

_NEEDED = ("READ", "WRITE", "DESCRIBE")


@dataclass(frozen=True, slots=True)
class Findings:
    """What the checks let pass: `topic_bytes` is how large a batch this topic takes on the wire,
    `warnings` are sentences for the log."""

    topic_bytes: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BatchBytes:
    """How large a batch each topic of rows takes on the wire, and the topic of dead letters (where
    there is none: the same)."""

    rows: int
    letters: int


def check_topic(topic: str, facts: TopicFacts) -> Findings:
    """Checks the topic for a load.

    Raises SinkRefusedError if a right is missing, ConfigError if the promise would break."""
    _check_rights(topic, facts)
    config = facts.config
    _check_cleanup(topic, config)
    _check_timestamps(topic, config)
    _check_replicas(topic, facts)
    warnings = [
        *_replica_warnings(topic, facts),
        *_retention_warnings(topic, config),
        *_memory_warnings(topic, facts),
        *_compression_warnings(topic, config),
    ]
    return Findings(_fitting_batch_bytes(topic, config), tuple(warnings))


def batch_bytes(spec: JobSpec, facts: Mapping[str, TopicFacts]) -> BatchBytes:
    """How large a batch the job's topics take. One that was not looked at takes what is Kafka's
    default, and one that takes too little (which `check_topic` refuses) the least that is needed.
    """

    def taken(topics: Iterable[str]) -> int:
        found = (_batch_bytes(facts[topic].config if topic in facts else {}) for topic in topics)
        return max(SMALLEST_BATCH_BYTES, min(found))

    rows = taken(spec.data_topics)
    letters = rows if spec.dead_letter_topic is None else taken([spec.dead_letter_topic])
    return BatchBytes(rows, letters)


def letter_warnings(spec: JobSpec, taken: BatchBytes) -> list[str]:
    """What to say if the topic of dead letters takes less than those of rows, and less than what
    limits a letter in any case."""
    enough = min(taken.rows, spec.most_letter_bytes)
    if taken.letters >= enough:
        return []
    slack = BATCH_HEADER_SLACK_BYTES
    return [
        f"topic {spec.dead_letter_topic} (DEAD_LETTER_TOPIC) has max.message.bytes="
        f"{taken.letters + slack}, less than the topics of rows: a row that is too large for it "
        f"cannot be set aside, and stops the load; set at least {enough + slack}"
    ]


def missing_topic(topic: str, spec: JobSpec) -> ConfigError:
    """What to raise, or to show, for a topic of the job that is not there."""
    if topic == spec.topic:
        variable = "KAFKA_TOPIC"
    elif topic == spec.dead_letter_topic:
        variable = "DEAD_LETTER_TOPIC"
    else:
        variable = "[[route]] in CSV_COLUMNS"
    return ConfigError(
        f"topic {topic} does not exist, and csvkafka creates none: check {variable} and "
        "KAFKA_BOOTSTRAP_SERVERS, or create it (one partition keeps the file's order): "
        f"kafka-topics.sh --bootstrap-server HOST:PORT --create --topic {topic} --partitions 1 "
        "--replication-factor 3"
    )


def longest_rest_seconds(topics: Iterable[TopicFacts]) -> float:
    """How long a lane may rest before its leader may have forgotten the job's producer id."""
    told = [facts.forgets_after_ms for facts in topics]
    shortest_ms = min(DEFAULT_FORGETS_AFTER_MS if ms is None else ms for ms in told)
    return SAFE_SHARE_OF_REST * shortest_ms / 1000


def check_partition(topic: str, facts: TopicFacts, partition: int) -> None:
    """Raises ConfigError if the topic has no such partition."""
    if not 0 <= partition < facts.partition_count:
        last = facts.partition_count - 1
        numbers = f"0 to {last}" if last else "0"
        raise ConfigError(
            f"topic {topic} has {counted(facts.partition_count, 'partition')} ({numbers}), but "
            f"partition {partition} is configured (KAFKA_PARTITION); choose one that exists"
        )


def _check_rights(topic: str, facts: TopicFacts) -> None:
    """Checks all rights that a load, and a resume of it, needs on the topic; else a missing one
    would be noticed only in the middle of a load, or after a kill."""
    missing = [] if facts.rights is None else [op for op in _NEEDED if op not in facts.rights]
    if missing:
        raise SinkRefusedError(
            f"{facts.principal} has no right to {' and '.join(missing)} on topic {topic}: grant it "
            f"{', '.join(_NEEDED)} (a load writes rows, and a resume reads where they end)"
        )


def _check_cleanup(topic: str, config: dict[str, str]) -> None:
    policy = config.get("cleanup.policy", "delete")
    if "compact" in policy:
        raise ConfigError(
            f"topic {topic} has cleanup.policy={policy}: compaction removes rows with equal keys, "
            "and refuses rows without one; set cleanup.policy=delete or choose another topic"
        )


def _check_timestamps(topic: str, config: dict[str, str]) -> None:
    if config.get("message.timestamp.type", "CreateTime") == "LogAppendTime":
        return  # the broker writes the timestamps, and checks none
    for name in (
        "message.timestamp.before.max.ms",
        "message.timestamp.after.max.ms",
        "message.timestamp.difference.max.ms",
    ):
        limit_ms = _number(config, name, None)
        if limit_ms is not None and limit_ms < SHORTEST_TIMESTAMP_LIMIT_MS:
            raise ConfigError(
                f"topic {topic} has {name}={limit_ms}: a batch that is sent again after a broker "
                f"failure could be refused for its timestamp; set at least "
                f"{SHORTEST_TIMESTAMP_LIMIT_MS}, or message.timestamp.type=LogAppendTime"
            )


def _check_replicas(topic: str, facts: TopicFacts) -> None:
    minimum = _number(facts.config, "min.insync.replicas", 1)
    if minimum is not None and 0 < facts.replication_factor < minimum:
        raise ConfigError(
            f"topic {topic} has min.insync.replicas={minimum}, but only "
            f"{facts.replication_factor} replicas: it takes no rows with acks=all; lower "
            "min.insync.replicas or add replicas"
        )


def _fitting_batch_bytes(topic: str, config: dict[str, str]) -> int:
    fitting = _batch_bytes(config)
    if fitting < SMALLEST_BATCH_BYTES:
        raise ConfigError(
            f"topic {topic} has max.message.bytes={fitting + BATCH_HEADER_SLACK_BYTES}; csvkafka "
            f"needs at least {SMALLEST_BATCH_BYTES + BATCH_HEADER_SLACK_BYTES} (Kafka's default is "
            f"{DEFAULT_MAX_MESSAGE_BYTES}): raise it"
        )
    return fitting


def _batch_bytes(config: Mapping[str, str]) -> int:
    limit = _number(config, "max.message.bytes", None)
    return (limit or DEFAULT_MAX_MESSAGE_BYTES) - BATCH_HEADER_SLACK_BYTES


def _replica_warnings(topic: str, facts: TopicFacts) -> list[str]:
    warnings = []
    if facts.replication_factor == 1:
        warnings.append(
            f"topic {topic} has one replica: rows are lost with its disk; use a replication factor "
            "of 3 with min.insync.replicas=2"
        )
    elif facts.replication_factor > 1 and facts.config.get("min.insync.replicas", "1") == "1":
        warnings.append(
            f"topic {topic} has min.insync.replicas=1: rows that only one broker acknowledged are "
            "lost with it; set min.insync.replicas=2"
        )
    if facts.config.get("unclean.leader.election.enable", "false") == "true":
        warnings.append(
            f"topic {topic} has unclean.leader.election.enable=true: acknowledged rows may be lost "
            "in an election; set it to false"
        )
    return warnings


def _retention_warnings(topic: str, config: dict[str, str]) -> list[str]:
    retention_ms = _number(config, "retention.ms", None)
    if retention_ms is not None and 0 <= retention_ms < DAY_MS:
        return [
            f"topic {topic} has retention.ms={retention_ms}, less than a day: rows may be deleted "
            "before they are read, and a job that rests longer cannot tell where it ended; raise it"
        ]
    return []


def _memory_warnings(topic: str, facts: TopicFacts) -> list[str]:
    remembered_ms = facts.forgets_after_ms
    if remembered_ms is not None and remembered_ms < SHORTEST_MEMORY_MS:
        return [
            f"the brokers of topic {topic} forget a producer id after {remembered_ms / 1000:g} s: "
            "a batch whose answer is lost may be stored twice; raise producer.id.expiration.ms, "
            "best to Kafka's default of a day"
        ]
    return []


def _compression_warnings(topic: str, config: dict[str, str]) -> list[str]:
    compression = config.get("compression.type", "producer")
    if compression != "producer":
        return [
            f"topic {topic} has compression.type={compression}: the broker compresses every batch "
            "anew, which costs it time and may make a batch too large; set compression.type="
            "producer"
        ]
    return []


def _number(config: Mapping[str, str], name: str, default: int | None) -> int | None:
    text = config.get(name)
    return default if text is None else int(text)
