"""`csvkafka load --dry-run`: the first records as they would be sent, and what all would take.

Source and topics are read, and nothing is written anywhere: no row, no item, no producer id.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from csvkafka.cli.looked_at import LookedAt
from csvkafka.cli.schemas import with_ids
from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import ConfigError, CsvKafkaError, SinkUnavailableError, SourceCorruptError
from csvkafka.job.dry_run import PlannedRecord, first_records
from csvkafka.job.estimate import Estimate, Estimator
from csvkafka.job.preflight import (
    batch_bytes,
    check_partition,
    check_topic,
    letter_warnings,
    missing_topic,
)
from csvkafka.job.size_limit import with_size_limit
from csvkafka.kafka.client import KafkaClient
from csvkafka.kafka.cluster import KafkaCluster
from csvkafka.model import (
    EncodePlan,
    Lane,
    Routing,
    TopicFacts,
)
from csvkafka.rows import doubts
from csvkafka.rows.pieces import Cut
from csvkafka.schema.subjects import WireSchemas


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
    source = LookedAt(config)
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
    _check(facts, lanes, notes)
    taken = batch_bytes(spec, facts)
    if facts.keys() >= set(spec.topics):
        notes += letter_warnings(spec, taken)
    spec = with_size_limit(spec, taken.rows)
    names, uri = look.header.names, source.identity.uri
    plan = spec.plan(names, uri, lanes, taken.rows, taken.letters)
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


def _check(facts: Mapping[str, TopicFacts], lanes: Sequence[Lane], notes: list[str]) -> None:
    """Raises ConfigError, SinkRefusedError, as a load would."""
    for lane in lanes:
        if lane.topic in facts:
            check_partition(lane.topic, facts[lane.topic], lane.partition)
    for topic, described in facts.items():
        notes += check_topic(topic, described).warnings
