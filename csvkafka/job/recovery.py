"""Where a job goes on: the stored checkpoint, the topic tails, and what they say together.

Pure. The batch headers in the log carry our producer id and our sequence numbers, which are row
indexes; so the log itself tells how many of our rows it holds, beside any other writer's records,
without reading a payload. What cannot be explained is refused: going on would lose or repeat rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from csvkafka.errors import TailDeletedError, TailGapError, TopicTruncatedError
from csvkafka.model import (
    SEQUENCE_MODULUS,
    BatchHeader,
    Lane,
    LaneProgress,
    LaneTail,
    ProducerIdentity,
)


def lanes_after_tails(
    lanes: Sequence[Lane],
    stored: Sequence[LaneProgress],
    tails: Sequence[LaneTail],
    identity: ProducerIdentity,
    *,
    accept_deleted_tail: bool = False,
) -> tuple[LaneProgress, ...]:
    """Where each lane really ends; never before the stored progress.

    `accept_deleted_tail` is the operator's word that nothing was sent after the checkpoint, for
    the case that retention has removed all evidence. Raises TopicTruncatedError, TailGapError,
    TailDeletedError."""
    return tuple(
        _lane_after_tail(lane, progress, tail, identity, accept_deleted_tail)
        for lane, progress, tail in zip(lanes, stored, tails, strict=True)
    )


def _lane_after_tail(
    lane: Lane,
    stored: LaneProgress,
    tail: LaneTail,
    identity: ProducerIdentity,
    accept_deleted_tail: bool,
) -> LaneProgress:
    place = f"partition {lane.partition} of topic {lane.topic}"
    offset = stored.next_kafka_offset
    if tail.end_offset < offset:
        raise TopicTruncatedError(
            f"{place} ends at Kafka offset {tail.end_offset}, but rows were acknowledged up to "
            f"{offset}: the log was truncated (unclean leader election, or restored data) and "
            "rows are lost. Load again under a new job id into a clean topic."
        )
    if tail.log_start_offset < offset:
        _check_last_stored_batch(place, stored, tail, identity)
    ours = [
        batch
        for batch in tail.batches
        if batch.base_kafka_offset >= offset and _is_ours(batch, identity)
    ]
    expected = stored.next_sequence
    if tail.log_start_offset > offset:
        expected = _first_remaining(place, stored, tail, ours, accept_deleted_tail)
    for batch in ours:
        if batch.base_sequence != expected % SEQUENCE_MODULUS:
            raise TailGapError(
                f"{place} holds row number {batch.base_sequence} of this job at Kafka offset "
                f"{batch.base_kafka_offset} where {expected % SEQUENCE_MODULUS} must follow: rows "
                "are missing in between. Load again under a new job id into a clean topic."
            )
        expected += batch.record_count
    end = ours[-1].last_kafka_offset + 1 if ours else max(offset, tail.log_start_offset)
    return LaneProgress(expected, end)


def _check_last_stored_batch(
    place: str, stored: LaneProgress, tail: LaneTail, identity: ProducerIdentity
) -> None:
    """The batch just before the checkpointed offset must be ours and end with our last row."""
    if stored.next_sequence == 0:
        return
    offset = stored.next_kafka_offset
    last = next(
        (b for b in tail.batches if b.base_kafka_offset < offset <= b.last_kafka_offset + 1), None
    )
    if (
        last is None
        or not _is_ours(last, identity)
        or last.last_kafka_offset != offset - 1
        or (last.base_sequence + last.record_count) % SEQUENCE_MODULUS
        != stored.next_sequence % SEQUENCE_MODULUS
    ):
        raise TopicTruncatedError(
            f"{place} does not hold row number {stored.next_sequence - 1} of this job at Kafka "
            f"offset {offset - 1}, where it was acknowledged: the log was truncated and written "
            "again by others, and rows are lost. Load again under a new job id into a clean topic."
        )


def _first_remaining(
    place: str,
    stored: LaneProgress,
    tail: LaneTail,
    ours: Sequence[BatchHeader],
    accept_deleted_tail: bool,
) -> int:
    """The log begins after the checkpoint: the first batch of ours that is left tells its rows."""
    if ours:
        behind = (ours[0].base_sequence - stored.next_sequence) % SEQUENCE_MODULUS
        return stored.next_sequence + behind
    if accept_deleted_tail:
        return stored.next_sequence
    raise TailDeletedError(
        f"{place} begins at Kafka offset {tail.log_start_offset}, after the checkpointed "
        f"{stored.next_kafka_offset}, and holds no batch of this job any more (retention or "
        "DeleteRecords): nothing tells whether rows were sent after the checkpoint. If you know "
        "that none were, or can accept repeated rows, run again with ACCEPT_DELETED_TAIL=true."
    )


def _is_ours(batch: BatchHeader, identity: ProducerIdentity) -> bool:
    return (
        batch.producer_id == identity.producer_id
        and batch.producer_epoch == identity.producer_epoch
        and not batch.is_control
    )
