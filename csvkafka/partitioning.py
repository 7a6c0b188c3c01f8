"""Which lane a record key goes to: the two hashes that Kafka's clients use, computed here, so that
neither a client's version nor live metadata can send a key elsewhere."""

from __future__ import annotations

import zlib
from functools import lru_cache

_MASK = 0xFFFFFFFF
_MULTIPLIER = 0x5BD1E995
_SEED = 0x9747B28C

KEYS_REMEMBERED = 65_536
"""How many keys' murmur2 lanes are remembered: about 10 MB for keys of 50 bytes."""


def crc32_lane(key: bytes, lane_count: int) -> int:
    """The lane of `key` as librdkafka's partitioner `consistent` chooses the partition."""
    return zlib.crc32(key) % lane_count


@lru_cache(maxsize=KEYS_REMEMBERED)
def murmur2_lane(key: bytes, lane_count: int) -> int:
    """The lane of `key` as the default partitioner of Kafka's Java client chooses the partition."""
    return (murmur2(key) & 0x7FFFFFFF) % lane_count


def murmur2(data: bytes) -> int:
    """The 32-bit MurmurHash2 of `data` with the seed of Kafka's Java client, unsigned."""
    size = len(data)
    whole = size & ~3
    digest = _SEED ^ size
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * _MULTIPLIER & _MASK
        word = (word ^ (word >> 24)) * _MULTIPLIER & _MASK
        digest = (digest * _MULTIPLIER & _MASK) ^ word
    if whole < size:
        digest ^= int.from_bytes(data[whole:], "little")
        digest = digest * _MULTIPLIER & _MASK
    digest ^= digest >> 13
    digest = digest * _MULTIPLIER & _MASK
    return digest ^ (digest >> 15)
