"""Judges a simulated run: the log, the item's history, and how each life ended.

The log is compared with the source by the checker, which knows nothing of the loader.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import pairwise

from csvkafka.errors import (
    CheckpointError,
    DeliveryError,
    ItemLostError,
    SinkRefusedError,
    SinkUnavailableError,
    SourceReadError,
    StoppedError,
)
from csvkafka.interfaces import AttributeValue
from csvkafka.model import JobStatus
from csvkafka.testing.checker.checker import check
from csvkafka.testing.checker.documented import SourceRow, TopicRecord, documented_record, read_rows
from csvkafka.testing.checker.expectation import Expectation
from csvkafka.testing.simulator.partition_log import PartitionLog
from csvkafka.testing.simulator.schedule import Schedule
from csvkafka.testing.simulator.simulation import JOB_ID, Life, Simulation
from csvkafka.testing.simulator.virtual_clock import Stalled

MAY_END = (
    CheckpointError,
    DeliveryError,
    ItemLostError,
    SinkRefusedError,
    SinkUnavailableError,
    SourceReadError,
    StoppedError,
)
"""How a life may end that something befell. None of these says that rows are lost."""

TABLE_POINTS = ("table-read", "table-write", "table-applied")


def violations(schedule: Schedule) -> list[str]:
    """Runs the schedule; what is wrong then, in sentences. Empty: nothing."""
    simulation = Simulation(schedule)
    try:
        simulation.run()
    except Stalled as stalled:
        return [f"the run hangs: {stalled}"]
    return judge(simulation)


def judge(simulation: Simulation) -> list[str]:
    """What is wrong after a run."""
    found: list[str] = []
    for life in simulation.lives:
        found += _of_life(life)
    verdict = check(
        read_rows(io.BytesIO(simulation.source)),
        {lane.partition: _records(simulation.kafka.log(lane)) for lane in simulation.lanes},
        Expectation(
            decode=documented_record("s3://bucket/rows.csv"),
            key_of=_key if simulation.schedule.lane_count > 1 else None,
            ignore_foreign=True,
        ),
        simulation.observations,
    )
    found += [str(anomaly) for anomaly in verdict.anomalies]
    return [*found, *_of_item(simulation)]


def _of_life(life: Life) -> Iterator[str]:
    if life.error is None:
        return
    what = f"life {life.number} ended with {life.error!r}"
    if life.is_undisturbed:
        yield f"{what}, though nothing befell it"
    elif not isinstance(life.error, MAY_END) or isinstance(life.error, ItemLostError):
        yield what
    elif not life.beside and not any(fault.point in TABLE_POINTS for fault in life.met):
        yield from _of_stop(life, what)


def _of_stop(life: Life, what: str) -> Iterator[str]:
    """A life that ended by an error, and could reach the table to the last."""
    item = life.item_at_end or {}
    if item.get("lease_owner") == life.owner:
        yield f"{what}, and did not release the lease"
    stored_rows = item.get("last_line", 0)
    assert isinstance(stored_rows, int)
    if stored_rows < life.acknowledged_rows:
        yield (
            f"{what}, with {life.acknowledged_rows} rows acknowledged, of which {stored_rows} are "
            "in the item"
        )


def _records(log: PartitionLog) -> Iterator[TopicRecord]:
    for record in log.records():
        yield TopicRecord(record.kafka_offset, record.key, record.value, record.headers)


def _key(row: SourceRow) -> bytes:
    return str(row["key"]).encode()


def _of_item(simulation: Simulation) -> Iterator[str]:
    item = simulation.table.items.get(JOB_ID)
    if item is None:
        yield "there is no item"
        return
    rows = simulation.schedule.row_count
    expected: dict[str, AttributeValue | None] = {
        "status": JobStatus.COMPLETED.value,
        "last_line": rows,
        "total_sent": rows,
        "lease_owner": None,
    }
    for name, value in expected.items():
        if item.get(name) != value:
            yield f"{name} is {item.get(name)!r} at the end, not {value!r}"
    for earlier, later in pairwise(simulation.items):
        for name in ("fencing_token", "checkpoint_number", "byte_offset"):
            before, after = earlier[name], later[name]
            assert isinstance(before, int)
            assert isinstance(after, int)
            if after < before:
                yield f"{name} fell from {before} to {after}"
        if earlier.get("producer_id", later.get("producer_id")) != later.get("producer_id"):
            yield "the producer id was changed"
        if earlier["status"] == JobStatus.COMPLETED.value:
            yield "the item was written after it was COMPLETED"
