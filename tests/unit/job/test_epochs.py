"""Which lanes begin a new epoch, and which they never do."""

from __future__ import annotations

import re

import pytest

from csvkafka.errors import EpochsUsedUpError
from csvkafka.job.epochs import forgotten_lanes, with_new_epochs
from csvkafka.limits import LAST_EPOCH
from csvkafka.model import Lane, LaneEpoch, LaneProgress
from tests.refusals import refusal

LANES = [Lane("rows", 0), Lane("rows", 1)]
FIRST = LaneEpoch(0, 0)


def test_a_lane_that_the_leader_knows_never_begins_a_new_epoch() -> None:
    ends = [LaneProgress(5, 5)]
    assert forgotten_lanes(ends, [True], None) == ()
    assert forgotten_lanes(ends, [True], (0, 5)) == ()


def test_a_lane_that_the_leader_has_forgotten_does() -> None:
    ends = [LaneProgress(5, 5), LaneProgress(7, 9)]
    assert forgotten_lanes(ends, [False, False], None) == (0, 1)
    assert forgotten_lanes(ends, [True, False], None) == (1,)


def test_where_the_leader_does_not_tell_the_refused_batch_decides() -> None:
    ends = [LaneProgress(5, 5), LaneProgress(7, 9)]
    assert forgotten_lanes(ends, [None, None], None) == ()
    assert forgotten_lanes(ends, [None, None], (1, 7)) == (1,)
    assert forgotten_lanes(ends, [None, None], (0, 7)) == ()


def test_rows_that_came_after_the_refused_batch_mean_that_we_are_known_again() -> None:
    assert forgotten_lanes([LaneProgress(6, 6)], [None], (0, 5)) == ()


def test_a_lane_without_a_row_in_its_epoch_needs_no_other() -> None:
    fresh = LaneProgress(0, 4)
    begun = LaneProgress(5, 5, (FIRST, LaneEpoch(1, 5)))
    assert forgotten_lanes([fresh, begun], [False, False], None) == ()
    assert forgotten_lanes([fresh, begun], [None, None], (1, 5)) == ()


def test_an_answer_is_needed_for_each_lane() -> None:
    with pytest.raises(ValueError, match="zip"):
        forgotten_lanes([LaneProgress(5, 5)], [], None)


def test_the_new_epoch_begins_at_the_end_of_the_rows_and_the_checkpoint_stays() -> None:
    stored = [LaneProgress(2, 3), LaneProgress(7, 9)]
    ends = [LaneProgress(5, 8), LaneProgress(7, 9)]
    epochs = (FIRST, LaneEpoch(1, 5))
    assert with_new_epochs(LANES, stored, ends, [0]) == (LaneProgress(2, 3, epochs), stored[1])


def test_epochs_that_the_tail_showed_are_kept() -> None:
    """The item came from a backup; it must not forget again what the topic told."""
    later = (FIRST, LaneEpoch(1, 4))
    changed = with_new_epochs(LANES[:1], [LaneProgress(2, 3)], [LaneProgress(5, 8, later)], [0])
    assert changed[0].epochs == (*later, LaneEpoch(2, 5))


def test_f104_the_last_epoch_is_an_error_and_no_new_beginning() -> None:
    last = (FIRST, LaneEpoch(LAST_EPOCH - 1, 3))
    ends = [LaneProgress(5, 5, last)]
    begun = with_new_epochs(LANES[:1], ends, ends, [0])
    assert begun[0].epoch == LAST_EPOCH == 32767
    text = (
        "partition 0 of topic rows has forgotten this job's producer id, and its epoch 32767 is "
        "the last that there is. Raise the brokers' producer.id.expiration.ms, so that it is not "
        "forgotten so often, and load again under another JOB_ID into a clean topic."
    )
    with refusal(EpochsUsedUpError, match=f"^{re.escape(text)}$"):
        with_new_epochs(LANES[:1], begun, [LaneProgress(6, 6, begun[0].epochs)], [0])
