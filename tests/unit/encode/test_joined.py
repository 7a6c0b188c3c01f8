"""Several blocks as one: the same records in the same order, in fewer batches; and every place in
which it may be resumed."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from csvkafka.encode import joined
from csvkafka.encode.encoder import encode_block, lane_total
from csvkafka.encode.in_sequence import skip_after
from csvkafka.encode.joined import encode_joined
from csvkafka.errors import RecordTooLargeError, SourceCorruptError
from csvkafka.model import BadRows, EncodedBlock, EncodePlan, PieceStart, Position, Routing
from csvkafka.records.record_batch import BATCH_OVERHEAD_BYTES
from csvkafka.rows.blocks import MAX_ROW_BYTES
from csvkafka.rows.pieces import OpenPiece, PlacedBlock, many_objects, placed
from csvkafka.schema.declaration import read_table
from tests.unit.encode.encoded import records_of

HEADER = "id,name,k"
START = Position(0, 0, PieceStart())

TABLE = """
[record]
key = "k"
[columns]
id = { type = "int", null = ["", "a"] }
name = "string"
k = "string"

[[drop]]
column = "name"
equals = "b7"

[[route]]
topic = "north"
column = "k"
equals = "a"

[[route]]
topic = "south"
column = "k"
in = ["0", ""]
"""

fields = st.sampled_from(
    ["", "a", "b7", "é😀", '"x,y"', '"say ""x"""', '"two\nlines"', "\x01", "0"]
)
good_rows = st.tuples(fields, fields, fields).map(",".join)
rows = st.one_of(good_rows, good_rows, good_rows, st.sampled_from(["1", "1,2,3,4"]))
files = st.lists(st.lists(rows, max_size=12), min_size=1, max_size=7)


def upper(row: dict[str, object], _: int) -> dict[str, object]:
    if row["name"] == "0":
        raise ValueError("no zero")
    return row | {"name": str(row["name"]).upper()}


@dataclass(frozen=True)
class Case:
    """Files, each with a header of its own (every second one in another order), and their plan."""

    files: Sequence[Sequence[str]]
    lanes: int = 1
    bad_rows: BadRows = BadRows.STOP
    max_batch_bytes: int = 1_000_000
    above: int | None = None
    block_bytes: int = 1 << 20
    has_transform: bool = False
    has_keys: bool = False
    compression: str = "gzip"
    table: str = ""

    @property
    def plan(self) -> EncodePlan:
        table = read_table(self.table, "columns.toml") if self.table else None
        of_routes = (min(self.lanes, 2), 1) if self.table else ()
        return EncodePlan(
            tuple(HEADER.split(",")),
            "s3://b/p",
            lane_count=self.lanes,
            routed_lanes=of_routes,
            routing=Routing.KEY_MURMUR2 if self.lanes > 1 else Routing.ONE_PARTITION,
            key_column="k" if table is None and (self.has_keys or self.lanes > 1) else None,
            compression=self.compression,
            bad_rows=self.bad_rows,
            max_batch_bytes=self.max_batch_bytes,
            max_record_bytes=self.max_batch_bytes,
            max_letter_bytes=self.max_batch_bytes,
            set_aside_above_bytes=self.above if self.bad_rows is BadRows.DEAD_LETTER else None,
            block_bytes=self.block_bytes,
            transform=upper if self.has_transform and table is None else None,
            table=table,
        )

    def blocks(self, start: Position = START) -> list[PlacedBlock]:
        """All of them, from a position on."""

        def pieces(number: int) -> Any:
            before = 0
            for at, of_file in enumerate(self.files):
                header = HEADER if at % 2 == 0 else "k,id,name"
                data = ("\n".join([header, *of_file]) + "\n").encode()
                if at >= number:
                    start = PieceStart(at, 0, before, len(data))
                    yield OpenPiece(start, f"s3://b/{at}", lambda begin, d=data: iter((d[begin:],)))  # type: ignore[misc]
                before += len(data)

        return list(many_objects(pieces, tuple)(start, self.plan, MAX_ROW_BYTES))


def cases() -> st.SearchStrategy[Case]:
    return st.builds(
        Case,
        files,
        st.integers(1, 3),
        st.sampled_from(BadRows),
        st.sampled_from((400, 1_500, 1_000_000)),
        st.sampled_from((None, None, 60, 75)),
        st.sampled_from((30, 1 << 20)),
        st.booleans(),
        st.booleans(),
        st.sampled_from(("none", "gzip")),
        st.sampled_from(("", TABLE, TABLE.replace('key = "k"', 'key = "k"\nmetadata = "headers"'))),
    )


def separately(blocks: Sequence[PlacedBlock], skip: Sequence[int] = ()) -> Iterator[EncodedBlock]:
    """Each block for itself, up to the one that ends the load."""
    for cut in blocks:
        encoded = encode_joined([cut], skip)
        yield encoded
        if encoded.failure is not None:
            return
        skip = skip_after(skip, encoded)


def records(blocks: Sequence[EncodedBlock]) -> dict[int, list[tuple[Any, ...]]]:
    """Key, value and headers of each record, by lane."""
    found: dict[int, list[tuple[Any, ...]]] = {}
    for block in blocks:
        for batch in block.batches:
            of_batch = records_of(batch)
            assert [record.offset for record in of_batch] == list(range(len(of_batch)))
            found.setdefault(batch.lane, []).extend((r.key, r.value, r.headers) for r in of_batch)
    return found


def outcome(blocks: Sequence[EncodedBlock]) -> tuple[Any, ...]:
    """All that is said beside the batches."""
    last = blocks[-1]
    by_lane = [sum(rows) for rows in zip(*(block.rows_by_lane for block in blocks), strict=True)]
    failure = None if last.failure is None else (type(last.failure), str(last.failure))
    set_aside = [place for block in blocks for place in block.set_aside][:3]
    return last.end, by_lane, failure, set_aside


def check(case: Case, skip: Sequence[int] = ()) -> EncodedBlock:
    blocks = case.blocks()
    apart, together = list(separately(blocks, skip)), encode_joined(blocks, skip)
    assert outcome([together]) == outcome(apart)
    assert records([together]) == records(apart)
    return together


@given(case=cases(), skip=st.lists(st.integers(0, 30), max_size=3))
@example(Case([["1,a,k"], ["1,a,0"], ["k,1,0"]], bad_rows=BadRows.DEAD_LETTER), [])
@example(Case([["1,a,a"], ["a,1,b7"], ["x,a,a", "3,a,0"]], 3, BadRows.DEAD_LETTER, table=TABLE), [])
@example(Case([["1,b7,a"], ["k,1,b7"]], table=TABLE), [])
@example(Case([["1,a,k"] * 70, ["1,a,k"] * 70]), [])
@example(Case([["1,a,k"] * 70, ["1,a,k"] * 9000, ["2,b,l"] * 70]), [3])
def test_joined_blocks_have_the_records_of_each(case: Case, skip: list[int]) -> None:
    assume(case.blocks())
    check(case, skip[: lane_total(case.plan)])


@pytest.mark.parametrize("table", ["", TABLE], ids=["plain", "routed"])
@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("bad_rows", BadRows)
def test_every_row_of_a_lane_may_be_the_first_that_is_sent(
    lanes: int, bad_rows: BadRows, table: str
) -> None:
    """A resume whose tail ends anywhere inside of what was joined, in each lane."""
    wide = [] if bad_rows is BadRows.STOP else ["1,2,3,4"]
    case = Case(
        [
            [f"{n},{('name', 'b7')[n % 2]},{('a', 'k')[n % 3 == 0]}{n}" for n in range(5)],
            wide,
            ["7,9,a", "k,7,x", *wide],
            ["8,x,a", "8,x,0", "8,x,y"] * 3,
        ],
        lanes,
        bad_rows,
        table=table,
    )
    everything = records([check(case)])
    for lane in range(lane_total(case.plan)):
        sent = everything.get(lane, [])
        for count in range(len(sent) + 2):
            skip = [0] * lane + [count]
            rest = records([check(case, skip)])
            assert rest.get(lane, []) == sent[count:]


def test_a_row_that_is_set_aside_is_named_with_its_file() -> None:
    case = Case([["1,a,k"], ["1"], ["1,2,3,4"]], bad_rows=BadRows.DEAD_LETTER)
    narrow, wide = "(has 1 field, the header has 3)", "(has 4 fields, the header has 3)"
    assert check(case).set_aside == (f"row 1 of s3://b/1 {narrow}", f"row 1 of s3://b/2 {wide}")
    _, second, _ = case.blocks()
    assert encode_joined([second]).set_aside == (f"row 1 of s3://b/1 {narrow}",)
    alone = replace(second, piece=None)
    assert encode_joined([alone]).set_aside == (f"row 1 {narrow}",), "of the only file"


def test_a_lane_has_one_batch_where_its_records_fit() -> None:
    case = Case([[f"{n},{m},k{m}" for m in range(9)] for n in range(20)], lanes=3)
    together = check(case)
    assert [batch.lane for batch in together.batches] == [0, 1, 2]
    assert sum(batch.record_count for batch in together.batches) == 180


def test_no_batch_of_several_rows_is_larger_than_the_plan_says() -> None:
    case = Case([["1,name,k"] * 4] * 9, max_batch_bytes=900, compression="none")
    sizes = [
        BATCH_OVERHEAD_BYTES + len(batch.records)
        for batch in check(case).batches
        if batch.record_count > 1
    ]
    assert max(sizes) <= 900
    assert 3 < len(sizes) < 9, "some, and not all, of the blocks fit together"


def test_a_row_that_is_too_large_alone_ends_it_in_its_own_file() -> None:
    case = Case(
        [["1,a,k"], ["k,1,a", "k,1," + "b" * 900, "k,1,c"], ["2,a,k"]],
        max_batch_bytes=600,
        compression="none",
    )
    together = check(case)
    assert isinstance(together.failure, RecordTooLargeError)
    assert "row 2 at byte 16 of s3://b/1 " in str(together.failure)
    assert together.end.piece is not None
    assert (together.end.row_count, together.end.byte_offset, together.end.piece.number) == (
        2,
        16,
        1,
    )


def test_a_letter_is_too_large_by_what_it_is_with_its_codec_and_for_its_own_topic() -> None:
    """The letters' topic takes less here than that of rows."""
    large = "k,1," + "b" * 3_000
    case = Case(
        [["1,a,k"], [large], ["2,a,k"]],
        max_batch_bytes=900,
        above=200,
        bad_rows=BadRows.DEAD_LETTER,
    )
    together = check(case)
    assert (together.failure, together.rows_by_lane) == (None, (2, 1))
    surplus = Case([["1,a,k,x"] * 3] * 4, bad_rows=BadRows.DEAD_LETTER, compression="none")
    blocks = surplus.blocks()
    (whole,) = encode_joined(blocks).batches
    size = BATCH_OVERHEAD_BYTES + len(whole.records)
    limited = [
        replace(cut, plan=replace(cut.plan, max_letter_bytes=size - 1)) for cut in surplus.blocks()
    ]
    sizes = [BATCH_OVERHEAD_BYTES + len(batch.records) for batch in encode_joined(limited).batches]
    assert len(sizes) == 2
    assert max(sizes) < size


def test_a_record_is_too_large_by_what_it_is_with_its_codec() -> None:
    case = Case([["1,a,k"], ["k,1," + "b" * 3_000], ["2,a,k"]], max_batch_bytes=600)
    together = check(case)
    assert together.failure is None
    assert [batch.record_count for batch in together.batches] == [3]


def test_what_is_no_text_ends_it_behind_the_rows_before() -> None:
    case = Case([["1,a,k"], ["2,b,k"], ["3,c,k"]])
    first, second, third = case.blocks()
    broken = replace(second, block=replace(second.block, data=b"2,\xff,k\n"))
    together = encode_joined([first, broken, third])
    assert isinstance(together.failure, SourceCorruptError)
    assert together.end == placed(encode_block(broken.block, broken.plan), broken.place).end
    assert together.end.row_count == 1
    assert [batch.record_count for batch in together.batches] == [1]


def test_blocks_that_came_from_another_process_become_the_same() -> None:
    """And what they become goes back to it, a failure too."""
    case = Case([["1,a,k"], ["k,2,b", "1"], ["3,c,k"]], has_transform=True)
    blocks = case.blocks()
    here = encode_joined(blocks)
    there = pickle.loads(pickle.dumps(encode_joined(pickle.loads(pickle.dumps(blocks)))))
    assert there.batches == here.batches
    assert outcome([there]) == outcome([here])
    assert here.failure is not None


def test_both_encoders_join_to_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case([[f"{n},{m},k{m}" for m in range(90)] for n in range(5)], lanes=2)
    compiled = encode_joined(case.blocks())
    monkeypatch.setattr(joined, "compiled_module", lambda: None)
    assert encode_joined(case.blocks()) == compiled
