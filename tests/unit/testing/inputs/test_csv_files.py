"""Generated CSVs: the same bytes everywhere, what the spec asks for, and rows that can be told
apart."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from csvkafka.errors import ConfigError
from csvkafka.schema.declaration import read_table
from csvkafka.testing.checker.declared import DeclaredRows
from csvkafka.testing.checker.documented import read_rows
from csvkafka.testing.inputs.csv_files import (
    PRESETS,
    TYPED_COLUMNS,
    CsvSpec,
    column_names,
    preset,
    write_csv,
)

EXAMPLE = Path(__file__).parents[4] / "examples" / "typed_columns.toml"

GOLDEN = {
    "plain": "9582c0507e6e21fd",
    "narrow": "2c716481ace42ae8",
    "wide": "955fbb55bcd979f6",
    "quoted": "1861aff184d7ace0",
    "text": "40ea8d8521b3b715",
    "nasty": "e162f14ddc5209d3",
    "typed": "db274dfe6305c0ef",
}


@cache
def data_of(spec: CsvSpec) -> bytes:
    return b"".join(write_csv(spec))


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")))


@pytest.mark.parametrize("name", PRESETS)
def test_a_seed_gives_the_same_bytes_for_ever(name: str) -> None:
    assert hashlib.sha256(data_of(preset(name, 9000, seed=7))).hexdigest()[:16] == GOLDEN[name]


@pytest.mark.parametrize("name", PRESETS)
def test_each_row_is_there_once_and_as_wide_as_the_header(name: str) -> None:
    spec = preset(name, 9000, seed=7)
    rows = rows_of(data_of(spec))
    assert [row["id"] for row in rows] == [str(number) for number in range(1, 9001)]
    assert tuple(rows[0]) == column_names(spec)
    assert len(column_names(spec)) == len(set(column_names(spec))) == spec.column_count
    assert all(len(row) == spec.column_count for row in rows)
    assert not any(value is None for row in rows for value in row.values())
    assert 1 < len({row["key"] for row in rows}) <= spec.distinct_keys


def test_another_seed_gives_other_bytes() -> None:
    assert data_of(preset("plain", 100, seed=1)) != data_of(preset("plain", 100, seed=2))


def test_the_seed_does_not_hang_on_the_process() -> None:
    program = (
        "import sys; from csvkafka.testing.inputs.csv_files import *; "
        "sys.stdout.buffer.writelines(write_csv(preset('nasty', 50)))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "LC_ALL": "C"}
    there = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment)
    assert there.stdout == data_of(preset("nasty", 50))


def test_plain_needs_no_quotes_and_nasty_has_everything() -> None:
    plain = data_of(preset("plain", 5000))
    assert plain.isascii()
    assert b'"' not in plain
    nasty = data_of(preset("nasty", 5000))
    assert nasty.startswith(b"\xef\xbb\xbf")
    assert not nasty.endswith((b"\r", b"\n"))
    for part in (b"\r\n\r\n", b'""', "😀".encode(), b"\0", b",,", "\u2028".encode(), b"\\"):
        assert part in nasty
    values = [value for row in rows_of(nasty) for value in row.values()]
    for newline in ("\n", "\r\n", "\r"):
        assert any(value.endswith(newline) for value in values)


def test_each_column_of_a_typed_file_has_texts_of_one_type() -> None:
    table = read_table(EXAMPLE.read_text(), EXAMPLE.name)
    spec = preset("typed", 5000, seed=7)
    due = DeclaredRows(replace(table, drops=()))
    rows = [*read_rows(io.BytesIO(data_of(spec)))]
    assert {due.misfit(row) for row in rows} == {""}
    assert due.misfit({**rows[0], "quantity": "many"}) == "column 'quantity': 'many' is no int"
    for name, text_of in TYPED_COLUMNS.items():
        assert text_of is None or {"", "NULL"} < {row[name] for row in rows}


def test_a_typed_file_may_be_narrow_or_wide() -> None:
    spec = replace(preset("typed", 20), column_count=12)
    assert column_names(spec)[-3:] == ("note", "country_2", "quantity_2")
    assert {len(row) for row in rows_of(data_of(spec))} == {12}
    assert rows_of(data_of(replace(spec, column_count=1)))[4] == {"id": "5"}


def test_fractions_are_of_all_fields() -> None:
    spec = CsvSpec(20_000, column_count=6, newline_fraction=0.1, quoted_fraction=0.25, seed=3)
    data = data_of(spec)
    fields = [value for row in rows_of(data) for value in list(row.values())[2:]]
    with_newline = sum("\n" in value or "\r" in value for value in fields)
    assert with_newline / len(fields) == pytest.approx(0.1, abs=0.01)
    assert data.count(b'"') / 2 / len(fields) == pytest.approx(0.25 + 0.75 * 0.1, abs=0.02)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("final_line_end", [True, False])
def test_line_ends_are_as_asked(line_end: str, final_line_end: bool) -> None:
    spec = CsvSpec(100, line_end=line_end, final_line_end=final_line_end, blank_line_fraction=0.5)
    data = data_of(spec).decode()
    assert data.endswith(line_end) is final_line_end
    assert len([line for line in data.split(line_end) if line]) == 101
    assert "" in data.split(line_end)[:-1]
    assert set(data) & set("\r\n") == set(line_end)


@pytest.mark.parametrize("final_line_end", [True, False])
@pytest.mark.parametrize("column_count", [1, 2, 3])
def test_small_files(column_count: int, final_line_end: bool) -> None:
    spec = CsvSpec(0, column_count=column_count, final_line_end=final_line_end)
    assert rows_of(data_of(spec)) == []
    assert data_of(spec).endswith(b"\n") is final_line_end
    assert [row["id"] for row in rows_of(data_of(replace(spec, row_count=1)))] == ["1"]


def test_blocks_are_bounded() -> None:
    for name in PRESETS:
        assert max(map(len, write_csv(preset(name, 9000)))) < 1_000_000


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"row_count": -1}, "row_count must be at least 0, it is -1"),
        ({"row_count": 1, "column_count": 0}, "column_count must be at least 1"),
        ({"row_count": 1, "quoted_fraction": 1.5}, "quoted_fraction must be between 0 and 1"),
        ({"row_count": 1, "line_end": "x"}, "line_end must be LF, CRLF or CR"),
    ],
)
def test_specs_that_make_no_sense_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CsvSpec(**wrong)  # type: ignore[arg-type]


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="no preset 'big'; choose one of plain, narrow, wide"):
        preset("big", 1)


@pytest.mark.parametrize("name", PRESETS)
def test_a_file_in_parts_has_the_same_rows(name: str) -> None:
    spec = preset(name, 9000, seed=7)
    whole = list(read_rows(io.BytesIO(data_of(spec))))
    bounds = [0, 1, 1, 8_192, 8_500, 8_999, 9_000]
    written = (b"".join(write_csv(spec, *part)) for part in pairwise(bounds))
    parts = [list(read_rows(io.BytesIO(part))) for part in written]
    assert [len(part) for part in parts] == [end - begin for begin, end in pairwise(bounds)]
    assert [row for part in parts for row in part] == whole
