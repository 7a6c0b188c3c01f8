"""When a loader that is not ours is killed or paused. A seed and what is seen from outside decide.

A strike waits until the topic holds so many rows. Then its trigger decides: it comes at once, at
the next write to the job's item, or after some time. So kills fall into the middle of a batch,
right after a checkpoint, and anywhere.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

LONGEST_DELAY_SECONDS = 0.2
WRITE_PATIENCE_SECONDS = 0.5
"""If no write to the table comes for this long, the strike comes without one."""


class Action(StrEnum):
    """What is done to the loader."""

    KILL = "kill"  # SIGKILL, then run again
    PAUSE = "pause"  # SIGSTOP; a second loader takes over; SIGCONT while that one works


class Trigger(StrEnum):
    """What a strike waits for, once the topic holds its rows."""

    ROWS = "rows"
    WRITE = "write"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Strike:
    """One planned kill or pause, from `from_rows` records in the topic on."""

    action: Action
    trigger: Trigger
    from_rows: int
    delay_seconds: float = 0.0

    def __str__(self) -> str:
        then = {
            Trigger.ROWS: "",
            Trigger.WRITE: ", at the next write to the table",
            Trigger.TIME: f", {self.delay_seconds * 1000:.0f} ms later",
        }[self.trigger]
        return f"{self.action} from {self.from_rows:,} rows on{then}"


def plan_strikes(row_count: int, kills: int, pauses: int, seed: int) -> list[Strike]:
    """Plans so many kills and pauses, spread over a file of `row_count` rows, in the order of their
    rows."""
    chance = random.Random(seed)
    actions = [Action.KILL] * kills + [Action.PAUSE] * pauses
    chance.shuffle(actions)
    share = row_count / (len(actions) + 1)
    return [
        Strike(
            action,
            chance.choice(list(Trigger)),
            max(1, round(share * (number + chance.uniform(-0.4, 0.4)))),
            chance.uniform(0.0, LONGEST_DELAY_SECONDS),
        )
        for number, action in enumerate(actions, 1)
    ]


class StrikeWatch:
    """Tells when one strike is due in the life of one incarnation."""

    def __init__(self, strike: Strike) -> None:
        self.strike = strike
        self._reached_at: float | None = None
        self._writes_before = 0

    def is_due(self, now: float, record_count: int, new_records: int, writes: int) -> bool:
        """Whether to strike at the monotonic time `now`. `record_count` is that of the topic,
        `new_records` how many of them this incarnation brought, `writes` how many changes of the
        item were seen so far. An incarnation is struck after its first new record at the earliest,
        so that each shows which rows its resume repeats."""
        if record_count < self.strike.from_rows or new_records == 0:
            return False
        if self._reached_at is None:
            self._reached_at, self._writes_before = now, writes
        waited = now - self._reached_at
        match self.strike.trigger:
            case Trigger.ROWS:
                return True
            case Trigger.WRITE:
                return writes > self._writes_before or waited >= WRITE_PATIENCE_SECONDS
            case Trigger.TIME:
                return waited >= self.strike.delay_seconds
