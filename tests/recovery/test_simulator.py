"""The real loop on fakes: each crash point and each pair of them, each pause, each fault; and
random schedules, of which $CSVKAFKA_SCHEDULES says how many. `python -m csvkafka.testing.simulator`
runs more, and replays them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import cast

import pytest

from csvkafka.model import EncodedBatch, FileOrder, ProducerIdentity
from csvkafka.records.record_batch import frame_records, seal
from csvkafka.testing.simulator.__main__ import main as simulator_main
from csvkafka.testing.simulator.large_rows import letter_decoder, records_in
from csvkafka.testing.simulator.partition_log import BROKER, BROKERS
from csvkafka.testing.simulator.schedule import CRASHES, HELD, Fault, Schedule
from csvkafka.testing.simulator.search import (
    OF_A_MOMENT,
    Failure,
    every_crash,
    every_fault_of_the_fakes,
    every_pair,
    every_pause,
    every_zombie_of_two_epochs,
    first_failure,
    forgotten,
    points_for_a_fault,
    points_of,
    rested,
    shrink,
)
from csvkafka.testing.simulator.simulation import Moment, Simulation
from csvkafka.testing.simulator.simulation_judge import judge

RANDOM_SCHEDULES = int(os.environ.get("CSVKAFKA_SCHEDULES", "2000"))

BASES = {
    "one lane": Schedule(),
    "three lanes": Schedule(lane_count=3),
    "three topics": Schedule(lane_count=3, routed=True),
    "another host": Schedule(same_host=False),
    "no rows": Schedule(row_count=0),
    "large rows": Schedule(large=True),
    "large rows, three lanes": Schedule(lane_count=3, large=True),
    "large rows, three topics": Schedule(lane_count=3, routed=True, large=True),
}


def assert_all_pass(schedules: Iterable[Schedule], at_least: int) -> None:
    """None of the schedules shows anything wrong, and there are as many as there should be."""
    count = 0

    def counted() -> Iterable[Schedule]:
        nonlocal count
        for schedule in schedules:
            count += 1
            yield schedule

    failure = first_failure(counted())
    assert failure is None, str(failure)
    assert count >= at_least


@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
def test_each_crash_point(base: Schedule) -> None:
    assert_all_pass(every_crash(base, CRASHES), at_least=80)


@pytest.mark.parametrize("broker", sorted(set(BROKERS) - {BROKER}))
def test_each_crash_point_on_other_brokers(broker: str) -> None:
    assert_all_pass(every_crash(Schedule(broker=broker), CRASHES), at_least=180)


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("lane_count", [1, 3])
def test_each_crash_point_after_the_brokers_have_forgotten(broker: str, lane_count: int) -> None:
    """What the former life had sent arrives there; or this one dies, and it arrives in the end."""
    base = forgotten(Schedule(lane_count=lane_count, broker=broker))
    actions = (*CRASHES, HELD, "release", "forget", "restart")
    assert_all_pass(every_crash(base, actions, life=2), at_least=200)


@pytest.mark.fault("F111")
@pytest.mark.parametrize("broker", sorted(set(BROKERS) - {"no-epochs"}))
@pytest.mark.parametrize("lane_count", [1, 3])
def test_each_crash_point_of_a_load_that_rests(broker: str, lane_count: int) -> None:
    """What a life has sent after the rest may come late, but no server has forgotten it then. (One
    that keeps no epochs could not tell it from what was sent before.)"""
    base = rested(Schedule(broker=broker, lane_count=lane_count))
    assert_all_pass(every_crash(base, (*CRASHES, HELD, "stop", "rival")), at_least=1000)


@pytest.mark.parametrize("broker", ["2.8-4.4", "strict"])
def test_zombies_of_two_former_epochs_at_each_point(broker: str) -> None:
    base = Schedule(broker=broker)
    assert_all_pass(every_zombie_of_two_epochs(base), at_least=1000)


@pytest.mark.parametrize("first", ["crash-applied", "crash-late"])
def test_each_pair_of_crash_points(first: str) -> None:
    assert_all_pass(every_pair(Schedule(row_count=5), first, "crash-late"), at_least=600)


@pytest.mark.parametrize("seconds", [12, 20, 200])
@pytest.mark.parametrize("action", ["pause", "suspend"])
def test_each_pause_with_a_second_owner_and_a_forgotten_producer_id(
    action: str, seconds: int
) -> None:
    assert_all_pass(every_pause(Schedule(row_count=40), action, seconds), at_least=100)


@pytest.mark.parametrize("lane_count", [1, 3])
def test_each_fault_of_table_kafka_and_source(lane_count: int) -> None:
    base = Schedule(row_count=40, lane_count=lane_count)
    assert_all_pass(every_fault_of_the_fakes(base), at_least=150)


def test_a_stop_at_each_point() -> None:
    assert_all_pass(every_crash(Schedule(row_count=40, lane_count=2), ["stop"]), at_least=100)


def test_a_second_worker_started_at_each_point() -> None:
    assert_all_pass(every_crash(Schedule(row_count=40), ["rival"]), at_least=100)


def test_each_pair_of_crash_points_around_a_large_row() -> None:
    base = Schedule(row_count=4, large=True)
    assert_all_pass(every_pair(base, "crash-applied", "crash-late"), at_least=600)


@pytest.mark.parametrize("broker", ["2.8-4.4", "strict"])
def test_each_crash_point_around_large_rows_after_the_brokers_have_forgotten(broker: str) -> None:
    base = forgotten(Schedule(lane_count=3, broker=broker, large=True))
    actions = (*CRASHES, HELD, "release", "forget", "restart")
    assert_all_pass(every_crash(base, actions, life=2), at_least=200)


def test_a_second_worker_with_another_limit_started_at_each_point() -> None:
    base = Schedule(row_count=40, large=True)
    assert_all_pass(every_crash(base, ["rival", "stop"]), at_least=100)


def test_random_schedules(seed: int) -> None:
    schedules = map(Schedule.drawn, range(seed, seed + RANDOM_SCHEDULES))
    assert_all_pass(schedules, at_least=RANDOM_SCHEDULES)


def test_random_schedules_with_large_rows(seed: int) -> None:
    count = RANDOM_SCHEDULES // 4
    drawn = map(Schedule.drawn, range(seed, seed + count))
    assert_all_pass((replace(each, large=True) for each in drawn), at_least=count)


REPLY_LOST = (
    Fault(1, "identity-obtained", 1, "rival"),
    Fault(1, "produce", 5, "crash-held"),
    Fault(2, "table-write", 1, "timeout-applied"),
)
LATE_AND_FORGOTTEN = (
    Fault(1, "produce", 3, "crash-held"),
    Fault(2, "tail-read", 2, "release"),
    Fault(2, "tail-scanned", 1, "forget"),
    Fault(2, "produce", 20, "out-of-order"),
)
FOUND = {
    "a lease by a lost reply": (
        Schedule(50005006, 10, 2, large=True, broker="no-epochs", faults=REPLY_LOST)
    ),
    "the last batch of its own": (
        Schedule(
            1604917004,
            40,
            3,
            same_host=False,
            large=True,
            broker="2.5-2.7",
            faults=LATE_AND_FORGOTTEN,
        )
    ),
}


@pytest.mark.parametrize("schedule", FOUND.values(), ids=FOUND)
def test_a_drawn_schedule_that_once_failed(schedule: Schedule) -> None:
    assert_all_pass([schedule], at_least=1)


# -- the simulator itself --------------------------------------------------------------------------


def test_a_run_is_the_same_each_time() -> None:
    first, second = (Simulation(Schedule.drawn(12)) for _ in range(2))
    first.run()
    second.run()
    assert first.trace == second.trace
    assert first.time.now == second.time.now
    assert first.items == second.items


def test_a_crash_is_in_the_middle_and_ends_the_life() -> None:
    simulation = Simulation(Schedule(faults=(Fault(1, "batch-sent", 2, "crash"),)))
    simulation.run()
    lives = [place.partition("/")[0] for place in simulation.trace]
    assert lives == sorted(lives)
    assert simulation.trace[lives.index("2") - 1] == "1/batch-sent#2"
    dead, completed = simulation.lives
    assert (dead.result, dead.error) == (None, None)
    assert completed.result is not None
    assert 0 < completed.result.sent_now < completed.result.row_count


def test_a_failure_is_shrunk_to_the_faults_that_show_it() -> None:
    needed = {Fault(1, "produce", 2, "reset"), Fault(2, "produce", 1, "refuse")}
    drawn = Schedule.drawn(3).faults

    def judged_by(schedule: Schedule) -> list[str]:
        return ["wrong"] if needed <= set(schedule.faults) else []

    failing = Schedule(row_count=40, lane_count=3, faults=(*drawn, *needed))
    shrunk = shrink(Failure(failing, ["wrong"]), judged_by)
    assert set(shrunk.schedule.faults) == needed
    assert (shrunk.schedule.row_count, shrunk.schedule.lane_count) == (1, 1)


@pytest.mark.parametrize("seed", [7, 8, 9])
def test_a_command_replays_its_schedule(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    simulation = Simulation(Schedule.drawn(seed))
    simulation.run()
    arguments = simulation.schedule.command.split()[3:]
    assert simulator_main(arguments) == 0
    assert capsys.readouterr().out.splitlines()[: len(simulation.trace)] == simulation.trace


def letter_lines(simulation: Simulation) -> list[int | None]:
    decode = letter_decoder(simulation)
    return [decode(letter)[0] for letter in records_in(simulation)]


def test_the_large_rows_that_the_first_life_sets_aside_the_next_ones_set_aside_too() -> None:
    """The second life takes larger records, the third none of the limit's size."""
    faults = (Fault(1, "checkpoint-stored", 1, "crash"), Fault(2, "checkpoint-stored", 1, "crash"))
    simulation = Simulation(Schedule(row_count=40, large=True, faults=faults))
    simulation.run()
    assert judge(simulation) == []
    assert len(simulation.lives) == 3
    # Of rows 2, 6, 10, and so on each third one has just the limit's size.
    assert letter_lines(simulation) == [2, 10, 14, 22, 26, 34, 38]
    alone = Simulation(Schedule(row_count=40, large=True))
    alone.run()
    assert records_in(alone) == records_in(simulation)


@pytest.mark.parametrize("order", FileOrder)
def test_each_crash_point_of_a_set_with_large_rows(order: FileOrder) -> None:
    base = Schedule(row_count=12, file_count=3, order=order, large=True)
    assert_all_pass(every_crash(base, ("crash-late", "rival")), at_least=150)
    simulation = Simulation(base)
    simulation.run()
    assert letter_lines(simulation) == [2, 4]


def test_a_limit_that_is_changed_in_the_middle_of_a_job_is_told() -> None:
    simulation = Simulation(Schedule(large=True))
    simulation.run()
    configuration = {**cast(dict[str, str], simulation.items[-1]["configuration"])}
    configuration["DEAD_LETTER_ABOVE_BYTES"] = "1245"
    simulation.items[-1] = {**simulation.items[-1], "configuration": configuration}
    assert "the configuration of job was changed after its job had begun" in judge(simulation)


@pytest.mark.parametrize("harm", ["lose", "repeat", "tear", "all"])
def test_what_is_wrong_with_the_dead_letters_is_told(harm: str) -> None:
    simulation = Simulation(Schedule(row_count=40, large=True))
    simulation.run()
    lane = simulation.letters_lane
    assert lane is not None
    letters = records_in(simulation)
    values, headers = [letter.value or b"" for letter in letters], [r.headers for r in letters]
    match harm:
        case "lose":
            del values[2], headers[2]
        case "repeat":
            values.append(values[2])
            headers.append(headers[2])
        case "tear":
            values[2] = values[2].replace(b"x", b"y", 1)
        case "all":
            values, headers = [], []
    log = simulation.kafka.create_topic(lane.topic).logs[0]
    if values:
        batch = EncodedBatch(0, len(values), 0, frame_records(values, None, headers))
        log.append(seal(batch, ProducerIdentity(7, 0), 0, 0))
    told = {
        "lose": "lost-row x 1, first at source line 14",
        "repeat": "duplicate-row x 1, first at partition 0, Kafka offset 7, source line 14",
        "tear": "torn-row x 1, first at partition 0, Kafka offset 2, source line 14",
        "all": "lost-row x 7, first at source line 2",
    }
    assert any(f"dead letters: {told[harm]}" in said for said in judge(simulation))


Outcome = tuple[object, ...]


def outcome(schedule: Schedule) -> Outcome:
    """All that the servers hold after the run, and how each life ended."""
    simulation = Simulation(schedule)
    simulation.run()
    logs = [simulation.kafka.log(lane) for lane in simulation.lanes]
    return (
        [(list(log.records()), log.headers()) for log in logs],
        [(log.unguarded, log.looks) for log in logs],
        simulation.items,
        simulation.time.now,
        [(life.result, repr(life.error), life.ended_at) for life in simulation.lives],
    )


OF_EACH_KIND = {
    "plain, one lane": (Schedule(), 1),
    "plain, three lanes": (Schedule(lane_count=3), 1),
    "forgotten, one lane": (forgotten(Schedule()), 2),
    "forgotten, strict": (forgotten(Schedule(lane_count=3, broker="strict")), 2),
    "forgotten, old": (forgotten(Schedule(lane_count=3, broker="before-2.5")), 2),
    "rested": (rested(Schedule(broker="strict")), 1),
}
"""Runs to which a search adds faults, and in which life."""


@pytest.mark.parametrize(("base", "life"), OF_EACH_KIND.values(), ids=OF_EACH_KIND)
def test_what_is_run_once_for_a_moment_is_the_same_at_each_of_its_points(
    base: Schedule, life: int
) -> None:
    """So a search need not run all of them (`search.OF_A_MOMENT`)."""
    of_moments: dict[tuple[Moment, str], Outcome] = {}
    repeated = 0
    for point, nth, moment in points_for_a_fault(base, life):
        for action in sorted(OF_A_MOMENT):
            fault = Fault(life, point, nth, action)
            came_of_it = outcome(replace(base, faults=(*base.faults, fault)))
            repeated += (moment, action) in of_moments
            assert of_moments.setdefault((moment, action), came_of_it) == came_of_it, str(fault)
    assert repeated > 50


@pytest.mark.parametrize(("base", "life"), OF_EACH_KIND.values(), ids=OF_EACH_KIND)
def test_no_fault_takes_the_place_of_one_of_the_run_itself(base: Schedule, life: int) -> None:
    for schedule in every_crash(base, ("crash",), life=life):
        places = {(fault.life, fault.point, fault.nth) for fault in schedule.faults}
        assert len(places) == len(schedule.faults)


def test_points_are_met_by_the_life_that_is_asked_for() -> None:
    base = Schedule(row_count=5, faults=(Fault(1, "lease-taken", 1, "crash"),))
    assert points_of(base, 1)[-1] == ("lease-taken", 1)
    assert ("completed", 1) in points_of(base, 2)
