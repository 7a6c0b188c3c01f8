"""Where a job goes on: the stored checkpoint, the topic tails, and what they say together.

Pure. The batch headers in the log carry our producer id and our sequence numbers. These are row
indexes, counted from where a lane's epoch began. So the log itself tells how many of our rows it
holds: other writers' records do not matter, and no payload is read. What cannot be explained is
refused, because going on would lose or repeat rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from csvkafka.errors import (
    EpochBaseError,
    EpochNotEnforcedError,
    EpochOrderError,
    RepeatedRowsError,
    TailDeletedError,
    TailGapError,
    TopicTruncatedError,
)
from csvkafka.limits import SEQUENCE_MODULUS
from csvkafka.model import BatchHeader, Lane, LaneEpoch, LaneProgress, LaneTail, ProducerIdentity


def lanes_after_tails(
    lanes: Sequence[Lane],
    stored: Sequence[LaneProgress],
    tails: Sequence[LaneTail],
    identity: ProducerIdentity,
    *,
    accept_deleted_tail: bool = False,
) -> tuple[LaneProgress, ...]:
    """Where each lane really ends; never before the stored progress.

    A tail may hold batches of several epochs of our producer id, in the order of the epochs. One
    that is later than the stored ones is taken as it stands: the item was restored from a backup.
    `accept_deleted_tail` is the operator's word that nothing was sent after the checkpoint, for
    the case that retention has removed all evidence. Raises RecoveryError."""
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
            "rows are lost. "
            "Load again under another JOB_ID into a clean topic."
        )
    if tail.log_start_offset < offset:
        _check_last_stored_batch(place, stored, tail, identity)
    walk = _Walk(place, stored, [b for b in _ours(tail, identity) if b.base_kafka_offset >= offset])
    if tail.log_start_offset > offset:
        walk.begin_at_what_is_left(tail.log_start_offset, accept_deleted_tail)
    walk.to_the_end()
    last = walk.batches[-1].last_kafka_offset + 1 if walk.batches else 0
    end = last or max(offset, tail.log_start_offset)
    return LaneProgress(walk.next_row, end, tuple(walk.epochs))


def heard_ms(tail: LaneTail, identity: ProducerIdentity) -> int:
    """The Unix time of our last record in the tail; -1 if none is left there."""
    return max((batch.max_timestamp_ms for batch in _ours(tail, identity)), default=-1)


def _ours(tail: LaneTail, identity: ProducerIdentity) -> list[BatchHeader]:
    """The batches of our producer id, of whichever epoch: nobody else is given one of its
    epochs."""
    return [
        batch
        for batch in tail.batches
        if batch.producer_id == identity.producer_id and not batch.is_control
    ]


def _check_last_stored_batch(
    place: str, stored: LaneProgress, tail: LaneTail, identity: ProducerIdentity
) -> None:
    """The batch just before the checkpointed offset must be ours and end with our last row."""
    if stored.next_sequence == 0:
        return
    offset = stored.next_kafka_offset
    sent_under = stored.epochs[_epoch_of_last_row(stored)]
    last = next(
        (b for b in tail.batches if b.base_kafka_offset < offset <= b.last_kafka_offset + 1), None
    )
    if (
        last is None
        or last not in _ours(tail, identity)
        or last.producer_epoch != sent_under.epoch
        or last.last_kafka_offset != offset - 1
        or (last.base_sequence + last.record_count) % SEQUENCE_MODULUS
        != (stored.next_sequence - sent_under.base_row) % SEQUENCE_MODULUS
    ):
        raise TopicTruncatedError(
            f"{place} does not hold row number {stored.next_sequence - 1} of this job at Kafka "
            f"offset {offset - 1}, where it was acknowledged: the log was truncated and written "
            "again by others, and rows are lost. "
            "Load again under another JOB_ID into a clean topic."
        )


def _epoch_of_last_row(stored: LaneProgress) -> int:
    """The index of the epoch under which the last stored row was sent."""
    begun = [i for i, epoch in enumerate(stored.epochs) if epoch.base_row < stored.next_sequence]
    return begun[-1] if begun else 0


class _Walk:
    """Follows our batches of one lane, in the order of the log, from the stored place on.

    `next_row` is the row that must come next; `epochs` those known, to which later ones are added;
    `reached` is the index of the epoch of the last row before `next_row`."""

    def __init__(self, place: str, stored: LaneProgress, batches: Sequence[BatchHeader]) -> None:
        self.place = place
        self.batches = batches
        self.epochs = list(stored.epochs)
        self.next_row = stored.next_sequence
        self.stored_offset = stored.next_kafka_offset
        self.reached = _epoch_of_last_row(stored)

    def begin_at_what_is_left(self, log_start_offset: int, accept_deleted_tail: bool) -> None:
        """The log begins after the checkpoint: the first batch of ours that is left tells its row,
        if its epoch is one that the checkpoint knows."""
        index = self._index_of(self.batches[0].producer_epoch) if self.batches else None
        if index is not None:
            base_row = self.epochs[index].base_row
            first = max(self.next_row, base_row)
            behind = (self.batches[0].base_sequence - (first - base_row)) % SEQUENCE_MODULUS
            self.next_row = first + behind
            self.reached = index
        elif accept_deleted_tail and not self.batches:
            # A later epoch was begun because so many rows were seen.
            self.next_row = max(self.next_row, self.epochs[-1].base_row)
        else:
            raise TailDeletedError(
                f"{self.place} begins at Kafka offset {log_start_offset}, after the checkpointed "
                f"{self.stored_offset}, and holds no batch of this job any more (retention or "
                "DeleteRecords): nothing tells whether rows were sent after the checkpoint. If you "
                "know that none were, or can accept repeated rows, run again with "
                "ACCEPT_DELETED_TAIL=true."
            )

    def to_the_end(self) -> None:
        """Takes all batches; `next_row` is then the number of our rows."""
        for batch in self.batches:
            index = self._epoch_of(batch)
            self._check_rows(batch, index)
            self.next_row += batch.record_count
            self.reached = index
        present = self.epochs[-1]
        if self.next_row < present.base_row:
            raise EpochBaseError(
                f"the checkpoint says that epoch {present.epoch} of this job began in {self.place} "
                f"after {present.base_row} rows, but only {self.next_row} are there: the log was "
                "truncated (unclean leader election, or restored data) and rows are lost, or the "
                "item was damaged. "
                "Load again under another JOB_ID into a clean topic."
            )

    def _index_of(self, epoch: int) -> int | None:
        return next((i for i, known in enumerate(self.epochs) if known.epoch == epoch), None)

    def _epoch_of(self, batch: BatchHeader) -> int:
        """The index of the batch's epoch, which must not be one before the last that was seen."""
        epoch = batch.producer_epoch
        index = self._index_of(epoch)
        if epoch > self.epochs[-1].epoch:
            index = len(self.epochs)
            self.epochs.append(LaneEpoch(epoch, self.next_row))
        if index is None or index < self.reached:
            rows = "" if index is None else f" ({self._rows_of(batch, index)})"
            raise EpochOrderError(
                f"{self.place} holds a batch of this job's epoch {epoch} at Kafka offset "
                f"{batch.base_kafka_offset}{rows} after rows of epoch "
                f"{self.epochs[self.reached].epoch}: an earlier worker sent it, it came late, and "
                "was taken by a broker that had forgotten this job's producer id or keeps no "
                "epochs. Its rows are there twice or out of order. "
                "Load again under another JOB_ID into a clean topic."
            )
        if index > self.reached and batch.base_sequence != 0:
            raise EpochNotEnforcedError(
                f"{self.place} took epoch {epoch} of this job's producer id from sequence number "
                f"{batch.base_sequence} at Kafka offset {batch.base_kafka_offset}, where a new "
                "epoch must begin at 0: the server does not enforce producer epochs, and on it "
                "rows can be repeated or lost. Load again under another JOB_ID into Apache Kafka; "
                "csvkafka doctor asks the server."
            )
        return index

    def _rows_of(self, batch: BatchHeader, index: int) -> str:
        first = self.epochs[index].base_row + batch.base_sequence
        return f"rows number {first} to {first + batch.record_count - 1}"

    def _check_rows(self, batch: BatchHeader, index: int) -> None:
        """The batch must hold the next rows, and none that belong to a later epoch."""
        due = self.next_row - self.epochs[index].base_row
        ahead = (batch.base_sequence - due) % SEQUENCE_MODULUS
        behind = (due - batch.base_sequence) % SEQUENCE_MODULUS
        if behind < ahead:
            row = self.next_row - behind
            raise self._repeated(batch, row, min(row + batch.record_count, self.next_row))
        if ahead:
            raise TailGapError(
                f"{self.place} holds row number {self.next_row + ahead} of this job at Kafka "
                f"offset {batch.base_kafka_offset} where {self.next_row} must follow: rows are "
                "missing in between. "
                "Load again under another JOB_ID into a clean topic."
            )
        end = self.next_row + batch.record_count
        if index + 1 < len(self.epochs) and end > self.epochs[index + 1].base_row:
            first = max(self.next_row, self.epochs[index + 1].base_row)
            sent_again = any(b.producer_epoch > batch.producer_epoch for b in self.batches)
            raise self._repeated(batch, first, end, is_twice=sent_again)

    def _repeated(
        self, batch: BatchHeader, first: int, end: int, *, is_twice: bool = True
    ) -> RepeatedRowsError:
        return RepeatedRowsError(
            f"{self.place} holds rows number {first} to {end - 1} of this job "
            f"{'twice' if is_twice else 'from an earlier worker, and would hold them twice'}: "
            f"they stand at Kafka offsets {batch.base_kafka_offset} to {batch.last_kafka_offset}, "
            f"sent late under epoch {batch.producer_epoch} of this job's producer id, which the "
            "broker had forgotten. "
            "Load again under another JOB_ID into a clean topic."
        )
