"""A lane that has nothing to send for longer than its leader remembers the job's producer id, while
its worker lives: on the simulator, by the rules of each kind of servers."""

from __future__ import annotations

import pytest

from csvkafka.encode.partitioning import murmur2_lane
from csvkafka.model import Step
from csvkafka.testing.simulator.partition_log import BROKERS
from csvkafka.testing.simulator.schedule import HELD
from csvkafka.testing.simulator.simulation import Simulation
from tests.recovery.simulated import headers, lag, on_each_broker, once, places, run

__all__ = ["on_each_broker"]

STALLS = "1/block-ready#5=stall"
"""Four batches are in the topic, and nothing is to be sent for two minutes."""

EXPIRY = 90


def is_told(broker: str) -> bool:
    """A job learns that these servers have forgotten it."""
    return BROKERS[broker].tells_producers or not BROKERS[broker].any_first_number


def epochs(simulation: Simulation, lane: int = 0) -> list[tuple[int, int]]:
    """The epochs in the lane's log, each with the number of its batches."""
    found = [header.producer_epoch for header in headers(simulation, lane)]
    return [(epoch, found.count(epoch)) for epoch in sorted(set(found))]


def test_f111_a_lane_that_rested_for_long_is_looked_at_before_its_next_batch(
    on_each_broker: str,
) -> None:
    simulation = run(STALLS, expiry=EXPIRY)
    lag(simulation)
    assert places(simulation, Step.LANE_RESTED) == 1
    assert epochs(simulation) == ([(0, 4), (1, 5)] if is_told(on_each_broker) else [(0, 9)])
    asks = BROKERS[on_each_broker].tells_producers
    refuses = not asks and not BROKERS[on_each_broker].any_first_number
    assert places(simulation, Step.RESTARTED) == refuses


def test_f111_a_rest_that_is_not_too_long_changes_nothing() -> None:
    simulation = run(STALLS, expiry=600)
    lag(simulation)
    assert places(simulation, Step.LANE_RESTED) == 0
    assert epochs(simulation) == [(0, 9)]


def test_f111_a_leader_that_still_knows_us_goes_on_in_its_epoch() -> None:
    """Longer than half of what it remembers, so it is asked."""
    simulation = run(STALLS, expiry=200)
    lag(simulation)
    assert places(simulation, Step.LANE_RESTED) == 1
    assert epochs(simulation) == [(0, 9)]


def test_f111_the_first_batch_after_the_rest_goes_alone() -> None:
    """It is refused once: had others been on their way too, the second would have been taken."""
    simulation = run(STALLS, "1/produce#5=refuse", expiry=EXPIRY)
    lag(simulation)


@pytest.mark.parametrize(
    "arrives",
    [
        *("2/tail-scan-begins#1", "2/tail-read#1", "2/tail-scanned#1", "2/epoch-begins#1"),
        *("2/epoch-stored#1", "2/source-opened#1", "2/batch-sent#1", "2/batch-acknowledged#1"),
    ],
)
@pytest.mark.parametrize("dies", ["1/produce#5", "1/produce#6"])
def test_f111_killed_with_the_batch_after_the_rest_on_its_way(dies: str, arrives: str) -> None:
    """The next incarnation begins no epoch while it is: that of the batch is in the item."""
    simulation = run(STALLS, f"{dies}={HELD}", f"{arrives}=release", expiry=EXPIRY, spare=True)
    once(simulation)


# -- a lane that rests while another one goes on ---------------------------------------------------


def sparse_source(rows: int = 60) -> bytes:
    """Of two lanes the second has rows at the beginning and at the end only."""
    keys = {murmur2_lane(b"k%d" % number, 2): f"k{number}" for number in range(9)}
    of_lane = [1 if row < 9 or (row >= rows - 9 and row % 3 == 0) else 0 for row in range(rows)]
    return "\n".join(
        [
            "id,key,value",
            *(f"{row},{keys[lane]},{'v' * 15}" for row, lane in enumerate(of_lane)),
            "",
        ]
    ).encode()


SLOW = tuple(f"1/block-ready#{number}=stall" for number in (6, 7, 8))
"""The second lane rests for six minutes, the first for two at a time."""


def test_f111_a_lane_rests_while_another_goes_on(on_each_broker: str) -> None:
    simulation = run(*SLOW, expiry=300, lanes=2, source=sparse_source(), rows=60)
    lag(simulation)
    refuses = not BROKERS[on_each_broker].any_first_number
    asks = BROKERS[on_each_broker].tells_producers
    assert places(simulation, Step.LANE_RESTED) >= 1
    assert [epoch for epoch, _ in epochs(simulation, 0)] == [0]
    later = [epoch for epoch, _ in epochs(simulation, 1)]
    assert later == ([0, 1] if asks or refuses else [0])
    if asks:
        assert places(simulation, Step.RESTARTED) == 0
