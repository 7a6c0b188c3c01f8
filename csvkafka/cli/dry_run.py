"""`csvkafka load --dry-run`: the first records as they would be sent, and what all would take.

Source and topics are read, and nothing is written anywhere: no row, no item, no producer id.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice

from csvkafka.cli.schemas import with_ids
from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import ConfigError, CsvKafkaError, SinkUnavailableError, SourceCorruptError
from csvkafka.job.dry_run import PlannedRecord, first_records
from csvkafka.job.estimate import Estimate, Estimator
from csvkafka.job.file_set import FileSet
from csvkafka.job.preflight import check_partition, check_topic, missing_topic
from csvkafka.kafka.client import KafkaClient
from csvkafka.kafka.cluster import KafkaCluster
from csvkafka.model import (
    EncodePlan,
    Lane,
    Piece,
    RestartPoint,
    Routing,
    SourceIdentity,
    TopicFacts,
)
from csvkafka.rows import doubts
from csvkafka.rows.blocks import Header
from csvkafka.rows.pieces import Cut, many_objects, one_object
from csvkafka.rows.preview import Preview, preview
from csvkafka.rows.samples import RANGES, Sampler
from csvkafka.schema.subjects import WireSchemas
from csvkafka.sources import job_set, open_source
from csvkafka.stores import open_store

SET_FILES = 10
"""Of a set, so many files are looked at, evenly spread over it."""

POINT_SPACING_BYTES = 1 << 20
"""So often it is noted how much of a compressed file so much content was."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a load would do. `partitions_known`: those of all topics that get rows, where keys
    choose among them; `failure` is what would end the load, or fail its file, after `records`."""

    records: Sequence[PlannedRecord]
    partitions_known: bool
    failure: CsvKafkaError | None
    estimate: Estimate
    notes: Sequence[str]
    schemas: WireSchemas = WireSchemas()  # noqa: RUF009 - frozen


def dry_run(config: LoadConfig, limit: int) -> DryRun:
    """The first `limit` rows' records, and the estimate. Raises what a load would refuse to begin
    with, as far as it can be known without the checkpoint."""
    source = _Opened(config)
    look = source.look()
    spec = config.spec
    for refusal in doubts.refusals(look, spec.duplicate_columns, spec.given):
        raise ConfigError(refusal)
    notes = list(doubts.warnings(look, spec.duplicate_columns))
    spec, unregistered = with_ids(config, look.header.names, source.identity.uri)
    notes += filter(None, [unregistered])
    facts = _facts(config, notes)
    are_known = facts.keys() >= set(spec.data_topics)
    counts = {topic: described.partition_count for topic, described in facts.items()}
    lanes = spec.lanes(counts.get(spec.topic, 1), counts)
    topic_bytes = _checked(facts, lanes, notes)
    plan = spec.plan(look.header.names, source.identity.uri, lanes, topic_bytes)
    records, failure = _first_records(source.cut(), plan, lanes, limit)
    estimator = Estimator(config.checkpoint_interval, time.thread_time)
    for file in source.files_to_look_at():
        try:
            file.look(estimator, plan)
        except SourceCorruptError as error:
            # A load would have sent the records before that place.
            failure = failure or error
    return DryRun(
        records=records,
        partitions_known=are_known or spec.routing is Routing.ONE_PARTITION,
        failure=failure,
        estimate=estimator.estimate(source.identity.size),
        notes=notes,
        schemas=plan.schemas or WireSchemas(),
    )


def _first_records(
    cut: Cut, plan: EncodePlan, lanes: Sequence[Lane], limit: int
) -> tuple[list[PlannedRecord], CsvKafkaError | None]:
    records: list[PlannedRecord] = []
    try:
        records.extend(first_records(cut, plan, lanes, limit))
    except CsvKafkaError as error:
        return records, error
    return records, None


# -- the topics --------------------------------------------------------------------------------


def _facts(config: LoadConfig, notes: list[str]) -> Mapping[str, TopicFacts]:
    """What the brokers say of the topics; `notes` of those that they say nothing of."""
    facts = {}
    client = KafkaClient(config.kafka)
    try:
        client.connect()
        for topic in config.spec.topics:
            described = KafkaCluster(client).describe_topic(topic)
            if described is None:
                notes.append(str(missing_topic(topic, config.spec)))
            else:
                facts[topic] = described
    except SinkUnavailableError as error:
        notes.append(f"the brokers do not answer, so nothing of theirs is known: {error}")
    finally:
        client.close()
    return facts


def _checked(facts: Mapping[str, TopicFacts], lanes: Sequence[Lane], notes: list[str]) -> int:
    """How large a batch the topics take. Raises ConfigError, SinkRefusedError, as a load would."""
    for lane in lanes:
        if lane.topic in facts:
            check_partition(lane.topic, facts[lane.topic], lane.partition)
    findings = [check_topic(topic, described) for topic, described in facts.items()]
    for found in findings:
        notes += found.warnings
    unknown = TopicFacts("", "", 1, 0, {})
    return min([check_topic("", unknown).topic_bytes, *(found.topic_bytes for found in findings)])


# -- the source --------------------------------------------------------------------------------


class _Opened:
    """The source of the settings: one object or file, or a set."""

    def __init__(self, config: LoadConfig) -> None:
        self._config = config
        self._set: FileSet | None = None
        if config.is_set:
            # Only reads: the list is stored when a job begins.
            self._set, _ = job_set(config, open_store(config.checkpoint))
            self.identity = self._set.identify()
            pieces = self._set.frozen.pieces()
            self._first = _File(config, next(pieces), self._most_ranges)
        else:
            self._first = _File(config)
            self.identity = self._first.identity

    @property
    def _step(self) -> int:
        """Of a set, each file of so many is looked at."""
        count = 1 if self._set is None else self._set.frozen.count
        return -(-count // SET_FILES)

    @property
    def _most_ranges(self) -> int:
        count = 1 if self._set is None else self._set.frozen.count
        return RANGES // -(-count // self._step)

    def look(self) -> Preview:
        """At the first file."""
        return self._first.preview()

    def cut(self) -> Cut:
        """As a load cuts it."""
        if self._set is None:
            return one_object(self._first.source.read)
        return many_objects(self._set.open_pieces, self._config.spec.columns)

    def files_to_look_at(self) -> Iterator[_File]:
        """The one file, or up to `SET_FILES` of a set."""
        yield self._first
        if self._set is not None:
            for piece in islice(self._set.frozen.pieces(), self._step, None, self._step):
                yield _File(self._config, piece, self._most_ranges)


class _File:
    """One file that is looked at: the source, or a piece of it."""

    def __init__(
        self, config: LoadConfig, piece: Piece | None = None, most_ranges: int = RANGES
    ) -> None:
        self._spec = config.spec
        self._most_ranges = most_ranges
        self._points = _Farthest()
        pinned = None
        if piece is not None:
            config = replace(config, s3_key=piece.key, s3_prefix=None, s3_manifest=None)
            bucket, version = config.s3_bucket, piece.version_id
            pinned = SourceIdentity(bucket, piece.key, piece.etag, piece.size, version)
        self.source = open_source(config, pinned=pinned, points=self._points)
        self.identity = self.source.identify()
        self._look: Preview | None = None

    def preview(self) -> Preview:
        """Its header and first rows."""
        if self._look is None:
            with closing(self.source.read(0)) as chunks:
                self._look = preview(chunks, self._spec.dialect, self.identity.uri)
        return self._look

    def look(self, estimator: Estimator, plan: EncodePlan) -> None:
        """Encodes samples of it by the plan of its own header."""
        header = self.preview().header
        names = self._spec.columns(header.names)
        sampler = Sampler(
            self.source.read,
            self.identity.size,
            header,
            self._spec.dialect,
            can_skip=not self.identity.is_compressed,
            most_ranges=self._most_ranges,
        )
        plan = replace(plan, source_uri=self.identity.uri, header=names)
        estimator.look(sampler, plan, self._content_bytes(sampler, header))

    def _content_bytes(self, sampler: Sampler, header: Header) -> Callable[[], int | None]:
        """How many bytes follow the header, once the samples were read."""

        def content_bytes() -> int | None:
            if sampler.saw_all:
                return sampler.sampled_bytes
            if not self.identity.is_compressed:
                return self.identity.size - header.byte_offset
            if not self._points.stored_bytes:
                return None
            ratio = self._points.content_bytes / self._points.stored_bytes
            return round(self.identity.size * ratio) - header.byte_offset

        return content_bytes


class _Farthest:
    """How far a compressed source was read; implements `interfaces.RestartPoints`."""

    spacing_bytes = POINT_SPACING_BYTES

    def __init__(self) -> None:
        self.content_bytes = self.stored_bytes = 0

    def begin(self, source: SourceIdentity, byte_offset: int) -> None:
        """See `interfaces.RestartPoints`."""

    def found(self, point: RestartPoint) -> None:
        """See `interfaces.RestartPoints`."""

    def read_to(self, content_bytes: int, stored_bytes: int) -> None:
        """See `interfaces.RestartPoints`."""
        if content_bytes > self.content_bytes:
            self.content_bytes, self.stored_bytes = content_bytes, stored_bytes
