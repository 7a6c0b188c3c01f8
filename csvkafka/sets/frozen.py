"""The frozen list of a set: its pieces in their order, compressed, with a digest that names it.

The list is written once, before the first row, and never changed. It is cut into chunks, each small
enough for an item of a DynamoDB table. The digest is that of the uncompressed text, so another
version of zlib gives the same list.

Memory: the compressed chunks, about 40 bytes for each piece, and one chunk uncompressed.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import orjson

from csvkafka.errors import ItemUnusableError
from csvkafka.interfaces import AttributeValue, Item
from csvkafka.model import Piece, PieceStart

CHUNK_BYTES = 200_000
"""How much text makes a chunk. In base64 it takes at most 300 KB, even if it cannot be compressed
at all; an item of DynamoDB may have 400 KB."""

MARK = "#files/"
"""Stands in the key of each chunk, after the job's id, and in no job's id."""

CHUNK_SCHEMA_VERSION = 3


@dataclass(frozen=True, slots=True)
class Chunk:
    """`count` pieces after `first` others; `stored_bytes` are those of all pieces before them."""

    first: PieceStart
    count: int
    data: bytes

    def pieces(self) -> Iterator[Piece]:
        return _pieces(self.data)


@dataclass(frozen=True, slots=True)
class FrozenList:
    """The pieces of a set. `size` is that of all pieces, in stored bytes."""

    chunks: tuple[Chunk, ...]
    digest: str
    count: int
    size: int

    def pieces(self) -> Iterator[Piece]:
        """All pieces in their order."""
        for chunk in self.chunks:
            yield from chunk.pieces()

    def named(self, key: str) -> Piece | None:
        """The piece of that key; see `numbered`."""
        found = self.numbered(key)
        return None if found is None else found[1]

    def numbered(self, key: str) -> tuple[int, Piece] | None:
        """The piece of that key, and its number (0 is the first); the list is by rising key. Opens
        a few chunks, one at a time."""
        place = bisect_right(self.chunks, key, key=lambda chunk: next(chunk.pieces()).key)
        if not place:
            return None
        chunk = self.chunks[place - 1]
        numbered = enumerate(chunk.pieces(), chunk.first.number)
        return next((found for found in numbered if found[1].key == key), None)

    def starts(self, number: int) -> Iterator[tuple[PieceStart, Piece]]:
        """The pieces from `number` on (0 is the first), each with its place. How many rows are
        before a piece is not known here: the place says 0."""
        for chunk in self.chunks:
            if chunk.first.number + chunk.count <= number:
                continue
            at, stored_bytes = chunk.first.number, chunk.first.stored_bytes
            for piece in chunk.pieces():
                if at >= number:
                    yield PieceStart(at, 0, stored_bytes, piece.size), piece
                at += 1
                stored_bytes += piece.size


def freeze(pieces: Iterable[Piece], chunk_bytes: int = CHUNK_BYTES) -> FrozenList:
    """The list of these pieces, in chunks of at most so many bytes of text. (A piece that takes
    more is a chunk of its own. The digest is the same, however large chunks are.)"""
    digest = hashlib.sha256()
    chunks: list[Chunk] = []
    lines: list[bytes] = []
    text_bytes = number = size = 0
    first = PieceStart()

    def close() -> None:
        nonlocal text_bytes, first
        text = b"".join(lines)
        digest.update(text)
        chunks.append(Chunk(first, len(lines), zlib.compress(text)))
        lines.clear()
        text_bytes, first = 0, PieceStart(number, 0, size)

    for piece in pieces:
        line = _line(piece)
        if lines and text_bytes + len(line) > chunk_bytes:
            close()
        lines.append(line)
        text_bytes += len(line)
        number += 1
        size += piece.size
    if lines:
        close()
    return FrozenList(tuple(chunks), digest.hexdigest(), number, size)


def _pieces(data: bytes) -> Iterator[Piece]:
    for line in zlib.decompress(data).splitlines():
        yield Piece(*orjson.loads(line))


def _line(piece: Piece) -> bytes:
    fields: list[str | int] = [piece.key, piece.etag, piece.size]
    if piece.version_id is not None:
        fields.append(piece.version_id)
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


def chunk_key(job_id: str, digest: str, number: int) -> str:
    """The key of a chunk's item: it names what the chunk holds, so no other list can stand there,
    and no job's item."""
    return f"{job_id}{MARK}{digest[:32]}/{number}"


def chunk_item(frozen: FrozenList, number: int) -> Item:
    """The item of a chunk. Its `fencing_token` tells `CheckpointManager` that it is not for it."""
    chunk = frozen.chunks[number]
    return {
        "schema_version": CHUNK_SCHEMA_VERSION,
        "fencing_token": 0,
        "digest": frozen.digest,
        "chunk": number,
        "chunks": len(frozen.chunks),
        "files": chunk.count,
        "list": base64.b64encode(chunk.data).decode("ascii"),
    }


def chunk_data(item: Mapping[str, AttributeValue]) -> bytes:
    """The compressed text of a chunk's item. Raises ItemUnusableError."""
    try:
        return base64.b64decode(str(item["list"]), validate=True)
    except (KeyError, ValueError) as error:
        raise _damaged(str(item.get("job_id"))) from error


def chunks_in_all(item: Mapping[str, AttributeValue]) -> int:
    """How many chunks the list has of which `item` holds one. Raises ItemUnusableError."""
    count = item.get("chunks")
    if not isinstance(count, int):
        raise _damaged(str(item.get("job_id")))
    return count


def thawed(datas: Iterable[bytes], digest: str, job_id: str) -> FrozenList:
    """The list whose chunks hold these compressed texts. Raises ItemUnusableError unless it is the
    one of that digest."""
    try:
        frozen = freeze(
            Piece(*orjson.loads(line))
            for data in datas
            for line in zlib.decompress(data).splitlines()
        )
    except (zlib.error, ValueError, TypeError) as error:
        raise _damaged(job_id) from error
    if frozen.digest != digest:
        raise _damaged(job_id)
    return frozen


def _damaged(job_id: str) -> ItemUnusableError:
    return ItemUnusableError(
        f"the list of files of job {job_id} in the checkpoint store is damaged: restore its items "
        f"({MARK} is in their keys) from a backup, or load under another JOB_ID into a clean topic"
    )
