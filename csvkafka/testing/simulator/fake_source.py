"""A CSV object in memory, and a block feed over it that needs no thread.

Points and their actions:

    identify      unavailable   S3 fails for longer than it is tried
    source-read   unavailable   the same, before a chunk
                  changed       the object was overwritten
    block-ready   slow          the next block takes a while
                  stall         it takes longer than a broker of a schedule remembers a producer id
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

from csvkafka.encode.encoder import lane_total
from csvkafka.encode.in_sequence import skip_after
from csvkafka.encode.joined import encode_joined
from csvkafka.errors import SourceChangedError, SourceReadError
from csvkafka.model import EncodedBlock, EncodePlan, Position, SourceIdentity
from csvkafka.rows.blocks import MAX_ROW_BYTES
from csvkafka.rows.joining import joined
from csvkafka.rows.pieces import Cut, PlacedBlock
from csvkafka.testing.simulator.points import Meet, nothing
from csvkafka.testing.simulator.virtual_clock import VirtualTime

_WAITS = {"slow": 3.0, "stall": 120.0}
"""Seconds."""


@dataclass(slots=True)
class FakeSource:
    """`interfaces.Source` over `data`, in chunks of `chunk_bytes`; put other bytes into `data` and
    the next read finds that it has changed."""

    data: bytes
    meet: Meet = nothing
    chunk_bytes: int = 1 << 16
    bucket: str = "bucket"
    key: str = "rows.csv"
    _pinned: bytes | None = field(default=None, init=False)

    def identify(self) -> SourceIdentity:
        if self.meet("identify") == "unavailable":
            raise SourceReadError("S3 does not answer")
        self._pinned = self.data
        return SourceIdentity(self.bucket, self.key, etag_of(self.data), len(self.data))

    def read(self, byte_offset: int) -> Generator[bytes, None, None]:
        for start in range(byte_offset, len(self._pinned or self.data), self.chunk_bytes):
            action = self.meet("source-read")
            if action == "unavailable":
                raise SourceReadError("S3 does not answer")
            if action == "changed" or self.data is not (self._pinned or self.data):
                raise SourceChangedError("the object was overwritten")
            yield self.data[start : start + self.chunk_bytes]


def etag_of(data: bytes) -> str:
    """As S3 gives it for an object that was put at once."""
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


class SynchronousFeed:
    """`interfaces.BlockFeed` that reads and encodes when a block is taken."""

    def __init__(
        self,
        cut: Cut,
        start: Position,
        plan: EncodePlan,
        skip: Sequence[int],
        wake: Callable[[], None],
        *,
        time: VirtualTime,
        meet: Meet = nothing,
    ) -> None:
        self._blocks = cut(start, plan, MAX_ROW_BYTES)
        self._joined = joined(self._blocks)
        self._skip = (*skip, *[0] * (lane_total(plan) - len(skip)))
        self._wake = wake
        self._time = time
        self._meet = meet
        self._ready_at: float | None = None
        self._next: tuple[PlacedBlock, ...] | None = None
        self._ended = False

    def take(self) -> EncodedBlock | None:
        if self._ready_at is None:
            self._ready_at = self._time.now
            seconds = _WAITS.get(self._meet("block-ready"), 0.0)
            if seconds:
                self._ready_at += seconds
                self._time.after(seconds, self._wake)
        if self._time.now < self._ready_at:
            return None
        self._look()
        if self._next is None:
            return None
        together, self._next, self._ready_at = self._next, None, None
        encoded = encode_joined(together, self._skip)
        self._skip = skip_after(self._skip, encoded)
        return encoded

    @property
    def exhausted(self) -> bool:
        """All blocks were taken and the source has ended."""
        return self._ended and self._next is None

    def close(self) -> None:
        self._blocks.close()

    def _look(self) -> None:
        if self._next is None and not self._ended:
            self._next = next(self._joined, None)
            self._ended = self._next is None
