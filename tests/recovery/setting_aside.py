"""Loads whose bad rows are dead letters: their settings, their topic, and what it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from csvkafka.config.load_config import kafka_settings
from csvkafka.model import Step
from csvkafka.testing.checker.documented import TopicRecord
from csvkafka.testing.checker.topic_reader import TopicReader
from csvkafka.testing.judging.recovery_case import RecoveryCase

NewCase = Callable[..., RecoveryCase]

STEPS = (
    Step.BATCH_SENT,
    Step.BATCH_ACKNOWLEDGED,
    Step.BLOCK_ACKNOWLEDGED,
    Step.CHECKPOINT_BEGINS,
    Step.CHECKPOINT_STORED,
)
"""Where workers are killed around a row that is set aside."""

COLUMNS = """
[columns]
id = "int"
state = "string"
price = "decimal(9,2)"
"""

DROPS = """
[[drop]]
column = "state"
in = ["void", "test"]

[[drop]]
column = "price"
empty = true
"""


def setting_aside(
    new_case: NewCase,
    folder: Path,
    table: str,
    source: bytes | Mapping[str, bytes],
    *,
    settings: Mapping[str, str] | None = None,
    **options: Any,
) -> tuple[RecoveryCase, str]:
    """A load by that table whose bad rows are dead letters, and their topic."""
    declared, dead = folder / "columns.toml", f"dead-{uuid4().hex[:12]}"
    declared.write_text(table)
    case = new_case(
        source,
        settings={
            "CSV_COLUMNS": str(declared),
            "ON_BAD_ROW": "dead-letter",
            "DEAD_LETTER_TOPIC": dead,
            **(settings or {}),
        },
        **options,
    )
    case.stack.create_topic(dead, 1)
    return case, dead


def letters_in(case: RecoveryCase, dead: str) -> list[TopicRecord]:
    """The letters in the order in which they stand in the topic."""
    with TopicReader(kafka_settings(case.stack.environment()), dead) as reader:
        return list(reader.records()[0])


def line_of(letter: TopicRecord) -> int:
    """The line that a letter's row has in its file."""
    return int(dict(letter.headers)["_source_line"] or b"")
