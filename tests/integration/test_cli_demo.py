"""`csvkafka demo` and `csvkafka local`, each on a stack of its own, run as users run them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from csvkafka.testing.judging.demo import TOPIC
from tests.integration.command_line import run_csvkafka, run_on_terminal, start_csvkafka


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = start_csvkafka(*arguments)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=240)


def next_line(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    """Reads the process's lines to the one that matches."""
    assert process.stdout is not None
    for line in process.stdout:
        if match := re.search(pattern, line):
            return match
    raise AssertionError(f"{pattern!r} was never printed")


ROWS = 120_000
SLOW = {"CSVKAFKA_ENCODER": "python"}
"""It takes as long for these rows as the compiled encoder for 600,000, so that no load is done
before its second kill; and there is a fifth to be written and judged."""


def test_every_row_survives_the_kills() -> None:
    # A shell that points elsewhere must not lead the demo's loader astray.
    misleading = {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "S3_KEY": "else", "AWS_REGION": "else"}
    result = run_csvkafka("demo", "--rows", f"{ROWS}", "--kills", "2", settings=SLOW | misleading)
    assert (result.returncode, result.stderr) == (0, "")
    for text in (
        rf"rows +{ROWS:,} of {ROWS:,}",
        r"lost +0\n",
        r"duplicated +0\n",
        r"out of order +0\n",
        r"kills +2\n",
        r"speed +[\d,]+ rows/s",
        r"a resume +\d+\.\d\d s at most .*; 0 rows sent again",
        r"CLEAN: every row is there once, in order",
    ):
        assert re.search(text, result.stdout), text
    killed = re.findall(r"kill -9 with ([\d,]+) rows in the topic", result.stdout)
    assert len(killed) == 2
    assert all(0 < int(rows.replace(",", "")) < ROWS for rows in killed)


def test_it_needs_no_aws_with_a_checkpoint_file(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    arguments = ("--checkpoint", "sqlite", "--rows", f"{ROWS}", "--kills", "2", "--report")
    result = run_csvkafka("demo", *arguments, str(report), settings=SLOW)
    assert (result.returncode, result.stderr) == (0, "")
    assert "DynamoDB" not in result.stdout
    assert re.search(r"kills +2\n", result.stdout)
    assert re.search(r"a resume .*; 0 rows sent again", result.stdout)
    assert "CLEAN: every row is there once, in order" in result.stdout
    assert "--checkpoint sqlite" in report.read_text("utf-8")


def test_a_row_that_is_there_twice_ends_it_with_exit_1() -> None:
    with started("demo", "--rows", "100000", "--kills", "1") as process:
        server = next_line(process, r"Kafka (\S+),")[1]
        next_line(process, r"run 1: .*kill -9")
        place = TopicPartition(TOPIC, 0)
        consumer = KafkaConsumer(bootstrap_servers=server, enable_auto_commit=False)
        consumer.assign([place])
        consumer.seek_to_beginning(place)
        first = next(iter(consumer)).value
        consumer.close()
        producer = KafkaProducer(bootstrap_servers=server)
        producer.send(TOPIC, value=first, partition=0).get(timeout=120)
        producer.close()
        next_line(process, r"duplicated +1\n")
        next_line(process, r"NOT CLEAN")
        assert process.wait(timeout=240) == 1


def test_a_terminal_shows_a_moving_bar() -> None:
    code, shown = run_on_terminal("demo", "--rows", "30000", "--kills", "0", settings={})
    assert code == 0
    assert re.search(r"loading .*\d+%", shown)
    assert re.search(r"judging, as read_committed readers see it", shown)
    assert "CLEAN" in shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_local_prints_exports_and_stops_cleanly(number: signal.Signals) -> None:
    with started("local", "--bucket", "data", "--table", "jobs", "--topic", "rows") as process:
        exports: dict[str, str] = {}
        assert process.stdout is not None
        for line in process.stdout:
            if match := re.fullmatch(r"export (\w+)=(\S*)\n", line):
                exports[match[1]] = match[2]
            if line.startswith("# ready"):
                break
        assert (exports["S3_BUCKET"], exports["DYNAMODB_TABLE"]) == ("data", "jobs")
        settings = {**exports, "S3_KEY": "data.csv", "JOB_ID": "one"}
        assert run_csvkafka("generate", "s3://data/data.csv", settings=settings).returncode == 0
        assert run_csvkafka("load", settings=settings).returncode == 0
        assert run_csvkafka("verify", "--exclusive", settings=settings).returncode == 0
        os.kill(process.pid, number)
        assert process.wait(timeout=240) == 0
        assert process.stdout.read().endswith("# stopped\n")
