"""What a bug of a record's size is shown by."""

from __future__ import annotations

from uuid import uuid4

from kafka.admin import ConfigResource, ConfigResourceType

from csvkafka.model import Step
from csvkafka.testing.judging.recovery_case import BUCKET
from tests.planted.scenarios import Found, Ground

BEGUN_WITH, RAISED_TO = "20000", "60000"
LIMIT = 20_000 - 1_024 - 256
"""What DEAD_LETTER_ABOVE_BYTES is where the topic's max.message.bytes is `BEGUN_WITH`."""

ROWS = 500
AT, ABOVE = (150, 350), (200, 201, 400)
"""Rows whose record has just the limit's size, and those with a byte more."""


def _rows() -> bytes:
    uri = f"s3://{BUCKET}/{'0' * 12}.csv"
    value = f'{{"id":"100","name":"","_source_line":100,"_source_file":"{uri}"}}'
    room = LIMIT - len(value) - len("100")  # that of the key
    names = {**dict.fromkeys(AT, "x" * room), **dict.fromkeys(ABOVE, "x" * (room + 1))}
    rows = (f"{n},{names.get(n, f'name {n}')}\n" for n in range(1, ROWS + 1))
    return f"id,name\n{''.join(rows)}".encode()


def some_are_too_large(ground: Ground) -> Found:
    """The worker is killed before most of them, and the topic then takes more."""
    dead = f"dead-{uuid4().hex[:12]}"
    case = ground.case(
        _rows(),
        block_bytes=512,
        topic_config={"max.message.bytes": BEGUN_WITH},
        settings={
            "ON_BAD_ROW": "dead-letter",
            "DEAD_LETTER_TOPIC": dead,
            "KEY_COLUMN": "id",
            "CHECKPOINT_INTERVAL": "20",
        },
    )
    case.stack.create_topic(dead, 1)
    case.kill_at(Step.CHECKPOINT_STORED, from_rows=80)
    admin = case.stack.admin_client()
    configs = {"max.message.bytes": RAISED_TO}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, case.topic, configs)])
    admin.close()
    return case.finish()
