"""What a bug of records by a declared table is shown by."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from csvkafka.config.load_config import LoadConfig, kafka_settings
from csvkafka.model import Step
from csvkafka.testing.checker.topic_reader import TopicReader
from csvkafka.testing.processes.supervisor import WORKER
from tests.planted.case import PlantedCase
from tests.planted.scenarios import Found, Ground, refused
from tests.registries import small_registry

TABLE = """
[record]
null = ["NA"]
{more}
[columns]
id = "long"
small = "int"
price = "decimal(20,2)"
day = "date(iso)"
at = "timestamp(iso, {zone})"
name = "string"
card = {{ mask = "last 4" }}
"""


IN_JSON = 'key = ["day", "id"]\nkey_format = "json"'
IN_AVRO = 'key = ["day", "id"]\nkey_format = "avro"\nformat = "avro"'
KEYS_AS_TEXT = 'key = ["id"]\nformat = "avro"'
"""The compiled encoder knows no keys in Avro."""

HEADER = ("id", "small", "price", "day", "at", "name", "card")


def _rows() -> bytes:
    """The first 400 are such as the compiled encoder takes: no decimal has more than 18 digits."""
    rows = [
        f"{number},{number - 250},"
        f"{sign}{12345678901234567 >> (20 + number % 30) * (number <= 400)}.{number % 100:02},"
        f"20{number % 90 + 10}-0{number % 9 + 1}-{number % 28 + 1:02},"
        f"2026-0{number % 9 + 1}-11 0{number % 10}:30,"
        f"{'NA' if number % 5 == 0 else f'n{number}'},9999{number:08}\n"
        for number, sign in ((number, "-" * (number % 2)) for number in range(1, 501))
    ]
    return (",".join(HEADER) + "\n" + "".join(rows)).encode()


def _case(
    ground: Ground, source: bytes, more: str = IN_JSON, zone: str = "UTC", **settings: Any
) -> PlantedCase:
    case = ground.case(source)
    declared = case.supervisor.folder / "columns.toml"
    declared.write_text(TABLE.format(more=more, zone=zone))
    case.settings |= {"CSV_COLUMNS": str(declared), **settings}
    return case


def in_json(ground: Ground) -> Found:
    return _case(ground, _rows(), zone="Europe/Berlin").finish()


DROPS = """
[[drop]]
column = "name"
empty = true
[[drop]]
column = "name"
matches = "n1"
"""


def some_are_dropped(ground: Ground) -> Found:
    case = _case(ground, _rows())
    with (case.supervisor.folder / "columns.toml").open("a") as declared:
        declared.write(DROPS)
    return case.finish()


def in_avro(ground: Ground) -> Found:
    return _in_avro(ground, IN_AVRO)


def in_avro_with_keys_as_text(ground: Ground) -> Found:
    return _in_avro(ground, KEYS_AS_TEXT)


def _in_avro(ground: Ground, form: str) -> Found:
    """The registry has another schema too, of records that have the same fields."""
    with small_registry() as registry:
        case = _case(
            ground,
            _rows(),
            form,
            SCHEMA_REGISTRY_URL=registry.url,
            SCHEMA_REGISTRY_AUTO_REGISTER="true",
        )
        config = LoadConfig.from_settings({**case.stack.environment(), **case.settings})
        schemas = config.spec.schemas(HEADER)
        assert schemas is not None
        assert schemas.value is not None
        same = {**json.loads(schemas.value.text), "name": "Other"}
        registry.register("other-value", json.dumps(same))
        return case.finish()


def one_row_does_not_fit(ground: Ground, before: bytes, after: bytes) -> Found:
    source = _rows()
    assert source.count(before) == 1
    return refused(_case(ground, source.replace(before, after)).finish(), "MalformedRow")


def an_integer_beyond_its_bits(ground: Ground) -> Found:
    return one_row_does_not_fit(ground, b"\n400,150,", b"\n400,3000000000,")


def an_integer_with_leading_zeros(ground: Ground) -> Found:
    return one_row_does_not_fit(ground, b"\n400,150,", b"\n400,00150,")


def a_replay_is_killed(ground: Ground) -> Found:
    """Of 400 rows each other one is too wide. What the replay sent is compared here, by the lines
    that the rows had."""
    dead = f"dead-{uuid4().hex[:12]}"
    rows = (b"%d,n%s\n" % (number, b",x" * (number % 2)) for number in range(1, 401))
    case = ground.case(
        b"id,name\n" + b"".join(rows),
        block_bytes=100,
        settings={
            "ON_BAD_ROW": "dead-letter",
            "DEAD_LETTER_TOPIC": dead,
            "CHECKPOINT_INTERVAL": "20",
        },
    )
    case.stack.create_topic(dead, 1)
    case.run()
    case.settings |= {"ON_BAD_ROW": "keep", "DEAD_LETTER_TOPIC": ""}
    case.program = (*WORKER, "--replay")
    case.kill_at(Step.CHECKPOINT_STORED, from_rows=40)
    case.run()
    with TopicReader(kafka_settings(case.stack.environment()), case.topic) as reader:
        values = [json.loads(record.value or b"") for record in reader.records()[0]]
    lines = [value["_source_line"] for value in values[200:]]
    due = [*range(1, 400, 2)]
    found = {"duplicate-row"} if len(set(lines)) < len(lines) else set()
    return found | ({"lost-row"} if set(due) - set(lines) else set())
