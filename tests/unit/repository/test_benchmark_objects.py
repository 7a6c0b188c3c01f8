"""What the benchmarks load is what they say: a file's rows, so and so many times."""

from __future__ import annotations

import pytest

from benchmarks.objects import RepeatedRows

ROWS = RepeatedRows(b"a,b\n", b"1,2\n3,4\n", 3)
WHOLE = b"a,b\n" + 3 * b"1,2\n3,4\n"


def test_rows_repeat_under_one_header() -> None:
    assert b"".join(ROWS.pieces(0, ROWS.size)) == WHOLE


@pytest.mark.parametrize(("first", "end"), [(0, 3), (2, 9), (4, 28), (11, 13), (27, 28), (28, 28)])
def test_a_range_is_that_part_of_the_whole(first: int, end: int) -> None:
    assert b"".join(ROWS.pieces(first, end)) == WHOLE[first:end]


def test_another_number_of_times_is_another_object() -> None:
    assert RepeatedRows(ROWS.header, ROWS.body, 4).etag != ROWS.etag
