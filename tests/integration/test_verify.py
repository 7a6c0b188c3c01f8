"""What readers see of a topic, and the judgement of a job that really ran."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer, TopicPartition

from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import ConfigError, SourceChangedError
from csvkafka.testing.checker.expectation import IdentifyBy
from csvkafka.testing.checker.topic_reader import Isolation, TopicReader
from csvkafka.testing.checker.verdict import AnomalyKind
from csvkafka.testing.checker.verify import Scope, judge_load, verify_job
from csvkafka.testing.inputs.csv_files import preset, write_csv
from tests.integration.kafka_rows import admin, eventually
from tests.integration.loads import LoadPlace

ROWS = 5_000
NASTY = b"".join(write_csv(preset("nasty", ROWS, seed=3)))


def config_of(place: LoadPlace, **more: str) -> LoadConfig:
    return LoadConfig.from_settings(place.settings(**more))


def producer_of(place: LoadPlace, **settings: Any) -> KafkaProducer:
    return KafkaProducer(bootstrap_servers=place.stack.bootstrap_servers, **settings)


def send(place: LoadPlace, *values: bytes) -> None:
    producer = producer_of(place)
    for value in values:
        producer.send(place.topic, value=value, partition=0).get(timeout=120)
    producer.close()


def seen(place: LoadPlace, isolation: Isolation) -> list[bytes | None]:
    with TopicReader(config_of(place).kafka, place.topic, isolation) as reader:
        return [record.value for records in reader.records().values() for record in records]


def test_readers_of_both_isolation_levels_see_what_they_should(place: LoadPlace) -> None:
    send(place, b"before")
    producer = producer_of(place, transactional_id=f"of-{place.topic}")
    producer.init_transactions()
    for value, ends_well in ((b"aborted", False), (b"committed", True)):
        producer.begin_transaction()
        producer.send(place.topic, value=value, partition=0).get(timeout=120)
        if ends_well:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
    send(place, b"after")

    everything = [b"before", b"aborted", b"committed", b"after"]
    assert seen(place, Isolation.READ_UNCOMMITTED) == everything
    assert seen(place, Isolation.READ_COMMITTED) == [b"before", b"committed", b"after"]

    producer.begin_transaction()
    producer.send(place.topic, value=b"open", partition=0).get(timeout=120)
    assert seen(place, Isolation.READ_UNCOMMITTED)[-1] == b"open"
    with TopicReader(config_of(place).kafka, place.topic, Isolation.READ_COMMITTED) as reader:
        assert reader.bounds[0].undecided == 1
        assert [record.value for record in reader.read(0)][-1] == b"after"
    producer.abort_transaction()
    producer.close()


def test_a_topic_that_does_not_exist(place: LoadPlace) -> None:
    with (
        pytest.raises(ConfigError, match="no-such-topic does not exist"),
        TopicReader(config_of(place).kafka, "no-such-topic"),
    ):
        pass


@pytest.mark.parametrize("isolation", Isolation)
def test_a_whole_load_is_clean_for_every_reader(place: LoadPlace, isolation: Isolation) -> None:
    place.put(NASTY)
    place.load()
    verdict = judge_load(config_of(place), Scope(isolation))
    assert verdict.is_clean, str(verdict)
    assert (verdict.row_count, verdict.rows_found, verdict.record_count) == (ROWS, ROWS, ROWS)


@pytest.mark.parametrize("partitioner", ["murmur2", "crc32"])
def test_rows_by_key_are_due_in_their_partitions(place: LoadPlace, partitioner: str) -> None:
    place.stack.create_topic(topic := f"{place.topic}-keyed", 5)
    place.put(NASTY)
    settings = {"KEY_COLUMN": "key", "KAFKA_TOPIC": topic, "PARTITIONER": partitioner}
    place.load(**settings)
    config = config_of(place, **settings)
    assert verify_job(config).verdict.is_clean
    other = {"murmur2": "crc32", "crc32": "murmur2"}[partitioner]
    moved = judge_load(config_of(place, **{**settings, "PARTITIONER": other}))
    assert [anomaly.kind for anomaly in moved.anomalies] == [AnomalyKind.REORDERED_ROW]


def test_partitions_that_were_added_since_do_not_move_rows(place: LoadPlace) -> None:
    place.stack.create_topic(topic := f"{place.topic}-growing", 3)
    place.put(NASTY)
    settings = {"KEY_COLUMN": "key", "KAFKA_TOPIC": topic}
    place.load(**settings)
    with admin(place.stack.bootstrap_servers) as client:
        client.create_partitions({topic: 5})
    config = config_of(place, **settings)

    def partitions_seen() -> int:
        with TopicReader(config.kafka, topic) as reader:
            return len(reader.bounds)

    eventually(lambda: partitions_seen() == 5)
    assert verify_job(config).verdict.is_clean
    assert not judge_load(config).is_clean, "the topic's own count is another one now"


def test_the_version_that_the_job_loaded_is_judged(place: LoadPlace) -> None:
    place.bucket = f"{place.bucket}-versioned"
    place.stack.create_bucket(place.bucket, versioned=True)
    place.put(b"id,name\n1,a\n2,b\n")
    place.load()
    place.put(b"id,name\n1,another\n")
    assert verify_job(config_of(place)).verdict.is_clean
    assert not judge_load(config_of(place)).is_clean, "the newest version is another one"


def test_what_retention_deleted_is_said(place: LoadPlace) -> None:
    place.put(b"id,name\n1,a\n2,b\n3,c\n")
    place.load()
    with admin(place.stack.bootstrap_servers) as client:
        client.delete_records({TopicPartition(place.topic, 0): 2})
    verdict = verify_job(config_of(place)).verdict
    assert verdict.count(AnomalyKind.LOST_ROW) == 2
    assert "retention" in verdict.notes[0]


def test_a_job_is_judged_by_its_item(place: LoadPlace) -> None:
    place.put(b"id,name\n1,a\n2,b\n")
    place.load()
    job = verify_job(config_of(place))
    assert job.verdict.is_clean, str(job.verdict)
    assert (job.status, job.last_line) == ("COMPLETED", 2)

    again = {"id": "2", "name": "b", "_source_line": 2}
    again["_source_file"] = f"s3://{place.bucket}/{place.key}"
    send(place, json.dumps(again).encode(), b"another writer's")
    verdict = verify_job(config_of(place)).verdict
    assert [(a.kind, a.count) for a in verdict.anomalies] == [(AnomalyKind.DUPLICATE_ROW, 1)]
    assert verdict.anomalies[0].first.kafka_offset == 2
    assert verdict.foreign_count == 1
    exclusive = verify_job(config_of(place), Scope(exclusive=True)).verdict
    assert {anomaly.kind for anomaly in exclusive.anomalies} == {
        AnomalyKind.DUPLICATE_ROW,
        AnomalyKind.TORN_ROW,
    }

    place.put(b"id,name\n1,a\n2,changed\n")
    with pytest.raises(SourceChangedError):
        verify_job(config_of(place))


def test_what_the_item_covers_must_be_in_the_topic(place: LoadPlace) -> None:
    place.put(b"id,name\n1,a\n2,b\n")
    client = place.stack.client("dynamodb")
    item = {"job_id": {"S": place.job_id}, "last_line": {"N": "2"}, "total_sent": {"N": "2"}}
    client.put_item(TableName=place.table, Item=item)
    verdict = verify_job(config_of(place)).verdict
    assert [anomaly.kind for anomaly in verdict.anomalies] == [AnomalyKind.CHECKPOINT_AHEAD]


def test_a_transform_is_part_of_what_is_due(place: LoadPlace) -> None:
    place.put(b"id,name\n1,a\n2,b\n")
    settings = {"TRANSFORM": "tests.integration.transforms:shout"}
    place.load(**settings)
    assert place.records()[0]["name"] == "A!"
    assert judge_load(config_of(place, **settings)).is_clean
    untransformed = judge_load(config_of(place))
    assert [(a.kind, a.count) for a in untransformed.anomalies] == [(AnomalyKind.TORN_ROW, 2)]


def test_a_job_that_was_begun_with_other_settings_is_said_to_be(
    place: LoadPlace, tmp_path: Path
) -> None:
    place.put(b"id,name\n1,a\n2,b\n")
    table = tmp_path / "columns.toml"
    table.write_text('columns.id = "int"\ncolumns.name = "string"\n')
    settings = {"CSV_COLUMNS": str(table)}
    place.load(**settings)
    sound = verify_job(config_of(place, **settings)).verdict
    assert (sound.is_clean, sound.notes) == (True, ())
    table.write_text('columns.id = "string"\ncolumns.name = "string"\n')
    verdict = verify_job(config_of(place, CSV_QUOTECHAR="'", **settings)).verdict
    assert [(a.kind, a.count) for a in verdict.anomalies] == [(AnomalyKind.TORN_ROW, 2)]
    (note,) = verdict.notes
    assert "begun with other settings" in note
    assert "CSV_QUOTECHAR '\"' then, \"'\" now; CSV_COLUMNS declares id otherwise" in note


def test_records_without_a_line_are_told_by_their_content(place: LoadPlace) -> None:
    place.put(b"id,name\n1,a\n2,b\n3,c\n")
    settings = {"TRANSFORM": "tests.integration.transforms:bare"}
    place.load(**settings)
    config = config_of(place, **settings)
    by_line = verify_job(config).verdict
    assert (by_line.count(AnomalyKind.LOST_ROW), by_line.foreign_count) == (3, 3)
    assert any("--by-content" in note for note in by_line.notes)
    by_content = Scope(exclusive=True, identify_by=IdentifyBy.CONTENT)
    assert verify_job(config, by_content).verdict.is_clean
    send(place, b'{"id":"1","name":"a"}')
    again = verify_job(config, by_content).verdict
    assert [(a.kind, a.count) for a in again.anomalies] == [(AnomalyKind.DUPLICATE_ROW, 1)]


def test_dead_letters_are_not_due_in_the_topic(place: LoadPlace) -> None:
    place.stack.create_topic(dead := f"{place.topic}-dead")
    place.put(b"id,name\n1,a\n2\n3,c,surplus\n4,d\n")
    settings = {"ON_BAD_ROW": "dead-letter", "DEAD_LETTER_TOPIC": dead}
    place.load(**settings)
    verdict = verify_job(config_of(place, **settings)).verdict
    assert verdict.is_clean, str(verdict)
    assert (verdict.row_count, verdict.record_count) == (2, 2)
    assert any("dead letters" in note for note in verdict.notes)
