"""Every fault of a row in the middle of a load that is killed before, at and after its letter."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from csvkafka.config.load_config import kafka_settings
from csvkafka.testing.checker.topic_reader import TopicReader
from csvkafka.testing.judging.recovery_case import RecoveryCase
from tests.recovery.setting_aside import STEPS
from tests.registries import small_registry

NewCase = Callable[..., RecoveryCase]

REPOSITORY = Path(__file__).parents[2]
ROWS = 5_500
KILLED_AROUND = (600, 1_600, 2_600, 3_600)
"""The bad rows are among the next of each. A checkpoint comes some blocks after the row that it
waits for, so these lie far from each other and from the end: each kill is in the middle."""
TRANSFORM = "tests.integration.transforms:refuse_seven"
TABLE = """
[record]
format = "avro"
schema = "given.avsc"
[columns]
id = "int"
name = "string"
seen = "timestamp(iso, UTC)"
"""
GIVEN = {
    "type": "record",
    "name": "Row",
    "fields": [
        {"name": "id", "type": "int"},
        {"name": "name", "type": "string"},
        {"name": "seen", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "_source_line", "type": "long"},
        {"name": "_source_file", "type": "string"},
    ],
}
WIDTH = ("width", b"%d,n\n")
ENCODING = ("encoding", b"%d,\xff\xfe,2026-11-28T09:00:00\n")
FAULTS = {
    "transform": (WIDTH, ENCODING, ("transform", b"7,number %d,x\n")),
    "schema": (
        WIDTH,
        ENCODING,
        ("type", b"x%d,n,2026-11-28T09:00:00\n"),
        ("schema", b"%d,n,2026-11-28T09:00:00.000001\n"),
    ),
}


def rows_with(
    faults: tuple[tuple[str, bytes], ...], chance: random.Random
) -> tuple[bytes, dict[int, tuple[str, bytes]]]:
    """The file, and by number its bad rows: each fault around each kill, in any order, the first
    two side by side."""
    bad = {}
    for around in KILLED_AROUND:
        places = (0, 1, *chance.sample(range(2, 120), len(faults) - 2))
        for place, (code, row) in zip(places, chance.sample(faults, len(faults)), strict=True):
            bad[around + place] = code, row % (around + place)
    good = (b"%d,n,2026-11-28T09:00:00\n" % number for number in range(1, ROWS + 1) if number != 7)
    rows = list(good)
    rows.insert(6, b"1007,n,2026-11-28T09:00:00\n")  # 7 is what the transform refuses
    for number, (_, row) in bad.items():
        rows[number - 1] = row
    return b"id,name,seen\n" + b"".join(rows), bad


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_of_a_row_is_killed_around_and_set_aside_once(
    recovery_case: NewCase, tmp_path: Path, seed: int, kind: str
) -> None:
    chance = random.Random(f"{seed}/{kind}")
    source, bad = rows_with(FAULTS[kind], chance)
    dead = f"dead-{uuid4().hex[:12]}"
    settings = {"ON_BAD_ROW": "dead-letter", "DEAD_LETTER_TOPIC": dead}
    with small_registry() as registry:
        if kind == "schema":
            (tmp_path / "given.avsc").write_text(json.dumps(GIVEN))
            (tmp_path / "columns.toml").write_text(TABLE)
            settings |= {
                "CSV_COLUMNS": str(tmp_path / "columns.toml"),
                "SCHEMA_REGISTRY_URL": registry.url,
                "SCHEMA_REGISTRY_AUTO_REGISTER": "true",
            }
        else:
            settings |= {"TRANSFORM": TRANSFORM, "PYTHONPATH": str(REPOSITORY)}
        case = recovery_case(source, block_bytes=1_024, settings=settings)
        case.stack.create_topic(dead, 1)
        # A block has about 35 rows: some kills come before a letter, some at it, some after it.
        for around in KILLED_AROUND:
            case.kill_at(chance.choice(STEPS), from_rows=around + chance.randrange(-70, 160))
            case.assert_midway()
        case.run()
        assert letters_in(case, dead) == [(number, *bad[number]) for number in sorted(bad)]
        verdict = case.verdict()
        assert verdict.is_clean, verdict
        assert verdict.rows_found == ROWS - len(bad)


def letters_in(case: RecoveryCase, topic: str) -> list[tuple[int, str, bytes]]:
    """Of each dead letter the row's number, its code, and its bytes with a line's end."""
    with TopicReader(kafka_settings(case.stack.environment()), topic) as reader:
        letters = list(reader.records()[0])
    headers = [{name: value or b"" for name, value in letter.headers} for letter in letters]
    return [
        (int(said["_source_line"]), said["code"].decode(), (letter.value or b"") + b"\n")
        for letter, said in zip(letters, headers, strict=True)
    ]
