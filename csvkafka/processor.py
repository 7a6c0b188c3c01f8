"""The documented API, `CSVToKafkaProcessor` and `main()`, and the one place where parts are wired.

Everything below this module is passed what it works with; here S3, DynamoDB and Kafka meet the
engine.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from csvkafka.aws import clients as aws
from csvkafka.aws.dynamodb_item import DynamoDbItem, create_table
from csvkafka.aws.s3_source import Compression, S3Source
from csvkafka.checkpoint import CheckpointManager
from csvkafka.clock import Clock, InterruptibleClock, SystemClock
from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import CsvKafkaError, EncodeWorkerError, StoppedError
from csvkafka.interfaces import BlockFeed, Observer, Sink
from csvkafka.job.parts import JobParts, JobResult, RowSender
from csvkafka.job.run import Job
from csvkafka.kafka.client import KafkaClient
from csvkafka.kafka.cluster import KafkaCluster
from csvkafka.kafka.sink import KafkaSink
from csvkafka.ledger.ledger import JobLedger
from csvkafka.ledger.owner import this_incarnation
from csvkafka.model import EncodePlan, Lane, Position, Transform
from csvkafka.pipeline.block_feed import ThreadedBlockFeed
from csvkafka.pipeline.encode_workers import start_encode_workers
from csvkafka.pipeline.pipeline import PipelineSettings
from csvkafka.pipeline.store_thread import StoreThread
from csvkafka.process.load_log import LoadLog
from csvkafka.process.logs import configure_logging, let_go_of_output, log_level
from csvkafka.process.signals import StopSignals

if TYPE_CHECKING:
    from kafka import KafkaProducer
    from mypy_boto3_s3.client import S3Client

log = logging.getLogger(__name__)

CONFIRMATION_SECONDS = 30


def _never_stop() -> int | None:
    return None


def run_load(
    config: LoadConfig,
    *,
    observer: Observer | None = None,
    stop_signal: Callable[[], int | None] = _never_stop,
    item: DynamoDbItem | None = None,
    s3_client: S3Client | None = None,
    send_row: RowSender | None = None,
) -> JobResult:
    """Loads what is not loaded yet of one job; returns when it is complete.

    `observer` learns each step; `stop_signal` returns a signal's number once the run shall stop.
    `item` and `s3_client` bring clients of the caller's own; `send_row` sends each row in place of
    csvkafka. Raises errors of `csvkafka.errors`, StoppedError after a signal."""
    spec = replace(config.spec, one_by_one=send_row is not None)
    item = item or DynamoDbItem(config.dynamodb_table, spec.job_id)
    if config.create_table and create_table(config.dynamodb_table, item.client):
        log.info("Created the checkpoint table %s", config.dynamodb_table)

    def interrupt() -> None:
        signal_number = stop_signal()
        if signal_number is not None:
            raise StoppedError(signal_number)

    clock = SystemClock()
    source = S3Source(
        config.s3_bucket,
        config.s3_key,
        client=s3_client,
        version_id=config.s3_version_id,
        request_payer=config.s3_request_payer,
        customer_key=config.s3_customer_key,
        compression=Compression(spec.source_compression),
        clock=InterruptibleClock(interrupt),
    )
    with (
        _kafka_client(config, interrupt) as client,
        _encoders(config.encode_workers) as encoders,
        StoreThread() as store,
    ):
        parts = JobParts(
            source=source,
            cluster=KafkaCluster(client),
            ledger=_ledger(config, item, clock),
            open_sink=_sink_opener(client),
            open_feed=_feed_opener(source, encoders),
            store=store,
            clock=clock,
            observer=LoadLog(observer),
            stop_signal=stop_signal,
            send_row=send_row,
            settings=PipelineSettings(
                checkpoint_rows=config.checkpoint_interval,
                watchdog_seconds=config.watchdog_seconds,
            ),
        )
        try:
            return Job(spec, parts).run()
        except BrokenProcessPool as error:
            raise EncodeWorkerError(
                f"an encode worker ended ({error}), most likely killed for its memory; what was "
                "acknowledged is in the checkpoint: run again, with fewer ENCODE_WORKERS"
            ) from error


def _ledger(config: LoadConfig, item: DynamoDbItem, clock: Clock) -> JobLedger:
    return JobLedger(
        config.spec.job_id,
        item,
        clock,
        owner=this_incarnation(),
        lease_seconds=config.lease_seconds,
    )


@contextmanager
def _kafka_client(config: LoadConfig, interrupt: Callable[[], None]) -> Iterator[KafkaClient]:
    client = KafkaClient(config.kafka, interrupt)
    try:
        client.connect()
        yield client
    finally:
        client.close()


@contextmanager
def _encoders(count: int) -> Iterator[Executor | None]:
    if count == 0:
        yield None
        return
    pool = start_encode_workers(count)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _sink_opener(client: KafkaClient) -> Callable[[Sequence[Lane], Mapping[str, str]], Sink]:
    def open_sink(lanes: Sequence[Lane], topic_ids: Mapping[str, str]) -> Sink:
        return KafkaSink(client, lanes, topic_ids)

    return open_sink


def _feed_opener(
    source: S3Source, encoders: Executor | None
) -> Callable[[Position, EncodePlan, Sequence[int], Callable[[], None]], BlockFeed]:
    def open_feed(
        start: Position, plan: EncodePlan, skip: Sequence[int], wake: Callable[[], None]
    ) -> BlockFeed:
        return ThreadedBlockFeed(source.read, start, plan, skip=skip, wake=wake, executor=encoders)

    return open_feed


class CSVToKafkaProcessor:
    """Loads one CSV object from S3 into a Kafka topic: the documented class.

    `process()` sends in bulk, exactly once. A subclass that overrides `_send_to_kafka` is called
    for each row instead, in order: slower, and rows since the last checkpoint come again after a
    kill. To change rows and keep both speed and promise, pass `transform`."""

    def __init__(
        self,
        s3_bucket: str,
        s3_key: str,
        kafka_bootstrap_servers: str,
        kafka_topic: str,
        checkpoint_manager: CheckpointManager,
        checkpoint_interval: int = 10_000,
        *,
        transform: Transform | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`kafka_bootstrap_servers` is `host:port,host:port`; `checkpoint_interval` counts records.
        `settings` holds further ones by the names of their environment variables, such as
        {"KEY_COLUMN": "id"} (`csvkafka load --help` lists them). Touches no network.

        Raises ConfigError."""
        self.s3_bucket = s3_bucket
        self.s3_key = s3_key
        self.kafka_topic = kafka_topic
        self.checkpoint_manager = checkpoint_manager
        self.checkpoint_interval = checkpoint_interval
        config = LoadConfig.from_settings(
            {
                **(settings or {}),
                "S3_BUCKET": s3_bucket,
                "S3_KEY": s3_key,
                "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap_servers,
                "KAFKA_TOPIC": kafka_topic,
                "DYNAMODB_TABLE": checkpoint_manager.table_name,
                "JOB_ID": checkpoint_manager.job_id,
                "CHECKPOINT_INTERVAL": str(checkpoint_interval),
            }
        )
        if transform is not None:
            config = replace(config, spec=replace(config.spec, transform=transform))
        self._config = config
        self._producer: KafkaProducer | None = None
        self._s3_client: S3Client | None = None

    @property
    def producer(self) -> KafkaProducer:
        """A `KafkaProducer` with the documented settings, made when first used. `process()` does
        not send through it."""
        if self._producer is None:
            self._producer = _make_producer(self._config)
        return self._producer

    @property
    def s3_client(self) -> S3Client:
        """The boto3 client for S3, made when first used. Raises ConfigError."""
        if self._s3_client is None:
            self._s3_client = aws.s3_client()
        return self._s3_client

    def process(
        self,
        *,
        observer: Observer | None = None,
        stop_signal: Callable[[], int | None] = _never_stop,
    ) -> JobResult:
        """Loads what is not loaded yet; see `run_load` for arguments and errors."""
        overridden = type(self)._send_to_kafka is not CSVToKafkaProcessor._send_to_kafka
        config = replace(self._config, checkpoint_interval=self.checkpoint_interval)
        try:
            return run_load(
                config,
                observer=observer,
                stop_signal=stop_signal,
                item=self.checkpoint_manager.item,
                s3_client=self.s3_client,
                send_row=self._send_to_kafka if overridden else None,
            )
        finally:
            if self._producer is not None:
                self._producer.close(timeout=CONFIRMATION_SECONDS)
                self._producer = None

    def _send_to_kafka(self, row: dict[Any, Any], line_number: int, max_retries: int = 5) -> bool:
        """Sends one record by `producer` and waits until Kafka confirms it.

        Tries `max_retries` times, with 1, 2, 4, 8, ... seconds between; False if that failed. While
        a record's fate is unknown it is waited for again, never sent a second time."""
        from kafka.errors import KafkaError, KafkaTimeoutError

        record = {
            **row,
            "_source_line": line_number,
            "_source_file": f"s3://{self.s3_bucket}/{self.s3_key}",
        }
        clock = SystemClock()
        future: Any = None
        for attempt in range(max_retries):
            try:
                if future is None:
                    partition = self._config.spec.partition or 0
                    future = self.producer.send(self.kafka_topic, value=record, partition=partition)
                future.get(timeout=CONFIRMATION_SECONDS)
            except KafkaError as error:
                if future is not None and future.is_done:
                    if isinstance(error, KafkaTimeoutError):
                        log.error("Line %d: no answer, it may be in the topic", line_number)
                        return False
                    future = None
                if attempt < max_retries - 1:
                    log.warning(
                        "Line %d, attempt %d of %d: %s",
                        line_number,
                        attempt + 1,
                        max_retries,
                        error,
                    )
                    clock.sleep(2**attempt)
            else:
                return True
        log.error("Line %d could not be sent in %d attempts", line_number, max_retries)
        return False


def _make_producer(config: LoadConfig) -> KafkaProducer:
    from kafka import KafkaProducer

    settings = config.kafka.connection_config()
    security = {
        name: settings[name]
        for name in (
            "security_protocol",
            "sasl_mechanism",
            "sasl_plain_username",
            "sasl_plain_password",
            "sasl_oauth_token_provider",
            "ssl_context",
        )
        if settings[name] is not None
    }
    return KafkaProducer(
        bootstrap_servers=list(config.kafka.bootstrap_servers),
        value_serializer=lambda value: json.dumps(value).encode("utf-8"),
        max_in_flight_requests_per_connection=1,
        acks="all",
        retries=2147483647,
        max_block_ms=60000,
        enable_idempotence=True,
        compression_type=None if config.spec.compression == "none" else config.spec.compression,
        **security,
    )


def main() -> None:
    """The documented entry point: settings from the environment, exit code 0, 1, 143 or 130."""
    configure_logging()
    code = _run_main()
    let_go_of_output()
    sys.exit(code)


def _run_main() -> int:
    try:
        configure_logging(log_level())
        with StopSignals() as signals:
            config = LoadConfig.from_settings(os.environ)
            processor = CSVToKafkaProcessor(
                config.s3_bucket,
                config.s3_key,
                ",".join(config.kafka.bootstrap_servers),
                config.spec.topic,
                CheckpointManager(config.dynamodb_table, config.spec.job_id),
                config.checkpoint_interval,
                settings=os.environ,
            )
            processor.process(stop_signal=signals.requested)
    except CsvKafkaError as error:
        log.error("%s: %s", type(error).__name__, error)
        return error.exit_code
    except Exception:
        log.exception("This is a defect of csvkafka; please report it with this log")
        return 1
    return 0
