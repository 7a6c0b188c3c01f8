"""What a load would send first, by the encoder that it would use. Nothing is sent or written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice

from csvkafka.encode.encoder import encode_block
from csvkafka.model import START, EncodePlan, Lane, ProducerIdentity
from csvkafka.records.record_batch import RecordHeaders, iterate_records, seal
from csvkafka.rows.blocks import MAX_ROW_BYTES
from csvkafka.rows.pieces import Cut

_NOBODY = ProducerIdentity(0, 0)


@dataclass(frozen=True, slots=True)
class PlannedRecord:
    """The record of row `source_line` of a file, in the lane that it would go to; None: the row is
    dropped, and makes none."""

    source_file: str
    source_line: int
    lane: Lane | None
    key: bytes | None
    value: bytes | None
    headers: RecordHeaders


def first_records(
    cut: Cut, plan: EncodePlan, lanes: Sequence[Lane], limit: int
) -> Iterator[PlannedRecord]:
    """The records of the first `limit` rows, in the rows' order: each row is a block of its own.

    Raises, after the records before it, what would end the load there."""
    with closing(cut(START, replace(plan, block_bytes=1), MAX_ROW_BYTES)) as blocks:
        for placed in islice(blocks, limit):
            encoded = encode_block(placed.block, placed.plan)
            row_count = encoded.end.row_count - placed.block.start.row_count
            if sum(encoded.rows_by_lane) < row_count:
                yield PlannedRecord(
                    placed.plan.source_uri, encoded.end.row_count, None, None, None, ()
                )
            for batch in encoded.batches:
                for record in iterate_records(seal(batch, _NOBODY, 0, 0)):
                    yield PlannedRecord(
                        placed.plan.source_uri,
                        placed.block.end.row_count,
                        lanes[batch.lane],
                        record.key,
                        record.value,
                        record.headers,
                    )
            if encoded.failure is not None:
                raise encoded.failure
