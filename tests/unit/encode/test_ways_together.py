"""Drops, routes, rows that are set aside, other encodings and small files, all at once: however the
rows come, as one batch or many, by the compiled encoder or without it, each becomes what it becomes
alone, and from each place in a lane the rest is the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from csvkafka.encode import encoder, joined
from csvkafka.encode.bad_row import row_starts
from csvkafka.encode.encoder import lane_total
from csvkafka.encode.joined import encode_joined
from csvkafka.model import (
    BadRows,
    Block,
    Dialect,
    EncodedBlock,
    EncodePlan,
    PieceStart,
    Position,
    Routing,
)
from csvkafka.rows.blocks import MAX_ROW_BYTES
from csvkafka.rows.joining import joined as blocks_together
from csvkafka.rows.pieces import OpenPiece, PlacedBlock, many_objects
from csvkafka.rows.utf16 import stored
from csvkafka.schema.declaration import read_table
from tests.unit.encode.test_joined import outcome, records, separately, upper

START = Position(0, 0, PieceStart())
HEADERS = ("id,name,k", "k,id,name")
"""Of every second file."""

COLUMNS = """
[record]
{record}
[columns]
id = {{ type = "int", null = ["NA"] }}
name = "string"
k = "string"
"""
DROPS = """
[[drop]]
column = "name"
in = ["", "void", "say \\"x\\""]
[[drop]]
column = "k"
matches = "x.*"
"""
ROUTES = """
[[route]]
topic = "south"
column = "k"
equals = "IT"
[[route]]
topic = "middle"
column = "k"
in = ["DE", "", "é😀"]
"""
KEYS = ("", 'key = "k"', 'key = ["k", "id"]\nkey_format = "json"', 'metadata = "headers"')

numbers = st.sampled_from(["1", "22", "NA", "007", "no", "", '"3"'])
names = st.sampled_from(["a", "", "void", '"say ""x"""', '"two\nlines"', "é😀", "\x01", "0"])
countries = st.sampled_from(["DE", "IT", "", "FR", "x1", '"IT"', '"x,\r\n"', "é😀"])
fields = st.tuples(numbers, names, countries)
bad_rows = st.sampled_from([("1",), ("1", "a", "DE", "4"), ("1", "\udcff", "DE")])
rows = st.one_of(fields, fields, fields, fields, bad_rows)
files = st.lists(st.lists(rows, max_size=10), min_size=1, max_size=5)


@dataclass(frozen=True)
class Case:
    """Files, each of rows of (id, name, k), and their plan. `table`: what is declared, if it is."""

    files: Sequence[Sequence[tuple[str, ...]]]
    table: str | None = None
    lanes: int = 1
    routed: tuple[int, int] = (1, 2)
    bad_rows: BadRows = BadRows.DEAD_LETTER
    encoding: str = "utf-8"
    max_batch_bytes: int = 1_000_000
    above: int | None = None
    block_bytes: int = 1 << 20
    has_transform: bool = False
    line_end: str = "\n"

    @property
    def plan(self) -> EncodePlan:
        table = None if self.table is None else read_table(self.table, "columns.toml")
        has_key = table is None or bool(table.key)
        by_key = has_key and self.lanes > 1
        has_routes = table is not None and bool(table.routes)
        routed = self.routed if by_key else (1, 1)
        return EncodePlan(
            tuple(HEADERS[0].split(",")),
            "s3://b/p",
            Dialect(encoding=self.encoding),
            lane_count=self.lanes if by_key else 1,
            routed_lanes=routed if has_routes else (),
            routing=Routing.KEY_CRC32 if by_key else Routing.ONE_PARTITION,
            key_column="k" if table is None else None,
            compression="none",
            # As the job's own settings: what is beyond the header has no declared type.
            bad_rows=BadRows.STOP if table and self.bad_rows is BadRows.KEEP else self.bad_rows,
            max_batch_bytes=self.max_batch_bytes,
            max_record_bytes=self.max_batch_bytes,
            max_letter_bytes=self.max_batch_bytes,
            set_aside_above_bytes=self.above if self.bad_rows is BadRows.DEAD_LETTER else None,
            block_bytes=self.block_bytes,
            transform=upper if self.has_transform and table is None else None,
            table=table,
        )

    def content(self, at: int) -> bytes:
        """The bytes of a file. Where any byte is text, so is the one that is none elsewhere."""
        swapped = at % 2
        lines = [HEADERS[swapped]]
        for row in self.files[at]:
            in_order = (*row[2:], *row[:2]) if swapped else row
            lines.append(",".join(in_order))
        text = self.line_end.join([*lines, ""])
        if self.encoding == "latin-1":
            return text.replace("😀", "ß").replace("\udcff", "ÿ").encode(self.encoding)
        errors = "surrogateescape" if self.encoding == "utf-8" else "surrogatepass"
        return text.encode(self.encoding, errors)

    def blocks(self, start: Position = START) -> Iterator[PlacedBlock]:
        """All of them, from a position on."""

        def pieces(number: int) -> Any:
            before = 0
            for at in range(len(self.files)):
                data = self.content(at)
                if at >= number:
                    start = PieceStart(at, 0, before, len(data))
                    yield OpenPiece(start, f"s3://b/{at}", lambda begin, d=data: iter((d[begin:],)))  # type: ignore[misc]
                before += len(data)

        return many_objects(pieces, tuple)(start, self.plan, MAX_ROW_BYTES)


def cases() -> st.SearchStrategy[Case]:
    tables = st.builds(
        lambda key, drops, routes: COLUMNS.format(record=key) + drops + routes,
        st.sampled_from(KEYS),
        st.sampled_from(["", DROPS]),
        st.sampled_from(["", ROUTES]),
    )
    return st.builds(
        Case,
        files,
        st.one_of(tables, tables, tables, st.none()),
        st.integers(1, 3),
        st.tuples(st.integers(1, 2), st.integers(1, 3)),
        st.sampled_from([BadRows.DEAD_LETTER, BadRows.DEAD_LETTER, BadRows.STOP, BadRows.KEEP]),
        st.sampled_from(["utf-8", "utf-8", "latin-1", "utf-16-le"]),
        st.sampled_from([300, 1_500, 1_000_000, 1_000_000]),
        st.sampled_from([None, None, 45, 70, 78]),
        st.sampled_from([30, 1 << 20, 1 << 20]),
        st.booleans(),
        st.sampled_from(["\n", "\r\n", "\n\n"]),
    )


@contextmanager
def without_compiled() -> Iterator[None]:
    """As where the compiled encoder was not built."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (encoder, joined):
            patch.setattr(module, "compiled_module", lambda: None)
        encoder._prepared.cache_clear()
        yield
    encoder._prepared.cache_clear()


def rows_alone(cut: PlacedBlock) -> Iterator[PlacedBlock]:
    """Each row of the block as a block."""
    block, dialect = cut.block, cut.plan.dialect
    starts = row_starts(block, dialect)
    for at, (begin, end) in enumerate(zip(starts, [*starts[1:], len(block.data)], strict=True)):
        start, behind = (
            Position(
                block.start.byte_offset + len(stored(block.data[:to], dialect)),
                block.start.row_count + row_count,
            )
            for to, row_count in ((begin, at), (end, at + 1))
        )
        yield PlacedBlock(
            Block(block.data[begin:end], start, behind, plain=False), cut.plan, cut.piece
        )


def of_row(blocks: Sequence[EncodedBlock]) -> tuple[Any, ...]:
    """Their outcome, without what an error tells of the rows around the one that is no text."""
    end, by_lane, failure, set_aside = outcome(blocks)
    told = failure and (failure[0], failure[1].partition("; the rows around it")[0])
    return end, by_lane, told, set_aside


def of_some(blocks: Sequence[EncodedBlock], lanes: int) -> list[Any]:
    """Their records by lane, those of the lanes without any too."""
    found = records(blocks)
    return [found.get(lane, []) for lane in range(lanes)]


def said(encoded: EncodedBlock) -> tuple[Any, ...]:
    """All of it; errors are not equal to each other."""
    return outcome([encoded]), encoded.batches


skips = st.lists(st.sampled_from([0, 0, 1, 2, 3, 12]), min_size=10, max_size=10)
"""Of each lane; there are no more than so many."""


@given(case=cases(), skip=skips)
@example(Case([[("1", "é", "IT"), ("no", "\udcff", "DE")] * 3] * 2, encoding="utf-16-le"), [0, 1])
@example(
    Case(
        [[("1", "a", "IT"), ("1",)], [("no", "a", "DE"), ("2", "void", "DE"), ("3", "a", "x")]],
        COLUMNS.format(record="") + DROPS,
    ),
    [1, 1],
)
@settings(deadline=None)
def test_rows_become_what_they_become_alone(case: Case, skip: list[int]) -> None:
    blocks, lanes = list(case.blocks()), lane_total(case.plan)
    assume(blocks)
    with without_compiled():
        alone = list(separately([row for cut in blocks for row in rows_alone(cut)]))
        due = of_some(alone, lanes)
        if alone[-1].failure is not None:  # more cannot be in the topic
            skip = [min(count, len(of_lane)) for count, of_lane in zip(skip, due, strict=False)]
        in_python = encode_joined(blocks, skip[:lanes])
    for encoded in (in_python, encode_joined(blocks, skip[:lanes])):
        assert of_row([encoded]) == of_row(alone)
        sent = of_some([encoded], lanes)
        assert sent == [
            of_lane[skip[lane] if lane < len(skip) else 0 :] for lane, of_lane in enumerate(due)
        ]
    assert said(encode_joined(blocks, skip[:lanes])) == said(in_python)


@given(case=cases())
@settings(deadline=None)
def test_a_resume_from_each_end_gives_the_rest(case: Case) -> None:
    """The end of what was encoded as one is where a checkpoint may stand."""
    lanes = lane_total(case.plan)
    groups = list(blocks_together(case.blocks()))
    assume(len(groups) > 1)
    encoded = [encode_joined(group) for group in groups]
    for at, one in enumerate(encoded[:-1]):
        if one.failure is not None:
            break
        later = list(blocks_together(case.blocks(one.end)))
        assert [len(group) for group in later] == [len(group) for group in groups[at + 1 :]]
        rest = [encode_joined(group) for group in later]
        assert list(map(said, rest)) == list(map(said, encoded[at + 1 :]))
        assert of_some(rest, lanes) == of_some(encoded[at + 1 :], lanes)


@pytest.mark.parametrize("routes", ["", ROUTES])
def test_each_place_in_each_lane_may_be_the_first_that_is_sent(routes: str) -> None:
    """With routes by the reference way, without them by the compiled one, up to rows it leaves."""
    case = Case(
        [
            [("1", "a", "IT"), ("2", "void", "IT"), ("no", "a", "DE"), ("4", "a", "DE")],
            [("5",), ("6", "a", "x1"), ("7", "\udcff", "FR"), ("8", "b", "FR"), ("9", "b", "IT")],
            [("10", "", "IT")],
            [("11", "a", ""), ("12", "a", "é😀"), ("13", "a", "FR")],
        ],
        COLUMNS.format(record=KEYS[1]) + DROPS + routes,
        lanes=3,
        routed=(2, 2),
    )
    blocks, lanes = list(case.blocks()), lane_total(case.plan)
    whole = encode_joined(blocks)
    # Of KAFKA_TOPIC, then of the routes' topics by name, two each; dead letters last.
    firsts = (0, 3, 5, 7, 8) if routes else (0, 3, 4)
    in_topics = [sum(whole.rows_by_lane[first:end]) for first, end in pairwise(firsts)]
    assert in_topics == ([2, 3, 2, 3] if routes else [7, 3])
    due = of_some([whole], lanes)
    for lane, of_lane in enumerate(due):
        for count in range(len(of_lane) + 2):
            skip = [0] * lane + [count]
            encoded = encode_joined(blocks, skip)
            assert of_some([encoded], lanes) == [
                *due[:lane],
                of_lane[count:],
                *due[lane + 1 :],
            ]
            assert outcome([encoded]) == outcome([whole])
            with without_compiled():
                assert said(encode_joined(blocks, skip)) == said(encoded)
