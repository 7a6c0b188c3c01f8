"""The loop: blocks in, batches out, acknowledgements back, checkpoints beside it.

One thread over non-blocking parts. It takes the next encoded block, hands its batches to the sink,
collects acknowledgements, and has progress written to the item (`item_writer`). It is deterministic
when its parts are: the simulator runs this very loop on fakes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from csvkafka.clock import Clock
from csvkafka.errors import (
    DeliveryError,
    FencedError,
    ItemLostError,
    SequenceError,
    StoppedError,
)
from csvkafka.interfaces import BlockFeed, Observer, Sink
from csvkafka.ledger.ledger import JobLedger
from csvkafka.model import Checkpoint, EncodedBlock, Lane, Position, Step
from csvkafka.pipeline.item_writer import ItemWriter
from csvkafka.pipeline.progress import (
    Found,
    LeaseLapsed,
    Progress,
    RescanNeeded,
    SmallerBatchesNeeded,
)
from csvkafka.pipeline.sequencer import Sequencer
from csvkafka.pipeline.settings import PipelineSettings

log = logging.getLogger(__name__)

LONGEST_POLL_SECONDS = 0.2


class Pipeline:
    """One pass from a stored checkpoint to the end of the source. Ends by returning (completed), or
    by raising: StoppedError after a signal, RescanNeeded, or what went wrong.

    Whatever it raises, the acknowledged prefix is stored first where the table can be reached,
    except when the job is no longer ours."""

    def __init__(
        self,
        *,
        ledger: JobLedger,
        start: Checkpoint,
        lanes: tuple[Lane, ...],
        progress: Progress,
        sequencer: Sequencer,
        feed: BlockFeed,
        sink: Sink,
        store: Executor,
        clock: Clock,
        settings: PipelineSettings,
        observer: Observer,
        stop_signal: Callable[[], int | None],
        look_at: Callable[[Sequence[int]], Found],
    ) -> None:
        """`look_at` reads where these lanes end, after those that were forgotten have begun a new
        epoch, as at the start of a run."""
        self._ledger = ledger
        self._progress = progress
        self._sequencer = sequencer
        self._feed = feed
        self._sink = sink
        self._clock = clock
        self._settings = settings
        self._observer = observer
        self._stop_signal = stop_signal
        self._look_at = look_at
        # It wakes the loop, which may be in a long poll when a write ends.
        self._item = ItemWriter(ledger, start, lanes, store, clock, settings, observer, sink.wake)
        self._moved_at = clock.monotonic()
        self._paused = False
        self._feed_error: Exception | None = None
        piece = start.position.piece
        self._file_number = 0 if piece is None else piece.number

    def run(self) -> None:
        """Loads to the end of the source; see the class. On return the item says COMPLETED."""
        try:
            self._run()
        except (FencedError, ItemLostError):
            raise
        except SmallerBatchesNeeded:
            # The next pass may end before it has a checkpoint of its own.
            self._item.store(self._progress.checkpoint)
            raise
        except RescanNeeded:
            # The next pass reads the item anew: no write of ours may still be on its way.
            self._item.wait()
            raise
        except StoppedError as stopped:
            failed = self._item.release(self._progress.checkpoint)
            if failed is not None:
                raise failed from stopped
            raise
        except SequenceError as error:
            failed = self._item.release(self._progress.checkpoint)
            if isinstance(failed, FencedError):
                # A later epoch is another owner's: who that is says more than the broker's answer.
                raise failed from error
            raise
        except BaseException:
            self._item.release(self._progress.checkpoint)
            raise

    def _run(self) -> None:
        while self._may_take_more or not self._progress.all_acknowledged:
            self._raise_if_stopped()
            more = self._fill_window()
            self._send_due()
            acknowledged = self._collect(self._poll_seconds(more))
            self._item.tend(self._progress.checkpoint)
            self._watch(acknowledged)
        if self._feed_error is not None:
            rows = self._progress.checkpoint.position.row_count
            # The source may have failed before it was read up to where the topic ends.
            uncounted = self._progress.uncounted
            self._observer.report(Step.SOURCE_FAILED, rows=rows, uncounted=uncounted)
            raise self._feed_error
        self._progress.finish()
        self._observer.report(
            Step.ALL_ACKNOWLEDGED, rows=self._progress.checkpoint.position.row_count
        )
        self._complete()

    # -- the road ------------------------------------------------------------------------------

    def _fill_window(self) -> bool:
        """Hands over blocks while the window has room; True if there was one."""
        moved = False
        while (
            self._may_take_more
            and self._sequencer.unacknowledged_bytes < self._settings.window_bytes
        ):
            block = self._take_block()
            if block is None:
                break
            moved = True
            self._observer.report(Step.BLOCK_TAKEN, rows=block.end.row_count)
            for batch in block.batches:
                self._sequencer.enqueue(batch)
            before = self._progress.checkpoint
            self._progress.add(block)
            if not block.batches:
                if self._progress.checkpoint is not before:
                    self._report_reached(self._progress.checkpoint.position)
                break  # nothing limits how many of these follow, and the item is to be tended
        return moved

    @property
    def _may_take_more(self) -> bool:
        return self._feed_error is None and not self._feed.exhausted

    def _take_block(self) -> EncodedBlock | None:
        """The next block, if it is ready. An error of the feed, or of the row after the block, ends
        the run only when all rows before it are acknowledged."""
        try:
            block = self._feed.take()
            if block is not None:
                self._feed_error = block.failure
            return block
        except Exception as error:  # noqa: BLE001 - raised at the end of the loop
            self._feed_error = error
            return None

    def _send_due(self) -> None:
        """Sends what the sequencer allows, if the lease allows it (rule 6)."""
        if not self._may_send():
            return
        rested = self._sequencer.rested()
        if rested:
            self._observer.report(Step.LANE_RESTED, lanes=len(rested))
            self._go_on_in(rested)
            if not self._may_send():
                return
        batches = self._sequencer.due()
        if batches:
            self._sink.send(batches)
            for batch in batches:
                self._observer.report(
                    Step.BATCH_SENT,
                    lane=batch.lane,
                    ticket=batch.ticket,
                    records=batch.record_count,
                )

    def _may_send(self) -> bool:
        """Whether the lease allows it. Raises LeaseLapsed."""
        if self._clock.boottime() >= self._ledger.lease_valid_until:
            if not self._paused:
                log.warning("Sending pauses: the lease could not be renewed in time")
                self._observer.report(Step.SENDING_PAUSED)
            self._paused = True
            return False
        if self._ledger.lapsed:
            raise LeaseLapsed("the lease had run out, and was renewed")
        return True

    def _go_on_in(self, lanes: Sequence[int]) -> None:
        """Looks at lanes of which all that was sent is acknowledged. Raises RescanNeeded if they do
        not end where they should, and what `look_at` raises."""
        self._item.settle()  # a later epoch is numbered like a checkpoint
        found = self._look_at(lanes)
        self._item.go_on(found.start)
        for lane in lanes:
            end, due = found.ends[lane], self._sequencer.next_row(lane)
            if end.next_sequence != due:
                raise RescanNeeded(
                    f"lane {lane} was found to end after {end.next_sequence} records, not {due}"
                )
            self._progress.go_on(found, lane)
            self._sequencer.go_on(lane, end)

    def _collect(self, timeout_seconds: float) -> bool:
        """Takes the sink's answers; True if any batch was acknowledged."""
        moved = False
        for outcome in self._sink.poll(timeout_seconds):
            acknowledged = self._sequencer.settle(outcome)
            if acknowledged is None:
                if outcome.error is not None:
                    log.warning("Sending again: lane %d: %s", outcome.lane, outcome.error)
                continue
            moved = True
            self._observer.report(
                Step.BATCH_ACKNOWLEDGED, lane=acknowledged.lane, records=acknowledged.record_count
            )
            if self._progress.is_unread(acknowledged.lane, acknowledged.base_kafka_offset):
                self._go_on_in((acknowledged.lane,))
            completed_blocks = self._progress.acknowledge(
                acknowledged.lane,
                acknowledged.base_kafka_offset,
                acknowledged.record_count,
                sent_again=acknowledged.sent_again,
            )
            if completed_blocks:
                self._report_reached(self._progress.checkpoint.position)
        return moved

    def _report_reached(self, reached: Position) -> None:
        self._observer.report(Step.BLOCK_ACKNOWLEDGED, **reached.facts)
        if reached.piece is not None and reached.piece.number > self._file_number:
            self._file_number = reached.piece.number
            self._observer.report(
                Step.FILE_ACKNOWLEDGED, rows=reached.row_count, file=self._file_number + 1
            )

    def _poll_seconds(self, more: bool) -> float:
        """How long the sink may wait: not at all while there is more to hand over."""
        if more and self._sequencer.unacknowledged_bytes < self._settings.window_bytes:
            return 0.0
        due_at = None if self._paused else self._sequencer.next_due_at()
        if due_at is None:
            return LONGEST_POLL_SECONDS
        return min(LONGEST_POLL_SECONDS, max(0.0, due_at - self._clock.monotonic()))

    def _watch(self, acknowledged: bool) -> None:
        """The watchdog: stops a run in which nothing is acknowledged any more."""
        now = self._clock.monotonic()
        if acknowledged or self._sequencer.unacknowledged_batches == 0 or self._paused:
            self._moved_at = now
        elif now - self._moved_at > self._settings.watchdog_seconds:
            raise DeliveryError(
                f"Kafka acknowledged nothing for {self._settings.watchdog_seconds:.0f} s after row "
                f"{self._progress.checkpoint.position.row_count}; "
                f"{self._sequencer.unacknowledged_batches} batches wait. All that was acknowledged "
                "is in the checkpoint: check the brokers and run the same command again."
            )

    def _complete(self) -> None:
        """The final write: COMPLETED, lease released. Retried like any other write."""
        final = self._progress.checkpoint
        while not self._item.ended:
            self._raise_if_stopped()
            self._item.complete(final)
            self._sink.poll(LONGEST_POLL_SECONDS)
            self._item.collect()
        self._observer.report(Step.COMPLETED, rows=final.position.row_count, sent=final.total_sent)

    # -- stopping ------------------------------------------------------------------------------

    def _raise_if_stopped(self) -> None:
        signal_number = self._stop_signal()
        if signal_number is None:
            return
        self._drain()
        raise StoppedError(signal_number)

    def _drain(self) -> None:
        """Waits a little for what is on its way, and sends nothing new."""
        deadline = self._clock.monotonic() + self._settings.stop_grace_seconds
        while not self._progress.all_acknowledged:
            remaining = deadline - self._clock.monotonic()
            if remaining <= 0 or not self._sequencer.in_flight:
                return
            self._collect(min(remaining, LONGEST_POLL_SECONDS))
