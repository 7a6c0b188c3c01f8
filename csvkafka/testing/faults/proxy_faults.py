"""What can happen to the bytes that pass a proxy: each fault is one small object.

To add a fault, write a class with the two methods of `Fault`. A chunk is what one read of a socket
returned, at most 64 KiB; a client's small request is one chunk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Direction(StrEnum):
    """Which way a chunk goes."""

    TO_SERVER = "to-server"
    TO_CLIENT = "to-client"


class ResetConnection(Exception):
    """Raised by a fault: both sides of the connection get a RST."""


class Injected(Protocol):
    """What a fault sees of its injection. `times` counts the chunks that it met."""

    times: int

    def wait_until_lifted(self, timeout_seconds: float | None = None) -> None:
        """Blocks while the fault is in force, at most for that time."""


class Fault(Protocol):
    """What happens to connections and chunks while the fault is in force."""

    def connected(self) -> int:
        """Called when a client connects. Returns 1 if the fault does something about it, else 0.

        Raises ResetConnection to refuse it."""

    def carry(
        self,
        chunk: bytes,
        direction: Direction,
        carried: Mapping[Direction, int],
        injected: Injected,
    ) -> bytes:
        """Returns what is carried in the place of `chunk`. `carried` counts the bytes that the
        connection has carried so far, in each direction. May block.

        Adds 1 to `injected.times` if it does something to the chunk. Raises ResetConnection."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The server cannot be reached: new connections are refused, and an open one gets a RST at its
    next chunk. (`Proxy.reset_connections` sends it at once.)"""

    def connected(self) -> int:
        """Refuses."""
        raise ResetConnection

    def carry(
        self,
        chunk: bytes,  # noqa: ARG002
        direction: Direction,  # noqa: ARG002
        carried: Mapping[Direction, int],  # noqa: ARG002
        injected: Injected,
    ) -> bytes:
        """Resets."""
        injected.times += 1
        raise ResetConnection


@dataclass(frozen=True, slots=True)
class _Passing:
    """What decides whether a fault meets a chunk: its size, how many bytes the connection has
    carried before it in the same direction, and how many chunks the fault has met."""

    chunk_bytes: int
    carried_bytes: int
    times: int


@dataclass(frozen=True, slots=True)
class _OneWay:
    """A fault of chunks in one direction, which does nothing when a client connects. A fault says
    which chunks it meets (by default all), and what then happens (by default a RST)."""

    direction: Direction

    def connected(self) -> int:
        """Nothing happens."""
        return 0

    def carry(
        self,
        chunk: bytes,
        direction: Direction,
        carried: Mapping[Direction, int],
        injected: Injected,
    ) -> bytes:
        """As `Fault.carry`."""
        passing = _Passing(len(chunk), carried[direction], injected.times)
        if direction is not self.direction or not self._meets(passing):
            return chunk
        injected.times += 1
        return self._met(chunk, injected)

    def _meets(self, passing: _Passing) -> bool:  # noqa: ARG002
        return True

    def _met(self, chunk: bytes, injected: Injected) -> bytes:  # noqa: ARG002
        raise ResetConnection


@dataclass(frozen=True, slots=True)
class Hold(_OneWay):
    """Chunks in one direction, of at least `min_bytes`, wait until the fault is lifted, and so does
    all that comes after them. They arrive even if their sender is dead by then."""

    min_bytes: int = 1

    def _meets(self, passing: _Passing) -> bool:
        return passing.chunk_bytes >= self.min_bytes

    def _met(self, chunk: bytes, injected: Injected) -> bytes:
        injected.wait_until_lifted()
        return chunk


@dataclass(frozen=True, slots=True)
class Drop(_OneWay):
    """The next `count` chunks in one direction, of at least `min_bytes`, vanish. Each time the
    connection gets a RST, because no protocol goes on after a gap."""

    count: int = 1
    min_bytes: int = 1

    def _meets(self, passing: _Passing) -> bool:
        return passing.chunk_bytes >= self.min_bytes and passing.times < self.count


@dataclass(frozen=True, slots=True)
class Delay(_OneWay):
    """Every chunk waits for `seconds`: latency, one way."""

    seconds: float

    def _met(self, chunk: bytes, injected: Injected) -> bytes:
        injected.wait_until_lifted(self.seconds)
        return chunk


@dataclass(frozen=True, slots=True)
class Throttle(_OneWay):
    """A slow line: `bytes_per_second` in one direction of each connection."""

    bytes_per_second: int

    def _met(self, chunk: bytes, injected: Injected) -> bytes:
        injected.wait_until_lifted(len(chunk) / self.bytes_per_second)
        return chunk


@dataclass(frozen=True, slots=True)
class FlipByte(_OneWay):
    """Flips one bit in the middle of each of the next `count` chunks of at least `min_bytes`: in a
    large request or response this hits the payload, not the frame."""

    count: int = 1
    min_bytes: int = 4096

    def _meets(self, passing: _Passing) -> bool:
        return passing.chunk_bytes >= self.min_bytes and passing.times < self.count

    def _met(self, chunk: bytes, injected: Injected) -> bytes:  # noqa: ARG002
        damaged = bytearray(chunk)
        damaged[len(chunk) // 2] ^= 1
        return bytes(damaged)


@dataclass(frozen=True, slots=True)
class ResetAfter(_OneWay):
    """A connection gets a RST at the chunk that would bring it above `byte_count` bytes in one
    direction; the chunks before have arrived. At most `count` connections get one; `times` counts
    them."""

    byte_count: int
    count: int = 1_000_000

    def _meets(self, passing: _Passing) -> bool:
        reached = passing.carried_bytes + passing.chunk_bytes
        return reached > self.byte_count and passing.times < self.count
