"""Dialects: what a row is by each of their settings, at every place where a resume may begin."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from csvkafka.encode.encoder import encode_block
from csvkafka.errors import (
    ConfigError,
    MalformedRowError,
    RecordTooLargeError,
    SourceReadError,
)
from csvkafka.model import START, BadRows, Dialect, EncodePlan
from csvkafka.rows import blocks
from csvkafka.rows.blocks import cut_blocks, read_header
from csvkafka.rows.csv_rows import BYTE_ORDER_MARK, parse_rows
from csvkafka.rows.cutters import DialectCutter, cutter_of
from csvkafka.rows.dialects import open_quote
from csvkafka.testing.inputs.strategies import chunkings
from tests.refusals import refusal
from tests.unit.encode.encoded import values_of, whole
from tests.unit.rows import csv_oracle
from tests.unit.rows.hostile_dialects import dialects, hostile

URI = "s3://bucket/key.csv"


def plan_for(data: bytes, dialect: Dialect, block_bytes: int) -> EncodePlan:
    header = read_header([data] if data else [], dialect, URI)
    plan = EncodePlan(header.names, URI, dialect, compression="none", bad_rows=BadRows.KEEP)
    return dataclasses.replace(plan, block_bytes=block_bytes)


def rows_of(data: bytes, plan: EncodePlan) -> list[bytes]:
    cut = cut_blocks([data] if data else [], START, plan)
    return [value for block in cut for value in values_of(whole(encode_block(block, plan)))]


@given(data=hostile(), dialect=dialects(), block_bytes=st.integers(1, 80))
@settings(max_examples=600)
def test_blocks_hold_the_rows_of_the_csv_module(
    data: bytes, dialect: Dialect, block_bytes: int
) -> None:
    assume(not csv_oracle.quote_is_open_at_end(data, dialect))
    plan = plan_for(data, dialect, block_bytes)
    assert plan.header == csv_oracle.header_names(data, dialect)
    assert rows_of(data, plan) == csv_oracle.row_values(data, URI, dialect)


@given(data=hostile(), dialect=dialects(), block_bytes=st.integers(1, 80), more=st.data())
@settings(max_examples=300)
def test_a_resume_cuts_just_the_rest_however_it_arrives(
    data: bytes, dialect: Dialect, block_bytes: int, more: st.DataObject
) -> None:
    assume(not csv_oracle.quote_is_open_at_end(data, dialect))
    plan = plan_for(data, dialect, block_bytes)
    found = list(cut_blocks([data] if data else [], START, plan))
    for index, block in enumerate(found):
        assert block.data == data[block.start.byte_offset : block.end.byte_offset]
        rest = more.draw(chunkings(data[block.end.byte_offset :]))
        again = cut_blocks([chunk for chunk in rest if chunk], block.end, plan)
        assert list(again) == found[index + 1 :]


@given(data=hostile(), dialect=dialects(), more=st.data())
def test_where_the_source_fails_the_rows_before_it_come_first(
    data: bytes, dialect: Dialect, more: st.DataObject
) -> None:
    assume(not csv_oracle.quote_is_open_at_end(data, dialect))
    plan = plan_for(data, dialect, 30)
    due = rows_of(data, plan)
    size = more.draw(st.integers(0, len(data)))

    def failing() -> Iterator[bytes]:
        if size:
            yield data[:size]
        raise SourceReadError("S3 is gone")

    rows: list[bytes] = []
    with pytest.raises(SourceReadError, match="S3 is gone"):
        for block in cut_blocks(failing(), START, plan):
            rows += values_of(encode_block(block, plan))
    assert rows == due[: len(rows)]


@pytest.mark.parametrize(
    ("dialect", "data", "rows"),
    [
        (Dialect(escapechar="\\"), b'a,b\n1\\,2,"3\\"4"\n', [["1,2", '3"4']]),
        (Dialect(escapechar="\\"), b"a,b\n1\\\n2,3\n", [["1\n2", "3"]]),
        (Dialect(doublequote=False), b'a,b\n"1""2",3\n', [['1"2"', "3"]]),
        (Dialect(comment="#"), b'#x\na,b\n#"y\n1,"2\n#3"\n#z', [["1", "2\n#3"]]),
        (
            Dialect(trailing_delimiter=True),
            b"a,b,\n1,2,\n3,,\n4,5\n",
            [["1", "2"], ["3", ""], ["4", "5"]],
        ),
        (Dialect(names=()), b"\n1,2\n3,4", [["1", "2"], ["3", "4"]]),
        (Dialect(names=("a", "b"), skipped_lines=1), b"x\n1,2\n", [["1", "2"]]),
    ],
)
def test_what_each_setting_means(dialect: Dialect, data: bytes, rows: list[list[str]]) -> None:
    names = ("c1", "c2") if dialect.names == () else ("a", "b")
    plan = plan_for(data, dialect, 1000)
    assert plan.header == names
    due = [csv_oracle.row_value(names, row, n, URI) for n, row in enumerate(rows, 1)]
    assert rows_of(data, plan) == due == csv_oracle.row_values(data, URI, dialect)


def test_the_fast_ways_are_taken_where_they_read_the_same() -> None:
    dialect = Dialect(escapechar="\\", doublequote=False, comment="#")
    plan = plan_for(b"a,b\n", dialect, 1000)
    cutter = cutter_of(plan)
    assert isinstance(cutter, DialectCutter)
    cutter._by_csv = None  # type: ignore[assignment]
    assert cutter.cut(b'1,"2"\n3,#4\n', True)[:2] == (b'1,"2"\n3,#4\n', 2)
    for data in (b"1,\\2\n", b'1,"2""3"\n', b"1,2\n#3\n", b"1,2\r#3\n"):
        with pytest.raises(TypeError):
            cutter.cut(data, True)
    assert not isinstance(cutter_of(plan_for(b"a\n", Dialect(), 1)), DialectCutter)


@pytest.mark.parametrize(
    ("dialect", "named"),
    [
        (Dialect(escapechar="ab"), "CSV_ESCAPECHAR"),
        (Dialect(escapechar='"'), "CSV_ESCAPECHAR and CSV_QUOTECHAR"),
        (Dialect(escapechar=","), "CSV_DELIMITER and CSV_ESCAPECHAR"),
        (Dialect(comment="é"), "CSV_COMMENT"),
        (Dialect(comment="a\n"), "CSV_COMMENT"),
        (Dialect(comment=',"'), "CSV_COMMENT ',\"' begins with CSV_DELIMITER"),
    ],
)
def test_characters_that_cannot_be_told_apart_are_refused(dialect: Dialect, named: str) -> None:
    with refusal(ConfigError) as caught:
        read_header([b"a,b\n"], dialect)
    assert named in str(caught.value)


def test_a_comment_without_an_end_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "MAX_ROW_BYTES", 200_000)
    data = b"a,b\n1,2\n#" + b"x" * 400_000
    plan = plan_for(b"a,b\n", Dialect(comment="#"), 1000)
    with refusal(RecordTooLargeError, match="CSV_COMMENT"):
        list(cut_blocks([data], START, plan))


@pytest.mark.parametrize(
    ("data", "dialect", "said"),
    [
        (
            b'a,b\n1,"x\ny,z\n',
            Dialect(),
            "row 1 at byte 4 .* opens column 2 at byte 6, .* 6 bytes in 2 lines",
        ),
        (b'a,b\n"p ""q""",",\n', Dialect(), "opens column 2 at byte 14, .* 2 bytes in 1 line;"),
        (b'a,b\n"1""', Dialect(), "opens column 1 at byte 4, .* 3 bytes in 1 line;"),
        (b'a,b\n1\\,"x,"\n', Dialect(escapechar="\\"), "opens column 2 at byte 10"),
        (b'a,b\n"1\\",2\n', Dialect(escapechar="\\"), "opens column 1 at byte 4"),
        (b"a,b\n1,2\\\n", Dialect(escapechar="\\"), "row 1 at byte 4 .* behind CSV_ESCAPECHAR"),
        (b'a,b\n"1""2",3,"\n', Dialect(doublequote=False), "opens column 3 at byte 13"),
        (
            b'a,b\n1,2\n"#\n#"x,"\n#',
            Dialect(comment="#"),
            "row 2 at byte 8 .* opens column 2 at byte 15",
        ),
        (b'"a,b\n1,2\n', Dialect(), "the header row at byte 0 .* opens column 1 at byte 0"),
    ],
)
def test_an_open_quote_is_said_where_it_began_and_what_it_took(
    data: bytes, dialect: Dialect, said: str
) -> None:
    with refusal(MalformedRowError, match=said):
        rows_of(data, plan_for(data, dialect, 5))


@given(
    data=hostile().filter(lambda data: b'"' in data),
    dialect=dialects().filter(lambda dialect: dialect.quotechar != ""),
)
@settings(max_examples=300)
def test_a_quote_that_is_open_is_found(data: bytes, dialect: Dialect) -> None:
    """Closed there, the row ends; and without it, its bytes before it are no open row."""
    dialect = dataclasses.replace(dialect, skipped_lines=0, comment="", names=None)
    data = data.replace(b"\n", b"").replace(b"\r", b"")  # one row
    assume(data and not data.startswith(BYTE_ORDER_MARK))
    found = open_quote(data, dialect)
    is_open = csv_oracle.quote_is_open_at_end(data, dialect)
    if found is None:
        # Another reason to be open is a line end that is escaped.
        assert not is_open or dialect.escapechar
        return
    assert is_open
    assert not csv_oracle.quote_is_open_at_end(data[:found] + b"x", dialect)
    fields = next(parse_rows(data[:found].decode(), dialect), [""])
    closed = next(parse_rows(data.decode(), dialect))
    assert len(closed) == len(fields) or dialect.trailing_delimiter
