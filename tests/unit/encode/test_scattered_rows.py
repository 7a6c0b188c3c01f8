"""Rows that did not follow each other in their file: a block of them becomes what each would alone.

So what shares a block decides nothing about a record, and none about a lane's order.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from csvkafka.encode.encoder import encode_block, lane_total
from csvkafka.errors import CsvKafkaError
from csvkafka.model import BadRows, Block, EncodedBlock, EncodePlan, Position, Routing, RowPlace
from csvkafka.schema.declaration import read_table
from tests.unit.encode.encoded import records_of
from tests.unit.encode.test_dead_letters import GOOD, LARGE, NO_TEXT, REFUSED, ROWS, WIDE, plan

KINDS = [GOOD, WIDE, NO_TEXT, REFUSED]
IN_HEADERS = '[record]\nmetadata = "headers"\n[columns]\na = "int"\nb = "string"\n'


def scattered(rows: list[bytes], gaps: list[int]) -> Block:
    """The rows, each so many lines after the one before."""
    lines = [*accumulate(gaps)]
    places = tuple(RowPlace(line, 100 * line) for line in lines)
    data = b"".join(rows)
    begin = places[0].byte_offset
    end = Position(begin + len(data), lines[0] - 1 + len(rows))
    return Block(data, Position(begin, lines[0] - 1), end, plain=False, places=places)


def alone(row: bytes, place: RowPlace) -> Block:
    """The row as a block of the file."""
    start = Position(place.byte_offset, place.source_line - 1)
    end = Position(place.byte_offset + len(row), place.source_line)
    return Block(row, start, end, plain=False)


def by_lane(blocks: list[EncodedBlock], lanes: int) -> list[list[Any]]:
    found: list[list[Any]] = [[] for _ in range(lanes)]
    for block in blocks:
        for batch in block.batches:
            found[batch.lane] += [(r.key, r.value, r.headers) for r in records_of(batch)]
    return found


def check_each_is_as_alone(
    rows: list[bytes], gaps: list[int], declared: EncodePlan, skip: list[int]
) -> None:
    """Whatever of each lane is in the topic already."""
    lanes = lane_total(declared)
    block = scattered(rows, gaps)
    one_by_one: list[EncodedBlock] = []
    for row, place in zip(rows, block.places, strict=True):
        one_by_one.append(encode_block(alone(row, place), declared))
        if one_by_one[-1].failure is not None:
            break
    encoded = encode_block(block, declared)
    due = by_lane(one_by_one, lanes)
    assert by_lane([encoded], lanes) == due
    assert encoded.rows_by_lane == tuple(
        map(sum, zip(*(one.rows_by_lane for one in one_by_one), strict=True))
    )
    failure, last = encoded.failure, one_by_one[-1].failure
    assert str(failure) == str(last)
    rows_done = encoded.end.row_count - block.start.row_count
    assert rows_done == len(one_by_one) - (failure is not None)
    assert encoded.set_aside == tuple(name for one in one_by_one for name in one.set_aside)[:3]
    if failure is None:
        rest = by_lane([encode_block(block, declared, skip)], lanes)
        assert rest == [lane[skipped:] for lane, skipped in zip(due, skip, strict=True)]


cases = st.lists(st.tuples(st.sampled_from([*KINDS, LARGE]), st.integers(1, 9)), min_size=1)


@given(cases, st.sampled_from([BadRows.DEAD_LETTER, BadRows.STOP, BadRows.KEEP]), st.data())
@example([(GOOD, 1), (LARGE, 2), (GOOD, 1)], BadRows.DEAD_LETTER, None)
@settings(deadline=None)
def test_a_row_among_scattered_ones_is_what_it_is_alone(
    case: list[tuple[str, int]], bad_rows: BadRows, data: Any
) -> None:
    rows = [ROWS[kind] % number for number, (kind, _) in enumerate(case, 1)]
    declared = plan(bad_rows=bad_rows)
    lanes = 1 + (bad_rows is BadRows.DEAD_LETTER)
    skip = [0 if data is None else data.draw(st.integers(0, len(rows))) for _ in range(lanes)]
    check_each_is_as_alone(rows, [gap for _, gap in case], declared, skip)


@given(cases, st.sampled_from(["", "drop", "route"]), st.data())
@settings(deadline=None)
def test_so_it_is_by_a_declared_table_and_by_keys(
    case: list[tuple[str, int]], rule: str, data: Any
) -> None:
    rows = [ROWS[kind] % number for number, (kind, _) in enumerate(case, 1)]
    refused = f'[[{rule}]]\ncolumn = "b"\nequals = "refuse"\n' if rule else ""
    topic = 'topic = "other"\n' if rule == "route" else ""
    table = read_table(IN_HEADERS + refused + topic, "columns.toml")
    declared = replace(
        plan(),
        transform=None,
        table=replace(table, key=("a",)),
        lane_count=3,
        routed_lanes=(2,) if rule == "route" else (),
        routing=Routing.KEY_MURMUR2,
        max_record_bytes=1 << 20,
    )
    skip = [data.draw(st.integers(0, len(rows))) for _ in range(lane_total(declared))]
    check_each_is_as_alone(rows, [gap for _, gap in case], declared, skip)


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le"])
def test_the_documented_record_has_the_line_of_its_row(codec: str) -> None:
    """The fast ways count lines on from the first: they must not take such a block."""
    default = EncodePlan(("a", "b"), "s3://b/k.csv", compression="none")
    default = replace(default, dialect=replace(default.dialect, encoding=codec))
    encoded = encode_block(scattered([b"1,x\n", b"2,y\n", b"3,z\n"], [4, 3, 90]), default)
    records = [json.loads(value) for _, value, _ in by_lane([encoded], 1)[0]]
    assert [record["_source_line"] for record in records] == [4, 7, 97]


def test_a_letter_of_a_scattered_row_says_where_the_row_was() -> None:
    (first, second) = by_lane(
        [encode_block(scattered([ROWS[WIDE] % 1, ROWS[NO_TEXT] % 2], [5, 8]), plan())], 2
    )[1]
    places = [dict(headers) for _, _, headers in (first, second)]
    assert [place["_source_line"] for place in places] == [b"5", b"13"]
    assert [place["_source_byte"] for place in places] == [b"500", b"1300"]


def test_a_row_that_is_too_large_is_named_by_its_place() -> None:
    rows = [ROWS[GOOD] % 1, ROWS[LARGE] % 2]
    failure = encode_block(scattered(rows, [5, 8]), plan()).failure
    assert isinstance(failure, CsvKafkaError)
    assert "row 13 at byte 1300 of" in str(failure)
