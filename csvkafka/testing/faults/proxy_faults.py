"""What can happen to the bytes that pass a proxy: each fault is one small object.

A fault of one's own is a class with the two methods of `Fault`. A chunk is what one read of a
socket gave, at most 64 KiB; a client's small request is one chunk.
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
    """What a fault sees of its own injection."""

    times: int

    def wait_until_lifted(self, timeout_seconds: float | None = None) -> None:
        """Blocks while the fault is in force, at most for that time."""


class Fault(Protocol):
    """What happens to connections and chunks while the fault is in force."""

    def connected(self) -> int:
        """A client connects; returns 1 if the fault does something about it.

        Raises ResetConnection to refuse it."""

    def carry(
        self,
        chunk: bytes,
        direction: Direction,
        carried: Mapping[Direction, int],
        injected: Injected,
    ) -> bytes:
        """What becomes of a chunk; `carried` are the connection's bytes so far. May block.

        Counts `injected.times` up if the chunk is met. Raises ResetConnection."""


class _OnChunks:
    """A fault that lets connections be made."""

    def connected(self) -> int:
        """Nothing happens."""
        return 0


@dataclass(frozen=True, slots=True)
class Cut:
    """The server cannot be reached: connections are refused, and those that stand get a RST at
    their next chunk (`Proxy.reset_connections`: now)."""

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
class Hold(_OnChunks):
    """Chunks in one direction, of at least `min_bytes`, wait until the fault is lifted; so does
    all that comes behind them. They arrive even if their sender is dead by then."""

    direction: Direction
    min_bytes: int = 1

    def carry(
        self,
        chunk: bytes,
        direction: Direction,
        carried: Mapping[Direction, int],  # noqa: ARG002
        injected: Injected,
    ) -> bytes:
        """Waits."""
        if direction is self.direction and len(chunk) >= self.min_bytes:
            injected.times += 1
            injected.wait_until_lifted()
        return chunk


@dataclass(frozen=True, slots=True)
class Drop(_OnChunks):
    """The next `count` chunks in one direction, of at least `min_bytes`, vanish; the connection
    then gets a RST, as no protocol goes on behind a gap."""

    direction: Direction
    count: int = 1
    min_bytes: int = 1

    def carry(
        self,
        chunk: bytes,
        direction: Direction,
        carried: Mapping[Direction, int],  # noqa: ARG002
        injected: Injected,
    ) -> bytes:
        """Drops."""
        if (
            direction is self.direction
            and len(chunk) >= self.min_bytes
            and injected.times < self.count
        ):
            injected.times += 1
            raise ResetConnection
        return chunk


@dataclass(frozen=True, slots=True)
class Delay(_OnChunks):
    """Every chunk waits for `seconds`: latency, one way."""

    direction: Direction
    seconds: float

    def carry(
        self,
        chunk: bytes,
        direction: Direction,
        carried: Mapping[Direction, int],  # noqa: ARG002
        injected: Injected,
    ) -> bytes:
        """Waits a little."""
        if direction is self.direction:
            injected.times += 1
            injected.wait_until_lifted(self.seconds)
        return chunk


@dataclass(frozen=True, slots=True)
class Throttle(_OnChunks):
    """A slow line: so many bytes a second in one direction of each connection."""

    direction: Direction
    bytes_per_second: int

    def carry(
        self,
        chunk: bytes,
        direction: Direction,
        carried: Mapping[Direction, int],  # noqa: ARG002
        injected: Injected,
    ) -> bytes:
        """Waits as long as the line would be busy."""
        if direction is self.direction:
            injected.times += 1
            injected.wait_until_lifted(len(chunk) / self.bytes_per_second)
        return chunk


@dataclass(frozen=True, slots=True)
class FlipByte(_OnChunks):
    """Flips a bit in the middle of the next `count` chunks of at least `min_bytes`: in a large
    request or response that is its payload, not its frame."""

    direction: Direction
    count: int = 1
    min_bytes: int = 4096

    def carry(
        self,
        chunk: bytes,
        direction: Direction,
        carried: Mapping[Direction, int],  # noqa: ARG002
        injected: Injected,
    ) -> bytes:
        """Flips."""
        if (
            direction is not self.direction
            or len(chunk) < self.min_bytes
            or injected.times >= self.count
        ):
            return chunk
        injected.times += 1
        damaged = bytearray(chunk)
        damaged[len(chunk) // 2] ^= 1
        return bytes(damaged)


@dataclass(frozen=True, slots=True)
class ResetAfter(_OnChunks):
    """Each connection gets a RST once it has carried `byte_count` bytes in one direction; what
    was read up to there has arrived. `times` counts connections."""

    direction: Direction
    byte_count: int
    count: int = 1_000_000

    def carry(
        self,
        chunk: bytes,
        direction: Direction,
        carried: Mapping[Direction, int],
        injected: Injected,
    ) -> bytes:
        """Resets."""
        if (
            direction is self.direction
            and carried[direction] + len(chunk) > self.byte_count
            and injected.times < self.count
        ):
            injected.times += 1
            raise ResetConnection
        return chunk
