"""Rows go to the lanes of their topic, each lane in the file's order and with its own numbers."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csvkafka.encode.encoder import check_plan, encode_block, lane_total
from csvkafka.errors import ConfigError
from csvkafka.model import START, BadRows, Block, EncodePlan, Position, Routing
from csvkafka.schema.declaration import read_table
from csvkafka.testing.checker.declared import DeclaredRows
from tests.refusals import refusal
from tests.unit.encode.encoded import rows_by_lane

URI = "s3://bucket/key.csv"
HEADER = ("id", "country", "note")
TABLE = """
[record]
key = "id"
[columns]
id = { type = "int", null = ["NA"] }
country = { drop = true }
note = "string"

[[drop]]
column = "note"
equals = "void"

[[route]]
topic = "south"
column = "country"
equals = "IT"

[[route]]
topic = "middle"
column = "country"
in = ["DE", "AT", ""]
"""
ROUTES = TABLE[TABLE.index("[[route]]") :]
TOPICS = {"DE": 1, "AT": 1, "": 1, "IT": 2}
"""As sorted: middle, south; others go to KAFKA_TOPIC, which is 0."""


def plan(table: str = TABLE, routed: tuple[int, ...] = (1, 1), **settings: Any) -> EncodePlan:
    settings = {"compression": "none", "bad_rows": BadRows.DEAD_LETTER, **settings}
    declared = read_table(table, "columns.toml")
    return EncodePlan(HEADER, URI, table=declared, routed_lanes=routed, **settings)


def block(rows: list[str], before: int = 0) -> Block:
    data = "".join(f"{row}\n" for row in rows).encode("utf-8", "surrogateescape")
    start = replace(START, row_count=before)
    return Block(data, start, Position(len(data), before + len(rows)), plain=False)


def lines(of: EncodePlan, cut: Block, skip: tuple[int, ...] = ()) -> list[list[int]]:
    """The row of each record, by lane."""
    encoded = encode_block(cut, of, skip)
    assert encoded.end.row_count == cut.end.row_count
    return rows_by_lane(encoded, lane_total(of), skip)


def test_a_row_goes_to_the_topic_of_its_text_as_it_stands_in_the_file() -> None:
    rows = ["1,DE,x", "2,FR,x", "3,IT,x", '4,"AT",x', "5,,x", "6,de,x", "7, DE,x", "8,IT,x"]
    assert lines(plan(), block(rows)) == [[2, 6, 7], [1, 4, 5], [3, 8], []]


def test_a_row_that_is_dropped_or_bad_goes_to_no_routes_topic() -> None:
    rows = ["1,DE,void", "x,DE,x", "3,DE", "4,DE,x,y", "5,IT,\udcff", "6,DE,x"]
    assert lines(plan(), block(rows)) == [[], [6], [], [2, 3, 4, 5]]
    assert lines(plan(), block(["1,DE,void"] * 3)) == [[], [], [], []]


def test_each_topic_has_partitions_of_its_own_and_a_key_chooses_among_them() -> None:
    of = plan(routed=(3, 2), lane_count=4, routing=Routing.KEY_MURMUR2)
    rows = [f"{number},{country},x" for number in range(1, 61) for country in ("DE", "IT", "FR")]
    found = lines(of, block(rows))
    assert [len(found[lane]) > 0 for lane in range(10)] == [True] * 9 + [False]


def test_keys_choose_in_a_routes_topic_what_they_choose_where_it_is_alone() -> None:
    rows = [f"{number},{country},x" for number in range(1, 61) for country in ("DE", "IT")]
    of = plan(routed=(3, 2), lane_count=4, routing=Routing.KEY_MURMUR2)
    found = lines(of, block(rows))
    unrouted = TABLE.partition("[[route]]")[0]
    for country, first, count in (("DE", 4, 3), ("IT", 7, 2)):
        due = lines(
            plan(unrouted, (), lane_count=count, routing=Routing.KEY_MURMUR2),
            block([f"{number},{country},x" for number in range(1, 61)]),
        )
        at = 0 if country == "DE" else 1
        assert found[first : first + count] == [
            [2 * number - 1 + at for number in lane] for lane in due[:count]
        ]


def test_a_row_without_a_key_goes_to_the_first_partition_of_its_topic() -> None:
    of = plan(routed=(3, 2), lane_count=4, routing=Routing.KEY_MURMUR2)
    found = lines(of, block(["NA,DE,x", "NA,IT,x", "NA,FR,x"]))
    assert [lane for lane, rows in enumerate(found) if rows] == [0, 4, 7]


def test_one_route_without_keys_and_dead_letters_is_a_second_lane() -> None:
    table = TABLE.replace('key = "id"', "").rpartition("[[route]]")[0]
    of = plan(table, (1,), bad_rows=BadRows.STOP)
    assert lines(of, block(["1,DE,x", "2,IT,x", "3,FR,x", "4,IT,x"])) == [[1, 3], [2, 4]]
    assert lines(of, block(["1,DE,x", "2,IT,x", "3,FR,x", "4,IT,x"]), (1, 1)) == [[3], [4]]


@pytest.mark.parametrize("more", ["", '[[drop]]\ncolumn = "note"\nequals = "void"\n'])
@pytest.mark.parametrize("codec", ["none", "gzip"])
def test_plain_rows_of_plain_types_go_to_their_topics_too(more: str, codec: str) -> None:
    """They are those that the compiled encoder would take, in a table that it knows."""
    of = plan(TABLE.partition("[[drop]]")[0] + more + ROUTES, compression=codec)
    rows = [f"{number},{('DE', 'FR', 'IT')[number % 3]},x" for number in range(1, 301)]
    plain = replace(block(rows), plain=True)
    assert lines(of, plain) == [
        [number for number in range(1, 301) if number % 3 == rest] for rest in (1, 0, 2)
    ] + [[]]


def test_an_encode_worker_gets_the_routes_too() -> None:
    of = plan(routed=(3, 2), lane_count=4, routing=Routing.KEY_MURMUR2)
    sent = pickle.loads(pickle.dumps(of))
    rows = block([f"{number},{('DE', 'IT', 'FR')[number % 3]},x" for number in range(1, 61)])
    assert lines(sent, rows) == lines(of, rows)


def test_headers_stay_with_their_rows() -> None:
    table = TABLE.replace('key = "id"', 'key = "id"\nmetadata = "headers"')
    rows = ["1,DE,x", "2,FR,void", "3,IT,x", "x,IT,x", "5,DE,x"]
    assert lines(plan(table), block(rows)) == [[], [1, 5], [3], [4]]


def test_a_route_by_a_column_that_the_file_lacks_is_refused_with_the_nearest() -> None:
    with refusal(ConfigError, match=r"\[\[route\]\]: 'countri' is no column of the file; is 'coun"):
        check_plan(plan(TABLE.replace('column = "country"', 'column = "countri"')))


ROW = st.one_of(
    st.builds(
        "{},{},{}".format,
        st.sampled_from(["1", "2", "3", "44", "NA"]),
        st.sampled_from(["DE", "AT", "IT", "FR", "", "de"]),
        st.sampled_from(["x", "void"]),
    ),
    st.sampled_from(["no,DE,x", "no,IT,void", "1", "1,DE,x,y", "2,AT,\udcff", '3,"DE",x']),
)


@given(
    rows=st.lists(ROW, min_size=1, max_size=30),
    counts=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)),
    is_keyed=st.booleans(),
    data=st.data(),
)
def test_each_row_is_once_in_a_lane_of_its_topic_at_every_resume_point(
    rows: list[str], counts: tuple[int, int, int], is_keyed: bool, data: st.DataObject
) -> None:
    """And its topic is the one that the checker's own reading says."""
    counts = counts if is_keyed else (1, 1, 1)
    routing = Routing.KEY_MURMUR2 if is_keyed else Routing.ONE_PARTITION
    of = plan(routed=counts[1:], lane_count=counts[0], routing=routing)
    assert of.table is not None
    reading = DeclaredRows(of.table)
    topic_of_lane = [topic for topic, count in enumerate(counts) for _ in range(count)]
    whole = lines(of, block(rows))
    found = {number: lane for lane, numbers in enumerate(whole) for number in numbers}
    assert sum(map(len, whole)) == len(found)
    for number, row in enumerate(rows, 1):
        texts = row.replace('"', "").split(",")
        fields: dict[str | None, object] = dict(zip(HEADER, texts, strict=False))
        if len(texts) != len(HEADER) or "\udcff" in row:
            assert found[number] == len(whole) - 1
        elif reading.is_dropped(fields):
            assert number not in found
        elif reading.fields_of(fields, number) is None:
            assert found[number] == len(whole) - 1
        else:
            assert topic_of_lane[found[number]] == reading.topic_of(fields)
            assert reading.topic_of(fields) == TOPICS.get(texts[1], 0)
    # Any cut in two blocks, and any rows of each lane that the topics hold already.
    at = data.draw(st.integers(0, len(rows)))
    skip = tuple(data.draw(st.integers(0, len(lane) + 1)) for lane in whole)
    first, second = block(rows[:at]), block(rows[at:], before=at)
    parts = [lines(of, first, skip)] if at else []
    in_first = encode_block(first, of).rows_by_lane if at else (0,) * len(whole)
    if at < len(rows):
        left = tuple(max(0, more - sent) for more, sent in zip(skip, in_first, strict=True))
        parts.append(lines(of, second, left))
    sent = [[number for part in parts for number in part[lane]] for lane in range(len(whole))]
    assert sent == [lane[count:] for lane, count in zip(whole, skip, strict=True)]


@pytest.mark.parametrize("codec", ["gzip", "none"])
def test_batches_that_are_too_large_are_cut_in_each_lane(codec: str) -> None:
    of = plan(compression=codec, max_batch_bytes=400)
    rows = [f"{number},{('DE', 'IT', 'FR')[number % 3]},{'x' * 90}" for number in range(1, 31)]
    assert lines(of, block(rows)) == [
        [number for number in range(1, 31) if number % 3 == rest] for rest in (2, 0, 1)
    ] + [[]]
