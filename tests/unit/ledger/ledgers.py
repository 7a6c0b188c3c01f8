"""A job's item on a table in memory, and workers that write it."""

from __future__ import annotations

from csvkafka.interfaces import Item
from csvkafka.ledger.item import JobDefinition, StoredJob, decode
from csvkafka.ledger.ledger import JobLedger
from csvkafka.model import (
    Checkpoint,
    Lane,
    LaneProgress,
    Position,
    ProducerIdentity,
    SourceIdentity,
)
from csvkafka.testing.simulator.fake_table import FakeTable, TableServer
from csvkafka.testing.simulator.points import Script
from csvkafka.testing.simulator.virtual_clock import VirtualClock, VirtualTime

LANES = (Lane("rows", 0),)
IDENTITY = ProducerIdentity(7, 0)
LEASE_SECONDS = 10.0
SOURCE = SourceIdentity("bucket", "key.csv", '"etag"', 1000)
DEFINITION = JobDefinition(SOURCE, {"JOB_ID": "job"}, "cluster", {"rows": "id"}, 1, LANES)


def checkpoint(rows: int) -> Checkpoint:
    """So many rows of ten bytes, each at its own Kafka offset."""
    return Checkpoint(Position(rows * 10, rows), rows, (LaneProgress(rows, rows),))


class Worker:
    """One incarnation's ledger. `script` says what befalls its calls; `dead` whom it knows dead."""

    def __init__(self, office: Office, name: str, **actions: str) -> None:
        self.name = name
        self.office = office
        self.clock = VirtualClock(office.time)
        self.script = Script({key.replace("_", "-", 1): action for key, action in actions.items()})
        self.dead: set[str] = set()
        self.waited_for: list[str] = []
        self.table = FakeTable(office.server, "job", office.time, self.script)
        self.ledger = JobLedger(
            "job",
            self.table,
            self.clock,
            owner=name,
            lease_seconds=LEASE_SECONDS,
            is_known_dead=self.dead.__contains__,
        )

    def next_write(self, action: str) -> None:
        """What befalls the next write."""
        written = sum(point.startswith("table-write") for point in self.script.met)
        self.script.actions[f"table-write#{written + 1}"] = action

    def take(self) -> StoredJob | None:
        """Takes the lease of the item as it stands."""
        return self.ledger.take(self.office.stored, lambda: False, self.waited_for.append)

    def commit(self, rows: int, **options: bool) -> tuple[int, bool]:
        """Stores so many rows; gives those stored then, and whether the lease ended."""
        stored = self.ledger.commit(checkpoint(rows), LANES, **options)
        return stored.checkpoint.position.row_count, stored.ended


class Office:
    """One job's table, and time."""

    def __init__(self) -> None:
        self.time = VirtualTime()
        self.server = TableServer()

    @property
    def item(self) -> Item:
        return self.server.items["job"]

    @property
    def stored(self) -> StoredJob:
        return decode(self.item)

    def worker(self, name: str, **actions: str) -> Worker:
        return Worker(self, name, **actions)

    def owner(self, name: str = "me") -> Worker:
        """A worker with the lease and a stored producer id, at row 0."""
        worker = self.worker(name)
        worker.ledger.create(DEFINITION)
        assert worker.take() is not None
        worker.ledger.store_identity(IDENTITY, checkpoint(0), LANES)
        return worker
