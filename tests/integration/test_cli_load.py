"""`csvkafka load`, run as users run it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest

from csvkafka.config.load_config import LoadConfig
from csvkafka.kafka.cluster import KafkaCluster
from csvkafka.model import Lane
from csvkafka.testing.checker.verify import judge_load
from csvkafka.testing.inputs.csv_files import preset, write_csv
from tests.integration.command_line import (
    CSVKAFKA,
    environment_with,
    run_csvkafka,
    run_on_terminal,
    start_csvkafka,
)
from tests.integration.kafka_rows import connected, eventually
from tests.integration.loads import LoadPlace

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - [\w.]+ - (INFO|WARNING|ERROR) - .+")
ROWS = b"id,name\n1,a\n2,b\n3,c\n"
LONG_ROWS = 600_000
LONG = b"".join(write_csv(preset("quoted", LONG_ROWS)))


def options(place: LoadPlace) -> list[str]:
    return [
        text
        for name, value in place.settings().items()
        for text in ("--" + name.lower().replace("_", "-"), value)
    ]


def is_clean(place: LoadPlace) -> bool:
    return judge_load(LoadConfig.from_settings(place.settings())).is_clean


def test_options_are_laid_over_the_environment(place: LoadPlace) -> None:
    place.put(ROWS)
    result = run_csvkafka("load", *options(place), settings={"S3_KEY": "no-such-key"})
    assert (result.returncode, result.stderr) == (0, "")
    assert place.lines() == [1, 2, 3]
    again = run_csvkafka("load", settings=place.settings())
    assert again.returncode == 0
    assert "Nothing to do" in again.stdout
    assert place.lines() == [1, 2, 3]


def test_without_a_terminal_every_line_is_one_of_the_log(place: LoadPlace) -> None:
    place.put(ROWS)
    lines = run_csvkafka("load", settings=place.settings()).stdout.splitlines()
    assert [line for line in lines if not LOG_LINE.fullmatch(line)] == []
    text = "\n".join(lines)
    assert "INFO - Starting from line 0" in text
    assert "INFO - Progress: 3 records sent (line 3)" in text


def test_log_level_leaves_lines_out(place: LoadPlace) -> None:
    place.put(ROWS)
    quiet = run_csvkafka("load", "--log-level", "error", settings=place.settings())
    assert (quiet.returncode, quiet.stdout) == (0, "")


def test_a_terminal_shows_progress(place: LoadPlace) -> None:
    place.put(LONG)
    # In Python, so that it takes long enough for the time left to be told.
    slowly = {**place.settings(), "CSVKAFKA_ENCODER": "python"}
    code, shown = run_on_terminal("load", settings=slowly)
    assert code == 0
    assert "loading" in shown
    assert re.search(r"\d+%", shown)
    assert re.search(r"[\d,]+ rows/s", shown)
    assert re.search(r"\d s left", shown)
    assert f"{LONG_ROWS:,} rows are in topic" in shown
    assert "Starting from line 0" in shown
    assert "Progress:" not in shown
    code, shown = run_on_terminal("load", settings=place.settings())
    assert code == 0
    assert re.search(rf"complete\S* s3://.*\s+\S*{LONG_ROWS:,} rows", shown)
    assert "this run sent" not in shown


def test_plain_asks_for_log_lines_on_a_terminal_too(place: LoadPlace) -> None:
    place.put(ROWS)
    code, shown = run_on_terminal("load", "--plain", settings=place.settings())
    assert code == 0
    assert all(LOG_LINE.fullmatch(line) for line in shown.splitlines())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_the_load_at_a_checkpoint(
    place: LoadPlace, number: signal.Signals, code: int
) -> None:
    place.put(LONG)
    process = start_csvkafka("load", settings=place.settings())
    with connected(place.stack.bootstrap_servers.split(",")[0]) as client:
        cluster = KafkaCluster(client)
        eventually(lambda: cluster.end_offset(Lane(place.topic, 0)) > 0)
    process.send_signal(number)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == code
    assert re.fullmatch(r"csvkafka: stopped: .*the same command goes on from here\n", errors)
    item = place.item()
    assert item is not None
    assert 0 < int(str(item["last_line"])) < LONG_ROWS
    assert item["status"] == "IN_PROGRESS"
    assert "lease_owner" not in item
    assert run_csvkafka("load", settings=place.settings()).returncode == 0
    assert is_clean(place)


@pytest.mark.parametrize("target", ["/dev/full", "closed pipe", "closed"])
def test_output_that_cannot_be_written_does_not_stop_the_load(
    place: LoadPlace, target: str
) -> None:
    place.put(ROWS)
    redirection = {"/dev/full": "> /dev/full", "closed pipe": "| true", "closed": ">&-"}[target]
    command = f"set -o pipefail; '{CSVKAFKA}' load --log-level DEBUG {redirection}"
    result = subprocess.run(
        ["bash", "-c", command],
        env=environment_with(place.settings()),
        stderr=subprocess.PIPE,
        timeout=240,
        check=False,
    )
    assert (result.returncode, result.stderr if target != "closed" else b"") == (0, b"")
    assert place.lines() == [1, 2, 3]


def test_a_mistake_gets_one_line(place: LoadPlace) -> None:
    result = run_csvkafka("load", settings=place.settings(KAFKA_TOPIC="no-such-topic"))
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("csvkafka: error: there is no s3://")
    place.put(ROWS)
    result = run_csvkafka("load", settings=place.settings(KAFKA_TOPIC="no-such-topic"))
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("csvkafka: error: topic no-such-topic does not exist")
    assert "Traceback" not in result.stdout


def test_start_imports_nothing_that_the_command_does_not_need() -> None:
    def loaded(code: str) -> set[str]:
        listed = subprocess.run(
            [sys.executable, "-P", "-c", f"{code}\nimport sys; print(*sys.modules)"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        return {name.partition(".")[0] for name in listed}

    heavy = {"boto3", "botocore", "kafka", "rich", "smart_open", "moto"}
    assert loaded("import csvkafka.cli.program").isdisjoint(heavy)
    assert loaded("import csvkafka.cli.status").isdisjoint(heavy)
    assert "rich" not in loaded("import csvkafka.cli.load, csvkafka.processor")


def test_the_list_of_commands_costs_none_of_the_settings() -> None:
    listed = subprocess.run(
        [sys.executable, "-P", "-c", "import csvkafka.cli.program, sys; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert {"csvkafka.config.settings", "csvkafka.model"}.isdisjoint(listed)
