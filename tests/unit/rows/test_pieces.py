"""A set is cut piece by piece: each by its own header and lines, placed in the set by its end."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator

import pytest

from csvkafka.encode.encoder import encode_block
from csvkafka.errors import MalformedRowError, SourceCorruptError
from csvkafka.model import EncodePlan, PieceStart, Position
from csvkafka.rows.blocks import MAX_ROW_BYTES
from csvkafka.rows.pieces import OpenPiece, PlacedBlock, many_objects, one_object, placed
from tests.refusals import refusal
from tests.unit.encode.encoded import values_of

PLAN = EncodePlan(("id", "n"), "s3://b/p", block_bytes=16, compression="none")
FIRST = PieceStart()
START_OF_SET = Position(0, 0, FIRST)
FILES = (
    b"id,n\n1,a\n2,b\n3,c\n4,d\n5,e\n6,f\n",
    b"\xef\xbb\xbfn,id\r\nx,7\r\ny,8\r\n",
    b"id,n\n",
    b'id,n\n9,"a\nb"\n',
)


def opened(
    files: Iterable[bytes] = FILES, chunk_bytes: int = 5
) -> Callable[[int], Generator[OpenPiece, None, None]]:
    def of(data: bytes) -> Callable[[int], Iterator[bytes]]:
        return lambda begin: (
            data[at : at + chunk_bytes] for at in range(begin, len(data), chunk_bytes)
        )

    def pieces(number: int) -> Generator[OpenPiece, None, None]:
        before = 0
        for at, data in enumerate(files):
            if at >= number:
                yield OpenPiece(PieceStart(at, 0, before, len(data)), f"s3://b/{at}", of(data))
            before += len(data)

    return pieces


def cut(start: Position = START_OF_SET, files: Iterable[bytes] = FILES) -> list[PlacedBlock]:
    return list(many_objects(opened(files), tuple)(start, PLAN, MAX_ROW_BYTES))


def records(blocks: Iterable[PlacedBlock]) -> list[dict[str, object]]:
    encoded = [encode_block(cut.block, cut.plan) for cut in blocks]
    return [json.loads(value) for block in encoded for value in values_of(block)]


def ends(blocks: Iterable[PlacedBlock]) -> list[Position]:
    return [placed(encode_block(cut.block, cut.plan), cut.piece).end for cut in blocks]


def test_each_piece_has_its_own_lines_name_and_order_of_columns() -> None:
    found = records(cut())
    assert [record["id"] for record in found] == list("123456789")
    assert [(record["_source_file"], record["_source_line"]) for record in found] == [
        *(("s3://b/0", line) for line in range(1, 7)),
        ("s3://b/1", 1),
        ("s3://b/1", 2),
        ("s3://b/3", 1),
    ]
    assert found[6]["n"] == "x"
    assert found[8]["n"] == "a\nb"


def test_a_position_says_which_piece_and_what_is_before_it() -> None:
    reached = ends(cut())
    assert [(end.row_count, end.piece and end.piece.number) for end in reached] == [
        *((4, 0), (6, 0)),
        (8, 1),
        (9, 3),
    ]
    assert reached[-1].piece == PieceStart(3, 8, sum(map(len, FILES[:3])), len(FILES[3]))
    assert [end.source_bytes for end in reached][-2:] == [
        len(FILES[0]) + len(FILES[1]),
        sum(map(len, FILES)),
    ]


@pytest.mark.parametrize("files", [FILES, (FILES[3], FILES[0])], ids=["ends", "inside a later"])
def test_a_resume_from_each_end_cuts_the_same_blocks_again(files: tuple[bytes, ...]) -> None:
    whole = cut(files=files)
    all_records = records(whole)
    for number, end in enumerate(ends(whole), 1):
        rest = cut(end, files)
        assert ends(rest) == ends(whole)[number:]
        assert records(rest) == all_records[end.row_count :]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"id\n", "it lacks 'n'"),
        (b"id,n,m\n", "it has besides 'm'"),
        (b"id,N\n", "it lacks 'n'; it has besides 'N'"),
        (b"id,n,n\n", "stands there more than once"),
        (b"\n", "it lacks 'id', 'n'"),
    ],
)
def test_other_columns_are_refused_with_the_files_name_after_all_before(
    header: bytes, said: str
) -> None:
    blocks = many_objects(opened([FILES[0], header + b"1,2\n"]), tuple)(
        START_OF_SET, PLAN, MAX_ROW_BYTES
    )
    assert [next(blocks).block.row_count for _ in range(2)] == [4, 2]
    both = "header of s3://b/1 has other columns than that of s3://b/0"
    with refusal(MalformedRowError, f"{both}.*{said}"):
        next(blocks)


def test_what_fails_after_the_header_is_not_taken_for_the_pieces_end() -> None:
    def failing(_: int) -> Iterator[bytes]:
        yield b"id,n\n1,a\n2,"
        raise SourceCorruptError("the file is cut off")

    def pieces(_: int) -> Generator[OpenPiece, None, None]:
        yield OpenPiece(PieceStart(0, 0, 0, 99), "s3://b/0", failing)

    blocks = many_objects(pieces, tuple)(START_OF_SET, PLAN, MAX_ROW_BYTES)
    assert next(blocks).block.data == b"1,a\n"
    with pytest.raises(SourceCorruptError, match="cut off"):
        next(blocks)


def test_one_object_is_cut_as_it_is() -> None:
    closed = []

    def chunks(byte_offset: int) -> Iterator[bytes]:
        try:
            yield FILES[0][byte_offset:]
        finally:
            closed.append(byte_offset)

    blocks = one_object(chunks)(Position(9, 1), PLAN, MAX_ROW_BYTES)
    first = next(blocks)
    assert (first.piece, first.plan, first.block.start) == (None, PLAN, Position(9, 1))
    blocks.close()
    assert closed == [9]
