"""Encodes a block of rows into record batches, one or more for each lane.

`encode_block` is a pure function of its (picklable) arguments: the same block makes the same
records in the same batches, whoever encodes it and whenever. How a row becomes a record is in
`row_json`; there are two faster ways to the same bytes: `compiled_rows` for nearly every block
where the extension was built, `plain_rows` for plain blocks where it was not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

from csvkafka.compiled import compiled_module
from csvkafka.encode.bad_row import BadRow, byte_offset_of, first_rows, too_large
from csvkafka.encode.compiled_rows import CompiledRows
from csvkafka.encode.dead_letter import Fault, fault_of, letter, row_alone
from csvkafka.encode.in_sequence import SHOWN, in_sequence, skip_after
from csvkafka.encode.partitioning import ChooseLane, LaneOf, key_hash, lane_chooser
from csvkafka.encode.plain_rows import PlainRows
from csvkafka.encode.row_json import RowEncoder, RowRecords
from csvkafka.errors import ConfigError
from csvkafka.model import (
    BadRows,
    Block,
    EncodedBatch,
    EncodedBlock,
    EncodePlan,
    Routing,
)
from csvkafka.records.record_batch import (
    BATCH_OVERHEAD_BYTES,
    RecordHeaders,
    codec_attributes,
    compress,
    frame_records,
)
from csvkafka.rows.csv_rows import check_dialect
from csvkafka.rows.dialects import plainness
from csvkafka.rows.utf16 import stored


def data_lanes(plan: EncodePlan) -> int:
    """The number of lanes of rows that make a record; the one for dead letters comes after them."""
    return plan.lane_count + sum(plan.routed_lanes)


def lane_total(plan: EncodePlan) -> int:
    """The number of lanes, the one for dead letters included."""
    return data_lanes(plan) + (plan.bad_rows is BadRows.DEAD_LETTER)


def batch_limit(plan: EncodePlan, lane: int) -> int:
    """The most bytes on the wire of a batch of several records in that lane."""
    if lane == data_lanes(plan):
        return min(plan.max_batch_bytes, plan.max_letter_bytes)
    return plan.max_batch_bytes


def check_plan(plan: EncodePlan) -> None:
    """Raises ConfigError for a plan that no block can be encoded by: an unknown codec or one whose
    library is missing, an impossible dialect, a key column that the header does not have."""
    _prepared(plan)


def encode_block(block: Block, plan: EncodePlan, skip: Sequence[int] = ()) -> EncodedBlock:
    """The block's records, in batches that are complete but for what `record_batch.seal` adds.

    `skip[lane]` is how many of the lane's first rows in this block are in the topic already: they
    are left out of the batches, but counted in `rows_by_lane`; it may exceed what the block has.

    A row that cannot become a record ends it: what comes back holds the rows before, and as its
    `failure` MalformedRowError (another width than the header's if the plan says STOP),
    SourceCorruptError (bytes that the encoding does not have), RecordTooLargeError (a batch of that
    row alone above `plan.max_record_bytes`, or of its dead letter above `plan.max_letter_bytes`),
    or what `plan.transform` raised.

    Raises ConfigError as `check_plan` does."""
    prepared = _prepared(plan)
    if _has_one_lane(prepared) and skip and skip[0] >= block.row_count:
        return EncodedBlock(block.end, (block.row_count,), ())
    fast_way = encode_plain if prepared.compiled is None else encode_compiled
    # The fast ways count the lines on from the block's first.
    is_for_fast_way = not block.places and (
        prepared.is_plain is None or prepared.is_plain(block.data)
    )
    try:
        encoded = fast_way(block, plan, skip) if is_for_fast_way else None
        return encode_reference(block, plan, skip) if encoded is None else encoded
    except BadRow as bad:
        fault = None if plan.bad_rows is not BadRows.DEAD_LETTER else fault_of(bad.error)
        if fault is not None:
            return _without(bad.row_index, fault, block, plan, skip)
        return _rows_before(bad, block, plan, skip)


def _rows_before(bad: BadRow, block: Block, plan: EncodePlan, skip: Sequence[int]) -> EncodedBlock:
    if bad.row_index == 0:
        return EncodedBlock(block.start, (0,) * lane_total(plan), (), bad.error)
    # One of these may be a bad row too, which was not met first: then that one is the failure.
    encoded = encode_block(first_rows(block, bad.row_index, plan.dialect), plan, skip)
    return encoded if encoded.failure is not None else replace(encoded, failure=bad.error)


def _without(
    row_index: int, fault: Fault, block: Block, plan: EncodePlan, skip: Sequence[int]
) -> EncodedBlock:
    """The block, with that row among the dead letters: it is cut in two until the row is alone.

    At the row, or in the middle if the row is the first: of a block with many such rows, no part is
    encoded more often than a block can be halved."""
    if block.row_count == 1:
        return _dead_letter(fault, block, plan, skip)
    head = first_rows(block, row_index or block.row_count // 2, plan.dialect)
    places = block.places[head.row_count :]
    rest = Block(block.data[len(head.data) :], head.end, block.end, block.plain, places)
    first = encode_block(head, plan, skip)
    if first.failure is not None:
        return first
    return in_sequence([first, encode_block(rest, plan, skip_after(skip, first))])


def _dead_letter(fault: Fault, block: Block, plan: EncodePlan, skip: Sequence[int]) -> EncodedBlock:
    """A block of one row, which is set aside whole."""
    before, row = row_alone(block, plan.dialect)
    byte_offset = byte_offset_of(block, 0, before, plan.dialect)
    value = stored(row, plan.dialect)
    found = letter(value, plan.source_uri, block.source_line(0), byte_offset, fault)
    lane, attributes = data_lanes(plan), codec_attributes(plan.compression)
    sent = range(0) if len(skip) > lane and skip[lane] else range(1)
    framed = _framed(lane, [found.value], None, [found.headers], sent)
    try:
        batches = _batches(block, plan, attributes, framed) if sent else []
    except BadRow as bad:
        return EncodedBlock(block.start, (0,) * lane_total(plan), (), bad.error)
    rows_by_lane = (*[0] * lane, 1)
    return EncodedBlock(block.end, rows_by_lane, tuple(batches), None, (found.place,))


def encode_compiled(
    block: Block, plan: EncodePlan, skip: Sequence[int] = ()
) -> EncodedBlock | None:
    """As `encode_block`, the compiled way; None if the block does not fit it. Only for a block in
    which nothing counts but the dialect's delimiter and quotes (`plainness`). Raises BadRow."""
    prepared = _prepared(plan)
    rows = prepared.compiled
    if rows is None:
        return None
    data = rows.utf8(block)
    first = skip[0] if skip else 0

    def frame(begin: int, end: int) -> Iterable[bytes]:
        return rows.frame(block, data, first + begin, first + end)

    try:
        if not _has_one_lane(prepared):
            made = rows.frame_lanes(block, data, skip)
            return _sectioned(
                block, plan, prepared, made.lanes, made.dropped, made.set_aside[:SHOWN]
            )
        lane = _LaneRecords(0, range(first, block.row_count), frame)
        batches = _batches(block, plan, prepared.attributes, lane) if lane.row_indexes else []
    except ValueError:
        return None  # too many rows are for the reference way, or a quote is open at the end
    return EncodedBlock(block.end, (block.row_count,), tuple(batches))


def encode_plain(block: Block, plan: EncodePlan, skip: Sequence[int] = ()) -> EncodedBlock | None:
    """As `encode_block`, the plain way; None if the block does not fit it. Only for a block in
    which nothing counts but the dialect's delimiter and quotes (`plainness`). Raises BadRow."""
    prepared = _prepared(plan)
    rows = _plain_rows(plan)
    if rows is None or not block.plain or (any(skip) and lane_total(plan) > 1):
        return None
    first = skip[0] if skip else 0
    lines = rows.lines(block, first)
    if lines is None or rows.may_be_set_aside(lines):
        return None

    def frame(begin: int, end: int) -> Iterable[bytes]:
        return rows.frame(lines.part(begin, end))

    try:
        if plan.key_column is not None:
            keyed = rows.frame_keyed(lines, prepared.lane_of, plan.lane_count)
            # Only a lane that is alone skips rows on this way.
            lanes = ((first + count, count, section) for count, section in keyed)
            return _sectioned(block, plan, prepared, lanes)
        lane = _LaneRecords(0, range(first, block.row_count), frame)
        batches = _batches(block, plan, prepared.attributes, lane) if lane.row_indexes else []
    except ValueError:
        return None  # a row has another width
    rows_by_lane = (block.row_count, *[0] * (lane_total(plan) - 1))
    return EncodedBlock(block.end, rows_by_lane, tuple(batches))


def _sectioned(
    block: Block,
    plan: EncodePlan,
    prepared: _Prepared,
    lanes: Iterable[tuple[int, int, bytes]],
    dropped: int = 0,
    set_aside: tuple[str, ...] = (),
) -> EncodedBlock | None:
    """The block, given each lane's rows, records (without those that are skipped) and records
    section, how many rows are in none, and which are set aside. None if it reads as another number
    of rows than it was cut as, or if a batch is too large: that is for the reference way."""
    batches: list[EncodedBatch] = []
    rows_by_lane = [0] * lane_total(plan)
    for lane, (row_count, record_count, section) in enumerate(lanes):
        rows_by_lane[lane] = row_count
        if record_count:
            records = compress(plan.compression, (section,))
            if BATCH_OVERHEAD_BYTES + len(records) > batch_limit(plan, lane):
                return None
            batches.append(EncodedBatch(lane, record_count, prepared.attributes, records))
    if sum(rows_by_lane) + dropped != block.row_count:
        return None
    return EncodedBlock(block.end, tuple(rows_by_lane), tuple(batches), None, set_aside)


def encode_reference(block: Block, plan: EncodePlan, skip: Sequence[int] = ()) -> EncodedBlock:
    """As `encode_block`, for any block. Raises BadRow."""
    prepared = _prepared(plan)
    if _has_one_lane(prepared):
        first = skip[0] if skip else 0
        rows = prepared.rows.encode(block, first)
        lanes = [_framed(0, rows.values, rows.keys, rows.headers, range(first, block.row_count))]
        rows_by_lane: tuple[int, ...] = (block.row_count,)
    else:
        rows = prepared.rows.encode(block)
        indexes, lanes = _routed(rows, prepared, skip)
        rows_by_lane = tuple(map(len, indexes))
    batches: list[EncodedBatch] = []
    for lane in lanes:
        if lane.row_indexes:
            batches += _batches(block, plan, prepared.attributes, lane)
    set_aside = tuple(found.place for found in islice(rows.letters.values(), SHOWN))
    return EncodedBlock(block.end, rows_by_lane, tuple(batches), None, set_aside)


def _has_one_lane(prepared: _Prepared) -> bool:
    """Each row is the next one of the same lane."""
    return prepared.lane_total == 1 and not prepared.rows.drops_rows


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What follows from a plan alone. `compiled` is None if no block can go the compiled way;
    `lane_of`, which is of a table without routes, if all data rows
    go to lane 0; `is_plain`, which tells what of a dialect is for either way, if all of it is."""

    rows: RowEncoder
    compiled: CompiledRows | None
    attributes: int
    data_lanes: int
    lane_total: int
    lane_of: LaneOf | None
    choose_lane: ChooseLane
    is_plain: Callable[[bytes], bool] | None


@lru_cache(maxsize=8)
def _prepared(plan: EncodePlan) -> _Prepared:
    check_dialect(plan.dialect)
    rows = RowEncoder(plan)
    if plan.routing is not Routing.ONE_PARTITION and not rows.has_keys:
        raise ConfigError(f"routing by {plan.routing} needs a key column")
    compiled, choose_lane = compiled_module(), lane_chooser(plan)
    return _Prepared(
        rows=rows,
        compiled=CompiledRows.of(plan, compiled, rows, choose_lane) if compiled else None,
        attributes=codec_attributes(plan.compression),
        data_lanes=data_lanes(plan),
        lane_total=lane_total(plan),
        lane_of=key_hash(plan.routing),
        choose_lane=choose_lane,
        is_plain=plainness(plan.dialect),
    )


@lru_cache(maxsize=8)
def _plain_rows(plan: EncodePlan) -> PlainRows | None:
    """None if no block can go the plain way. Not for each file where all go the compiled one."""
    return PlainRows(plan) if PlainRows.fits(plan) else None


@dataclass(frozen=True, slots=True)
class _LaneRecords:
    """Records of one lane in a block. `row_indexes` says which rows of the block they are, 0 is the
    first; `frame(begin, end)` makes the records section of some of them, in pieces."""

    lane: int
    row_indexes: Sequence[int]
    frame: Callable[[int, int], Iterable[bytes]]


def _framed(
    lane: int,
    values: list[bytes],
    keys: list[bytes | None] | None,
    headers: list[RecordHeaders] | None,
    row_indexes: Sequence[int],
) -> _LaneRecords:
    def frame(begin: int, end: int) -> Iterable[bytes]:
        section = frame_records(
            values[begin:end],
            None if keys is None else keys[begin:end],
            None if headers is None else headers[begin:end],
        )
        return (section,)

    return _LaneRecords(lane, row_indexes, frame)


def _routed(
    rows: RowRecords, prepared: _Prepared, skip: Sequence[int]
) -> tuple[list[list[int]], list[_LaneRecords]]:
    """Which rows go to which lane, and their records without those to skip; dead letters last. A
    row that is dropped goes to none."""
    letters_lane = prepared.data_lanes
    indexes: list[list[int]] = [[] for _ in range(prepared.lane_total)]
    for index in range(len(rows.values)):
        lane = rows.lane(index, prepared.choose_lane, letters_lane)
        if lane is not None:
            indexes[lane].append(index)
    lanes = []
    for lane, of_lane in enumerate(indexes):
        sent = of_lane[skip[lane] :] if lane < len(skip) else of_lane
        is_data = lane < letters_lane
        lanes.append(
            _framed(
                lane,
                [rows.values[index] for index in sent],
                [rows.keys[index] for index in sent] if rows.keys and is_data else None,
                rows.headers_of(sent)
                if is_data
                else [rows.letters[index].headers for index in sent],
                sent,
            )
        )
    return indexes, lanes


def _batches(
    block: Block,
    plan: EncodePlan,
    attributes: int,
    lane: _LaneRecords,
    begin: int = 0,
    end: int | None = None,
) -> list[EncodedBatch]:
    """The lane's records as one batch, or, while that is too large, as two halves of it; a batch of
    one record may be larger."""
    end = len(lane.row_indexes) if end is None else end
    records = compress(plan.compression, lane.frame(begin, end))
    size = BATCH_OVERHEAD_BYTES + len(records)
    if size <= batch_limit(plan, lane.lane):
        return [EncodedBatch(lane.lane, end - begin, attributes, records)]
    if end - begin == 1:
        is_letter = lane.lane == data_lanes(plan)
        if size <= (plan.max_letter_bytes if is_letter else plan.max_record_bytes):
            return [EncodedBatch(lane.lane, 1, attributes, records)]
        row_index = lane.row_indexes[begin]
        raise BadRow(row_index, too_large(block, plan, row_index, size, is_letter=is_letter))
    middle = (begin + end) // 2
    return [
        *_batches(block, plan, attributes, lane, begin, middle),
        *_batches(block, plan, attributes, lane, middle, end),
    ]
