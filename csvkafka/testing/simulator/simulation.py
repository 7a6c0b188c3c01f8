"""One simulated run: the real `Job` on fakes and virtual time, life after life, until it is done.

Nothing of a life outlives its death but what it has sent: requests on their way may still arrive,
as the schedule says. A paused life goes on later, as a zombie, beside the ones after it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import ParamSpec, TypeVar

from csvkafka.errors import RecoveryError
from csvkafka.interfaces import Item
from csvkafka.job.definition import JobSpec
from csvkafka.job.parts import JobParts, JobResult
from csvkafka.job.run import Job
from csvkafka.ledger.ledger import JobLedger
from csvkafka.model import EncodedBatch, Lane, ProducerIdentity, Step
from csvkafka.pipeline.settings import PipelineSettings
from csvkafka.records.record_batch import frame_records, seal
from csvkafka.testing.checker.verdict import CheckpointObservation
from csvkafka.testing.simulator.fake_kafka import FakeCluster, FakeKafka, FakeSink
from csvkafka.testing.simulator.fake_source import FakeSource, SynchronousFeed
from csvkafka.testing.simulator.fake_table import FakeTable, TableServer, random_latency
from csvkafka.testing.simulator.partition_log import BROKERS, PartitionLog
from csvkafka.testing.simulator.points import OnTheirWay
from csvkafka.testing.simulator.schedule import CRASHES, HELD, Fault, Schedule
from csvkafka.testing.simulator.virtual_clock import WALL_AT_START, Task, VirtualClock, VirtualTime

P = ParamSpec("P")
T = TypeVar("T")

JOB_ID = "job"
TOPIC = "rows"
LEASE_SECONDS = 10.0
MAX_LIVES = 25
REFUSALS = 3
BLOCK_BYTES = 60
"""About three rows."""

SETTINGS = PipelineSettings(
    window_bytes=1500, checkpoint_rows=3, checkpoint_seconds=0.01, store_give_up_seconds=40.0
)
TABLE_GIVE_UP_SECONDS = 1.0
SIGTERM = 15


class Crash(BaseException):
    """The worker is dead: raised out of every call that it makes."""


def source_bytes(row_count: int) -> bytes:
    """A CSV of so many rows, some of them quoted, with eight keys."""
    values = ('"v,{}"', "v{}", '"v""{}"')
    rows = [f"{row},k{row * 5 % 8},{values[row % 3].format(row)}" for row in range(row_count)]
    return ("\n".join(["id,key,value", *rows]) + "\n").encode()


Hooks = Mapping[str, Callable[["Simulation"], object]]
"""What a test does itself where a life comes to a point: `{"2/run-begins#1": cut_the_log}`."""


@dataclass(frozen=True, slots=True)
class Moment:
    """How much has happened in the world: when two of them are equal, nothing did between them, but
    for what a worker does by itself."""

    turns: int
    """Whatever waits, is woken, begins, or is sent takes a turn."""
    log_accesses: int
    items: int
    on_their_way: tuple[int, ...]
    late: tuple[int, int]
    drawn: int
    """Of what was drawn at random."""


class Simulation:
    """The world of one schedule. `run` returns when the job is complete and all lives are over, or
    after `max_lives`. `table`: another server of items than one in memory."""

    def __init__(
        self,
        schedule: Schedule,
        hooks: Hooks | None = None,
        max_lives: int = MAX_LIVES,
        source: bytes | None = None,
        table: TableServer | None = None,
    ) -> None:
        """`source` is what is loaded, if not `source_bytes`."""
        self.hooks = hooks or {}
        self.max_lives = max_lives
        self.schedule = schedule
        self.faults = {(f.life, f.point, f.nth): f for f in schedule.faults}
        self.time = VirtualTime()
        self.random = Random(f"run {schedule.seed}")
        self.produce_seconds = self.random.choice((0.002, 0.002, 0.2, 1.0))
        self.source = source_bytes(schedule.row_count) if source is None else source
        self.kafka = FakeKafka(new_log=self.new_log)
        self.kafka.create_topic(TOPIC, schedule.lane_count)
        self.table = table or TableServer()
        self.table.watchers.append(self._observe)
        self.lives: list[Life] = []
        self.items: list[Item] = []
        self.observations: list[CheckpointObservation] = []
        self.withheld: list[Callable[[], object]] = []
        self.held: list[Callable[[], object]] = []
        self.trace: list[str] = []
        """Every point that was met, as `LIFE/POINT#NTH`."""
        self.moments: list[Moment] | None = None
        """When each of them was met, if a list is put here: to tell it takes a third of a run."""

    @property
    def lanes(self) -> list[Lane]:
        return [Lane(TOPIC, partition) for partition in range(self.schedule.lane_count)]

    def run(self) -> None:
        """Lets life follow life until one has completed the job; then all that is late arrives."""
        with _silence():
            while len(self.lives) < self.max_lives:
                self.begin_life()
                self.time.join()
                if any(life.result is not None for life in self.lives) or self._is_refused:
                    break
            self.release_withheld()
            self.release_held()
            self.time.run_out()

    @property
    def _is_refused(self) -> bool:
        """The last lives were refused for what the topic holds: so will be every other."""
        last = self.lives[-REFUSALS:]
        return len(last) == REFUSALS and all(isinstance(it.error, RecoveryError) for it in last)

    def new_log(self) -> PartitionLog:
        """An empty partition of these servers."""
        return PartitionLog(
            BROKERS[self.schedule.broker],
            self.schedule.expiry,
            lambda: WALL_AT_START + self.time.now,
        )

    def moment(self) -> Moment:
        """How much has happened so far."""
        return Moment(
            self.time.turns,
            self.kafka.log_accesses,
            len(self.items),
            tuple(life.on_their_way.changes for life in self.lives),
            (len(self.withheld), len(self.held)),
            hash(self.random.getstate()),
        )

    def begin_life(self) -> Life:
        """Starts a worker; it runs when the running one blocks."""
        life = Life(self, len(self.lives) + 1)
        self.lives.append(life)
        life.begin()
        return life

    def release_withheld(self) -> None:
        """What dead workers had sent arrives now."""
        withheld, self.withheld = self.withheld, []
        for effect in withheld:
            effect()

    def release_held(self) -> None:
        """What workers had sent that died with it arrives now."""
        held, self.held = self.held, []
        for effect in held:
            effect()

    def late_seconds(self) -> float:
        """How late something late is: milliseconds to a minute."""
        return float(0.001 * 60_000 ** self.random.random())

    def write_foreign(self) -> None:
        """Another writer's records, in every partition."""
        for lane in self.lanes:
            records = frame_records([b"another writer's"] * 2)
            batch = EncodedBatch(0, 2, 0, records)
            self.kafka.log(lane).append(seal(batch, ProducerIdentity(-1, -1), -1, 0))

    def expire_producers(self) -> None:
        """The brokers forget the producer ids, as a day after the last record. Without effect while
        something sent is still on its way: then nobody could promise anything."""
        sending = any(life.on_their_way.any for life in self.lives)
        late = self.withheld or self.held or self.time.has_events
        if not sending and not late:
            self._forget()

    def forget_producers(self) -> None:
        """So too, whatever is on its way; but for servers without epochs, as `expire_producers`."""
        if BROKERS[self.schedule.broker].keeps_epochs:
            self._forget()
        else:
            self.expire_producers()

    def _forget(self) -> None:
        for lane in self.lanes:
            self.kafka.log(lane).forget_producers()

    def _observe(self, item: Item) -> None:
        self.items.append(item)
        rows = item["last_line"]
        assert isinstance(rows, int)
        ends = {lane.partition: self.kafka.log(lane).end_offset for lane in self.lanes}
        self.observations.append(CheckpointObservation(rows, ends, self.time.now))


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
    """The item as it stood when the life ended by an error."""
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

    # -- what befalls it -------------------------------------------------------------------------

    def report(self, step: Step, **facts: int) -> None:
        """`interfaces.Observer`."""
        if step is Step.BLOCK_ACKNOWLEDGED:
            self.acknowledged_rows = facts["rows"]
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
                for lane in simulation.lanes:
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
            self.result = Job(self._spec(), self._parts()).run()
        except Crash:
            return
        except BaseException as error:  # noqa: BLE001 - the judge says whether it may be
            self.error = error
            self.item_at_end = self.simulation.table.items.get(JOB_ID)
        self.ended_at = self.simulation.time.now
        if not self.ended:
            self.die("crash-later")  # what the process had sent goes its way

    def _spawn(self, body: Callable[[], None]) -> None:
        self._tasks.append(self.simulation.time.spawn(self.owner, body))

    def _spec(self) -> JobSpec:
        return JobSpec(
            JOB_ID,
            TOPIC,
            key_column="key" if self.simulation.schedule.lane_count > 1 else None,
            compression="none",
            block_bytes=BLOCK_BYTES,
        )

    def _parts(self) -> JobParts:
        simulation, time = self.simulation, self.simulation.time
        produce = random_latency(simulation.random, simulation.produce_seconds)
        ask = random_latency(simulation.random, 0.002)
        write = random_latency(simulation.random, 0.01)
        source = FakeSource(simulation.source, self.meet, chunk_bytes=100)
        table = FakeTable(
            simulation.table,
            JOB_ID,
            time,
            self.meet,
            write,
            simulation.late_seconds,
            self.on_their_way,
            give_up_seconds=TABLE_GIVE_UP_SECONDS,
        )
        return JobParts(
            source=source,
            cluster=FakeCluster(simulation.kafka, time, self.meet, ask),
            ledger=JobLedger(
                JOB_ID,
                table,
                self.clock,
                owner=self.owner,
                lease_seconds=LEASE_SECONDS,
                is_known_dead=self._is_known_dead,
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
                source, position, plan, skip, wake, time=time, meet=self.meet
            ),
            store=StoreTasks(self._spawn),
            clock=self.clock,
            observer=self,
            stop_signal=lambda: self.stop_signal,
            settings=SETTINGS,
        )

    def _is_known_dead(self, owner: str) -> bool:
        simulation = self.simulation
        return simulation.schedule.same_host and any(
            life.owner == owner and life.ended for life in simulation.lives
        )


class StoreTasks(Executor):
    """Each call is a task of its own: the loop goes on while the table takes its time."""

    def __init__(self, spawn: Callable[[Callable[[], None]], None]) -> None:
        self._spawn = spawn

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        self._spawn(partial(_fulfil, future, partial(fn, *args, **kwargs)))
        return future


def _fulfil(future: Future[T], work: Callable[[], T]) -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - it is raised again where it is awaited
        future.set_exception(error)
    else:
        future.set_result(result)


@contextmanager
def _silence() -> Iterator[None]:
    """What a simulated worker logs is nobody's."""
    logger = logging.getLogger("csvkafka")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
