"""Checkpoint and topic tail together tell where a lane goes on (rule 4)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csvkafka.errors import TailDeletedError, TailGapError, TopicTruncatedError
from csvkafka.job.recovery import lanes_after_tails
from csvkafka.limits import SEQUENCE_MODULUS
from csvkafka.model import BatchHeader, EncodedBatch, Lane, LaneProgress, LaneTail, ProducerIdentity
from csvkafka.records.record_batch import frame_records, seal
from csvkafka.testing.simulator.partition_log import PartitionLog

OURS = ProducerIdentity(7, 0)
OTHER = ProducerIdentity(8, 0)
NOT_IDEMPOTENT = ProducerIdentity(-1, -1)
LANE = Lane("rows", 0)


@dataclass
class Written:
    """A log, and where it stood after each of our batches."""

    log: PartitionLog
    stops: list[LaneProgress]

    def ours(self, *sizes: int) -> Written:
        for size in sizes:
            first = self.stops[-1].next_sequence
            sealed = seal(_batch(size), OURS, first, 0)
            assert self.log.append(sealed).appended
            self.stops.append(LaneProgress(first + size, self.log.end_offset))
        return self

    def foreign(self, size: int, identity: ProducerIdentity = NOT_IDEMPOTENT) -> Written:
        self.log.append(seal(_batch(size), identity, 0, 0))
        return self

    def scan(self, stored: LaneProgress, **options: bool) -> LaneProgress:
        tail = self.log.tail(stored.next_kafka_offset)
        (lane,) = lanes_after_tails([LANE], [stored], [tail], OURS, **options)
        return lane


def _batch(size: int) -> EncodedBatch:
    return EncodedBatch(0, size, 0, frame_records([b"v"] * size))


def written(first_sequence: int = 0) -> Written:
    return Written(PartitionLog(), [LaneProgress(first_sequence, 0)])


def test_an_empty_log_begins_at_the_stored_place() -> None:
    assert written().scan(LaneProgress(0, 0)) == LaneProgress(0, 0)


def test_rows_after_the_checkpoint_are_counted() -> None:
    log = written().ours(3, 2, 4)
    assert log.scan(log.stops[1]) == LaneProgress(9, 9)
    assert log.scan(log.stops[3]) == LaneProgress(9, 9)


def test_f63_other_writers_records_are_passed_over() -> None:
    log = written().foreign(2).ours(3).foreign(5, OTHER).ours(1).foreign(1)
    assert log.scan(log.stops[1]) == LaneProgress(4, 11)
    assert log.scan(LaneProgress(0, 2)) == LaneProgress(4, 11)


def test_transaction_markers_are_no_rows() -> None:
    marker = BatchHeader(0, 0, 1, 7, 0, -1, is_control=True)
    tail = LaneTail(0, 1, [marker])
    assert lanes_after_tails([LANE], [LaneProgress(0, 0)], [tail], OURS) == (LaneProgress(0, 0),)


def test_f54_a_log_that_ends_before_the_checkpoint_is_truncated() -> None:
    log = written().ours(3, 2)
    log.log.truncate(3)
    with pytest.raises(TopicTruncatedError, match=r"ends at Kafka offset 3.*up to 5"):
        log.scan(log.stops[2])


@pytest.mark.parametrize("rewritten_by", [OTHER, NOT_IDEMPOTENT])
def test_f55_a_log_cut_and_written_again_by_others_is_truncated(
    rewritten_by: ProducerIdentity,
) -> None:
    log = written().ours(3, 2)
    log.log.truncate(3)
    log.foreign(10, rewritten_by)
    with pytest.raises(TopicTruncatedError, match="does not hold row number 4"):
        log.scan(log.stops[2])


def test_f55_a_foreign_batch_across_the_checkpoint_is_no_row_of_ours() -> None:
    log = written().ours(3, 2)
    log.log.truncate(3)
    log.foreign(2)
    with pytest.raises(TopicTruncatedError):
        log.scan(log.stops[2])


def test_f55_rows_of_ours_that_are_not_the_last_stored_ones_are_refused() -> None:
    stored = LaneProgress(5, 5)
    tail = LaneTail(0, 6, [BatchHeader(3, 4, 2, 7, 0, 1)])
    with pytest.raises(TopicTruncatedError):
        lanes_after_tails([LANE], [stored], [tail], OURS)


def test_a_batch_of_ours_that_goes_on_past_the_checkpoint_is_refused() -> None:
    stored = LaneProgress(5, 5)
    tail = LaneTail(0, 7, [BatchHeader(3, 6, 4, 7, 0, 3)])
    with pytest.raises(TopicTruncatedError):
        lanes_after_tails([LANE], [stored], [tail], OURS)


def test_before_the_first_row_nothing_of_ours_need_stand_there() -> None:
    log = written().foreign(4)
    assert log.scan(LaneProgress(0, 4)) == LaneProgress(0, 4)


def test_f56_rows_cut_after_the_checkpoint_are_sent_again() -> None:
    log = written().ours(3, 2, 4)
    log.log.truncate(5)
    assert log.scan(log.stops[1]) == LaneProgress(5, 5)


def test_f58_the_first_batch_left_by_retention_tells_its_rows() -> None:
    log = written().ours(3, 2, 4)
    log.log.delete_before(5)
    assert log.scan(log.stops[1]) == LaneProgress(9, 9)


def test_f58_retention_just_up_to_the_checkpoint_proves_nothing_missing() -> None:
    log = written().ours(3, 2)
    log.log.delete_before(3)
    assert log.scan(log.stops[1]) == LaneProgress(5, 5)


def test_f59_nothing_left_of_ours_needs_the_operators_word() -> None:
    log = written().ours(3, 2).foreign(2)
    log.log.delete_before(6)
    with pytest.raises(TailDeletedError, match="ACCEPT_DELETED_TAIL=true"):
        log.scan(log.stops[1])
    assert log.scan(log.stops[1], accept_deleted_tail=True) == LaneProgress(3, 6)


@pytest.mark.parametrize("missing", [1, 2])
def test_f60_a_batch_missing_inside_the_tail_is_a_gap(missing: int) -> None:
    log = written().ours(3, 2, 4, 1)
    log.log.remove_batch(log.stops[missing].next_kafka_offset)
    with pytest.raises(TailGapError):
        log.scan(log.stops[1])


def test_f68_sequence_numbers_start_over_inside_a_batch_and_between() -> None:
    log = written(SEQUENCE_MODULUS - 4).ours(2, 4, 3)
    assert log.scan(log.stops[1]) == LaneProgress(SEQUENCE_MODULUS + 5, 9)
    assert log.scan(log.stops[2]) == LaneProgress(SEQUENCE_MODULUS + 5, 9)
    log.log.delete_before(6)
    assert log.scan(log.stops[1]) == LaneProgress(SEQUENCE_MODULUS + 5, 9)


def test_lanes_are_told_apart_by_their_place_in_messages() -> None:
    lanes = [Lane("rows", 0), Lane("rows", 3)]
    stored = [LaneProgress(0, 0), LaneProgress(1, 9)]
    tails = [LaneTail(0, 0, []), LaneTail(0, 4, [])]
    with pytest.raises(TopicTruncatedError, match="partition 3 of topic rows"):
        lanes_after_tails(lanes, stored, tails, OURS)


@given(
    data=st.data(),
    first_sequence=st.sampled_from([0, 5, SEQUENCE_MODULUS - 3]),
    steps=st.lists(st.tuples(st.booleans(), st.integers(1, 4)), max_size=12),
)
def test_wherever_the_checkpoint_is_the_end_is_found(
    data: st.DataObject, first_sequence: int, steps: list[tuple[bool, int]]
) -> None:
    """From each stop, after any deletion that leaves a batch of ours behind the checkpoint, and
    never after one that leaves none."""
    log = written(first_sequence)
    for is_ours, size in steps:
        if is_ours:
            log.ours(size)
        else:
            log.foreign(size)
    stored = data.draw(st.sampled_from(log.stops))
    # The stop before the first row stands where the log was then: at the first of our batches.
    last = log.stops[-1]
    end = LaneProgress(last.next_sequence, max(last.next_kafka_offset, stored.next_kafka_offset))
    if stored.next_sequence > first_sequence or first_sequence == 0:
        assert log.scan(stored) == end
    log.log.delete_before(data.draw(st.integers(0, log.log.end_offset)))
    if log.log.log_start_offset <= stored.next_kafka_offset:
        return
    if log.log.log_start_offset < last.next_kafka_offset:
        assert log.scan(stored) == end
    else:
        with pytest.raises(TailDeletedError):
            log.scan(stored)
