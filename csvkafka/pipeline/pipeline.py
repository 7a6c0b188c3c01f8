"""The loop: blocks in, batches out, acknowledgements back, checkpoints beside it.

One thread over non-blocking parts. It takes the next encoded block, hands its batches to the sink,
collects acknowledgements, and has at most one write to the checkpoint item in flight (the newest
progress waits). It is deterministic when its parts are: the simulator runs this very loop on fakes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from csvkafka.clock import Clock
from csvkafka.errors import (
    CheckpointError,
    CheckpointUnavailableError,
    DeliveryError,
    FencedError,
    ItemLostError,
    SequenceError,
    StoppedError,
)
from csvkafka.interfaces import BlockFeed, Observer, Sink
from csvkafka.ledger.ledger import JobLedger, Stored
from csvkafka.model import Checkpoint, EncodedBlock, Lane, Position, Step
from csvkafka.pipeline.progress import (
    Found,
    LeaseLapsed,
    Progress,
    RescanNeeded,
    SmallerBatchesNeeded,
)
from csvkafka.pipeline.sequencer import Sequencer
from csvkafka.retry import ANSWERING_SECONDS, Complaint

log = logging.getLogger(__name__)

LONGEST_POLL_SECONDS = 0.2
STORE_RETRY_SECONDS = 0.5
STOP_GRACE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """The loop's limits.

    `window_bytes`: unacknowledged (compressed) bytes, the memory that a stalled broker costs.
    `checkpoint_rows`, `checkpoint_seconds`: a checkpoint is due after so many rows, but no sooner
    than so many seconds after the one before.
    `watchdog_seconds`: without any acknowledgement for so long the run stops with DeliveryError.
    `store_give_up_seconds`: so long the table may fail before the run stops with CheckpointError.
    `stop_grace_seconds`: so long a stop waits for acknowledgements before its last checkpoint."""

    window_bytes: int = 4 * 1024 * 1024
    checkpoint_rows: int = 10_000
    checkpoint_seconds: float = 0.2
    watchdog_seconds: float = 120.0
    store_give_up_seconds: float = ANSWERING_SECONDS
    stop_grace_seconds: float = STOP_GRACE_SECONDS


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
        self._lanes = lanes
        self._progress = progress
        self._sequencer = sequencer
        self._feed = feed
        self._sink = sink
        self._store = store
        self._clock = clock
        self._settings = settings
        self._observer = observer
        self._stop_signal = stop_signal
        self._look_at = look_at
        self._stored = start
        self._ended = False
        self._stored_at = clock.monotonic()
        self._write: Future[Stored | None] | None = None
        self._write_failing_since: float | None = None
        self._complaint = Complaint(clock, log, "The checkpoint store does not take writes")
        self._write_not_before = 0.0
        self._renew_at = ledger.lease_valid_until - ledger.lease_seconds * 2 / 3
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
            self._store_progress()
            raise
        except RescanNeeded:
            # The next pass reads the item anew: no write of ours may still be on its way.
            self._wait_for(self._write, deadline=None)
            raise
        except StoppedError as stopped:
            failed = self._store_what_is_acknowledged()
            if failed is not None:
                raise failed from stopped
            raise
        except SequenceError as error:
            failed = self._store_what_is_acknowledged()
            if isinstance(failed, FencedError):
                # A later epoch is another owner's: who that is says more than the broker's answer.
                raise failed from error
            raise
        except BaseException:
            self._store_what_is_acknowledged()
            raise

    def _run(self) -> None:
        while self._may_take_more or not self._progress.all_acknowledged:
            self._raise_if_stopped()
            more = self._fill_window()
            self._send_due()
            acknowledged = self._collect(self._poll_seconds(more))
            self._tend_store()
            self._watch(acknowledged)
        if self._feed_error is not None:
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
            self._progress.add(block)
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
        self._await_write()  # a later epoch is numbered like a checkpoint
        found = self._look_at(lanes)
        self._stored = found.start
        self._renew_at = self._ledger.lease_valid_until - self._ledger.lease_seconds * 2 / 3
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
        self._observer.report(
            Step.BLOCK_ACKNOWLEDGED, rows=reached.row_count, bytes=reached.source_bytes
        )
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

    # -- the item ------------------------------------------------------------------------------

    def _tend_store(self) -> None:
        """Collects a finished write; begins one if a checkpoint or a renewal is due."""
        if self._write is not None:
            if not self._write.done():
                return
            self._finish_write()
        now = self._clock.monotonic()
        if now < self._write_not_before:
            return
        checkpoint = self._progress.checkpoint
        rows = checkpoint.position.row_count - self._stored.position.row_count
        if (
            rows >= self._settings.checkpoint_rows
            and now - self._stored_at >= self._settings.checkpoint_seconds
        ):
            self._begin_write(lambda: self._commit(checkpoint))
        elif self._clock.boottime() >= self._renew_at:
            self._begin_write(self._renew)

    def _begin_write(self, write: Callable[[], Stored | None]) -> None:
        self._write = self._store.submit(write)
        # The loop may be in a long poll when the write ends; what waits for it should not.
        self._write.add_done_callback(lambda _: self._sink.wake())

    def _finish_write(self) -> None:
        """Takes the result of the write in flight, which is done. Raises what must end the run."""
        assert self._write is not None
        write, self._write = self._write, None
        try:
            stored = write.result()
        except (FencedError, ItemLostError):
            raise
        except CheckpointError as error:
            self._bear_failed_write(error)
            return
        self._write_failing_since = None
        self._complaint.over()
        self._keep(stored)

    def _keep(self, stored: Stored | None) -> None:
        """A write succeeded: what is stored now (None: only the lease was renewed)."""
        self._renew_at = self._clock.boottime() + self._ledger.lease_seconds / 3
        if stored is not None:
            self._stored = stored.checkpoint
            self._ended = stored.ended
            self._stored_at = self._clock.monotonic()

    def _bear_failed_write(self, error: CheckpointError) -> None:
        now = self._clock.monotonic()
        if self._write_failing_since is None:
            self._write_failing_since = now
        if now - self._write_failing_since > self._settings.store_give_up_seconds:
            raise error
        self._complaint.say(error)
        self._write_not_before = now + STORE_RETRY_SECONDS

    def _commit(
        self, checkpoint: Checkpoint, *, completed: bool = False, release: bool = False
    ) -> Stored:
        """One checkpoint write. Runs in the store's thread."""
        self._observer.report(Step.CHECKPOINT_BEGINS, rows=checkpoint.position.row_count)
        stored = self._ledger.commit(checkpoint, self._lanes, completed=completed, release=release)
        self._observer.report(
            Step.CHECKPOINT_STORED,
            rows=stored.checkpoint.position.row_count,
            bytes=stored.checkpoint.position.source_bytes,
            sent=stored.checkpoint.total_sent,
        )
        return stored

    def _renew(self) -> None:
        """One renewal of the lease. Runs in the store's thread."""
        self._ledger.renew()
        self._observer.report(Step.LEASE_RENEWED)

    def _complete(self) -> None:
        """The final write: COMPLETED, lease released. Retried like any other write."""
        final = self._progress.checkpoint
        while not self._ended:
            self._raise_if_stopped()
            if self._write is None and self._clock.monotonic() >= self._write_not_before:
                self._begin_write(lambda: self._commit(final, completed=True))
            self._sink.poll(LONGEST_POLL_SECONDS)
            if self._write is not None and self._write.done():
                self._finish_write()
        self._observer.report(Step.COMPLETED, rows=final.position.row_count, sent=final.total_sent)

    def _store_progress(self) -> None:
        """One more checkpoint, if it says more than the last; it may fail, as any other."""
        self._await_write()
        checkpoint = self._progress.checkpoint
        if checkpoint.position != self._stored.position:
            self._begin_write(lambda: self._commit(checkpoint))
            self._await_write()

    def _await_write(self) -> None:
        self._wait_for(self._write, deadline=None)
        if self._write is not None:
            self._finish_write()

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

    def _store_what_is_acknowledged(self) -> CheckpointError | None:
        """The last checkpoint of a run that ends early, and the end of our lease.

        Bounded in time; if the table cannot be reached, what it holds stays true, and only the
        next start has a little more to read back. Returns why it could not be stored."""
        deadline = self._clock.monotonic() + self._settings.stop_grace_seconds
        checkpoint = self._progress.checkpoint
        failed: CheckpointError | None = None
        # More than once if an earlier write turns out to be what is stored, or the table fails.
        while not self._ended:
            if self._write is None:
                self._begin_write(lambda: self._commit(checkpoint, release=True))
            self._wait_for(self._write, deadline)
            try:
                self._take_written(self._write)
            except (FencedError, ItemLostError) as error:
                failed = error
                break
            except CheckpointError as error:
                failed = error
                if self._write is not None or self._clock.monotonic() >= deadline:
                    break
                self._clock.sleep(STORE_RETRY_SECONDS)
        if not self._ended:
            log.warning("The last checkpoint could not be stored: %s", failed)
            return failed
        self._observer.report(Step.RELEASED)
        return None

    def _take_written(self, write: Future[Stored | None] | None) -> None:
        """Takes the result of the write in flight. Raises CheckpointError."""
        if write is None or not write.done():
            raise CheckpointUnavailableError(
                f"the checkpoint store did not answer for job {self._ledger.job_id} in time; "
                "run the same command again",
                has_answered=True,
            )
        self._write = None
        self._keep(write.result())

    def _wait_for(self, write: Future[Stored | None] | None, deadline: float | None) -> None:
        while write is not None and not write.done():
            if deadline is not None and self._clock.monotonic() >= deadline:
                return
            self._clock.sleep(0.01)
