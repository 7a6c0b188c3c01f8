"""Reads encoded blocks back through kafka-python's own reader of record batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kafka.record.default_records import DefaultRecordBatch

from csvkafka.model import EncodedBatch, EncodedBlock, ProducerIdentity
from csvkafka.records.record_batch import seal


def records_of(batch: EncodedBatch) -> list[Any]:
    read = DefaultRecordBatch(seal(batch, ProducerIdentity(1, 0), 0, 0))
    assert read.validate_crc()
    records = list(read)
    assert len(records) == batch.record_count
    return records


def whole(block: EncodedBlock) -> EncodedBlock:
    """The block; raises what ended it before its last row."""
    if block.failure is not None:
        raise block.failure
    return block


def values_of(block: EncodedBlock, lane: int = 0) -> list[bytes]:
    return [
        record.value
        for batch in block.batches
        if batch.lane == lane
        for record in records_of(batch)
    ]


def rows_by_lane(encoded: EncodedBlock, lanes: int, skip: Sequence[int] = ()) -> list[list[int]]:
    """The row of each record, by lane, of a block that was taken whole."""
    assert encoded.failure is None
    found: list[list[int]] = [[] for _ in range(lanes)]
    for batch in encoded.batches:
        for record in records_of(batch):
            headers = dict(record.headers)
            if "_source_line" in headers:
                number = int(headers["_source_line"] or b"")
            else:
                number = int((record.value or b"").partition(b'"_source_line":')[2].split(b",")[0])
            found[batch.lane].append(number)
    skipped = [*skip, *[0] * lanes]
    for lane, numbers in enumerate(found):
        assert len(numbers) == max(0, encoded.rows_by_lane[lane] - skipped[lane])
    return found
