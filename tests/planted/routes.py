"""What a bug of rows that go to several topics is shown by."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from kafka.admin import NewPartitions

from csvkafka.model import Step
from tests.planted.case import PlantedCase
from tests.planted.scenarios import Found, Ground
from tests.routes import ROUTES

TABLE = (
    """
[record]
{record}
undeclared = "string"
"""
    + ROUTES
)
COUNTRIES = ("DE", "IT", "FR", "DEU", "AT", "", "IT", "FR")
ROWS = 1_500


def _case(ground: Ground, record: str = "", **options: Any) -> PlantedCase:
    name = uuid4().hex[:12]
    middle, south = f"middle-{name}", f"south-{name}"
    rows = (f"{n},{COUNTRIES[n % len(COUNTRIES)]}\n" for n in range(1, ROWS + 1))
    case = ground.case(
        f"id,country\n{''.join(rows)}".encode(),
        block_bytes=512,
        partitions=2 if record else 1,
        routed={middle: 3 if record else 1, south: 1},
        **options,
    )
    declared = case.supervisor.folder / "columns.toml"
    declared.write_text(TABLE.format(record=record, middle=middle, south=south))
    case.settings |= {"CSV_COLUMNS": str(declared)}
    return case


def to_three_topics(ground: Ground) -> Found:
    return _case(ground).finish()


def by_key(ground: Ground) -> Found:
    return _case(ground, 'key = "id"').finish()


def killed_among_routed_rows(ground: Ground) -> Found:
    """With rows in each topic that no checkpoint covers."""
    case = _case(ground)
    case.kill_at(Step.CHECKPOINT_BEGINS, from_rows=300)
    return case.finish()


def a_routed_topic_gets_partitions(ground: Ground) -> Found:
    case = _case(ground, 'key = "id"')
    case.kill_at(Step.CHECKPOINT_STORED, from_rows=300)
    (middle,) = (topic for topic in case.routed if topic.startswith("middle"))
    admin = ground.stack.admin_client()
    admin.create_partitions({middle: NewPartitions(5)})
    admin.close()
    return case.finish()
