"""Records that name a schema, on a real broker and a real registry, read by Confluent's own
deserializers; and what a load says of a registry that does not give what it needs."""

from __future__ import annotations

import csv
import json
import struct
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import (
    ConfigChangedError,
    ConfigError,
    RegistryUnavailableError,
    SchemaDeletedError,
    SchemaRefusedError,
)
from csvkafka.testing.checker.verify import verify_job
from tests.integration.command_line import run_csvkafka
from tests.integration.flights import EACH_KIND_OF_TYPE, flights_table
from tests.integration.loads import LoadPlace
from tests.refusals import refusal
from tests.registries import SmallRegistry, apicurio, ask, small_registry

FLIGHTS = flights_table(
    {**EACH_KIND_OF_TYPE, "dep_delay": '"double"'},
    'format = "avro"\nkey = ["carrier", "flight"]\nkey_format = "avro"',
)
ROWS = 5_000


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    with apicurio() as real:
        yield real.url


@pytest.fixture
def small() -> Iterator[SmallRegistry]:
    with small_registry() as running:
        yield running


def consumed(place: LoadPlace, partitions: int = 1) -> list[Any]:
    """All messages of the topic, as librdkafka's consumer sees them."""
    consumer = Consumer(
        {
            "bootstrap.servers": place.stack.bootstrap_servers,
            "group.id": place.topic,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(place.topic, partition, 0) for partition in range(partitions)])
    messages, ended = [], 0
    while ended < partitions:
        message = consumer.poll(30)
        assert message is not None
        if message.error() is None:
            messages.append(message)
        else:
            ended += 1
    consumer.close()
    return messages


def context(place: LoadPlace, part: str = MessageField.VALUE) -> SerializationContext:
    return SerializationContext(place.topic, part)


def as_float(text: str) -> object:
    return struct.unpack("f", struct.pack("f", float(text)))[0]


def natural(row: dict[str, str]) -> dict[str, object]:
    """The record that is due, by a reading of this test's own."""
    texts = {name: None if text == "NA" else text for name, text in row.items()}
    one = lambda kind, name: None if texts[name] is None else kind(texts[name])  # noqa: E731
    whole = ("year", "month", "day", "dep_time", "sched_dep_time", "arr_time", "sched_arr_time")
    due: dict[str, object] = {name: one(int, name) for name in (*whole, "flight", "hour")}
    due |= {name: one(float, name) for name in ("dep_delay", "air_time")}
    due |= {name: texts[name] for name in ("carrier", "tailnum", "origin")}
    due["destination"] = texts["dest"]
    due["arr_delay"] = one(lambda text: Decimal(text).quantize(Decimal("0.1")), "arr_delay")
    due["distance"] = one(as_float, "distance")
    due["time_hour"] = one(lambda text: datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z"), "time_hour")
    return due


def test_flights_in_avro_are_read_by_confluents_deserializer(
    place: LoadPlace, registry: str, flights: Path, tmp_path: Path
) -> None:
    with flights.open("rb") as file:
        data = b"".join(file.readline() for _ in range(ROWS + 1))
    place = LoadPlace(place.stack, partition_count=3)
    place.put(data)
    (tmp_path / "columns.toml").write_text(FLIGHTS)
    settings = {
        "CSV_COLUMNS": str(tmp_path / "columns.toml"),
        "SCHEMA_REGISTRY_URL": registry,
        "SCHEMA_REGISTRY_AUTO_REGISTER": "true",
    }
    assert place.load(**settings).row_count == ROWS
    client = SchemaRegistryClient({"url": registry})
    read = AvroDeserializer(client)
    found: dict[int, object] = {}
    for message in consumed(place, 3):
        record = read(message.value(), context(place))
        key = read(message.key(), context(place, MessageField.KEY))
        assert key == {name: record[name] for name in ("carrier", "flight")}
        assert record.pop("_source_file") == f"s3://{place.bucket}/{place.key}"
        found[record.pop("_source_line")] = record
    rows = csv.DictReader(data.decode().splitlines())
    assert found == {line: natural(row) for line, row in enumerate(rows, 1)}
    judged = verify_job(LoadConfig.from_settings(place.settings(**settings)))
    assert judged.verdict.is_clean, judged.verdict
    assert judged.verdict.rows_found == ROWS
    subjects = ask(f"{registry}/subjects")
    assert {f"{place.topic}-value", f"{place.topic}-key"} <= set(subjects)


DATA = b"id,name\n1,ada\n2,\n"
TABLE = """
[record]
format = "avro"
null = [""]
[columns]
id = "int"
name = "string"
"""


@pytest.fixture
def load(place: LoadPlace, tmp_path: Path) -> Callable[..., Any]:
    """Loads two rows by a table, which the test may give, with a registry."""
    place.put(DATA)

    def run(url: str, table: str = TABLE, **more: str) -> Any:
        (tmp_path / "columns.toml").write_text(table)
        more.setdefault("SCHEMA_REGISTRY_AUTO_REGISTER", "true")
        return place.load(
            CSV_COLUMNS=str(tmp_path / "columns.toml"), SCHEMA_REGISTRY_URL=url, **more
        )

    return run


def test_rows_by_a_json_schema_are_read_by_confluents_deserializer(
    place: LoadPlace, registry: str, load: Callable[..., Any]
) -> None:
    load(registry, TABLE.replace('"avro"', '"json-schema"'))
    client = SchemaRegistryClient({"url": registry})
    read = JSONDeserializer(None, schema_registry_client=client)  # validates by the schema
    uri = f"s3://{place.bucket}/{place.key}"
    assert [read(message.value(), context(place)) for message in consumed(place)] == [
        {"id": 1, "name": "ada", "_source_line": 1, "_source_file": uri},
        {"id": 2, "name": None, "_source_line": 2, "_source_file": uri},
    ]


def test_a_schema_that_is_given_is_looked_up(
    place: LoadPlace, small: SmallRegistry, load: Callable[..., Any], tmp_path: Path
) -> None:
    fields = [{"name": "id", "type": "long"}, {"name": "name", "type": ["null", "string"]}]
    given = {"type": "record", "name": "Order", "namespace": "shop", "fields": fields}
    (tmp_path / "order.avsc").write_text(json.dumps(given, indent=2))
    table = TABLE.replace("[record]", '[record]\nschema = "order.avsc"\nmetadata = "headers"')
    table = table.replace('id = "int"', 'id = { type = "int", null = [] }')
    small.register(f"{place.topic}-value", json.dumps(given, separators=(",", ":")))
    load(small.url, table, SCHEMA_REGISTRY_AUTO_REGISTER="false")
    values = [message.value() for message in consumed(place)]
    assert values == [b"\0\0\0\0\1\2\2\6ada", b"\0\0\0\0\1\4\0"]


def records_in(place: LoadPlace) -> int:
    return len(consumed(place))


def test_a_registry_that_is_down_at_the_start(
    place: LoadPlace, small: SmallRegistry, load: Callable[..., Any]
) -> None:
    small.down = True
    with refusal(RegistryUnavailableError):
        load(small.url)
    assert place.item() is None
    assert records_in(place) == 0
    small.down = False
    load(small.url)
    assert records_in(place) == 2


def test_a_subject_that_does_not_take_the_schema(
    place: LoadPlace, small: SmallRegistry, load: Callable[..., Any]
) -> None:
    small.register(f"{place.topic}-value", '{"type":"string"}')
    with refusal(SchemaRefusedError, match="is incompatible with an earlier schema"):
        load(small.url)
    with refusal(SchemaRefusedError, match="does not have the schema that CSV_COLUMNS makes"):
        load(small.url, SCHEMA_REGISTRY_AUTO_REGISTER="false")
    with refusal(SchemaRefusedError, match="holds schemas of type AVRO"):
        load(small.url, TABLE.replace('"avro"', '"json-schema"'))
    assert place.item() is None
    assert records_in(place) == 0


def test_columns_that_do_not_fit_a_given_schema_ask_no_registry(
    small: SmallRegistry, load: Callable[..., Any], tmp_path: Path
) -> None:
    fields = [{"name": "id", "type": "string"}, {"name": "name", "type": ["null", "string"]}]
    given = {"type": "record", "name": "Order", "fields": fields}
    (tmp_path / "order.avsc").write_text(json.dumps(given))
    table = TABLE.replace("[record]", '[record]\nschema = "order.avsc"\nmetadata = "none"')
    with refusal(ConfigError, match="column 'id' may be null, and is string there"):
        load(small.url, table)
    with refusal(ConfigError, match="stands in the file and not in the table"):
        load(small.url, TABLE.replace('name = "string"', ""))
    assert small.asked == []


def test_doctor_and_a_dry_run_show_records_and_register_nothing(
    place: LoadPlace, small: SmallRegistry, tmp_path: Path
) -> None:
    place.put(DATA)
    table = TABLE.replace("[record]", '[record]\nkey = "id"\nkey_format = "avro"')
    (tmp_path / "columns.toml").write_text(table)
    settings = place.settings(
        CSV_COLUMNS=str(tmp_path / "columns.toml"),
        SCHEMA_REGISTRY_URL=small.url,
        SCHEMA_REGISTRY_AUTO_REGISTER="true",
    )
    dry = run_csvkafka("load", "--dry-run", "--json", settings=settings)
    assert dry.returncode == 0, dry.stderr
    report = json.loads(dry.stdout)
    assert any("a load would ask to register a schema" in note for note in report["notes"])
    before = run_csvkafka("doctor", settings=settings)
    assert "a load would ask to register a schema" in before.stdout
    assert before.returncode == 0, before.stdout
    place.load(**{name: text for name, text in settings.items() if name not in place.settings()})
    registered = dict(small.schemas)
    dry = run_csvkafka("load", "--dry-run", "--json", settings=settings)
    (first, _) = json.loads(dry.stdout)["records"]
    assert (first["key_schema"], first["value_schema"]) == (2, 1)
    assert json.loads(first["key"]) == {"id": 1}
    assert json.loads(first["value"])["name"] == "ada"
    doctor = run_csvkafka("doctor", settings=settings)
    assert doctor.returncode == 0, doctor.stdout
    assert '"name": "ada"' in doctor.stdout
    assert "schema 1" in doctor.stdout
    assert small.schemas == registered
    settings["SCHEMA_REGISTRY_AUTO_REGISTER"] = "false"
    small.subjects.clear()
    dry = run_csvkafka("load", "--dry-run", settings=settings)
    assert dry.returncode == 1
    assert "does not have the schema" in dry.stderr


@pytest.mark.parametrize("table", [TABLE, TABLE.replace('"avro"', '"json-schema"')])
def test_a_command_says_it_in_one_line(
    place: LoadPlace, small: SmallRegistry, tmp_path: Path, table: str
) -> None:
    place.put(DATA)
    (tmp_path / "columns.toml").write_text(table)
    settings = place.settings(CSV_COLUMNS=str(tmp_path / "columns.toml"))
    done = run_csvkafka("load", settings=settings)
    assert done.returncode == 1
    assert "set --schema-registry-url to the registry" in done.stdout + done.stderr
    small.down = True
    settings["SCHEMA_REGISTRY_URL"] = small.url
    done = run_csvkafka("load", settings=settings)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "error:" in line]
    assert len(lines) == 1
    assert "the leader is not known" in lines[0]
    assert "Traceback" not in done.stdout + done.stderr


def test_a_job_that_was_begun_needs_no_registry_and_keeps_its_schema(
    small: SmallRegistry, load: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    load(small.url)
    small.down = True
    assert load(small.url).already_complete
    assert "whether the job's schemas are still there is not known" in caplog.text
    with refusal(ConfigChangedError, match="value schema .*id 1.* then"):
        load(small.url, TABLE.replace('"int"', '"long"'))


def test_a_schema_that_was_deleted_is_said_at_the_next_start(
    small: SmallRegistry, load: Callable[..., Any]
) -> None:
    load(small.url)
    kept = dict(small.schemas)
    small.schemas.clear()
    with refusal(SchemaDeletedError):
        load(small.url)
    small.schemas.update(kept)
    assert load(small.url).already_complete
