"""Bytes out of a zstd file, to the last one before it is damaged.

A file is frames, one after the other; a frame is blocks that say how long they are (RFC 8878). So
each block is handed to the library alone: it makes no more than 128 KB of it, and it is known where
a frame ends and the next, which is a restart point, begins.

Memory: the frame's window, which its header tells (8 MB at most for the levels up to 19), and two
blocks. A window of more than `WINDOW_BYTES` is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from csvkafka.errors import ANOTHER_JOB, ConfigError, SourceCorruptError
from csvkafka.rows.packed_stream import PackedStream

WINDOW_BYTES = 128 * 1024 * 1024
"""What `zstd -d` takes without --long; a file that was made with more than --long=27 needs more."""

_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"
_LENGTH = struct.Struct("<I")
_BLOCK_HEADER_BYTES = 3
_MOST_OF_A_BLOCK = 128 * 1024
_ONE_BYTE_REPEATED, _RESERVED = 1, 3
_CHECKSUM_BYTES = 4
_DICTIONARY_BYTES = (0, 1, 2, 4)
_SIZE_BYTES = (0, 2, 4, 8)


class ZstdStream(PackedStream):
    """See `PackedStream`. `read` raises ConfigError too, without the library."""

    FORMAT = "zstd"

    def read(self) -> Iterator[bytes]:
        """See `PackedStream.read`."""
        try:
            import zstandard
        except ImportError as error:
            raise ConfigError(
                f"{self._source_uri} is a zstd file, and the library that reads it is not "
                "installed: pip install 'csvkafka[zstd]'"
            ) from error
        library = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES)
        while self._fill(1):
            self._need(len(_MAGIC), "its header, or other bytes stand after its data")
            if 0x50 <= self._ahead[0] <= 0x5F and self._ahead[1:4] == _SKIPPABLE:
                self._skip()
            elif self._ahead.startswith(_MAGIC):
                self._part_begins()
                yield from self._frame(library.decompressobj(), zstandard.ZstdError)
            else:
                raise self._damaged("no zstd frame begins here; other bytes stand after its data")

    def _skip(self) -> None:
        """A frame that holds no content."""
        head = len(_MAGIC) + _LENGTH.size
        self._need(head, "a skippable frame")
        (size,) = _LENGTH.unpack_from(self._ahead, len(_MAGIC))
        self._take(head)
        while size:
            self._need(1, "a skippable frame")
            step = min(size, len(self._ahead))
            self._take(step)
            size -= step

    def _frame(self, decoder: Any, error: type[Exception]) -> Iterator[bytes]:
        header_bytes, has_checksum = self._header()
        yield from self._decode(decoder, error, header_bytes)
        is_last = False
        while not is_last:
            self._need(_BLOCK_HEADER_BYTES, "the middle of its data")
            header = int.from_bytes(self._ahead[:_BLOCK_HEADER_BYTES], "little")
            is_last, kind, size = header & 1 == 1, header >> 1 & 3, header >> 3
            if kind == _RESERVED or size > _MOST_OF_A_BLOCK:
                raise self._damaged("no block of data begins here")
            stored = _BLOCK_HEADER_BYTES + (1 if kind == _ONE_BYTE_REPEATED else size)
            self._need(stored, "the middle of its data")
            yield from self._decode(decoder, error, stored)
        if has_checksum:
            self._need(_CHECKSUM_BYTES, "the checksum after its data")
            yield from self._decode(decoder, error, _CHECKSUM_BYTES)

    def _decode(self, decoder: Any, error: type[Exception], size: int) -> Iterator[bytes]:
        """What the next `size` bytes hold of the frame's content."""
        try:
            content: bytes = decoder.decompress(bytes(self._ahead[:size]))
        except error as failure:
            where = f"within the next {size} bytes its data is damaged: {failure}"
            raise self._damaged(where) from failure
        self._take(size)
        if content:
            self.content_bytes += len(content)
            yield content

    def _header(self) -> tuple[int, bool]:
        """Length of the frame's header, and whether a checksum comes after its content."""
        self._need(len(_MAGIC) + 1, "its header")
        descriptor = self._ahead[len(_MAGIC)]
        is_single = descriptor >> 5 & 1 == 1
        dictionary_bytes = _DICTIONARY_BYTES[descriptor & 3]
        size_bytes = _SIZE_BYTES[descriptor >> 6] or is_single
        size_at = len(_MAGIC) + 1 + (not is_single) + dictionary_bytes
        self._need(size_at + size_bytes, "its header")
        if any(self._ahead[size_at - dictionary_bytes : size_at]):
            raise self._unreadable("it was compressed with a dictionary", "without one")
        if is_single:
            content_bytes = int.from_bytes(self._ahead[size_at : size_at + size_bytes], "little")
            window_bytes = content_bytes + (256 if size_bytes == 2 else 0)
        else:
            exponent, eighths = divmod(self._ahead[len(_MAGIC) + 1], 8)
            window_bytes = (1 << 10 + exponent) * (8 + eighths) // 8
        if window_bytes > WINDOW_BYTES:
            raise self._unreadable(
                f"it needs a window of {window_bytes} bytes, and csvkafka takes up to "
                f"{WINDOW_BYTES}",
                "without --long, or with --long=27",
            )
        return size_at + size_bytes, descriptor >> 2 & 1 == 1

    def _unreadable(self, what: str, how: str) -> SourceCorruptError:
        return SourceCorruptError(
            f"{self._source_uri} cannot be read as zstd: {what}; compress it anew {how}, "
            f"{ANOTHER_JOB}"
        )
