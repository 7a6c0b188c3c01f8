"""One run of a job: what is done before the first row, and again when the topic must be reread.

The steps are those of docs/architecture.md, "Start of a run": identify the source, compare or
create the item, take the lease, obtain the producer id, read the topic's tails; then the pipeline
loads. All parts are passed in: the simulator runs this very class on fakes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TypeVar

from csvkafka.encode.encoder import check_plan
from csvkafka.errors import (
    CheckpointError,
    ConfigError,
    CsvKafkaError,
    FencedError,
    SequenceError,
    StoppedError,
)
from csvkafka.interfaces import Item
from csvkafka.job import adoption
from csvkafka.job.definition import JobSpec, check_same_job, define
from csvkafka.job.parts import JobParts, JobResult
from csvkafka.job.preflight import check_partition, check_topic
from csvkafka.job.recovery import lanes_after_tails
from csvkafka.job.row_by_row import load_row_by_row
from csvkafka.ledger import owner
from csvkafka.ledger.item import (
    JobDefinition,
    StoredJob,
    decode,
    decode_documented,
    is_documented_only,
)
from csvkafka.ledger.ledger import ItemLostError
from csvkafka.model import (
    SMALLEST_BATCH_BYTES,
    Checkpoint,
    EncodePlan,
    JobStatus,
    Lane,
    LaneProgress,
    ProducerIdentity,
    SourceIdentity,
    Step,
    TopicFacts,
)
from csvkafka.pipeline.pipeline import Pipeline
from csvkafka.pipeline.progress import Progress, RescanNeeded, SmallerBatchesNeeded
from csvkafka.pipeline.sequencer import Sequencer
from csvkafka.retry import until_table_answers
from csvkafka.rows import doubts
from csvkafka.rows.blocks import Header
from csvkafka.rows.preview import Preview, preview

log = logging.getLogger(__name__)

T = TypeVar("T")

SCANS_WITHOUT_PROGRESS = 3
"""So often the tails may show nothing new after a refusal before the run gives up."""

SCAN_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Begun:
    """What a run knows once the item stands."""

    definition: JobDefinition
    plan: EncodePlan
    stored: StoredJob

    @property
    def lanes(self) -> tuple[Lane, ...]:
        return self.definition.lanes

    def with_smaller_batches(self, refused_bytes: int) -> _Begun:
        """As it is, but with batches of half the size that the broker refused."""
        limit = max(refused_bytes // 2, SMALLEST_BATCH_BYTES)
        return replace(self, plan=replace(self.plan, max_batch_bytes=limit))


class Job:
    """One run of the job `spec` by this incarnation. `run` is called once."""

    def __init__(self, spec: JobSpec, parts: JobParts) -> None:
        self._spec = spec
        self._parts = parts
        self._ledger = parts.ledger
        self._observer = parts.observer
        self._warnings: dict[str, None] = {}  # an ordered set

    def run(self) -> JobResult:
        """Loads what is not loaded yet; returns when the item says COMPLETED.

        Raises errors of `csvkafka.errors`; StoppedError after a signal. Whatever it raises, what
        was acknowledged is in the checkpoint as far as the table can be reached."""
        self._observer.report(Step.RUN_BEGINS)
        begun = self._begin()
        if begun.stored.status is JobStatus.COMPLETED:
            return self._nothing_to_do(begun.stored)
        for warning in self._warnings:
            log.warning("%s", warning)
        taken = self._patiently(
            lambda: self._ledger.take(begun.stored, self._is_stopping, self._say_waiting)
        )
        self._raise_if_stopped()
        if taken is None:
            return self._nothing_to_do(decode(self._item_that_stands()))
        self._observer.report(Step.LEASE_TAKEN)
        begun = _Begun(begun.definition, begun.plan, taken)
        try:
            return self._load(begun)
        except (FencedError, ItemLostError):
            raise
        except BaseException:
            self._release()
            raise

    # -- before the lease ----------------------------------------------------------------------

    def _begin(self) -> _Begun:
        """Step 1: the item stands and is this job's, or the run is refused."""
        source = self._parts.source.identify()
        look = self._look(source)
        header = look.header
        facts = self._describe_topics()
        while True:
            item = self._patiently(self._ledger.read)
            if item is not None and is_documented_only(item):
                self._adopt(item, source, header, facts)
            elif item is not None:
                return self._compared(decode(item), source, look, facts)
            else:
                self._create(source, look, facts)

    def _compared(
        self,
        stored: StoredJob,
        source: SourceIdentity,
        look: Preview,
        facts: Mapping[str, TopicFacts],
    ) -> _Begun:
        self._spec = self._spec.going_on(stored.configuration)
        definition = define(self._spec, source, look.header.names, facts, stored.partition_count)
        self._warnings |= dict.fromkeys(check_same_job(stored, definition, facts))
        self._warnings |= dict.fromkeys(doubts.warnings(look, self._spec.duplicate_columns))
        return _Begun(definition, self._plan(definition, look.header, facts), stored)

    def _create(
        self, source: SourceIdentity, look: Preview, facts: Mapping[str, TopicFacts]
    ) -> None:
        spec = self._spec
        for refusal in doubts.refusals(look, spec.duplicate_columns, spec.given):
            raise ConfigError(refusal)
        count = facts[spec.topic].partition_count
        definition = define(spec, source, look.header.names, facts, count)
        self._plan(definition, look.header, facts)
        for lane in definition.lanes:
            end = self._parts.cluster.end_offset(lane)
            if end > 0:
                log.warning(
                    "Partition %d of topic %s is not empty (it ends at Kafka offset %d): if this "
                    "file was loaded into it before, its rows will be there twice",
                    lane.partition,
                    lane.topic,
                    end,
                )
        if self._patiently(lambda: self._ledger.create(definition)) is None:
            self._observer.report(Step.ITEM_CREATED)

    def _adopt(
        self,
        item: Item,
        source: SourceIdentity,
        header: Header,
        facts: Mapping[str, TopicFacts],
    ) -> None:
        documented = decode_documented(item)
        spec = self._spec = self._spec.going_on({})
        count = facts[spec.topic].partition_count
        definition = define(spec, source, header.names, facts, count)
        plan = self._plan(definition, header, facts)
        if len(definition.lanes) > 1:
            raise ConfigError(
                f"job {spec.job_id} was begun by another program, which wrote to one partition; "
                "it cannot go on with a key column or a dead-letter topic"
            )
        row_count = documented.last_line
        if documented.status is not JobStatus.COMPLETED:
            row_count = adoption.rows_in_topic(
                self._parts.cluster,
                definition.lanes[0],
                source.uri,
                documented.last_line,
                accept_deleted_tail=spec.accept_deleted_tail,
            )
        with closing(self._parts.source.read(0)) as chunks:
            position = adoption.position_after(chunks, row_count, plan)
        log.info(
            "Job %s was begun by another program; taken over after line %d", spec.job_id, row_count
        )
        self._ledger.adopt(item, definition, row_count, position.byte_offset)

    def _look(self, source: SourceIdentity) -> Preview:
        """The source's header and first rows; the log shows names, no row's contents."""
        with closing(self._parts.source.read(0)) as chunks:
            look = preview(chunks, self._spec.dialect, source.uri)
        show_names = not doubts.looks_like_data(look.header.names)
        log.info("%s", look.summary(show_names=show_names))
        return look

    def _describe_topics(self) -> dict[str, TopicFacts]:
        described = {}
        for topic in self._spec.topics:
            facts = self._parts.cluster.describe_topic(topic)
            if facts is None:
                raise ConfigError(
                    f"topic {topic} does not exist; create it first (csvkafka never does), or "
                    "check KAFKA_TOPIC and KAFKA_BOOTSTRAP_SERVERS"
                )
            described[topic] = facts
        return described

    def _plan(
        self, definition: JobDefinition, header: Header, facts: Mapping[str, TopicFacts]
    ) -> EncodePlan:
        """How rows become batches, after the checks of topic and settings. Raises ConfigError."""
        spec = self._spec
        for lane in definition.lanes:
            check_partition(lane.topic, facts[lane.topic], lane.partition)
        findings = [check_topic(topic, facts[topic]) for topic in spec.topics]
        for found in findings:
            self._warnings |= dict.fromkeys(found.warnings)
        topic_bytes = min(found.topic_bytes for found in findings)
        plan = spec.plan(header.names, definition.source.uri, definition.lanes, topic_bytes)
        check_plan(plan)
        return plan

    def _nothing_to_do(self, stored: StoredJob) -> JobResult:
        log.info(
            "Job %s is complete already: %d rows, %d records sent. Nothing to do.",
            self._spec.job_id,
            stored.position.row_count,
            stored.total_sent,
        )
        return JobResult(stored.position.row_count, stored.total_sent, 0, already_complete=True)

    def _item_that_stands(self) -> Item:
        item = self._patiently(self._ledger.read)
        if item is None:
            raise CheckpointError(f"the checkpoint item of job {self._spec.job_id} was deleted")
        return item

    # -- with the lease ------------------------------------------------------------------------

    def _load(self, begun: _Begun) -> JobResult:
        if self._parts.send_row is not None:
            rows = load_row_by_row(
                self._parts.send_row, self._ledger, self._parts, begun.plan, begun.stored
            )
            return JobResult(rows, rows, rows - begun.stored.position.row_count)
        identity = begun.stored.identity or self._obtain_identity(begun)
        found: int | None = None
        ends: tuple[LaneProgress, ...] = ()
        scans_without_progress = 0
        while True:
            self._tend_lease()
            start = self._patiently(self._ledger.read_mine).checkpoint_for(begun.lanes)
            before, ends = ends, self._scan_tails(begun.lanes, start, identity)
            if found is None:
                found = start.total_sent + _rows_between(start.lanes, ends)
            try:
                final = self._pass(begun, start, ends, identity)
                row_count, total_sent = final.position.row_count, final.total_sent
                return JobResult(row_count, total_sent, sent_now=total_sent - found)
            except SmallerBatchesNeeded as refusal:
                begun = begun.with_smaller_batches(refusal.refused_bytes)
                scans_without_progress = 0
                log.warning(
                    "%s of %d bytes; from now on a batch has at most %d (without the right "
                    "DESCRIBE_CONFIGS the topic's limit is not known before)",
                    refusal,
                    refusal.refused_bytes,
                    begun.plan.max_batch_bytes,
                )
                self._observer.report(Step.RESTARTED)
            except RescanNeeded as refusal:
                scans_without_progress = scans_without_progress + 1 if ends == before else 0
                if scans_without_progress == SCANS_WITHOUT_PROGRESS:
                    raise SequenceError(
                        f"{refusal}, and {SCANS_WITHOUT_PROGRESS + 1} looks at the topic found "
                        "nothing that explains it: another producer uses this job's producer id, "
                        "or rows sent after the checkpoint were deleted from the topic. All that "
                        "was acknowledged is in the checkpoint; to go on, load under a new JOB_ID."
                    ) from refusal
                log.warning("%s; reading the end of the topic again", refusal)
                self._observer.report(Step.RESTARTED)
                self._parts.clock.sleep(SCAN_PAUSE_SECONDS * scans_without_progress)

    def _obtain_identity(self, begun: _Begun) -> ProducerIdentity:
        """Step 3: a producer id for the life of the job, stored before the first row is sent."""
        self._tend_lease()
        ends = tuple(LaneProgress(0, self._parts.cluster.end_offset(lane)) for lane in begun.lanes)
        identity = self._parts.cluster.new_producer_identity()
        self._observer.report(Step.IDENTITY_OBTAINED)
        stored = begun.stored
        checkpoint = Checkpoint(
            stored.position, stored.total_sent, ends, number=stored.checkpoint_number
        )
        identity = self._patiently(
            lambda: self._ledger.store_identity(identity, checkpoint, begun.lanes)
        )
        self._observer.report(Step.IDENTITY_STORED)
        return identity

    def _scan_tails(
        self, lanes: Sequence[Lane], start: Checkpoint, identity: ProducerIdentity
    ) -> tuple[LaneProgress, ...]:
        """Step 4: where each lane really ends."""
        self._observer.report(Step.TAIL_SCAN_BEGINS, rows=start.position.row_count)
        tails = []
        for lane, progress in zip(lanes, start.lanes, strict=True):
            self._tend_lease()
            tails.append(self._parts.cluster.read_tail(lane, progress.next_kafka_offset))
        ends = lanes_after_tails(
            lanes,
            start.lanes,
            tails,
            identity,
            accept_deleted_tail=self._spec.accept_deleted_tail,
        )
        self._observer.report(Step.TAIL_SCANNED, rows=_rows_between(start.lanes, ends))
        return ends

    def _pass(
        self,
        begun: _Begun,
        start: Checkpoint,
        ends: Sequence[LaneProgress],
        identity: ProducerIdentity,
    ) -> Checkpoint:
        """Step 5: from the checkpoint to the end of the source. Raises RescanNeeded."""
        parts = self._parts
        self._tend_lease()
        progress = Progress(start, ends)
        sequencer = Sequencer(ends, identity, parts.clock, parts.seal)
        with closing(parts.open_sink(begun.lanes, begun.definition.topic_ids)) as sink:
            feed = parts.open_feed(start.position, begun.plan, progress.skip, sink.wake)
            with closing(feed):
                self._observer.report(
                    Step.SOURCE_OPENED,
                    rows=start.position.row_count,
                    bytes=start.position.byte_offset,
                    size=begun.definition.source.size,
                    in_topic=_rows_between(start.lanes, ends),
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
                ).run()
        return progress.checkpoint

    # -- lease and signals ---------------------------------------------------------------------

    def _tend_lease(self) -> None:
        """Between two steps: obeys a signal, and renews the lease if a third of it is gone."""
        self._raise_if_stopped()
        renew_at = self._ledger.lease_valid_until - self._ledger.lease_seconds * 2 / 3
        if self._parts.clock.boottime() >= renew_at:
            self._patiently(self._ledger.renew)
            self._observer.report(Step.LEASE_RENEWED)

    def _patiently(self, ask: Callable[[], T]) -> T:
        """One question to the table, or one conditional write, which may safely be done twice."""
        return until_table_answers(ask, self._parts.clock, self._raise_if_stopped)

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
        log.info(
            "Job %s is owned by %s; waiting until it ends or vanishes",
            self._spec.job_id,
            owner.describe(other),
        )

    def _is_stopping(self) -> bool:
        return self._parts.stop_signal() is not None

    def _raise_if_stopped(self) -> None:
        signal_number = self._parts.stop_signal()
        if signal_number is not None:
            raise StoppedError(signal_number)


def _rows_between(first: Sequence[LaneProgress], last: Sequence[LaneProgress]) -> int:
    return sum(lane.next_sequence for lane in last) - sum(lane.next_sequence for lane in first)
