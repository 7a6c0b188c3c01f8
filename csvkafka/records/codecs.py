"""Kafka's compression codecs: pieces in, one whole buffer out, by C libraries without the GIL.

gzip is built in (ISA-L); the others need an extra of csvkafka. What is written can be read by every
Kafka client.
"""

from __future__ import annotations

import importlib
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from isal import igzip, isal_zlib

from csvkafka.errors import ConfigError

GZIP_LEVEL = 1
"""ISA-L's levels are 0 to 3. On JSON of CSV rows level 0 is a tenth faster and a fifth larger than
level 1; level 3 takes three times as long for the last 2 percent."""

ZSTD_LEVEL = 1

_GZIP_WINDOW_BITS = 31  # zlib's way to say: with gzip's header

_XERIAL_HEADER = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)
_XERIAL_BLOCK_BYTES = 64 * 1024
_INT32 = struct.Struct(">i")

_of_thread = threading.local()


@dataclass(frozen=True, slots=True)
class _Codec:
    attributes: int
    compress: Callable[[Iterable[bytes]], bytes]
    decompress: Callable[[bytes], bytes]


def codec_attributes(name: str) -> int:
    """The codec's bits in a batch header's attributes; also proves that its library is there.

    Raises ConfigError for an unknown name, and for a missing library, naming what to install."""
    codec = _codec(name)
    codec.compress(())
    return codec.attributes


def compress(name: str, pieces: Iterable[bytes]) -> bytes:
    """The pieces, as one, compressed by codec `name`: none, gzip, snappy, lz4 or zstd. gzip takes
    each as it comes, and holds no two of them.

    Raises ConfigError as `codec_attributes`, and what `pieces` raises."""
    return _codec(name).compress(pieces)


def decompress(attributes: int, data: bytes) -> bytes:
    """The records section of a batch with these attributes, decompressed.

    Raises ConfigError for a missing library, and what a library raises for damaged data."""
    number = attributes & 7
    for codec in _CODECS.values():
        if codec.attributes == number:
            return codec.decompress(data)
    raise ValueError(f"no compression codec has the number {number}")


def _codec(name: str) -> _Codec:
    try:
        return _CODECS[name]
    except KeyError:
        raise ConfigError(
            f"compression {name!r} is unknown; choose one of {', '.join(_CODECS)}"
        ) from None


def _library(module: str, extra: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"compression {extra} needs a library that is not installed: "
            f"pip install 'csvkafka[{extra}]', or choose gzip"
        ) from error


def _same(data: bytes) -> bytes:
    return data


def _join(pieces: Iterable[bytes]) -> bytes:
    return b"".join(pieces)


def _gzip_compress(pieces: Iterable[bytes]) -> bytes:
    compressor = isal_zlib.compressobj(GZIP_LEVEL, isal_zlib.DEFLATED, _GZIP_WINDOW_BITS)
    compressed = [compressor.compress(piece) for piece in pieces]
    compressed.append(compressor.flush())
    return b"".join(compressed)


def _gzip_decompress(data: bytes) -> bytes:
    plain: bytes = igzip.decompress(data)
    return plain


def _snappy_compress(pieces: Iterable[bytes]) -> bytes:
    """Snappy blocks in the framing of the Java library, which Kafka made its own."""
    data = b"".join(pieces)
    snappy = _library("snappy", "snappy")
    parts = [_XERIAL_HEADER]
    for start in range(0, len(data), _XERIAL_BLOCK_BYTES):
        block = snappy.compress(data[start : start + _XERIAL_BLOCK_BYTES])
        parts += (_INT32.pack(len(block)), block)
    return b"".join(parts)


def _snappy_decompress(data: bytes) -> bytes:
    snappy = _library("snappy", "snappy")
    if not data.startswith(_XERIAL_HEADER[:8]):
        whole: bytes = snappy.decompress(data)
        return whole
    parts = []
    start = len(_XERIAL_HEADER)
    while start < len(data):
        (size,) = _INT32.unpack_from(data, start)
        start += _INT32.size
        parts.append(snappy.decompress(data[start : start + size]))
        start += size
    return b"".join(parts)


def _lz4_compress(pieces: Iterable[bytes]) -> bytes:
    data = b"".join(pieces)
    # Kafka's Java client reads independent blocks only.
    compressed: bytes = _library("lz4.frame", "lz4").compress(data, block_linked=False)
    return compressed


def _lz4_decompress(data: bytes) -> bytes:
    plain: bytes = _library("lz4.frame", "lz4").decompress(data)
    return plain


def _zstd_compress(pieces: Iterable[bytes]) -> bytes:
    zstandard = _library("zstandard", "zstd")
    # A compressor must not be shared between threads, and is costly to make.
    compressor: Any = getattr(_of_thread, "compressor", None)
    if compressor is None:
        compressor = _of_thread.compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL)
    compressed: bytes = compressor.compress(b"".join(pieces))
    return compressed


def _zstd_decompress(data: bytes) -> bytes:
    # The Java client's frames do not say how large their content is; a stream does not ask.
    plain: bytes = _library("zstandard", "zstd").ZstdDecompressor().decompressobj().decompress(data)
    return plain


_CODECS = {
    "none": _Codec(0, _join, _same),
    "gzip": _Codec(1, _gzip_compress, _gzip_decompress),
    "snappy": _Codec(2, _snappy_compress, _snappy_decompress),
    "lz4": _Codec(3, _lz4_compress, _lz4_decompress),
    "zstd": _Codec(4, _zstd_compress, _zstd_decompress),
}
