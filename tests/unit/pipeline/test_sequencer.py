"""Which batch goes when, and again: the sequencer alone, and against a log with Kafka's rules."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from csvkafka.errors import (
    ConfigError,
    CsvKafkaError,
    RecordTooLargeError,
    SequenceError,
    SinkRefusedError,
)
from csvkafka.limits import SEQUENCE_MODULUS
from csvkafka.model import (
    EncodedBatch,
    LaneEpoch,
    LaneProgress,
    OutcomeKind,
    ProduceOutcome,
    ProducerIdentity,
    SequencedBatch,
)
from csvkafka.pipeline.progress import LaneRested, RescanNeeded, SmallerBatchesNeeded
from csvkafka.pipeline.sequencer import (
    FIRST_BACKOFF_SECONDS,
    LAST_BACKOFF_SECONDS,
    MAX_IN_FLIGHT,
    Acknowledged,
    ProducerForgotten,
    Sequencer,
)
from csvkafka.records.record_batch import frame_records, read_headers, seal
from csvkafka.testing.simulator.partition_log import NO_ERROR, PartitionLog, values
from tests.unit.stepped_clock import SteppedClock

IDENTITY = ProducerIdentity(7, 2)
EPOCHS = (LaneEpoch(2, 0),)
LONGEST_REST_SECONDS = 3600.0


def batch(record_count: int, lane: int = 0, first_row: int = 0) -> EncodedBatch:
    rows = [b"%d/%d" % (lane, first_row + row) for row in range(record_count)]
    return EncodedBatch(lane, record_count, 0, frame_records(rows))


def sequencer_of(lanes: Sequence[LaneProgress], clock: SteppedClock | None = None) -> Sequencer:
    """Lanes that have not rested yet, and may for an hour."""
    clock = clock or SteppedClock()
    heard_ms = [round(clock.wall() * 1000)] * len(lanes)
    return Sequencer(lanes, IDENTITY, clock, seal, heard_ms, LONGEST_REST_SECONDS)


def sequencer(
    *next_sequences: int, clock: SteppedClock | None = None, batches: int = 0
) -> Sequencer:
    lanes = [LaneProgress(number, number, EPOCHS) for number in next_sequences or (0,)]
    made = sequencer_of(lanes, clock)
    for _ in range(batches):
        made.enqueue(batch(2))
    return made


def answer(
    to: SequencedBatch, kind: OutcomeKind = OutcomeKind.APPENDED, kafka_offset: int = 0
) -> ProduceOutcome:
    return ProduceOutcome(to.lane, to.ticket, kind, kafka_offset)


def tickets(batches: list[SequencedBatch]) -> list[int]:
    return [each.ticket for each in batches]


def open_lane(tested: Sequencer) -> None:
    """The first batch is acknowledged, so the lane takes several."""
    (first,) = tested.due()
    tested.settle(answer(first))


def test_the_sequence_number_is_the_rows_index() -> None:
    tested = sequencer(41)
    tested.enqueue(batch(3))
    tested.enqueue(batch(2))
    (first,) = tested.due()
    tested.settle(answer(first))
    (second,) = tested.due()
    headers = [read_headers(each.data)[0] for each in (first, second)]
    assert [(h.base_sequence, h.record_count) for h in headers] == [(41, 3), (44, 2)]
    assert {(h.producer_id, h.producer_epoch) for h in headers} == {(7, 2)}


def test_f68_the_sequence_number_starts_over_after_the_largest() -> None:
    tested = sequencer(SEQUENCE_MODULUS - 1)
    tested.enqueue(batch(3))
    tested.enqueue(batch(1))
    open_lane(tested)
    (second,) = tested.due()
    assert read_headers(second.data)[0].base_sequence == 2


def test_a_later_epoch_counts_from_its_base_row() -> None:
    later = LaneProgress(9, 9, (LaneEpoch(2, 0), LaneEpoch(3, 5)))
    tested = sequencer_of([later, LaneProgress(4, 4, EPOCHS)])
    for lane in (0, 1):
        tested.enqueue(batch(1, lane))
    headers = [read_headers(each.data)[0] for each in tested.due()]
    assert [(h.producer_epoch, h.base_sequence) for h in headers] == [(3, 4), (2, 4)]
    assert {header.producer_id for header in headers} == {7}


def test_f95_a_leader_that_has_forgotten_us_is_told_with_the_refused_row() -> None:
    later = LaneProgress(9, 9, (LaneEpoch(2, 0), LaneEpoch(3, 5)))
    tested = sequencer_of([later])
    for size in (2, 2):
        tested.enqueue(batch(size))
    open_lane(tested)
    (second,) = tested.due()
    with pytest.raises(ProducerForgotten, match="in lane 0") as forgotten:
        tested.settle(answer(second, OutcomeKind.UNKNOWN_PRODUCER))
    assert (forgotten.value.lane, forgotten.value.next_row) == (0, 11)


def test_f95_with_others_on_their_way_it_is_not_known_where_the_lane_ends() -> None:
    tested = sequencer(batches=3)
    open_lane(tested)
    second, _ = tested.due()
    with pytest.raises(RescanNeeded) as refusal:
        tested.settle(answer(second, OutcomeKind.UNKNOWN_PRODUCER))
    assert not isinstance(refusal.value, ProducerForgotten)


def test_f95_above_a_failed_batch_that_answer_says_nothing() -> None:
    clock = SteppedClock()
    tested = sequencer(clock=clock, batches=3)
    open_lane(tested)
    second, third = tested.due()
    assert tested.settle(answer(second, OutcomeKind.RETRIABLE)) is None
    assert tested.settle(answer(third, OutcomeKind.UNKNOWN_PRODUCER)) is None
    clock.now += 1
    assert tickets(tested.due()) == [1]


def test_what_was_sent_again_is_acknowledged_as_that() -> None:
    clock = SteppedClock()
    tested = sequencer(clock=clock, batches=2)
    (first,) = tested.due()
    tested.settle(answer(first, OutcomeKind.RETRIABLE))
    clock.now += 1
    (again,) = tested.due()
    assert tested.settle(answer(again)) == Acknowledged(0, 0, 2, sent_again=True)
    (second,) = tested.due()
    assert tested.settle(answer(second, kafka_offset=2)) == Acknowledged(0, 2, 2)


def test_records_carry_the_wall_clock() -> None:
    clock = SteppedClock()
    clock.now = 1_700_000_000.5
    tested = sequencer(clock=clock, batches=1)
    (first,) = tested.due()
    log = PartitionLog()
    log.append(first.data)
    assert {record.timestamp_ms for record in log.records()} == {1_700_000_000_500}


@pytest.mark.fault("F35")
def test_the_first_batch_of_each_lane_goes_alone_until_it_is_acknowledged() -> None:
    tested = sequencer(0, 0)
    for lane in (0, 0, 1, 1):
        tested.enqueue(batch(1, lane))
    first = tested.due()
    assert [(each.lane, each.ticket) for each in first] == [(0, 0), (1, 0)]
    assert tested.due() == []
    tested.settle(answer(first[1]))
    assert [(each.lane, each.ticket) for each in tested.due()] == [(1, 1)]


def test_then_at_most_five_are_in_flight() -> None:
    tested = sequencer(batches=20)
    open_lane(tested)
    flying = tested.due()
    assert tickets(flying) == [1, 2, 3, 4, 5]
    assert tested.due() == []
    assert tested.in_flight == MAX_IN_FLIGHT == 5
    tested.settle(answer(flying[0]))
    assert tickets(tested.due()) == [6]


@pytest.mark.fault("F36")
def test_a_failure_is_resent_in_order_with_the_same_bytes_lowest_first() -> None:
    clock = SteppedClock()
    tested = sequencer(clock=clock, batches=6)
    open_lane(tested)
    flying = tested.due()
    tested.settle(answer(flying[0], OutcomeKind.RETRIABLE))
    for each in flying[1:]:
        assert tested.due() == []
        assert tested.settle(answer(each, OutcomeKind.OUT_OF_ORDER)) is None
    assert tested.due() == []
    assert tested.next_due_at() == clock.now + FIRST_BACKOFF_SECONDS
    clock.now += FIRST_BACKOFF_SECONDS
    again = tested.due()
    assert again == flying[:1]
    clock.now += 100.0
    assert tested.settle(answer(again[0], OutcomeKind.DUPLICATE, 10)) == Acknowledged(
        0, 10, 2, True
    )
    assert tested.due() == flying[1:]


def test_nothing_is_sent_until_every_batch_on_its_way_has_its_answer() -> None:
    clock = SteppedClock()
    tested = sequencer(clock=clock, batches=8)
    open_lane(tested)
    flying = tested.due()
    tested.settle(answer(flying[0], OutcomeKind.RETRIABLE))
    clock.now += 1000.0
    for each in flying[1:]:
        assert tested.due() == []
        assert tested.next_due_at() is None
        tested.settle(answer(each, OutcomeKind.APPENDED))
    assert tickets(tested.due()) == [flying[0].ticket]


def test_success_above_a_failed_batch_acknowledges_nothing() -> None:
    tested = sequencer(batches=3)
    open_lane(tested)
    low, high = tested.due()
    tested.settle(answer(low, OutcomeKind.RETRIABLE))
    assert tested.settle(answer(high, OutcomeKind.APPENDED, 5)) is None
    assert tested.unacknowledged_batches == 2


def test_a_failure_of_a_middle_batch_leaves_the_lower_acknowledged() -> None:
    clock = SteppedClock()
    tested = sequencer(clock=clock, batches=4)
    open_lane(tested)
    flying = tested.due()
    assert tested.settle(answer(flying[0], kafka_offset=2)) == Acknowledged(0, 2, 2)
    tested.settle(answer(flying[1], OutcomeKind.RETRIABLE))
    tested.settle(answer(flying[2], OutcomeKind.OUT_OF_ORDER))
    clock.now += 1.0
    assert tested.due() == [flying[1]]


@pytest.mark.fault("F37")
def test_out_of_order_of_the_lowest_needs_a_new_look_at_the_topic() -> None:
    tested = sequencer(batches=1)
    (first,) = tested.due()
    with pytest.raises(RescanNeeded):
        tested.settle(answer(first, OutcomeKind.OUT_OF_ORDER))


def test_the_wait_doubles_with_each_failure_and_ends_with_success() -> None:
    clock = SteppedClock()
    tested = sequencer(clock=clock, batches=2)
    waits = []
    for _ in range(7):
        (lowest,) = tested.due()
        tested.settle(answer(lowest, OutcomeKind.RETRIABLE))
        due_at = tested.next_due_at()
        assert due_at is not None
        waits.append(due_at - clock.now)
        clock.now = due_at
    assert waits == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
    assert waits[-1] == LAST_BACKOFF_SECONDS
    open_lane(tested)
    (second,) = tested.due()
    tested.settle(answer(second, OutcomeKind.RETRIABLE))
    assert tested.next_due_at() == clock.now + FIRST_BACKOFF_SECONDS


def test_lanes_fail_on_their_own() -> None:
    tested = sequencer(0, 0)
    for lane in (0, 1, 1):
        tested.enqueue(batch(1, lane))
    failed, fine = tested.due()
    tested.settle(answer(failed, OutcomeKind.RETRIABLE))
    tested.settle(answer(fine))
    assert [each.lane for each in tested.due()] == [1]


def test_a_fatal_answer_raises_its_own_error() -> None:
    tested = sequencer(batches=1)
    (first,) = tested.due()
    error = SinkRefusedError("no")
    with pytest.raises(SinkRefusedError) as caught:
        tested.settle(ProduceOutcome(0, first.ticket, OutcomeKind.FATAL, error=error))
    assert caught.value is error


@pytest.mark.parametrize("ticket", [1, 7])
def test_an_answer_out_of_turn_is_a_defect(ticket: int) -> None:
    tested = sequencer(batches=3)
    open_lane(tested)
    tested.due()
    with pytest.raises(SequenceError, match="out of turn"):
        tested.settle(ProduceOutcome(0, ticket + 1, OutcomeKind.APPENDED))


def test_bytes_and_batches_are_counted_until_they_are_acknowledged() -> None:
    tested = sequencer()
    tested.enqueue(batch(3))
    tested.enqueue(batch(1))
    size = len(batch(3).records) + len(batch(1).records)
    assert (tested.unacknowledged_bytes, tested.unacknowledged_batches) == (size, 2)
    open_lane(tested)
    assert (tested.unacknowledged_bytes, tested.unacknowledged_batches) == (
        len(batch(1).records),
        1,
    )


# -- a lane that rests -----------------------------------------------------------------------------


def rests(seconds: float, next_row: int = 41) -> tuple[Sequencer, SteppedClock]:
    """So long after its last record, a lane has two batches of two rows to send."""
    clock = SteppedClock()
    tested = sequencer(next_row, clock=clock, batches=2)
    clock.now += seconds
    return tested, clock


@pytest.mark.fault("F111")
def test_a_lane_that_rested_for_too_long_is_named_before_its_next_batch() -> None:
    assert rests(LONGEST_REST_SECONDS)[0].rested() == []
    assert rests(LONGEST_REST_SECONDS + 1)[0].rested() == [0]


def test_a_lane_without_a_row_in_its_epoch_is_taken_from_0_by_any_leader() -> None:
    tested, _ = rests(2 * LONGEST_REST_SECONDS, next_row=0)
    assert tested.rested() == []


def test_a_lane_with_nothing_to_send_may_rest() -> None:
    clock = SteppedClock()
    tested = sequencer(41, clock=clock)
    clock.now += 2 * LONGEST_REST_SECONDS
    assert tested.rested() == []


def test_a_rest_counts_from_the_time_of_the_last_record() -> None:
    """Not from its answer, which may have been long in coming."""
    clock = SteppedClock()
    tested = sequencer(41, clock=clock, batches=2)
    (first,) = tested.due()
    clock.now += LONGEST_REST_SECONDS
    tested.settle(answer(first))
    assert tested.rested() == []
    clock.now += 1
    assert tested.rested() == [0]


def test_of_a_lane_of_which_no_record_is_left_nobody_knows_how_long_it_rested() -> None:
    clock = SteppedClock()
    clock.now = 1_700_000_000.0
    lanes = [LaneProgress(41, 41, EPOCHS)]
    tested = Sequencer(lanes, IDENTITY, clock, seal, [-1], LONGEST_REST_SECONDS)
    tested.enqueue(batch(2))
    assert tested.rested() == [0]


def test_f111_a_lane_that_was_looked_at_goes_on_in_its_new_epoch_with_one_batch_alone() -> None:
    tested, _ = rests(LONGEST_REST_SECONDS + 1)
    assert tested.next_row(0) == 41
    tested.go_on(0, LaneProgress(41, 50, (*EPOCHS, LaneEpoch(3, 41))))
    assert tested.rested() == []
    assert tested.next_row(0) == 41
    tested.enqueue(batch(1))
    sent = []
    for expected in (1, 2):
        due = tested.due()
        assert len(due) == expected
        sent += due
        for each in due:
            tested.settle(answer(each))
    headers = [read_headers(each.data)[0] for each in sent]
    assert [(h.producer_epoch, h.base_sequence) for h in headers] == [(3, 0), (3, 2), (3, 4)]
    assert tested.next_row(0) == 46


def test_f111_a_lane_that_is_known_goes_on_in_its_epoch_with_one_batch_alone() -> None:
    tested, _ = rests(LONGEST_REST_SECONDS + 1)
    tested.go_on(0, LaneProgress(41, 50, EPOCHS))
    (first,) = tested.due()
    header = read_headers(first.data)[0]
    assert (header.producer_epoch, header.base_sequence) == (2, 41)


def test_f111_a_batch_that_was_sent_before_asks_for_a_look_at_all() -> None:
    """It has its number for good, and what became of it nobody knows."""
    tested, clock = rests(0)
    (first,) = tested.due()
    tested.settle(answer(first, OutcomeKind.RETRIABLE))
    clock.now += LONGEST_REST_SECONDS
    assert tested.rested() == []
    clock.now += 1
    with pytest.raises(LaneRested, match="nothing was acknowledged in lane 0 for long"):
        tested.rested()


def test_a_batch_on_its_way_has_no_answer_yet() -> None:
    tested, clock = rests(0)
    assert tested.due()
    clock.now += 2 * LONGEST_REST_SECONDS
    assert tested.rested() == []


class SequencerMachine(RuleBasedStateMachine):
    """One lane, a log with Kafka's rules, and a network that loses requests and replies, refuses,
    and keeps lost requests to deliver them late. The log must hold each row once, in order."""

    @initialize()
    def begin(self) -> None:
        self.clock = SteppedClock()
        self.log = PartitionLog()
        self.sequencer = sequencer_of([LaneProgress(0, 0)], self.clock)
        self.enqueued = self.acknowledged = 0
        self.flying: deque[SequencedBatch] = deque()
        self.late: list[bytes] = []

    @rule(sizes=st.lists(st.integers(1, 3), min_size=1, max_size=6))
    def enqueue(self, sizes: list[int]) -> None:
        for size in sizes:
            self.sequencer.enqueue(batch(size, first_row=self.enqueued))
            self.enqueued += size

    @rule(seconds=st.sampled_from([0.0, 0.06, 2.0]))
    def send(self, seconds: float) -> None:
        self.clock.now += seconds
        self.flying += self.sequencer.due()
        assert len(self.flying) <= 5

    @precondition(lambda self: self.flying)
    @rule(count=st.integers(1, 5))
    def all_goes_well(self, count: int) -> None:
        for _ in range(min(count, len(self.flying))):
            each = self.flying.popleft()
            self._answer(each, self._append(each))

    @precondition(lambda self: self.flying)
    @rule(appended=st.booleans())
    def one_is_refused(self, appended: bool) -> None:
        each = self.flying.popleft()
        if appended:
            self.log.append(each.data)
        self._answer(each, OutcomeKind.RETRIABLE)

    @precondition(lambda self: self.flying)
    @rule(taken=st.integers(0, 5), late=st.booleans())
    def the_connection_is_lost(self, taken: int, late: bool) -> None:
        """The broker has taken some of what was on its way, and may yet take the rest."""
        lost = list(self.flying)
        self.flying.clear()
        for each in lost[:taken]:
            self.log.append(each.data)
        if late:
            self.late += [each.data for each in lost[taken:]]
        for each in lost:
            self._answer(each, OutcomeKind.RETRIABLE)

    @precondition(lambda self: self.late)
    @rule()
    def late_requests_arrive(self) -> None:
        for data in self.late:
            self.log.append(data)
        self.late.clear()

    def _append(self, each: SequencedBatch) -> tuple[OutcomeKind, int] | OutcomeKind:
        result = self.log.append(each.data)
        if result.error_code != NO_ERROR:
            return OutcomeKind.OUT_OF_ORDER
        return OutcomeKind.APPENDED, result.base_kafka_offset

    def _answer(self, to: SequencedBatch, kind: tuple[OutcomeKind, int] | OutcomeKind) -> None:
        outcome = answer(to, *kind) if isinstance(kind, tuple) else answer(to, kind)
        done = self.sequencer.settle(outcome)  # one writer: a new look is never needed
        if done is not None:
            assert done.base_kafka_offset == self.acknowledged
            self.acknowledged += done.record_count
        self._check()

    def _check(self) -> None:
        held = values(self.log.records())
        assert held == [b"0/%d" % row for row in range(len(held))]
        assert self.acknowledged <= len(held) <= self.enqueued

    def teardown(self) -> None:
        """When the network heals, all arrives."""
        if not hasattr(self, "log"):
            return
        rounds = 0
        while self.acknowledged < self.enqueued:
            self.send(2.0)
            self.all_goes_well(5)
            rounds += 1
            assert rounds <= 2 * self.enqueued + 2
        assert len(values(self.log.records())) == self.enqueued


TestSequencerMachine = SequencerMachine.TestCase


# -- batches that the topic does not take --------------------------------------------------------


def refused_as_too_large(*row_bytes: int) -> Exception:
    """What becomes of a batch of such rows that the broker refused for its size."""
    tested = sequencer(41)
    rows = [b"x" * length for length in row_bytes]
    tested.enqueue(EncodedBatch(0, len(rows), 0, frame_records(rows)))
    (sent,) = tested.due()
    refusal = ConfigError("partition 0 of topic rows refused a batch as too large")
    outcome = ProduceOutcome(0, sent.ticket, OutcomeKind.TOO_LARGE, -1, refusal)
    with pytest.raises((CsvKafkaError, RescanNeeded)) as raised:
        tested.settle(outcome)
    return raised.value


def test_a_batch_that_is_too_large_asks_for_smaller_ones() -> None:
    needed = refused_as_too_large(30_000, 30_000)
    assert isinstance(needed, SmallerBatchesNeeded)
    assert 60_000 < needed.refused_bytes < 60_200


def test_one_row_that_is_too_large_is_named_by_its_number() -> None:
    error = refused_as_too_large(30_000)
    assert type(error) is RecordTooLargeError
    assert "number 42 of this partition" in str(error)
    assert "max.message.bytes" in str(error)


def test_a_topic_that_takes_no_batch_worth_its_name_stops_the_run() -> None:
    error = refused_as_too_large(3_000, 3_000)
    assert type(error) is ConfigError
    assert "max.message.bytes to more than 16384" in str(error)
