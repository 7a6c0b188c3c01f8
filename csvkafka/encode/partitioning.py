"""Which lane a record key goes to: the two hashes that Kafka's clients use, computed here, so that
neither a client's version nor live metadata can send a key elsewhere."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import lru_cache
from itertools import accumulate
from struct import Struct

from csvkafka.model import EncodePlan, Routing

LaneOf = Callable[[bytes, int], int]
"""The lane of a key, given the number of lanes."""

ChooseLane = Callable[[int, bytes | None], int]
"""(number of a topic, record key) -> lane. Topic 0 is KAFKA_TOPIC, k that of the k-th route."""

_MASK = 0xFFFFFFFF
_MULTIPLIER = 0x5BD1E995
_SEED = 0x9747B28C


def crc32_lane(key: bytes, lane_count: int) -> int:
    """The lane of `key` as librdkafka's partitioner `consistent` chooses the partition."""
    return zlib.crc32(key) % lane_count


def murmur2_lane(key: bytes, lane_count: int) -> int:
    """The lane of `key` as the default partitioner of Kafka's Java client chooses the partition."""
    return (murmur2(key) & 0x7FFFFFFF) % lane_count


def key_hash(routing: Routing) -> LaneOf | None:
    """What chooses among the lanes of a topic; None: the first lane gets all."""
    return {
        Routing.ONE_PARTITION: None,
        Routing.KEY_CRC32: crc32_lane,
        Routing.KEY_MURMUR2: murmur2_lane,
    }[routing]


def lane_chooser(plan: EncodePlan) -> ChooseLane:
    """Which lane a data row's record belongs in: one of its topic's own, by how many these are."""
    hashed = key_hash(plan.routing)
    counts = (plan.lane_count, *plan.routed_lanes)
    firsts = tuple(accumulate(counts, initial=0))

    def lane_of(topic: int, key: bytes | None) -> int:
        if hashed is None or key is None:
            return firsts[topic]
        return firsts[topic] + hashed(key, counts[topic])

    return lane_of


@lru_cache(maxsize=64)
def _words(size: int) -> Struct:
    """Reads the whole 32-bit words of `size` bytes."""
    return Struct(f"<{size >> 2}I")


def murmur2(data: bytes) -> int:
    """The 32-bit MurmurHash2 of `data` with the seed of Kafka's Java client, unsigned."""
    size = len(data)
    digest = _SEED ^ size
    for word in _words(size).unpack_from(data):
        word = word * _MULTIPLIER & _MASK
        digest = (digest * _MULTIPLIER ^ (word ^ word >> 24) * _MULTIPLIER) & _MASK
    if size & 3:
        digest ^= int.from_bytes(data[size & ~3 :], "little")
        digest = digest * _MULTIPLIER & _MASK
    digest ^= digest >> 13
    digest = digest * _MULTIPLIER & _MASK
    return digest ^ (digest >> 15)
