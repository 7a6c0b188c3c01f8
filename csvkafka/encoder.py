"""Encodes a block of rows into record batches, one or more for each lane.

`encode_block` is a pure function of its (picklable) arguments: the same block makes the same
records in the same batches, whoever encodes it and whenever. How a row becomes a record is in
`row_json`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from csvkafka.csv_rows import check_dialect, row_ends
from csvkafka.errors import ConfigError, RecordTooLargeError
from csvkafka.model import BadRows, Block, EncodedBatch, EncodedBlock, EncodePlan, Routing
from csvkafka.partitioning import crc32_lane, murmur2_lane
from csvkafka.record_batch import (
    BATCH_OVERHEAD_BYTES,
    RecordHeaders,
    codec_attributes,
    compress,
    frame_records,
)
from csvkafka.row_json import RowEncoder, RowRecords


def lane_total(plan: EncodePlan) -> int:
    """The number of lanes, the one for dead letters included."""
    return plan.lane_count + (plan.bad_rows is BadRows.DEAD_LETTER)


def check_plan(plan: EncodePlan) -> None:
    """Raises ConfigError for a plan that no block can be encoded by: an unknown codec or one whose
    library is missing, an impossible dialect, a key column that the header does not have."""
    _prepared(plan)


def encode_block(block: Block, plan: EncodePlan, skip: Sequence[int] = ()) -> EncodedBlock:
    """The block's records, in batches that are complete but for what `record_batch.seal` adds.

    `skip[lane]` is how many of the lane's first rows in this block are in the topic already: they
    are left out of the batches, but counted in `rows_by_lane`; it may exceed what the block has.

    Raises MalformedRowError for a row wider or narrower than the header if the plan says STOP,
    SourceCorruptError for bytes that the encoding does not have, RecordTooLargeError for a row
    that makes a batch above `plan.max_batch_bytes` alone, ConfigError as `check_plan` does."""
    prepared = _prepared(plan)
    if lane_total(plan) == 1:
        first = min(skip[0], block.row_count) if skip else 0
        if first == block.row_count:
            return EncodedBlock(block.end, (block.row_count,), ())
        rows = prepared.rows.encode(block, first)
        lanes = [_LaneRecords(rows.values, rows.keys, None, range(first, block.row_count))]
        rows_by_lane: tuple[int, ...] = (block.row_count,)
    else:
        lanes = _routed(prepared.rows.encode(block), prepared)
        rows_by_lane = tuple(len(lane.values) for lane in lanes)
        for index, count in enumerate(skip):
            lanes[index] = lanes[index].part(count, rows_by_lane[index])
    batches: list[EncodedBatch] = []
    for index, lane in enumerate(lanes):
        if lane.values:
            batches += _batches(block, plan, prepared.attributes, index, lane)
    return EncodedBlock(block.end, rows_by_lane, tuple(batches))


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What follows from a plan alone. `lane_of` is None if all data rows go to lane 0."""

    rows: RowEncoder
    attributes: int
    lane_count: int
    lane_total: int
    lane_of: Callable[[bytes, int], int] | None


@lru_cache(maxsize=8)
def _prepared(plan: EncodePlan) -> _Prepared:
    check_dialect(plan.dialect)
    if plan.routing is not Routing.ONE_PARTITION and plan.key_column is None:
        raise ConfigError(f"routing by {plan.routing} needs a key column")
    lane_of = {
        Routing.ONE_PARTITION: None,
        Routing.KEY_CRC32: crc32_lane,
        Routing.KEY_MURMUR2: murmur2_lane,
    }[plan.routing]
    return _Prepared(
        rows=RowEncoder(plan),
        attributes=codec_attributes(plan.compression),
        lane_count=plan.lane_count,
        lane_total=lane_total(plan),
        lane_of=lane_of,
    )


@dataclass(frozen=True, slots=True)
class _LaneRecords:
    """Records of one lane in a block; `keys` and `headers` are None where no record has any.
    `row_indexes` says which rows of the block they are; 0 is the first."""

    values: list[bytes]
    keys: list[bytes | None] | None
    headers: list[RecordHeaders] | None
    row_indexes: Sequence[int]

    def part(self, first: int, end: int) -> _LaneRecords:
        return _LaneRecords(
            self.values[first:end],
            None if self.keys is None else self.keys[first:end],
            None if self.headers is None else self.headers[first:end],
            self.row_indexes[first:end],
        )


def _routed(rows: RowRecords, prepared: _Prepared) -> list[_LaneRecords]:
    """The rows' records by lane, dead letters last."""
    lane_of, lane_count = prepared.lane_of, prepared.lane_count
    indexes: list[list[int]] = [[] for _ in range(prepared.lane_total)]
    for index in range(len(rows.values)):
        key = rows.keys[index] if rows.keys else None
        if index in rows.dead_letters:
            lane = lane_count
        elif lane_of is None or key is None:
            lane = 0
        else:
            lane = lane_of(key, lane_count)
        indexes[lane].append(index)
    lanes = []
    for lane, of_lane in enumerate(indexes):
        is_data = lane < lane_count
        lanes.append(
            _LaneRecords(
                [rows.values[index] for index in of_lane],
                [rows.keys[index] for index in of_lane] if rows.keys and is_data else None,
                None if is_data else [rows.dead_letters[index] for index in of_lane],
                of_lane,
            )
        )
    return lanes


def _batches(
    block: Block, plan: EncodePlan, attributes: int, lane_index: int, lane: _LaneRecords
) -> list[EncodedBatch]:
    """The lane's records as one batch, or, while that is too large, as two halves of it."""
    count = len(lane.values)
    records = compress(plan.compression, frame_records(lane.values, lane.keys, lane.headers))
    size = BATCH_OVERHEAD_BYTES + len(records)
    if size <= plan.max_batch_bytes:
        return [EncodedBatch(lane_index, count, attributes, records)]
    if count == 1:
        raise _too_large(block, plan, lane.row_indexes[0], size)
    return [
        batch
        for part in (lane.part(0, count // 2), lane.part(count // 2, count))
        for batch in _batches(block, plan, attributes, lane_index, part)
    ]


def _too_large(block: Block, plan: EncodePlan, row_index: int, size: int) -> RecordTooLargeError:
    ends = list(row_ends(block.data, plan.dialect))
    starts = [0, *(end for end, _ in ends)]
    row_starts = [start for start, (_, is_row) in zip(starts, ends, strict=False) if is_row]
    number = block.start.row_count + row_index + 1
    byte_offset = block.start.byte_offset + row_starts[row_index]
    return RecordTooLargeError(
        f"row {number} at byte {byte_offset} of {plan.source_uri} makes a batch of {size} bytes, "
        f"the limit is {plan.max_batch_bytes}: raise the topic's max.message.bytes, and the "
        "loader's batch limit with it"
    )
