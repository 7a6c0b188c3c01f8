"""Loads by a declared table are killed: typed records, keys of several columns, dead letters."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from csvkafka.config.load_config import kafka_settings
from csvkafka.model import Step
from csvkafka.testing.checker.topic_reader import TopicReader
from csvkafka.testing.judging.recovery_case import KILLED, RecoveryCase
from tests.integration.flights import flights_csv

NewCase = Callable[..., RecoveryCase]

FLIGHTS = """
[record]
key = ["carrier", "flight"]
key_format = "json"
metadata = "headers"
null = ["NA"]

[columns]
year = "int"
month = "int"
day = "int"
dep_time = "int"
sched_dep_time = "int"
dep_delay = "long"
arr_time = "int"
sched_arr_time = "int"
arr_delay = "decimal(6,1)"
carrier = "string"
flight = "long"
tailnum = { mask = "last 3" }
origin = "string"
dest = { type = "string", rename = "destination" }
air_time = "double"
distance = "float"
hour = "int"
minute = { drop = true }
time_hour = "timestamp(iso)"
loaded_by = { constant = "csvkafka" }
"""


def test_flights_with_their_natural_types_are_killed_again_and_again(
    recovery_case: NewCase, tmp_path: Path, seed: int
) -> None:
    declared = tmp_path / "columns.toml"
    declared.write_text(FLIGHTS)
    with flights_csv().open("rb") as file:
        source = b"".join(file.readline() for _ in range(20_001))
    case = recovery_case(
        source,
        partitions=3,
        block_bytes=16_384,
        settings={"CSV_COLUMNS": str(declared)},
    )
    chance = random.Random(seed)
    for number in range(6):
        worker = case.start()
        worker.wait_for_step(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count * number // 8)
        worker.lives_for(chance.uniform(0.0, 0.1))
        assert worker.kill() == KILLED, worker.output()
    case.assert_midway()
    case.run()
    case.assert_once()


BAD_ROWS = {301: b"not-a-number,x,1\n", 302: b"302\n", 640: b"640,x,1.005\n", 1200: b"1200,x,\n"}
TABLE = """
[columns]
id = "int"
name = "string"
price = "decimal(9,2)"
"""


def with_bad_rows() -> bytes:
    rows = [BAD_ROWS.get(number, b"%d,n,%d.25\n" % (number, number)) for number in range(1, 1201)]
    return b"id,name,price\n" + b"".join(rows)


def setting_aside(
    recovery_case: NewCase, tmp_path: Path, **settings: str
) -> tuple[RecoveryCase, str]:
    """A load whose bad rows are dead letters, and their topic."""
    declared, dead = tmp_path / "columns.toml", f"dead-{uuid4().hex[:12]}"
    declared.write_text(TABLE)
    case = recovery_case(
        with_bad_rows(),
        block_bytes=1_024,
        settings={
            "CSV_COLUMNS": str(declared),
            "ON_BAD_ROW": "dead-letter",
            "DEAD_LETTER_TOPIC": dead,
            **settings,
        },
    )
    case.stack.create_topic(dead, 1)
    return case, dead


@pytest.mark.parametrize(
    "step",
    [
        Step.BATCH_SENT,
        Step.BATCH_ACKNOWLEDGED,
        Step.BLOCK_ACKNOWLEDGED,
        Step.CHECKPOINT_BEGINS,
        Step.CHECKPOINT_STORED,
    ],
)
def test_killed_around_rows_that_do_not_fit_their_types(
    recovery_case: NewCase, tmp_path: Path, step: Step
) -> None:
    case, dead = setting_aside(recovery_case, tmp_path)
    case.kill_at(step, from_rows=250)
    case.kill_at(step, from_rows=600)
    case.run()
    kafka = kafka_settings(case.stack.environment())
    with TopicReader(kafka, dead) as reader:
        letters = list(reader.records()[0])
    numbers = [int(dict(letter.headers)["_source_line"] or b"") for letter in letters]
    assert numbers == sorted(BAD_ROWS)
    assert [(letter.value or b"") + b"\n" for letter in letters] == list(map(BAD_ROWS.get, numbers))
    verdict = case.verdict()
    assert verdict.is_clean, verdict
    assert verdict.rows_found == 1200 - len(BAD_ROWS)


def test_a_resume_with_another_table_is_refused(recovery_case: NewCase, tmp_path: Path) -> None:
    declared, other = tmp_path / "columns.toml", tmp_path / "other.toml"
    declared.write_text(TABLE)
    other.write_text(TABLE.replace("decimal(9,2)", "double"))
    source = b"".join(
        b for n, b in enumerate(with_bad_rows().splitlines(True)) if n not in BAD_ROWS
    )
    case = recovery_case(source, block_bytes=1_024, settings={"CSV_COLUMNS": str(declared)})
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=300)
    worker = case.refused("ConfigChanged", settings={"CSV_COLUMNS": str(other)})
    assert "CSV_COLUMNS declares price otherwise" in worker.output()
    case.run()
    case.assert_once()


def test_a_load_stops_at_too_many_bad_rows_and_goes_on_when_the_limit_is_raised(
    recovery_case: NewCase, tmp_path: Path
) -> None:
    case, dead = setting_aside(recovery_case, tmp_path, MAX_BAD_ROWS="2")
    worker = case.run(exit_code=1)
    case.assert_error(worker, "TooManyBadRows")
    assert "row 301 (is no int in column 'id'" in worker.output()
    case.assert_stopped(worker)
    sent = case.view.record_count()
    case.run(exit_code=1)
    assert case.view.record_count() == sent
    worker = case.run(settings={"MAX_BAD_ROWS": "4"})
    assert f"4 rows set aside in topic {dead}" in worker.output()
    assert case.verdict().is_clean
