"""Record batches: kafka-python's reader and builder are the oracle for what is written and read."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from kafka.record.legacy_records import LegacyRecordBatchBuilder
from kafka.record.util import encode_varint

from csvkafka.compiled import compiled_module
from csvkafka.errors import ConfigError
from csvkafka.model import EncodedBatch, ProducerIdentity
from csvkafka.records import codecs
from csvkafka.records.record_batch import (
    CorruptBatchError,
    codec_attributes,
    compress,
    frame_records,
    iterate_records,
    moved,
    read_headers,
    seal,
    varint,
    whole_batches,
)

IDENTITY = ProducerIdentity(4711, 3)
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]

values = st.lists(st.binary(max_size=200), min_size=1, max_size=80)
keys = st.none() | st.binary(max_size=20)
headers = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=20)), max_size=3)
records = st.lists(st.tuples(keys, st.binary(max_size=200), headers), min_size=1, max_size=80)


def sealed(section: bytes, count: int, codec: str = "none", base_sequence: int = 0) -> bytes:
    batch = EncodedBatch(0, count, codec_attributes(codec), compress(codec, (section,)))
    return seal(batch, IDENTITY, base_sequence, 1_700_000_000_000)


def foreign(rows: Any, codec: int = 0, base_offset: int = 0, timestamp: int = 5) -> bytes:
    """A batch as kafka-python's producer builds it."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 30,
    )
    for delta, (key, value, record_headers) in enumerate(rows):
        builder.append(delta, timestamp + delta, key, value, record_headers)
    data = bytearray(builder.build())
    data[:8] = base_offset.to_bytes(8, "big")  # not part of what the checksum covers
    return bytes(data)


# -- writing -----------------------------------------------------------------------------------


@given(rows=records, codec=st.sampled_from(CODECS), base_sequence=st.integers(0, 2**33))
def test_kafka_python_reads_what_is_written(rows: Any, codec: str, base_sequence: int) -> None:
    section = frame_records([v for _, v, _ in rows], [k for k, _, _ in rows], [h for *_, h in rows])
    batch = DefaultRecordBatch(sealed(section, len(rows), codec, base_sequence))
    assert batch.validate_crc()
    assert (batch.producer_id, batch.producer_epoch) == (4711, 3)
    assert batch.base_sequence == base_sequence % 2**31
    assert (batch.records_count, batch.last_offset_delta) == (len(rows), len(rows) - 1)
    assert batch.first_timestamp == batch.max_timestamp == 1_700_000_000_000
    assert batch.compression_type == CODECS.index(codec)
    assert [(r.key, r.value, r.headers) for r in batch] == rows


def by_either() -> Any:
    """Python's way and, where it was built, the compiled one."""
    compiled = compiled_module()
    return [moved] if compiled is None else [moved, compiled.moved]


@given(first=records, second=records)
def test_moved_records_are_those_that_were_framed_behind_the_others(
    first: Any, second: Any
) -> None:
    def section(rows: Any) -> bytes:
        keys, values, headers = map(list, zip(*rows, strict=True))
        return frame_records(values, keys, headers)

    for move in by_either():
        apart = section(first) + move(section(second), len(first))
        assert apart == section([*first, *second])


def test_offset_deltas_of_every_size_are_moved() -> None:
    values = [b"x" * (n % 200) for n in range(20_000)]
    for first in (1, 63, 64, 65, 8_191, 8_192, 8_193, 19_999):
        rest = frame_records(values[first:])
        for move in by_either():
            assert frame_records(values[:first]) + move(rest, first) == frame_records(values)


@pytest.mark.parametrize("torn", [b"\x00", b"\x10\x00", b"\xff" * 12, b"\x02\x00", b"\x04\x00\x00"])
def test_what_is_no_section_is_not_moved(torn: bytes) -> None:
    for move in by_either():
        with pytest.raises((ValueError, IndexError)):
            move(torn, 1)


@given(section=st.binary(max_size=60), by=st.integers(0, 2**31))
def test_whatever_bytes_are_moved_or_refused(section: bytes, by: int) -> None:
    """By the compiled way, which must not read beyond them, to what Python makes of them."""
    compiled = compiled_module()
    if compiled is None:
        return
    with suppress(ValueError, IndexError):
        found = compiled.moved(section, by)
        assert found == moved(section, by)


@given(values=values)
def test_records_without_keys_are_framed_as_kafka_python_does(values: list[bytes]) -> None:
    built = foreign([(None, value, []) for value in values], timestamp=0)
    with_timestamps = frame_records(values)
    assert len(with_timestamps) == len(built) - 61
    # Its records differ in the timestamp alone: one millisecond for each record.
    assert [r.value for r in iterate_records(built)] == values
    assert frame_records(values, [None] * len(values)) == frame_records(values)
    assert frame_records(values, None, [()] * len(values)) == frame_records(values)


@pytest.mark.parametrize("count", [1, 63, 64, 65, 8191, 8192, 8193, 20_000])
def test_many_records_are_framed_right(count: int) -> None:
    section = frame_records([b"%d" % number for number in range(count)])
    batch = DefaultRecordBatch(sealed(section, count, "gzip"))
    assert [(r.offset, r.value) for r in batch] == [(n, b"%d" % n) for n in range(count)]


@pytest.mark.parametrize("size", [0, 55, 56, 57, 58, 59, 60, 61, 8184, 8192, 1_100_000])
def test_values_of_any_size_are_framed_right(size: int) -> None:
    value = b"x" * size
    (record,) = DefaultRecordBatch(sealed(frame_records([value]), 1))
    assert record.value == value


@given(number=st.integers(-(2**62), 2**62))
def test_varints_are_kafka_s(number: int) -> None:
    expected = bytearray()
    encode_varint(number, expected.append)
    assert varint(number) == bytes(expected)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [0, 1, 65_536, 300_000])
def test_codecs_round_trip(codec: str, size: int) -> None:
    data = (b'{"year":"2013"},' * (size // 16 + 1))[:size]
    for piece_size in (1000, 400_000):
        pieces = (data[begin : begin + piece_size] for begin in range(0, size, piece_size))
        compressed = compress(codec, pieces)
        assert codecs.decompress(codec_attributes(codec), compressed) == data


def test_gzip_is_deterministic() -> None:
    # No time of day and no file name in the header: the same block makes the same bytes.
    assert compress("gzip", (b"abc",))[:10] == compress("gzip", (b"abc",))[:10]
    assert compress("gzip", (b"abc",))[4:8] == bytes(4)


def test_an_unknown_codec_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'brotli' is unknown; choose one of none, gzip,"):
        codec_attributes("brotli")


@pytest.mark.parametrize(
    ("codec", "module"), [("zstd", "zstandard"), ("lz4", "lz4.frame"), ("snappy", "snappy")]
)
def test_a_missing_library_names_the_extra(
    codec: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"pip install 'csvkafka\[{codec}\]'"):
        codec_attributes(codec)


# -- reading -----------------------------------------------------------------------------------


@given(rows=records, codec=st.integers(0, 4))
def test_batches_of_kafka_python_are_read(rows: Any, codec: int) -> None:
    data = foreign(rows, codec, base_offset=100)
    (header,) = read_headers(data)
    assert (header.base_kafka_offset, header.last_kafka_offset) == (100, 99 + len(rows))
    assert (header.record_count, header.producer_id, header.base_sequence) == (len(rows), -1, -1)
    read = list(iterate_records(data))
    assert [(r.key, r.value, list(r.headers)) for r in read] == rows
    assert [r.kafka_offset for r in read] == list(range(100, 100 + len(rows)))
    assert [r.timestamp_ms for r in read] == list(range(5, 5 + len(rows)))


@given(cut=st.integers(0, 400))
def test_a_truncated_last_batch_is_left_out(cut: int) -> None:
    batches = [sealed(frame_records([b"x" * 50]), 1, base_sequence=n) for n in range(3)]
    data = b"".join(batches)[:cut]
    read = read_headers(data)
    assert [header.base_sequence for header in read] == list(range(cut // len(batches[0])))[:3]


@pytest.mark.parametrize("place", [16, 20, 21, 43, 57, 61, 80])
def test_a_flipped_byte_is_noticed(place: int) -> None:
    data = bytearray(sealed(frame_records([b"x" * 50]), 1))
    data[place] ^= 4
    with pytest.raises(CorruptBatchError):
        read_headers(bytes(data))


def test_checksums_are_verified_only_on_request() -> None:
    data = bytearray(sealed(frame_records([b"x"]), 1))
    data[-2] ^= 1
    assert read_headers(bytes(data), verify_checksums=False)[0].record_count == 1


def test_an_impossible_length_is_noticed() -> None:
    with pytest.raises(CorruptBatchError, match="claims to be"):
        read_headers(bytes(100))


def test_torn_records_are_noticed() -> None:
    section = frame_records([b"abc", b"def"])
    for torn in (section[:-1], section[:3], section + b"\0", b"\x7f" + section[1:]):
        with pytest.raises(CorruptBatchError):
            list(iterate_records(sealed(torn, 2)))
    batch = EncodedBatch(0, 1, codec_attributes("gzip"), b"no gzip")
    with pytest.raises(CorruptBatchError, match="cannot be decompressed"):
        list(iterate_records(seal(batch, IDENTITY, 0, 0)))


def test_control_batches_are_marked() -> None:
    batch = EncodedBatch(0, 1, 0x30, frame_records([b"\0\0\0\0\0\0"], [b"\0\0\0\1"]))
    (header,) = read_headers(seal(batch, IDENTITY, 0, 0))
    assert header.is_control


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", [0, 1])
def test_old_messages_are_shown_as_foreign(magic: int, codec: int) -> None:
    builder = LegacyRecordBatchBuilder(magic=magic, compression_type=codec, batch_size=1 << 20)
    for offset in range(3):
        builder.append(offset, 1000 + offset, b"k%d" % offset, b"value" * 20)
    data = bytes(builder.build())
    read = read_headers(data)
    assert [header.producer_id for header in read] == [-1] * len(read)
    assert read[-1].last_kafka_offset == (0 if codec else 2)
    found = [r for entry in whole_batches(data) for r in iterate_records(entry)]
    assert [(r.key, r.value) for r in found] == [(b"k%d" % n, b"value" * 20) for n in range(3)]
    if magic:
        assert [r.timestamp_ms for r in found] == [1000, 1001, 1002]
    with pytest.raises(CorruptBatchError, match="checksum"):
        read_headers(data[:-1] + b"!")
