"""The frozen list: chunks that fit an item, a digest that names it, and no other list for it."""

from __future__ import annotations

import base64
import random
import tracemalloc
from dataclasses import replace

import pytest

from csvkafka.errors import ItemUnusableError
from csvkafka.model import Piece, PieceStart
from csvkafka.sets.frozen import (
    CHUNK_BYTES,
    FrozenList,
    chunk_data,
    chunk_item,
    chunk_key,
    chunks_in_all,
    freeze,
    thawed,
)

PIECES = [Piece(f"k/{n:06}.csv.gz", f'"{n:032x}"', n) for n in range(10_000)]
ITEM_BYTES = 300 * 1024


def datas(frozen: FrozenList) -> list[bytes]:
    return [chunk_data(chunk_item(frozen, number)) for number in range(len(frozen.chunks))]


def test_a_list_comes_back_from_its_chunks() -> None:
    frozen = freeze(PIECES)
    assert len(frozen.chunks) > 3
    assert (frozen.count, frozen.size) == (10_000, sum(range(10_000)))
    back = thawed(datas(frozen), frozen.digest, "job")
    assert list(back.pieces()) == PIECES
    assert back == frozen


def test_a_version_stands_in_the_list() -> None:
    pieces = [Piece("a", '"e"', 1, "v1"), Piece("b\n\u2028\x85", '"e"', 2)]
    assert list(freeze(pieces).pieces()) == pieces


def test_the_pieces_from_one_on_know_what_is_before_them() -> None:
    frozen = freeze(PIECES)
    for number in (0, 1, frozen.chunks[1].first.number, 9_999):
        starts = list(frozen.starts(number))
        assert [piece for _, piece in starts] == PIECES[number:]
        assert starts[0][0] == PieceStart(number, 0, sum(range(number)), number)
    assert list(frozen.starts(10_000)) == []


def test_a_piece_is_found_by_its_key_in_any_chunk() -> None:
    frozen = freeze(PIECES)
    borders = [chunk.first.number + by for chunk in frozen.chunks for by in (0, 1, chunk.count - 1)]
    for number in borders:
        assert frozen.named(PIECES[number].key) == PIECES[number]
    for key in ("a", "k/000000.csv.gy", "k/005000.csv.gz2", "z"):
        assert frozen.named(key) is None
    assert freeze([]).named("a") is None


def test_a_piece_is_found_without_the_whole_list_in_memory() -> None:
    frozen = freeze(PIECES)
    tracemalloc.start()
    try:
        assert frozen.named(PIECES[-1].key) == PIECES[-1]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * CHUNK_BYTES, "all 10,000 pieces take 2.8 MB"


def test_each_chunk_fits_an_item_even_if_nothing_of_it_can_be_compressed() -> None:
    chance = random.Random(7)
    keys = sorted(
        "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(340)) for _ in range(900)
    )
    frozen = freeze(Piece(key, f'"{chance.getrandbits(128):032x}"', 5) for key in keys)
    sizes = [len(str(chunk_item(frozen, n)["list"])) for n in range(len(frozen.chunks))]
    assert max(sizes) < ITEM_BYTES


def test_another_order_etag_or_size_is_another_list() -> None:
    digests = {
        freeze(pieces).digest
        for pieces in (
            PIECES[:3],
            PIECES[:2],
            PIECES[2::-1],
            [*PIECES[:2], replace(PIECES[2], size=7)],
            [*PIECES[:2], replace(PIECES[2], etag='"x"')],
            [*PIECES[:2], replace(PIECES[2], version_id="v")],
        )
    }
    assert len(digests) == 6


def test_a_chunk_stands_where_no_other_list_and_no_job_can() -> None:
    one, other = freeze(PIECES[:1]), freeze(PIECES[:2])
    assert chunk_key("j", one.digest, 0) != chunk_key("j", other.digest, 0)
    assert "#files/" in chunk_key("j", one.digest, 0)
    assert chunks_in_all(chunk_item(one, 0)) == 1


def test_a_list_that_is_damaged_or_not_whole_is_refused() -> None:
    frozen = freeze(PIECES)
    whole = datas(frozen)
    for damaged in (whole[:-1], [whole[1], whole[0], *whole[2:]], [b"no zlib", *whole[1:]]):
        with pytest.raises(ItemUnusableError, match="list of files of job j "):
            thawed(damaged, frozen.digest, "j")
    item = chunk_item(frozen, 0)
    for wrong in ({}, item | {"list": "no base64!"}):
        with pytest.raises(ItemUnusableError):
            chunk_data(wrong)
    with pytest.raises(ItemUnusableError):
        chunks_in_all({})
    assert base64.b64decode(str(item["list"])) == whole[0]
