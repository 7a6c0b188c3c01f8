"""Kafka's record batch, version 2: rows' records into bytes, and a log's bytes into records.

Writing is in two steps, because a batch's place in the job is known late: `frame_records` makes the
records section (then compressed), and `seal` puts the header before it, with producer identity,
sequence number and timestamp. Reading (`whole_batches`, `read_headers`, `iterate_records`) takes
the raw bytes of a fetch response, verifies checksums, and also knows the messages of versions 0 and
1 well enough to show what other writers have left in a topic.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from crc32c import crc32c

from csvkafka.limits import SEQUENCE_MODULUS
from csvkafka.model import BatchHeader, EncodedBatch, ProducerIdentity
from csvkafka.records.codecs import codec_attributes, compress, decompress

__all__ = [
    "BATCH_OVERHEAD_BYTES",
    "CorruptBatchError",
    "Record",
    "RecordHeaders",
    "codec_attributes",
    "compress",
    "frame_records",
    "iterate_records",
    "moved",
    "read_headers",
    "record_size",
    "seal",
    "whole_batches",
]

# baseOffset, batchLength | partitionLeaderEpoch, magic | crc | the rest
_LENGTH = struct.Struct(">qi")
_UNCHECKED = struct.Struct(">qiibI")
_CHECKED = struct.Struct(">hiqqqhii")
BATCH_OVERHEAD_BYTES = _UNCHECKED.size + _CHECKED.size
"""The size of a batch's header, 61 bytes."""

_MAGIC_BYTE = 16  # of all versions: the magic byte's place in an entry
_CONTROL = 0x20
_LOG_APPEND_TIME = 0x08

RecordHeaders = Sequence[tuple[str, bytes | None]]
"""Headers of one record."""


class CorruptBatchError(Exception):
    """These bytes are no intact batch; whoever fetched them should fetch them again."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record as the log holds it; `timestamp_ms` is Unix time in milliseconds."""

    kafka_offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


# -- writing -----------------------------------------------------------------------------------


def record_size(key: bytes | None, value: bytes, headers: RecordHeaders = ()) -> int:
    """The bytes of a record: of its key, its value, and its headers' names and values.

    Neither framed nor compressed, so it follows from the record alone, whatever batch it is in."""
    size = len(value) if key is None else len(key) + len(value)
    for name, data in headers:
        size += len(name.encode()) + len(data or b"")
    return size


@lru_cache(maxsize=1 << 14)
def varint(number: int) -> bytes:
    """Kafka's (protobuf's) zigzag varint of a signed number."""
    rest = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


class _Frames(dict[int, tuple[bytes, bytes]]):
    """Size of a value -> what stands before its offset delta, and between that and the value, in a
    record without key and headers. `delta_bytes` is the size of the offset delta's varint."""

    def __init__(self, delta_bytes: int) -> None:
        super().__init__()
        self._delta_bytes = delta_bytes

    def __missing__(self, value_size: int) -> tuple[bytes, bytes]:
        size = varint(value_size)
        # Attributes, timestamp delta, null key and header count take a byte each.
        record_size = 4 + self._delta_bytes + len(size) + value_size
        frame = varint(record_size) + b"\0\0", b"\1" + size
        if len(self) < _MAX_FRAMES:
            self[value_size] = frame
        return frame


_MAX_FRAMES = 1 << 14
_FRAMES = [_Frames(delta_bytes) for delta_bytes in range(6)]


def frame_records(
    values: Sequence[bytes],
    keys: Sequence[bytes | None] | None = None,
    headers: Sequence[RecordHeaders] | None = None,
    first_delta: int = 0,
) -> bytes:
    """The records section of a batch, not compressed, or a part of it: the first record has offset
    delta `first_delta`, all have timestamp delta 0. Without `keys` all keys are null, without
    `headers` no record has any."""
    if keys is None and headers is None and not first_delta:
        return _frame_values(values)
    parts: list[bytes] = []
    for index, value in enumerate(values):
        key = None if keys is None else keys[index]
        body = b"".join(
            (
                b"\0\0",  # attributes, timestamp delta
                varint(first_delta + index),
                _nullable(key),
                varint(len(value)),
                value,
                _framed_headers(headers[index]) if headers else b"\0",
            )
        )
        parts += (varint(len(body)), body)
    return b"".join(parts)


def _frame_values(values: Sequence[bytes]) -> bytes:
    parts: list[bytes] = []
    # In each stretch the offset delta's varint has one size, so frames depend on the value's alone.
    first = 0
    while first < len(values):
        delta_bytes = len(varint(first))
        stretch_end = 1 << (7 * delta_bytes - 1)
        frames = _FRAMES[delta_bytes]
        for delta, value in enumerate(values[first:stretch_end], first):
            before, between = frames[len(value)]
            parts += (before, varint(delta), between, value, b"\0")
        first = stretch_end
    return b"".join(parts)


def moved(section: bytes, by: int) -> bytes:
    """The records of a section, with offset deltas that are `by` more: so those of several sections
    make one.

    Raises IndexError for what is no section of records."""
    parts: list[bytes] = []
    reader = _VarintReader(section)
    while reader.place < len(section):
        body_size = reader.number()
        begin = reader.place
        reader.place += 1  # attributes
        reader.number()  # timestamp delta
        delta_at = reader.place
        delta = varint(reader.number() + by)
        behind, end = reader.place, begin + body_size
        if not behind <= end <= len(section):
            raise IndexError("these are no records")
        size = delta_at - begin + len(delta) + end - behind
        parts += (varint(size), section[begin:delta_at], delta, section[behind:end])
        reader.place = end
    return b"".join(parts)


def _nullable(data: bytes | None) -> bytes:
    return b"\1" if data is None else varint(len(data)) + data


def _framed_headers(headers: RecordHeaders) -> bytes:
    parts = [varint(len(headers))]
    for name, value in headers:
        parts += (_nullable(name.encode()), _nullable(value))
    return b"".join(parts)


def seal(
    batch: EncodedBatch, identity: ProducerIdentity, base_sequence: int, timestamp_ms: int
) -> bytes:
    """The batch's final bytes: `base_sequence` (any size; reduced mod 2^31) is its first record's
    number, `timestamp_ms` (Unix time) the timestamp of all its records."""
    last_delta = batch.record_count - 1
    checked = _CHECKED.pack(
        batch.attributes,
        last_delta,
        timestamp_ms,
        timestamp_ms,
        identity.producer_id,
        identity.producer_epoch,
        base_sequence % SEQUENCE_MODULUS,
        batch.record_count,
    )
    checksum = crc32c(batch.records, crc32c(checked))
    length = BATCH_OVERHEAD_BYTES - _LENGTH.size + len(batch.records)
    # The broker sets base offset and leader epoch; -1 says that no epoch is known.
    unchecked = _UNCHECKED.pack(0, length, -1, 2, checksum)
    return b"".join((unchecked, checked, batch.records))


# -- reading -----------------------------------------------------------------------------------


def whole_batches(buffer: bytes | memoryview) -> Iterator[memoryview]:
    """The batches in a fetch response's records, one view each; a truncated last one is left out.

    Raises CorruptBatchError for a length that cannot be."""
    view = memoryview(buffer)
    while len(view) > _MAGIC_BYTE:
        _, length = _LENGTH.unpack_from(view)
        size = _LENGTH.size + length
        if length < _OLD_ENTRY.size - _LENGTH.size:
            raise CorruptBatchError(f"a batch claims to be {length} bytes long")
        if size > len(view):
            return
        yield view[:size]
        view = view[size:]


def read_headers(buffer: bytes | memoryview, *, verify_checksums: bool = True) -> list[BatchHeader]:
    """The headers of all whole batches in `buffer`, in order.

    A message of version 0 or 1 is shown as a batch of one record that is not ours; a compressed one
    stands for several, of which the last has its Kafka offset. Raises CorruptBatchError."""
    return [_read_header(batch, verify_checksums) for batch in whole_batches(buffer)]


def _read_header(batch: memoryview, verify_checksum: bool) -> BatchHeader:
    base_offset, _, _, magic, checksum = _UNCHECKED.unpack_from(batch)
    if magic < 2:
        return _read_old_header(batch, verify_checksum)
    if magic > 2 or len(batch) < BATCH_OVERHEAD_BYTES:
        raise CorruptBatchError(f"there is no intact batch at Kafka offset {base_offset}")
    if verify_checksum and crc32c(batch[_UNCHECKED.size :]) != checksum:
        raise CorruptBatchError(f"the batch at Kafka offset {base_offset} fails its checksum")
    attributes, last_delta, _, latest_ms, producer_id, epoch, sequence, count = (
        _CHECKED.unpack_from(batch, _UNCHECKED.size)
    )
    return BatchHeader(
        base_kafka_offset=base_offset,
        last_kafka_offset=base_offset + last_delta,
        record_count=count,
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
        is_control=bool(attributes & _CONTROL),
        max_timestamp_ms=latest_ms,
    )


def iterate_records(batch: bytes | memoryview) -> Iterator[Record]:
    """The records of one whole batch (or old message), decompressed, in order.

    Raises CorruptBatchError for bytes that are no records, ConfigError if the codec's library is
    not installed."""
    view = memoryview(batch)
    base_offset, _, _, magic, _ = _UNCHECKED.unpack_from(view)
    if magic < 2:
        return _iterate_old_records(view)
    attributes, _, base_timestamp, max_timestamp, _, _, _, count = _CHECKED.unpack_from(
        view, _UNCHECKED.size
    )
    section = _decompressed(attributes, bytes(view[BATCH_OVERHEAD_BYTES:]))
    timestamp = max_timestamp if attributes & _LOG_APPEND_TIME else None
    return _parse_records(section, count, base_offset, base_timestamp, timestamp)


def _decompressed(attributes: int, data: bytes) -> bytes:
    try:
        return decompress(attributes, data)
    except (ValueError, EOFError, OSError, RuntimeError, struct.error, zlib.error) as error:
        raise CorruptBatchError(f"a batch cannot be decompressed: {error}") from error


def _parse_records(
    section: bytes, count: int, base_offset: int, base_timestamp: int, timestamp_ms: int | None
) -> Iterator[Record]:
    reader = _VarintReader(section)
    try:
        for _ in range(count):
            record_size = reader.number()
            end = reader.place + record_size
            reader.place += 1  # attributes, unused
            timestamp = base_timestamp + reader.number()
            kafka_offset = base_offset + reader.number()
            key, value = reader.nullable(), reader.nullable()
            headers = tuple(
                ((reader.nullable() or b"").decode(), reader.nullable())
                for _ in range(reader.number())
            )
            if reader.place != end:
                raise CorruptBatchError(f"the record at Kafka offset {kafka_offset} is torn")
            shown = timestamp if timestamp_ms is None else timestamp_ms
            yield Record(kafka_offset, shown, key, value, headers)
    except (IndexError, ValueError) as error:
        raise CorruptBatchError(f"the batch at Kafka offset {base_offset} is torn") from error
    if reader.place != len(section):
        raise CorruptBatchError(f"the batch at Kafka offset {base_offset} has surplus bytes")


class _VarintReader:
    """Reads varints and what they measure from `data`, from `place` on."""

    __slots__ = ("data", "place")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def number(self) -> int:
        """Raises IndexError at the end of the data."""
        shift = encoded = 0
        while True:
            byte = self.data[self.place]
            self.place += 1
            encoded |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (encoded >> 1) ^ -(encoded & 1)
            shift += 7

    def nullable(self) -> bytes | None:
        """Raises IndexError at the end of the data."""
        size = self.number()
        if size < 0:
            return None
        end = self.place + size
        if end > len(self.data):
            raise IndexError
        value = self.data[self.place : end]
        self.place = end
        return value


# -- versions 0 and 1 --------------------------------------------------------------------------

# offset, size | crc, magic, attributes; then a timestamp (version 1), key and value
_OLD_ENTRY = struct.Struct(">qiIbb")
_INT32 = struct.Struct(">i")
_INT64 = struct.Struct(">q")


def _read_old_header(message: memoryview, verify_checksum: bool) -> BatchHeader:
    kafka_offset, _, checksum, _, _ = _OLD_ENTRY.unpack_from(message)
    if verify_checksum and zlib.crc32(message[_MAGIC_BYTE:]) != checksum:
        raise CorruptBatchError(f"the message at Kafka offset {kafka_offset} fails its checksum")
    return BatchHeader(kafka_offset, kafka_offset, 1, -1, -1, -1)


def _iterate_old_records(message: memoryview) -> Iterator[Record]:
    kafka_offset, _, _, magic, attributes = _OLD_ENTRY.unpack_from(message)
    try:
        place = _OLD_ENTRY.size
        timestamp = -1
        if magic == 1:
            (timestamp,) = _INT64.unpack_from(message, place)
            place += _INT64.size
        key, place = _old_nullable(message, place)
        value, _ = _old_nullable(message, place)
    except struct.error as error:
        raise CorruptBatchError(f"the message at Kafka offset {kafka_offset} is torn") from error
    if not attributes & 7:
        yield Record(kafka_offset, timestamp, key, value)
        return
    inner = list(whole_batches(_decompressed(attributes, value or b"")))
    # The wrapper has the last message's Kafka offset; version 1 counts the inner ones from 0.
    records = [record for entry in inner for record in _iterate_old_records(entry)]
    shift = kafka_offset - records[-1].kafka_offset if records and magic == 1 else 0
    for record in records:
        yield Record(record.kafka_offset + shift, record.timestamp_ms, record.key, record.value)


def _old_nullable(message: memoryview, place: int) -> tuple[bytes | None, int]:
    (size,) = _INT32.unpack_from(message, place)
    place += _INT32.size
    return (None, place) if size < 0 else (bytes(message[place : place + size]), place + size)
