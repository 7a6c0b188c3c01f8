"""Rows that the table drops make no record, and leave no gap in any lane."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csvkafka.encode.encoder import check_plan, encode_block, lane_total
from csvkafka.errors import ConfigError
from csvkafka.model import START, BadRows, Block, EncodePlan, Position, Routing
from csvkafka.schema.declaration import read_table
from csvkafka.testing.checker.declared import DeclaredRows
from csvkafka.testing.checker.row_ledger import SourceRow
from tests.refusals import refusal
from tests.unit.encode.encoded import rows_by_lane

URI = "s3://bucket/key.csv"
HEADER = ("id", "state", "note")
TABLE = """
[record]
key = "id"
null = ["NA"]
[columns]
id = "int"
state = "string"
note = { type = "string", null = ["-"] }
"""

RULES = {
    'column = "state"\nequals = "void"': ("void",),
    'column = "state"\nnot_equals = "void"': ("", "NA", "-", "live", "voided", "test"),
    'column = "state"\nin = ["void", "test"]': ("void", "test"),
    'column = "state"\nnot_in = ["void", "test"]': ("", "NA", "-", "live", "voided"),
    'column = "state"\nmatches = "void|te.*"': ("void", "test"),
    'column = "state"\nnot_matches = "void.*"': ("", "NA", "-", "live", "test"),
    'column = "state"\nmatches = "(?i)VOID"': ("void",),
    'column = "state"\nempty = true': ("", "NA"),
    'column = "state"\nnot_empty = true': ("-", "live", "void", "voided", "test"),
    'column = "note"\nempty = true': ("", "-"),
}
TEXTS = ("", "NA", "-", "live", "void", "voided", "test")


def plan(*rules: str, **settings: Any) -> EncodePlan:
    text = TABLE + "".join(f"[[drop]]\n{rule}\n" for rule in rules)
    settings = {"compression": "none", "bad_rows": BadRows.DEAD_LETTER, **settings}
    return EncodePlan(HEADER, URI, table=read_table(text, "columns.toml"), **settings)


def block(rows: list[str]) -> Block:
    data = "".join(f"{row}\n" for row in rows).encode("utf-8", "surrogateescape")
    return Block(data, START, Position(len(data), len(rows)), plain=False)


def lines(of: EncodePlan, rows: list[str], skip: tuple[int, ...] = ()) -> list[list[int]]:
    """The row of each record, by lane."""
    encoded = encode_block(block(rows), of, skip)
    assert encoded.end.row_count == len(rows)
    return rows_by_lane(encoded, lane_total(of), skip)


@pytest.mark.parametrize("rule", RULES)
def test_each_condition_drops_just_the_rows_that_it_means(rule: str) -> None:
    column = 1 if '"state"' in rule else 2
    rows = [f"{n},{text},x" if column == 1 else f"{n},x,{text}" for n, text in enumerate(TEXTS)]
    kept, dead = lines(plan(rule), rows)
    assert [TEXTS[number - 1] for number in kept] == [t for t in TEXTS if t not in RULES[rule]]
    assert dead == []


def test_a_row_is_dropped_before_its_types_are_looked_at_and_never_for_its_width() -> None:
    rows = ["1,live,x", "no,void,x", "no,live,x", "4,void", "5,void,\udcff", "6,void,x"]
    assert lines(plan('column = "state"\nequals = "void"'), rows) == [[1], [3, 4, 5]]


def test_a_block_of_dropped_rows_has_no_batch_and_reaches_its_end() -> None:
    encoded = encode_block(block(["1,void,x"] * 5), plan('column = "state"\nequals = "void"'))
    assert (encoded.end.row_count, encoded.rows_by_lane, encoded.batches) == (5, (0, 0), ())


def test_a_condition_on_a_column_that_the_file_lacks_is_refused_with_the_nearest() -> None:
    with refusal(ConfigError, match=r"\[\[drop\]\]: 'stat' is no column of the file; is 'state'"):
        check_plan(plan('column = "stat"\nequals = "void"'))


ROW = st.one_of(
    st.builds("{},{},{}".format, st.integers(0, 9), *[st.sampled_from(TEXTS)] * 2),
    st.sampled_from(["no,live,x", "no,void,x", "1", "1,void,x,y", "2,void,\udcff", '3,"void",-']),
)


@given(
    rules=st.lists(st.sampled_from(list(RULES)), max_size=3),
    rows=st.lists(ROW, min_size=1, max_size=30),
    lane_count=st.integers(1, 3),
    data=st.data(),
)
def test_each_row_is_dropped_or_in_one_lane_whatever_is_skipped(
    rules: list[str], rows: list[str], lane_count: int, data: st.DataObject
) -> None:
    """And the dropped ones are those that the checker's own reading drops."""
    routing = Routing.KEY_MURMUR2 if lane_count > 1 else Routing.ONE_PARTITION
    of = plan(*rules, lane_count=lane_count, routing=routing)
    assert of.table is not None
    whole = lines(of, rows)
    for lane in whole:
        assert lane == sorted(lane)
    sent = sorted(number for lane in whole for number in lane)
    assert len(set(sent)) == len(sent)
    reading = DeclaredRows(of.table)
    for number, row in enumerate(rows, 1):
        texts = row.replace('"', "").split(",")
        if len(texts) == len(HEADER):
            fields: SourceRow = dict(zip(HEADER, texts, strict=True))
            assert (number not in sent) == reading.is_dropped(fields)
            assert number in sent or reading.fields_of(fields, number) is None
        else:
            assert number in whole[-1]
    skip = tuple(data.draw(st.integers(0, len(lane) + 1)) for lane in whole)
    assert lines(of, rows, skip) == [lane[count:] for lane, count in zip(whole, skip, strict=True)]


@given(
    states=st.lists(st.sampled_from(["live", "void"]), min_size=1, max_size=12),
    skip=st.integers(0, 14),
)
def test_a_lane_that_is_alone_skips_records_and_not_rows(states: list[str], skip: int) -> None:
    of = plan('column = "state"\nequals = "void"', bad_rows=BadRows.STOP)
    rows = [f"{number},{state},x" for number, state in enumerate(states, 1)]
    live = [number for number, state in enumerate(states, 1) if state == "live"]
    assert lines(of, rows, (skip,)) == [live[skip:]]
