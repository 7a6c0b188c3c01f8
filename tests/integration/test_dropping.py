"""What users see of rows that a table drops: dry run, last line, status, verify."""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.command_line import run_csvkafka
from tests.integration.loads import LoadPlace

TABLE = """
[columns]
id = "int"
state = "string"

[[drop]]
column = "state"
equals = "void"
"""


def test_dropped_rows_are_counted_wherever_a_load_is_told_of(
    place: LoadPlace, tmp_path: Path
) -> None:
    table = tmp_path / "columns.toml"
    table.write_text(TABLE)
    rows = "".join(f"{number},{'void' if number % 3 else 'live'}\n" for number in range(1, 301))
    place.stack.put_object(place.bucket, place.key, f"id,state\n{rows}".encode())
    settings = place.settings(CSV_COLUMNS=str(table))
    shown = run_csvkafka("load", "--dry-run", "--limit", "3", "--json", settings=settings)
    records = json.loads(shown.stdout)["records"]
    assert [record.get("dropped", False) for record in records] == [True, True, False]
    assert [record["topic"] for record in records] == [None, None, place.topic]
    loaded = run_csvkafka("load", settings=settings)
    assert loaded.returncode == 0
    assert "Completed: 100 records sent, 300 rows" in loaded.stdout
    assert "200 rows dropped, as CSV_COLUMNS says" in loaded.stdout
    again = run_csvkafka("load", settings=settings)
    assert "complete already: 300 rows, 100 records sent, 200 rows dropped" in again.stdout
    status = run_csvkafka("status", settings=settings)
    assert "200 rows, as CSV_COLUMNS says" in status.stdout
    told = json.loads(run_csvkafka("status", "--json", settings=settings).stdout)
    assert (told["rows"], told["records_sent"], told["dropped"]) == (300, 100, 200)
    verified = run_csvkafka("verify", settings=settings)
    assert verified.returncode == 0, verified.stdout
    assert "100 records, 100 of 100 rows, 200 rows to be dropped" in verified.stdout
