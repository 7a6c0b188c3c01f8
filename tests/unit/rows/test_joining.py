"""Which blocks of a set go together: small ones, in order, the same ones again after a resume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csvkafka.errors import SourceReadError
from csvkafka.model import START, EncodePlan, PieceStart, Position
from csvkafka.rows.blocks import MAX_ROW_BYTES, cut_blocks
from csvkafka.rows.joining import MOST_BLOCKS, joined
from csvkafka.rows.pieces import OpenPiece, PlacedBlock, many_objects

PLAN = EncodePlan(("id", "n"), "s3://b/p", block_bytes=100)
Groups = list[tuple[PlacedBlock, ...]]


def blocks(sizes: list[int], start: Position | None = None) -> Iterator[PlacedBlock]:
    """Of files that have so many rows of four bytes."""

    def pieces(number: int) -> Iterator[OpenPiece]:
        for at, rows in enumerate(sizes):
            if at >= number:
                data = b"id,n\n" + b"1,2\n" * rows
                # A name of another length, which counts for what a batch holds.
                uri = "s3://b/" + "x" * (at % 5 * 7)
                start = PieceStart(at, 0, 0, len(data))
                yield OpenPiece(start, uri, lambda begin, d=data: iter((d[begin:],)))  # type: ignore[misc]

    cut = many_objects(pieces, tuple)  # type: ignore[arg-type]
    return cut(start or Position(0, 0, PieceStart()), PLAN, MAX_ROW_BYTES)


def row_counts(groups: Groups) -> list[list[int]]:
    return [[cut.block.row_count for cut in group] for group in groups]


def end_of(group: tuple[PlacedBlock, ...]) -> Position:
    last = group[-1]
    assert last.piece is not None
    end = last.block.end
    return Position(end.byte_offset, last.piece.row_count + end.row_count, last.piece)


def test_small_blocks_wait_until_half_a_batch_is_there() -> None:
    """A block holds 25 rows."""
    assert row_counts(list(joined(blocks([5, 5, 5, 5, 5, 0, 5])))) == [[5, 5, 5], [5, 5, 5]]


def test_a_large_block_goes_alone_and_takes_none_with_it() -> None:
    groups = list(joined(blocks([1, 13, 2, 25 + 3, 1, 12, 1])))
    assert row_counts(groups) == [[1], [13], [2], [25], [3, 1, 12], [1]]


def test_a_large_block_is_given_before_the_next_one_is_read() -> None:
    read = blocks([20, 20])
    taken = joined(read)
    assert row_counts([next(taken)]) == [[20]]
    assert next(read).block.row_count == 20


def test_no_more_than_so_many_go_together() -> None:
    plan_of_many = [1] * (MOST_BLOCKS + 3)
    wide = EncodePlan(("id", "n"), "s3://b/p")
    cuts = [PlacedBlock(cut.block, wide, cut.piece) for cut in blocks(plan_of_many)]
    assert list(map(len, joined(cuts))) == [MOST_BLOCKS, 3]


def test_the_rows_that_a_batch_may_hold_count_too() -> None:
    """A record may be much longer than its row."""
    narrow = EncodePlan(("id", "n" * 100), "s3://b/p", max_batch_bytes=1_000, compression="none")
    cuts = [PlacedBlock(cut.block, narrow, cut.piece) for cut in blocks([1] * 9)]
    assert row_counts(list(joined(cuts))) == [[1, 1, 1]] * 3


def test_blocks_of_one_object_go_alone() -> None:
    data = b"id,n\n" + b"1,2\n" * 30
    small = replace(PLAN, block_bytes=20)
    cuts = [PlacedBlock(block, PLAN) for block in cut_blocks([data], START, small)]
    assert row_counts(list(joined(cuts))) == [[5]] * 6


@given(sizes=st.lists(st.integers(0, 30), max_size=12))
def test_a_resume_from_each_end_joins_the_same_blocks_again(sizes: list[int]) -> None:
    groups = list(joined(blocks(sizes)))
    assert [cut for group in groups for cut in group] == list(blocks(sizes))
    for number, group in enumerate(groups, 1):
        again = joined(blocks(sizes, end_of(group)))
        assert list(map(end_of, again)) == list(map(end_of, groups[number:]))


@pytest.mark.parametrize("before", [0, 2])
def test_what_reading_raises_comes_after_the_blocks_before_it(before: int) -> None:
    def failing() -> Iterator[PlacedBlock]:
        yield from blocks([1] * before)
        raise SourceReadError("S3 is gone")

    taken = joined(failing())
    if before:
        assert row_counts([next(taken)]) == [[1, 1]]
    with pytest.raises(SourceReadError, match="S3 is gone"):
        next(taken)
