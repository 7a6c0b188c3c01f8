"""The checker's own reading of each dialect, against rows written down by hand, and more."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import assume, given, settings

from csvkafka.model import Dialect
from csvkafka.testing.checker.documented import read_rows
from tests.unit.rows import csv_oracle
from tests.unit.rows.hostile_dialects import dialects, hostile


def read(data: bytes, **written: Any) -> list[list[object]]:
    return [list(row.values()) for row in read_rows(io.BytesIO(data), **written)]


@pytest.mark.parametrize(
    ("written", "data", "rows"),
    [
        ({"escapechar": "\\"}, b'a,b\n1\\,2,"3\\"4"\n', [["1,2", '3"4']]),
        ({"doublequote": False}, b'a,b\n"1""2",3\n', [['1"2"', "3"]]),
        ({"comment": "#"}, b'#"x\na,b\n\n#"y\n1,"2\n#3"\n#z', [["1", "2\n#3"]]),
        (
            {"trailing_delimiter": True},
            b"a,b,\n1,2,\n3,,\n4,5\n",
            [["1", "2"], ["3", ""], ["4", "5"]],
        ),
        ({"names": ()}, b"\n1,2\n3,4", [["1", "2"], ["3", "4"]]),
        ({"names": ("a", "b"), "skipped_lines": 1}, b"x\n1,2\n", [["1", "2"]]),
        ({"names": ("a", "b")}, b"", []),
        ({"encoding": "utf-16-le"}, "\ufeffa,b\n1,é😀\n".encode("utf-16-le"), [["1", "é😀"]]),
        ({"encoding": "utf-16-be"}, "a\n\ufeff1\n".encode("utf-16-be"), [["\ufeff1"]]),
        ({"names": ()}, b"", []),
    ],
)
def test_each_parameter(written: dict[str, Any], data: bytes, rows: list[list[object]]) -> None:
    assert read(data, **written) == rows


def test_columns_without_names_are_numbered() -> None:
    (row,) = read_rows(io.BytesIO(b"1,2\n"), names=())
    assert row == {"c1": "1", "c2": "2"}


@given(data=hostile(), dialect=dialects())
@settings(max_examples=300)
def test_it_agrees_with_the_definition_of_the_loader_s_tests(data: bytes, dialect: Dialect) -> None:
    assume(not csv_oracle.quote_is_open_at_end(data, dialect))
    rows = read_rows(
        io.BytesIO(data),
        quotechar=dialect.quotechar,
        escapechar=dialect.escapechar,
        doublequote=dialect.doublequote,
        comment=dialect.comment,
        trailing_delimiter=dialect.trailing_delimiter,
        skipped_lines=dialect.skipped_lines,
        names=dialect.names,
    )
    due = [json.loads(value) for value in csv_oracle.row_values(data, "uri", dialect)]
    found = []
    for number, row in enumerate(rows, 1):
        fields = {"null" if name is None else name: value for name, value in row.items()}
        found.append({**fields, "_source_line": number, "_source_file": "uri"})
    assert found == due
