"""Whatever is wrong with a row, it alone is set aside: the rows around it are records, in order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from csvkafka.encode.bad_row import BadRow, text_of
from csvkafka.encode.encoder import encode_block
from csvkafka.errors import RecordTooLargeError, SourceCorruptError
from csvkafka.model import BadRows, Block, Dialect, EncodedBlock, EncodePlan, Position
from tests.unit.encode.encoded import records_of, whole

URI = "s3://bucket/key.csv"
HEADER = b"a,b\n"
GOOD, WIDE, NO_TEXT, REFUSED, LARGE = "good", "wide", "no text", "refused", "large"
ROWS = {
    GOOD: b'%d,"x\ny"\n',
    WIDE: b"%d,x,y\n",
    NO_TEXT: b"%d,\xff\xfe\n",
    REFUSED: b"%d,refuse\n",
    LARGE: b"%d," + b"z" * 1_100 + b"\n",
}
CODES = {WIDE: b"width", NO_TEXT: b"encoding", REFUSED: b"transform"}


def refuse(row: Mapping[str, object], _: int) -> Mapping[str, object]:
    if row["b"] == "refuse":
        raise ValueError("a secret")
    return {**row, "b": str(row["b"]) * (2 if row["b"] != "x\ny" else 1)}


def plan(**more: Any) -> EncodePlan:
    return EncodePlan(
        ("a", "b"),
        URI,
        compression="none",
        bad_rows=more.pop("bad_rows", BadRows.DEAD_LETTER),
        transform=refuse,
        max_batch_bytes=2_000,
        max_record_bytes=2_000,
        **more,
    )


def block_of(kinds: list[str]) -> Block:
    data = b"".join(ROWS[kind] % number for number, kind in enumerate(kinds, 1))
    return whole_block(data, len(kinds))


def whole_block(data: bytes, row_count: int) -> Block:
    begin = len(HEADER)
    return Block(data, Position(begin, 0), Position(begin + len(data), row_count), plain=False)


def by_lane(encoded: EncodedBlock) -> tuple[list[Any], list[Any]]:
    lanes: tuple[list[Any], list[Any]] = ([], [])
    for batch in encoded.batches:
        lanes[batch.lane].extend(records_of(batch))
    return lanes


@given(st.lists(st.sampled_from([GOOD, WIDE, NO_TEXT, REFUSED]), min_size=1, max_size=24))
@example([NO_TEXT])
@example([GOOD] * 20 + [NO_TEXT])
@example([NO_TEXT, *[GOOD] * 20])
@example([NO_TEXT] * 24)
@settings(deadline=None)
def test_each_bad_row_is_set_aside_alone(kinds: list[str]) -> None:
    declared = plan()
    block = block_of(kinds)
    encoded = whole(encode_block(block, declared))
    records, letters = by_lane(encoded)
    good = [number for number, kind in enumerate(kinds, 1) if kind == GOOD]
    bad = [number for number, kind in enumerate(kinds, 1) if kind != GOOD]
    assert [json.loads(record.value)["_source_line"] for record in records] == good
    assert [int(dict(letter.headers)["_source_line"]) for letter in letters] == bad
    assert encoded.rows_by_lane == (len(good), len(bad))
    for letter, number in zip(letters, bad, strict=True):
        headers = dict(letter.headers)
        assert headers["code"] == CODES[kinds[number - 1]]
        row = ROWS[kinds[number - 1]] % number
        assert letter.value + b"\n" == row
        # Where it begins in the file.
        assert (HEADER + block.data)[int(headers["_source_byte"]) :].startswith(row)
    assert [place.partition(" (")[0] for place in encoded.set_aside] == [
        f"row {number}" for number in bad[:3]
    ]


@given(
    st.lists(st.sampled_from([GOOD, GOOD, WIDE, NO_TEXT, REFUSED]), min_size=1, max_size=16),
    st.integers(0, 16),
    st.integers(0, 16),
)
@settings(deadline=None)
def test_a_resume_sends_what_is_missing_of_both_lanes(
    kinds: list[str], data_sent: int, letters_sent: int
) -> None:
    declared = plan()
    block = block_of(kinds)
    at_once = whole(encode_block(block, declared))
    resumed = whole(encode_block(block, declared, (data_sent, letters_sent)))
    assert resumed.rows_by_lane == at_once.rows_by_lane
    for due, sent, already in zip(
        by_lane(at_once), by_lane(resumed), (data_sent, letters_sent), strict=True
    ):
        assert [r.value for r in sent] == [r.value for r in due[already:]]
        assert [r.headers for r in sent] == [r.headers for r in due[already:]]


def test_nothing_of_a_transforms_error_is_in_the_headers() -> None:
    declared = plan()
    _, (letter,) = by_lane(whole(encode_block(block_of([GOOD, REFUSED]), declared)))
    assert b"secret" not in repr(letter.headers).encode()
    assert dict(letter.headers)["__connect.errors.stage"] == b"TRANSFORMATION"


@pytest.mark.parametrize(
    ("kind", "error"), [(NO_TEXT, SourceCorruptError), (LARGE, RecordTooLargeError)]
)
def test_where_bad_rows_stop_the_load_they_still_do(kind: str, error: type[Exception]) -> None:
    declared = plan(bad_rows=BadRows.STOP)
    encoded = encode_block(block_of([GOOD, kind, GOOD]), declared)
    assert type(encoded.failure) is error
    assert encoded.rows_by_lane == (1,)


def test_a_record_that_is_too_large_is_no_bad_row_and_stops_the_load() -> None:
    """Another codec or a raised limit makes it fit: a resume would count the lanes otherwise."""
    declared = plan()
    encoded = encode_block(block_of([NO_TEXT, GOOD, LARGE, GOOD]), declared)
    assert isinstance(encoded.failure, RecordTooLargeError)
    assert encoded.rows_by_lane == (1, 1)


# -- what follows from the row alone ---------------------------------------------------------------

ZOE, CAFE, SMOERREBROED = (
    "1,Zoë Zoë\n".encode(),
    b"2,caf\xe9\n",
    "3,smørrebrød".encode() + b" \xf8\n",
)


def test_what_is_said_of_a_row_that_is_no_text_follows_from_the_row_alone() -> None:
    """A resume may cut the blocks elsewhere."""
    said = [
        [
            dict(letter.headers)["reason"].decode()
            for block in blocks
            for letter in by_lane(whole(encode_block(block, plan())))[1]
        ]
        for blocks in (
            [whole_block(ZOE + CAFE + SMOERREBROED, 3)],
            list(one_by_one(ZOE, CAFE, SMOERREBROED)),
        )
    ]
    assert said[0] == said[1]
    cafe, smoerrebroed = said[0]
    assert "; it would be text in cp1252 ('é')" in cafe
    assert "; the rest of it is utf-8, so repair the file" in smoerrebroed


class Counted(bytes):
    """Counts the bytes of which it made copies."""

    copied = 0

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        self.copied += len(found) if isinstance(found, bytes) else 0
        return found


def test_a_row_that_is_no_text_is_found_in_one_pass_over_its_block() -> None:
    """Whatever stands before it: a block has a hundred thousand short rows."""
    data = Counted(ZOE * 1_000 + CAFE)
    end = Position(len(HEADER) + len(data), 1_001)
    with pytest.raises(BadRow) as caught:
        text_of(Block(data, Position(len(HEADER), 0), end, plain=False), plan())
    assert caught.value.row_index == 1_000
    assert data.copied <= 3 * len(data)


def one_by_one(*rows: bytes) -> Iterator[Block]:
    begin = len(HEADER)
    for number, row in enumerate(rows):
        start, end = Position(begin, number), Position(begin + len(row), number + 1)
        yield Block(row, start, end, plain=False)
        begin += len(row)


@pytest.mark.parametrize("encoding", ["utf-8", "euc_jp"])
@pytest.mark.parametrize("bad_rows", BadRows)
@pytest.mark.parametrize("comment", [b"#caf\xff\xe9\n", b"#\xff\r#\xff\n", b"#\x8e\xff\n"])
def test_comments_that_are_no_text_are_no_fault_of_a_row(
    bad_rows: BadRows, comment: bytes, encoding: str
) -> None:
    """Where a block ends would decide of them, as those before its first row are in none."""
    dialect = Dialect(comment="#", encoding=encoding)
    declared = plan(bad_rows=bad_rows, dialect=dialect)
    first, second = "1,ö".encode(encoding, "ignore") + b"\n", b'2,"x\ny"\n'
    block = whole_block(comment + first + comment + second + comment, 2)
    encoded = whole(encode_block(block, declared))
    begin = len(HEADER) + 2 * len(comment) + len(first)
    alone = [
        whole(encode_block(one, declared))
        for one in (
            whole_block(first, 1),
            Block(second, Position(begin, 1), Position(begin + len(second), 2), plain=False),
        )
    ]
    assert encoded.set_aside == ()
    assert values(encoded) == [value for one in alone for value in values(one)]
    assert [json.loads(value)["_source_line"] for value in values(encoded)] == [1, 2]


def test_a_row_that_is_no_text_is_told_from_the_comments_around_it() -> None:
    declared = plan(dialect=Dialect(comment="#"))
    comment = b"#\xff\n"
    block = whole_block(comment + CAFE + comment + b"3,x\n" + comment, 2)
    encoded = whole(encode_block(block, declared))
    _, (letter,) = by_lane(encoded)
    assert letter.value == CAFE.rstrip()
    headers = dict(letter.headers)
    byte = len(HEADER + comment + CAFE) - 2
    assert f"column 2 ('b'), byte {byte}: e9 (" in headers["reason"].decode()
    assert encoded.set_aside[0].startswith("row 1 (at byte ")
    assert encoded.rows_by_lane == (1, 1)


def values(encoded: EncodedBlock) -> list[Any]:
    return [record.value for record in by_lane(encoded)[0]]
