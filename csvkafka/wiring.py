"""The one place where parts are wired: sources, stores and Kafka meet the engine.

Everything below this module is passed what it works with.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from csvkafka.clock import Clock, InterruptibleClock, SystemClock
from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import ConfigError, EncodeWorkerError, StoppedError
from csvkafka.interfaces import BlockFeed, Observer, SchemaRegistry, Sink, Source, StoredItem
from csvkafka.job.file_set import FileSet
from csvkafka.job.parts import JobParts, JobResult, RowSender
from csvkafka.job.row_by_row import never_stop, stoppable
from csvkafka.job.run import Job
from csvkafka.kafka.client import KafkaClient
from csvkafka.kafka.cluster import KafkaCluster
from csvkafka.kafka.sink import KafkaSink
from csvkafka.ledger.ledger import JobLedger
from csvkafka.ledger.list_chunks import ListChunks
from csvkafka.ledger.owner import this_incarnation
from csvkafka.ledger.point_item import point_item_id
from csvkafka.ledger.restart_points import RestartPointKeeper
from csvkafka.model import EncodePlan, Lane, Position
from csvkafka.pipeline.block_feed import ThreadedBlockFeed
from csvkafka.pipeline.daemon_threads import DaemonThreads
from csvkafka.pipeline.encode_workers import check_portable, encode_workers
from csvkafka.pipeline.pieces_ahead import fetched_ahead
from csvkafka.pipeline.settings import PipelineSettings
from csvkafka.pipeline.store_thread import StoreThread
from csvkafka.process.load_log import LoadLog
from csvkafka.process.record_log import with_record_log
from csvkafka.rows.pieces import Cut, many_objects, one_object
from csvkafka.sources import open_source, set_objects
from csvkafka.stores import open_store

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

log = logging.getLogger(__name__)


def run_load(
    config: LoadConfig,
    *,
    observer: Observer | None = None,
    stop_signal: Callable[[], int | None] = never_stop,
    item: StoredItem | None = None,
    s3_client: S3Client | None = None,
    send_row: RowSender | None = None,
) -> JobResult:
    """Loads what is not loaded yet of one job; returns when it is complete.

    `observer` learns each step; `stop_signal` returns a signal's number once the run is to stop,
    None before. `item` and `s3_client` bring clients of the caller's own; `send_row` sends each row
    in place of csvkafka. Raises errors of `csvkafka.errors`, StoppedError after a signal."""
    spec = replace(config.spec, one_by_one=send_row is not None)
    if config.encode_workers and spec.transform is not None:
        check_portable(spec.transform)
    if config.is_set and send_row is not None:
        raise ConfigError(
            "an own _send_to_kafka gets the rows of one object, and S3_PREFIX or S3_MANIFEST names "
            "a set: set S3_KEY, or TRANSFORM in the method's place"
        )
    kept_in = open_store(config.checkpoint) if item is None else item.store
    if config.create_table and kept_in.create():
        log.info("Created the checkpoint %s", kept_in.where)
    if config.checkpoint.path is not None:
        log.info("Checkpoints are kept in %s", kept_in.where)

    def interrupt() -> None:
        signal_number = stop_signal()
        if signal_number is not None:
            raise StoppedError(signal_number)

    clock = SystemClock()
    points = RestartPointKeeper(
        kept_in.item(point_item_id(spec.job_id)),
        DaemonThreads(1, "csvkafka-points"),
        clock,
        LoadLog(observer),
        spacing_bytes=config.point_spacing_bytes,
    )
    asking = InterruptibleClock(interrupt)
    file_set: FileSet | None = None
    if config.is_set:
        objects = set_objects(config, s3_client=s3_client, clock=asking)
        file_set = FileSet(objects, ListChunks(spec.job_id, kept_in.item), points.of_piece)
    source: Source = file_set or open_source(
        config, s3_client=s3_client, points=points.of_piece(), clock=asking
    )
    with (
        closing(points),
        _kafka_client(config, interrupt) as client,
        _encoders(config.encode_workers) as encoders,
        StoreThread() as store,
        stoppable(send_row, stop_signal) as stoppable_send_row,
        _registry(config) as registry,
    ):
        parts = JobParts(
            source=source,
            cluster=KafkaCluster(client),
            ledger=_ledger(config, item or kept_in.item(spec.job_id), clock),
            open_sink=_sink_opener(client),
            open_feed=_feed_opener(_cut(config, source, file_set), encoders, config.encode_threads),
            store=store,
            clock=clock,
            observer=points,
            stop_signal=stop_signal,
            send_row=stoppable_send_row,
            bad_row_limit=config.bad_row_limit,
            file_set=file_set,
            registry=registry,
            settings=PipelineSettings(
                checkpoint_rows=config.checkpoint_interval,
                watchdog_seconds=config.watchdog_seconds,
            ),
        )
        try:
            return Job(spec, parts).run()
        except BrokenProcessPool as error:
            raise EncodeWorkerError(
                f"an encode worker ended ({error}), most likely killed for its memory (or your "
                'program calls process() outside of `if __name__ == "__main__":`); what was '
                "acknowledged is in the checkpoint: run again, with fewer ENCODE_WORKERS"
            ) from error


def _cut(config: LoadConfig, source: Source, file_set: FileSet | None) -> Cut:
    if file_set is None:
        return one_object(source.read)
    return many_objects(
        lambda number: fetched_ahead(file_set.open_pieces(number)), config.spec.columns
    )


def _ledger(config: LoadConfig, item: StoredItem, clock: Clock) -> JobLedger:
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


def _registry(config: LoadConfig) -> AbstractContextManager[SchemaRegistry | None]:
    if config.registry is None:
        return nullcontext()
    # Not at the top: most loads have no registry, and their start should not pay for it.
    from csvkafka.registry.client import RegistryClient

    return closing(RegistryClient(config.registry))


def _encoders(count: int) -> AbstractContextManager[Executor | None]:
    return encode_workers(count) if count else nullcontext()


def _sink_opener(client: KafkaClient) -> Callable[[Sequence[Lane], Mapping[str, str]], Sink]:
    def open_sink(lanes: Sequence[Lane], topic_ids: Mapping[str, str]) -> Sink:
        return with_record_log(KafkaSink(client, lanes, topic_ids), lanes)

    return open_sink


def _feed_opener(
    cut: Cut, encoders: Executor | None, threads: int
) -> Callable[[Position, EncodePlan, Sequence[int], Callable[[], None]], BlockFeed]:
    def open_feed(
        start: Position, plan: EncodePlan, skip: Sequence[int], wake: Callable[[], None]
    ) -> BlockFeed:
        return ThreadedBlockFeed(
            cut, start, plan, skip=skip, wake=wake, threads=threads, executor=encoders
        )

    return open_feed
