"""The loop: back-pressure, the watchdog, the lease, the table that fails, and how it ends."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from csvkafka.errors import (
    CheckpointUnavailableError,
    DeliveryError,
    FencedError,
    ItemLostError,
    MalformedRowError,
    SinkRefusedError,
    SourceReadError,
    StoppedError,
)
from csvkafka.model import (
    FIRST_EPOCH,
    EncodedBatch,
    EncodedBlock,
    JobStatus,
    LaneEpoch,
    LaneProgress,
    Position,
    ProducerIdentity,
    Step,
)
from csvkafka.pipeline.pipeline import Pipeline
from csvkafka.pipeline.progress import Found, LeaseLapsed, Progress, RescanNeeded
from csvkafka.pipeline.sequencer import Sequencer
from csvkafka.pipeline.settings import PipelineSettings
from csvkafka.records.record_batch import frame_records, seal
from csvkafka.testing.simulator.fake_kafka import FakeKafka, FakeSink
from csvkafka.testing.simulator.partition_log import values
from csvkafka.testing.simulator.points import Script
from csvkafka.testing.simulator.store_tasks import StoreTasks
from tests.refusals import refusal_in
from tests.unit.ledger.ledgers import IDENTITY, LANES, LEASE_SECONDS, Office, checkpoint

ROWS_PER_BLOCK = 2
LONGEST_REST_SECONDS = 3600.0
SETTINGS = PipelineSettings(window_bytes=100, checkpoint_rows=4, checkpoint_seconds=0.0)


class Blocks:
    """A feed of ready blocks; raises `error` after the last, if there is one, and block `bad` (0 is
    the first) ends with a failure."""

    def __init__(self, count: int, error: Exception | None = None, bad: int = -1) -> None:
        self._error = error
        blocks = [self._block(number) for number in range(count)]
        failure = MalformedRowError("row is too narrow")
        self._blocks = deque(
            replace(block, failure=failure) if number == bad else block
            for number, block in enumerate(blocks)
        )
        self.left = count

    def take(self) -> EncodedBlock | None:
        if self._blocks:
            self.left -= 1
            return self._blocks.popleft()
        if self._error is not None:
            raise self._error
        return None

    @property
    def exhausted(self) -> bool:
        return not self._blocks and self._error is None

    def close(self) -> None:
        self._blocks.clear()

    @staticmethod
    def _block(number: int) -> EncodedBlock:
        rows = [b"row %d" % (number * ROWS_PER_BLOCK + row) for row in range(ROWS_PER_BLOCK)]
        done = (number + 1) * ROWS_PER_BLOCK
        batch = EncodedBatch(0, ROWS_PER_BLOCK, 0, frame_records(rows))
        return EncodedBlock(Position(done * 10, done), (ROWS_PER_BLOCK,), (batch,))


class Bench:
    """One pass over blocks, with an owner's ledger. `sink` and `worker.script` say what befalls
    sends and writes; `at` what is done at the nth report of a step."""

    def __init__(self, blocks: Blocks, unread_from: int | None = None, **settings: float) -> None:
        self.office = Office()
        self.worker = self.office.owner("me")
        self.time = self.office.time
        self.blocks = blocks
        self.script = Script()
        self.steps: list[tuple[Step, dict[str, int]]] = []
        self.stop: int | None = None
        self.stop_at: Step | None = None
        self.window_seen = 0
        self.found_epochs: tuple[LaneEpoch, ...] = (FIRST_EPOCH,)
        self.unseen_rows = 0
        self.look_seconds = 0.0
        self.looks = 0
        kafka = FakeKafka()
        topic = kafka.create_topic("rows")
        self.log = kafka.log(LANES[0])
        start = checkpoint(0)
        unread = {} if unread_from is None else {0: unread_from}
        self.sequencer = Sequencer(
            start.lanes, IDENTITY, self.worker.clock, seal, [-1], LONGEST_REST_SECONDS
        )
        self.sink = FakeSink(
            kafka, LANES, {"rows": topic.topic_id}, time=self.time, meet=self.script
        )
        self.pipeline = Pipeline(
            ledger=self.worker.ledger,
            start=start,
            lanes=LANES,
            progress=Progress(Found(start, start.lanes, unread, (-1,))),
            sequencer=self.sequencer,
            feed=blocks,
            sink=self.sink,
            store=StoreTasks(lambda body: self.time.spawn("store", body)),
            clock=self.worker.clock,
            settings=replace(SETTINGS, **settings),  # type: ignore[arg-type]
            observer=self,
            stop_signal=lambda: self.stop,
            look_at=self.look_at,
        )

    def look_at(self, lanes: Sequence[int]) -> Found:
        """Finds the rows that are in the log, `unseen_rows` more, and `found_epochs`."""
        assert list(lanes) == [0]
        self.looks += 1
        ledger = self.worker.ledger
        self.time.sleep(self.look_seconds)
        if self.look_seconds:
            ledger.renew()
        start = ledger.read_mine(before_all_lanes=False).checkpoint_for(LANES)
        rows = sum(h.record_count for h in self.log.headers() if h.producer_id >= 0)
        end = LaneProgress(rows + self.unseen_rows, self.log.end_offset, self.found_epochs)
        return Found(start, (end,), {}, (-1,))

    def write_before_us(self, records: int) -> None:
        """Another writer's records."""
        others = EncodedBatch(0, records, 0, frame_records([b"another writer's"] * records))
        self.log.append(seal(others, ProducerIdentity(-1, -1), -1, 0))

    def report(self, step: Step, **facts: int) -> None:
        self.steps.append((step, facts))
        self.window_seen = max(self.window_seen, self.sequencer.unacknowledged_bytes)
        if step is self.stop_at:
            self.stop = 15

    def count(self, step: Step) -> int:
        return sum(reported is step for reported, _ in self.steps)

    def fails_with(self, kind: type[BaseException]) -> BaseException:
        with pytest.raises(kind) as caught:
            self.pipeline.run()
        assert type(caught.value) is kind
        return caught.value

    @property
    def rows(self) -> int:
        """Rows in the log, which are the first ones in order."""
        held = values(self.log.records())
        assert held == [b"row %d" % row for row in range(len(held))]
        return len(held)

    @property
    def stored(self) -> tuple[int, JobStatus, str | None]:
        item = self.office.stored
        return item.position.row_count, item.status, item.lease.owner

    def throttle(self, writes: Sequence[int]) -> None:
        """The table refuses these writes, counted from the pipeline's first."""
        before = sum(point.startswith("table-write") for point in self.worker.script.met)
        for write in writes:
            self.worker.script.actions[f"table-write#{before + write}"] = "throttle"


def test_all_rows_are_sent_and_the_item_is_completed() -> None:
    bench = Bench(Blocks(10))
    bench.pipeline.run()
    assert bench.rows == 20
    assert bench.stored == (20, JobStatus.COMPLETED, None)
    assert bench.steps[-1] == (Step.COMPLETED, {"rows": 20, "sent": 20})
    assert bench.count(Step.BLOCK_TAKEN) == bench.count(Step.BATCH_ACKNOWLEDGED) == 10


def test_a_source_without_rows_is_completed() -> None:
    bench = Bench(Blocks(0))
    bench.pipeline.run()
    assert bench.stored == (0, JobStatus.COMPLETED, None)


def test_the_window_bounds_what_is_taken_and_not_acknowledged() -> None:
    bench = Bench(Blocks(50))
    bench.pipeline.run()
    block_bytes = len(frame_records([b"row 10"] * ROWS_PER_BLOCK))
    assert SETTINGS.window_bytes <= bench.window_seen < SETTINGS.window_bytes + block_bytes


def test_a_broker_that_acknowledges_nothing_stops_the_run() -> None:
    bench = Bench(Blocks(10), watchdog_seconds=10.0)
    bench.script.actions |= {f"produce#{nth}": "reset" for nth in range(2, 200)}
    began = bench.time.now
    message = str(bench.fails_with(DeliveryError))
    assert "nothing for 10 s" in message
    refusal_in(DeliveryError, message)
    assert 10.0 < bench.time.now - began < 12.0
    assert bench.stored == (2, JobStatus.IN_PROGRESS, None)


def test_the_watchdog_is_quiet_while_anything_is_acknowledged() -> None:
    bench = Bench(Blocks(10), watchdog_seconds=25.0)
    bench.script.actions |= {f"produce#{nth}": "slow" for nth in range(1, 11)}
    began = bench.time.now
    bench.pipeline.run()
    assert bench.time.now - began > 25.0


def test_a_source_that_fails_stops_the_run_when_all_before_it_is_stored() -> None:
    bench = Bench(Blocks(5, SourceReadError("gone")))
    bench.fails_with(SourceReadError)
    assert bench.rows == 10
    assert bench.stored == (10, JobStatus.IN_PROGRESS, None)


@pytest.mark.parametrize("bad", [0, 3, 9], ids=["first block", "in the middle", "last block"])
def test_a_row_that_fails_stops_the_run_when_all_before_it_is_stored(bad: int) -> None:
    bench = Bench(Blocks(10, bad=bad))
    bench.fails_with(MalformedRowError)
    due = (bad + 1) * ROWS_PER_BLOCK
    assert bench.rows == due
    assert bench.stored == (due, JobStatus.IN_PROGRESS, None)
    assert bench.blocks.left == 9 - bad, "nothing is taken after it"


def test_a_fatal_answer_stops_the_run_with_its_error() -> None:
    bench = Bench(Blocks(5))
    bench.script.actions["produce#3"] = "not-allowed"
    bench.fails_with(SinkRefusedError)
    assert bench.stored[1:] == (JobStatus.IN_PROGRESS, None)


def test_out_of_order_asks_for_a_new_look_and_keeps_the_lease() -> None:
    bench = Bench(Blocks(5))
    bench.script.actions["produce#1"] = "out-of-order"
    bench.fails_with(RescanNeeded)
    assert bench.stored == (0, JobStatus.IN_PROGRESS, "me")


@pytest.mark.parametrize("step", [Step.BLOCK_TAKEN, Step.BATCH_SENT, Step.CHECKPOINT_STORED])
def test_a_stop_waits_for_what_is_on_its_way_and_stores_it(step: Step) -> None:
    bench = Bench(Blocks(20))
    bench.stop_at = step
    stopped = bench.fails_with(StoppedError)
    assert isinstance(stopped, StoppedError)
    assert stopped.exit_code == 143
    assert bench.rows < 40
    assert bench.stored == (bench.rows, JobStatus.IN_PROGRESS, None)
    assert bench.count(Step.RELEASED) == 1


def test_a_stop_while_nothing_is_acknowledged_ends_in_time() -> None:
    bench = Bench(Blocks(5), stop_grace_seconds=3.0)
    bench.script.actions["produce#1"] = "slow"
    bench.stop_at = Step.BATCH_SENT
    began = bench.time.now
    bench.fails_with(StoppedError)
    assert bench.time.now - began < 4.0
    assert bench.stored == (0, JobStatus.IN_PROGRESS, None)


def test_a_stop_while_the_final_write_is_on_its_way_leaves_a_complete_job() -> None:
    bench = Bench(Blocks(1), checkpoint_rows=100)
    bench.worker.table.latency = lambda: 0.5  # longer than the loop polls
    bench.stop_at = Step.CHECKPOINT_BEGINS
    bench.fails_with(StoppedError)
    assert bench.stored == (2, JobStatus.COMPLETED, None)


def test_the_last_checkpoint_is_tried_again_while_there_is_time() -> None:
    bench = Bench(Blocks(3), stop_grace_seconds=60.0, checkpoint_rows=100)
    bench.throttle([1])
    bench.stop_at = Step.ALL_ACKNOWLEDGED
    bench.fails_with(StoppedError)
    assert bench.stored == (6, JobStatus.IN_PROGRESS, None)


def test_the_last_checkpoint_is_stored_although_an_earlier_try_says_less() -> None:
    bench = Bench(Blocks(20), stop_grace_seconds=60.0)
    bench.worker.next_write("timeout-applied")
    bench.stop_at = Step.CHECKPOINT_BEGINS
    bench.fails_with(StoppedError)
    assert bench.stored == (bench.rows, JobStatus.IN_PROGRESS, None)


def test_a_stop_without_the_table_says_so_in_bounded_time() -> None:
    bench = Bench(Blocks(20), stop_grace_seconds=3.0)
    bench.throttle(range(1, 10))
    bench.stop_at = Step.BATCH_SENT
    began = bench.time.now
    error = bench.fails_with(CheckpointUnavailableError)
    assert isinstance(error.__cause__, StoppedError)
    assert bench.time.now - began < 10.0
    assert bench.stored == (0, JobStatus.IN_PROGRESS, "me")


def test_a_table_that_fails_for_a_while_is_borne(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(Blocks(30))
    bench.throttle([1, 2, 4])
    with caplog.at_level(logging.WARNING):
        bench.pipeline.run()
    assert bench.stored == (60, JobStatus.COMPLETED, None)
    said = [r.getMessage() for r in caplog.records if "does not take writes" in r.getMessage()]
    (once,) = said
    assert once.startswith("The checkpoint store does not take writes: ")


def test_a_table_that_fails_for_too_long_stops_the_run() -> None:
    bench = Bench(Blocks(30), store_give_up_seconds=40.0)
    bench.throttle(range(1, 20))
    bench.fails_with(CheckpointUnavailableError)
    assert 40.0 < bench.time.now < 100.0


@pytest.mark.fault("F109")
def test_f73_sending_pauses_when_the_lease_could_not_be_renewed() -> None:
    """Rule 6: the write of the first 15 seconds fails, and the lease is one of 10. The lease is
    ours again then, but how long all stood still nobody knows: the topic is read before more is
    sent."""
    bench = Bench(Blocks(100))
    bench.throttle([1])
    # One slow answer, so that there are rows to send when the lease is over.
    bench.script.actions["produce#4"] = "slow"
    began = bench.time.now
    bench.fails_with(LeaseLapsed)
    assert bench.count(Step.SENDING_PAUSED) == 1
    steps = [step for step, _ in bench.steps]
    paused = steps.index(Step.SENDING_PAUSED)
    assert Step.BATCH_SENT in steps[:paused]
    assert Step.BATCH_SENT not in steps[paused:]
    assert bench.time.now - began > LEASE_SECONDS


LATER = (FIRST_EPOCH, LaneEpoch(1, 6))


class RestingBlocks(Blocks):
    """The fourth block comes after two hours, in which the lease is renewed."""

    def __init__(self, count: int, bench: Callable[[], Bench]) -> None:
        super().__init__(count)
        self._bench = bench
        self._ready_at: float | None = None

    def take(self) -> EncodedBlock | None:
        time = self._bench().time
        if self.left == 3:
            if self._ready_at is None:
                self._ready_at = time.now + 2 * LONGEST_REST_SECONDS
            if time.now < self._ready_at:
                return None
        return super().take()


def rested(**settings: Any) -> Bench:
    """Of six blocks three are in the topic, and then comes none for long."""
    bench = Bench(RestingBlocks(6, lambda: bench), **settings)
    bench.found_epochs = LATER
    return bench


@pytest.mark.fault("F111")
def test_a_lane_that_rested_is_looked_at_and_goes_on_as_it_was_found() -> None:
    bench = rested()
    bench.pipeline.run()
    assert bench.count(Step.LANE_RESTED) == 1
    headers = bench.log.headers()
    assert [(h.producer_epoch, h.base_sequence) for h in headers] == [
        *((0, 0), (0, 2), (0, 4)),
        *((1, 0), (1, 2), (1, 4)),
    ]
    assert bench.stored == (12, JobStatus.COMPLETED, None)
    assert bench.office.stored.checkpoint_for(LANES).lanes[0].epochs == LATER


@pytest.mark.fault("F111")
def test_a_lane_that_does_not_end_where_it_should_asks_for_a_look_at_all() -> None:
    bench = rested()
    bench.unseen_rows = 2
    error = bench.fails_with(RescanNeeded)
    assert str(error) == "lane 0 was found to end after 8 records, not 6"
    assert bench.rows == 6


@pytest.mark.fault("F111")
def test_no_checkpoint_of_ours_is_on_its_way_while_a_lane_is_looked_at() -> None:
    """It is written in a thread of its own, and would have a later epoch's number."""
    bench = rested()
    bench.worker.table.latency = lambda: 1.0
    bench.pipeline.run()
    begun = [step for step, _ in bench.steps]
    rested_at = begun.index(Step.LANE_RESTED)
    before = begun[:rested_at]
    assert before.count(Step.CHECKPOINT_BEGINS) == before.count(Step.CHECKPOINT_STORED)


@pytest.mark.fault("F111")
def test_a_lease_that_ran_out_during_the_look_asks_for_a_look_at_all() -> None:
    bench = rested()
    bench.look_seconds = 2 * LEASE_SECONDS
    bench.fails_with(LeaseLapsed)
    assert bench.rows == 6


@pytest.mark.fault("F112")
@pytest.mark.parametrize("unseen_rows", [0, 2])
def test_what_stands_before_a_first_batch_is_looked_at_before_it_counts(unseen_rows: int) -> None:
    """Another writer's, or a late copy of ours."""
    bench = Bench(Blocks(3), unread_from=0)
    bench.unseen_rows = unseen_rows
    bench.write_before_us(2)
    if unseen_rows:
        bench.fails_with(RescanNeeded)
        assert bench.stored == (0, JobStatus.IN_PROGRESS, "me")
    else:
        bench.pipeline.run()
        assert bench.looks == 1
        assert bench.stored == (6, JobStatus.COMPLETED, None)


def test_the_lease_is_renewed_while_nothing_else_is_written() -> None:
    bench = Bench(Blocks(3), checkpoint_rows=100)
    bench.script.actions["produce#1"] = "slow"
    bench.pipeline.run()
    assert bench.count(Step.LEASE_RENEWED) >= 5
    assert bench.count(Step.SENDING_PAUSED) == 0


def test_f20_an_owner_that_lost_the_lease_writes_nothing_more() -> None:
    bench = Bench(Blocks(100))
    bench.script.actions["produce#1"] = "slow"
    other = bench.office.worker("other")
    other.dead.add("me")
    bench.time.spawn("other", other.take)
    bench.fails_with(FencedError)
    assert bench.stored == (0, JobStatus.IN_PROGRESS, "other")


def test_f75_a_deleted_item_stops_the_run_and_stays_deleted() -> None:
    bench = Bench(Blocks(100))
    bench.office.server.items.clear()
    bench.fails_with(ItemLostError)
    assert bench.office.server.items == {}


def test_checkpoints_are_due_after_rows_and_not_sooner_than_seconds() -> None:
    bench = Bench(Blocks(100), checkpoint_rows=10, checkpoint_seconds=0.0)
    bench.pipeline.run()
    stored = [facts["rows"] for step, facts in bench.steps if step is Step.CHECKPOINT_STORED]
    assert all(later - earlier >= 10 for earlier, later in pairwise(stored[:-1]))
    often = len(stored)
    bench = Bench(Blocks(100), checkpoint_rows=10, checkpoint_seconds=1000.0)
    bench.pipeline.run()
    assert bench.count(Step.CHECKPOINT_STORED) == 1 < often
