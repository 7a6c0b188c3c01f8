"""When a lane begins a new epoch of the job's producer id, and which.

Pure. A leader forgets a producer id (a day after its last record, by default). Then brokers differ:
some take any first number, some only 0. All of them take a new epoch that begins at 0. From its
first batch on, they refuse every batch of an earlier epoch, a zombie's too.

Why that neither loses nor repeats a row:

- A lane begins a new epoch only if its leader did not know us and the lane then still ended where
  we had found its end. So nothing of ours was taken in between, and the epoch's base row is the
  number of rows in the lane.
- A leader that still knows the former epoch would take a late batch of it that goes on where the
  lane ends, even between our look and our write. So such a lane begins no new epoch, but where
  that batch must not count: behind a file that is skipped (`skip_in_order`).
- Epoch and base row are in the item before the first batch leaves; the write is refused if the
  lane's epoch, its owner or its checkpoint is no longer the one that was read. So each row has one
  number in an epoch, whoever sends it: a worker that finds the epoch begun and unused goes on in
  it.
- A lenient broker may still take a late batch of a former epoch before the first batch of the new
  one. The late batch then stands before ours, so our first batch is acknowledged above the end that
  we had read. `progress` has the topic read again, and `recovery` names the rows that are there
  twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from csvkafka.errors import EpochsUsedUpError
from csvkafka.limits import LAST_EPOCH
from csvkafka.model import Lane, LaneEpoch, LaneProgress


def forgotten_lanes(
    ends: Sequence[LaneProgress],
    known: Sequence[bool | None],
    refused: tuple[int, int] | None,
) -> tuple[int, ...]:
    """The lanes whose leader has forgotten us. `known` is what the leaders say, None where they do
    not tell; then only `refused` can: the lane and row of a batch that was alone on its way and was
    answered UNKNOWN_PRODUCER_ID.

    A lane without a row in its present epoch needs no other: any leader takes that from 0."""
    return tuple(
        lane
        for lane, (end, is_known) in enumerate(zip(ends, known, strict=True))
        if end.next_sequence > end.base_row
        and not is_known
        and (is_known is False or refused == (lane, end.next_sequence))
    )


def with_new_epochs(
    lanes: Sequence[Lane],
    stored: Sequence[LaneProgress],
    ends: Sequence[LaneProgress],
    forgotten: Sequence[int],
) -> tuple[LaneProgress, ...]:
    """The stored progress with a new epoch in each forgotten lane, from the end of its rows on.

    Raises EpochsUsedUpError."""
    changed = list(stored)
    for lane in forgotten:
        end = ends[lane]
        if end.epoch >= LAST_EPOCH:
            raise EpochsUsedUpError(
                f"partition {lanes[lane].partition} of topic {lanes[lane].topic} has forgotten "
                f"this job's producer id, and its epoch {end.epoch} is the last that there is. "
                "Raise the brokers' producer.id.expiration.ms, so that it is not forgotten so "
                "often, and load again under another JOB_ID into a clean topic."
            )
        begun = LaneEpoch(end.epoch + 1, end.next_sequence)
        changed[lane] = replace(stored[lane], epochs=(*end.epochs, begun))
    return tuple(changed)
