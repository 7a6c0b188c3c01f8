"""`csvkafka doctor`: what a load would trip over, found before it; one line a check."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from csvkafka.cli.options import SettingsCommand, setting_options, values_given
from csvkafka.cli.output import bytes_text, count_text
from csvkafka.config.settings import SETTINGS
from csvkafka.errors import CheckpointError, CsvKafkaError

if TYPE_CHECKING:
    from csvkafka.aws.dynamodb_item import DynamoDbItem
    from csvkafka.config.load_config import LoadConfig
    from csvkafka.kafka.client import KafkaClient
    from csvkafka.model import SourceIdentity, TopicFacts
    from csvkafka.rows.blocks import Header

EPILOG = """
\b
Examples:
  csvkafka doctor                            with the settings of the environment
  csvkafka doctor --probe-topic scratch      also asks the broker for what the promise hangs on

It changes nothing, but for a few records in the probe topic. Give it the settings of the load.

Exit codes: 0 the load can begin (perhaps with warnings), 1 it would fail, or its promise would
break.
"""


class Level(StrEnum):
    """What a check found."""

    OK = "ok"
    WARNING = "warning"
    FAIL = "FAIL"
    SKIPPED = "skipped"


_COLORS = {Level.OK: "green", Level.WARNING: "yellow", Level.FAIL: "red", Level.SKIPPED: None}


@dataclass(frozen=True, slots=True)
class Check:
    """One line."""

    level: Level
    what: str
    text: str


@click.command("doctor", cls=SettingsCommand, epilog=EPILOG)
@setting_options(SETTINGS)
@click.option(
    "--probe-topic",
    metavar="TOPIC",
    help="A scratch topic (it must exist): writes a few records there, to see whether the broker "
    "refuses repeated sequence numbers.",
)
def command(probe_topic: str | None, **options: Any) -> int:
    """Checks source, checkpoint table, job, topic and broker before a load."""
    from csvkafka.config.load_config import LoadConfig

    logging.getLogger().setLevel(logging.CRITICAL)  # every finding is a line of ours
    config = LoadConfig.from_settings(values_given(options))
    failed = False
    for check in Doctor(config).checks(probe_topic):
        failed = failed or check.level is Level.FAIL
        mark = click.style(f"{check.level:<8}", fg=_COLORS[check.level])
        click.echo(f"{mark} {check.what:<9} {' '.join(check.text.split())}")
    return int(failed)


class Doctor:
    """Examines what a load would use, one part after the other; a part that fails does not hide
    what is wrong with the next."""

    def __init__(self, config: LoadConfig) -> None:
        self._config = config
        self._source: SourceIdentity | None = None
        self._header: Header | None = None
        self._facts: dict[str, TopicFacts] = {}
        self._table_is_to_come = False

    def checks(self, probe_topic: str | None) -> Iterator[Check]:
        """All checks, in the order in which a load needs them."""
        yield from _caught("source", self._check_source)
        yield from _caught("table", self._check_table)
        yield from self._check_kafka(probe_topic)
        yield from _caught("job", self._check_job)

    def _check_source(self) -> Iterator[Check]:
        from csvkafka.aws.s3_source import Compression, S3Source
        from csvkafka.rows.blocks import read_header

        config = self._config
        source = S3Source(
            config.s3_bucket,
            config.s3_key,
            version_id=config.s3_version_id,
            compression=Compression(config.spec.source_compression),
            give_up_seconds=10.0,
        )
        self._source = source.identify()
        with closing(source.read(0)) as chunks:
            self._header = read_header(chunks, config.spec.dialect, self._source.uri)
        version = self._source.version_id
        pinned = f"ETag {self._source.etag}" + ("" if version is None else f", version {version}")
        yield Check(
            Level.OK,
            "source",
            f"{self._source.uri}: {bytes_text(self._source.size)}, pinned by {pinned}",
        )
        yield Check(Level.OK, "source", f"header of {len(self._header.names)} columns")
        if self._source.is_gzip:
            yield Check(
                Level.WARNING,
                "source",
                "gzip has no way in but its start: a resume reads all before it again (it sends "
                "nothing twice)",
            )

    def _check_table(self) -> Iterator[Check]:
        from csvkafka.aws.dynamodb_item import DynamoDbItem
        from csvkafka.interfaces import ItemChange

        name = self._config.dynamodb_table
        # An item that nobody has: the condition cannot hold, so the right to write is all that is
        # asked for.
        item = DynamoDbItem(name, f"csvkafka doctor {secrets.token_hex(8)}")
        try:
            item.get()
        except CheckpointError:
            if self._config.create_table and self._is_missing(item):
                self._table_is_to_come = True
                yield Check(Level.OK, "table", f"{name} is missing and will be created")
                return
            raise
        item.update(ItemChange(set={"status": "checked"}))
        yield Check(Level.OK, "table", f"{name}: read, and takes conditional writes")
        try:
            item.check()
        except CheckpointError as error:
            # Not among the rights that a load needs.
            yield Check(Level.SKIPPED, "table", f"its key could not be looked at: {error}")
        else:
            yield Check(Level.OK, "table", f"{name}: active, with the key job_id")

    @staticmethod
    def _is_missing(item: DynamoDbItem) -> bool:
        try:
            item.check()
        except CheckpointError as error:
            return "there is no such table" in str(error)
        return False

    def _check_kafka(self, probe_topic: str | None) -> Iterator[Check]:
        from csvkafka.kafka.client import KafkaClient

        try:
            client = KafkaClient(replace(self._config.kafka, answer_timeout_ms=20_000))
        except CsvKafkaError as error:
            yield Check(Level.FAIL, "kafka", str(error))
            return
        try:
            yield from _caught("kafka", partial(self._check_broker, client))
            if not client.cluster_id:
                return
            for topic in self._config.spec.topics:
                yield from _caught("topic", partial(self._check_topic, client, topic))
            yield from _caught("plan", self._check_plan)
            yield from _caught("sequence", partial(self._probe, client, probe_topic))
        finally:
            client.close()

    def _check_broker(self, client: KafkaClient) -> Iterator[Check]:
        from csvkafka.kafka.cluster import KafkaCluster

        client.connect()
        servers = ",".join(self._config.kafka.bootstrap_servers)
        yield Check(Level.OK, "kafka", f"{servers}: cluster {client.cluster_id}")
        KafkaCluster(client).new_producer_identity()
        yield Check(Level.OK, "kafka", "gives producer ids")

    def _check_topic(self, client: KafkaClient, topic: str) -> Iterator[Check]:
        from csvkafka.job.preflight import check_partition, check_topic
        from csvkafka.kafka.cluster import KafkaCluster

        spec = self._config.spec
        facts = KafkaCluster(client).describe_topic(topic)
        if facts is None:
            yield Check(
                Level.FAIL, "topic", f"{topic} does not exist; create it, csvkafka never does"
            )
            return
        self._facts[topic] = facts
        for lane in spec.lanes(facts.partition_count):
            if lane.topic == topic:
                check_partition(topic, facts, lane.partition)
        findings = check_topic(topic, facts, spec.max_batch_bytes)
        yield Check(
            Level.OK,
            "topic",
            f"{topic}: partitions {count_text(facts.partition_count)}, replication "
            f"{facts.replication_factor}, batches of up to {bytes_text(findings.max_batch_bytes)}",
        )
        for warning in findings.warnings:
            yield Check(Level.WARNING, "topic", warning)
        if not facts.config:
            yield Check(
                Level.WARNING,
                "topic",
                f"the settings of {topic} may not be read (DESCRIBE_CONFIGS), so they were not "
                "checked",
            )

    def _check_plan(self) -> Iterator[Check]:
        from csvkafka.encode.encoder import check_plan

        spec = self._config.spec
        if self._source is None or self._header is None or spec.topic not in self._facts:
            return
        lanes = spec.lanes(self._facts[spec.topic].partition_count)
        check_plan(spec.plan(self._header.names, self._source.uri, lanes, spec.max_batch_bytes))
        by = "" if spec.key_column is None else f", key column {spec.key_column}"
        yield Check(Level.OK, "plan", f"records compressed by {spec.compression}{by}")

    def _probe(self, client: KafkaClient, probe_topic: str | None) -> Iterator[Check]:
        from csvkafka.kafka.probe import probe_sequence_enforcement

        if probe_topic is None:
            yield Check(
                Level.SKIPPED,
                "sequence",
                "whether the broker refuses repeated sequence numbers was not asked: Apache Kafka "
                "does; for another server name a scratch topic by --probe-topic",
            )
            return
        probe_sequence_enforcement(client, probe_topic)
        yield Check(Level.OK, "sequence", "the broker refuses repeated sequence numbers")

    def _check_job(self) -> Iterator[Check]:
        from csvkafka.aws.dynamodb_item import DynamoDbItem
        from csvkafka.job.definition import check_same_job, define
        from csvkafka.ledger.item import decode, is_documented_only

        spec = self._config.spec
        facts: Mapping[str, TopicFacts] = self._facts
        if self._source is None or self._header is None or set(facts) != set(spec.topics):
            yield Check(Level.SKIPPED, "job", "cannot be compared before the rest is right")
            return
        item = None
        if not self._table_is_to_come:
            item = DynamoDbItem(self._config.dynamodb_table, spec.job_id).get()
        if item is None:
            yield Check(Level.OK, "job", f"{spec.job_id} is new")
        elif is_documented_only(item):
            yield Check(
                Level.WARNING,
                "job",
                f"{spec.job_id} was begun by another implementation, at line "
                f"{item.get('last_line')}: a load takes it over",
            )
        else:
            stored = decode(item)
            now = define(spec, self._source, self._header.names, facts, stored.partition_count)
            for warning in check_same_job(stored, now, facts):
                yield Check(Level.WARNING, "job", warning)
            rows = count_text(stored.position.row_count)
            yield Check(
                Level.OK, "job", f"{spec.job_id} is the same job: {stored.status}, {rows} rows"
            )


def _caught(what: str, examine: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """The checks of one part; an error of ours is its last one."""
    try:
        yield from examine()
    except CsvKafkaError as error:
        yield Check(Level.FAIL, what, str(error))
