"""What the readers of compressed files share: bytes as stored in, content out, and where it is.

Python's own readers raise for a damaged piece of a file, and do not give out what they had read of
it before. These give out all that comes before a cut or a wrong checksum, and the error says where
that is. While they read they find restart points: places where another reader can go on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import ClassVar

from csvkafka.errors import ANOTHER_JOB, SourceCorruptError
from csvkafka.interfaces import RestartPoints
from csvkafka.model import RestartPoint

OUT_BYTES = 262_144
"""The most that one step makes of what it got."""

IN_BYTES = 16_384
"""So finely a place in damaged data is told; smaller pieces are slower to read."""


class PackedStream(ABC):
    """The content of the file whose bytes `chunks` are. With `start`: its content from there on,
    and `chunks` are its bytes from the one on in which `start` is.

    `stored_bytes` and `content_bytes` say how far it has come; `is_damaged`, that it comes no
    further for what the file holds. `points` are told of restart points,
    where they can be had."""

    FORMAT: ClassVar[str]
    """As people call it, and as `SOURCE_COMPRESSION` does."""

    def __init__(
        self,
        chunks: Iterable[bytes],
        source_uri: str,
        *,
        start: RestartPoint | None = None,
        points: RestartPoints | None = None,
    ) -> None:
        self._chunks = iter(chunks)
        self._source_uri = source_uri
        self._ahead = bytearray()
        self._start = start
        self._points = points
        self.stored_bytes = 0 if start is None else start.stored_bits // 8
        self.content_bytes = 0 if start is None else start.content_bytes
        self.is_damaged = False
        self._point_due_at = self._one_spacing_after(self.content_bytes)

    @abstractmethod
    def read(self) -> Iterator[bytes]:
        """The content, in chunks of at most `OUT_BYTES`; none is empty.

        Raises SourceCorruptError where the file is cut off or damaged, after all before it."""

    def left_before_fault(self, chunks: Iterable[bytes]) -> bytes:  # noqa: ARG002
        """Once it is damaged: what else the file, whose bytes from its start `chunks` are, holds
        before that. With it the content follows from the file alone, not from the chunks that it
        came in."""
        return b""

    # -- restart points ------------------------------------------------------------------------

    def _part_begins(self) -> None:
        """Here a part of the file begins that needs nothing of what is before it."""
        if self._point_is_due:
            self._found(RestartPoint(8 * self.stored_bytes, self.content_bytes))

    @property
    def _point_is_due(self) -> bool:
        return self._points is not None and self.content_bytes >= self._point_due_at

    def _one_spacing_after(self, content_bytes: int) -> int:
        return content_bytes + (0 if self._points is None else self._points.spacing_bytes)

    def _found(self, point: RestartPoint) -> None:
        self._point_due_at = self._one_spacing_after(point.content_bytes)
        if self._points is not None:
            self._points.found(point)

    # -- bytes as stored -----------------------------------------------------------------------

    def _need(self, size: int, where: str) -> None:
        """Raises SourceCorruptError unless so many bytes come next."""
        if not self._fill(size):
            raise self._damaged(f"it is cut off, in {where}")

    def _fill(self, size: int) -> bool:
        while len(self._ahead) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self._ahead += chunk
        return True

    def _take(self, size: int) -> None:
        del self._ahead[:size]
        self.stored_bytes += size

    def _damaged(self, what: str) -> SourceCorruptError:
        self.is_damaged = True
        return SourceCorruptError(
            f"{self._source_uri} is not a sound {self.FORMAT} file, after byte {self.stored_bytes} "
            f"as stored, byte {self.content_bytes} of its content: {what}; store it again, "
            f"{ANOTHER_JOB}"
        )
