"""A schedule of the simulator: what is loaded, and what befalls which life of the worker where.

As text, for the command that replays it: `2/produce#3=reset-late` is "in the second life, at the
third `produce`, the connection breaks and what was on it arrives later". Points are the pipeline's
steps and the points of the fakes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from csvkafka.errors import ConfigError
from csvkafka.model import Step

_FORM = re.compile(r"(\d+)/([a-z-]+)#(\d+)=([a-z-]+)(\d+)?")

CRASHES = ("crash", "crash-applied", "crash-late", "crash-later")
"""The worker dies. What it has sent and nobody has taken yet: is gone; arrives at once; arrives
when the next life has read the topic's tails; arrives at some time."""

ANYWHERE = (*CRASHES, "pause", "suspend", "rival", "stop", "foreign", "expire")
"""What may befall a worker anywhere: also, it stands still for so many seconds while another one is
started (`pause`), its whole host does (`suspend`, the monotonic clock too), another one is started
beside it, it gets SIGTERM, another writer writes to the topic, or the brokers have forgotten the
producer id (`expire`; only before the life reads the tails or when it is done, and if nothing that
was sent is still on its way)."""

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
    "identify": ("unavailable",),
    "source-read": ("unavailable",),
    "block-ready": ("slow",),
}
"""The fakes' points and what only they can meet."""

PAUSES = (1, 8, 12, 20, 200)
"""Seconds: within a lease, about its end, past the patience of who waits for it, and long after."""


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
    is known to be dead."""

    seed: int = 0
    row_count: int = 12
    lane_count: int = 1
    same_host: bool = True
    faults: tuple[Fault, ...] = ()

    @classmethod
    def drawn(cls, seed: int, max_faults: int = 8) -> Schedule:
        """The schedule of this seed."""
        random = Random(f"schedule {seed}")
        return cls(
            seed=seed,
            row_count=random.choice((0, 1, 5, 12, 40, 40, 40)),
            lane_count=random.choice((1, 1, 2, 3)),
            same_host=random.random() < 0.5,
            faults=tuple(
                sorted(
                    (_drawn_fault(random) for _ in range(random.randint(1, max_faults))),
                    key=lambda fault: (fault.life, fault.point, fault.nth),
                )
            ),
        )

    @property
    def command(self) -> str:
        """What replays it."""
        parts = ["python -m csvkafka.testing.simulator", f"--seed {self.seed}"]
        parts.append(f"--rows {self.row_count} --lanes {self.lane_count}")
        if not self.same_host:
            parts.append("--other-host")
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


_DRAWN_POINTS = (
    *(step.value for step in Step),
    *AT_POINTS,
    *("produce", "produce", "produce", "table-write") * 5,
)
