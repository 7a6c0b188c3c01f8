"""One run of a job: what is done before the first row, and again when the topic must be reread.

The steps are those of docs/architecture.md, "Start of a run": identify the source, compare or
create the item, take the lease, obtain the producer id, read the topic's tails; then the pipeline
loads. All parts are passed in: the simulator runs this very class on fakes.
"""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import replace

from csvkafka.errors import CsvKafkaError, FencedError, ItemLostError, SequenceError, counted
from csvkafka.interfaces import Item
from csvkafka.job.beginning import Beginning, Begun
from csvkafka.job.definition import JobSpec
from csvkafka.job.parts import JobParts, JobResult, OwnedByAnother, not_in_topic
from csvkafka.job.row_by_row import load_row_by_row
from csvkafka.job.same_job import changes, has_promised_nothing
from csvkafka.job.schemas import check_schemas
from csvkafka.job.tails import Tails
from csvkafka.ledger import owner
from csvkafka.ledger.item import StoredJob, decode
from csvkafka.model import (
    Checkpoint,
    JobStatus,
    LaneProgress,
    Position,
    ProducerIdentity,
    SourceIdentity,
    Step,
)
from csvkafka.pipeline.bad_row_limit import LimitedFeed
from csvkafka.pipeline.pipeline import Pipeline
from csvkafka.pipeline.progress import (
    Found,
    LaneRested,
    LeaseLapsed,
    Progress,
    RescanNeeded,
    SmallerBatchesNeeded,
)
from csvkafka.pipeline.sequencer import ProducerForgotten, Sequencer

log = logging.getLogger(__name__)

SCANS_WITHOUT_PROGRESS = 3
"""How often the tails may show nothing new after a refusal before the run gives up."""

SCAN_PAUSE_SECONDS = 1.0


class Job:
    """One run of the job `spec` by this incarnation. `run` is called once."""

    def __init__(self, spec: JobSpec, parts: JobParts) -> None:
        self._spec = spec
        self._parts = parts
        self._ledger = parts.ledger
        self._observer = parts.observer
        self._beginning = Beginning(spec, parts)

    def run(self) -> JobResult:
        """Loads what is not loaded yet; returns when the item says COMPLETED.

        Raises errors of `csvkafka.errors`; StoppedError after a signal. Whatever it raises, what
        was acknowledged is in the checkpoint as far as the table can be reached."""
        self._observer.report(Step.RUN_BEGINS)
        begun = self._beginning.begin()
        self._beginning.say_warnings()
        if begun.stored.status is JobStatus.COMPLETED:
            return self._nothing_to_do(begun.stored)
        taken = self._parts.ask_table(
            lambda: self._ledger.take(begun.stored, self._is_stopping, self._say_waiting)
        )
        self._parts.raise_if_stopped()
        if taken is None:
            if has_promised_nothing(begun.stored):
                self._beginning.begin()  # compares: the one that was completed may be another job
            stands = decode(self._item_that_stands())
            if stands.status is JobStatus.SKIPPED:
                raise OwnedByAnother
            return self._nothing_to_do(stands)
        self._observer.report(Step.LEASE_TAKEN)
        try:
            begun = self._with_lease(begun, taken)
            result = self._load(begun)
        except (FencedError, ItemLostError):
            raise
        except BaseException:
            self._release()
            raise
        # All rows are in the topic. Who is to read them needs their schemas.
        check_schemas(begun.plan.schemas, self._parts.registry)
        return result

    def _with_lease(self, begun: Begun, taken: StoredJob) -> Begun:
        """A job that has promised nothing yet takes what it is now; if it was begun while we waited
        for the lease, it is compared like any other."""
        if not has_promised_nothing(taken):
            if has_promised_nothing(begun.stored):
                begun = self._beginning.begin()
            return replace(begun, stored=taken)
        changed = changes(taken, begun.definition)
        if changed:
            self._parts.ask_table(lambda: self._ledger.redefine(begun.definition))
            log.info(
                "Job %s had sent nothing yet: it takes what is new, %s",
                self._spec.job_id,
                "; ".join(changed),
            )
        return replace(begun, stored=taken)

    def _nothing_to_do(self, stored: StoredJob) -> JobResult:
        dropped = stored.position.row_count - stored.total_sent
        log.info(
            "Job %s is complete already: %d rows, %d records sent%s. Nothing to do.",
            self._spec.job_id,
            stored.position.row_count,
            stored.total_sent,
            not_in_topic(dropped, stored.set_aside, self._spec.dead_letter_topic),
        )
        return JobResult(
            stored.position.row_count,
            stored.total_sent,
            0,
            already_complete=True,
            set_aside=stored.set_aside,
        )

    def _item_that_stands(self) -> Item:
        item = self._parts.ask_table(self._ledger.read)
        if item is None:
            raise ItemLostError(
                f"the checkpoint item of job {self._spec.job_id} was deleted; restore it, or load "
                "under another JOB_ID into a clean topic"
            )
        return item

    # -- with the lease ------------------------------------------------------------------------

    def _load(self, begun: Begun) -> JobResult:
        if self._parts.send_row is not None:
            rows = load_row_by_row(
                self._parts.send_row, self._ledger, self._parts, begun.plan, begun.stored
            )
            return JobResult(rows, rows, rows - begun.stored.position.row_count)
        identity = begun.stored.identity or self._obtain_identity(begun)
        tails = Tails(
            self._parts,
            begun.lanes,
            identity,
            self._tend_lease,
            accept_deleted_tail=self._spec.accept_deleted_tail,
        )
        sent_before: int | None = None
        ends: tuple[LaneProgress, ...] = ()
        forgotten: ProducerForgotten | None = None
        scans_without_progress = 0
        while True:
            found = tails.find(forgotten)
            before, ends = ends, found.ends
            if sent_before is None:
                sent_before = found.start.total_sent + found.row_count
            try:
                final = self._pass(begun, found, identity, tails)
                row_count, total_sent = final.position.row_count, final.total_sent
                set_aside = self._set_aside(final)
                self._say_dropped(final)
                sent_now = total_sent - sent_before
                return JobResult(row_count, total_sent, sent_now, set_aside=set_aside)
            except SmallerBatchesNeeded as refusal:
                begun = begun.with_smaller_batches(refusal.refused_bytes)
                forgotten, scans_without_progress = None, 0
                log.warning(
                    "%s of %d bytes; from now on a batch has at most %d (without the right "
                    "DESCRIBE_CONFIGS the topic's limit is not known before)",
                    refusal,
                    refusal.refused_bytes,
                    begun.plan.max_batch_bytes,
                )
                self._observer.report(Step.RESTARTED)
            except RescanNeeded as refusal:
                forgotten = refusal if isinstance(refusal, ProducerForgotten) else None
                if ends != before or isinstance(refusal, LeaseLapsed | LaneRested):
                    scans_without_progress = 0
                else:
                    scans_without_progress += 1
                if scans_without_progress == SCANS_WITHOUT_PROGRESS:
                    raise SequenceError(
                        f"{refusal}, and {SCANS_WITHOUT_PROGRESS + 1} looks at the topic found "
                        "nothing that explains it: another producer uses this job's producer id, "
                        "or rows sent after the checkpoint were deleted from the topic. All that "
                        "was acknowledged is in the checkpoint; load again under another JOB_ID."
                    ) from refusal
                log.warning("%s; reading the end of the topic again", refusal)
                self._observer.report(Step.RESTARTED)
                self._parts.clock.sleep(SCAN_PAUSE_SECONDS * scans_without_progress)

    def _obtain_identity(self, begun: Begun) -> ProducerIdentity:
        """Step 3: a producer id for the life of the job, stored before the first row is sent."""
        self._tend_lease()
        ends = tuple(LaneProgress(0, self._parts.cluster.end_offset(lane)) for lane in begun.lanes)
        identity = self._parts.cluster.new_producer_identity()
        self._observer.report(Step.IDENTITY_OBTAINED)
        stored = begun.stored
        checkpoint = Checkpoint(
            stored.position, stored.total_sent, ends, number=stored.checkpoint_number
        )
        identity = self._parts.ask_table(
            lambda: self._ledger.store_identity(identity, checkpoint, begun.lanes)
        )
        self._observer.report(Step.IDENTITY_STORED)
        return identity

    def _pass(
        self,
        begun: Begun,
        found: Found,
        identity: ProducerIdentity,
        tails: Tails,
    ) -> Checkpoint:
        """Step 5: from the checkpoint to the end of the source. Raises RescanNeeded."""
        parts = self._parts
        self._tend_lease()
        start = found.start
        progress = Progress(found)
        sequencer = Sequencer(
            found.ends,
            identity,
            parts.clock,
            parts.seal,
            found.heard_ms,
            begun.longest_rest_seconds,
        )
        with closing(parts.open_sink(begun.lanes, begun.definition.topic_ids)) as sink:
            feed = parts.open_feed(start.position, begun.plan, progress.skip, sink.wake)
            if (topic := self._spec.dead_letter_topic) is not None:
                lane = len(begun.lanes) - 1
                feed = LimitedFeed(feed, parts.bad_row_limit, start, lane, topic)
            with closing(feed):
                self._observer.report(
                    Step.SOURCE_OPENED,
                    **start.position.facts,
                    size=begun.definition.source.size,
                    compressed=int(begun.definition.source.is_compressed),
                    in_topic=found.row_count,
                    **_files(start.position, begun.definition.source),
                )
                Pipeline(
                    ledger=self._ledger,
                    start=start,
                    lanes=begun.lanes,
                    progress=progress,
                    sequencer=sequencer,
                    feed=feed,
                    sink=sink,
                    store=parts.store,
                    clock=parts.clock,
                    settings=parts.settings,
                    observer=self._observer,
                    stop_signal=parts.stop_signal,
                    look_at=tails.look_at,
                ).run()
        return progress.checkpoint

    def _set_aside(self, final: Checkpoint) -> int:
        """How many rows of the complete job are dead letters; says so, as nobody may look there."""
        topic = self._spec.dead_letter_topic
        set_aside = 0 if topic is None else final.lanes[-1].next_sequence
        if set_aside:
            log.warning("%s set aside in topic %s", counted(set_aside, "row"), topic)
        return set_aside

    def _say_dropped(self, final: Checkpoint) -> None:
        """Says how many rows of the complete job made no record, as the table says."""
        dropped = final.position.row_count - final.total_sent
        if dropped:
            log.info("%s dropped, as CSV_COLUMNS says", counted(dropped, "row"))

    # -- lease and signals ---------------------------------------------------------------------

    def _tend_lease(self) -> None:
        """Between two steps: obeys a signal, and renews the lease if a third of it is gone."""
        self._parts.raise_if_stopped()
        renew_at = self._ledger.lease_valid_until - self._ledger.lease_seconds * 2 / 3
        if self._parts.clock.boottime() >= renew_at:
            self._parts.ask_table(self._ledger.renew)
            self._observer.report(Step.LEASE_RENEWED)

    def _release(self) -> None:
        """Ends our lease, if the pipeline has not done so, so that the next start need not wait."""
        if not self._ledger.holds_lease:
            return
        try:
            self._ledger.release()
            self._observer.report(Step.RELEASED)
        except CsvKafkaError as error:
            log.warning("The lease could not be released, so the next start may wait: %s", error)

    def _say_waiting(self, other: str) -> None:
        self._observer.report(Step.LEASE_WAITED)
        if not self._parts.waits:
            raise OwnedByAnother
        log.info(
            "Job %s is owned by %s; waiting until it ends or vanishes",
            self._spec.job_id,
            owner.describe(other),
        )

    def _is_stopping(self) -> bool:
        return self._parts.stop_signal() is not None


def _files(position: Position, source: SourceIdentity) -> dict[str, int]:
    """Which file of how many, for the observer; nothing for a source that is one object."""
    if position.piece is None or source.files is None:
        return {}
    # It may stand behind the last file, if that is skipped.
    return {"file": min(position.piece.number + 1, source.files), "files": source.files}
