"""Encoded blocks that stand one after the other: what they are as one, and what is left to skip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from csvkafka.model import EncodedBlock

SHOWN = 3
"""How many of the rows that are set aside are named, of each block."""


def in_sequence(blocks: Iterable[EncodedBlock]) -> EncodedBlock:
    """The blocks (at least one) as one; only the last may have a failure."""
    several = list(blocks)
    return EncodedBlock(
        several[-1].end,
        tuple(map(sum, zip(*(each.rows_by_lane for each in several), strict=True))),
        tuple(batch for each in several for batch in each.batches),
        several[-1].failure,
        tuple(place for each in several for place in each.set_aside)[:SHOWN],
    )


def skip_after(skip: Sequence[int], encoded: EncodedBlock) -> tuple[int, ...]:
    """How many rows of each lane are still to be skipped after the block."""
    both = zip(skip, encoded.rows_by_lane, strict=False)
    return tuple(max(0, more - rows) for more, rows in both)
