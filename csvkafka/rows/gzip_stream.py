"""Bytes out of a gzip file, to the last one before it is damaged.

Python's readers raise for a damaged piece of a file, and do not give out what they had read of it.
Here the deflate data is read without its frame (RFC 1952 is short). So all that comes before a cut
or a wrong checksum is given out, and the error says where that is. Memory: two pieces, in and out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from isal import isal_zlib

from csvkafka.errors import ANOTHER_JOB, SourceCorruptError

MAGIC = b"\x1f\x8b"
_DEFLATE = 8
_HEADER_BYTES = 10
_TRAILER = struct.Struct("<II")
_HEADER_CHECKSUM, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16
_RAW = -15  # zlib's way to say: deflate without a frame

OUT_BYTES = 262_144
"""The most that one step makes of what it got."""

_IN_BYTES = 16_384
"""So finely a place in damaged deflate data is told; smaller pieces are slower to read."""


class GzipStream:
    """The content of the gzip file whose bytes `chunks` are, all members of it.

    `stored_bytes` and `content_bytes` say how far it has come."""

    def __init__(self, chunks: Iterable[bytes], source_uri: str) -> None:
        self._chunks = iter(chunks)
        self._source_uri = source_uri
        self._ahead = bytearray()
        self.stored_bytes = 0
        self.content_bytes = 0

    def read(self) -> Iterator[bytes]:
        """The content, in chunks of at most `OUT_BYTES`; none is empty.

        Raises SourceCorruptError where the file is cut off or damaged, after all before it."""
        first = True
        while self._fill(1):
            if not first and not self._next_member():
                return
            first = False
            self._skip_header()
            yield from self._member()

    def _next_member(self) -> bool:
        """Leaves out the zeros that may stand after a member; False if nothing else does."""
        while self._fill(1):
            self._take(len(self._ahead) - len(self._ahead.lstrip(b"\0")))
            if self._ahead:
                break
        return bool(self._ahead)

    def _member(self) -> Iterator[bytes]:
        deflate = isal_zlib.decompressobj(_RAW)
        checksum = size = 0
        while not deflate.eof:
            if not self._fill(1):
                raise self._damaged("it is cut off, in the middle of its data")
            piece = bytes(self._ahead[:_IN_BYTES])
            while piece and not deflate.eof:
                try:
                    content = deflate.decompress(piece, OUT_BYTES)
                except isal_zlib.IsalError as error:  # type: ignore[misc]
                    where = f"within the next {len(piece)} bytes its data is damaged: {error}"
                    raise self._damaged(where) from error
                left = deflate.unused_data if deflate.eof else deflate.unconsumed_tail
                self._take(len(piece) - len(left))
                piece = left
                if content:
                    checksum = isal_zlib.crc32(content, checksum)
                    size += len(content)
                    self.content_bytes += len(content)
                    yield content
        self._check_trailer(checksum, size)

    def _check_trailer(self, checksum: int, size: int) -> None:
        if not self._fill(_TRAILER.size):
            raise self._damaged("it is cut off, in the checksum after its data")
        stored_checksum, stored_size = _TRAILER.unpack(self._ahead[: _TRAILER.size])
        if (stored_checksum, stored_size) != (checksum, size & 0xFFFFFFFF):
            raise self._damaged(
                f"its checksum is {stored_checksum:08x} for {stored_size} bytes, that of the "
                f"content is {checksum:08x} for {size & 0xFFFFFFFF}: something before is wrong"
            )
        self._take(_TRAILER.size)

    def _skip_header(self) -> None:
        """RFC 1952, section 2.3."""
        if not self._fill(_HEADER_BYTES):
            raise self._damaged("it is cut off, or other bytes stand after its data")
        if self._ahead[:2] != MAGIC or self._ahead[2] != _DEFLATE:
            raise self._damaged("no gzip data begins here; other bytes stand after its data")
        flags = self._ahead[3]
        size = _HEADER_BYTES
        if flags & _EXTRA:
            self._need(size + 2)
            size += 2 + int.from_bytes(self._ahead[size : size + 2], "little")
        for flag in (_NAME, _COMMENT):
            if flags & flag:
                while (end := self._ahead.find(b"\0", size)) < 0:
                    self._need(len(self._ahead) + 1)
                size = end + 1
        if flags & _HEADER_CHECKSUM:
            size += 2
        self._need(size)
        self._take(size)

    def _need(self, size: int) -> None:
        if not self._fill(size):
            raise self._damaged("it is cut off, in its header")

    def _fill(self, size: int) -> bool:
        while len(self._ahead) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self._ahead += chunk
        return True

    def _take(self, size: int) -> None:
        del self._ahead[:size]
        self.stored_bytes += size

    def _damaged(self, what: str) -> SourceCorruptError:
        return SourceCorruptError(
            f"{self._source_uri} is not a sound gzip file, after byte {self.stored_bytes} as "
            f"stored, byte {self.content_bytes} of its content: {what}; store it again, "
            f"{ANOTHER_JOB}"
        )
