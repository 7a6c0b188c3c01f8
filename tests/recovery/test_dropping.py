"""Loads whose table drops rows are killed: each row is dropped, a dead letter or a record, once."""

from __future__ import annotations

import random
import re
from pathlib import Path

from csvkafka.model import Step
from csvkafka.testing.judging.recovery_case import KILLED
from tests.recovery.setting_aside import (
    COLUMNS,
    DROPS,
    NewCase,
    letters_in,
    line_of,
    setting_aside,
)

KILLS = 20
ROWS = 24_000
ALL_DROPPED = 200_000
TABLE = f"""
[record]
key = "id"
{COLUMNS}{DROPS}
[[drop]]
column = "state"
matches = "x+"
"""


def _fate(number: int, chance: random.Random) -> str:
    """Long runs are dropped, and all of the last rows."""
    if number // 1_500 % 4 == 1 or number > ROWS - 700:
        return "dropped"
    return chance.choices(("kept", "dropped", "bad"), (60, 39, 1))[0]


def _row(number: int, fate: str, chance: random.Random) -> bytes:
    dropped = ("void,1.5", "test,no number", "live,", "xxx,2")
    fields = {"kept": ("live,1.25", "voided,2"), "dropped": dropped, "bad": ("live,1.005", "void")}
    return f"{number},{chance.choice(fields[fate])}\n".encode()


def test_each_row_is_dropped_set_aside_or_sent_once_through_twenty_kills(
    recovery_case: NewCase, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    fates = [_fate(number, chance) for number in range(1, ROWS + 1)]
    rows = [_row(number, fate, chance) for number, fate in enumerate(fates, 1)]
    source = b"id,state,price\n" + b"".join(rows)
    # Slow enough for its kills, though they come late on a machine that does much else.
    case, dead = setting_aside(
        recovery_case, tmp_path, TABLE, source, partitions=3, block_bytes=2_048, pace_seconds=0.06
    )
    for number in range(KILLS):
        worker = case.start()
        worker.wait_for_step(Step.BATCH_ACKNOWLEDGED, from_rows=ROWS * number // (KILLS + 10))
        worker.lives_for(chance.uniform(0.0, 0.03))
        assert worker.kill() == KILLED, worker.output()
    case.assert_midway()
    worker = case.run()
    assert f"{fates.count('dropped')} rows dropped, as CSV_COLUMNS says" in worker.output()
    numbers = [line_of(letter) for letter in letters_in(case, dead)]
    assert numbers == [number for number, fate in enumerate(fates, 1) if fate == "bad"]
    case.assert_once(dropped=fates.count("dropped"), set_aside=fates.count("bad"))


def test_a_load_whose_rows_are_all_dropped_stores_its_progress_and_completes(
    recovery_case: NewCase, tmp_path: Path
) -> None:
    declared, other = tmp_path / "columns.toml", tmp_path / "other.toml"
    declared.write_text(TABLE)
    other.write_text(TABLE.replace('"x+"', '"x*"'))
    source = b"id,state,price\n" + b"".join(
        b"%d,void,1\n" % number for number in range(1, ALL_DROPPED + 1)
    )
    case = recovery_case(source, block_bytes=1_024, settings={"CSV_COLUMNS": str(declared)})
    case.kill_at(Step.CHECKPOINT_STORED, from_rows=1)
    item = case.item()
    assert item is not None
    assert 0 < int(item["last_line"]) < ALL_DROPPED
    assert item["total_sent"] == 0
    worker = case.refused("ConfigChanged", settings={"CSV_COLUMNS": str(other)})
    assert "CSV_COLUMNS declares [[drop]] otherwise" in worker.output()
    worker = case.run()
    starting = re.search(r"Starting from line (\d+)", worker.output())
    assert starting is not None
    assert int(starting[1]) == item["last_line"]
    item = case.item()
    assert item is not None
    assert (item["status"], item["last_line"], item["total_sent"]) == ("COMPLETED", ALL_DROPPED, 0)
    assert case.view.record_count() == 0
