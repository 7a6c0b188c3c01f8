"""Scenarios of a job that its broker has forgotten, on the simulator: what a real broker cannot be
made to do at will."""

from __future__ import annotations

import io

from csvkafka.testing.checker.checker import check
from csvkafka.testing.checker.documented import documented_record, read_rows
from csvkafka.testing.checker.expectation import Expectation
from csvkafka.testing.simulator.partition_log import BROKER
from csvkafka.testing.simulator.schedule import Fault, Schedule
from csvkafka.testing.simulator.simulation import MAX_LIVES, Hooks, Simulation
from csvkafka.testing.simulator.simulation_judge import records_of
from tests.planted.scenarios import Found, Ground

DIES_HELD = "1/produce#4=crash-held"
DIES = "1/produce#4=crash"
FORGOTTEN = "2/run-begins#1=forget"


def _found(
    *faults: str,
    hooks: Hooks | None = None,
    max_lives: int = MAX_LIVES,
    broker: str = BROKER,
    expiry: int = 0,
) -> Found:
    """What the checker finds after these faults, and how the last worker ended."""
    chosen = tuple(map(Fault.parse, faults))
    schedule = Schedule(row_count=40, broker=broker, expiry=expiry, faults=chosen)
    simulation = Simulation(schedule, hooks, max_lives)
    simulation.run()
    verdict = check(
        read_rows(io.BytesIO(simulation.source)),
        {lane.partition: records_of(simulation.kafka.log(lane)) for lane in simulation.lanes},
        Expectation(decode=documented_record("s3://bucket/rows.csv")),
        simulation.observations,
    )
    found = {str(anomaly.kind) for anomaly in verdict.anomalies}
    error = simulation.lives[-1].error
    if error is not None:
        found.add(f"error {type(error).__name__.removesuffix('Error')}")
    return found


def late_batch_after_the_answer(_: Ground) -> Found:
    """The leader says that it does not know the job, and then takes a zombie's batch."""
    return _found(DIES_HELD, FORGOTTEN, "2/producers-told#1=release")


def late_batch_before_the_first(_: Ground) -> Found:
    """The leader knows the job, and takes a zombie's batch before the next worker's first."""
    return _found(DIES_HELD, "2/source-opened#1=release")


def forgotten(_: Ground) -> Found:
    """A job is forgotten while it is down."""
    return _found(DIES, FORGOTTEN)


def remembered_again(_: Ground) -> Found:
    """The first batch of the new epoch is late, and the leader finds the former one in its log."""
    return _found(
        *(DIES, FORGOTTEN, "2/produce#1=crash-held", "3/run-begins#1=restart"),
        "3/completed#1=release",
    )


def forgotten_twice_in_one_tail(_: Ground) -> Found:
    """Both epochs' batches stand after the checkpoint."""
    return _found(DIES, FORGOTTEN, "2/produce#1=crash-applied", "3/run-begins#1=forget")


def refused_after_a_rest(_: Ground) -> Found:
    """A lane has nothing to send until its leader has forgotten the job, which then refuses the
    next batch once."""
    return _found("1/block-ready#5=stall", "1/produce#5=refuse", expiry=90)


def late_copy_where_no_leader_tells(_: Ground) -> Found:
    """A leader that has forgotten the job takes a late copy of the last batch; the job stops."""

    def copy_comes(world: Simulation) -> None:
        log = world.kafka.log(world.lanes[0])
        log.forget_producers()
        assert log.append(log._entries[-1].data).appended

    hooks: Hooks = {"2/tail-scanned#1": copy_comes}
    found = _found(DIES, hooks=hooks, max_lives=2, broker="2.5-2.7")
    return set() if "error RepeatedRows" in found else found
