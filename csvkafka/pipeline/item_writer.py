"""The writes of a run to its item: checkpoints, renewals of the lease, and the last one.

At most one is in flight, in the store's thread; meanwhile the loop goes on, and the newest progress
waits. What fails is tried again for a while.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor, Future

from csvkafka.clock import Clock
from csvkafka.errors import (
    CheckpointError,
    CheckpointUnavailableError,
    FencedError,
    ItemLostError,
)
from csvkafka.interfaces import Observer
from csvkafka.ledger.ledger import JobLedger, Stored
from csvkafka.model import Checkpoint, Lane, Step
from csvkafka.pipeline.settings import PipelineSettings
from csvkafka.retry import Complaint

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5


class ItemWriter:
    """Writes the item of one pass, on which `start` is the checkpoint. `wake` is called, from the
    store's thread, when a write has ended."""

    def __init__(
        self,
        ledger: JobLedger,
        start: Checkpoint,
        lanes: tuple[Lane, ...],
        store: Executor,
        clock: Clock,
        settings: PipelineSettings,
        observer: Observer,
        wake: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._lanes = lanes
        self._store = store
        self._clock = clock
        self._settings = settings
        self._observer = observer
        self._wake = wake
        self.ended = False
        """What is stored says COMPLETED, or that the lease is released."""
        self._stored_at = clock.monotonic()
        self._write: Future[Stored | None] | None = None
        self._failing_since: float | None = None
        self._complaint = Complaint(clock, log, "The checkpoint store does not take writes")
        self._not_before = 0.0
        self.go_on(start)

    def go_on(self, stored: Checkpoint) -> None:
        """The item was read and holds this checkpoint; no write is in flight."""
        self._stored = stored
        self._renew_at = self._ledger.lease_valid_until - self._ledger.lease_seconds * 2 / 3

    def tend(self, newest: Checkpoint) -> None:
        """Collects a finished write; begins one if a checkpoint or a renewal is due. Raises as
        `collect`."""
        if not self.collect():
            return
        now = self._clock.monotonic()
        if now < self._not_before:
            return
        rows = newest.position.row_count - self._stored.position.row_count
        if (
            rows >= self._settings.checkpoint_rows
            and now - self._stored_at >= self._settings.checkpoint_seconds
        ):
            self._begin(lambda: self._commit(newest))
        elif self._clock.boottime() >= self._renew_at:
            self._begin(self._renew)

    def complete(self, final: Checkpoint) -> None:
        """Begins the write that says COMPLETED, unless one is in flight or has just failed."""
        if self._write is None and self._clock.monotonic() >= self._not_before:
            self._begin(lambda: self._commit(final, completed=True))

    def collect(self) -> bool:
        """Takes the result of a write that is done; True if none is in flight then.

        Raises what must end the run: FencedError, ItemLostError, and CheckpointError once writes
        have failed for too long."""
        if self._write is None:
            return True
        if not self._write.done():
            return False
        write, self._write = self._write, None
        try:
            stored = write.result()
        except (FencedError, ItemLostError):
            raise
        except CheckpointError as error:
            self._bear(error)
            return True
        self._failing_since = None
        self._complaint.over()
        self._keep(stored)
        return True

    def wait(self) -> None:
        """Until no write of ours is on its way, whatever came of it."""
        self._wait(deadline=None)

    def settle(self) -> None:
        """Waits for the write in flight, and takes its result. Raises as `collect`."""
        self.wait()
        self.collect()

    def store(self, newest: Checkpoint) -> None:
        """One more checkpoint, if it says more than the last; it may fail, as any other."""
        self.settle()
        if newest.position != self._stored.position:
            self._begin(lambda: self._commit(newest))
            self.settle()

    def release(self, newest: Checkpoint) -> CheckpointError | None:
        """The last checkpoint of a run that ends early, and the end of our lease.

        Bounded in time; if the table cannot be reached, what it holds stays true, and only the
        next start has a little more to read back. Returns why it could not be stored."""
        deadline = self._clock.monotonic() + self._settings.stop_grace_seconds
        failed: CheckpointError | None = None
        # More than once if an earlier write turns out to be what is stored, or the table fails.
        while not self.ended:
            if self._write is None:
                self._begin(lambda: self._commit(newest, release=True))
            self._wait(deadline)
            try:
                self._take()
            except (FencedError, ItemLostError) as error:
                failed = error
                break
            except CheckpointError as error:
                failed = error
                if self._write is not None or self._clock.monotonic() >= deadline:
                    break
                self._clock.sleep(RETRY_SECONDS)
        if not self.ended:
            log.warning("The last checkpoint could not be stored: %s", failed)
            return failed
        self._observer.report(Step.RELEASED)
        return None

    def _begin(self, write: Callable[[], Stored | None]) -> None:
        self._write = self._store.submit(write)
        self._write.add_done_callback(lambda _: self._wake())

    def _take(self) -> None:
        """Takes the result of the write in flight. Raises CheckpointError."""
        write = self._write
        if write is None or not write.done():
            raise CheckpointUnavailableError(
                f"the checkpoint store did not answer for job {self._ledger.job_id} in time; "
                "run the same command again",
                has_answered=True,
            )
        self._write = None
        self._keep(write.result())

    def _keep(self, stored: Stored | None) -> None:
        """A write succeeded: what is stored now (None: only the lease was renewed)."""
        self._renew_at = self._clock.boottime() + self._ledger.lease_seconds / 3
        if stored is not None:
            self._stored = stored.checkpoint
            self.ended = stored.ended
            self._stored_at = self._clock.monotonic()

    def _bear(self, error: CheckpointError) -> None:
        now = self._clock.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        if now - self._failing_since > self._settings.store_give_up_seconds:
            raise error
        self._complaint.say(error)
        self._not_before = now + RETRY_SECONDS

    def _wait(self, deadline: float | None) -> None:
        while self._write is not None and not self._write.done():
            if deadline is not None and self._clock.monotonic() >= deadline:
                return
            self._clock.sleep(0.01)

    # -- in the store's thread -----------------------------------------------------------------

    def _commit(
        self, checkpoint: Checkpoint, *, completed: bool = False, release: bool = False
    ) -> Stored:
        """One checkpoint write."""
        self._observer.report(Step.CHECKPOINT_BEGINS, rows=checkpoint.position.row_count)
        stored = self._ledger.commit(checkpoint, self._lanes, completed=completed, release=release)
        self._observer.report(
            Step.CHECKPOINT_STORED,
            sent=stored.checkpoint.total_sent,
            **stored.checkpoint.position.facts,
        )
        return stored

    def _renew(self) -> None:
        """One renewal of the lease."""
        self._ledger.renew()
        self._observer.report(Step.LEASE_RENEWED)
