"""Which letters share a block, and what becomes of the rows in it: the same as of each alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from csvkafka.encode.encoder import encode_block
from csvkafka.errors import MalformedRowError
from csvkafka.job.letter_blocks import (
    MOST_ROWS,
    ROWS_ALONE,
    Letter,
    block_of,
    runs_of,
    together,
)
from csvkafka.model import Block, Dialect, EncodePlan, Position
from csvkafka.rows.pieces import Span, placed
from tests.refusals import refusal

PLAN = EncodePlan(("id", "name"), "dead-letters://dead/orders")
LETTER = Letter(11, b'1,"a\nb"', "s3://b/k.csv", 4, 100)


def test_a_letter_of_several_lines_is_one_row() -> None:
    assert block_of([LETTER], Dialect()).row_count == 1


@pytest.mark.parametrize(
    "dialect", [Dialect(quotechar=""), Dialect(comment="1")], ids=["two rows", "a comment"]
)
def test_a_letter_that_is_not_one_row_by_other_settings(dialect: Dialect) -> None:
    with refusal(MalformedRowError, "row 4 at byte 100 .* is not one row by these settings"):
        block_of([LETTER], dialect)


def test_a_letter_of_utf_16() -> None:
    dialect = Dialect(encoding="utf-16-le")
    letter = replace(LETTER, value="1,ö".encode("utf-16-le"))
    block = block_of([letter], dialect)
    assert block.data == "1,ö\n".encode()
    assert block.end == Position(108, 4)


FILE = b"id,name\n1,a\n2,b\r\n3,c\n\n4,d\n\n\n5,e\n"


def letters_at(*rows: bytes, uri: str = "s3://b/k.csv", codec: str = "ascii") -> list[Letter]:
    """The letters of these rows of FILE, which is encoded so."""
    places = [(FILE.index(b"\n" + row) + 1, row) for row in rows]
    wide = len(" ".encode(codec))
    return [
        Letter(10 + place, row.decode().encode(codec), uri, int(row[:1]), place * wide)
        for place, row in places
    ]


@pytest.mark.parametrize("codec", ["ascii", "utf-16-le"])
def test_rows_that_followed_each_other_are_one_block(codec: str) -> None:
    dialect = Dialect(encoding="utf-8" if codec == "ascii" else codec)
    found = letters_at(b"1,a", b"2,b", b"3,c", b"4,d", b"5,e", codec=codec)
    first, second = runs_of(found, dialect, 1000)
    assert [letter.line for letter in first] == [1, 2, 3, 4], "two line ends lie before 5 only"
    block = block_of(first, dialect)
    assert block.data == b"1,a\n2,b\r\n3,c\r\n4,d\n"
    assert (block.start, block.end.row_count) == (Position(found[0].byte_offset, 0), 4)
    assert [letter.line for letter in second] == [5]


def test_rows_of_two_files_or_with_one_between_are_not() -> None:
    one, two, _, four = letters_at(b"1,a", b"2,b", b"3,c", b"4,d")
    assert list(runs_of([one, four], Dialect(), 1000)) == [[one], [four]]
    other = replace(two, uri="s3://b/other.csv")
    assert list(runs_of([one, other], Dialect(), 1000)) == [[one], [other]]
    assert list(runs_of([one, two], Dialect(), 5)) == [[one], [two]], "longer than a block may be"


def test_runs_of_one_file_share_a_block() -> None:
    one, _, three, four, five = letters_at(b"1,a", b"2,b", b"3,c", b"4,d", b"5,e")
    ((*found,),) = together([[one], [three, four], [five]], 1000)
    assert found == [one, three, four, five]
    block = block_of(found, Dialect())
    assert block.data == b"1,a\n3,c\r\n4,d\n5,e\n"
    assert block.places == tuple((letter.line, letter.byte_offset) for letter in found)
    other = replace(three, uri="s3://b/other.csv")
    assert list(together([[one], [other]], 1000)) == [[one], [other]], "of two files"
    assert list(together([[one], [three]], 5)) == [[one], [three]], "longer than a block may be"


def test_rows_that_followed_each_other_are_a_block_alone_where_they_are_many() -> None:
    rows = [replace(LETTER, line=number) for number in range(ROWS_ALONE)]
    many, short = rows[:ROWS_ALONE], rows[: ROWS_ALONE - 1]
    assert list(together([short, many, short, short], 1 << 20)) == [short, many, short + short]


def test_so_many_letters_are_a_block_at_most() -> None:
    sizes = [*map(len, together([[LETTER]] * (2 * MOST_ROWS + 1), 1 << 20))]
    assert sizes == [MOST_ROWS, MOST_ROWS, 1]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_one_of_many_that_is_not_one_row_is_named(at: int) -> None:
    found = letters_at(b"1,a", b"3,c", b"5,e")
    found[at] = replace(found[at], value=b'5,"e')
    with refusal(MalformedRowError, f"row {found[at].line} at byte .* is not one row by these"):
        block_of(found, Dialect())


def test_a_failure_within_a_block_ends_at_the_letter_before() -> None:
    block = block_of(letters_at(b"1,a", b"2,b"), Dialect())
    wide = Block(b"1,a\n2,b,too wide\n3,c\n", Position(8, 0), Position(31, 3), plain=False)
    span = Span(Position(4, 7), (Position(5, 8), Position(9, 9), Position(11, 10)), 0)
    encoded = placed(encode_block(wide, PLAN), span)
    assert encoded.failure is not None
    assert encoded.end == Position(5, 8)
    assert placed(encode_block(block, PLAN), span).end == Position(9, 9)
