"""A file compressed as the end of its name says, as an object of a load is."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable


def packed(name: str, data: bytes, part_bytes: int | None = None) -> bytes:
    """The data, compressed if the name ends in .gz, .zst or .bz2; with `part_bytes` as several
    members, frames or streams, of so much content each."""
    pack = next((pack for end, pack in _PACK.items() if name.endswith(end)), None)
    if pack is None:
        return data
    size = part_bytes or max(1, len(data))
    return b"".join(pack(data[begin : begin + size]) for begin in range(0, len(data), size))


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def _zstd(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


_PACK: dict[str, Callable[[bytes], bytes]] = {".gz": _gzip, ".zst": _zstd, ".bz2": bz2.compress}
