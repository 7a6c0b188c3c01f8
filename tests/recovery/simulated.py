"""What the simulated fault tests share: a run with faults at named places, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from csvkafka.job.parts import JobResult
from csvkafka.model import BatchHeader, EncodedBatch, JobStatus, ProducerIdentity
from csvkafka.records.record_batch import frame_records, seal
from csvkafka.testing.simulator.life import JOB_ID, Life
from csvkafka.testing.simulator.partition_log import BROKER, BROKERS
from csvkafka.testing.simulator.schedule import Fault, Schedule
from csvkafka.testing.simulator.simulation import Simulation
from csvkafka.testing.simulator.simulation_judge import judge

ROWS = 40
"""Nine blocks, so nine batches in a lane that is alone."""

tested_broker: ContextVar[str] = ContextVar("tested_broker", default=BROKER)


@pytest.fixture(autouse=True, params=BROKERS)
def on_each_broker(request: pytest.FixtureRequest) -> Iterator[str]:
    """Imported by a module, it runs each of its tests by the rules of each kind of servers."""
    token = tested_broker.set(request.param)
    yield request.param
    tested_broker.reset(token)


Hook = Callable[[Simulation], object]


def run(
    *faults: str,
    lanes: int = 1,
    rows: int = ROWS,
    same_host: bool = True,
    hooks: dict[str, Hook] | None = None,
    max_lives: int = 5,
    spare: bool = False,
    seed: int = 0,
    broker: str | None = None,
    expiry: int = 0,
    source: bytes | None = None,
) -> Simulation:
    """Runs lives until one completes the job. Each fault and each hook must have been met; with
    `spare`, any fault. The seed draws how long things take; with 0 Kafka is slow. Servers have the
    rules of `broker`, or of those that the test is run for (`on_each_broker`)."""
    schedule = Schedule(
        seed=seed,
        row_count=rows,
        lane_count=lanes,
        same_host=same_host,
        broker=broker or tested_broker.get(),
        expiry=expiry,
        faults=tuple(map(Fault.parse, faults)),
    )
    simulation = Simulation(schedule, hooks, max_lives, source)
    simulation.run()
    met = {str(fault) for life in simulation.lives for fault in life.met}
    assert met == set(faults) or (spare and met)
    assert set(hooks or {}) <= set(simulation.trace)
    return simulation


def once(simulation: Simulation, lives: int = 2) -> Life:
    """ONCE: nothing is wrong, and the last of so many lives completed the job; gives that one."""
    assert judge(simulation) == []
    assert len(simulation.lives) == lives
    last = simulation.lives[-1]
    assert last.result is not None
    return last


def result(simulation: Simulation) -> JobResult:
    """ONCE: as above; gives what that life told."""
    told = once(simulation).result
    assert told is not None
    return told


def lag(simulation: Simulation) -> Life:
    """LAG: nothing is wrong, and the first life went on and completed the job."""
    return once(simulation, lives=1)


def stopped(simulation: Simulation, kind: type[BaseException], life: int = 1) -> str:
    """STOP or REFUSE: the life ended with exactly that error and left no lease; gives its words."""
    ended = simulation.lives[life - 1]
    assert type(ended.error) is kind, repr(ended.error)
    item = ended.item_at_end or {}
    assert item.get("lease_owner") != ended.owner
    assert item.get("status", JobStatus.IN_PROGRESS.value) == JobStatus.IN_PROGRESS.value
    return str(ended.error)


def refused(hook: Hook, kind: type[BaseException]) -> Simulation:
    """The first life crashes in the middle, then `hook` happens: no later life sends a row, and the
    item's progress stays."""
    simulation = run("1/batch-acknowledged#6=crash", hooks={"2/run-begins#1": hook}, max_lives=4)
    before = progress(simulation, 2)
    for life in (2, 3, 4):
        stopped(simulation, kind, life)
        assert progress(simulation, life) == before
    assert not [place for place in simulation.trace if "/produce" in place and place[0] != "1"]
    return simulation


def progress(simulation: Simulation, life: int) -> tuple[object, ...]:
    """What the item said of progress when the life had ended."""
    item = simulation.lives[life - 1].item_at_end or {}
    return tuple(item.get(name) for name in ("last_line", "byte_offset", "producer_id"))


def places(simulation: Simulation, point: str, life: int = 1) -> int:
    """How often the life came to the point."""
    return sum(place.startswith(f"{life}/{point}#") for place in simulation.trace)


def headers(simulation: Simulation, lane: int = 0) -> list[BatchHeader]:
    """The batches in the lane's log."""
    return list(simulation.kafka.log(simulation.lanes[lane]).headers())


def checkpointed_offset(simulation: Simulation) -> int:
    """The Kafka offset after the last row that the item covers, in the first lane."""
    partitions: Any = simulation.table.items[JOB_ID]["partitions"]
    offset = partitions["rows/0"][1]
    assert isinstance(offset, int)
    return offset


def cut_at(offset_of: Callable[[Simulation], int]) -> Hook:
    """Cuts off the first lane's log at that Kafka offset."""
    return lambda simulation: simulation.kafka.log(simulation.lanes[0]).truncate(
        offset_of(simulation)
    )


def write_with_next_epoch(simulation: Simulation) -> None:
    """Another producer takes our producer id's next epoch."""
    ours = headers(simulation)[0]
    records = EncodedBatch(0, 1, 0, frame_records([b"another writer's"]))
    identity = ProducerIdentity(ours.producer_id, ours.producer_epoch + 1)
    assert simulation.kafka.log(simulation.lanes[0]).append(seal(records, identity, 0, 0)).appended
