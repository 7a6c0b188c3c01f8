"""A set of CSV objects in memory: what a bucket lists under a prefix, and each object's bytes.

Points and their actions: `identify` and `source-read`, as those of one object (`fake_source`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

from csvkafka.errors import SourceChangedError, SourceReadError
from csvkafka.interfaces import RestartPoints
from csvkafka.model import Piece
from csvkafka.testing.simulator.fake_source import FakeSource, etag_of
from csvkafka.testing.simulator.points import Meet, nothing

LIST_CHUNK_BYTES = 100
"""About two files of a simulated set: so the frozen list has several chunks."""


@dataclass(frozen=True, slots=True)
class FakeSet:
    """`interfaces.SetObjects` over `files` by key; what is put there is there at once."""

    files: Mapping[str, bytes]
    meet: Meet = nothing
    chunk_bytes: int = 1 << 16
    bucket: str = "bucket"
    name: str = "exports/"

    def pieces(self) -> Iterator[Piece]:
        """See `interfaces.SetObjects`."""
        if self.meet("identify") == "unavailable":
            raise SourceReadError("S3 does not answer")
        for key in sorted(self.files):
            yield Piece(key, etag_of(self.files[key]), len(self.files[key]))

    def open_piece(
        self,
        piece: Piece,
        byte_offset: int,
        points: RestartPoints | None = None,  # noqa: ARG002
    ) -> Generator[bytes, None, None]:
        """See `interfaces.SetObjects`."""
        data = self.files.get(piece.key, b"")
        if etag_of(data) != piece.etag:
            raise SourceChangedError(f"{piece.key} was overwritten or removed")
        with closing(self._source(piece.key, data).read(byte_offset)) as chunks:
            yield from chunks

    def ask(self, piece: Piece, points: RestartPoints | None = None) -> None:
        """Each is opened in its turn."""

    def source(
        self,
        piece: Piece,
        points: RestartPoints | None = None,  # noqa: ARG002
    ) -> FakeSource:
        """See `interfaces.SetObjects`."""
        return self._source(piece.key, self.files.get(piece.key, b""))

    def _source(self, key: str, data: bytes) -> FakeSource:
        return FakeSource(data, self.meet, self.chunk_bytes, self.bucket, key)
