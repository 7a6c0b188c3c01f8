"""What the topic's settings may be, and what each message tells to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from csvkafka.errors import ConfigError, SinkRefusedError
from csvkafka.job.definition import JobSpec
from csvkafka.job.preflight import (
    DEFAULT_MAX_MESSAGE_BYTES,
    BatchBytes,
    Findings,
    batch_bytes,
    check_partition,
    check_topic,
    letter_warnings,
    longest_rest_seconds,
)
from csvkafka.limits import SMALLEST_BATCH_BYTES
from csvkafka.model import BadRows, TopicFacts
from csvkafka.schema.declaration import read_table

SOUND = {
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "max.message.bytes": "1048588",
    "message.timestamp.after.max.ms": "3600000",
    "message.timestamp.before.max.ms": "9223372036854775807",
    "message.timestamp.type": "CreateTime",
    "min.insync.replicas": "2",
    "retention.ms": "604800000",
    "unclean.leader.election.enable": "false",
}


def findings(replication_factor: int = 3, **changed: str) -> Findings:
    config = SOUND | {name.replace("_", "."): value for name, value in changed.items()}
    return check_topic("rows", facts(config, replication_factor))


def facts(config: dict[str, str], replication_factor: int = 3) -> TopicFacts:
    return TopicFacts("cluster", "id", 4, replication_factor, config)


def test_a_sound_topic_passes_without_a_word() -> None:
    assert findings() == Findings(DEFAULT_MAX_MESSAGE_BYTES - 1_024, ())


@pytest.mark.parametrize("missing", ["READ", "WRITE", "DESCRIBE"])
def test_each_right_that_is_missing_is_named_with_the_principal(missing: str) -> None:
    rights = frozenset({"READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS"} - {missing})
    ours = replace(facts(SOUND), rights=rights, principal="User:loader")
    with pytest.raises(SinkRefusedError, match=f"User:loader has no right to {missing} on topic"):
        check_topic("rows", ours)


def test_rights_that_nobody_told_are_not_missing() -> None:
    check_topic("rows", replace(facts(SOUND), rights=None))


def test_settings_that_were_not_told_are_taken_as_kafkas_defaults() -> None:
    assert check_topic("rows", facts({})).topic_bytes == 1_047_564


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("cleanup_policy", "compact", "cleanup.policy=delete"),
        ("cleanup_policy", "compact,delete", "cleanup.policy=delete"),
        ("max_message_bytes", "1000", "max.message.bytes"),
        ("message_timestamp_before_max_ms", "1000", "LogAppendTime"),
        ("message_timestamp_after_max_ms", "1000", "LogAppendTime"),
        ("message_timestamp_difference_max_ms", "1000", "LogAppendTime"),
        ("min_insync_replicas", "4", "lower min.insync.replicas"),
    ],
)
def test_a_setting_that_breaks_the_promise_is_refused(setting: str, value: str, told: str) -> None:
    change: Any = {setting: value}
    with pytest.raises(ConfigError, match="topic rows has") as refused:
        findings(**change)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("min_insync_replicas", "1", "set min.insync.replicas=2"),
        ("unclean_leader_election_enable", "true", "set it to false"),
        ("retention_ms", "3600000", "raise it"),
        ("compression_type", "gzip", "compression.type=producer"),
    ],
)
def test_a_setting_that_weakens_the_promise_is_a_warning(
    setting: str, value: str, told: str
) -> None:
    change: Any = {setting: value}
    (warning,) = findings(**change).warnings
    assert told in warning


def test_one_replica_is_a_warning() -> None:
    (warning,) = findings(replication_factor=1, min_insync_replicas="1").warnings
    assert "one replica" in warning


def test_infinite_retention_is_no_warning() -> None:
    assert findings(retention_ms="-1").warnings == ()


def test_the_brokers_timestamps_need_no_limits() -> None:
    changed: dict[str, Any] = {"message_timestamp_type": "LogAppendTime"}
    changed["message_timestamp_before_max_ms"] = "1"
    assert findings(**changed).warnings == ()


def test_batches_stay_below_the_topics_limit() -> None:
    assert findings(max_message_bytes="500000").topic_bytes == 500_000 - 1_024


@pytest.mark.parametrize("partition", [-1, 4])
def test_a_partition_that_does_not_exist_is_refused(partition: int) -> None:
    with pytest.raises(ConfigError, match="has 4 partitions"):
        check_partition("rows", facts({}), partition)


def test_the_only_partition_is_named() -> None:
    said = r"has 1 partition \(0\), but partition 3 is configured \(KAFKA_PARTITION\)"
    with pytest.raises(ConfigError, match=said):
        check_partition("rows", replace(facts({}), partition_count=1), 3)


def test_a_partition_that_exists_passes() -> None:
    check_partition("rows", facts({}), 3)


@pytest.mark.fault("F111")
@pytest.mark.parametrize(
    ("told", "seconds"),
    [([None], 43_200.0), ([7_000], 3.5), ([7_000, 3_000], 1.5), ([None, 604_800_000], 43_200.0)],
)
def test_a_lane_may_rest_for_half_of_what_the_brokers_remember(
    told: list[int | None], seconds: float
) -> None:
    """Of a broker that does not tell, for half a day."""
    topics = [replace(facts(SOUND), forgets_after_ms=each) for each in told]
    assert longest_rest_seconds(topics) == seconds


@pytest.mark.parametrize(("told", "warns"), [(None, False), (299_999, True), (300_000, False)])
def test_brokers_that_soon_forget_a_producer_id_are_warned_of(
    told: int | None, warns: bool
) -> None:
    warnings = check_topic("rows", replace(facts(SOUND), forgets_after_ms=told)).warnings
    assert [text for text in warnings if "forget a producer id after 299.999 s" in text] == list(
        warnings
    )
    assert len(warnings) == warns


ROUTED = """
[columns]
id = "int"
[[route]]
topic = "south"
column = "id"
equals = "1"
"""


def test_rows_and_dead_letters_are_limited_by_their_own_topics() -> None:
    spec = JobSpec(
        "job",
        "rows",
        bad_rows=BadRows.DEAD_LETTER,
        dead_letter_topic="dead",
        table=read_table(ROUTED, "columns.toml"),
    )
    sizes = {"rows": "900000", "south": "800000", "dead": "20000"}
    known = {topic: facts({"max.message.bytes": size}) for topic, size in sizes.items()}
    taken = batch_bytes(spec, known)
    assert taken == BatchBytes(800_000 - 1_024, 20_000 - 1_024)
    (warning,) = letter_warnings(spec, taken)
    assert "topic dead (DEAD_LETTER_TOPIC) has max.message.bytes=20000, less" in warning
    assert warning.endswith("set at least 800000")
    del known["rows"], known["dead"]
    assert batch_bytes(spec, known) == BatchBytes(800_000 - 1_024, 1_048_588 - 1_024)
    for letters in (799_999, 800_000):
        warned = letter_warnings(spec, BatchBytes(800_000, letters))
        assert len(warned) == (letters < 800_000)


def test_no_topic_of_letters_need_take_more_than_a_letter_may() -> None:
    """No letter is larger than that."""
    spec = JobSpec("job", "rows", bad_rows=BadRows.DEAD_LETTER, dead_letter_topic="dead")
    assert letter_warnings(spec, BatchBytes(20_000_000, 8_000_000)) == []
    (warning,) = letter_warnings(spec, BatchBytes(20_000_000, 7_999_999))
    assert warning.endswith(f"set at least {8_000_000 + 1_024}")


def test_a_topic_that_takes_too_little_is_left_to_its_own_check() -> None:
    tiny = batch_bytes(JobSpec("job", "rows"), {"rows": facts({"max.message.bytes": "1000"})})
    assert tiny == BatchBytes(SMALLEST_BATCH_BYTES, SMALLEST_BATCH_BYTES)


def test_without_dead_letters_there_is_one_limit() -> None:
    spec = JobSpec("job", "rows")
    taken = batch_bytes(spec, {"rows": facts({"max.message.bytes": "500000"})})
    assert taken == BatchBytes(500_000 - 1_024, 500_000 - 1_024)
    assert letter_warnings(spec, taken) == []
