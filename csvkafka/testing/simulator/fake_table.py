"""A checkpoint table in memory: conditional writes, and the ways in which a write goes wrong.

`TableServer` holds the items; `FakeTable` is one client's view of one item
(`interfaces.StoredItem`) over a network that loses requests and replies, `FakeStore` its view of
all of them. Points and their actions:

    table-read      throttle         refused by DynamoDB until the client gave up
                    unreachable      no answer at all
    table-write     throttle         refused by DynamoDB until the client gave up; not applied
                    timeout          no answer; not applied
                    timeout-applied  no answer; applied
                    timeout-late     no answer; applied some time after the client gave up
                    reply-lost       applied, the reply lost; the SDK sent the same write again
    table-applied   (after the write, before the caller reads the reply)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from csvkafka.errors import CheckpointUnavailableError
from csvkafka.interfaces import Item, ItemChange, Refused
from csvkafka.testing.simulator.points import Meet, OnTheirWay, nothing
from csvkafka.testing.simulator.virtual_clock import VirtualTime

GIVE_UP_SECONDS = 15.0
"""How long a client tries: longer than a lease, and than the real one does."""


class TableServer:
    """The items by `job_id`; what DynamoDB itself does, at once. `watchers` are called with the
    item after each write that was applied."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.watchers: list[Callable[[Item], None]] = []

    def put_new(self, job_id: str, item: Item) -> Refused | None:
        """PutItem if there is none."""
        if job_id in self.items:
            return Refused(dict(self.items[job_id]))
        self._store(job_id, dict(item) | {"job_id": job_id})
        return None

    def update(self, job_id: str, change: ItemChange) -> Refused | None:
        """UpdateItem if there is one and the condition holds."""
        item = self.items.get(job_id)
        if item is None:
            return Refused(None)
        if any(item.get(name) != value for name, value in change.expect.items()):
            return Refused(dict(item))
        changed = dict(item) | dict(change.set)
        for name in change.remove:
            changed.pop(name, None)
        self._store(job_id, changed)
        return None

    def _store(self, job_id: str, item: Item) -> None:
        self.items[job_id] = item
        for watcher in self.watchers:
            watcher(item)


@dataclass(slots=True)
class FakeTable:
    """One client. `latency` draws the seconds of one way; `late` those after which a write arrives
    that the client gave up."""

    server: TableServer
    job_id: str
    time: VirtualTime = field(default_factory=VirtualTime)
    meet: Meet = nothing
    latency: Callable[[], float] = lambda: 0.002
    late: Callable[[], float] = lambda: 5.0
    on_their_way: OnTheirWay = field(default_factory=OnTheirWay)
    give_up_seconds: float = GIVE_UP_SECONDS
    has_answered: bool = False

    @property
    def store(self) -> FakeStore:
        """See `interfaces.StoredItem`."""
        return FakeStore(self)

    def get(self) -> Item | None:
        """The item; see `interfaces.ItemTable`."""
        action = self.meet("table-read")
        self.time.sleep(self.latency())
        if action == "unreachable":
            self.time.sleep(self.give_up_seconds)
            raise self._unavailable("does not answer")
        self.has_answered = True
        if action == "throttle":
            raise self._unavailable("throttles")
        item = self.server.items.get(self.job_id)
        self.time.sleep(self.latency())
        return None if item is None else dict(item)

    def put_new(self, item: Item) -> Refused | None:
        """Creates the item; see `interfaces.ItemTable`."""
        return self._write(lambda: self.server.put_new(self.job_id, item))

    def update(self, change: ItemChange) -> Refused | None:
        """Changes the item; see `interfaces.ItemTable`."""
        return self._write(lambda: self.server.update(self.job_id, change))

    def _write(self, apply: Callable[[], Refused | None]) -> Refused | None:
        # If we die on the way, what becomes of the request is for our killer to say.
        number = self.on_their_way.add(apply)
        action = self.meet("table-write")
        self.time.sleep(self.latency())
        self.on_their_way.done(number)
        if action in ("throttle", "timeout"):
            self.time.sleep(self.give_up_seconds)
            raise self._unavailable("throttles" if action == "throttle" else "does not answer")
        if action == "timeout-late":
            self.time.after(self.give_up_seconds + self.late(), apply)
            self.time.sleep(self.give_up_seconds)
            raise self._unavailable("does not answer")
        refused = apply()
        self.meet("table-applied")
        if action == "timeout-applied":
            self.time.sleep(self.give_up_seconds)
            raise self._unavailable("does not answer")
        if action == "reply-lost":
            self.time.sleep(self.latency())
            refused = apply()
        self.time.sleep(self.latency())
        return refused

    def _unavailable(self, what: str) -> CheckpointUnavailableError:
        return CheckpointUnavailableError(
            f"the checkpoint table {what}; run the same command again later",
            has_answered=self.has_answered,
        )


@dataclass(frozen=True, slots=True)
class FakeStore:
    """All items, as the client of `one` of them sees them. Implements `interfaces.ItemStore`."""

    one: FakeTable
    where: str = "the table"

    def item(self, key: str) -> FakeTable:
        """See `interfaces.ItemStore`."""
        return replace(self.one, job_id=key)

    def create(self) -> bool:
        """It is there."""
        return False


def random_latency(random: Random, typical_seconds: float) -> Callable[[], float]:
    """Draws latencies: most near the typical one, some ten times as long."""
    return lambda: typical_seconds * (0.5 + random.random()) * (10 if random.random() < 0.1 else 1)
