"""The promise, shown: a load that is killed on the way, resumed, and judged from outside.

A real child process (`python -m csvkafka`) loads a CSV of quoted fields, newlines in fields and
Unicode; it gets SIGKILL when the topic has grown to chosen shares of the file, and is started
again. Then the checker compares the whole topic with the file, for readers of both isolation
levels. Nothing is told to the loader, and nothing is asked of it but its log.
"""

from __future__ import annotations

import os
import random
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from csvkafka.config.checkpoint_place import CheckpointPlace
from csvkafka.config.load_config import LoadConfig
from csvkafka.config.settings import SETTINGS
from csvkafka.errors import ConfigError, StackError
from csvkafka.interfaces import ItemTable
from csvkafka.kafka.client import KafkaClient
from csvkafka.kafka.cluster import KafkaCluster
from csvkafka.local.base import Stack
from csvkafka.local.processes import GuardedProcess, Guardian, log_tail, wait_until
from csvkafka.model import Lane
from csvkafka.stores import open_store
from csvkafka.testing.checker.topic_reader import Isolation
from csvkafka.testing.checker.verdict import AnomalyKind, Verdict
from csvkafka.testing.checker.verify import Scope, judge_load
from csvkafka.testing.history import History
from csvkafka.testing.inputs.csv_files import CsvSpec, write_csv
from csvkafka.testing.judging.job_view import JobView, JobWatch, table_item
from csvkafka.testing.judging.plan import JudgeView

BUCKET = "demo"
KEY = "exports/data.csv"
TOPIC = "csv-import"
TABLE = "csv-kafka-checkpoint"
JOB_ID = "demo"
LANE = Lane(TOPIC, 0)
AWS_PLACES = {"S3_BUCKET": BUCKET, "S3_KEY": KEY, "DYNAMODB_TABLE": TABLE}

LOOK_SECONDS = 0.01
SETTLE_SECONDS = 0.05
STALL_SECONDS = 120.0

_STARTING_FROM = re.compile(r"Starting from line (\d+)")


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """`kills` are spread over the file, at places that `seed` moves. Not `with_aws`: the file is
    loaded from where it is, with its checkpoint in another one beside it. Raises ConfigError."""

    row_count: int = 1_000_000
    kills: int = 3
    seed: int = 0
    with_aws: bool = True

    def __post_init__(self) -> None:
        if self.row_count < 1 or self.kills < 0:
            raise ConfigError("a demo needs at least 1 row, and 0 kills or more")

    def csv_spec(self) -> CsvSpec:
        """The file."""
        return CsvSpec(
            self.row_count,
            seed=self.seed,
            quoted_fraction=0.2,
            newline_fraction=0.02,
            unicode_fraction=0.05,
            hostile_fraction=0.02,
        )

    def kill_rows(self) -> list[int]:
        """How many rows the topic holds at each kill, one after the other."""
        chance = random.Random(self.seed)
        share = self.row_count / (self.kills + 1)
        return [
            max(1, round(share * (number + chance.uniform(-0.4, 0.4))))
            for number in range(1, self.kills + 1)
        ]


@dataclass(frozen=True, slots=True)
class Life:
    """One incarnation of the loader. `rows_before` and `rows_after`: in the topic when it started
    and when it had ended; `started_from`: the row after which it says it went on (None: it was
    killed before); `first_row_seconds`: from its start to the first new row in the topic, None if
    there was none. `killed`: it was, before it was done."""

    rows_before: int
    rows_after: int
    started_from: int | None
    first_row_seconds: float | None
    seconds: float
    killed: bool

    @property
    def rows_sent_again(self) -> int:
        """Rows that were in the topic already when it went on before them."""
        return 0 if self.started_from is None else max(0, self.rows_before - self.started_from)


@dataclass(frozen=True, slots=True)
class DemoResult:
    """`verdicts` by isolation level; `source_bytes` is the file's size."""

    plan: DemoPlan
    source_bytes: int
    lives: tuple[Life, ...]
    verdicts: Mapping[Isolation, Verdict]

    @property
    def kills(self) -> int:
        """Kills that came before the load was done."""
        return sum(life.killed for life in self.lives)

    @property
    def load_seconds(self) -> float:
        """The time of all incarnations together, their starts included."""
        return sum(life.seconds for life in self.lives)

    @property
    def rows_per_second(self) -> float:
        """Rows of the file by `load_seconds`."""
        return self.plan.row_count / self.load_seconds

    def count(self, kind: AnomalyKind) -> int:
        """The anomalies of that kind, at the reader that sees most of them."""
        return max(verdict.count(kind) for verdict in self.verdicts.values())

    @property
    def is_clean(self) -> bool:
        """No reader sees any anomaly, and each sees every row."""
        return all(
            verdict.is_clean and verdict.rows_found == self.plan.row_count
            for verdict in self.verdicts.values()
        )


def run_demo(
    plan: DemoPlan, stack: Stack, view: JudgeView, folder: Path, history: History | None = None
) -> DemoResult:
    """Runs the demo on a fresh stack; the file and the loader's log are put into `folder`. With a
    `history`, the checkpoint is watched too, for a report.

    Raises StackError if the loader fails or stands still."""
    csv_file = folder / "data.csv"
    _make_source(plan, stack, view, csv_file)
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": stack.bootstrap_servers,
        "KAFKA_TOPIC": TOPIC,
        "JOB_ID": JOB_ID,
        **(AWS_PLACES if plan.with_aws else _places(csv_file)),
    }
    config = LoadConfig.from_settings(settings)
    client = KafkaClient(config.kafka)
    guardian = Guardian()
    try:
        client.connect()
        loader = _Loader(
            guardian, {**stack.environment(), **settings}, folder / "loader.log", history
        )
        with nullcontext() if history is None else _watched(stack, config, history):
            lives = _load(plan, loader, KafkaCluster(client), view)
    finally:
        guardian.close()
        client.close()
    verdicts = {}
    for isolation in Isolation:
        view.phase(f"judging, as {isolation} readers see it", plan.row_count)
        with csv_file.open("rb") as source:
            verdicts[isolation] = judge_load(
                config,
                Scope(isolation),
                source=source,
                progress=lambda done, _: view.reached(done),
            )
    return DemoResult(plan, csv_file.stat().st_size, tuple(lives), verdicts)


def _make_source(plan: DemoPlan, stack: Stack, view: JudgeView, csv_file: Path) -> None:
    view.phase("writing the CSV", plan.row_count)
    with csv_file.open("wb") as file:
        file.writelines(write_csv(plan.csv_spec()))
    if plan.with_aws:
        stack.create_bucket(BUCKET)
        stack.put_object(BUCKET, KEY, csv_file)
        stack.create_table(TABLE)
    stack.create_topic(TOPIC)


def _places(csv_file: Path) -> dict[str, str]:
    """Source and checkpoint without AWS."""
    place = CheckpointPlace(path=csv_file.with_name("checkpoints.sqlite"))
    return {"SOURCE": str(csv_file), "CHECKPOINT": place.name, "CREATE_TABLE": "true"}


@contextmanager
def _watched(stack: Stack, config: LoadConfig, history: History) -> Iterator[None]:
    item: ItemTable = (
        table_item(stack, TABLE, JOB_ID)
        if config.checkpoint.path is None
        else open_store(config.checkpoint).item(JOB_ID)
    )
    view = JobView(stack, item, TOPIC, 1)
    try:
        with JobWatch(view, history, LOOK_SECONDS) as watch:
            yield
            watch.observe()
    finally:
        view.close()


class _Loader:
    """Starts the loader as its users do, in a folder that is not the source tree."""

    def __init__(
        self,
        guardian: Guardian,
        environment: Mapping[str, str],
        log: Path,
        history: History | None,
    ) -> None:
        self._guardian = guardian
        self._history = history or History()
        self._started = 0
        self._environment = environment
        self._log = log
        self._log_bytes = 0

    def start(self) -> GuardedProcess:
        self._log_bytes = self._log.stat().st_size if self._log.exists() else 0
        command = [sys.executable, "-P", "-m", "csvkafka"]
        process = self._guardian.spawn(command, self._log, _child_environment(self._environment))
        self._started += 1
        self._history.record(
            "incarnation-started", incarnation=self._started, pid=process.pid, command=command
        )
        return process

    def ended(self, return_code: int) -> None:
        """Notes the end of the newest incarnation."""
        self._history.record(
            "incarnation-ended", incarnation=self._started, return_code=return_code
        )

    def started_from(self) -> int | None:
        """What the incarnation's log says."""
        with self._log.open("rb") as file:
            file.seek(self._log_bytes)
            match = _STARTING_FROM.search(file.read().decode("utf-8", "replace"))
        return None if match is None else int(match[1])

    def log_tail(self) -> str:
        return log_tail(self._log)


def _load(plan: DemoPlan, loader: _Loader, cluster: KafkaCluster, view: JudgeView) -> list[Life]:
    kill_rows = plan.kill_rows()
    lives: list[Life] = []
    view.phase("loading", plan.row_count)
    while True:
        kill_at = kill_rows[len(lives)] if len(lives) < len(kill_rows) else None
        life = _live(loader, cluster, view, kill_at)
        lives.append(life)
        _say_life(view, plan, len(lives), life)
        if not life.killed:
            return lives


def _live(loader: _Loader, cluster: KafkaCluster, view: JudgeView, kill_at: int | None) -> Life:
    """One incarnation, to its end or to its kill."""
    rows_before = rows = _settled_end(cluster)
    begun_at = moved_at = time.monotonic()
    process = loader.start()
    first_row_seconds: float | None = None
    code = None
    while code is None:
        end, now = cluster.end_offset(LANE), time.monotonic()
        if end > rows:
            rows, moved_at = end, now
            first_row_seconds = now - begun_at if first_row_seconds is None else first_row_seconds
            view.reached(rows)
        # One new row at least, so that each incarnation shows what its start cost.
        if kill_at is not None and rows >= kill_at and rows > rows_before:
            process.send_signal(signal.SIGKILL)
            kill_at = None
        if now - moved_at > STALL_SECONDS:
            raise StackError(f"the loader stands still; its log ends:\n{loader.log_tail()}")
        time.sleep(LOOK_SECONDS)
        code = process.return_code()
    seconds = time.monotonic() - begun_at
    loader.ended(code)
    if code not in (0, -signal.SIGKILL):
        raise StackError(f"the loader ended with {code}; its log ends:\n{loader.log_tail()}")
    return Life(
        rows_before=rows_before,
        rows_after=_settled_end(cluster),
        started_from=loader.started_from(),
        first_row_seconds=first_row_seconds,
        seconds=seconds,
        killed=code != 0,
    )


def _say_life(view: JudgeView, plan: DemoPlan, number: int, life: Life) -> None:
    facts = []
    if life.started_from is not None and number > 1:
        facts.append(
            f"went on after row {life.started_from:,}, {life.rows_sent_again:,} rows sent again"
        )
    if life.first_row_seconds is not None:
        facts.append(f"first new row {life.first_row_seconds:.2f} s after its start")
    if life.killed:
        share = life.rows_after / plan.row_count
        facts.append(f"kill -9 with {life.rows_after:,} rows in the topic ({share:.0%})")
    else:
        facts.append(f"done, with {life.rows_after:,} rows in the topic")
    view.say(f"run {number}: {'; '.join(facts)}")


def _settled_end(cluster: KafkaCluster) -> int:
    """Where the topic ends, once what a killed process had sent has arrived."""
    ends = [-1, cluster.end_offset(LANE)]

    def stands_still() -> bool:
        time.sleep(SETTLE_SECONDS)
        ends.append(cluster.end_offset(LANE))
        return ends[-1] == ends[-2]

    wait_until(stands_still, STALL_SECONDS)
    return ends[-1]


def _child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without settings and AWS access of its own, and `environment`."""
    settings = {setting.variable for setting in SETTINGS}
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in settings and not name.startswith("AWS_")
    }
    return {**inherited, **environment}
