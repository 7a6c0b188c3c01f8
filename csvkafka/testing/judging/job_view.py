"""What anyone can see of a job from outside: its checkpoint item, and where its topic ends.

Works for every loader that keeps the documented item. Nothing here asks the loader.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self

from csvkafka.aws.dynamodb_item import DynamoDbItem
from csvkafka.errors import CheckpointError, SinkError, StackError
from csvkafka.interfaces import ItemTable
from csvkafka.kafka.client import KafkaClient
from csvkafka.kafka.cluster import KafkaCluster
from csvkafka.kafka.settings import KafkaSettings
from csvkafka.local.base import Stack
from csvkafka.local.processes import POLL_SECONDS, wait_until
from csvkafka.model import Lane
from csvkafka.testing.checker.expectation import number_of
from csvkafka.testing.checker.verdict import CheckpointObservation
from csvkafka.testing.history import History

WAIT_SECONDS = 120.0
"""Brokers may be down, or the topic gone, on purpose."""


def patient(settings: KafkaSettings) -> KafkaSettings:
    """For a client that judges: it waits a minute for a broker, as a slow one is no fault of the
    loader's."""
    return replace(settings, connect_timeout_ms=60_000, answer_timeout_ms=60_000)


def table_item(stack: Stack, table: str, job_id: str) -> DynamoDbItem:
    """A job's item in the stack's own DynamoDB, whatever the environment says."""
    return DynamoDbItem(table, job_id, client=stack.client("dynamodb"))


def progress_in(item: Mapping[str, Any] | None) -> dict[str, Any]:
    """What of a job's item a refused worker must leave as it is."""
    names = (
        *("last_line", "total_sent", "byte_offset", "partitions"),
        *("source", "producer_id", "status"),
    )
    return {name: (item or {}).get(name) for name in names}


class JobView:
    """One job's item and topic; its methods may be called from several threads. `routed` has the
    numbers of partitions of the other topics that get rows, in the order of their names."""

    def __init__(
        self,
        stack: Stack,
        item: ItemTable,
        topic: str,
        partitions: int,
        routed: Mapping[str, int] | None = None,
    ) -> None:
        self.topic = topic
        self._item = item
        counts = [(topic, partitions), *sorted((routed or {}).items())]
        self._lanes = {
            number_of(k, partition): Lane(name, partition)
            for k, (name, count) in enumerate(counts)
            for partition in range(count)
        }
        self._lock = threading.Lock()
        # Not kafka-python's consumer: it asks a leader that was moved elsewhere for ever.
        servers = tuple(stack.bootstrap_servers.split(","))
        self._kafka = KafkaClient(patient(KafkaSettings(servers)))
        self._kafka.connect()
        self._cluster = KafkaCluster(self._kafka)

    def close(self) -> None:
        """Drops the connections."""
        with self._lock:
            self._kafka.close()

    def item(self) -> dict[str, Any] | None:
        """The item by a consistent read, as Python's values; None if there is none."""
        item: dict[str, Any] | None = self._item.get()
        return item

    def last_line(self) -> int:
        """How many rows the checkpoint covers; 0 without an item."""
        return int((self.item() or {}).get("last_line", 0))

    def end_offsets(self) -> dict[int, int]:
        """The high watermark of each partition, by `number_of`. Raises SinkUnavailableError,
        SinkRefusedError."""
        with self._lock:
            return {number: self._cluster.end_offset(lane) for number, lane in self._lanes.items()}

    def record_count(self) -> int:
        """How many Kafka offsets are used up, of all partitions together."""
        return sum(self.end_offsets().values())

    def observe(self, known_last_line: int | None = None) -> CheckpointObservation:
        """Looks at the checkpoint, and then at where the topic ends: in this order, the checkpoint
        of an honest loader is never seen ahead of its topic. The checkpoint is not read again
        where the rows are given that it covered before."""
        last_line = self.last_line() if known_last_line is None else known_last_line
        return CheckpointObservation(last_line, self.end_offsets(), time.monotonic())

    def wait_for(
        self,
        condition: Callable[[JobView], bool],
        what: str,
        timeout_seconds: float = WAIT_SECONDS,
        look_seconds: float = POLL_SECONDS,
    ) -> None:
        """Returns when the condition holds, which is asked for that often. Raises StackError."""
        if not wait_until(lambda: condition(self), timeout_seconds, look_seconds):
            raise StackError(f"the job did not reach {what} in {timeout_seconds:g} s")

    def wait_for_records(self, count: int) -> None:
        """Returns when the topic holds at least so many records."""
        self.wait_for(lambda view: view.record_count() >= count, f"{count} records in the topic")


STILL_FACTOR = 5
"""How many times longer the rest between two looks becomes while nothing moves."""


class LookRest:
    """How long to rest before the next look: `shortest_seconds` while things move; while they stand
    still, when one look is like the last, a little longer each time, up to `STILL_FACTOR` times.

    On the embedded stack a look costs six milliseconds of processor time."""

    def __init__(self, shortest_seconds: float) -> None:
        self._shortest_seconds = shortest_seconds
        self._longest_seconds = STILL_FACTOR * shortest_seconds
        self.seconds = shortest_seconds

    def looked(self, moved: bool) -> None:
        """Notes whether the look saw something else than the one before."""
        longer = min(1.5 * self.seconds, self._longest_seconds)
        self.seconds = self._shortest_seconds if moved else longer


ITEM_SECONDS = 1.0
"""How old what is known of the item may become while no checkpoint is stored."""


class ItemAge:
    """Whether what is known of an item may be out of date.

    `stored` tells how many checkpoints were stored so far, as the workers report it; then it is so
    after each of them, and after `ITEM_SECONDS`. Without it, it always is. To read the item costs
    five of the six milliseconds of a look."""

    def __init__(self, stored: Callable[[], int] | None = None) -> None:
        self._stored = stored
        self._known: tuple[int, float] | None = None

    def is_over(self, now: float) -> bool:
        """Whether to read the item again at the monotonic time `now`; if so, it counts as read."""
        if self._stored is None:
            return True
        stored = self._stored()
        if self._known is not None:
            stored_then, read_at = self._known
            if stored == stored_then and now - read_at < ITEM_SECONDS:
                return False
        self._known = stored, now
        return True


class JobWatch:
    """Observes a job again and again in a thread of its own, for the checker and the history.
    `stored` as for `ItemAge`."""

    def __init__(
        self,
        view: JobView,
        history: History,
        every_seconds: float = 0.1,
        *,
        stored: Callable[[], int] | None = None,
    ) -> None:
        self._view = view
        self._history = history
        self._rest = LookRest(every_seconds)
        self._item_age = ItemAge(stored)
        self._over = threading.Event()
        self._observe_one_at_a_time = threading.Lock()
        self._observations: list[CheckpointObservation] = []
        self._thread = threading.Thread(target=self._run, name="job-watch", daemon=True)

    @property
    def observations(self) -> list[CheckpointObservation]:
        """All so far, in the order of their times."""
        return list(self._observations)

    @contextmanager
    def forgetting(self) -> Iterator[None]:
        """While the item is replaced on purpose nothing is observed, and what was is forgotten: an
        observation between the two would say that the checkpoint went back."""
        with self._observe_one_at_a_time:
            yield
            self._observations.clear()

    def observe(self) -> None:
        """One more observation, now. Raises SinkError, CheckpointError."""
        self._observe(reads_item=True)

    def _observe(self, *, reads_item: bool) -> None:
        with self._observe_one_at_a_time:
            last = self._observations[-1] if self._observations else None
            seen = self._view.observe(None if last is None or reads_item else last.last_line)
            self._rest.looked(last is None or _place(seen) != _place(last))
            self._observations.append(seen)
        self._history.record(
            "checkpoint", last_line=seen.last_line, end_offsets=dict(seen.end_offsets)
        )

    def _run(self) -> None:
        while not self._over.wait(self._rest.seconds):
            try:
                self._observe(reads_item=self._item_age.is_over(time.monotonic()))
            except (SinkError, CheckpointError) as error:
                # The servers may be down on purpose; what cannot be seen is no observation.
                self._history.record("note", text=f"not observed: {error}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def close(self) -> None:
        """Looks no more; may be called twice."""
        self._over.set()
        self._thread.join()

    def __exit__(self, *_: object) -> None:
        self.close()


def _place(seen: CheckpointObservation) -> tuple[int, Mapping[int, int]]:
    return seen.last_line, seen.end_offsets
