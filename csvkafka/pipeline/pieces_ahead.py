"""Fetches the next small pieces of a set while the one before them is read.

A small object costs little more time than the way to S3 and back, and many requests can be on that
way at once. Those that can be asked for without waiting are: then the thread that reads them does
all the work, and none is handed over. The others are fetched by threads. Larger objects are read
when their turn comes.

Memory: `BYTES_AHEAD`, and a chunk more of each piece; of a compressed one its decoder too, so there
are at most 16 of those. What was asked for waits in the system's memory of its connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace

from csvkafka.pipeline.daemon_threads import DaemonThreads
from csvkafka.rows.pieces import OpenPiece
from csvkafka.rows.stored_as import is_read_as_compressed
from csvkafka.rows.window import raising

REQUESTS = 48
"""How many pieces are fetched ahead, at most; the client of S3 has a connection for each."""

PIECE_BYTES = 512 * 1024
"""A piece is small if it has at most this many stored bytes."""

BYTES_AHEAD = 16 * PIECE_BYTES
"""How much content is held of the pieces that are fetched ahead, so fewer of the larger ones. Of
each there is as much as it has stored bytes, or a fair share of this, and a compressed one counts
as `PIECE_BYTES`; what it has beyond that is read when its turn comes."""


@dataclass(frozen=True, slots=True)
class _Fetched:
    """The first chunks of a piece, and what gives the others."""

    chunks: list[bytes]
    rest: Iterator[bytes]


def fetched_ahead(
    pieces: Iterable[OpenPiece],
    compression: str = "auto",
    requests: int = REQUESTS,
    piece_bytes: int = PIECE_BYTES,
    bytes_ahead: int = BYTES_AHEAD,
) -> Generator[OpenPiece, None, None]:
    """The same pieces; the bytes of small ones are there, or on their way, when they are given.
    `compression` is what the user says of all of them."""
    threads = DaemonThreads(requests, "csvkafka-fetch")
    ahead: deque[tuple[OpenPiece, int]] = deque()
    held = 0

    try:
        for piece in pieces:
            size = piece.start.size
            is_compressed = is_read_as_compressed(piece.uri, compression)
            least = piece_bytes if is_compressed else bytes_ahead // requests
            share = 0 if size > piece_bytes else max(size, least)
            if share:
                asked = piece.ask() or _chunks_of(threads.submit(_fetch, piece, share))
                piece = replace(piece, open=_opener(piece.open, asked))
            ahead.append((piece, share))
            held += share
            while len(ahead) > requests or held > bytes_ahead:
                first, share = ahead.popleft()
                held -= share
                yield first
        for piece, _ in ahead:
            yield piece
    except GeneratorExit:
        threads.shutdown(cancel_futures=True)
        raise
    finally:
        threads.shutdown()


def _opener(
    open_piece: Callable[[int], Iterable[bytes]], asked: Callable[[], Iterable[bytes]]
) -> Callable[[int], Iterable[bytes]]:
    waiting = [asked]

    def open_fetched(byte_offset: int) -> Iterable[bytes]:
        if byte_offset == 0 and waiting:
            return waiting.pop()()
        return open_piece(byte_offset)

    return open_fetched


def _chunks_of(future: Future[_Fetched]) -> Callable[[], Iterator[bytes]]:
    def chunks() -> Iterator[bytes]:
        fetched = future.result()
        while fetched.chunks:
            yield fetched.chunks.pop(0)
        yield from fetched.rest

    return chunks


def _fetch(piece: OpenPiece, enough: int) -> _Fetched:
    """Runs in a thread of its own. What fails is raised where the piece is read."""
    chunks: list[bytes] = []
    size = 0
    coming = iter(piece.open(0))
    try:
        for chunk in coming:
            chunks.append(chunk)
            size += len(chunk)
            if size >= enough:
                break
    except Exception as error:  # noqa: BLE001 - it is raised again in the piece's turn
        return _Fetched(chunks, raising(error))
    return _Fetched(chunks, coming)
