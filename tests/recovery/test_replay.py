"""Replays of dead letters are killed again and again: each letter once, in order."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from csvkafka.config.load_config import kafka_settings
from csvkafka.errors import SinkUnavailableError
from csvkafka.model import Step
from csvkafka.testing.checker.documented import TopicRecord
from csvkafka.testing.checker.topic_reader import TopicReader
from csvkafka.testing.faults.proxy import InjectedFault, Proxy
from csvkafka.testing.faults.proxy_faults import Direction, Hold
from csvkafka.testing.judging.recovery_case import KILLED, RecoveryCase
from csvkafka.testing.processes.supervisor import WORKER, Incarnation
from tests.integration.command_line import run_csvkafka
from tests.refusals import refusal_in

NewCase = Callable[..., RecoveryCase]

TABLE = """
[record]
key = ["id"]

[columns]
id = "int"
name = "string"
price = "decimal(9,2)"
"""
REPAIRED = TABLE.replace("(9,2)", "(9,3)")

COUNT = 10_800
STILL_BAD = range(28, COUNT, 36)
"""These rows fit no table: they are set aside twice."""

BAD = [number for number in range(1, COUNT + 1) if number % 12 in (3, 4, 5, 9)]
"""These do not fit the first one. Three of them follow each other, a fourth does not."""

BLOCK_BYTES = 300
"""About twenty letters are replayed in one block; in the middle of some blocks one is still bad."""

STEPS = [
    Step.ITEM_CREATED,
    Step.IDENTITY_STORED,
    Step.SOURCE_OPENED,
    Step.BATCH_SENT,
    Step.BATCH_ACKNOWLEDGED,
    Step.CHECKPOINT_BEGINS,
    Step.CHECKPOINT_STORED,
]


def row(number: int) -> bytes:
    if number in STILL_BAD:
        return b"%d,too narrow\n" % number
    return b"%d,n,%d.%s\n" % (number, number, b"125" if number in BAD else b"25")


def records_of(case: RecoveryCase, topic: str) -> dict[int, list[TopicRecord]]:
    with TopicReader(kafka_settings(case.stack.environment()), topic) as reader:
        return {partition: list(records) for partition, records in reader.records().items()}


@pytest.mark.fault("F140")
def test_a_replay_is_killed_again_and_again(
    recovery_case: NewCase, tmp_path: Path, seed: int
) -> None:
    columns, dead = tmp_path / "columns.toml", f"dead-{uuid4().hex[:12]}"
    columns.write_text(TABLE)
    case = recovery_case(
        b"id,name,price\n" + b"".join(map(row, range(1, COUNT + 1))),
        partitions=3,
        block_bytes=BLOCK_BYTES,
        settings={
            "CSV_COLUMNS": str(columns),
            "ON_BAD_ROW": "dead-letter",
            "DEAD_LETTER_TOPIC": dead,
            "CHECKPOINT_INTERVAL": "20",
        },
    )
    case.stack.create_topic(dead, 1)
    case.run()
    loaded = records_of(case, case.topic)
    assert sum(map(len, loaded.values())) == COUNT - len(BAD)
    assert len(records_of(case, dead)[0]) == len(BAD)
    columns.write_text(REPAIRED)
    case.program = (*WORKER, "--replay")

    for number, step in enumerate(STEPS):
        case.kill_at(step, from_rows=0 if number < 4 else number * 15)
    chance = random.Random(seed)
    seen = []
    for _ in range(8):
        worker = case.start(pace_seconds=0.03)
        worker.wait_for_step(Step.BATCH_ACKNOWLEDGED, chance.randint(1, 6))
        worker.lives_for(chance.uniform(0.0, 0.15))
        assert worker.kill() == KILLED, worker.output()
        seen.append(sum(map(len, records_of(case, case.topic).values())))
    print(f"records in the topic after each kill: {seen}")
    assert COUNT - len(BAD) < seen[0] < seen[-1] < COUNT - len(STILL_BAD), "killed in the middle"
    worker = case.run()

    assert f"{len(STILL_BAD)} rows set aside in topic {dead}" in worker.output()
    assert "came damaged" not in worker.output(), "letters end before what is set aside again"
    late_lines = []
    for partition, records in records_of(case, case.topic).items():
        before = loaded[partition]
        assert records[: len(before)] == before
        late = [json.loads(record.value or b"") for record in records[len(before) :]]
        lines = [record["_source_line"] for record in late]
        assert lines == sorted(set(lines)), f"partition {partition}"
        assert all(record["price"] == record["id"] + 0.125 for record in late)
        assert all(record["id"] == record["_source_line"] for record in late)
        late_lines += lines
    assert sorted(late_lines) == [number for number in BAD if number not in STILL_BAD]
    letters = [int(dict(r.headers)["_source_line"] or b"") for r in records_of(case, dead)[0]]
    assert letters == [*BAD, *STILL_BAD], "each still bad row is set aside once more, in order"
    assert "is complete already" in case.run().output()
    replay = {**case.stack.environment(), **case.settings, "JOB_ID": f"{case.job_id}-replay-1"}
    verified = run_csvkafka("verify", settings=replay)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert f"{len(STILL_BAD)} of {len(BAD)} letters do not fit again" in verified.stdout


LETTERS_BYTES = 4_096
"""An answer with letters is larger, every other answer to a replay smaller."""


@pytest.fixture
def hanging_case(
    recovery_case: NewCase, kafka_proxy: Proxy
) -> Iterator[tuple[RecoveryCase, InjectedFault, Incarnation]]:
    """A replay whose connection for letters hangs, and that for records does not: it is about to
    read letters."""
    dead = f"dead-{uuid4().hex[:12]}"
    case = recovery_case(
        b"id,name\n" + b"".join(b"%d,n,too wide\n" % number for number in range(1, 1_001)),
        settings={
            "KAFKA_BOOTSTRAP_SERVERS": kafka_proxy.address,
            "KAFKA_COMPRESSION_TYPE": "none",
            "ON_BAD_ROW": "dead-letter",
            "DEAD_LETTER_TOPIC": dead,
        },
        kafka_limits={"request_timeout_ms": 1_000, "answer_timeout_ms": 4_000},
        proxies=[kafka_proxy],
    )
    case.stack.create_topic(dead, 1)
    case.run()
    case.program = (*WORKER, "--replay")
    case.settings |= {"ON_BAD_ROW": "keep", "DEAD_LETTER_TOPIC": ""}
    worker = case.start_paused_at(Step.TAIL_SCANNED)
    held = kafka_proxy.inject(Hold(Direction.TO_CLIENT, LETTERS_BYTES))
    worker.resume()
    held.wait_for_effect()
    yield case, held, worker
    held.lift()


def lines_in(case: RecoveryCase) -> list[int]:
    values = (record.value or b"" for record in records_of(case, case.topic)[0])
    return [json.loads(value)["_source_line"] for value in values]


@pytest.mark.fault("F142")
def test_a_reader_of_letters_that_hangs_for_good(
    hanging_case: tuple[RecoveryCase, InjectedFault, Incarnation],
) -> None:
    case, held, worker = hanging_case
    case.ends(worker, exit_code=1, timeout_seconds=30)
    (line,) = [line for line in worker.output().splitlines() if "ERROR" in line]
    refusal_in(SinkUnavailableError, line)
    assert "for partition 0 of topic dead-" in line
    assert lines_in(case) == []
    held.lift()
    case.run()
    assert lines_in(case) == list(range(1, 1_001))


@pytest.mark.fault("F142")
def test_a_reader_of_letters_that_hangs_for_a_while(
    hanging_case: tuple[RecoveryCase, InjectedFault, Incarnation],
) -> None:
    case, held, worker = hanging_case
    held.wait_for_effect(2)  # the request was given up, and sent again
    held.lift()
    case.ends(worker)
    assert lines_in(case) == list(range(1, 1_001))
