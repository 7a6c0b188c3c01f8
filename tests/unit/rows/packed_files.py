"""The compressed formats that are read, as tests make them."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable
from dataclasses import dataclass

import zstandard

from csvkafka.rows.bzip2_stream import Bzip2Stream
from csvkafka.rows.gzip_stream import GzipStream
from csvkafka.rows.packed_stream import PackedStream
from csvkafka.rows.zstd_stream import ZstdStream


@dataclass(frozen=True)
class Format:
    """`pack` makes one part of a file (a member, a frame, a stream) of a text."""

    stream: type[PackedStream]
    end: str
    pack: Callable[[bytes], bytes]
    has_checksum: bool = True

    def __str__(self) -> str:
        return self.stream.FORMAT

    def parts(self, text: bytes, size: int) -> list[bytes]:
        """The text as several parts of so much content."""
        return [self.pack(text[begin : begin + size]) for begin in range(0, len(text), size)]


def zstd(text: bytes) -> bytes:
    """As the zstd command does it: with a checksum."""
    return zstandard.ZstdCompressor(write_checksum=True).compress(text)


FORMATS = (
    Format(GzipStream, ".gz", lambda text: gzip.compress(text, 6, mtime=0)),
    Format(ZstdStream, ".zst", zstd),
    Format(Bzip2Stream, ".bz2", bz2.compress),
)
