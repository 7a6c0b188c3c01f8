"""Reads encoded blocks back through kafka-python's own reader of record batches."""

from __future__ import annotations

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
