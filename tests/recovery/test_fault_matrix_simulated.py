"""Rows of the fault matrix on the simulator: worker killed, two owners, the table, the source."""

from __future__ import annotations

import pytest

from csvkafka.errors import (
    CheckpointError,
    CheckpointUnavailableError,
    FencedError,
    ItemLostError,
    SourceChangedError,
    SourceReadError,
    StoppedError,
)
from csvkafka.testing.simulator.life import JOB_ID
from csvkafka.testing.simulator.simulation_judge import judge
from tests.recovery.simulated import (
    ROWS,
    headers,
    lag,
    on_each_broker,
    once,
    places,
    result,
    run,
    stopped,
)

__all__ = ["on_each_broker"]


@pytest.mark.parametrize("point", ["run-begins", "item-created"])
def test_f1_killed_before_the_lease(point: str) -> None:
    simulation = run(f"1/{point}#1=crash")
    assert result(simulation).sent_now == ROWS


@pytest.mark.parametrize("point", ["lease-taken", "identity-obtained"])
def test_f2_killed_before_the_producer_id_is_stored(point: str) -> None:
    simulation = run(f"1/{point}#1=crash")
    once(simulation)
    stored_by = [item.get("lease_owner") for item in simulation.items if "producer_id" in item]
    assert stored_by[0] == "life-2"


def test_f3_killed_before_the_first_batch() -> None:
    simulation = run("1/identity-stored#1=crash")
    once(simulation)
    assert headers(simulation)[0].base_sequence == 0
    assert len({header.producer_id for header in headers(simulation)}) == 1


@pytest.mark.parametrize("fate", ["crash", "crash-applied", "crash-late", "crash-later"])
@pytest.mark.parametrize("nth", [1, 5, 9])
def test_f4_killed_with_a_batch_on_its_way(fate: str, nth: int) -> None:
    simulation = run(f"1/produce#{nth}={fate}")
    last = result(simulation)
    identities = {header.producer_id for header in headers(simulation)}
    assert len(identities) == 1
    arrived = fate == "crash-applied"
    assert (last.sent_now < ROWS) == (arrived or nth > 1)


@pytest.mark.parametrize("nth", [1, 4, 9])
def test_f5_killed_between_acknowledgement_and_checkpoint(nth: int) -> None:
    simulation = run(f"1/batch-acknowledged#{nth}=crash")
    acknowledged = sum(header.record_count for header in headers(simulation)[:nth])
    assert result(simulation).sent_now <= ROWS - acknowledged


@pytest.mark.parametrize("nth", [1, 2, 5])
def test_f6_killed_with_a_block_acknowledged_in_some_lanes(nth: int) -> None:
    once(run(f"1/batch-acknowledged#{nth}=crash", lanes=3))


@pytest.mark.parametrize("fate", ["crash", "crash-applied", "crash-late", "crash-later"])
@pytest.mark.parametrize("point", ["table-write", "table-applied"])
def test_f7_killed_with_a_checkpoint_on_its_way(point: str, fate: str) -> None:
    once(run(f"1/{point}#7={fate}"))


@pytest.mark.parametrize("point", ["tail-scan-begins", "tail-read", "tail-scanned", "produce"])
def test_f8_killed_in_the_tail_scan_and_before_the_first_send_after_it(point: str) -> None:
    once(run("1/batch-acknowledged#4=crash", f"2/{point}#1=crash"), lives=3)


def test_f9_killed_before_the_final_write() -> None:
    assert result(run("1/all-acknowledged#1=crash")).sent_now == 0


def test_f10_killed_after_the_final_write() -> None:
    simulation = run("1/completed#1=crash")
    assert result(simulation).already_complete
    assert places(simulation, "table-write", life=2) == 0


@pytest.mark.parametrize("same_host", [True, False])
@pytest.mark.parametrize("nth", range(1, 10))
def test_f12_a_dead_workers_batches_arrive_after_the_next_tail_scan(
    nth: int, same_host: bool
) -> None:
    once(run(f"1/produce#{nth}=crash-late", same_host=same_host))


@pytest.mark.parametrize("point", ["item-created#1", "tail-read#1", "batch-sent#4"])
def test_f13_a_signal_stops_and_the_next_run_goes_on(point: str) -> None:
    simulation = run(f"1/{point}=stop")
    stopped(simulation, StoppedError)
    once(simulation)


def test_f16_a_signal_while_the_table_is_out_of_reach_ends_in_bounded_time() -> None:
    broken = [f"1/table-write#{nth}=timeout" for nth in range(4, 20)]
    simulation = run("1/batch-sent#5=stop", *broken, spare=True)
    stopped_at = simulation.lives[0].ended_at
    assert isinstance(simulation.lives[0].error, CheckpointError)
    assert stopped_at is not None
    assert stopped_at < 20.0
    once(simulation)


# -- two owners ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pause", ["pause20", "suspend20"])
def test_f20_f27_a_paused_owner_wakes_while_the_second_sends(pause: str) -> None:
    """`suspend`: the host's CLOCK_MONOTONIC stands still too."""
    simulation = run(f"1/batch-sent#3={pause}", "2/produce#1=slow", same_host=False)
    once(simulation)
    assert type(simulation.lives[0].error) is FencedError
    woken = simulation.trace.index("2/produce#1")
    assert "1/produce" not in " ".join(simulation.trace[woken:])


def test_f21_a_paused_owner_wakes_after_the_second_has_completed() -> None:
    simulation = run("1/batch-sent#3=pause200", same_host=False)
    once(simulation)
    assert type(simulation.lives[0].error) is FencedError


@pytest.mark.parametrize("pause", ["pause200", "suspend200"])
def test_f22_a_forgotten_producer_id_does_not_let_the_zombie_send(pause: str) -> None:
    simulation = run(f"1/block-taken#6={pause}", "2/completed#1=expire", same_host=False)
    once(simulation)
    done = simulation.trace.index("2/completed#1")
    assert "1/sending-paused#1" in simulation.trace[done:]
    assert "1/produce" not in " ".join(simulation.trace[done:])


@pytest.mark.parametrize(
    "point", ["run-begins", "table-read", "item-created", "lease-taken", "batch-sent"]
)
def test_f23_two_workers_at_once_one_waits_and_then_has_nothing_to_do(point: str) -> None:
    simulation = run(f"1/{point}#1=rival", same_host=False)
    once(simulation)
    assert [life.error for life in simulation.lives] == [None, None]
    results = [life.result for life in simulation.lives if life.result is not None]
    assert sorted(result.already_complete for result in results) == [False, True]


def test_f24_an_owner_cut_off_from_the_table_pauses_and_is_fenced() -> None:
    cut_off = [f"1/table-write#{nth}=timeout" for nth in range(5, 20)]
    simulation = run("1/produce#2=slow", "1/table-applied#4=rival", *cut_off, same_host=False)
    once(simulation)
    assert type(simulation.lives[0].error) is FencedError
    assert places(simulation, "sending-paused") == 1


def test_f25_an_owner_known_to_be_dead_is_not_waited_for() -> None:
    quick = run("1/batch-sent#3=crash", same_host=True)
    slow = run("1/batch-sent#3=crash", same_host=False)
    once(quick)
    once(slow)
    assert places(quick, "lease-waited", life=2) == 0
    assert places(slow, "lease-waited", life=2) == 1


# -- the table -------------------------------------------------------------------------------------


def test_f69_the_table_throttles_before_the_first_row() -> None:
    """Each question and each write of a start: it is borne as a throttling S3 is."""
    reads = [f"1/table-read#{nth}=throttle" for nth in (1, 2)]
    writes = [f"1/table-write#{nth}=throttle" for nth in (1, 3, 5)]
    lag(run(*reads, *writes))


def test_f69_the_table_throttles_for_a_while() -> None:
    throttled = [f"1/table-write#{nth}=throttle" for nth in (5, 6, 7, 9)]
    lag(run(*throttled))


def test_f69_the_lease_runs_out_while_the_table_throttles_and_sending_pauses() -> None:
    throttled = [f"1/table-write#{nth}=throttle" for nth in range(5, 14)]
    simulation = run("1/produce#2=slow", *throttled)
    lag(simulation)
    assert places(simulation, "sending-paused") == 1


@pytest.mark.parametrize("nth", range(1, 16))
def test_f70_each_write_is_known_as_our_own_when_its_reply_was_lost(nth: int) -> None:
    lag(run(f"1/table-write#{nth}=reply-lost"))


@pytest.mark.parametrize("action", ["timeout-late", "timeout-applied"])
@pytest.mark.parametrize("nth", range(4, 14))
def test_f71_an_earlier_try_never_takes_the_item_back(nth: int, action: str) -> None:
    for slow_seed in (0, 1, 2, 10, 13):
        lag(run(f"1/table-write#{nth}={action}", rows=100, seed=slow_seed))


def test_f72_a_table_that_never_answered_at_the_start_sends_nothing() -> None:
    unreachable = [f"1/table-read#{nth}=unreachable" for nth in range(1, 20)]
    simulation = run(*unreachable, spare=True)
    stopped(simulation, CheckpointUnavailableError)
    assert places(simulation, "table-read") < 10
    assert places(simulation, "produce") == 0
    once(simulation)


@pytest.mark.parametrize("first", [1, 2])
def test_f72_a_table_that_takes_no_write_at_the_start_sends_nothing(first: int) -> None:
    throttled = [f"1/table-write#{nth}=throttle" for nth in range(first, 400)]
    simulation = run(*throttled, spare=True)
    assert isinstance(simulation.lives[0].error, CheckpointUnavailableError)
    assert places(simulation, "produce") == 0
    once(simulation)


def test_f73_a_table_out_of_reach_for_too_long_stops_the_run() -> None:
    throttled = [f"1/table-write#{nth}=throttle" for nth in range(5, 60)]
    simulation = run("1/produce#2=slow", *throttled, spare=True)
    assert isinstance(simulation.lives[0].error, CheckpointError)
    once(simulation)


@pytest.mark.parametrize("point", ["batch-sent#2", "checkpoint-begins#3", "all-acknowledged#1"])
def test_f75_a_deleted_item_is_not_made_again(point: str) -> None:
    simulation = run(hooks={f"1/{point}": lambda world: world.table.items.clear()}, max_lives=1)
    assert type(simulation.lives[0].error) is ItemLostError
    assert JOB_ID not in simulation.table.items


# -- the source ------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["identify#1", "source-read#1", "source-read#6"])
def test_f82_a_source_that_stays_away_stops_the_run(point: str) -> None:
    simulation = run(f"1/{point}=unavailable")
    stopped(simulation, SourceReadError)
    once(simulation)


def test_f84_an_object_overwritten_while_running_stops_the_run_before_it_is_mixed() -> None:
    simulation = run("1/source-read#9=changed", max_lives=1)
    stopped(simulation, SourceChangedError)
    item = simulation.table.items[JOB_ID]
    assert 0 < sum(header.record_count for header in headers(simulation)) < ROWS
    assert item["last_line"] == sum(header.record_count for header in headers(simulation))


def test_all_of_this_is_judged_by_what_can_say_no() -> None:
    """A log with one row cut out, and another repeated, is not called clean."""
    simulation = run()
    assert judge(simulation) == []
    log = simulation.kafka.log(simulation.lanes[0])
    log.remove_batch(headers(simulation)[3].base_kafka_offset)
    assert "lost-row" in " ".join(judge(simulation))
