"""Fetches the next small pieces of a set while the one before them is read.

A small object costs little more time than the way to S3 and back, and many requests can be on that
way at once. Larger objects are read when their turn comes.

Memory: `REQUESTS` times `PIECE_BYTES`, and a chunk more of each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace

from csvkafka.pipeline.daemon_threads import DaemonThreads
from csvkafka.rows.pieces import OpenPiece
from csvkafka.rows.window import raising

REQUESTS = 16
"""How many pieces are fetched ahead."""

PIECE_BYTES = 512 * 1024
"""A piece is small if it has at most this many stored bytes. At most this many bytes of its content
are fetched ahead; if it is compressed it may have more, which are read when its turn comes."""


@dataclass(frozen=True, slots=True)
class _Fetched:
    """The first chunks of a piece, and what gives the others."""

    chunks: list[bytes]
    rest: Iterator[bytes]


def fetched_ahead(
    pieces: Iterable[OpenPiece], requests: int = REQUESTS, piece_bytes: int = PIECE_BYTES
) -> Generator[OpenPiece, None, None]:
    """The same pieces; the bytes of small ones are there, or on their way, when they are given."""
    threads = DaemonThreads(requests, "csvkafka-fetch")
    ahead: deque[OpenPiece] = deque()

    def fetch(piece: OpenPiece) -> OpenPiece:
        if piece.start.size > piece_bytes:
            return piece
        future = threads.submit(_fetch, piece, piece_bytes)
        return replace(piece, open=_opener(piece.open, future))

    try:
        for piece in pieces:
            ahead.append(fetch(piece))
            if len(ahead) > requests:
                yield ahead.popleft()
        while ahead:
            yield ahead.popleft()
    except GeneratorExit:
        threads.shutdown(cancel_futures=True)
        raise
    finally:
        threads.shutdown()


def _opener(
    open_piece: Callable[[int], Iterable[bytes]], future: Future[_Fetched]
) -> Callable[[int], Iterable[bytes]]:
    waiting = [future]

    def open_fetched(byte_offset: int) -> Iterable[bytes]:
        if byte_offset == 0 and waiting:
            return _chunks(waiting.pop())
        return open_piece(byte_offset)

    return open_fetched


def _chunks(future: Future[_Fetched]) -> Iterator[bytes]:
    fetched = future.result()
    while fetched.chunks:
        yield fetched.chunks.pop(0)
    yield from fetched.rest


def _fetch(piece: OpenPiece, piece_bytes: int) -> _Fetched:
    """Runs in a thread of its own. What fails is raised where the piece is read."""
    chunks: list[bytes] = []
    size = 0
    coming = iter(piece.open(0))
    try:
        for chunk in coming:
            chunks.append(chunk)
            size += len(chunk)
            if size >= piece_bytes:
                break
    except Exception as error:  # noqa: BLE001 - it is raised again in the piece's turn
        return _Fetched(chunks, raising(error))
    return _Fetched(chunks, coming)
