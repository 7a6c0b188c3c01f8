"""Tails that hold several epochs of the job's producer id: what is counted, and what is refused."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csvkafka.errors import (
    EpochBaseError,
    EpochNotEnforcedError,
    EpochOrderError,
    RepeatedRowsError,
    TailDeletedError,
    TailGapError,
    TopicTruncatedError,
)
from csvkafka.job.recovery import lanes_after_tails
from csvkafka.limits import SEQUENCE_MODULUS
from csvkafka.model import BatchHeader, Lane, LaneEpoch, LaneProgress, LaneTail, ProducerIdentity
from tests.refusals import refusal

LANE = Lane("rows", 3)
PLACE = "partition 3 of topic rows"
CLEAN = "Load again under another JOB_ID into a clean topic."
OURS = ProducerIdentity(7, 0)
TWO = (LaneEpoch(0, 0), LaneEpoch(1, 5))
THREE = (*TWO, LaneEpoch(2, 8))


def log(*batches: tuple[int, int, int], start: int = 0) -> LaneTail:
    """A tail of our batches, one after the other: (epoch, first sequence number, records)."""
    headers = []
    offset = start
    for epoch, sequence, count in batches:
        headers.append(BatchHeader(offset, offset + count - 1, count, 7, epoch, sequence))
        offset += count
    return LaneTail(start, offset, headers)


def scan(stored: LaneProgress, tail: LaneTail, *, accept: bool = False) -> LaneProgress:
    (lane,) = lanes_after_tails([LANE], [stored], [tail], OURS, accept_deleted_tail=accept)
    return lane


def exactly(text: str) -> str:
    return f"^{re.escape(text)}$"


def test_the_former_epochs_rows_and_then_the_new_ones_are_counted() -> None:
    tail = log((0, 0, 3), (0, 3, 2), (1, 0, 4))
    assert scan(LaneProgress(0, 0, TWO), tail) == LaneProgress(9, 9, TWO)
    assert scan(LaneProgress(3, 3, TWO), tail) == LaneProgress(9, 9, TWO)
    assert scan(LaneProgress(5, 5, TWO), tail) == LaneProgress(9, 9, TWO)
    assert scan(LaneProgress(9, 9, TWO), tail) == LaneProgress(9, 9, TWO)


def test_three_epochs_may_stand_in_one_tail() -> None:
    tail = log((0, 0, 5), (1, 0, 3), (2, 0, 1), (2, 1, 1))
    assert scan(LaneProgress(0, 0, THREE), tail) == LaneProgress(10, 10, THREE)
    assert scan(LaneProgress(5, 5, THREE), tail) == LaneProgress(10, 10, THREE)
    assert scan(LaneProgress(8, 8, THREE), tail) == LaneProgress(10, 10, THREE)


def test_an_epoch_that_no_row_was_sent_under_is_passed_over() -> None:
    epochs = (LaneEpoch(0, 0), LaneEpoch(1, 5), LaneEpoch(2, 5))
    assert scan(LaneProgress(0, 0, epochs), log((0, 0, 5), (2, 0, 2))).next_sequence == 7


def test_an_epoch_begun_and_not_used_leaves_the_lane_where_it_was() -> None:
    assert scan(LaneProgress(2, 2, TWO), log((0, 0, 2), (0, 2, 3))) == LaneProgress(5, 5, TWO)


def test_f107_epochs_later_than_the_items_are_taken_as_they_stand() -> None:
    """The item was restored from an earlier backup."""
    stored = LaneProgress(3, 3)
    tail = log((0, 0, 3), (0, 3, 2), (1, 0, 4), (3, 0, 1))
    epochs = (LaneEpoch(0, 0), LaneEpoch(1, 5), LaneEpoch(3, 9))
    assert scan(stored, tail) == LaneProgress(10, 10, epochs)


def test_the_last_stored_batch_is_held_against_its_own_epoch() -> None:
    tail = log((0, 0, 5), (1, 0, 3))
    assert scan(LaneProgress(8, 8, TWO), tail).next_sequence == 8
    for wrong in (log((0, 0, 5), (0, 5, 3)), log((0, 0, 5), (1, 1, 3)), log((0, 0, 5), (2, 0, 3))):
        with refusal(TopicTruncatedError, match="does not hold row number 7"):
            scan(LaneProgress(8, 8, TWO), wrong)


def test_sequence_numbers_of_a_later_epoch_start_over_too() -> None:
    epochs = (LaneEpoch(0, 0), LaneEpoch(1, 5))
    begun = SEQUENCE_MODULUS + 3
    tail = LaneTail(
        0,
        6,
        [
            BatchHeader(0, 1, 2, 7, 1, SEQUENCE_MODULUS - 4),
            BatchHeader(2, 5, 4, 7, 1, SEQUENCE_MODULUS - 2),
        ],
    )
    assert scan(LaneProgress(begun, 2, epochs), tail) == LaneProgress(begun + 4, 6, epochs)


# -- what retention leaves -------------------------------------------------------------------------


def test_f58_what_is_left_of_a_former_epoch_tells_its_row() -> None:
    tail = log((0, 3, 2), (1, 0, 4), start=103)
    assert scan(LaneProgress(1, 101, TWO), tail) == LaneProgress(9, 109, TWO)


def test_f58_what_is_left_of_the_present_epoch_tells_its_row() -> None:
    tail = log((1, 2, 3), start=110)
    assert scan(LaneProgress(1, 101, TWO), tail) == LaneProgress(10, 113, TWO)


def test_f58_numbers_that_started_over_are_told_from_the_stored_row_on() -> None:
    stored = LaneProgress(SEQUENCE_MODULUS + 20, 100, TWO)
    tail = log((1, 17, 1), start=110)
    assert scan(stored, tail).next_sequence == SEQUENCE_MODULUS + 23


def test_f59_an_epoch_that_nobody_knows_tells_nothing() -> None:
    for accept in (False, True):
        with refusal(TailDeletedError):
            scan(LaneProgress(1, 101, TWO), log((5, 3, 2), start=110), accept=accept)


def test_f59_with_the_operators_word_the_rows_are_those_of_the_epochs_beginning() -> None:
    empty = LaneTail(110, 110, [])
    with refusal(TailDeletedError):
        scan(LaneProgress(1, 101, TWO), empty)
    assert scan(LaneProgress(1, 101, TWO), empty, accept=True) == LaneProgress(5, 110, TWO)
    assert scan(LaneProgress(6, 101, TWO), empty, accept=True) == LaneProgress(6, 110, TWO)


# -- what is refused -------------------------------------------------------------------------------


def test_f97_a_late_batch_before_the_new_epoch_is_named_by_its_rows() -> None:
    text = (
        f"{PLACE} holds rows number 5 to 7 of this job twice: they stand at Kafka offsets 5 to 7, "
        "sent late under epoch 0 of this job's producer id, which the broker had forgotten. "
        f"{CLEAN}"
    )
    tail = log((0, 0, 5), (0, 5, 3), (1, 0, 4))
    for stored in (0, 5):
        with refusal(RepeatedRowsError, match=exactly(text)):
            scan(LaneProgress(stored, stored, TWO), tail)


def test_f97_a_late_batch_with_nothing_after_it_would_be_there_twice() -> None:
    text = (
        f"{PLACE} holds rows number 5 to 7 of this job from an earlier worker, and would hold "
        "them twice: they stand at Kafka offsets 5 to 7, sent late under epoch 0 of this job's "
        f"producer id, which the broker had forgotten. {CLEAN}"
    )
    with refusal(RepeatedRowsError, match=exactly(text)):
        scan(LaneProgress(0, 0, TWO), log((0, 0, 5), (0, 5, 3)))


def test_f97_two_late_batches_do_not_hold_each_others_rows_twice() -> None:
    with refusal(RepeatedRowsError, match=r"rows number 5 to 6 .* would hold them twice"):
        scan(LaneProgress(0, 0, TWO), log((0, 0, 5), (0, 5, 2), (0, 7, 2)))


def test_f97_of_a_batch_of_the_middle_epoch_only_the_rows_after_it_are_named() -> None:
    tail = log((0, 0, 5), (1, 0, 2), (1, 2, 4), (2, 0, 1))
    with refusal(RepeatedRowsError, match="rows number 8 to 10 of this job twice"):
        scan(LaneProgress(0, 0, THREE), tail)


def test_a_number_as_far_ahead_as_behind_is_a_gap() -> None:
    half = SEQUENCE_MODULUS // 2
    with refusal(TailGapError, match=f"row number {half + 5} "):
        scan(LaneProgress(0, 0), log((0, 0, 5), (0, half + 5, 1)))
    with refusal(RepeatedRowsError):
        scan(LaneProgress(half + 9, 0), log((0, 10, 1)))
    with refusal(TailGapError):
        scan(LaneProgress(half + 9, 0), log((0, 8, 1)))


def test_f97_of_a_batch_across_the_epochs_beginning_only_the_rows_after_it_are_named() -> None:
    tail = log((0, 0, 3), (0, 3, 5), (1, 0, 1))
    with refusal(RepeatedRowsError, match="rows number 5 to 7 of this job twice"):
        scan(LaneProgress(0, 0, TWO), tail)


def test_rows_of_the_same_epoch_that_come_again_are_named() -> None:
    tail = log((0, 0, 5), (0, 5, 3), (0, 4, 9))
    with refusal(RepeatedRowsError, match="rows number 4 to 7 of this job twice"):
        scan(LaneProgress(0, 0), tail)
    with refusal(RepeatedRowsError, match=r"rows number 0 to 4 .* Kafka offsets 5 to 9"):
        scan(LaneProgress(0, 0), log((0, 0, 5), (0, 0, 5)))


def test_f100_f104_a_former_epoch_after_a_later_one_is_an_order_that_cannot_be() -> None:
    text = (
        f"{PLACE} holds a batch of this job's epoch 0 at Kafka offset 7 (rows number 5 to 6) after "
        "rows of epoch 1: an earlier worker sent it, it came late, and was taken by a broker that "
        "had forgotten this job's producer id or keeps no epochs. Its rows are there twice or out "
        f"of order. {CLEAN}"
    )
    tail = log((0, 0, 5), (1, 0, 2), (0, 5, 2))
    for stored in (0, 5, 7):
        with refusal(EpochOrderError, match=exactly(text)):
            scan(LaneProgress(stored, stored, TWO), tail)


def test_f100_so_is_one_so_old_that_nobody_knows_its_rows() -> None:
    epochs = (LaneEpoch(3, 90), LaneEpoch(4, 100))
    tail = log((4, 1, 2), (2, 5, 2), start=101)
    with refusal(EpochOrderError, match="epoch 2 at Kafka offset 103 after rows of epoch 4"):
        scan(LaneProgress(101, 101, epochs), tail)


def test_f104_a_base_above_the_rows_is_refused() -> None:
    text = (
        f"the checkpoint says that epoch 1 of this job began in {PLACE} after 5 rows, but only 3 "
        "are there: the log was truncated (unclean leader election, or restored data) and rows are "
        f"lost, or the item was damaged. {CLEAN}"
    )
    with refusal(EpochBaseError, match=exactly(text)):
        scan(LaneProgress(0, 0, TWO), log((0, 0, 3)))
    with refusal(EpochBaseError):
        scan(LaneProgress(3, 3, TWO), log((0, 0, 3)))


@pytest.mark.parametrize("stored", [LaneProgress(0, 0, TWO), LaneProgress(0, 0)])
def test_f104_a_new_epoch_from_another_number_than_0_is_refused(stored: LaneProgress) -> None:
    text = (
        f"{PLACE} took epoch 1 of this job's producer id from sequence number 2 at Kafka offset 5, "
        "where a new epoch must begin at 0: the server does not enforce producer epochs, and on it "
        "rows can be repeated or lost. Load again under another JOB_ID into Apache Kafka; csvkafka "
        "doctor asks the server."
    )
    with refusal(EpochNotEnforcedError, match=exactly(text)):
        scan(stored, log((0, 0, 5), (1, 2, 3)))


def test_rows_missing_before_a_new_epoch_are_a_gap() -> None:
    with refusal(TailGapError, match=r"row number 5 .* offset 3 where 3 must follow"):
        scan(LaneProgress(0, 0, TWO), log((0, 0, 3), (1, 0, 4)))


def test_another_producers_epochs_are_nobody_of_ours() -> None:
    other = [BatchHeader(0, 1, 2, 8, 4, 0), BatchHeader(2, 3, 2, -1, -1, -1)]
    assert scan(LaneProgress(0, 0), LaneTail(0, 4, other)) == LaneProgress(0, 0)


# -- whatever happened -----------------------------------------------------------------------------


@given(
    data=st.data(),
    sizes=st.lists(st.lists(st.integers(1, 4), max_size=4), min_size=1, max_size=4),
)
def test_wherever_the_checkpoint_is_all_epochs_rows_are_found(
    data: st.DataObject, sizes: list[list[int]]
) -> None:
    """Each list is an epoch's batches. From each end of a batch, with the epochs known as far as
    the item keeps them, and from a backup that knows fewer."""
    batches: list[tuple[int, int, int]] = []
    epochs: list[LaneEpoch] = []
    ends = [0]
    for epoch, counts in enumerate(sizes):
        if epoch and not counts:
            continue
        epochs.append(LaneEpoch(epoch, ends[-1]))
        for count in counts:
            batches.append((epoch, ends[-1] - epochs[-1].base_row, count))
            ends.append(ends[-1] + count)
    tail = log(*batches)
    stored = data.draw(st.sampled_from(ends))
    begun = [epoch for epoch in epochs if epoch.base_row < stored] or epochs[:1]
    known = data.draw(st.integers(len(begun), len(epochs)))
    end = scan(LaneProgress(stored, stored, tuple(epochs[:known])), tail)
    assert end == LaneProgress(ends[-1], ends[-1], tuple(epochs))
    assert all(before.base_row <= after.base_row for before, after in pairwise(end.epochs))
