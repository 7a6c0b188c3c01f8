"""The acknowledged prefix: a checkpoint covers every row before it, and only those."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from csvkafka.errors import SequenceError
from csvkafka.model import (
    START,
    Checkpoint,
    EncodedBatch,
    EncodedBlock,
    LaneEpoch,
    LaneProgress,
    Position,
)
from csvkafka.pipeline.progress import Found, Progress, RescanNeeded
from tests.refusals import refusal


def batch(lane: int, record_count: int) -> EncodedBatch:
    return EncodedBatch(lane, record_count, 0, b"x" * record_count)


def block(row_count: int, rows_by_lane: Sequence[int], *batches: EncodedBatch) -> EncodedBlock:
    """A block after which `row_count` rows of 10 bytes are done."""
    return EncodedBlock(Position(row_count * 10, row_count), tuple(rows_by_lane), batches)


def at(*lanes: tuple[int, int]) -> tuple[LaneProgress, ...]:
    return tuple(LaneProgress(*lane) for lane in lanes)


FRESH = Checkpoint(START, 0, at((0, 0)))


def going_on(
    start: Checkpoint, ends: Sequence[LaneProgress] = (), unread: dict[int, int] | None = None
) -> Progress:
    """From that checkpoint; the lanes end there too, if nothing else is said."""
    ends = tuple(ends) or start.lanes
    return Progress(Found(start, ends, unread or {}, (-1,) * len(ends)))


def test_a_block_counts_when_it_and_all_before_it_are_acknowledged() -> None:
    two_lanes = at((0, 0), (0, 0))
    progress = going_on(Checkpoint(START, 0, two_lanes))
    progress.add(block(4, (4, 0), batch(0, 4)))
    progress.add(block(6, (0, 2), batch(1, 2)))
    assert progress.acknowledge(1, 0, 2) == 0
    assert progress.checkpoint.position == START
    assert progress.acknowledge(0, 0, 4) == 2
    assert progress.checkpoint == Checkpoint(Position(60, 6), 6, at((4, 4), (2, 2)))
    assert progress.all_acknowledged


def test_a_block_of_two_batches_needs_both_acknowledgements() -> None:
    progress = going_on(FRESH)
    progress.add(block(5, (5,), batch(0, 2), batch(0, 3)))
    assert progress.acknowledge(0, 10, 2) == 0
    assert progress.checkpoint.position == START
    assert progress.acknowledge(0, 20, 3) == 1
    assert progress.checkpoint.lanes == at((5, 23))


def test_a_lane_without_rows_in_a_block_keeps_its_place() -> None:
    two_lanes = at((0, 5), (0, 7))
    progress = going_on(Checkpoint(START, 0, two_lanes))
    progress.add(block(1, (1, 0), batch(0, 1)))
    progress.acknowledge(0, 9, 1)
    assert progress.checkpoint.lanes == at((1, 10), (0, 7))


def test_blocks_without_a_record_are_done_once_all_before_them_are() -> None:
    progress = going_on(FRESH)
    progress.add(block(5, (0,)))
    assert progress.checkpoint == Checkpoint(Position(50, 5), 0, at((0, 0)))
    progress.add(block(9, (2,), batch(0, 2)))
    progress.add(block(20, (0,)))
    assert progress.checkpoint.position.row_count == 5
    assert progress.acknowledge(0, 7, 2) == 2
    assert progress.checkpoint == Checkpoint(Position(200, 20), 2, at((2, 9)))
    assert progress.all_acknowledged


def test_no_checkpoint_is_offered_inside_the_tail() -> None:
    start = Checkpoint(Position(10, 1), 1, at((1, 1)), number=3)
    progress = going_on(start, at((5, 5)))
    assert progress.skip == (4,)
    progress.add(block(3, (2,)))
    assert progress.checkpoint is start
    progress.add(block(5, (2,)))
    assert progress.checkpoint == Checkpoint(Position(50, 5), 5, at((5, 5)), number=3)


def test_offsets_of_blocks_that_were_not_offered_are_remembered() -> None:
    """Lane 0 is past its tail while lane 1 is still inside its own."""
    start = Checkpoint(START, 0, at((0, 0), (0, 0)))
    progress = going_on(start, at((0, 0), (3, 3)))
    progress.add(block(2, (1, 1), batch(0, 1)))
    progress.acknowledge(0, 0, 1)
    assert progress.checkpoint is start
    progress.add(block(4, (0, 2)))
    assert progress.checkpoint.lanes == at((1, 1), (3, 3))


@pytest.mark.parametrize("kafka_offset", [-1, 0, 6])
def test_an_offset_that_is_unknown_or_does_not_rise_needs_a_new_look(kafka_offset: int) -> None:
    progress = going_on(FRESH)
    progress.add(block(2, (2,), batch(0, 2)))
    progress.add(block(4, (2,), batch(0, 2)))
    progress.acknowledge(0, 5, 2)
    with pytest.raises(RescanNeeded):
        progress.acknowledge(0, kafka_offset, 2)
    assert progress.checkpoint.position.row_count == 2


def test_an_offset_below_the_tail_needs_a_new_look() -> None:
    progress = going_on(FRESH, at((0, 100)))
    progress.add(block(2, (2,), batch(0, 2)))
    with pytest.raises(RescanNeeded):
        progress.acknowledge(0, 99, 2)


LATER = (LaneEpoch(0, 0), LaneEpoch(1, 4))


def begun_epoch(read_to: int, next_sequence: int = 4) -> Progress:
    """A lane whose second epoch begins at row 4, in a topic read up to that Kafka offset."""
    tail = LaneProgress(next_sequence, 9, LATER)
    progress = going_on(FRESH, [tail], {0: read_to} if next_sequence == 4 else {})
    progress.add(block(6, (6,), batch(0, 6 - next_sequence)))
    return progress


@pytest.mark.parametrize("kafka_offset", [9, 11, 12])
def test_f97_nothing_new_stands_before_the_first_batch_of_an_epoch(kafka_offset: int) -> None:
    progress = begun_epoch(read_to=12)
    assert progress.acknowledge(0, kafka_offset, 2) == 1
    assert progress.checkpoint.lanes == (LaneProgress(6, kafka_offset + 2, LATER),)


def test_f97_what_was_written_before_the_first_batch_of_an_epoch_must_be_read() -> None:
    progress = begun_epoch(read_to=12)
    text = (
        "lane 0 was acknowledged at Kafka offset 13, and what stands there from 12 on is not known"
    )
    with pytest.raises(RescanNeeded, match=f"^{text}$"):
        progress.acknowledge(0, 13, 2)
    assert progress.checkpoint.position == START


def test_other_writers_may_stand_before_all_other_batches() -> None:
    in_the_epoch = begun_epoch(read_to=12, next_sequence=5)
    assert in_the_epoch.acknowledge(0, 99, 1) == 1
    fresh = going_on(FRESH)
    for end in (2, 4):
        fresh.add(block(end, (2,), batch(0, 2)))
    assert fresh.acknowledge(0, 50, 2) == 1
    assert fresh.acknowledge(0, 99, 2) == 1
    once_begun = begun_epoch(read_to=12)
    once_begun.add(block(8, (2,), batch(0, 2)))
    assert once_begun.acknowledge(0, 12, 2) == 1
    assert once_begun.acknowledge(0, 77, 2) == 1


def test_before_a_batch_that_was_sent_again_nothing_new_stands() -> None:
    """A broker that had forgotten us would have taken it twice."""
    progress = going_on(FRESH, at((0, 5)))
    for end in (2, 4):
        progress.add(block(end, (2,), batch(0, 2)))
    assert progress.acknowledge(0, 5, 2, sent_again=True) == 1
    text = "lane 0 was acknowledged at Kafka offset 8, and what stands there from 7 on is not known"
    with pytest.raises(RescanNeeded, match=f"^{text}$"):
        progress.acknowledge(0, 8, 2, sent_again=True)
    assert progress.checkpoint.lanes == at((2, 7))


LATEST = (*LATER, LaneEpoch(2, 6))


def looked_at(end: LaneProgress, unread: dict[int, int] | None = None) -> Found:
    return Found(FRESH, (end,), unread or {}, (-1,))


def test_f111_a_lane_that_was_looked_at_goes_on_in_its_later_epoch() -> None:
    """What was acknowledged before and is stored only now names the later epoch too."""
    progress = begun_epoch(read_to=12)
    progress.acknowledge(0, 12, 2)
    progress.go_on(looked_at(LaneProgress(6, 14, LATEST), {0: 15}), 0)
    assert progress.checkpoint.lanes == (LaneProgress(6, 14, LATEST),)
    progress.add(block(8, (2,), batch(0, 2)))
    assert progress.is_unread(0, 16)
    assert not progress.is_unread(0, 15)
    assert progress.acknowledge(0, 15, 2) == 1
    assert progress.checkpoint.lanes == (LaneProgress(8, 17, LATEST),)


def test_f111_a_look_that_finds_all_read_leaves_nothing_unread() -> None:
    progress = begun_epoch(read_to=12)
    progress.go_on(looked_at(LaneProgress(4, 9, LATER)), 0)
    assert progress.acknowledge(0, 99, 2) == 1


def test_f111_a_lane_that_ends_before_what_was_acknowledged_must_be_read_again() -> None:
    progress = begun_epoch(read_to=12)
    progress.acknowledge(0, 12, 2)
    text = "lane 0 was found to end at Kafka offset 13, but was acknowledged up to 14"
    with pytest.raises(RescanNeeded, match=f"^{text}$"):
        progress.go_on(looked_at(LaneProgress(6, 13, LATEST)), 0)


def test_a_source_with_fewer_rows_than_the_topic_is_refused_at_its_end() -> None:
    progress = going_on(FRESH, at((3, 3)))
    progress.add(block(2, (2,)))
    with refusal(SequenceError, match=r"3 records of this job in lane 0.*only 2"):
        progress.finish()
    progress.add(block(3, (1,)))
    progress.finish()


class ProgressMachine(RuleBasedStateMachine):
    """Blocks over up to three lanes, some inside the tails; other writers' records in between.

    The model is the log: for each lane the Kafka offset of every row that is in it."""

    @initialize(
        lanes=st.lists(
            st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 5)),
            min_size=1,
            max_size=3,
        ),
        number=st.integers(0, 3),
    )
    def begin(self, lanes: list[tuple[int, int, int]], number: int) -> None:
        self.log: list[list[int]] = []
        starts, tails = [], []
        for stored_rows, tail_rows, gap in lanes:
            rows = [gap + row for row in range(stored_rows + tail_rows)]
            self.log.append(rows)
            starts.append(
                LaneProgress(stored_rows, rows[stored_rows - 1] + 1 if stored_rows else 0)
            )
            tails.append(LaneProgress(len(rows), rows[-1] + 1 if rows else 0))
        rows_done = sum(lane.next_sequence for lane in starts)
        self.tails = tails
        self.start = Checkpoint(Position(0, rows_done), rows_done, tuple(starts), number)
        self.progress = going_on(self.start, tails)
        self.reached = [lane.next_sequence for lane in starts]
        self.blocks: list[tuple[Position, list[int]]] = []
        self.awaited: list[list[int]] = [[] for _ in lanes]

    @rule(data=st.data())
    def add(self, data: st.DataObject) -> None:
        rows_by_lane = [data.draw(st.integers(0, 4)) for _ in self.log]
        batches = []
        for lane, rows in enumerate(rows_by_lane):
            skipped = max(0, min(rows, self.tails[lane].next_sequence - self.reached[lane]))
            self.reached[lane] += rows
            sent = rows - skipped
            cut = data.draw(st.integers(0, sent))
            batches += [batch(lane, size) for size in (cut, sent - cut) if size]
        order = data.draw(st.permutations(batches))
        for each in order:
            self.awaited[each.lane].append(each.record_count)
        row_count = (
            self.start.position.row_count
            + sum(self.reached)
            - sum(lane.next_sequence for lane in self.start.lanes)
        )
        end = Position(row_count * 10, row_count)
        self.blocks.append((end, list(self.reached)))
        self.progress.add(EncodedBlock(end, tuple(rows_by_lane), tuple(order)))

    @precondition(lambda self: any(self.awaited))
    @rule(data=st.data(), gap=st.integers(0, 3))
    def acknowledge(self, data: st.DataObject, gap: int) -> None:
        lane = data.draw(st.sampled_from([i for i, rows in enumerate(self.awaited) if rows]))
        record_count = self.awaited[lane].pop(0)
        log = self.log[lane]
        end = log[-1] + 1 if log else self.tails[lane].next_kafka_offset
        base = end + gap
        log += range(base, base + record_count)
        completed = self.progress.acknowledge(lane, base, record_count)
        assert completed >= 0

    @invariant()
    def the_checkpoint_is_the_newest_that_is_true(self) -> None:
        expected = self.start
        for end, reached in self.blocks:
            in_log = all(len(log) >= rows for log, rows in zip(self.log, reached, strict=True))
            if not in_log:
                break
            if any(
                rows < tail.next_sequence for rows, tail in zip(reached, self.tails, strict=True)
            ):
                continue
            expected = Checkpoint(
                end,
                sum(reached),
                tuple(
                    LaneProgress(
                        rows,
                        log[rows - 1] + 1 if rows else tail.next_kafka_offset,
                    )
                    for log, rows, tail in zip(self.log, reached, self.tails, strict=True)
                ),
                self.start.number,
            )
        assert self.progress.checkpoint == expected

    @invariant()
    def all_acknowledged_means_that_nothing_is_awaited(self) -> None:
        assert self.progress.all_acknowledged == (not any(self.awaited))

    @invariant()
    def finishing_is_refused_while_the_topic_holds_more(self) -> None:
        short = any(
            rows < tail.next_sequence for rows, tail in zip(self.reached, self.tails, strict=True)
        )
        if short:
            with pytest.raises(SequenceError):
                self.progress.finish()
        else:
            self.progress.finish()


TestProgressMachine = ProgressMachine.TestCase
