"""Loaders that are not ours, judged from outside; and ours beside them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from csvkafka.local.base import Stack
from csvkafka.testing.checker.topic_reader import Isolation
from csvkafka.testing.checker.verdict import AnomalyKind
from csvkafka.testing.history import History
from csvkafka.testing.judging.judge import judge
from csvkafka.testing.judging.judgement import Judgement
from csvkafka.testing.judging.plan import DEFAULT_FILE, JudgePlan
from csvkafka.testing.processes.loader_command import LoaderCommand

EXAMPLES = Path(__file__).parents[2] / "examples"
PYTHON = f"{sys.executable} -P"
SLOW_CSVKAFKA = (
    "csvkafka.testing.processes.worker --steps {folder}/steps --pace 0.02 --block-bytes 8192"
)
"""csvkafka itself, which rests at each batch, so that no machine is done before it is struck."""

ARGUMENTS = "{bucket} {key} {bootstrap_servers} {topic} {folder}/progress"


def judged(stack: Stack, command: str, rows: int, **options: object) -> Judgement:
    variables = options.pop("variables", ())
    plan = JudgePlan(
        LoaderCommand.parse(command, variables),  # type: ignore[arg-type]
        replace(DEFAULT_FILE, row_count=rows),
        forks=True,
        **options,  # type: ignore[arg-type]
    )
    return judge(plan, stack)


def anomalies(judgement: Judgement) -> dict[Isolation, set[AnomalyKind]]:
    return {level: {a.kind for a in v.anomalies} for level, v in judgement.verdicts.items()}


def for_all(kinds: set[AnomalyKind]) -> dict[Isolation, set[AnomalyKind]]:
    return {level: set(kinds) for level in Isolation}


def test_the_literal_loader_repeats_rows_after_a_kill(stack: Stack) -> None:
    judgement = judged(
        stack,
        f"{PYTHON} {EXAMPLES}/literal_loader.py",
        rows=1_200,
        kills=2,
        variables=("CHECKPOINT_INTERVAL=300",),
    )
    assert anomalies(judgement) == for_all({AnomalyKind.DUPLICATE_ROW})
    assert judgement.kills == 2
    assert judgement.problems == ()
    assert not judgement.is_clean
    for verdict in judgement.verdicts.values():
        assert verdict.count(AnomalyKind.DUPLICATE_ROW) == judgement.rows_repeated
    # A kill repeats what came after the last checkpoint, and no row before it; one row at most
    # was sent and is not counted as such in the checkpoint.
    assert 0 < judgement.rows_repeated <= 2 * 300


def test_the_checkpoint_file_loader_repeats_rows(stack: Stack) -> None:
    command = f"{PYTHON} {EXAMPLES}/checkpoint_file_loader.py {ARGUMENTS}"
    judgement = judged(stack, command, rows=8_000, kills=3, run_again=True)
    for kinds in anomalies(judgement).values():
        assert AnomalyKind.DUPLICATE_ROW in kinds
    assert judgement.kills >= 1
    # It removes its file in the end, so that another run loads all once more: the rows that the
    # topic has, and those that the kills had lost.
    again = judgement.lives[-1]
    assert again.rows_after - again.rows_before == 8_000
    assert again.rows_new + again.rows_repeated == 8_000
    assert again.rows_repeated > 0


def test_csvkafka_is_clean_under_kills_and_a_zombie(stack: Stack) -> None:
    history = History()
    plan = JudgePlan(
        LoaderCommand.parse(f"{PYTHON} -m {SLOW_CSVKAFKA}", ("LEASE_SECONDS=2",)),
        replace(DEFAULT_FILE, row_count=20_000),
        forks=True,
        kills=3,
        pauses=1,
        run_again=True,
    )
    judgement = judge(plan, stack, history=history)
    assert anomalies(judgement) == for_all(set())
    assert judgement.problems == ()
    assert judgement.is_clean
    # The load may be done before a strike that waits for a write to the table.
    assert judgement.kills >= 2
    assert judgement.pauses == 1
    assert judgement.rows_repeated == 0
    assert sum(life.rows_new for life in judgement.lives) == 20_000
    assert any(life.end == "paused, then woken, exit 1" for life in judgement.lives)
    assert (judgement.lives[-1].rows_new, judgement.lives[-1].end) == (0, "exit 0")
    assert len(history.events("incarnation-started")) == len(judgement.lives)
    assert max(event.facts["last_line"] for event in history.events("checkpoint")) == 20_000


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("false", r"ended with an error 3 times in a row without a new record \(exit 1\)"),
        ("sleep 1000", r"hangs: no new record and no end for 2 s, with 0 records"),
        ("true", "ended without a single record"),
    ],
)
def test_a_loader_that_gets_nowhere_is_no_pass(stack: Stack, command: str, problem: str) -> None:
    judgement = judged(stack, command, rows=10, kills=1, stall_seconds=2.0)
    assert not judgement.is_clean
    (said,) = judgement.problems
    assert judgement.verdicts[Isolation.READ_COMMITTED].count(AnomalyKind.LOST_ROW) == 10
    assert re.search(problem, said)


SENDS_AND_FAILS = """
import os
from kafka import KafkaProducer
producer = KafkaProducer(bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"])
for _ in range({count}):
    producer.send(os.environ["KAFKA_TOPIC"], b"again")
producer.flush()
raise SystemExit(3)
"""


@pytest.mark.parametrize(
    ("count", "problem"),
    [
        ("1", r"ended with an error 2 times \(exit 3\)"),
        ("10**9", r"sends without end: [\d,]{6,} records"),
    ],
)
def test_a_loader_that_only_repeats_itself_is_given_up(
    stack: Stack, tmp_path: Path, count: str, problem: str
) -> None:
    loader = tmp_path / "loader.py"
    loader.write_text(SENDS_AND_FAILS.replace("{count}", count))
    judgement = judged(stack, f"{PYTHON} {loader}", rows=10, kills=0, errors=2)
    assert not judgement.is_clean
    assert re.search(problem, judgement.problems[0])


def test_the_command_answers_in_json_and_writes_its_page(tmp_path: Path) -> None:
    page = tmp_path / "verdict.html"
    command = [sys.executable, "-P", "-c", "from csvkafka.cli.program import main; main()", "judge"]
    command += ["--command", f"{PYTHON} -m csvkafka", "--rows", "50", "--kills", "0", "--json"]
    ended = subprocess.run(
        [*command, "--report", str(page)], capture_output=True, text=True, check=False, timeout=240
    )
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout)
    assert answer["is_clean"] is True
    assert [life["rows_new"] for life in answer["incarnations"]] == [50]
    assert "Every row once, in order?" in page.read_text("utf-8")


def test_a_loader_that_no_strike_hit_has_proven_nothing(stack: Stack) -> None:
    # A file without rows: a strike waits for one, however fast the machine is.
    judgement = judged(stack, f"{PYTHON} -m csvkafka", rows=0, kills=2)
    assert anomalies(judgement) == for_all(set())
    assert not judgement.is_clean
    (problem,) = judgement.problems
    assert problem.startswith("0 of 2 planned kills and pauses hit the loader")


def test_csvkafka_is_judged_by_a_set_of_files(stack: Stack) -> None:
    judgement = judged(
        stack, f"{PYTHON} -m {SLOW_CSVKAFKA}", rows=13_000, kills=3, files=9, run_again=True
    )
    assert judgement.is_clean, judgement.to_json()
    assert (judgement.row_count, judgement.kills) == (13_000, 3)


LOADS_A_PREFIX = """
import csv, io, json, os, pathlib, sys
import boto3
from kafka import KafkaProducer

done = pathlib.Path(sys.argv[1])
s3 = boto3.client("s3")
producer = KafkaProducer(bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"])
bucket, topic = os.environ["S3_BUCKET"], os.environ["KAFKA_TOPIC"]
listed = s3.list_objects_v2(Bucket=bucket, Prefix=os.environ["S3_PREFIX"])["Contents"]
for key in sorted(item["Key"] for item in listed):
    if done.exists() and key in done.read_text().split():
        continue
    text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    for line, row in enumerate(csv.DictReader(io.StringIO(text, newline="")), 1):
        row |= {"_source_line": line, "_source_file": f"s3://{bucket}/{key}"}
        producer.send(topic, json.dumps(row).encode())
        if line % 25 == 0:
            producer.flush()
    producer.flush()
    with done.open("a") as file:
        print(key, file=file)
"""


def test_a_loader_that_notes_whole_files_repeats_rows_of_the_one_it_was_killed_in(
    stack: Stack, tmp_path: Path
) -> None:
    script = tmp_path / "load.py"
    script.write_text(LOADS_A_PREFIX)
    command = f"{PYTHON} {script} {{folder}}/done"
    judgement = judged(stack, command, rows=8_000, kills=2, files=4)
    assert anomalies(judgement) == for_all({AnomalyKind.DUPLICATE_ROW})
    assert judgement.kills >= 1
    assert judgement.problems == ()
    # No file is repeated that was noted as done.
    assert 0 < judgement.rows_repeated <= judgement.kills * 2_000
