"""Sets of files whose table drops rows: whole files, the first and the last rows, and what stands
between dead letters, are dropped by whichever run comes to them, and once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from csvkafka.model import Step
from csvkafka.testing.judging.recovery_case import KILLED
from tests.recovery.setting_aside import COLUMNS, DROPS, NewCase, letters_in, setting_aside

KILLS = 5
ENDS = (".csv", ".csv.gz", ".csv.zst", ".csv.gz")
TABLE = COLUMNS + DROPS
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
    case, dead = setting_aside(
        recovery_case,
        tmp_path,
        TABLE if key is None else f'[record]\nkey = "{key}"\n{TABLE}',
        {
            f"part-{number:04}{ENDS[number % len(ENDS)]}": _file(number, each)
            for number, each in enumerate(fates)
        },
        partitions=1 if key is None else 3,
        block_bytes=512,
        settings={
            "MAX_BAD_ROWS": str(of_all.count("bad")),
            "ORDER": order,
            "LEASE_SECONDS": "2",
        },
    )
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
    letters = letters_in(case, dead)
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
