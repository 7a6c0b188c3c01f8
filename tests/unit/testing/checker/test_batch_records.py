"""The harness's reading of record batches, held equal to kafka-python's."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords

from csvkafka.testing.checker import batch_records
from csvkafka.testing.checker.batch_records import records_of, whole_batches
from csvkafka.testing.checker.documented import TopicRecord

NULLABLE = st.none() | st.binary(max_size=40) | st.integers(50, 20_000).map(bytes)
RECORDS = st.lists(
    st.tuples(
        st.integers(0, 2**40),
        NULLABLE,
        NULLABLE,
        st.lists(st.tuples(st.text(max_size=10), st.none() | st.binary(max_size=10)), max_size=3),
    ),
    min_size=1,
    max_size=200,
)


def batch_of(records: list[Any], codec: int = 0) -> bytes:
    builder = DefaultRecordBatchBuilder(2, codec, False, 7, 0, 0, 1 << 30)
    for number, (timestamp, key, value, headers) in enumerate(records):
        builder.append(number, timestamp, key, value, headers)
    return bytes(builder.build())


def by_kafka_python(data: bytes) -> list[TopicRecord]:
    batch = MemoryRecords(data).next_batch()
    return [TopicRecord(r.offset, r.key, r.value, tuple(r.headers)) for r in batch]


@given(RECORDS, st.integers(0, 4))
def test_records_are_those_of_kafka_python(records: list[Any], codec: int) -> None:
    data = batch_of(records, codec)
    assert [*records_of(DefaultRecordBatch(data), data)] == by_kafka_python(data)


def test_a_batch_of_very_many_records() -> None:
    data = batch_of([(0, None, b"%d" % number, []) for number in range(20_000)])
    assert [*records_of(DefaultRecordBatch(data), data)] == by_kafka_python(data)


@given(RECORDS, st.data())
def test_damage_is_an_error_or_other_records_but_never_a_crash(
    records: list[Any], data: st.DataObject
) -> None:
    damaged = bytearray(batch_of(records))
    damaged[data.draw(st.integers(61, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(CorruptRecordError):
        records_of(DefaultRecordBatch(bytes(damaged)), bytes(damaged))


def test_a_batch_that_ends_early_is_an_error() -> None:
    data = batch_of([(0, None, b"value", [])] * 3)
    with pytest.raises(CorruptRecordError, match="is torn"):
        records_of(DefaultRecordBatch(data), data[:-2])
    with pytest.raises(CorruptRecordError, match="surplus"):
        records_of(DefaultRecordBatch(data), data + b"\0")


def test_only_whole_batches_are_taken_from_a_fetch() -> None:
    one, two = batch_of([(0, None, b"1", [])]), batch_of([(0, None, b"22", [])])
    assert list(whole_batches(one + two)) == [one, two]
    for cut in range(1, len(two)):
        assert list(whole_batches(one + two[:-cut])) == [one]
    with pytest.raises(CorruptRecordError):
        list(whole_batches(bytes(40)))


@pytest.mark.parametrize("encoder", ["compiled", "python"])
def test_numbers_below_zero_are_read_as_kafka_python_reads_them(
    encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if encoder == "python":
        monkeypatch.setattr(batch_records, "compiled_module", lambda: None)
    whole = batch_of([(0, b"k", b"value", [])])
    delta = bytearray(whole)
    delta[64] = 5  # the offset delta: -3
    batch = DefaultRecordBatch(bytes(delta))
    assert records_of(batch, bytes(delta))[0].kafka_offset == next(batch).offset == -3
    size = bytearray(whole)
    size[67] = 5  # the value's size
    with pytest.raises(CorruptRecordError):
        records_of(DefaultRecordBatch(bytes(size)), bytes(size))
