"""Cutters: whole rows of any bytes, as many as a batch takes, and which blocks are plain."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csvkafka.compiled import compiled_module
from csvkafka.model import Dialect, EncodePlan
from csvkafka.rows.csv_rows import row_ends
from csvkafka.rows.cutters import CompiledCutter, Cutter, PythonCutter, cutter_of, whole_lines
from csvkafka.testing.inputs.strategies import csv_bytes

PLAN = EncodePlan(("a", "b"), "s3://bucket/key.csv", compression="none")
CUTTERS = [cutter_of, *([PythonCutter] if compiled_module() else [])]
CutterOf = Callable[[EncodePlan], Cutter]


@pytest.mark.parametrize(
    ("rows", "plain"),
    [
        (b"1,2\n3,4\n", True),
        (b"1,2\r\n3,4\r\n", True),
        ("é,😀\n3,4\n".encode(), True),
        (b'"1","2"\n"","4"\n', True),
        (b'"1","2"\r\n"3","4,5"\r\n', True),
        (b'"1",2\n3,4\n', True),
        (b'1,"2,x"\r\n3,4\r\n', True),
        (b'"1",2"\n3,4\n', False),
        (b'1,"2"x\n3,4\n', False),
        (b'1, "2"\n3,4\n', False),
        (b'1,"2\n2"\n3,4\n', False),
        (b'1"0,2\n3,4\n', False),
        (b'"1","a""b"\n"3","4"\n', False),
        (b'"1","a\nb"\n"3","4"\n', False),
        (b'",1","2"\n"3","4"\n', True),
        (b"1,2\r3,4\r", False),
        (b"1,2\r\n3,4\n", False),
        (b"1,2\n\n3,4\n", False),
        (b"1,\\2\n", False),
        (b"1,\t2\n", False),
        (b'"1","\\"\n', False),
        (b"1,2", False),
    ],
)
def test_a_block_is_plain_only_if_split_cuts_it_right(rows: bytes, plain: bool) -> None:
    assert PythonCutter(PLAN).cut(rows, True)[::2] == (rows, plain)


def test_tabs_as_delimiters_leave_a_block_plain() -> None:
    plan = EncodePlan(("a", "b"), "s3://bucket/key.csv", Dialect("\t"))
    assert PythonCutter(plan).cut(b"1\t2\n", True) == (b"1\t2\n", 1, True)


@pytest.mark.parametrize("cutter", CUTTERS)
@given(data=csv_bytes(), at_end=st.booleans(), quotechar=st.sampled_from(["", '"', "'"]))
def test_whole_rows_are_those_of_the_csv_module(
    cutter: CutterOf, data: bytes, at_end: bool, quotechar: str
) -> None:
    data = data.lstrip(b"\r\n")
    plan = EncodePlan(("a", "b"), "s3://bucket/key.csv", Dialect(quotechar=quotechar))
    cut, rows, _ = cutter(plan).cut(data, at_end)
    ends = list(row_ends(data if at_end else whole_lines(data), plan.dialect))
    # Behind a last line feed, rows that are open at the end may be left to the next block.
    assert rows == sum(is_row for end, is_row in ends if end <= len(cut))
    assert len(cut) in (0, *(end for end, _ in ends))


@pytest.mark.parametrize("cutter", CUTTERS)
def test_as_many_rows_are_taken_as_make_a_batch_or_one(cutter: CutterOf) -> None:
    rows = b"1,2\n" * 1000
    for limit, most in ((20_000, 212), (150, 1), (1, 1)):
        plan = EncodePlan(PLAN.header, PLAN.source_uri, compression="none", max_batch_bytes=limit)
        cut, count, _ = cutter(plan).cut(rows, True)
        assert cut == b"1,2\n" * count
        assert most * 0.8 < count <= most


def test_the_cutter_is_the_encoder_s() -> None:
    expected = CompiledCutter if compiled_module() else PythonCutter
    assert type(cutter_of(PLAN)) is expected
