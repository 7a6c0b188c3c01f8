"""The records of a batch as a consumer sees them, read for speed.

A second reading of Kafka's format beside `record_batch` and the compiled encoder, which the loader
writes with, so that a mistake there cannot hide itself; tests hold it equal to kafka-python's. A
batch whose records have no headers is read by C where that was built (`compiled/agreement.h`), and
its records become objects only when they are asked for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import sub
from typing import Any, overload

from isal import igzip
from kafka import codec
from kafka.errors import CorruptRecordError, UnsupportedCodecError

from csvkafka.compiled import CompiledModule, compiled_module
from csvkafka.testing.checker.documented import TopicRecord

_DECODERS = {
    1: ("gzip", codec.has_gzip, igzip.decompress),
    2: ("snappy", codec.has_snappy, codec.snappy_decode),
    3: ("lz4", codec.has_lz4, codec.lz4_decode),
    4: ("zstd", codec.has_zstd, codec.zstd_decode),
}
_HEADER_BYTES = 61
_LENGTH = struct.Struct(">qi")  # base offset, and how many bytes follow
_LEAST_BYTES = 26  # of an empty message of version 0


Headers = tuple[tuple[str, bytes | None], ...]

_AS_RECORD = partial(tuple.__new__, TopicRecord)
"""As `TopicRecord._make`, which is a method in Python."""


def whole_batches(fetched: bytes) -> Iterator[bytes]:
    """The bytes of each batch in a fetch response; a truncated last one is left out."""
    place = 0
    while place + _LENGTH.size <= len(fetched):
        end = place + _LENGTH.size + _LENGTH.unpack_from(fetched, place)[1]
        if end > len(fetched):
            return
        if end < place + _LEAST_BYTES:
            raise CorruptRecordError(f"an entry of {end - place} bytes is no batch")
        yield fetched[place:end]
        place = end


@dataclass(frozen=True, slots=True, eq=False)
class PlainBatch(Sequence[TopicRecord]):
    """The records of a batch, none of which has headers. `section` holds them as they stand there,
    `places` the byte in it where each begins and where the last one ends.

    Memory: the section, and 16 bytes for each record."""

    compiled: CompiledModule
    section: bytes
    places: memoryview
    kafka_offsets: memoryview
    base_offset: int

    @classmethod
    def of(
        cls, compiled: CompiledModule, section: bytes, count: int, base_offset: int
    ) -> PlainBatch | None:
        """None if a record has headers, or is torn."""
        outline = compiled.outline(section, count, base_offset)
        if outline is None:
            return None
        places, kafka_offsets = (memoryview(part).cast("q") for part in outline)
        return cls(compiled, section, places, kafka_offsets, base_offset)

    def __len__(self) -> int:
        return len(self.kafka_offsets)

    @overload
    def __getitem__(self, index: int) -> TopicRecord: ...
    @overload
    def __getitem__(self, index: slice) -> list[TopicRecord]: ...
    def __getitem__(self, index: int | slice) -> TopicRecord | list[TopicRecord]:
        if isinstance(index, int):
            place = range(len(self))[index]
            return self[place : place + 1][0]
        first, end, step = index.indices(len(self))
        if step < 0:
            return [*self][index]
        count = max(0, end - first)
        section = self.section[self.places[first] : self.places[first + count]]
        records = self.compiled.records_of(section, count, self.base_offset)
        assert records is not None
        return [*map(_AS_RECORD, records)][::step]

    def __iter__(self) -> Iterator[TopicRecord]:
        return iter(self[:])

    def count_small(self, first: int, count: int, most_bytes: int) -> int:
        """Of so many records, how many come before the first one that takes more bytes than that,
        with all that frames it."""
        places = self.places[first : first + count + 1]
        if places[count] - places[0] <= most_bytes:
            return count
        sizes = [*map(sub, places[1:], places)]
        if max(sizes) <= most_bytes:
            return count
        return next(n for n, size in enumerate(sizes) if size > most_bytes)


def records_of(batch: Any, data: bytes) -> Sequence[TopicRecord]:
    """The records of a batch of version 2, given as kafka-python's object and as its bytes.

    Raises CorruptRecordError, and UnsupportedCodecError if the codec's library is missing."""
    section = data[_HEADER_BYTES:]
    if batch.compression_type:
        name, has_library, decode = _DECODERS.get(batch.compression_type, ("", lambda: False, None))
        if not has_library() or decode is None:
            raise UnsupportedCodecError(
                f"its batches are compressed by {name or batch.compression_type}; "
                f"pip install 'csvkafka[{name}]'"
            )
        section = bytes(decode(section))
    compiled = compiled_module()
    if compiled is not None:
        plain = PlainBatch.of(compiled, section, batch.records_count, batch.base_offset)
        if plain is not None:
            return plain
    try:
        return _parsed(section, batch.records_count, batch.base_offset)
    except (IndexError, UnicodeDecodeError) as error:
        raise CorruptRecordError(f"the batch at {batch.base_offset} is torn: {error}") from error


def _parsed(data: bytes, count: int, base_offset: int) -> list[TopicRecord]:
    rows: list[tuple[int, bytes | None, bytes | None, Headers]] = []
    add = rows.append
    place = 0
    for _ in range(count):
        # Varints of one and two bytes are read in place: next to all are. Odd ones are negative.
        byte = data[place]
        if not byte & 0x81:
            size, place = byte >> 1, place + 1
        elif not byte & 1 and data[place + 1] < 0x80:
            size, place = (byte & 0x7F | data[place + 1] << 7) >> 1, place + 2
        else:
            size, place = _varint(data, place)
        end = place + size
        place += 1  # attributes
        while data[place] >= 0x80:  # timestamp delta
            place += 1
        place += 1
        byte = data[place]
        if not byte & 0x81:
            delta, place = byte >> 1, place + 1
        elif not byte & 1 and data[place + 1] < 0x80:
            delta, place = (byte & 0x7F | data[place + 1] << 7) >> 1, place + 2
        else:
            delta, place = _varint(data, place)
        key = None
        if data[place] == 1:  # -1: null
            place += 1
        else:
            key, place = _bytes(data, place)
        byte = data[place]
        if byte == 1:
            value, place = None, place + 1
        else:
            if not byte & 0x81:
                size, place = byte >> 1, place + 1
            elif not byte & 1 and data[place + 1] < 0x80:
                size, place = (byte & 0x7F | data[place + 1] << 7) >> 1, place + 2
            else:
                size, place = _varint(data, place)
            if size < 0:
                raise IndexError(f"record {len(rows)} has a value of {size} bytes")
            value = data[place : place + size]
            place += size
        headers: Headers = ()
        if data[place]:
            headers, place = _headers(data, place)
        else:
            place += 1
        if place != end:
            raise IndexError(f"record {len(rows)} does not end where it should")
        add((base_offset + delta, key, value, headers))
    if place != len(data):
        raise IndexError("it has surplus bytes")
    return [*map(_AS_RECORD, rows)]


def _varint(data: bytes, place: int) -> tuple[int, int]:
    shift = encoded = 0
    while True:
        byte = data[place]
        place += 1
        encoded |= (byte & 0x7F) << shift
        if byte < 0x80:
            return encoded >> 1 ^ -(encoded & 1), place
        shift += 7


def _bytes(data: bytes, place: int) -> tuple[bytes | None, int]:
    size, place = _varint(data, place)
    return (None, place) if size < 0 else (data[place : place + size], place + size)


def _headers(data: bytes, place: int) -> tuple[tuple[tuple[str, bytes | None], ...], int]:
    count, place = _varint(data, place)
    headers = []
    for _ in range(count):
        name, place = _bytes(data, place)
        value, place = _bytes(data, place)
        headers.append(((name or b"").decode(), value))
    return tuple(headers), place
