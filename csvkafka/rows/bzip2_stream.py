"""Bytes out of a bzip2 file, to the last one before it is damaged.

A file may be several streams, one after the other, as parallel compressors write it (pbzip2); each
begins a restart point. Memory: some 4 MB for the library, and two pieces, in and out.
"""

from __future__ import annotations

import bz2
from collections.abc import Iterable, Iterator

from csvkafka.rows.packed_stream import IN_BYTES, OUT_BYTES, PackedStream

_MAGIC = b"BZh"


class Bzip2Stream(PackedStream):
    """See `PackedStream`."""

    FORMAT = "bzip2"

    def read(self) -> Iterator[bytes]:
        """See `PackedStream.read`."""
        while self._fill(1):
            self._need(len(_MAGIC), "its header, or other bytes stand after its data")
            if not self._ahead.startswith(_MAGIC):
                raise self._damaged("no bzip2 data begins here; other bytes stand after its data")
            self._part_begins()
            yield from self._stream(bz2.BZ2Decompressor())

    def left_before_fault(self, chunks: Iterable[bytes]) -> bytes:
        """See `PackedStream.left_before_fault`. The library gives nothing out when it fails, be it
        for a block that comes behind: so it gets single bytes, and is asked for such."""
        given, size, left = self.content_bytes, 0, bytearray()
        decoder = bz2.BZ2Decompressor()
        for chunk in chunks:
            for place in range(len(chunk)):
                if decoder.eof:
                    decoder = bz2.BZ2Decompressor()
                piece = chunk[place : place + 1]
                while piece or not (decoder.eof or decoder.needs_input):
                    most = max(1, min(OUT_BYTES, given - size))
                    try:
                        content = decoder.decompress(piece, most)
                    except OSError:
                        return bytes(left)
                    piece = b""
                    if size >= given:
                        left += content
                    size += len(content)
                if len(left) > OUT_BYTES:
                    return b""
        return bytes(left)

    def _stream(self, decoder: bz2.BZ2Decompressor) -> Iterator[bytes]:
        while not decoder.eof:
            piece = b""
            if decoder.needs_input:
                self._need(1, "the middle of its data")
                piece = bytes(self._ahead[:IN_BYTES])
            try:
                content = decoder.decompress(piece, OUT_BYTES)
            except OSError as error:
                where = f"within the next {IN_BYTES} bytes its data is damaged: {error}"
                raise self._damaged(where) from error
            self._take(len(piece))
            if content:
                self.content_bytes += len(content)
                yield content
        self._ahead[:0] = decoder.unused_data
        self.stored_bytes -= len(decoder.unused_data)
