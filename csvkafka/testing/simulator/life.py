"""One incarnation of a simulated worker: the real `Job` on fakes, and what befalls it on its way.

Each call of a fake, and each step that the job reports, is a point. The schedule says at which
point which fault strikes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from csvkafka.errors import CsvKafkaError
from csvkafka.interfaces import Item, Observer, Source
from csvkafka.job.begun_set import BegunSet
from csvkafka.job.definition import JobSpec
from csvkafka.job.file_set import FileSet
from csvkafka.job.parts import JobParts, JobResult
from csvkafka.job.run import Job
from csvkafka.job.set_in_order import SetInOrder
from csvkafka.job.set_run import SetRun
from csvkafka.ledger.item import LeaseState
from csvkafka.ledger.ledger import JobLedger
from csvkafka.ledger.list_chunks import ListChunks
from csvkafka.model import BadRows, FileOrder, Piece, Step
from csvkafka.pipeline.settings import PipelineSettings
from csvkafka.rows.pieces import Cut, many_objects, one_object
from csvkafka.schema.table import RecordTable, Route, Undeclared
from csvkafka.testing.simulator.fake_kafka import FakeCluster, FakeSink
from csvkafka.testing.simulator.fake_set import LIST_CHUNK_BYTES, FakeSet
from csvkafka.testing.simulator.fake_source import FakeSource, SynchronousFeed
from csvkafka.testing.simulator.fake_table import FakeTable, random_latency
from csvkafka.testing.simulator.large_rows import DEAD_LETTERS, RECORD_BYTES
from csvkafka.testing.simulator.points import OnTheirWay
from csvkafka.testing.simulator.schedule import CRASHES, HELD, Fault
from csvkafka.testing.simulator.store_tasks import StoreTasks
from csvkafka.testing.simulator.virtual_clock import Task, VirtualClock

if TYPE_CHECKING:
    from csvkafka.testing.simulator.simulation import Simulation

JOB_ID = "job"
TOPIC = "rows"
KEYS = 8
LEASE_SECONDS = 10.0
BLOCK_BYTES = 60
"""About three rows."""

SETTINGS = PipelineSettings(
    window_bytes=1500, checkpoint_rows=3, checkpoint_seconds=0.01, store_give_up_seconds=40.0
)
TABLE_GIVE_UP_SECONDS = 1.0
SIGTERM = 15


class Crash(BaseException):
    """The worker is dead: raised out of every call that it makes."""


@dataclass(slots=True, eq=False)
class Life:
    """One incarnation of the worker. How it ended: `result`, `error`, or neither (it crashed)."""

    simulation: Simulation
    number: int
    result: JobResult | None = None
    error: BaseException | None = None
    ended: bool = False
    stop_signal: int | None = None
    met: list[Fault] = field(default_factory=list)
    acknowledged_rows: int = 0
    ended_at: float | None = None
    item_at_end: Item | None = None
    """The item as it stood when the life ended by an error; of a set whose files are jobs of their
    own, that of the last file."""
    job_id: str = JOB_ID
    """Of the job, or of the file, that it is at."""
    file_errors: list[CsvKafkaError] = field(default_factory=list)
    """With which files of a set failed, that are jobs of their own."""
    beside: set[int] = field(default_factory=set)
    """The other lives that lived while this one did."""
    clock: VirtualClock = field(init=False)
    on_their_way: OnTheirWay = field(default_factory=OnTheirWay)
    _counts: Counter[str] = field(default_factory=Counter)
    _tasks: list[Task] = field(default_factory=list)

    def begin(self) -> None:
        for other in self.simulation.lives:
            if other is not self and not other.ended:
                other.beside.add(self.number)
                self.beside.add(other.number)
        self.clock = VirtualClock(self.simulation.time)
        self._spawn(self._live)

    @property
    def owner(self) -> str:
        return f"life-{self.number}"

    @property
    def is_undisturbed(self) -> bool:
        """Nothing befell it and nobody lived beside it: it must load what is left."""
        return not self.met and not self.beside

    @property
    def errors(self) -> list[BaseException]:
        """The error that it ended by, and those of files."""
        return [*self.file_errors, *([] if self.error is None else [self.error])]

    # -- what befalls it -------------------------------------------------------------------------

    def report(self, step: Step, **facts: int) -> None:
        """`interfaces.Observer`."""
        if step is Step.BLOCK_ACKNOWLEDGED:
            self.acknowledged_rows = facts.get("file_rows", facts["rows"])
        elif step is Step.RESTARTED:
            self.acknowledged_rows = 0  # the topic is read again: it alone tells
        self.meet(step.value)

    def meet(self, point: str) -> str:
        """Comes to a point; see `points.Meet`."""
        if self.ended:
            raise Crash
        simulation = self.simulation
        self._counts[point] += 1
        nth = self._counts[point]
        place = f"{self.number}/{point}#{nth}"
        simulation.trace.append(place)
        if point == Step.TAIL_SCANNED:
            simulation.release_withheld()
        if place in simulation.hooks:
            simulation.hooks[place](simulation)
        if simulation.moments is not None:
            simulation.moments.append(simulation.moment())
        fault = simulation.faults.get((self.number, point, nth))
        if fault is None:
            return ""
        self.met.append(fault)
        if fault.action in (*CRASHES, HELD):
            self.die(fault.action)
            raise Crash
        match fault.action:
            case "pause" | "suspend":
                simulation.begin_life()
                (self.clock.suspend if fault.action == "suspend" else self.clock.sleep)(
                    fault.seconds
                )
            case "rival":
                simulation.begin_life()
            case "stop":
                self.stop_signal = SIGTERM
            case "foreign":
                simulation.write_foreign()
            case "release":
                simulation.release_held()
            case "forget":
                simulation.forget_producers()
            case "restart":
                for lane in simulation.all_lanes:
                    simulation.kafka.log(lane).restart_uncleanly()
            case "expire":
                if point == Step.COMPLETED or not self._counts[Step.TAIL_SCANNED]:
                    simulation.expire_producers()
            case action:
                return action
        return ""

    def die(self, how: str) -> None:
        """Ends the life where it stands; `how` decides on what it has sent."""
        self.ended = True
        simulation = self.simulation
        effects = self.on_their_way.abandon()
        match how:
            case "crash-applied":
                for effect in effects:
                    effect()
            case "crash-late":
                simulation.withheld += effects
            case "crash-held":
                simulation.held += effects
            case "crash-later":
                seconds = 0.0
                for effect in effects:
                    seconds += simulation.late_seconds()
                    simulation.time.after(seconds, effect)
        # The running one too: what Python does on its way out of a call takes no time of the dead.
        for task in self._tasks:
            simulation.time.kill(task, Crash())

    # -- what it does ----------------------------------------------------------------------------

    def _live(self) -> None:
        try:
            self.result = self._load()
        except Crash:
            return
        except BaseException as error:  # noqa: BLE001 - the judge says whether it may be
            self.error = error
            self.item_at_end = self.simulation.table.items.get(self.job_id)
        self.ended_at = self.simulation.time.now
        if not self.ended:
            self.die("crash-later")  # what the process had sent goes its way

    def _load(self) -> JobResult:
        """As `wiring.run_load`, on fakes."""
        spec, store = self._spec(), self._table().store
        if not self.simulation.files:
            source = FakeSource(self.simulation.source, self.meet, self._chunk_bytes)
            return Job(spec, self._parts(source, one_object(source.read))).run()
        objects = FakeSet(self.simulation.files, self.meet, self._chunk_bytes)
        file_set = FileSet(
            objects,
            ListChunks(JOB_ID, store.item),
            skipped=BegunSet(JOB_ID, store.item).skipped,
            chunk_bytes=LIST_CHUNK_BYTES,
        )
        if spec.order is FileOrder.SET:
            cut = many_objects(file_set.open_pieces, spec.columns)
            return SetInOrder(spec, self._parts(file_set, cut), file_set, store).run()
        parts = self._parts(file_set, one_object(file_set.read))
        return SetRun(
            spec,
            replace(parts, file_set=file_set),
            file_set,
            store,
            lambda *of_file: self._load_file(objects, *of_file),
            owner=self.owner,
            is_known_dead=self._is_known_dead,
        ).run()

    def _load_file(
        self,
        objects: FakeSet,
        spec: JobSpec,
        piece: Piece,
        steps: Observer,
        watched: LeaseState | None,
    ) -> JobResult:
        self.job_id, self.acknowledged_rows = spec.job_id, 0
        source = objects.source(piece)
        parts = self._parts(source, one_object(source.read), steps, watched)
        try:
            return Job(spec, replace(parts, waits=False)).run()
        except CsvKafkaError as error:
            self.file_errors.append(error)
            raise

    def _spawn(self, body: Callable[[], None]) -> None:
        self._tasks.append(self.simulation.time.spawn(self.owner, body))

    def _spec(self) -> JobSpec:
        schedule = self.simulation.schedule
        by_key = schedule.lane_count > 1 and not schedule.routed
        spec = JobSpec(
            JOB_ID,
            TOPIC,
            key_column="key" if by_key else None,
            table=_table_of_routes(schedule.lane_count) if schedule.routed else None,
            compression="none",
            block_bytes=BLOCK_BYTES,
            order=schedule.order,
        )
        if not schedule.large:
            return spec
        return replace(
            spec,
            compression="gzip",  # so what is too large would fit, if it were measured thus
            max_record_bytes=RECORD_BYTES[(self.number - 1) % len(RECORD_BYTES)],
            bad_rows=BadRows.DEAD_LETTER,
            dead_letter_topic=DEAD_LETTERS,
        )

    @property
    def _chunk_bytes(self) -> int:
        return 1_000 if self.simulation.schedule.large else 100

    def _table(self) -> FakeTable:
        simulation = self.simulation
        return FakeTable(
            simulation.table,
            self.job_id,
            simulation.time,
            self.meet,
            random_latency(simulation.random, 0.01),
            simulation.late_seconds,
            self.on_their_way,
            give_up_seconds=TABLE_GIVE_UP_SECONDS,
        )

    def _parts(
        self,
        source: Source,
        cut: Cut,
        observer: Observer | None = None,
        watched: LeaseState | None = None,
    ) -> JobParts:
        simulation, time = self.simulation, self.simulation.time
        produce = random_latency(simulation.random, simulation.produce_seconds)
        ask = random_latency(simulation.random, 0.002)
        return JobParts(
            source=source,
            cluster=FakeCluster(simulation.kafka, time, self.meet, ask),
            ledger=JobLedger(
                self.job_id,
                self._table(),
                self.clock,
                owner=self.owner,
                lease_seconds=LEASE_SECONDS,
                is_known_dead=self._is_known_dead,
                watched=watched,
            ),
            open_sink=lambda lanes, topic_ids: FakeSink(
                simulation.kafka,
                lanes,
                topic_ids,
                time=time,
                meet=self.meet,
                latency=produce,
                late=simulation.late_seconds,
                on_their_way=self.on_their_way,
            ),
            open_feed=lambda position, plan, skip, wake: SynchronousFeed(
                cut, position, plan, skip, wake, time=time, meet=self.meet
            ),
            store=StoreTasks(self._spawn),
            clock=self.clock,
            observer=observer or self,
            stop_signal=lambda: self.stop_signal,
            settings=SETTINGS,
        )

    def _is_known_dead(self, owner: str) -> bool:
        simulation = self.simulation
        return simulation.schedule.same_host and any(
            life.owner == owner and life.ended for life in simulation.lives
        )


def topic_name(number: int) -> str:
    """Of the topics of routed rows; 0 is that of rows without a route."""
    return f"{TOPIC}-{number}" if number else TOPIC


def _table_of_routes(topic_count: int) -> RecordTable:
    """Rows of the key kN go to topic N mod `topic_count`, as the records that they were anyway."""
    routes = tuple(
        Route(topic_name(number), "key", tuple(f"k{n}" for n in range(number, KEYS, topic_count)))
        for number in range(1, topic_count)
    )
    return RecordTable(undeclared=Undeclared.STRING, routes=routes)
