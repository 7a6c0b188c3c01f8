"""Several small blocks as one: their records make one batch for each lane.

A batch costs loader and broker the same however few records it has, and a set of many small files
would have one for each. Each block is encoded as by `encoder`, by the plan of its own file; then
the records of a lane stand one after the other in one batch. So a row's record, its lane and its
place in the lane are what they would be in batches of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from csvkafka.compiled import compiled_module
from csvkafka.encode.encoder import batch_limit, encode_block
from csvkafka.encode.in_sequence import in_sequence, skip_after
from csvkafka.errors import CsvKafkaError
from csvkafka.model import EncodedBatch, EncodedBlock, EncodePlan
from csvkafka.records.record_batch import (
    BATCH_OVERHEAD_BYTES,
    codec_attributes,
    compress,
    moved,
)
from csvkafka.rows.pieces import PlacedBlock, placed

_ANY_SIZE = 1 << 40


def encode_joined(blocks: Sequence[PlacedBlock], skip: Sequence[int] = ()) -> EncodedBlock:
    """What the blocks (at least one) become, which stand one after the other in the source: one
    block, whose end is a position in the source.

    As `encode_block` of each: `skip` goes on from block to block, and a row that cannot become a
    record ends it. Where the records of a lane are too large for one batch, each half of the blocks
    has its own. Memory: the records of all blocks, before they are compressed.

    Raises ConfigError as `encode_block`."""
    if len(blocks) == 1:
        (only,) = blocks
        return _encoded(only, only.plan, skip)
    plan = blocks[0].plan
    whole = in_sequence(_without_codec(blocks, skip))
    batches = tuple(_one_for_each_lane(whole.batches, plan.compression))
    if all(
        BATCH_OVERHEAD_BYTES + len(each.records) <= batch_limit(plan, each.lane) for each in batches
    ):
        return replace(whole, batches=batches)
    middle = len(blocks) // 2
    first = encode_joined(blocks[:middle], skip)
    if first.failure is not None:
        return first
    return in_sequence([first, encode_joined(blocks[middle:], skip_after(skip, first))])


def _without_codec(blocks: Iterable[PlacedBlock], skip: Sequence[int]) -> Iterator[EncodedBlock]:
    """Each block, up to the first that has a failure, with batches of any size."""
    for cut in blocks:
        own = replace(
            cut.plan,
            compression="none",
            max_batch_bytes=_ANY_SIZE,
            max_record_bytes=_ANY_SIZE,
            max_letter_bytes=_ANY_SIZE,
        )
        encoded = _encoded(cut, own, skip)
        yield encoded
        if encoded.failure is not None:
            return
        skip = skip_after(skip, encoded)


def _encoded(cut: PlacedBlock, plan: EncodePlan, skip: Sequence[int]) -> EncodedBlock:
    """The block, with its end as a position in the source."""
    encoded = placed(encode_block(cut.block, plan, skip), cut.place)
    if cut.piece is not None and isinstance(encoded.failure, CsvKafkaError):
        encoded.failure.file_number = cut.piece.number
    if cut.place is None or not encoded.set_aside:
        return encoded
    # The source has several files, so a row's number does not tell which row it is.
    told = (place.partition(" (") for place in encoded.set_aside)
    names = tuple(f"{row} of {plan.source_uri}{sep}{why}" for row, sep, why in told)
    return replace(encoded, set_aside=names)


def _one_for_each_lane(batches: Iterable[EncodedBatch], codec: str) -> Iterator[EncodedBatch]:
    """The batches, which have no codec, as one for each lane."""
    compiled = compiled_module()
    move = moved if compiled is None else compiled.moved
    sections: dict[int, list[bytes]] = {}
    counts: dict[int, int] = {}
    for batch in batches:
        before = counts.get(batch.lane, 0)
        section = move(batch.records, before) if before else batch.records
        sections.setdefault(batch.lane, []).append(section)
        counts[batch.lane] = before + batch.record_count
    for lane, of_lane in sections.items():
        records = compress(codec, of_lane)
        yield EncodedBatch(lane, counts[lane], codec_attributes(codec), records)
