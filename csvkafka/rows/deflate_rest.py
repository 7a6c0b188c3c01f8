"""What a damaged gzip file holds before its damage, to the last symbol.

ISA-L, which reads gzip here, gives out less: of a piece with damage in it nothing, and a symbol
only when it has the bits after it too. So how far it comes depends on the pieces that it was given.
Each worker must come equally far, though: where a file is skipped, the numbers of its rows end
there. So what ISA-L left is read again, from the file's start, with zlib, which gives out all.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from csvkafka.rows.packed_stream import IN_BYTES

_MOST_BYTES = 2 * 1032 * IN_BYTES
"""More than ISA-L can leave of a piece: deflate makes at most 1032 bytes of one."""

_STEPS = (65_536, 256, 1)
"""Bytes of content. After each but the last, there may be more of it before the damage."""

_GZIP = 31  # zlib's way to say: with the frame of gzip


def content_left(chunks: Iterable[bytes], given: int) -> bytes:
    """The content from byte `given` on of a gzip file whose stored bytes are these, up to where it
    is damaged or cut off. Empty if that is much further on: then the file is not what stopped the
    one who asks. Memory: twice `_MOST_BYTES` at most. Raises what `chunks` raises."""
    left = bytearray()
    size = 0
    for content in _all_before_damage(chunks):
        size += len(content)
        left += content[max(0, len(content) - max(0, size - given)) :]
        if len(left) > _MOST_BYTES:
            return b""
    return bytes(left)


def _all_before_damage(chunks: Iterable[bytes]) -> Iterator[bytes]:
    decoder: Any = zlib.decompressobj(_GZIP)
    for chunk in chunks:
        for begin in range(0, len(chunk), IN_BYTES):
            piece = chunk[begin : begin + IN_BYTES]
            while piece:
                if decoder.eof:
                    piece = piece.lstrip(b"\0")  # zeros may stand after a member
                    if not piece:
                        break
                    decoder = zlib.decompressobj(_GZIP)
                before = decoder.copy()
                try:
                    content = decoder.decompress(piece)
                except zlib.error:
                    yield from _to_the_last_symbol(before, piece)
                    return
                yield content
                piece = decoder.unused_data


def _to_the_last_symbol(decoder: Any, piece: bytes) -> Iterator[bytes]:
    """What the decoder makes of the piece, in which it will fail: in ever smaller steps."""
    left = piece
    for step in _STEPS:
        try:
            while True:
                before = decoder.copy()
                content = decoder.decompress(left, step)
                if not content and not decoder.unconsumed_tail:
                    return
                left = decoder.unconsumed_tail
                yield content
        except zlib.error:
            decoder = before
