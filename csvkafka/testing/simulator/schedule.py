"""A schedule of the simulator: what is loaded, and what happens to which life of the worker.

Each fault has a place: a point that the life comes to.

As text, for the command that replays it: `2/produce#3=reset-late` is "in the second life, at the
third `produce`, the connection breaks and what was on it arrives later". Points are the pipeline's
steps and the points of the fakes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from csvkafka.errors import ConfigError
from csvkafka.model import FileOrder, Step
from csvkafka.testing.simulator.partition_log import BROKER, BROKERS

_FORM = re.compile(r"(\d+)/([a-z-]+)#(\d+)=([a-z-]+)(\d+)?")

CRASHES = ("crash", "crash-applied", "crash-late", "crash-later")
"""The worker dies. What it has sent and nobody has taken yet: is gone; arrives at once; arrives
when the next life has read the topic's tails; arrives at some time."""

HELD = "crash-held"
"""The worker dies, and what it has sent arrives where a schedule says `release`, or in the end."""

ANYWHERE = (
    *(*CRASHES, HELD, "release", "pause", "suspend", "rival", "stop", "foreign"),
    *("expire", "forget", "restart"),
)
"""What may befall a worker anywhere: also, it stands still for so many seconds while another one is
started (`pause`), its whole host does (`suspend`, the monotonic clock too), another one is started
beside it, it gets SIGTERM, another writer writes to the topic, the leaders restart uncleanly, or
they have forgotten the producer id: `expire` only before the life reads the tails or when it is
done, and if nothing that was sent is still on its way; `forget` whatever is, unless the servers
keep no epochs: then nobody could promise anything."""

AT_POINTS: dict[str, tuple[str, ...]] = {
    "ask": ("unavailable",),
    "produce": (
        *("refuse", "refuse-after", "reply-lost", "reset", "reset-late"),
        *("slow", "out-of-order", "unknown-offset", "not-allowed"),
    ),
    "table-read": ("throttle", "unreachable"),
    "table-write": ("throttle", "timeout", "timeout-applied", "timeout-late", "reply-lost"),
    "table-applied": (),
    "tail-read": (),
    "producers-told": (),
    "identify": ("unavailable",),
    "source-read": ("unavailable",),
    "block-ready": ("slow", "stall"),
}
"""The fakes' points and what only they can meet."""

PAUSES = (1, 8, 12, 20, 200)
"""Seconds: within a lease, about its end, past the patience of who waits for it, and long after."""


EXPIRIES = (0, 0, 0, 90)
"""Seconds: never; or longer than a worker that lives needs to learn what became of a batch, and
shorter than the longest pause and the latest request."""


@dataclass(frozen=True, slots=True)
class Fault:
    """At the `nth` time (from 1) that life `life` (from 1) comes to `point`, `action` happens."""

    life: int
    point: str
    nth: int
    action: str
    seconds: int = 0

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Reads the text form. Raises ConfigError."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise ConfigError(f"{text!r} is no fault; write LIFE/POINT#NTH=ACTION")
        life, point, nth, action, seconds = match.groups()
        return cls(int(life), point, int(nth), action, int(seconds or 0))

    def __str__(self) -> str:
        return f"{self.life}/{self.point}#{self.nth}={self.action}{self.seconds or ''}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """`seed` draws all that is not said here: how long each thing takes. `same_host`: a dead owner
    is known to be dead. `broker` names the servers' rules (`BROKERS`); they forget a producer id
    `expiry` seconds (0: never) after the time of its last record. With a `file_count` the rows are
    those of a set of so many files, in the `order` that it is loaded in, by `workers` at once. If
    they are `routed`, each lane is that of a topic of its own. With `large` ones among them, those
    that make too large a record go to a topic of dead letters (`large_rows`)."""

    seed: int = 0
    row_count: int = 12
    lane_count: int = 1
    same_host: bool = True
    broker: str = BROKER
    expiry: int = 0
    faults: tuple[Fault, ...] = ()
    file_count: int = 0
    order: FileOrder = FileOrder.SET
    workers: int = 1
    routed: bool = False
    large: bool = False

    @classmethod
    def drawn(cls, seed: int, max_faults: int = 8) -> Schedule:
        """The schedule of this seed."""
        random = Random(f"schedule {seed}")
        row_count = random.choice((0, 1, 5, 12, 40, 40, 40))
        lane_count = random.choice((1, 1, 2, 3))
        same_host = random.random() < 0.5
        faults = [_drawn_fault(random) for _ in range(random.randint(1, max_faults))]
        broker = random.choice(list(BROKERS))
        expiry = random.choice(EXPIRIES) if BROKERS[broker].keeps_epochs else 0
        if random.random() < 0.4:
            faults += _drawn_loss_of_memory(random)
        return cls(
            seed=seed,
            row_count=row_count,
            lane_count=lane_count,
            same_host=same_host,
            broker=broker,
            expiry=expiry,
            faults=tuple(sorted(faults, key=lambda it: (it.life, it.point, it.nth))),
        )

    @property
    def command(self) -> str:
        """What replays it."""
        parts = ["python -m csvkafka.testing.simulator", f"--seed {self.seed}"]
        parts.append(f"--rows {self.row_count} --lanes {self.lane_count}")
        if self.routed:
            parts.append("--routed")
        if self.large:
            parts.append("--large")
        if not self.same_host:
            parts.append("--other-host")
        if self.broker != BROKER:
            parts.append(f"--broker {self.broker}")
        if self.expiry:
            parts.append(f"--expiry {self.expiry}")
        if self.file_count:
            parts.append(f"--files {self.file_count} --order {self.order}")
        if self.workers > 1:
            parts.append(f"--workers {self.workers}")
        parts += [f"--fault {fault}" for fault in self.faults]
        return " ".join(parts if self.faults else [*parts, "--no-fault"])


def _drawn_fault(random: Random) -> Fault:
    life = min(1 + int(random.expovariate(0.9)), 5)
    if random.random() < 0.05:
        return Fault(life, random.choice((Step.TAIL_SCAN_BEGINS, Step.COMPLETED)), 1, "expire")
    point = random.choice(_DRAWN_POINTS)
    nth = min(1 + int(random.expovariate(0.2)), 40)
    own = AT_POINTS.get(point, ())
    if own and random.random() < 0.8:
        return Fault(life, point, nth, random.choice(own))
    action = random.choice(ANYWHERE)
    seconds = random.choice(PAUSES) if action in ("pause", "suspend") else 0
    return Fault(life, point, nth, action, seconds)


def _drawn_loss_of_memory(random: Random) -> Iterator[Fault]:
    """Life after life dies and is forgotten, and what each had sent arrives somewhere later."""
    for life in range(1, random.randint(2, 4)):
        yield Fault(life, "produce", random.randint(1, 5), random.choice((HELD, "crash-applied")))
        yield Fault(life + 1, random.choice(_FORGOTTEN_AT), 1, random.choice(("forget", "restart")))
        yield Fault(life + 1, random.choice(_RELEASED_AT), random.randint(1, 2), "release")


_FORGOTTEN_AT = (Step.RUN_BEGINS, Step.TAIL_SCAN_BEGINS, Step.TAIL_SCANNED, Step.BATCH_SENT)
_RELEASED_AT = (
    *(Step.TAIL_SCAN_BEGINS, "tail-read", Step.TAIL_SCANNED, "producers-told", Step.EPOCH_BEGINS),
    *(Step.EPOCH_STORED, Step.SOURCE_OPENED, Step.BATCH_SENT, Step.BATCH_ACKNOWLEDGED),
)

_ELSEWHERE = (Step.SOURCE_FAILED, Step.FILE_SKIPPED)
"""A load whose source is whole does not come here."""

_DRAWN_POINTS = (
    *(step.value for step in Step if step not in _ELSEWHERE),
    *AT_POINTS,
    *("produce", "produce", "produce", "table-write") * 5,
)
