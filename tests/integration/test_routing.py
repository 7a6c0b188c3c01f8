"""What users see of rows that go to several topics: doctor, dry run, load, status, verify, replay;
and what is refused before the first row."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from kafka import KafkaProducer

from csvkafka.config.load_config import LoadConfig, kafka_settings
from csvkafka.errors import ConfigError
from csvkafka.interfaces import Item, ItemChange
from csvkafka.testing.checker import topics
from csvkafka.testing.checker.topic_reader import TopicReader
from csvkafka.testing.checker.topics import TopicsReader
from csvkafka.wiring import run_load
from tests.integration.command_line import run_csvkafka
from tests.integration.loads import LoadPlace
from tests.refusals import refusal
from tests.registries import small_registry
from tests.routes import ROUTES

TABLE = (
    """
[columns]
id = "int"
country = "string"
"""
    + ROUTES
)
COUNTRIES = ("DE", "FR", "IT", "AT")
ROWS = "".join(f"{number},{COUNTRIES[number % 4]}\n" for number in range(1, 201))


@dataclass
class Routed:
    """A place whose rows go to three topics; `middle` has three partitions."""

    place: LoadPlace
    table: Path

    def __post_init__(self) -> None:
        self.middle, self.south = f"{self.place.topic}-middle", f"{self.place.topic}-south"
        self.dead = f"{self.place.topic}-dead"
        self.place.stack.create_topic(self.middle, 3)
        self.place.stack.create_topic(self.south)
        self.place.stack.create_topic(self.dead)
        self.declare(self.toml())
        self.place.put(f"id,country\n{ROWS}".encode())

    def toml(self) -> str:
        return TABLE.format(middle=self.middle, south=self.south)

    def declare(self, toml: str) -> None:
        self.table.write_text(toml)

    def settings(self, **more: str) -> dict[str, str]:
        return self.place.settings(CSV_COLUMNS=str(self.table), **more)

    def ids(self, topic: str) -> list[list[int]]:
        """Those of the records of each partition."""
        with TopicReader(kafka_settings(self.place.stack.environment()), topic) as reader:
            return [
                [json.loads(record.value or b"")["id"] for record in records]
                for records in reader.records().values()
            ]

    def record_count(self) -> int:
        topics = (self.place.topic, self.middle, self.south, self.dead)
        counts = []
        for topic in topics:
            with TopicReader(kafka_settings(self.place.stack.environment()), topic) as reader:
                counts.append(reader.record_count)
        return sum(counts)


@pytest.fixture
def routed(place: LoadPlace, tmp_path: Path) -> Routed:
    return Routed(place, tmp_path / "columns.toml")


def due(*rests: int) -> list[int]:
    return [number for number in range(1, 201) if number % 4 in rests]


def test_each_topic_is_told_of_wherever_a_load_is(routed: Routed) -> None:
    settings = routed.settings()
    examined = run_csvkafka("doctor", settings=settings)
    assert examined.returncode == 0, examined.stdout
    for topic, count in ((routed.place.topic, 1), (routed.middle, 3), (routed.south, 1)):
        assert re.search(rf"ok +topic +{topic}: partitions {count}, ", examined.stdout)
    assert re.findall(r"\(to (partition .*)\)", examined.stdout) == [
        f"partition 0 of topic {routed.place.topic}",
        f"partition 0 of topic {routed.south}",
        f"partition 0 of topic {routed.middle}",
    ]
    shown = run_csvkafka("load", "--dry-run", "--limit", "4", "--json", settings=settings)
    assert [
        (record["topic"], record["partition"]) for record in json.loads(shown.stdout)["records"]
    ] == [
        (routed.place.topic, 0),
        (routed.south, 0),
        (routed.middle, 0),
        (routed.middle, 0),
    ]
    assert routed.record_count() == 0

    loaded = run_csvkafka("load", settings=settings)
    assert loaded.returncode == 0, loaded.stdout
    assert routed.ids(routed.place.topic) == [due(1)]
    assert routed.ids(routed.middle) == [due(0, 3), [], []]
    assert routed.ids(routed.south) == [due(2)]

    status = run_csvkafka("status", settings=settings).stdout
    for topic, count in ((routed.place.topic, 50), (routed.middle, 100), (routed.south, 50)):
        assert f"{topic}  partition 0, {count} records" in status
    told = json.loads(run_csvkafka("status", "--json", settings=settings).stdout)
    assert (told["rows"], told["records_sent"], told["dropped"]) == (200, 200, 0)

    verified = run_csvkafka("verify", "--exclusive", settings=settings)
    assert verified.returncode == 0, verified.stdout
    assert "clean: 200 records, 200 of 200 rows" in verified.stdout


def test_keys_choose_among_the_partitions_of_their_topic(routed: Routed) -> None:
    settings = routed.settings(KEY_COLUMN="id")
    shown = run_csvkafka("load", "--dry-run", "--limit", "200", "--json", settings=settings)
    planned: dict[tuple[str, int], int] = {}
    for record in json.loads(shown.stdout)["records"]:
        place = record["topic"], record["partition"]
        planned[place] = planned.get(place, 0) + 1
    loaded = run_csvkafka("load", settings=settings)
    assert loaded.returncode == 0, loaded.stdout
    found = routed.ids(routed.middle)
    assert [len(ids) for ids in found] == [
        planned[routed.middle, partition] for partition in range(3)
    ]
    assert min(map(len, found)) > 0
    assert sorted(number for ids in found for number in ids) == due(0, 3)
    item = routed.place.item()
    assert item is not None
    assert item["routed_partitions"] == {routed.middle: 3, routed.south: 1}
    verified = run_csvkafka("verify", settings=settings)
    assert verified.returncode == 0, verified.stdout


def test_verify_finds_a_record_that_was_added_to_another_topic_or_not_sent(routed: Routed) -> None:
    assert run_csvkafka("load", settings=routed.settings()).returncode == 0
    uri = f"s3://{routed.place.bucket}/{routed.place.key}"
    value = {"id": 3, "country": "AT", "_source_line": 3, "_source_file": uri}
    producer = KafkaProducer(bootstrap_servers=routed.place.stack.bootstrap_servers)
    producer.send(routed.south, json.dumps(value).encode(), partition=0).get(10)
    producer.close()
    verified = run_csvkafka("verify", settings=routed.settings())
    assert verified.returncode == 1
    assert (
        f"duplicate-row x 1, first at topic {routed.south}, partition 0, Kafka offset 50, source "
        "line 3"
    ) in verified.stdout
    told = json.loads(run_csvkafka("verify", "--json", settings=routed.settings()).stdout)
    (anomaly,) = told["read_uncommitted"]["anomalies"]
    assert anomaly["places"][0]["topic"] == routed.south
    routed.place.stored_item().update(ItemChange(set={"total_sent": 199}))
    verified = run_csvkafka("verify", settings=routed.settings())
    assert "checkpoint-miscounted x 1" in verified.stdout
    routed.declare(routed.toml().replace(routed.south, "elsewhere"))
    verified = run_csvkafka("verify", settings=routed.settings())
    assert verified.returncode == 2
    assert (
        f"was begun with [[route]] to {routed.middle}, {routed.south}, not with [[route]] to "
        f"elsewhere, {routed.middle}; check --csv-columns and --job-id"
    ) in verified.stderr
    routed.declare(routed.toml().partition("[[route]]")[0])
    verified = run_csvkafka("verify", settings=routed.settings())
    assert "not with no [[route]]; check --csv-columns and --job-id" in verified.stderr


def test_a_topic_with_more_partitions_than_can_be_numbered_is_not_judged(
    routed: Routed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics, "PER_TOPIC", 2)
    kafka = kafka_settings(routed.place.stack.environment())
    said = f"topic {routed.middle} has 3 partitions; of jobs with .*, take topics of at most 2 to"
    with refusal(ConfigError, said), TopicsReader(kafka, [routed.south, routed.middle]):
        pass
    with TopicsReader(kafka, [routed.middle]) as reader:
        assert list(reader.bounds) == [0, 1, 2]


def test_records_in_avro_have_one_schema_in_all_topics(routed: Routed) -> None:
    record = '[record]\nformat = "avro"\nsubject = "record"\nname = "shop.Order"\n'
    routed.declare(record + routed.toml())
    with small_registry() as registry:
        settings = routed.settings(
            SCHEMA_REGISTRY_URL=registry.url, SCHEMA_REGISTRY_AUTO_REGISTER="true"
        )
        loaded = run_csvkafka("load", settings=settings)
        assert loaded.returncode == 0, loaded.stdout + loaded.stderr
        assert list(registry.subjects) == ["shop.Order"]
        verified = run_csvkafka("verify", settings=settings)
    assert verified.returncode == 0, verified.stdout
    assert "clean: 200 records, 200 of 200 rows" in verified.stdout


def test_what_is_wrong_with_a_route_is_said_in_a_line_before_the_first_row(routed: Routed) -> None:
    place, toml = routed.place, routed.toml()
    narrow = {"KAFKA_PARTITION": "2", "DEAD_LETTER_TOPIC": routed.dead, "ON_BAD_ROW": "dead-letter"}
    place.stack.create_topic(f"{place.topic}-wide", 3)
    compacted = f"{place.topic}-compacted"
    place.stack.create_topic(compacted, 1, {"cleanup.policy": "compact"})
    cases: list[tuple[str, dict[str, str], str]] = [
        (
            toml.replace(routed.south, "nowhere"),
            {},
            "topic nowhere does not exist, and csvkafka creates none: check [[route]] in --csv-",
        ),
        (
            toml.replace(routed.south, "no topic!"),
            {},
            "'no topic!' is not a name that Kafka allows for a topic: check --kafka-topic, --dead-",
        ),
        (toml.replace(routed.south, compacted), {}, f"topic {compacted} has cleanup.policy"),
        (
            toml,
            {**narrow, "KAFKA_TOPIC": f"{place.topic}-wide"},
            f"topic {routed.south} has 1 partition (0), but partition 2 is configured",
        ),
        (
            toml.replace(routed.south, place.topic),
            {},
            f"topic {place.topic} has a [[route]] in --csv-columns, and is --kafka-topic",
        ),
        (
            toml.replace(routed.south, routed.dead),
            {"DEAD_LETTER_TOPIC": routed.dead, "ON_BAD_ROW": "dead-letter"},
            f"topic {routed.dead} has a [[route]] in --csv-columns, and is --dead-letter-topic",
        ),
        (
            toml.replace('column = "country"', 'column = "county"'),
            {},
            "[[route]]: 'county' is no column of the file; is 'country' meant?",
        ),
        (toml.replace('"IT"', '"AT"'), {}, "route.2.equals 'AT' goes to topic"),
        (toml.replace(routed.south, routed.middle), {}, "has a route already"),
    ]
    for declared, settings, said in cases:
        routed.declare(declared)
        loaded = run_csvkafka("load", settings={**routed.settings(), **settings})
        assert loaded.returncode == 1, said
        output = loaded.stdout + loaded.stderr
        assert len([line for line in output.splitlines() if said in line]) == 1, output
        assert "Traceback" not in output
        examined = run_csvkafka("doctor", settings={**routed.settings(), **settings})
        assert said in examined.stdout + examined.stderr
    assert routed.record_count() == 0
    assert place.item() is None


def test_another_programs_job_does_not_go_on_with_several_topics(routed: Routed) -> None:
    documented: Item = {
        "last_line": 0,
        "total_sent": 0,
        "timestamp": 1,
        "status": "IN_PROGRESS",
    }
    assert routed.place.stored_item().put_new(documented) is None
    loaded = run_csvkafka("load", settings=routed.settings())
    assert loaded.returncode == 1
    said = loaded.stdout + loaded.stderr
    assert "cannot go on with a table that has several topics ([[route]] in --csv-columns)" in said
    assert routed.record_count() == 0


def test_letters_are_replayed_into_the_topics_of_their_rows(routed: Routed) -> None:
    routed.place.put(b"id,country\n1,FR\nx2,DE\n3,DE\nx4,IT\nx5,FR\n6\n")
    settings = routed.settings(ON_BAD_ROW="dead-letter", DEAD_LETTER_TOPIC=routed.dead)
    run_load(LoadConfig.from_settings(settings))
    routed.declare(routed.toml().replace('id = "int"', 'id = "string"'))
    result = run_load(LoadConfig.from_settings(settings).as_replay(None))
    assert (result.row_count, result.sent_now) == (4, 4)
    assert routed.ids(routed.place.topic) == [[1, "x5"]]
    assert routed.ids(routed.middle) == [[3, "x2"], [], []]
    assert routed.ids(routed.south) == [["x4"]]
    routed.declare(routed.toml())
    verified = run_csvkafka("verify", settings=settings)
    assert verified.returncode == 0, verified.stdout
    assert "3 records of other writers" in verified.stdout


def test_several_workers_route_the_files_of_a_set(routed: Routed) -> None:
    numbers = [list(range(first, first + 25)) for first in range(1, 201, 25)]
    for at, of_file in enumerate(numbers):
        rows = "".join(f"{number},{COUNTRIES[number % 4]}\n" for number in of_file)
        body = f"id,country\n{rows}".encode()
        routed.place.stack.put_object(routed.place.bucket, f"set/part-{at}.csv", body)
    settings = routed.settings(S3_PREFIX="set/", ORDER="object", KEY_COLUMN="id")
    del settings["S3_KEY"]
    done = run_csvkafka("load", "--workers", "2", settings=settings)
    assert done.returncode == 0, done.stdout + done.stderr
    for topic, rests in ((routed.place.topic, (1,)), (routed.middle, (0, 3)), (routed.south, (2,))):
        assert sorted(n for ids in routed.ids(topic) for n in ids) == due(*rests)
    verified = run_csvkafka("verify", settings=settings)
    assert verified.returncode == 0, verified.stdout
    status = run_csvkafka("status", settings=settings).stdout
    assert f"{routed.middle}  3 partitions in the topic" in status
