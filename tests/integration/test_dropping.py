"""What users see of rows that a table drops: dry run, last line, status, verify."""

from __future__ import annotations

import json
import re
from pathlib import Path

from csvkafka.interfaces import Item, ItemChange
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
    uri = f"s3://{place.bucket}/{place.key}"
    examined = run_csvkafka("doctor", settings=settings).stdout
    assert re.findall(r"ok +record +(.*)", examined) == [
        "(row 1 is dropped) (as CSV_COLUMNS says)",
        "(row 2 is dropped) (as CSV_COLUMNS says)",
        f'{{"id":3,"state":"live","_source_line":3,"_source_file":"{uri}"}} (to partition 0)',
        "100 rows can be sent, 200 rows dropped (all rows)",
    ]
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
    place.stored_item().update(ItemChange(set={"total_sent": 101}))
    verified = run_csvkafka("verify", settings=settings)
    assert verified.returncode == 1
    assert "checkpoint-miscounted x 1, first at source line 300" in verified.stdout
    assert "says 101 records sent of 300 rows, due: 100" in verified.stdout


def test_another_programs_job_does_not_go_on_with_a_table_that_drops_rows(
    place: LoadPlace, tmp_path: Path
) -> None:
    with_drops, without = tmp_path / "columns.toml", tmp_path / "without.toml"
    with_drops.write_text(TABLE)
    without.write_text(TABLE.partition("[[drop]]")[0])
    place.put(b"id,state\n1,live\n2,void\n3,live\n")
    documented: Item = {
        "last_line": 0,
        "total_sent": 0,
        "timestamp": 1,
        "status": "IN_PROGRESS",
    }
    assert place.stored_item().put_new(documented) is None
    before = place.item()
    loaded = run_csvkafka("load", settings=place.settings(CSV_COLUMNS=str(with_drops)))
    assert loaded.returncode == 1
    said = loaded.stdout + loaded.stderr
    assert "which wrote each row; it cannot go on with a table that drops rows ([[drop]]" in said
    assert "Traceback" not in said
    assert (place.item(), place.records()) == (before, [])
    loaded = run_csvkafka("load", settings=place.settings(CSV_COLUMNS=str(without)))
    assert loaded.returncode == 0, loaded.stdout + loaded.stderr
    assert place.lines() == [1, 2, 3]
