"""`csvkafka infer`: a table from a look at many places of a file, with no server."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from csvkafka.model import Dialect
from csvkafka.rows import samples
from csvkafka.rows.blocks import Header
from csvkafka.schema.declaration import read_table
from tests.unit.cli.test_commands import run

ROWS = "".join(
    f'{n},"name ""{n}""",{n}.50,2026-11-28,{"NA" if n % 7 else n}\n' for n in range(1, 2001)
)
HEADER = "id,name,price,day,delay\n"


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_text(HEADER + ROWS)
    return path


def types(text: str) -> dict[str, str]:
    return {column.name: str(column.type) for column in read_table(text, "columns.toml").columns}


NATURAL = {
    "id": "int",
    "name": "string",
    "price": "decimal(6,2)",
    "day": "date(iso)",
    "delay": "int",
}


def test_a_table_is_proposed(csv_file: Path) -> None:
    result = run("infer", str(csv_file))
    assert (result.returncode, result.stderr) == (0, "")
    assert types(result.stdout) == NATURAL
    assert f"# Proposed by csvkafka infer, from 2000 rows of file://{csv_file}:" in result.stdout
    assert 'null = ["NA"]  # 1715 rows' in result.stdout


def test_a_gzip_file_is_looked_at_from_its_beginning(csv_file: Path) -> None:
    packed = csv_file.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(csv_file.read_bytes()))
    result = run("infer", str(packed))
    assert types(result.stdout) == NATURAL
    assert "at the beginning of what is compressed" in result.stdout


def test_a_file_is_written_once(csv_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "columns.toml"
    first = run("infer", str(csv_file), "--output", str(output))
    assert (first.returncode, first.stdout) == (0, f"{output}: 5 columns, from 2000 rows\n")
    assert types(output.read_text()) == NATURAL
    again = run("infer", str(csv_file), "--output", str(output))
    assert again.returncode == 1
    assert "is there already" in again.stderr


def test_what_belongs_to_a_load_is_not_looked_at(csv_file: Path) -> None:
    result = run("infer", str(csv_file), KAFKA_PARTITION="x", CHECKPOINT="y", CSV_COLUMNS="nowhere")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "does not exist"),
        ("", "has no header row"),
        ("a,a\n1,2\n", "--csv-duplicate-columns"),
        ("a;b\n1;2\n3;4\n", "--csv-delimiter"),
        ("a,b\n", ""),
    ],
)
def test_a_source_that_shows_nothing(tmp_path: Path, content: str | None, why: str) -> None:
    path = tmp_path / "data.csv"
    if content is not None:
        path.write_text(content)
    result = run("infer", str(path))
    if why:
        assert result.returncode == 1
        assert why in result.stderr
    else:
        assert types(result.stdout) == {"a": "string", "b": "string"}


def test_no_other_width_than_the_headers_and_no_part_of_a_row_is_taken(
    csv_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "RANGE_BYTES", 500)
    data = csv_file.read_bytes()
    head = Header(tuple(HEADER.strip().split(",")), len(HEADER))
    sampler = samples.Sampler(
        lambda byte_offset: (data[at : at + 100] for at in range(byte_offset, len(data), 100)),
        len(data),
        head,
        Dialect(),
    )
    due = {line.split(",")[0]: line for line in ROWS.splitlines()}
    rows = list(sampler.rows())
    assert sampler.ranges == samples.RANGES
    assert 100 < len(rows) < 400
    assert all(row[0] in due and row[2] == f"{row[0]}.50" for row in rows)
    assert sampler.other_widths == 0
