"""A load that goes on with another size of block than it was begun with: the size follows from the
codec and from which encoder there is, and both may change between two runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from csvkafka.limits import BLOCK_BYTES
from csvkafka.model import Step
from csvkafka.testing.inputs.csv_files import CsvSpec
from csvkafka.testing.judging.recovery_case import RecoveryCase

NewCase = Callable[..., RecoveryCase]

SMALL = {"CSVKAFKA_ENCODER": "python"}
LARGER = {"CSVKAFKA_ENCODER": "compiled", "KAFKA_COMPRESSION_TYPE": "lz4"}
LARGEST = {"CSVKAFKA_ENCODER": "compiled", "KAFKA_COMPRESSION_TYPE": "gzip"}

LONG_ROWS = CsvSpec(
    row_count=15_000, field_characters=80, quoted_fraction=0.1, newline_fraction=0.05
)
"""The bytes make the blocks. They are in few rows: to judge a row costs more than to load it."""

RUNS = [
    (SMALL, LARGEST, SMALL, LARGEST),
    (LARGEST, SMALL, LARGER, LARGEST),
    (LARGER, LARGEST, SMALL, LARGER),
]


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("runs", RUNS)
def test_f11_each_run_has_another_size_of_block(
    recovery_case: NewCase, runs: tuple[dict[str, str], ...], partitions: int
) -> None:
    case = recovery_case(
        LONG_ROWS,
        partitions=partitions,
        settings={"KEY_COLUMN": "id"} if partitions > 1 else {"KAFKA_PARTITION": "0"},
        block_bytes=BLOCK_BYTES,
        pace_seconds=0.3,
    )
    assert len(case.source) > 6_000_000
    *killed, last = runs
    settings = dict(case.settings)
    steps = (Step.BATCH_ACKNOWLEDGED, Step.BATCH_SENT, Step.CHECKPOINT_STORED)
    for run, step in zip(killed, steps, strict=True):
        case.settings = {**settings, **run}
        case.kill_at(step)
    case.settings = {**settings, **last}
    case.assert_midway()
    case.run()
    case.assert_once()
