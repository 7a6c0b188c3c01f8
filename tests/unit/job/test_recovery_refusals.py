"""What recovery and progress refuse, and in which words: what, where, and what to do.

Found by mutation testing (`nox -s mutants`): each of these tests kills mutants that lived.
"""

from __future__ import annotations

import re

import pytest

from csvkafka.errors import SequenceError, TailDeletedError, TailGapError, TopicTruncatedError
from csvkafka.job.recovery import lanes_after_tails
from csvkafka.model import (
    START,
    BatchHeader,
    Checkpoint,
    EncodedBatch,
    EncodedBlock,
    Lane,
    LaneProgress,
    LaneTail,
    Position,
    ProducerIdentity,
)
from csvkafka.pipeline.progress import Found, Progress, RescanNeeded
from tests.refusals import refusal

LANE = Lane("rows", 3)
OURS = ProducerIdentity(7, 0)
CLEAN = "Load again under another JOB_ID into a clean topic."


def batch(base: int, count: int, sequence: int, producer_id: int = 7) -> BatchHeader:
    return BatchHeader(base, base + count - 1, count, producer_id, 0, sequence)


def scan(stored: LaneProgress, tail: LaneTail) -> LaneProgress:
    (lane,) = lanes_after_tails([LANE], [stored], [tail], OURS)
    return lane


def exactly(text: str) -> str:
    return f"^{re.escape(text)}$"


def test_a_log_that_ends_too_early_says_so() -> None:
    text = (
        "partition 3 of topic rows ends at Kafka offset 4, but rows were acknowledged up to 9: the "
        "log was truncated (unclean leader election, or restored data) and rows are lost. " + CLEAN
    )
    with refusal(TopicTruncatedError, match=exactly(text)):
        scan(LaneProgress(9, 9), LaneTail(0, 4, [batch(0, 4, 0)]))


HELD_BY_OTHERS = (
    "partition 3 of topic rows does not hold row number 2 of this job at Kafka offset 2, where it "
    "was acknowledged: the log was truncated and written again by others, and rows are lost. "
    + CLEAN
)


@pytest.mark.parametrize(
    "batches",
    [
        pytest.param([], id="nothing there"),
        pytest.param([batch(3, 1, 3)], id="nothing up to there"),
        pytest.param([batch(0, 3, 0, producer_id=8)], id="another's, numbered alike"),
        pytest.param([batch(0, 4, 0)], id="ours, that goes on"),
    ],
)
def test_the_last_stored_row_must_stand_where_it_was_acknowledged(
    batches: list[BatchHeader],
) -> None:
    with pytest.raises(TopicTruncatedError, match=exactly(HELD_BY_OTHERS)):
        scan(LaneProgress(3, 3), LaneTail(0, 4, batches))


def test_a_tail_may_begin_before_the_last_stored_batch() -> None:
    tail = LaneTail(0, 4, [batch(0, 3, 0), batch(3, 1, 3)])
    assert scan(LaneProgress(4, 4), tail) == LaneProgress(4, 4)


def test_a_gap_says_what_is_there_and_what_must_follow() -> None:
    text = (
        "partition 3 of topic rows holds row number 5 of this job at Kafka offset 3 where 3 must "
        "follow: rows are missing in between. " + CLEAN
    )
    with refusal(TailGapError, match=exactly(text)):
        scan(LaneProgress(0, 0), LaneTail(0, 5, [batch(0, 3, 0), batch(3, 2, 5)]))


def test_a_deleted_tail_asks_for_the_operators_word() -> None:
    text = (
        "partition 3 of topic rows begins at Kafka offset 9, after the checkpointed 4, and holds "
        "no batch of this job any more (retention or DeleteRecords): nothing tells whether rows "
        "were sent after the checkpoint. If you know that none were, or can accept repeated rows, "
        "run again with ACCEPT_DELETED_TAIL=true."
    )
    with refusal(TailDeletedError, match=exactly(text)):
        scan(LaneProgress(4, 4), LaneTail(9, 9, []))


def test_lanes_and_tails_must_be_as_many() -> None:
    stored, tail = LaneProgress(0, 0), LaneTail(0, 0, [])
    with pytest.raises(ValueError, match="zip"):
        lanes_after_tails([LANE, LANE], [stored], [tail], OURS)
    with pytest.raises(ValueError, match="zip"):
        lanes_after_tails([LANE], [stored], [tail, tail], OURS)


def progress(*tails: LaneProgress) -> Progress:
    start = Checkpoint(START, 0, (LaneProgress(0, 0),))
    return Progress(Found(start, tails, {}, (-1,) * len(tails)))


def test_an_acknowledgement_that_does_not_rise_names_its_lane_and_offset() -> None:
    loading = progress(LaneProgress(0, 10))
    sent = EncodedBatch(0, 2, 0, b"")
    loading.add(EncodedBlock(Position(9, 2), (2,), (sent,)))
    text = "lane 0 was acknowledged at Kafka offset 5, expected 10 or more"
    with pytest.raises(RescanNeeded, match=exactly(text)):
        loading.acknowledge(0, 5, 2)


def test_a_source_shorter_than_the_topic_says_what_it_gives() -> None:
    text = (
        "the topic holds 6 records of this job in lane 0, but the source gives only 0; the source "
        "or the job's settings are not those that wrote them. Load under another JOB_ID into a "
        "clean topic."
    )
    with pytest.raises(SequenceError, match=exactly(text)):
        progress(LaneProgress(6, 6)).finish()


def test_progress_refuses_tails_of_other_lanes() -> None:
    two = (LaneProgress(0, 0), LaneProgress(0, 0))
    with pytest.raises(ValueError, match="zip"):
        progress(*two).finish()
    with pytest.raises(ValueError, match="zip"):
        progress(*two).add(EncodedBlock(Position(9, 0), (0,), ()))
