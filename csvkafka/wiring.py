"""The one place where parts are wired: sources, stores and Kafka meet the engine.

Everything below this module is passed what it works with.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from csvkafka.clock import Clock, InterruptibleClock, SystemClock
from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import ConfigError, EncodeWorkerError, StoppedError
from csvkafka.interfaces import (
    BlockFeed,
    Item,
    ItemStore,
    Observer,
    SchemaRegistry,
    Sink,
    Source,
    StoredItem,
)
from csvkafka.job.definition import JobSpec
from csvkafka.job.file_set import FileSet
from csvkafka.job.file_steps import FileSteps
from csvkafka.job.letters import Letters
from csvkafka.job.parts import JobParts, JobResult, RowSender
from csvkafka.job.replayed import own_item, replayed_job
from csvkafka.job.replays import begin_replay
from csvkafka.job.row_by_row import never_stop, stoppable
from csvkafka.job.run import Job
from csvkafka.job.set_in_order import SetInOrder
from csvkafka.job.set_run import SetRun
from csvkafka.kafka.client import KafkaClient
from csvkafka.kafka.cluster import KafkaCluster
from csvkafka.kafka.sink import KafkaSink
from csvkafka.ledger.item import LeaseState, StoredJob
from csvkafka.ledger.ledger import JobLedger
from csvkafka.ledger.owner import this_incarnation
from csvkafka.ledger.point_item import point_item_id
from csvkafka.ledger.restart_points import RestartPointKeeper
from csvkafka.model import EncodePlan, FileOrder, Lane, Piece, Position
from csvkafka.pipeline.block_feed import ThreadedBlockFeed
from csvkafka.pipeline.daemon_threads import DaemonThreads
from csvkafka.pipeline.encode_workers import check_portable, encode_workers
from csvkafka.pipeline.pieces_ahead import fetched_ahead
from csvkafka.pipeline.settings import PipelineSettings
from csvkafka.pipeline.store_thread import StoreThread
from csvkafka.process.load_log import LoadLog
from csvkafka.process.record_log import with_record_log
from csvkafka.process.set_log import SetLog
from csvkafka.retry import until_table_answers
from csvkafka.rows.pieces import Cut, many_objects, one_object
from csvkafka.sources import job_set, open_source, replayed_header
from csvkafka.stores import open_store

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")

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
    if config.source_path is not None and config.replays is None:
        open_source(config).identify()  # a mistyped path is said before a broker is waited for
    kept_in = open_store(config.checkpoint) if item is None else item.store
    if config.create_table and kept_in.create():
        log.info("Created the checkpoint %s", kept_in.where)
    if config.checkpoint.path is not None:
        log.info("Checkpoints are kept in %s", kept_in.where)

    def interrupt() -> None:
        signal_number = stop_signal()
        if signal_number is not None:
            raise StoppedError(signal_number)

    asking = InterruptibleClock(interrupt)
    with (
        _kafka_client(config, interrupt) as client,
        _encoders(config.encode_workers) as encoders,
        stoppable(send_row, stop_signal) as stoppable_send_row,
        _registry(config) as registry,
    ):
        run = _Run(config, kept_in, client, encoders, stop_signal, stoppable_send_row, registry)
        try:
            if config.replays is not None:
                return _replay(run, config.replays, spec, LoadLog(observer), s3_client, asking)
            if config.is_set and spec.order is FileOrder.OBJECT:
                the_set, _ = job_set(
                    config, kept_in, s3_client=s3_client, clock=asking, ask=run.ask_table
                )
                return _run_set(run, spec, the_set, SetLog(observer))
            with run.restart_points(spec.job_id, LoadLog(observer)) as points:
                file_set: FileSet | None = None
                if config.is_set:
                    file_set, _ = job_set(
                        config,
                        kept_in,
                        points=points.of_piece,
                        s3_client=s3_client,
                        clock=asking,
                        ask=run.ask_table,
                    )
                source: Source = file_set or open_source(
                    config, s3_client=s3_client, points=points.of_piece(), clock=asking
                )
                cut = _cut(config, source, file_set)
                job_item = item or kept_in.item(spec.job_id)
                with run.parts(job_item, spec.job_id, source, cut, points) as parts:
                    if file_set is not None:
                        return SetInOrder(spec, parts, file_set, kept_in).run()
                    return Job(spec, parts).run()
        except BrokenProcessPool as error:
            raise EncodeWorkerError(
                f"an encode worker ended ({error}), most likely killed for its memory (or your "
                'program calls process() outside of `if __name__ == "__main__":`); what was '
                "acknowledged is in the checkpoint: run again, with fewer ENCODE_WORKERS"
            ) from error


@dataclass(slots=True)
class _Run:
    """What all jobs of this run share: one, or one after the other for each file of a set."""

    config: LoadConfig
    kept_in: ItemStore
    client: KafkaClient
    encoders: Executor | None
    stop_signal: Callable[[], int | None]
    send_row: RowSender | None = None
    registry: SchemaRegistry | None = None
    clock: Clock = field(default_factory=SystemClock)
    owner: str = field(default_factory=this_incarnation)
    said: set[str] = field(default_factory=set)

    def ask_table(self, ask: Callable[[], T]) -> T:
        """As `JobParts.ask_table`."""

        def raise_if_stopped() -> None:
            signal_number = self.stop_signal()
            if signal_number is not None:
                raise StoppedError(signal_number)

        return until_table_answers(ask, self.clock, raise_if_stopped)

    @contextmanager
    def restart_points(self, job_id: str, observer: Observer) -> Iterator[RestartPointKeeper]:
        keeper = RestartPointKeeper(
            self.kept_in.item(point_item_id(job_id)),
            DaemonThreads(1, "csvkafka-points"),
            self.clock,
            observer,
            spacing_bytes=self.config.point_spacing_bytes,
        )
        with closing(keeper):
            yield keeper

    @contextmanager
    def parts(
        self,
        item: StoredItem,
        job_id: str,
        source: Source,
        cut: Cut,
        observer: Observer,
        watched: LeaseState | None = None,
    ) -> Iterator[JobParts]:
        config = self.config
        with StoreThread() as store:
            yield JobParts(
                source=source,
                cluster=KafkaCluster(self.client),
                ledger=JobLedger(
                    job_id,
                    item,
                    self.clock,
                    owner=self.owner,
                    lease_seconds=config.lease_seconds,
                    watched=watched,
                ),
                open_sink=_sink_opener(self.client),
                open_feed=_feed_opener(cut, self.encoders, config.encode_threads),
                store=store,
                clock=self.clock,
                observer=observer,
                stop_signal=self.stop_signal,
                send_row=self.send_row,
                bad_row_limit=config.bad_row_limit,
                registry=self.registry,
                said=self.said,
                settings=PipelineSettings(
                    checkpoint_rows=config.checkpoint_interval,
                    watchdog_seconds=config.watchdog_seconds,
                ),
            )


def _run_set(run: _Run, spec: JobSpec, file_set: FileSet, observer: Observer) -> JobResult:
    """One worker's run of a set whose files are jobs of their own."""

    def run_file(
        spec: JobSpec, piece: Piece, steps: FileSteps, watched: LeaseState | None
    ) -> JobResult:
        with run.restart_points(spec.job_id, steps) as points:
            source = file_set.source(piece, points.of_piece())
            item = run.kept_in.item(spec.job_id)
            with run.parts(
                item, spec.job_id, source, one_object(source.read), points, watched
            ) as parts:
                return Job(spec, replace(parts, waits=False)).run()

    item = run.kept_in.item(spec.job_id)
    with run.parts(item, spec.job_id, file_set, one_object(file_set.read), observer) as parts:
        return SetRun(
            spec,
            replace(parts, file_set=file_set),
            file_set,
            run.kept_in,
            run_file,
            owner=run.owner,
            fail_fast=run.config.fail_fast,
        ).run()


def _replay(
    run: _Run,
    replayed: str,
    spec: JobSpec,
    observer: Observer,
    s3_client: S3Client | None,
    clock: InterruptibleClock,
) -> JobResult:
    """Loads the dead letters of job `replayed`, as a job of its own."""

    def read(job_id: str) -> Item | None:
        return run.ask_table(run.kept_in.item(job_id).get)

    def known() -> StoredJob | None:
        return own_item(read(spec.job_id))

    config = run.config
    job = replayed_job(replayed, read, run.kept_in.where)
    job.check_source(config.source_uri)
    job.check_encoding(spec.dialect.encoding)
    if not job.count:
        log.info("Job %s set no row aside: there is nothing to replay", replayed)
        return JobResult(0, 0, 0, already_complete=True)
    header = replayed_header(config, job, run.kept_in, s3_client, clock)
    again = config.replays_again
    note = partial(begin_replay, replayed, spec.job_id, run.kept_in, run.ask_table, again=again)
    others = note(writes=known() is not None)
    if others:
        log.warning("Job %s was replayed by %s too", replayed, ", ".join(others))
    item = run.kept_in.item(spec.job_id)
    log_here = KafkaCluster(run.client)  # asked by this thread alone, and as a signal may end it
    letters = Letters(job, log_here, partial(_letter_log, config), header, known)
    with run.parts(item, spec.job_id, letters, letters.cut, observer) as parts:
        return Job(spec, replace(parts, letters=letters, before_item=note)).run()


@contextmanager
def _letter_log(config: LoadConfig) -> Iterator[KafkaCluster]:
    """For the thread that reads letters beside the loop: a client is for one thread."""
    with _kafka_client(config, lambda: None) as client:
        yield KafkaCluster(client)


def _cut(config: LoadConfig, source: Source, file_set: FileSet | None) -> Cut:
    if file_set is None:
        return one_object(source.read)
    compression = config.spec.source_compression
    return many_objects(
        lambda number: fetched_ahead(file_set.open_pieces(number), compression),
        config.spec.columns,
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
