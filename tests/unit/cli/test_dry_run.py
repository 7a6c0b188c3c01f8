"""`csvkafka load --dry-run` where no broker answers: records, estimate, and nothing written."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from csvkafka.cli.dry_run_view import _shown, estimate_lines
from csvkafka.job.estimate import Estimate
from tests.unit.cli.test_commands import run

HEADER = "id,name,n\n"
ROWS = "".join(f'{n},"name ""{n}""",{n * 7}\n' for n in range(1, 60_001))
NO_BROKER = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "KAFKA_CONNECT_SECONDS": "0.2",
    "KAFKA_TOPIC": "rows",
}


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_text(HEADER + ROWS)
    return path


def shown(path: Path, *arguments: str, **settings: str) -> dict[str, Any]:
    state = {"XDG_STATE_HOME": str(path.parent / "state"), "HOME": str(path.parent)}
    result = run("load", str(path), "--dry-run", *arguments, **{**NO_BROKER, **state, **settings})
    assert (result.returncode, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    assert isinstance(report, dict)
    assert not Path(state["XDG_STATE_HOME"]).exists()
    return report


def test_the_first_records_are_those_that_a_load_sends(csv_file: Path) -> None:
    report = shown(csv_file, "--limit", "2")
    first = {"id": "1", "name": 'name "1"', "n": "7"}
    uri = f"file://{csv_file}"
    assert [json.loads(record.pop("value")) for record in report["records"]] == [
        {**first, "_source_line": 1, "_source_file": uri},
        {"id": "2", "name": 'name "2"', "n": "14", "_source_line": 2, "_source_file": uri},
    ]
    assert report["records"][1] == {
        "source_file": uri,
        "source_line": 2,
        "topic": "rows",
        "partition": 0,
        "key": None,
        "headers": [],
    }
    assert report["failure"] is None
    assert len(shown(csv_file)["records"]) == 20


def test_a_partition_that_the_broker_would_have_to_tell_is_said_to_be_unknown(
    csv_file: Path,
) -> None:
    report = shown(csv_file, "--key-column", "name")
    record = report["records"][0]
    assert (record["key"], record["partition"]) == ('name "1"', None)
    assert any("do not answer" in note for note in report["notes"])
    assert shown(csv_file, KAFKA_PARTITION="3")["records"][0]["partition"] == 3


def test_a_whole_small_file_is_counted_and_not_estimated(csv_file: Path) -> None:
    estimate = shown(csv_file)["estimate"]
    assert estimate["is_exact"]
    assert estimate["row_count"] == estimate["sampled_rows"] == 60_000
    assert estimate["sampled_bytes"] == len(ROWS)
    assert 0 < estimate["topic_bytes"] < len(ROWS)
    assert 4 < estimate["most_checkpoint_writes"] <= 10
    assert estimate["encode_seconds"] > 0


def test_what_stops_a_load_is_shown_after_the_records_before_it(csv_file: Path) -> None:
    csv_file.write_text(HEADER + "1,a,1\n2,b,2\n3,c\n")
    result = run("load", str(csv_file), "--dry-run", HOME=str(csv_file.parent), **NO_BROKER)
    assert result.returncode == 1
    assert "row 3 at byte 22" in result.stderr
    report = json.loads(result.stdout)
    assert [record["source_line"] for record in report["records"]] == [1, 2]
    assert "--on-bad-row" in report["failure"]
    assert report["estimate"]["misfits"] == 1


def test_dead_letters_are_records_too(csv_file: Path) -> None:
    csv_file.write_bytes(HEADER.encode() + b"1,a,1\n2,\xff,2\n")
    report = shown(csv_file, ON_BAD_ROW="dead-letter", DEAD_LETTER_TOPIC="bad")
    good, letter = report["records"]
    assert good["topic"] == "rows"
    assert (letter["topic"], letter["partition"]) == ("bad", 0)
    assert letter["value"] == {"base64": "Miz/LDI="}
    assert dict(letter["headers"])["code"] == "encoding"


def test_a_declared_table_makes_the_records(csv_file: Path) -> None:
    table = csv_file.with_name("columns.toml")
    table.write_text(
        '[record]\nkey = "id"\nmetadata = "headers"\n[columns]\nid = "int"\nname = "string"\n'
        'n = { type = "long", rename = "sevens" }\n'
    )
    record = shown(csv_file, CSV_COLUMNS=str(table))["records"][0]
    assert (record["key"], json.loads(record["value"])) == (
        "1",
        {"id": 1, "name": 'name "1"', "sevens": 7},
    )
    assert record["headers"] == [["_source_line", "1"], ["_source_file", f"file://{csv_file}"]]


def test_a_gzip_file_is_estimated_by_how_much_content_its_bytes_held(tmp_path: Path) -> None:
    rows = "".join(f"{n},{n * 7919 % 1_000_003},some text\n" for n in range(400_000))
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress((HEADER + rows).encode(), 6))
    estimate = shown(path)["estimate"]
    assert not estimate["is_exact"]
    assert estimate["row_count"] == pytest.approx(400_000, rel=0.03)
    assert estimate["sampled_rows"] < 300_000


@pytest.mark.parametrize(
    ("arguments", "content", "why"),
    [
        ((), "a;b\n1;2\n3;4\n", "--csv-delimiter"),
        (("--key-column", "nam"), HEADER + "1,a,1\n", "key column 'nam'"),
        (("--columns", "x"), HEADER, "No such option"),
    ],
)
def test_what_no_load_begins_with_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], content: str, why: str
) -> None:
    path = tmp_path / "data.csv"
    path.write_text(content)
    result = run("load", str(path), "--dry-run", *arguments, HOME=str(tmp_path), **NO_BROKER)
    assert (result.returncode in (1, 2), result.stdout) == (True, "")
    assert why in result.stderr


@pytest.mark.parametrize("option", [("--limit", "3"), ("--json",)])
def test_options_of_a_dry_run_are_for_nothing_else(csv_file: Path, option: tuple[str, ...]) -> None:
    result = run("load", str(csv_file), *option, HOME=str(csv_file.parent), **NO_BROKER)
    assert result.returncode == 2
    assert "--dry-run" in result.stderr


def test_an_empty_file_has_no_records(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("")
    report = shown(path)
    assert (report["records"], report["estimate"]["row_count"]) == ([], 0)


def test_what_moves_the_cursor_is_escaped() -> None:
    assert _shown(b"plain \xc3\xa9") == "plain é"
    assert _shown(b"\x1b[2J") == "'\\x1b[2J'"
    assert _shown(b"\xff") == "'\\xff'"
    assert _shown(None) == "null"
    assert _shown(b"") == ""
    assert _shown(b"x" * 2000).endswith("… (2,000 characters)")


def test_an_estimate_says_what_it_does_not_know() -> None:
    unknown = Estimate(None, None, None, None, None, 1000.0, 5, 100, 1, 1, is_exact=False)
    text = "\n".join(estimate_lines(unknown, "gzip"))
    assert "rows               not known" in text
    assert "in 1 place a row did not fit" in text
    known = Estimate(5, 0, 50, 5, 0.1, 50.0, 5, 100, 1, 0, is_exact=True)
    text = "\n".join(estimate_lines(known, "none"))
    assert text.startswith("All of it, 5 rows (100 bytes):\n  rows               5\n")
    assert "50 bytes (not compressed, one replica)" in text
    assert "dropped" not in text
    some_dropped = replace(known, dropped_count=2, is_exact=False)
    assert "\n  of these, dropped  about 2\n" in "\n".join(estimate_lines(some_dropped, "none"))
