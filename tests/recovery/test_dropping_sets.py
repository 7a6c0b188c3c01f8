"""Sets of files whose table drops rows: whole files, the first and the last rows, and what stands
between dead letters, are dropped by whichever run comes to them, and once."""

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

NewCase = Callable[..., RecoveryCase]

KILLS = 5
ENDS = (".csv", ".csv.gz", ".csv.zst", ".csv.gz")
TABLE = """
[columns]
id = "int"
state = "string"
price = "decimal(9,2)"

[[drop]]
column = "state"
in = ["void", "test"]

[[drop]]
column = "price"
empty = true
"""
TEXTS = {"kept": "live,1.25", "dropped": "void,no number", "bad": "live,1.005"}


def _fates(chance: random.Random) -> list[list[str]]:
    """What becomes of each file's rows. Whole files are dropped, the last ones among them."""

    def mixed(count: int) -> list[str]:
        return chance.choices(("kept", "dropped", "bad"), (55, 43, 2), k=count)

    return [
        ["dropped"] * 400,
        mixed(700),
        ["dropped", *mixed(300), "dropped"],
        ["dropped"] * 900,
        ["dropped"],
        [],
        mixed(800),
        ["kept"],
        [*mixed(500), *["dropped"] * 500],
        ["dropped"] * 600,
        ["dropped"],
    ]


def _file(number: int, fates: list[str]) -> bytes:
    rows = (f"{1_000 * number + row},{TEXTS[fate]}\n" for row, fate in enumerate(fates))
    return f"id,state,price\n{''.join(rows)}".encode()


@pytest.mark.parametrize("key", [None, "id"])
@pytest.mark.parametrize("order", ["set", "object"])
def test_files_with_dropped_rows_are_loaded_once_through_kills(
    recovery_case: NewCase, tmp_path: Path, seed: int, order: str, key: str | None
) -> None:
    chance = random.Random(seed)
    fates = _fates(chance)
    of_all = [fate for each in fates for fate in each]
    declared, dead = tmp_path / "columns.toml", f"dead-{uuid4().hex[:12]}"
    declared.write_text(TABLE if key is None else f'[record]\nkey = "{key}"\n{TABLE}')
    case = recovery_case(
        {
            f"part-{number:04}{ENDS[number % len(ENDS)]}": _file(number, each)
            for number, each in enumerate(fates)
        },
        partitions=1 if key is None else 3,
        block_bytes=512,
        settings={
            "CSV_COLUMNS": str(declared),
            "ON_BAD_ROW": "dead-letter",
            "DEAD_LETTER_TOPIC": dead,
            "MAX_BAD_ROWS": str(of_all.count("bad")),
            "ORDER": order,
            "LEASE_SECONDS": "2",
        },
    )
    case.stack.create_topic(dead, 1)
    for _ in range(KILLS):
        worker = case.start()
        worker.wait_for_step(chance.choice((Step.BLOCK_TAKEN, Step.BATCH_ACKNOWLEDGED)))
        worker.lives_for(chance.uniform(0.0, 0.15))
        assert worker.kill() == KILLED, worker.output()
    worker = case.run()
    dropped = of_all.count("dropped")
    of_set = "" if order == "set" else " of the set"
    assert f"{dropped} rows{of_set} dropped, as CSV_COLUMNS says" in worker.output()
    assert f"{dropped} rows dropped" in case.run().output()
    verdict = case.verdict()
    assert verdict.is_clean, verdict
    assert (verdict.rows_found, verdict.dropped) == (of_all.count("kept"), dropped)
    with TopicReader(kafka_settings(case.stack.environment()), dead) as reader:
        letters = list(reader.records()[0])
    found = sorted(int((letter.value or b"").split(b",")[0]) for letter in letters)
    assert found == [
        1_000 * number + row
        for number, each in enumerate(fates)
        for row, fate in enumerate(each)
        if fate == "bad"
    ]
    item = case.item()
    assert item is not None
    assert (item["status"], item["last_line"]) == ("COMPLETED", len(of_all))
    assert item["total_sent"] == len(of_all) - dropped
