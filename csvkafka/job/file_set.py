"""A set of files as a job's source: listed at each start, frozen before the first row.

The frozen list says what the job is: its digest stands in the job's item, in the place of one
object's ETag. A start that finds the same objects finds the same list by itself. One that finds
others reads the stored list, names what differs, and goes on by the stored one if nothing of it has
changed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from functools import partial

from csvkafka.interfaces import Observer, RestartPoints, SetObjects, Source
from csvkafka.ledger.list_chunks import ListChunks
from csvkafka.model import Piece, SourceIdentity, Step
from csvkafka.rows.pieces import OpenPiece
from csvkafka.sets.differences import differences
from csvkafka.sets.frozen import CHUNK_BYTES, FrozenList, freeze

AskTable = Callable[[Callable[[], None]], None]
"""Asks the table with patience; see `JobParts.ask_table`."""


class FileSet:
    """The set of `objects`, whose list stands in `chunks`. Implements `interfaces.Source`; what it
    reads is the first piece."""

    def __init__(
        self,
        objects: SetObjects,
        chunks: ListChunks,
        points: Callable[[int], RestartPoints] | None = None,
        *,
        skipped: Callable[[str, int], Iterable[int]] | None = None,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        """`points` gives the restart points of the piece of that number, `skipped` the numbers of
        the pieces of a list (its digest, its length) that are skipped. A chunk of the list holds at
        most `chunk_bytes` of text."""
        self._objects = objects
        self._chunk_bytes = chunk_bytes
        self._chunks = chunks
        self._points = points
        self._skipped = skipped
        self._frozen: FrozenList | None = None

    @property
    def frozen(self) -> FrozenList:
        """The list; after `identify`."""
        assert self._frozen is not None
        return self._frozen

    @property
    def first_uri(self) -> str:
        """The first piece, as messages name it."""
        return self.uri(next(self.frozen.pieces()))

    def identify(self) -> SourceIdentity:
        """The set as it stands now."""
        self._frozen = freeze(self._objects.pieces(), self._chunk_bytes)
        return self._identity(self._frozen)

    def read(self, byte_offset: int) -> Generator[bytes, None, None]:
        """See `interfaces.Source`."""
        return self._objects.open_piece(next(self.frozen.pieces()), byte_offset)

    def store(self, ask_table: AskTable, observer: Observer) -> None:
        """Writes the list, chunk by chunk; what stands there already is left."""
        for number in range(len(self.frozen.chunks)):
            ask_table(partial(self._chunks.store, self.frozen, number))
            observer.report(Step.LIST_CHUNK_STORED, chunk=number)

    def recall(self, stored: SourceIdentity, job_id: str) -> tuple[SourceIdentity, list[str]]:
        """Goes back to the list that the job was begun with; warnings name what is new.

        Raises SourceChangedError that names what changed or is missing and is not skipped,
        CheckpointError."""
        now = self.frozen
        self._frozen = self._chunks.load(stored.etag)
        numbers = () if self._skipped is None else self._skipped(stored.etag, self._frozen.count)
        skipped = {self.piece(number).key for number in numbers}
        found = differences(self._frozen.pieces(), now.pieces(), skipped)
        return self._identity(self._frozen), found.check(job_id, stored.uri)

    def open_pieces(self, number: int) -> Generator[OpenPiece, None, None]:
        """The pieces from that number on, to be read."""
        for start, piece in self.frozen.starts(number):
            points = None if self._points is None else self._points(start.number)
            opener = partial(self._objects.open_piece, piece, points=points)
            ask = partial(self._objects.ask, piece, points)
            yield OpenPiece(start, self.uri(piece), opener, ask)

    def piece(self, number: int) -> Piece:
        """Piece `number` (0 is the first)."""
        return next(self.frozen.starts(number))[1]

    def source(self, piece: Piece, points: RestartPoints) -> Source:
        """The piece as the source of a job of its own."""
        return self._objects.source(piece, points)

    def uri(self, piece: Piece) -> str:
        return f"s3://{self._objects.bucket}/{piece.key}"

    def _identity(self, frozen: FrozenList) -> SourceIdentity:
        return SourceIdentity(
            bucket=self._objects.bucket,
            key=self._objects.name,
            etag=frozen.digest,
            size=frozen.size,
            files=frozen.count,
        )
