"""One simulated run: the real `Job` on fakes and virtual time, life after life, until it is done.

Nothing of a life outlives its death but what it has sent: requests on their way may still arrive,
as the schedule says. A paused life goes on later, as a zombie, beside the ones after it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

from csvkafka.errors import RecoveryError
from csvkafka.interfaces import Item
from csvkafka.model import EncodedBatch, Lane, ProducerIdentity
from csvkafka.records.record_batch import frame_records, seal
from csvkafka.testing.checker.expectation import number_of
from csvkafka.testing.checker.verdict import CheckpointObservation
from csvkafka.testing.simulator.fake_kafka import FakeKafka
from csvkafka.testing.simulator.fake_table import TableServer
from csvkafka.testing.simulator.large_rows import DEAD_LETTERS, URI, large_value
from csvkafka.testing.simulator.life import JOB_ID, KEYS, TOPIC, Life, topic_name
from csvkafka.testing.simulator.partition_log import BROKERS, PartitionLog
from csvkafka.testing.simulator.schedule import Schedule
from csvkafka.testing.simulator.virtual_clock import WALL_AT_START, VirtualTime

MAX_LIVES = 25
REFUSALS = 3


def source_bytes(row_count: int, large_in: str | None = None, *, is_keyed: bool = False) -> bytes:
    """A CSV of so many rows, some of them quoted, with eight keys. If `large_in` is a file, some
    make too large a record there, which has its row's key if `is_keyed`."""
    values = ('"v,{}"', "v{}", '"v""{}"')
    lines = ["id,key,value"]
    for row in range(row_count):
        key, value = f"k{row * 5 % KEYS}", values[row % 3].format(row)
        if large_in is not None:
            value = large_value(row, key, large_in, is_keyed=is_keyed) or value
        lines.append(f"{row},{key},{value}")
    return ("\n".join(lines) + "\n").encode()


def file_bytes(source: bytes, file_count: int) -> dict[str, bytes]:
    """The same rows as a set of so many files by key. The second has none, the third has its
    columns in another order; those in the middle are longer than the last."""
    header, *rows = source.decode().splitlines()
    files = {}
    shares = [min(number, 2) for number in range(1, file_count + 1)]
    if file_count > 1:
        shares[1], shares[-1] = 0, 1
    first = done = 0
    for number, share in enumerate(shares):
        done += share
        last = len(rows) * done // sum(shares)
        lines = [header, *rows[first:last]]
        if number == 2:
            lines = [",".join(reversed(line.split(",", 2))) for line in lines]
        files[f"exports/part-{number:02}.csv"] = ("\n".join(lines) + "\n").encode()
        first = last
    return files


FILE_URI = "s3://bucket/exports/part-00.csv"
"""The first of these; the others have names as long."""

Hooks = Mapping[str, Callable[["Simulation"], object]]
"""What a test itself does when a life comes to a point: `{"2/run-begins#1": cut_the_log}`."""


@dataclass(frozen=True, slots=True)
class Moment:
    """How much has happened in the world. If two moments are equal, nothing happened between them,
    except what a worker does by itself."""

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
        """`source` is the CSV to load (None: `source_bytes`)."""
        self.hooks = hooks or {}
        self.max_lives = max_lives
        self.schedule = schedule
        self.faults = {(f.life, f.point, f.nth): f for f in schedule.faults}
        self.time = VirtualTime()
        self.random = Random(f"run {schedule.seed}")
        self.produce_seconds = self.random.choice((0.002, 0.002, 0.2, 1.0))
        is_keyed = schedule.lane_count > 1 and not schedule.routed
        if source is None:
            uri = FILE_URI if schedule.file_count else URI
            large_in = uri if schedule.large else None
            source = source_bytes(schedule.row_count, large_in, is_keyed=is_keyed)
        self.source = source
        self.files = file_bytes(self.source, schedule.file_count) if schedule.file_count else {}
        self.kafka = FakeKafka(new_log=self.new_log)
        if schedule.routed:
            for number in range(schedule.lane_count):
                self.kafka.create_topic(topic_name(number))
        else:
            self.kafka.create_topic(TOPIC, schedule.lane_count)
        if schedule.large:
            self.kafka.create_topic(DEAD_LETTERS)
        self.table = table or TableServer()
        self.table.watchers.append(self._observe)
        self.lives: list[Life] = []
        self.items: list[Item] = []
        """The job's item, as each write left it."""
        self.other_items: dict[str, list[Item]] = {}
        """The items beside it, by key, likewise."""
        self.observations: list[CheckpointObservation] = []
        self.letter_observations: list[CheckpointObservation] = []
        """The same, with the end of the topic of dead letters, as partition 0."""
        self.withheld: list[Callable[[], object]] = []
        self.held: list[Callable[[], object]] = []
        self.trace: list[str] = []
        """Every point that was met, as `LIFE/POINT#NTH`."""
        self.moments: list[Moment] | None = None
        """When each of them was met, if a list is put here: to tell it takes a third of a run."""

    @property
    def lanes(self) -> list[Lane]:
        """Those of rows."""
        return list(self.lanes_by_number.values())

    @property
    def letters_lane(self) -> Lane | None:
        """That of rows that are set aside."""
        return Lane(DEAD_LETTERS, 0) if self.schedule.large else None

    @property
    def all_lanes(self) -> list[Lane]:
        """With that one, where there is one."""
        return [*self.lanes, *filter(None, [self.letters_lane])]

    @property
    def lanes_by_number(self) -> dict[int, Lane]:
        """As the checker numbers them."""
        lanes = range(self.schedule.lane_count)
        if self.schedule.routed:
            return {number_of(topic, 0): Lane(topic_name(topic), 0) for topic in lanes}
        return {partition: Lane(TOPIC, partition) for partition in lanes}

    def run(self) -> None:
        """Lets life follow life until one has completed the job; then all that is late arrives."""
        with _silence():
            while len(self.lives) < self.max_lives:
                for _ in range(1 if self.lives else self.schedule.workers):
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
        return len(last) == REFUSALS and all(
            any(isinstance(error, RecoveryError) for error in life.errors) for life in last
        )

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
            len(self.items) + sum(map(len, self.other_items.values())),
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
        for lane in self.all_lanes:
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
        """The same, even if something is on its way; but on servers without epochs, as
        `expire_producers`."""
        if BROKERS[self.schedule.broker].keeps_epochs:
            self._forget()
        else:
            self.expire_producers()

    def _forget(self) -> None:
        for lane in self.all_lanes:
            self.kafka.log(lane).forget_producers()

    def _observe(self, item: Item) -> None:
        if item["job_id"] != JOB_ID:
            self.other_items.setdefault(str(item["job_id"]), []).append(item)
            return
        self.items.append(item)
        rows = item["last_line"]
        assert isinstance(rows, int)
        lanes = self.lanes_by_number.items()
        ends = {number: self.kafka.log(lane).end_offset for number, lane in lanes}
        self.observations.append(CheckpointObservation(rows, ends, self.time.now))
        if self.letters_lane is not None:
            end = self.kafka.log(self.letters_lane).end_offset
            self.letter_observations.append(CheckpointObservation(rows, {0: end}, self.time.now))


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
