"""The blocks of a source, one object or a set of them: each with the plan by which it is encoded.

A set's blocks come piece by piece, in order. No block holds rows of two pieces, and each is cut and
encoded as if its piece were all: line numbers, positions and messages are the piece's own. What the
loop is told is a position in the set. The header of each piece must have the columns that the job
has; their order may be another.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain

from csvkafka.errors import ANOTHER_JOB, OR_LEFT_OUT, CsvKafkaError, MalformedRowError
from csvkafka.model import START, Block, EncodedBlock, EncodePlan, PieceStart, Position
from csvkafka.rows.blocks import Header, cut_blocks, read_header
from csvkafka.rows.source_kind import FIRST_BYTES
from csvkafka.rows.utf16 import check_first
from csvkafka.rows.window import begun


@dataclass(frozen=True, slots=True)
class Span:
    """Where a block is in a source that has other positions than the block's rows have in their
    file: where it begins and where each of its rows ends; `rows_before` them in their file."""

    start: Position
    ends: tuple[Position, ...]
    rows_before: int

    def after(self, row_count: int) -> Position:
        """The position in the source after row number `row_count` of the file."""
        count = row_count - self.rows_before
        return self.ends[count - 1] if count else self.start


@dataclass(frozen=True, slots=True)
class PlacedBlock:
    """A block, by its positions in its piece, and how it is encoded. `piece` is None for one
    object that is all of the source. With a `span`, that is where it is in the source."""

    block: Block
    plan: EncodePlan
    piece: PieceStart | None = None
    span: Span | None = None

    @property
    def place(self) -> PieceStart | Span | None:
        return self.span or self.piece


def placed(encoded: EncodedBlock, place: PieceStart | Span | None) -> EncodedBlock:
    """What a block became, with its end as a position in the source."""
    if place is None:
        return encoded
    if isinstance(place, Span):
        return replace(encoded, end=place.after(encoded.end.row_count))
    piece, end = place, encoded.end
    row_count = piece.row_count + end.row_count
    return replace(encoded, end=Position(end.byte_offset, row_count, piece))


Cut = Callable[[Position, EncodePlan, int], Generator[PlacedBlock, None, None]]
"""(where to begin, plan, how long a row may be) -> the blocks from there to the end of the source;
as `cut_blocks`."""


def one_object(open_chunks: Callable[[int], Iterable[bytes]]) -> Cut:
    """Cuts one object, whose bytes `open_chunks` gives from a byte on."""

    def cut(
        start: Position, plan: EncodePlan, max_row_bytes: int
    ) -> Generator[PlacedBlock, None, None]:
        chunks = open_chunks(start.byte_offset)
        try:
            for block in cut_blocks(chunks, start, plan, max_row_bytes):
                yield PlacedBlock(block, plan)
        finally:
            _close(chunks)

    return cut


@dataclass(frozen=True, slots=True)
class OpenPiece:
    """A piece to be read: `open` gives its bytes from a byte offset on. `start` does not yet tell
    how many rows are before it. `ask` asks for it without waiting, and returns what gives its bytes
    from byte 0 on, once; or None."""

    start: PieceStart
    uri: str
    open: Callable[[int], Iterable[bytes]]
    ask: Callable[[], Callable[[], Iterable[bytes]] | None] = lambda: None


def many_objects(
    open_pieces: Callable[[int], Generator[OpenPiece, None, None]],
    columns: Callable[[Sequence[str]], tuple[str, ...]],
) -> Cut:
    """Cuts a set. `open_pieces(n)` gives the pieces from number n on, `columns` what records call
    the columns of a header.

    The blocks, while they are read, raise MalformedRowError too: for a header with other columns
    than the plan's."""

    def first_uri() -> str:
        with closing(open_pieces(0)) as pieces:
            return next(pieces).uri

    def cut(
        start: Position, plan: EncodePlan, max_row_bytes: int
    ) -> Generator[PlacedBlock, None, None]:
        row_count = start.row_count
        pieces = open_pieces(0 if start.piece is None else start.piece.number)
        try:
            for opened in pieces:
                if start.piece is not None and start.piece.number == opened.start.number:
                    piece = replace(opened.start, row_count=start.piece.row_count)
                    within = Position(start.byte_offset, row_count - piece.row_count)
                else:
                    piece, within = replace(opened.start, row_count=row_count), START
                try:
                    for block in _blocks(opened, within, plan, columns, max_row_bytes, first_uri):
                        row_count = piece.row_count + block.block.end.row_count
                        yield replace(block, piece=piece)
                except CsvKafkaError as error:
                    error.file_number = piece.number
                    raise
        finally:
            pieces.close()

    return cut


def _blocks(
    opened: OpenPiece,
    start: Position,
    plan: EncodePlan,
    columns: Callable[[Sequence[str]], tuple[str, ...]],
    max_row_bytes: int,
    first_uri: Callable[[], str],
) -> Iterator[PlacedBlock]:
    chunks = opened.open(0)
    try:
        first, rest = begun(iter(chunks), FIRST_BYTES)
        check_first(first, plan.dialect, opened.uri)
        header, from_start = _begun(chain((first,) if first else (), rest), plan, opened.uri)
        if plan.dialect.names == () and not header.names:
            return  # it has no header row, and no rows
        own = replace(plan, source_uri=opened.uri, header=columns(header.names))
        later = f" (from its byte {start.byte_offset} on)" if start.byte_offset else ""
        check_columns(
            opened.uri,
            own.header,
            first_uri,
            plan.header,
            f"the files before it are in the topic, and nothing of this one{later}",
        )
        if start.byte_offset > 0:
            _close(chunks)
            chunks = from_start = opened.open(start.byte_offset)
        for block in cut_blocks(from_start, start, own, max_row_bytes):
            yield PlacedBlock(block, own)
    finally:
        _close(chunks)


def _begun(chunks: Iterable[bytes], plan: EncodePlan, uri: str) -> tuple[Header, Iterable[bytes]]:
    """The header of a piece, and all of its chunks, those too that were read for it; an error that
    ended them comes after them again."""
    taken: list[bytes] = []
    failures: list[CsvKafkaError] = []
    rest = iter(chunks)

    def first() -> Iterator[bytes]:
        try:
            for chunk in rest:
                taken.append(chunk)
                yield chunk
        except CsvKafkaError as error:
            failures.append(error)
            raise

    def again() -> Iterator[bytes]:
        while taken:
            yield taken.pop(0)
        if failures:
            raise failures[0]
        yield from rest

    return read_header(first(), plan.dialect, uri), again()


def check_columns(
    uri: str, own: Sequence[str], first_uri: Callable[[], str], job: Sequence[str], state: str
) -> None:
    """Raises MalformedRowError unless both have the same columns, in whatever order: the file `uri`
    its `own`, and the job those of its first file. `state` says what is in the topic."""
    if own == job or sorted(own) == sorted(job):
        return
    missing = [name for name in job if name not in own]
    more = [name for name in own if name not in job]
    differences = [
        f"{what} {', '.join(map(repr, names))}"
        for what, names in (("it lacks", missing), ("it has besides", more))
        if names
    ]
    how = "; ".join(differences) or "one of them stands there more than once"
    raise MalformedRowError(
        f"the header of {uri} has other columns than that of {first_uri()}, with which the job was "
        f"begun: {how}; {state}: {OR_LEFT_OUT}, {ANOTHER_JOB}"
    )


def _close(chunks: Iterable[bytes]) -> None:
    close = getattr(chunks, "close", None)
    if close is not None:
        close()
