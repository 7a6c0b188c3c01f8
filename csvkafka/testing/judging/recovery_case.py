"""One load under faults: a source, a topic, a table and a job id of its own, and the judgement.

    with RecoveryCase(stack, CsvSpec(row_count=5_000)) as case:
        case.kill_at(Step.BATCH_ACKNOWLEDGED, nth=3)
        case.run()
        case.assert_once()

`assert_once` holds the topic against the source by the checker, for readers of both isolation
levels, and the checkpoint item: at the end, and as it was observed all along.
"""

from __future__ import annotations

import io
import re
import signal
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Self
from uuid import uuid4

from csvkafka.config.checkpoint_place import CheckpointPlace
from csvkafka.config.load_config import LoadConfig
from csvkafka.interfaces import StoredItem
from csvkafka.ledger.item import decode
from csvkafka.ledger.point_item import point_item_id
from csvkafka.local.base import Stack
from csvkafka.model import Step
from csvkafka.stores import open_store
from csvkafka.testing.checker.topic_reader import Isolation
from csvkafka.testing.checker.verdict import Verdict
from csvkafka.testing.checker.verify import Scope, judge_load
from csvkafka.testing.faults.crash_point import CrashPoint
from csvkafka.testing.faults.proxy import Proxy
from csvkafka.testing.history import History
from csvkafka.testing.inputs.csv_files import CsvSpec
from csvkafka.testing.judging.case_source import CaseSource
from csvkafka.testing.judging.job_view import JobView, JobWatch, patient, progress_in, table_item
from csvkafka.testing.processes.step_log import StepCount
from csvkafka.testing.processes.supervisor import (
    EXIT_TIMEOUT_SECONDS,
    WORKER,
    Incarnation,
    Supervisor,
)

BUCKET = "recovery"
TABLE = "recovery-checkpoints"
KILLED = -9

SMALL_FILE = CsvSpec(
    row_count=5_000,
    quoted_fraction=0.05,
    newline_fraction=0.02,
    unicode_fraction=0.05,
    hostile_fraction=0.02,
)
"""Enough rows for some 60 blocks of `BLOCK_BYTES`; quoted newlines and Unicode among them."""

BLOCK_BYTES = 8_192
PACE_SECONDS = 0.015
CHECKPOINT_INTERVAL = 200


class RecoveryCase:
    """A job that has not begun. Its source is given by a spec or as bytes. If it is a mapping of
    names to bytes, it is a set of files, loaded by S3_PREFIX (a file whose name ends in .gz, .zst
    or .bz2 is stored compressed).

    A topic is created with `partitions` and `topic_config`, unless `topic` names one that is there;
    so are those of the table's routes, `routed`, each with its number of partitions.
    `settings` are environment variables of its workers, over those of the stack. `block_bytes` and
    `pace_seconds` make a small file last for many steps, `point_bytes` of content lie between its
    restart points, `kafka_limits` shortens time limits (see `processes/worker.py`). Without
    `exclusive`, others write to the topic too. `stored`: the object's bytes, where they are not
    those of the CSV (gzip). `program`: another worker than csvkafka's own
    (`Supervisor.start_worker`). `cold`: workers start as users start them, not as forks. The faults
    of `proxies` are noted in the history. `checkpoint`: "sqlite" for a file in place of the
    table."""

    def __init__(
        self,
        stack: Stack,
        source: CsvSpec | bytes | Mapping[str, bytes] = SMALL_FILE,
        *,
        partitions: int = 1,
        topic: str | None = None,
        topic_config: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        exclusive: bool = True,
        block_bytes: int = BLOCK_BYTES,
        pace_seconds: float = PACE_SECONDS,
        point_bytes: int | None = None,
        kafka_limits: Mapping[str, int] | None = None,
        stored: bytes | None = None,
        program: Sequence[str] = WORKER,
        cold: bool = False,
        proxies: Sequence[Proxy] = (),
        checkpoint: str = "dynamodb",
        routed: Mapping[str, int] | None = None,
    ) -> None:
        self.stack, name = stack, uuid4().hex[:12]
        self._case_source = CaseSource.of(source, stored, bucket=BUCKET, name=name)
        self.source, self.files = self._case_source.content, self._case_source.files
        self.key, self.prefix = self._case_source.key, self._case_source.prefix
        self.row_count = self._case_source.row_count
        self.topic, self.job_id = topic or f"rows-{name}", f"job-{name}"
        self.partitions, self.routed = partitions, dict(routed or {})
        self.block_bytes, self.pace_seconds = block_bytes, pace_seconds
        self.point_bytes = point_bytes
        self.kafka_limits = dict(kafka_limits or {})
        self.program, self.cold = program, cold
        self.history = History()
        for proxy in proxies:
            proxy.history = self.history
        self.exclusive = exclusive
        if topic is None:
            stack.create_topic(self.topic, partitions, topic_config)
        for name, count in self.routed.items():
            stack.create_topic(name, count)
        self._case_source.put(stack)
        tables = stack.client("dynamodb").get_paginator("list_tables").paginate()
        if TABLE not in tables.search("TableNames[]"):
            stack.create_table(TABLE)
        self.settings = {
            **self._case_source.settings,
            "KAFKA_TOPIC": self.topic,
            "JOB_ID": self.job_id,
            "CHECKPOINT_INTERVAL": str(CHECKPOINT_INTERVAL),
        }
        self.supervisor = Supervisor(self.history)
        item = self._checkpoint_item(checkpoint)
        self.settings |= settings or {}
        self.view = JobView(stack, item, self.topic, partitions, self.routed)
        write_steps = (Step.CHECKPOINT_STORED, Step.RELEASED, Step.COMPLETED)
        writes = StepCount(self.supervisor.folder, write_steps)
        self._watch = JobWatch(self.view, self.history, stored=writes.so_far)

    def _checkpoint_item(self, checkpoint: str) -> StoredItem:
        if checkpoint == "dynamodb":
            self.settings["DYNAMODB_TABLE"] = TABLE
            return table_item(self.stack, TABLE, self.job_id)
        place = f"sqlite://{self.supervisor.folder / 'checkpoints.sqlite'}"
        self.settings["CHECKPOINT"] = place
        store = open_store(CheckpointPlace.parse(place))
        store.create()
        return store.item(self.job_id)

    @property
    def uri(self) -> str:
        """`s3://bucket/key` of the source."""
        return f"s3://{BUCKET}/{self.key}"

    def __enter__(self) -> Self:
        self._watch.__enter__()
        return self

    def close(self) -> None:
        """Kills what still runs and looks no more; may be called twice. A test with many cases
        closes each that is done, because open ones take processor time."""
        try:
            self._watch.close()
        finally:
            self.supervisor.close()
            self.view.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def put_file(self, key: str, data: bytes) -> None:
        """Stores a file of a set, compressed if its key says so."""
        self._case_source.put_file(self.stack, key, data)

    # -- workers -------------------------------------------------------------------------------

    def start(
        self,
        *crash: CrashPoint,
        settings: Mapping[str, str] | None = None,
        pace_seconds: float | None = None,
        block_bytes: int | None = None,
    ) -> Incarnation:
        """Starts a worker and does not wait. `settings` go over the case's own."""
        return self.supervisor.start_worker(
            {**self.stack.environment(), **self.settings, **(settings or {})},
            crash=crash,
            pace_seconds=self.pace_seconds if pace_seconds is None else pace_seconds,
            block_bytes=self.block_bytes if block_bytes is None else block_bytes,
            point_bytes=self.point_bytes,
            kafka_limits=self.kafka_limits,
            program=self.program,
            cold=self.cold,
        )

    def run(
        self,
        *,
        exit_code: int = 0,
        timeout_seconds: float = EXIT_TIMEOUT_SECONDS,
        settings: Mapping[str, str] | None = None,
        pace_seconds: float = 0.0,
        block_bytes: int | None = None,
    ) -> Incarnation:
        """Runs a worker to its end, which must have that exit code."""
        worker = self.start(settings=settings, pace_seconds=pace_seconds, block_bytes=block_bytes)
        return self.ends(worker, exit_code, timeout_seconds)

    def ends(
        self,
        worker: Incarnation,
        exit_code: int = 0,
        timeout_seconds: float = EXIT_TIMEOUT_SECONDS,
    ) -> Incarnation:
        """Waits for the worker's end, which must have that exit code."""
        code = worker.wait(timeout_seconds)
        assert code == exit_code, (
            f"{worker} ended with {code}, not {exit_code}; it said:\n{worker.output()}"
        )
        return worker

    def start_paused_at(
        self,
        step: Step,
        nth: int = 1,
        from_rows: int = 0,
        settings: Mapping[str, str] | None = None,
    ) -> Incarnation:
        """Starts a worker that stops itself (SIGSTOP) at the step; returns when it stands still."""
        point = CrashPoint(step, nth, from_rows, signal.SIGSTOP)
        worker = self.start(point, settings=settings)
        worker.wait_for_step(step, nth, from_rows)
        worker.wait_until_stopped()
        return worker

    def kill_at(self, step: Step, nth: int = 1, from_rows: int = 0) -> Incarnation:
        """Runs a worker that is killed at the step; see `CrashPoint`. It must get there."""
        # Rows go on being sent while the first checkpoint is stored, which may take a second.
        pace = 0.1 if (step, nth, from_rows) == (Step.CHECKPOINT_STORED, 1, 0) else 0.0
        pace = max(pace, self.pace_seconds)
        worker = self.start(CrashPoint(step, nth, from_rows), pace_seconds=pace)
        self.ends(worker, KILLED)
        self._watch.observe()
        return worker

    def refused(
        self,
        error: str,
        *,
        settings: Mapping[str, str] | None = None,
        timeout_seconds: float = EXIT_TIMEOUT_SECONDS,
    ) -> Incarnation:
        """Runs a worker that must be refused (REFUSE): exit 1, that error, no row sent, and
        progress, source and producer id in the item as before."""
        before, records = self.item(), self.view.record_count()
        worker = self.run(exit_code=1, settings=settings, timeout_seconds=timeout_seconds)
        self.assert_error(worker, error)
        assert not worker.steps(Step.BATCH_SENT), "a refused worker sent rows"
        assert self.view.record_count() == records, "a refused worker appended to the topic"
        assert progress_in(self.view.item()) == progress_in(before), (
            "a refused worker changed the item"
        )
        return worker

    # -- what must hold ------------------------------------------------------------------------

    def item(self) -> dict[str, Any] | None:
        """The checkpoint item now."""
        return self.view.item()

    def stored_item(self) -> dict[str, Any]:
        """The checkpoint item in DynamoDB's form."""
        key = {"job_id": {"S": self.job_id}}
        answer = self.stack.client("dynamodb").get_item(
            TableName=TABLE, Key=key, ConsistentRead=True
        )
        stored: dict[str, Any] = answer["Item"]
        return stored

    def stored_point(self) -> dict[str, Any] | None:
        """The item of the job's restart point in DynamoDB's form; None if there is none."""
        answer = self.stack.client("dynamodb").get_item(
            TableName=TABLE, Key=self._point_key, ConsistentRead=True
        )
        stored: dict[str, Any] | None = answer.get("Item")
        return stored

    def restore_point(self, attributes: Mapping[str, Any] | None) -> None:
        """Puts a restart point (DynamoDB's form), another job's for example, in the place of the
        job's; None removes it."""
        table = self.stack.client("dynamodb")
        if attributes is None:
            table.delete_item(TableName=TABLE, Key=self._point_key)
        else:
            table.put_item(TableName=TABLE, Item={**attributes, **self._point_key})

    @property
    def _point_key(self) -> dict[str, Any]:
        return {"job_id": {"S": point_item_id(self.job_id)}}

    def change_item(self, changes: Mapping[str, Any]) -> None:
        """Sets attributes of the item to values in DynamoDB's form; None removes one."""
        changed = {**self.stored_item(), **changes}
        self.restore_item({name: value for name, value in changed.items() if value is not None})

    def replacing_the_checkpoint(self) -> AbstractContextManager[None]:
        """While it is entered, the item may go back: what was observed before is forgotten."""
        return self._watch.forgetting()

    def restore_item(self, attributes: Mapping[str, Any]) -> None:
        """Puts an item (DynamoDB's form) in the place of the job's."""
        with self.replacing_the_checkpoint():
            self.stack.client("dynamodb").put_item(TableName=TABLE, Item=dict(attributes))

    def verdict(
        self, isolation: Isolation = Isolation.READ_UNCOMMITTED, *, complete: bool = True
    ) -> Verdict:
        """The checker's answer for readers of that isolation level."""
        return judge_load(
            self._config_of_item(),
            Scope(
                isolation,
                exclusive=self.exclusive,
                complete=complete,
                partition_count=self.partitions,
                routed_partitions=self.routed,
            ),
            source=io.BytesIO(self.source),
            files=self._case_source.opened(),
            checkpoints=self._watch.observations,
        )

    def _config_of_item(self) -> LoadConfig:
        """The load's, with what its item says of schemas and of how large a record may be."""
        # Read from the stack itself, whatever stands between it and the workers.
        config = LoadConfig.from_settings({**self.settings, **self.stack.environment()})
        config = replace(config, kafka=patient(config.kafka))
        is_told_more = config.registry is not None or config.spec.dead_letter_topic is not None
        if not is_told_more or (item := self.item()) is None:
            return config
        return replace(config, spec=config.spec.going_on(decode(item).configuration))

    def assert_once(self, *, dropped: int = 0, set_aside: int = 0) -> None:
        """ONCE: every row once and in order, for both isolation levels; the item is COMPLETED,
        has no lease owner, and was never ahead of the topic nor behind its own past. So many rows
        the table drops, and so many are dead letters, which are not looked at."""
        self._watch.observe()
        for isolation in Isolation:
            verdict = self.verdict(isolation)
            assert verdict.is_clean, f"{isolation}: {verdict}\n{self.story()}"
            assert verdict.row_count == self.row_count - dropped - set_aside
            assert verdict.dropped == dropped
        item = self.item()
        assert item is not None, "the checkpoint item is gone"
        seen = {name: item.get(name) for name in ("status", "last_line", "total_sent")}
        rows = self.row_count
        due = {"status": "COMPLETED", "last_line": rows, "total_sent": rows - dropped}
        assert seen == due, f"the item says {seen}, due is {due}"
        assert "lease_owner" not in item, "a completed job still has a lease owner"

    def assert_stopped(self, worker: Incarnation, error: str | None = None) -> None:
        """STOP: a prefix without gaps in each partition, none twice; the item covers what was
        acknowledged, is IN_PROGRESS, and the lease is released."""
        if error is not None:
            self.assert_error(worker, error)
        self.assert_prefix()
        item = self.item()
        assert item is not None
        assert item["status"] == "IN_PROGRESS"
        assert "lease_owner" not in item, "the lease was not released"
        acknowledged = [line.reached for line in worker.steps(Step.BLOCK_ACKNOWLEDGED)]
        assert item["last_line"] >= max(acknowledged, default=0), "acknowledged rows not stored"

    def assert_prefix(self) -> None:
        """The topic holds a prefix without gaps in each partition, and no row twice."""
        self._watch.observe()
        for isolation in Isolation:
            verdict = self.verdict(isolation, complete=False)
            assert verdict.is_clean, f"{isolation}: {verdict}\n{self.story()}"

    def assert_error(self, worker: Incarnation, error: str) -> None:
        """The worker's log names the error, with a message behind it."""
        said = rf"(ERROR - {error}Error|INFO - {error}): .{{20,}}"
        assert re.search(said, worker.output()), f"no {error} in:\n{worker.output()}"

    def assert_midway(self) -> None:
        """The topic holds some rows, not all: the crash was in the middle."""
        count = self.view.record_count()
        assert 0 < count < self.row_count, f"{count} of {self.row_count} rows: not mid-way"

    def assert_unfinished(self, worker: Incarnation) -> None:
        """The worker has begun to send and is not done: what happens now meets it mid-way."""
        acknowledged = [line.reached for line in worker.steps(Step.BATCH_ACKNOWLEDGED)]
        assert 0 < max(acknowledged, default=0) < self.row_count, "the worker is not mid-way"

    def story(self) -> str:
        """The history without its steps, for messages."""
        lines = [line for line in self.history.lines() if '"event": "step"' not in line]
        return "\n".join(lines[-60:])
