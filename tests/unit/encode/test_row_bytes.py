"""The bytes of a dead letter are one row again, with the fields that it had."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from csvkafka.encode.dead_letter import without_line_end
from csvkafka.model import Dialect
from csvkafka.rows.csv_rows import parse_rows, row_ends

DIALECTS = st.builds(
    Dialect,
    escapechar=st.sampled_from(["", "\\"]),
    comment=st.sampled_from(["", "#"]),
    doublequote=st.booleans(),
)


@example("1,a\\\n\n", Dialect(escapechar="\\"))
@given(st.text('a,\\"\n\r#', max_size=14), DIALECTS)
def test_a_row_without_its_line_end_is_the_same_row(text: str, dialect: Dialect) -> None:
    data = text.encode()
    begin = 0
    for end, is_row in row_ends(data, dialect):
        row, begin = data[begin:end], end
        if is_row:
            again = without_line_end(row, dialect) + b"\n"
            assert list(row_ends(again, dialect)) == [(len(again), True)]
            assert [*parse_rows(again.decode(), dialect)] == [*parse_rows(row.decode(), dialect)]
