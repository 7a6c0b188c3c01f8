"""Loads by a declared table are killed: typed records, keys of several columns, dead letters."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from csvkafka.model import Step
from csvkafka.testing.judging.recovery_case import KILLED, RecoveryCase
from tests.integration.flights import EACH_KIND_OF_TYPE, flights_csv, flights_table
from tests.recovery.setting_aside import COLUMNS, NewCase, letters_in, line_of, setting_aside

FLIGHTS = flights_table(
    {
        **EACH_KIND_OF_TYPE,
        "tailnum": '{ mask = "last 3" }',
        "loaded_by": '{ constant = "csvkafka" }',
    },
    'key = ["carrier", "flight"]\nkey_format = "json"\nmetadata = "headers"',
)


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


def with_bad_rows() -> bytes:
    rows = [BAD_ROWS.get(number, b"%d,n,%d.25\n" % (number, number)) for number in range(1, 1201)]
    return b"id,state,price\n" + b"".join(rows)


def with_letters(
    recovery_case: NewCase, tmp_path: Path, **settings: str
) -> tuple[RecoveryCase, str]:
    """A load of them, and the topic of its letters."""
    return setting_aside(
        recovery_case, tmp_path, COLUMNS, with_bad_rows(), block_bytes=1_024, settings=settings
    )


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
    case, dead = with_letters(recovery_case, tmp_path)
    case.kill_at(step, from_rows=250)
    case.kill_at(step, from_rows=600)
    case.run()
    letters = letters_in(case, dead)
    numbers = [*map(line_of, letters)]
    assert numbers == sorted(BAD_ROWS)
    assert [(letter.value or b"") + b"\n" for letter in letters] == list(map(BAD_ROWS.get, numbers))
    case.assert_once(set_aside=len(BAD_ROWS))


def test_a_resume_with_another_table_is_refused(recovery_case: NewCase, tmp_path: Path) -> None:
    declared, other = tmp_path / "columns.toml", tmp_path / "other.toml"
    declared.write_text(COLUMNS)
    other.write_text(COLUMNS.replace("decimal(9,2)", "double"))
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
    case, dead = with_letters(recovery_case, tmp_path, MAX_BAD_ROWS="2")
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
