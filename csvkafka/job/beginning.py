"""The first step of a run: afterwards the item is there and is this job's, or the run is refused.

Looks at source and topics. Then it creates the item, takes over that of another program, or
compares it. Nothing here needs the lease.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

from csvkafka.encode.encoder import check_plan, encode_block
from csvkafka.errors import (
    ANOTHER_JOB,
    ConfigError,
    CsvKafkaError,
    as_a_job_of_its_own,
    with_the_same_job,
)
from csvkafka.interfaces import Item
from csvkafka.job import adoption
from csvkafka.job.definition import JobSpec, define
from csvkafka.job.parts import JobParts, OwnedByAnother
from csvkafka.job.preflight import (
    batch_bytes,
    check_partition,
    check_topic,
    letter_warnings,
    longest_rest_seconds,
    missing_topic,
)
from csvkafka.job.same_job import check_same_job, has_promised_nothing
from csvkafka.job.schemas import check_schemas, with_schemas
from csvkafka.job.size_limit import with_size_limit
from csvkafka.ledger.item import (
    JobDefinition,
    StoredJob,
    decode,
    decode_documented,
    is_documented_only,
)
from csvkafka.limits import SMALLEST_BATCH_BYTES
from csvkafka.model import (
    LETTERS_SCHEME,
    START,
    EncodePlan,
    FileOrder,
    JobStatus,
    Lane,
    SourceIdentity,
    Step,
    TopicFacts,
)
from csvkafka.rows import doubts
from csvkafka.rows.blocks import Header, cut_blocks
from csvkafka.rows.pieces import check_columns
from csvkafka.rows.preview import Preview, preview

log = logging.getLogger(__name__)

NOTHING_SENT = "nothing of it is in the topic"


@dataclass(frozen=True, slots=True)
class Begun:
    """What a run knows once the item stands. A lane that rested for longer than
    `longest_rest_seconds` may have been forgotten by its leader."""

    definition: JobDefinition
    plan: EncodePlan
    stored: StoredJob
    longest_rest_seconds: float

    @property
    def lanes(self) -> tuple[Lane, ...]:
        return self.definition.lanes

    def with_smaller_batches(self, refused_bytes: int) -> Begun:
        """As it is, but with batches of half the size that the broker refused."""
        limit = max(refused_bytes // 2, SMALLEST_BATCH_BYTES)
        return replace(self, plan=replace(self.plan, max_batch_bytes=limit))


class Beginning:
    """The first step of one run of the job `spec`. `warnings` are sentences for the log, an ordered
    set."""

    def __init__(self, spec: JobSpec, parts: JobParts) -> None:
        self._spec = spec
        self._parts = parts
        self._ledger = parts.ledger
        self._first_chunks: list[bytes] = []
        self.warnings: dict[str, None] = {}

    def begin(self) -> Begun:
        """Step 1: the item stands and is this job's, or the run is refused."""
        try:
            return self._begin()
        except CsvKafkaError as error:
            if ANOTHER_JOB in str(error) and self._has_promised_nothing():
                is_of_set = self._spec.membership is not None
                remedy = as_a_job_of_its_own if is_of_set else with_the_same_job
                error.args = (remedy(str(error)),)
            raise
        finally:
            self._first_chunks.clear()

    def say_warnings(self) -> None:
        """Logs the warnings, each once for all runs that share `JobParts.said`."""
        for warning in self.warnings:
            if warning not in self._parts.said:
                self._parts.said.add(warning)
                log.warning("%s", warning)

    def _has_promised_nothing(self) -> bool:
        """Whether the job may begin anew; False too where the table does not tell."""
        try:
            item = self._ledger.read()
            if item is None:
                return True
            return not is_documented_only(item) and has_promised_nothing(decode(item))
        except CsvKafkaError:
            return False

    def _begin(self) -> Begun:
        spec = self._spec
        source = self._identify()
        look = self._look(source)
        header = look.header
        facts = self._describe_topics()
        while True:
            item = self._parts.ask_table(self._ledger.read)
            if item is not None and is_documented_only(item):
                self._adopt(item, source, header, facts)
            elif item is not None:
                stored = decode(item)
                if stored.status is JobStatus.SKIPPED:
                    raise OwnedByAnother
                if not has_promised_nothing(stored) or spec.order is FileOrder.OBJECT:
                    return self._compared(stored, source, look, facts)
                definition = self._defined(look, source, facts)
                self.warnings |= dict.fromkeys(doubts.warnings(look, self._spec.duplicate_columns))
                plan = self._plan(definition, header, facts)
                self._check_first_row(look, plan)
                self._store_list()
                return Begun(definition, plan, stored, longest_rest_seconds(facts.values()))
            elif not self._create(source, look, facts) and self._parts.file_set is not None:
                return self._begin()  # it may have been begun with another list, a moment ago

    def _identify(self) -> SourceIdentity:
        """The source now. If it is a set that a job was begun with, and other objects stand there:
        the set that it was begun with."""
        source = self._parts.source.identify()
        file_set = self._parts.file_set
        if file_set is None:
            return source
        item = self._parts.ask_table(self._ledger.read)
        if item is None or is_documented_only(item):
            return source
        stored = decode(item)
        same_set = (stored.source.uri, stored.source.files is None) == (source.uri, False)
        if has_promised_nothing(stored) or stored.source == source or not same_set:
            return source
        recalled, warnings = self._parts.ask_table(
            lambda: file_set.recall(stored.source, self._spec.job_id)
        )
        self.warnings |= dict.fromkeys(warnings)
        return recalled

    def _store_list(self) -> None:
        """Before an item says which list it is, the list stands in the table."""
        if self._parts.file_set is not None:
            self._parts.file_set.store(self._parts.ask_table, self._parts.observer)

    def _compared(
        self,
        stored: StoredJob,
        source: SourceIdentity,
        look: Preview,
        facts: Mapping[str, TopicFacts],
    ) -> Begun:
        self._spec = self._spec.going_on(stored.configuration)
        definition = define(
            self._spec,
            source,
            look.header.names,
            facts,
            stored.partition_count,
            stored.routed_partitions,
        )
        self.warnings |= dict.fromkeys(check_same_job(stored, definition, facts, look.header.names))
        self.warnings |= dict.fromkeys(doubts.warnings(look, self._spec.duplicate_columns))
        plan = self._plan(definition, look.header, facts)
        self.warnings |= dict.fromkeys(check_schemas(plan.schemas, self._parts.registry))
        return Begun(definition, plan, stored, longest_rest_seconds(facts.values()))

    def _create(
        self, source: SourceIdentity, look: Preview, facts: Mapping[str, TopicFacts]
    ) -> bool:
        """Whether the item is new; another worker may create it at the same time."""
        definition = self._defined(look, source, facts)
        self._check_first_row(look, self._plan(definition, look.header, facts))
        # A file of a set, and a replay, go where rows stand already.
        is_alone = self._spec.membership is None and source.scheme != LETTERS_SCHEME
        for lane in definition.lanes if is_alone else ():
            end = self._parts.cluster.end_offset(lane)
            if end > 0:
                log.warning(
                    "Partition %d of topic %s is not empty (it ends at Kafka offset %d): if this "
                    "file was loaded into it before, its rows will be there twice",
                    lane.partition,
                    lane.topic,
                    end,
                )
        self._store_list()
        is_new = self._parts.ask_table(lambda: self._ledger.create(definition)) is None
        if is_new:
            self._parts.observer.report(Step.ITEM_CREATED)
        return is_new

    def _defined(
        self, look: Preview, source: SourceIdentity, facts: Mapping[str, TopicFacts]
    ) -> JobDefinition:
        """What the job is, if it begins now."""
        spec = self._spec
        for refusal in doubts.refusals(look, spec.duplicate_columns, spec.given):
            raise ConfigError(refusal)
        names = look.header.names
        spec = with_schemas(spec, names, source.uri, self._parts.registry)
        self._spec = spec = with_size_limit(spec, batch_bytes(spec, facts).rows)
        count = spec.routing_partitions(facts[spec.topic])
        return define(spec, source, names, facts, count)

    def _adopt(
        self,
        item: Item,
        source: SourceIdentity,
        header: Header,
        facts: Mapping[str, TopicFacts],
    ) -> None:
        documented = decode_documented(item)
        spec = self._spec = self._spec.going_on({})
        if spec.schemas(header.names) is not None:
            raise ConfigError(
                f"job {spec.job_id} was begun by another program, whose records name no schema; it "
                "cannot go on with records that do: load the file under another JOB_ID"
            )
        if spec.table is not None and (spec.table.drops or spec.table.routes):
            what = "drops rows ([[drop]]" if spec.table.drops else "has several topics ([[route]]"
            raise ConfigError(
                f"job {spec.job_id} was begun by another program, which wrote each row; it cannot "
                f"go on with a table that {what} in CSV_COLUMNS): load the file under another "
                "JOB_ID"
            )
        count = facts[spec.topic].partition_count
        definition = define(spec, source, header.names, facts, count)
        plan = self._plan(definition, header, facts)
        if source.files is not None:
            raise ConfigError(
                f"job {spec.job_id} was begun by another program, with one file; it cannot go on "
                "with a set: load that under another JOB_ID"
            )
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
            look = preview(self._kept(chunks), self._spec.dialect, self._uri_looked_at(source))
        show_names = not doubts.looks_like_data(look.header.names)
        membership = self._spec.membership
        level = logging.INFO if membership is None else logging.DEBUG
        of_letters = source.scheme == LETTERS_SCHEME
        log.log(level, "%s", look.summary(show_names=show_names, of_letters=of_letters))
        if membership is not None:
            own = self._spec.columns(look.header.names)
            check_columns(source.uri, own, membership.columns, NOTHING_SENT)
        return look

    def _uri_looked_at(self, source: SourceIdentity) -> str:
        return source.uri if self._parts.file_set is None else self._parts.file_set.first_uri

    def _kept(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._first_chunks.append(chunk)
            yield chunk

    def _check_first_row(self, look: Preview, plan: EncodePlan) -> None:
        """Makes a record of the first row, and drops it: a row that cannot be sent is found before
        the job promises anything. Raises what is wrong with it.

        Not done where the first row may be longer than what was looked at."""
        if len(look.rows) > 1 or (look.is_whole and look.rows):
            plan = replace(plan, source_uri=look.source_uri)
            one_row = cut_blocks(self._first_chunks, START, replace(plan, block_bytes=1))
            failure = encode_block(next(one_row), plan).failure
            if failure is not None:
                raise failure

    def _describe_topics(self) -> dict[str, TopicFacts]:
        described = {}
        for topic in self._spec.topics:
            facts = self._parts.cluster.describe_topic(topic)
            if facts is None:
                raise missing_topic(topic, self._spec)
            described[topic] = facts
        return described

    def _plan(
        self, definition: JobDefinition, header: Header, facts: Mapping[str, TopicFacts]
    ) -> EncodePlan:
        """How rows become batches, after the checks of topic and settings. Raises ConfigError."""
        spec = self._spec
        for lane in definition.lanes:
            check_partition(lane.topic, facts[lane.topic], lane.partition)
        for topic in spec.topics:
            self.warnings |= dict.fromkeys(check_topic(topic, facts[topic]).warnings)
        taken = batch_bytes(spec, facts)
        self.warnings |= dict.fromkeys(letter_warnings(spec, taken))
        uri, lanes = definition.source.uri, definition.lanes
        plan = spec.plan(header.names, uri, lanes, taken.rows, taken.letters)
        check_plan(plan)
        return plan
