"""`csvkafka load --dry-run` on real servers: what a load then sends; and it writes nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from csvkafka.local.base import Stack
from tests.integration.command_line import run_csvkafka, run_on_terminal
from tests.integration.kafka_rows import create_topic
from tests.integration.loads import LoadPlace

ROWS = "".join(f"{n},k{n % 5},{n * 3}\n" for n in range(1, 31))
BODY = f"id,k,n\n{ROWS}".encode()
TABLE = """
[record]
key = ["k", "id"]
key_format = "json"
metadata = "headers"
[columns]
id = "int"
k = "string"
n = { type = "decimal(6,1)", rename = "amount" }
"""

Sent = tuple[str, int, str | None, list[list[str]], str]


def dry_run(settings: Mapping[str, str], *arguments: str) -> dict[str, Any]:
    result = run_csvkafka("load", "--dry-run", *arguments, settings=settings)
    assert (result.returncode, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    assert isinstance(report, dict)
    return report


def shown(report: Mapping[str, Any]) -> list[Sent]:
    return [
        (each["topic"], each["partition"], each["key"], each["headers"], each["value"])
        for each in report["records"]
    ]


def in_topic(servers: str, topic: str) -> list[Sent]:
    """All records of a topic, each partition in order."""
    consumer = KafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest")
    try:
        partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        found: list[Sent] = []
        while any(consumer.position(each) < ends[each] for each in partitions):
            for records in consumer.poll(timeout_ms=200).values():
                for record in records:
                    headers = [[name, value.decode()] for name, value in record.headers]
                    key = None if record.key is None else record.key.decode()
                    value = record.value.decode()
                    found.append((topic, record.partition, key, headers, value))
    finally:
        consumer.close()
    return found


def by_partition(records: list[Sent]) -> list[Sent]:
    return sorted(records, key=lambda sent: sent[1])


@pytest.fixture
def keyed(stack: Stack, place: LoadPlace) -> LoadPlace:
    place.topic = create_topic(stack.bootstrap_servers, partitions=3)
    place.put(BODY)
    return place


def assert_nothing_was_written(place: LoadPlace) -> None:
    assert place.item() is None
    items = place.stack.client("dynamodb").scan(TableName=place.table)["Items"]
    assert items == []
    assert in_topic(place.stack.bootstrap_servers, place.topic) == []


@pytest.mark.parametrize("encoder", ["compiled", "python"])
@pytest.mark.parametrize("declared", [False, True])
def test_a_load_then_sends_just_these_records(
    keyed: LoadPlace, tmp_path: Path, encoder: str, declared: bool
) -> None:
    table = tmp_path / "columns.toml"
    table.write_text(TABLE)
    more = {"CSV_COLUMNS": str(table)} if declared else {"KEY_COLUMN": "k"}
    settings = {**keyed.settings(**more), "CSVKAFKA_ENCODER": encoder}
    report = dry_run(settings, "--limit", "50")
    assert_nothing_was_written(keyed)
    assert {record["partition"] for record in report["records"]} == {0, 1, 2}
    loaded = run_csvkafka("load", settings=settings)
    assert (loaded.returncode, loaded.stderr) == (0, "")
    sent = in_topic(keyed.stack.bootstrap_servers, keyed.topic)
    assert by_partition(shown(report)) == by_partition(sent)
    assert report["estimate"]["row_count"] == len(sent) == 30


def test_a_set_is_shown_from_its_first_file_on(keyed: LoadPlace) -> None:
    for number in range(25):
        rows = "".join(f"{number * 4 + n},k,1\n" for n in range(4))
        stored = f"id,k,n\n{rows}".encode()
        name = f"x/{number:02}.csv" + (".gz" if number % 2 else "")
        body = gzip.compress(stored) if number % 2 else stored
        keyed.stack.put_object(keyed.bucket, name, body)
    settings = keyed.settings(S3_KEY="", S3_PREFIX="x/", KEY_COLUMN="id")
    report = dry_run(settings, "--limit", "6")
    assert_nothing_was_written(keyed)
    uri = f"s3://{keyed.bucket}/x/"
    assert [(each["source_file"], each["source_line"]) for each in report["records"]] == [
        *((f"{uri}00.csv", line) for line in (1, 2, 3, 4)),
        *((f"{uri}01.csv.gz", line) for line in (1, 2)),
    ]
    assert report["estimate"]["places"] == 9
    assert report["estimate"]["row_count"] == pytest.approx(100, rel=0.2)
    assert run_csvkafka("load", settings=settings).returncode == 0
    assert set(map(repr, shown(report))) <= set(
        map(repr, in_topic(keyed.stack.bootstrap_servers, keyed.topic))
    )


def test_a_damaged_file_of_a_set_is_named_after_the_records(place: LoadPlace) -> None:
    stored = gzip.compress(BODY)
    for name, body in {"a": stored, "b": stored[:-20], "c": stored}.items():
        place.stack.put_object(place.bucket, f"x/{name}.csv.gz", body)
    settings = place.settings(S3_KEY="", S3_PREFIX="x/", ORDER="object")
    result = run_csvkafka("load", "--dry-run", "--limit", "2", settings=settings)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "x/b.csv.gz is not a sound gzip file" in line
    report = json.loads(result.stdout)
    assert len(report["records"]) == 2
    assert report["failure"] in line
    assert report["estimate"]["row_count"] == pytest.approx(90, rel=0.5)
    assert not report["estimate"]["is_exact"]


def test_an_object_that_is_missing_is_named_where_there_is_no_table_yet(place: LoadPlace) -> None:
    place.stack.put_object(place.bucket, "list.txt", b"x/gone.csv\n")
    settings = place.settings(S3_KEY="", S3_MANIFEST="list.txt", DYNAMODB_TABLE="not-yet-made")
    found = run_csvkafka("load", "--dry-run", settings=settings)
    assert found.returncode == 1
    assert f"there is no s3://{place.bucket}/x/gone.csv, which line 1" in found.stderr


def test_a_topic_that_is_missing_is_said(place: LoadPlace) -> None:
    place.put(BODY)
    report = dry_run(place.settings(KAFKA_TOPIC="not-there-yet", KEY_COLUMN="k"))
    assert report["records"][0]["partition"] is None
    assert any("topic not-there-yet does not exist" in note for note in report["notes"])
    assert_nothing_was_written(place)


def test_a_partition_that_is_not_there_is_refused(place: LoadPlace) -> None:
    place.put(BODY)
    result = run_csvkafka("load", "--dry-run", settings=place.settings(KAFKA_PARTITION="7"))
    assert (result.returncode, result.stdout) == (1, "")
    assert "partition 7 is configured" in result.stderr


def test_a_terminal_shows_a_table(keyed: LoadPlace) -> None:
    settings = keyed.settings(KEY_COLUMN="k")
    code, text = run_on_terminal("load", "--dry-run", "--limit", "3", settings=settings)
    assert code == 0
    assert f"{keyed.topic}-" in text
    assert '"_source_line":3' in text.replace("\r\n", "").replace(" ", "")
    assert "rows               30" in text
    assert "Nothing was sent, and nothing was written." in text
    code, text = run_on_terminal("load", "--dry-run", "--json", settings=settings)
    assert len(json.loads(text)["records"]) == 20
    assert_nothing_was_written(keyed)
