"""Bytes out of a gzip file, to the last one before it is damaged.

The deflate data is read without its frame (RFC 1952 is short). Memory: two pieces, in and out.

A restart point is where a member begins, or a block inside of one. It is looked for only now and
then, so this hardly slows the reading.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any

from isal import isal_zlib

from csvkafka.model import RestartPoint
from csvkafka.rows.deflate_blocks import (
    STUDY_BYTES,
    WINDOW_BYTES,
    content_before,
    likely_block,
    primed,
)
from csvkafka.rows.packed_stream import IN_BYTES, OUT_BYTES, PackedStream

MAGIC = b"\x1f\x8b"
_DEFLATE = 8
_HEADER_BYTES = 10
_TRAILER = struct.Struct("<II")
_HEADER_CHECKSUM, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16
_RAW = -15  # zlib's way to say: deflate without a frame

_LEAST_SEARCHED_BYTES = 2 * STUDY_BYTES


class _Member:
    """The member that is being read: its decoder, and what its trailer will be compared with.
    `tail` is the end of its content so far, as far back as a block may refer; `gave_all`: the
    decoder holds no more content back than what it lacks bits for."""

    __slots__ = ("checksum", "deflate", "gave_all", "size", "tail")

    def __init__(self, checksum: int = 0, size: int = 0, tail: bytes = b"") -> None:
        window = {"zdict": tail} if tail else {}
        self.deflate: Any = isal_zlib.decompressobj(_RAW, **window)
        self.checksum = checksum
        self.size = size
        self.tail = tail
        self.gave_all = True

    def decoded(self, content: bytes) -> None:
        """Takes what the decoder gave out."""
        self.checksum = isal_zlib.crc32(content, self.checksum)
        self.size += len(content)
        self.gave_all = len(content) < OUT_BYTES
        is_window = len(content) >= WINDOW_BYTES
        self.tail = (content if is_window else self.tail + content)[-WINDOW_BYTES:]


class GzipStream(PackedStream):
    """See `PackedStream`: all members of the file."""

    FORMAT = "gzip"

    _search_due_at = 0
    """Before so much content no block is looked for, whether or not a point is due."""

    def read(self) -> Iterator[bytes]:
        """See `PackedStream.read`."""
        first = True
        if self._start is not None and self._start.member_bytes:
            yield from self._rest_of_member(self._start)
            first = False
        while self._fill(1):
            if not first and not self._next_member():
                return
            first = False
            self._part_begins()
            self._skip_header()
            yield from self._member(_Member())

    def left_before_fault(self, chunks: Iterable[bytes]) -> bytes:
        """See `PackedStream.left_before_fault`."""
        from csvkafka.rows.deflate_rest import content_left

        return content_left(chunks, self.content_bytes)

    def _next_member(self) -> bool:
        """Leaves out the zeros that may stand after a member; False if nothing else does."""
        while self._fill(1):
            self._take(len(self._ahead) - len(self._ahead.lstrip(b"\0")))
            if self._ahead:
                break
        return bool(self._ahead)

    def _rest_of_member(self, start: RestartPoint) -> Iterator[bytes]:
        member = _Member(start.checksum, start.member_bytes, start.window)
        if self._fill(1):
            first = primed(start.stored_bits % 8, bytes(self._ahead[:1]))
            self._ahead[:1] = first
            self.stored_bytes -= len(first) - 1
        yield from self._member(member)

    def _member(self, member: _Member) -> Iterator[bytes]:
        while not member.deflate.eof:
            self._need(1, "the middle of its data")
            if self._search_is_due and member.size and len(self._ahead) >= _LEAST_SEARCHED_BYTES:
                yield from self._find_point(member)
            else:
                yield from self._decode(member, self._ahead[:IN_BYTES])
        self._check_trailer(member.checksum, member.size)

    def _decode(self, member: _Member, stored: bytes | bytearray) -> Iterator[bytes]:
        """What the next bytes, `stored`, hold of the member's content."""
        piece = bytes(stored)
        while piece and not member.deflate.eof:
            try:
                content = member.deflate.decompress(piece, OUT_BYTES)
            except isal_zlib.IsalError as error:  # type: ignore[misc]
                where = f"within the next {len(piece)} bytes its data is damaged: {error}"
                raise self._damaged(where) from error
            deflate = member.deflate
            left = deflate.unused_data if deflate.eof else deflate.unconsumed_tail
            self._take(len(piece) - len(left))
            piece = left
            if content:
                member.decoded(content)
                self.content_bytes += len(content)
                yield content

    def _find_point(self, member: _Member) -> Iterator[bytes]:
        """Decodes on over a place that looks like the beginning of a block, and finds out whether
        it is one."""
        self._search_due_at = self._one_spacing_after(self.content_bytes)
        stored = bytes(self._ahead)
        bit = likely_block(stored)
        if bit is None:
            return
        place = 8 * self.stored_bytes + bit
        behind = -(-bit // 8)
        for begin in range(0, behind, IN_BYTES):
            yield from self._decode(member, stored[begin : min(begin + IN_BYTES, behind)])
        if member.deflate.eof or not member.gave_all:
            return
        content_bytes, checksum, size, tail = (
            self.content_bytes,
            member.checksum,
            member.size,
            member.tail,
        )
        content = b""
        for chunk in self._decode(member, stored[behind : behind + STUDY_BYTES]):
            content += chunk
            yield chunk
        late = content_before(bit % 8, stored[bit // 8 :][:STUDY_BYTES], tail, content)
        if late is None:
            return
        missing = content[:late]
        self._found(
            RestartPoint(
                place,
                content_bytes + late,
                (tail + missing)[-WINDOW_BYTES:],
                isal_zlib.crc32(missing, checksum),
                size + late,
            )
        )

    @property
    def _search_is_due(self) -> bool:
        return self._point_is_due and self.content_bytes >= self._search_due_at

    def _check_trailer(self, checksum: int, size: int) -> None:
        self._need(_TRAILER.size, "the checksum after its data")
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
            self._need(size + 2, "its header")
            size += 2 + int.from_bytes(self._ahead[size : size + 2], "little")
        for flag in (_NAME, _COMMENT):
            if flags & flag:
                while (end := self._ahead.find(b"\0", size)) < 0:
                    self._need(len(self._ahead) + 1, "its header")
                size = end + 1
        if flags & _HEADER_CHECKSUM:
            size += 2
        self._need(size, "its header")
        self._take(size)
