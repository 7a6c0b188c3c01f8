"""The content of a compressed file from any byte of it on: by way of a restart point before
that byte, or from the file's start. What lies between is decompressed and dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from csvkafka.errors import SourceChangedError, SourceCorruptError
from csvkafka.interfaces import RestartPoints
from csvkafka.model import RestartPoint, SourceIdentity
from csvkafka.rows.packed_stream import PackedStream
from csvkafka.rows.source_kind import FIRST_BYTES
from csvkafka.rows.stored_as import StoredAs
from csvkafka.rows.window import begun

log = logging.getLogger(__name__)

OpenStored = Callable[[int], Iterable[bytes]]
"""A byte of the file as it is stored -> its chunks from there on."""


def packed_content(
    identity: SourceIdentity,
    byte_offset: int,
    open_stored: OpenStored,
    stored_as: StoredAs,
    points: RestartPoints | None,
) -> Iterator[bytes]:
    """The content from `byte_offset` on, in chunks; none is empty. `points` says where to begin,
    and is told of further places.

    Raises SourceCorruptError; SourceChangedError if the content ends before `byte_offset`."""
    point = None if points is None else points.begin(identity, byte_offset)
    if point is not None:
        stream = _stream_from(point, identity, open_stored, points)
        read = _read(stream, points, open_stored, point.content_bytes)
        chunks = _without(read, byte_offset - point.content_bytes)
        try:
            first = next(chunks, b"")
        except SourceCorruptError as error:
            log.warning(
                "Reading %s from its start, as its restart point fails: %s", identity.uri, error
            )
        else:
            if first:
                yield first
                yield from chunks
            check_reached(identity, byte_offset, stream.content_bytes)
            return
    stream = _stream_class(identity)(open_stored(0), identity.uri, points=points)
    first, chunks = begun(_read(stream, points, open_stored), FIRST_BYTES)
    stored_as.check_content(first, identity.uri)
    yield from _without(chain([first], chunks), byte_offset)
    check_reached(identity, byte_offset, stream.content_bytes)


def check_reached(identity: SourceIdentity, byte_offset: int, end: int) -> None:
    """Raises SourceChangedError if a source that ends at `end` was to be read beyond that."""
    if byte_offset > end:
        raise SourceChangedError(
            f"{identity.uri} ends at byte {end}, but byte {byte_offset} was to be read: the "
            "checkpoint is not of this source, or the compression is another one now; check the "
            "source and JOB_ID"
        )


def _stream_class(identity: SourceIdentity) -> type[PackedStream]:
    """Imports the one that is needed."""
    if identity.compression == "zstd":
        from csvkafka.rows.zstd_stream import ZstdStream

        return ZstdStream
    if identity.compression == "bzip2":
        from csvkafka.rows.bzip2_stream import Bzip2Stream

        return Bzip2Stream
    from csvkafka.rows.gzip_stream import GzipStream

    return GzipStream


def _stream_from(
    point: RestartPoint,
    identity: SourceIdentity,
    open_stored: OpenStored,
    points: RestartPoints | None,
) -> PackedStream:
    stored_byte = point.stored_bits // 8
    log.info(
        "Reading %s from byte %d as stored on, a restart point at byte %d of its content",
        identity.uri,
        stored_byte,
        point.content_bytes,
    )
    return _stream_class(identity)(
        open_stored(stored_byte), identity.uri, start=point, points=points
    )


def _read(
    stream: PackedStream,
    points: RestartPoints | None,
    open_stored: OpenStored,
    point_bytes: int | None = None,
) -> Iterator[bytes]:
    """The stream's chunks, all before its damage; `points` learn how far it has come. A stream
    that begins at a restart point, after `point_bytes` of content, and fails there may be sound."""
    try:
        for chunk in stream.read():
            if points is not None:
                points.read_to(stream.content_bytes, stream.stored_bytes)
            yield chunk
    except SourceCorruptError as error:
        if stream.is_damaged and stream.content_bytes != point_bytes:
            log.info("Reading again from the start, up to the damage: %s", error)
            left = stream.left_before_fault(open_stored(0))
            if left:
                yield left
        raise


def _without(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The chunks without their first `size` bytes; none is empty."""
    for chunk in chunks:
        if len(chunk) > size:
            yield chunk[size:]
        size = max(0, size - len(chunk))
