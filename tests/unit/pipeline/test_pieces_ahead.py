"""Small pieces are fetched ahead, some at once; what is read is the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import pytest

from csvkafka.aws import clients
from csvkafka.errors import SourceReadError
from csvkafka.model import PieceStart
from csvkafka.pipeline import pieces_ahead
from csvkafka.pipeline.pieces_ahead import fetched_ahead
from csvkafka.rows.pieces import OpenPiece

WAIT_SECONDS = 60


class Store:
    """Pieces whose content is their number, some bytes in each chunk; counts what is under way."""

    def __init__(self, sizes: Iterable[int], at_once: int = 1) -> None:
        self.sizes = list(sizes)
        self.opened: list[tuple[int, int]] = []
        self._barrier = threading.Barrier(at_once)

    def pieces(self) -> Iterator[OpenPiece]:
        for number, size in enumerate(self.sizes):
            yield OpenPiece(
                PieceStart(number, 0, 0, size), f"s3://b/{number}", self._opener(number)
            )

    def _opener(self, number: int) -> Callable[[int], Iterator[bytes]]:
        def open_piece(byte_offset: int) -> Iterator[bytes]:
            self.opened.append((number, byte_offset))
            self._barrier.wait(WAIT_SECONDS)
            data = bytes([number]) * self.sizes[number]
            for at in range(byte_offset, len(data), 10):
                yield data[at : at + 10]

        return open_piece


def test_so_many_are_under_way_at_once() -> None:
    store = Store([5] * 8, at_once=4)
    pieces = fetched_ahead(store.pieces(), requests=4, piece_bytes=100)
    assert [b"".join(piece.open(0)) for piece in pieces] == [bytes([n]) * 5 for n in range(8)]


def test_no_more_pieces_are_asked_for_than_may_be_ahead() -> None:
    taken = 0

    def counted() -> Iterator[OpenPiece]:
        nonlocal taken
        for piece in Store([5] * 50).pieces():
            taken += 1
            yield piece

    pieces = fetched_ahead(counted(), requests=3, piece_bytes=100)
    next(pieces)
    assert taken == 4
    pieces.close()


@pytest.mark.parametrize(
    ("end", "compression", "count"),
    [
        (".csv.bz2", "auto", 2),
        (".CSV.GZ", "auto", 2),
        (".csv", "zstd", 2),
        (".csv", "auto", 10),
        (".csv.gz", "none", 10),
    ],
)
def test_a_compressed_piece_counts_as_a_large_one_as_its_decoder_takes_memory_too(
    end: str, compression: str, count: int
) -> None:
    taken = 0

    def counted() -> Iterator[OpenPiece]:
        nonlocal taken
        for piece in Store([1] * 50).pieces():
            taken += 1
            yield replace(piece, uri=f"{piece.uri}{end}")

    pieces = fetched_ahead(counted(), compression, requests=10, piece_bytes=250, bytes_ahead=500)
    next(pieces)
    assert taken == count + 1
    pieces.close()


@pytest.mark.parametrize(("size", "count"), [(1, 10), (50, 10), (99, 5), (100, 5), (500, 1)])
def test_fewer_of_the_larger_pieces_are_ahead(size: int, count: int) -> None:
    taken = 0

    def counted() -> Iterator[OpenPiece]:
        nonlocal taken
        for piece in Store([size] * 50).pieces():
            taken += 1
            yield piece

    pieces = fetched_ahead(counted(), requests=10, piece_bytes=500, bytes_ahead=500)
    next(pieces)
    assert taken == count + 1
    pieces.close()


def test_content_beyond_its_share_is_read_in_the_pieces_turn() -> None:
    given: list[int] = []

    def unpacked(_: int) -> Iterator[bytes]:
        for number in range(9):
            given.append(number)
            yield bytes([number]) * 10

    piece = OpenPiece(PieceStart(0, 0, 0, 9), "s3://b/0.gz", unpacked)
    (fetched,) = fetched_ahead([piece], requests=2, piece_bytes=30, bytes_ahead=60)
    chunks = iter(fetched.open(0))
    assert next(chunks) == b"\0" * 10
    assert given == [0, 1, 2]
    assert len(b"".join(chunks)) == 80


def test_what_can_be_asked_for_without_waiting_is_and_no_thread_opens_it() -> None:
    store = Store([5] * 6)
    asked: list[int] = []

    def pieces() -> Iterator[OpenPiece]:
        for piece in store.pieces():
            number = piece.start.number

            def ask(number: int = number) -> Callable[[], Iterable[bytes]] | None:
                asked.append(number)
                return None if number == 2 else lambda: iter([b"asked"])

            yield replace(piece, ask=ask)

    found = []
    for number, piece in enumerate(fetched_ahead(pieces(), requests=3, piece_bytes=100)):
        assert asked == list(range(min(number + 4, 6)))
        found.append(b"".join(piece.open(0)))
    assert found == [b"asked", b"asked", b"\2" * 5, *[b"asked"] * 3]
    assert store.opened == [(2, 0)]


def test_of_an_asked_piece_another_byte_or_a_second_reading_goes_to_the_store() -> None:
    store = Store([20])
    (piece,) = store.pieces()
    asking = replace(piece, ask=lambda: lambda: iter([b"asked"]))
    (fetched,) = fetched_ahead([asking], requests=1, piece_bytes=100)
    assert b"".join(fetched.open(12)) == b"\0" * 8
    assert b"".join(fetched.open(0)) == b"asked"
    assert b"".join(fetched.open(0)) == b"\0" * 20
    assert store.opened == [(0, 12), (0, 0)]


def test_large_pieces_are_not_asked_for() -> None:
    (piece,) = Store([500]).pieces()

    def ask() -> None:
        raise AssertionError("asked")

    (fetched,) = fetched_ahead([replace(piece, ask=ask)], requests=1, piece_bytes=100)
    assert b"".join(fetched.open(0)) == b"\0" * 500


def test_the_client_has_a_connection_for_each() -> None:
    assert clients.MAX_CONNECTIONS == pieces_ahead.REQUESTS + 1  # the one that is read


def test_large_pieces_are_read_in_their_turn() -> None:
    store = Store([5, 500, 5])
    pieces = fetched_ahead(store.pieces(), requests=3, piece_bytes=100)
    first, large, _ = pieces
    assert b"".join(first.open(0)) == b"\0" * 5
    assert (1, 0) not in store.opened
    assert b"".join(large.open(0)) == b"\1" * 500


def test_a_piece_that_is_larger_than_it_looked_is_read_to_its_end() -> None:
    store = Store([5])
    (piece,) = store.pieces()
    store.sizes[0] = 1_000
    (fetched,) = fetched_ahead([piece], requests=1, piece_bytes=30, bytes_ahead=30)
    assert b"".join(fetched.open(0)) == b"\0" * 1_000


def test_another_byte_or_a_second_reading_goes_to_the_store() -> None:
    store = Store([20])
    (piece,) = fetched_ahead(store.pieces(), requests=1, piece_bytes=100)
    assert b"".join(piece.open(12)) == b"\0" * 8
    assert b"".join(piece.open(0)) == b"\0" * 20
    assert b"".join(piece.open(0)) == b"\0" * 20
    assert sorted(store.opened) == [(0, 0), (0, 0), (0, 12)]


def test_what_fails_is_raised_in_its_turn_after_what_came_before() -> None:
    def failing(_: int) -> Iterator[bytes]:
        yield b"some"
        raise SourceReadError("gone")

    pieces = [*Store([5]).pieces(), OpenPiece(PieceStart(1, 0, 5, 9), "s3://b/1", failing)]
    first, second = fetched_ahead(pieces, requests=2, piece_bytes=100)
    assert b"".join(first.open(0)) == b"\0" * 5
    chunks = iter(second.open(0))
    assert next(chunks) == b"some"
    with pytest.raises(SourceReadError, match="gone"):
        next(chunks)
