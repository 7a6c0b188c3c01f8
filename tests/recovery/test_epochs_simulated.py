"""Brokers that have forgotten the job's producer id, on the simulator: each rule of each
release."""

from __future__ import annotations

from typing import Any

import pytest

from csvkafka.errors import (
    EpochBaseError,
    EpochNotEnforcedError,
    EpochOrderError,
    EpochsUsedUpError,
    RepeatedRowsError,
)
from csvkafka.interfaces import Item
from csvkafka.limits import LAST_EPOCH
from csvkafka.model import EncodedBatch, ProducerIdentity
from csvkafka.records.record_batch import frame_records, seal
from csvkafka.testing.simulator.life import JOB_ID
from csvkafka.testing.simulator.partition_log import BROKERS
from csvkafka.testing.simulator.simulation import Simulation
from csvkafka.testing.simulator.simulation_judge import late_rows
from tests.recovery.simulated import (
    ROWS,
    Hook,
    cut_at,
    headers,
    lag,
    on_each_broker,
    once,
    places,
    refused,
    run,
    stopped,
)

__all__ = ["on_each_broker"]

DIES = "1/produce#4=crash"
"""Five rows are in the topic; three batches of 13 rows are lost."""

DIES_HELD = "1/produce#4=crash-held"
"""So too, but they arrive where it is said."""

FORGOTTEN = "2/run-begins#1=forget"


def begins_epochs(broker: str) -> bool:
    """A job learns that these servers have forgotten it."""
    return BROKERS[broker].tells_producers or not BROKERS[broker].any_first_number


def takes_late_batches(broker: str) -> bool:
    """Servers that tell, and take any number from a producer that they have forgotten."""
    return BROKERS[broker].tells_producers and BROKERS[broker].any_first_number


def epochs(simulation: Simulation, lane: int = 0) -> list[int]:
    """The epochs in the lane's log, in their order."""
    found = [header.producer_epoch for header in headers(simulation, lane)]
    return [epoch for number, epoch in enumerate(found) if epoch not in found[:number]]


def stored_lane(simulation: Simulation, lane: int = 0) -> list[Any]:
    partitions: Any = simulation.table.items[JOB_ID]["partitions"]
    return list(partitions[f"rows/{lane}"])


@pytest.mark.parametrize("at", ["2/run-begins#1", "2/tail-scan-begins#1", "2/tail-scanned#1"])
def test_f95_a_forgotten_job_goes_on(on_each_broker: str, at: str) -> None:
    simulation = run(DIES, f"{at}=forget")
    once(simulation)
    assert epochs(simulation) == ([0, 1] if begins_epochs(on_each_broker) else [0])
    assert simulation.table.items[JOB_ID]["schema_version"] == 1 + begins_epochs(on_each_broker)


def test_f95_a_leader_that_forgets_while_the_worker_sends(on_each_broker: str) -> None:
    """Nobody asks in the middle of a load: only a leader that refuses makes a new epoch."""
    simulation = run("1/batch-acknowledged#3=forget")
    lag(simulation)
    refuses = not BROKERS[on_each_broker].any_first_number
    assert epochs(simulation) == ([0, 1] if refuses else [0])
    assert (places(simulation, "restarted") > 0) == refuses


@pytest.mark.parametrize(
    "at", ["2/batch-acknowledged#1", "2/batch-acknowledged#3", "2/completed#1"]
)
def test_f96_a_zombies_batches_are_refused_after_the_new_epochs_first(at: str) -> None:
    once(run(DIES_HELD, FORGOTTEN, f"{at}=release"))


@pytest.mark.parametrize("at", ["2/tail-scan-begins#1", "2/tail-read#1", "2/tail-scanned#1"])
def test_f96_a_zombies_batches_before_the_question_are_rows_like_others(
    on_each_broker: str, at: str
) -> None:
    """What is taken before a leader is asked makes it know us; what is taken after the tail was
    read is read then."""
    simulation = run(DIES_HELD, FORGOTTEN, f"{at}=release")
    once(simulation)
    if takes_late_batches(on_each_broker):
        assert epochs(simulation) == [0]
        assert places(simulation, "epoch-stored", life=2) == 0


def test_f96_a_zombies_batches_after_the_answer_are_read_and_the_leader_asked_again(
    on_each_broker: str,
) -> None:
    tells = BROKERS[on_each_broker].tells_producers
    simulation = run(DIES_HELD, FORGOTTEN, *(["2/producers-told#1=release"] if tells else []))
    once(simulation)
    if takes_late_batches(on_each_broker):
        assert epochs(simulation) == [0]
        assert places(simulation, "producers-told", life=2) == 2


@pytest.mark.parametrize(
    ("at", "says"),
    [
        ("2/epoch-begins#1", "and would hold them twice"),
        ("2/epoch-stored#1", "and would hold them twice"),
        ("2/source-opened#1", "of this job twice"),
    ],
)
def test_f97_a_late_batch_before_the_new_epochs_first_is_named(
    on_each_broker: str, at: str, says: str
) -> None:
    if not begins_epochs(on_each_broker):
        once(run(DIES_HELD, FORGOTTEN))
        return
    simulation = run(DIES_HELD, FORGOTTEN, f"{at}=release")
    if not takes_late_batches(on_each_broker):
        once(simulation)
        return
    for life in (2, 3, 4):
        text = stopped(simulation, RepeatedRowsError, life)
        assert "partition 0 of topic rows holds rows number 5 to 9" in text
        assert says in text
        assert "Kafka offsets 5 to 9" in text
    assert places(simulation, "produce", life=3) == places(simulation, "produce", life=4) == 0


@pytest.mark.parametrize("at", ["2/batch-sent#1", "2/produce#1"])
def test_f97_a_late_batch_behind_the_new_epochs_first_is_refused(at: str) -> None:
    """It is on its way when the first batch is too."""
    simulation = run(DIES_HELD, FORGOTTEN, f"{at}=release", spare=True)
    late = list(late_rows(simulation.kafka.log(simulation.lanes[0])))
    if late:
        stopped(simulation, RepeatedRowsError, life=2)
    else:
        once(simulation)


@pytest.mark.parametrize(
    "dies",
    [
        *("2/epoch-begins#1=crash", "2/epoch-stored#1=crash", "2/source-opened#1=crash"),
        *("2/produce#1=crash", "2/produce#1=crash-applied", "2/produce#1=crash-late"),
        *("2/produce#1=crash-later", "2/batch-acknowledged#1=crash"),
    ],
)
def test_f98_killed_between_the_new_epoch_and_its_first_acknowledgement(
    on_each_broker: str, dies: str
) -> None:
    if not begins_epochs(on_each_broker):
        once(run(DIES, FORGOTTEN))
        return
    simulation = run(DIES, FORGOTTEN, dies)
    once(simulation, lives=3)
    assert epochs(simulation) == [0, 1]
    assert stored_lane(simulation)[2:] == [[0, 0], [1, 5]]


@pytest.mark.parametrize("action", ["reply-lost", "timeout-late", "timeout-applied", "throttle"])
def test_f98_the_write_of_the_new_epoch_fails_or_its_reply_is_lost(
    on_each_broker: str, action: str
) -> None:
    if not begins_epochs(on_each_broker):
        once(run(DIES, FORGOTTEN))
        return
    begun = run(DIES, FORGOTTEN)
    told = begun.trace[: begun.trace.index("2/epoch-begins#1")]
    nth = 1 + sum(place.startswith("2/table-write#") for place in told)
    simulation = run(DIES, FORGOTTEN, f"2/table-write#{nth}={action}")
    once(simulation)
    assert epochs(simulation) == [0, 1]


@pytest.mark.parametrize("nth", range(1, 10))
def test_f99_a_lane_whose_leader_knows_us_begins_no_epoch(nth: int) -> None:
    simulation = run(f"1/batch-acknowledged#{nth}=crash")
    once(simulation)
    assert epochs(simulation) == [0]
    assert simulation.table.items[JOB_ID]["schema_version"] == 1
    assert stored_lane(simulation) == [ROWS, ROWS]


def test_a_fresh_job_asks_no_leader() -> None:
    assert places(run(), "producers-told") == 0


@pytest.mark.parametrize(
    "at", ["3/batch-acknowledged#1", "3/batch-acknowledged#3", "3/completed#1"]
)
def test_f100_zombies_of_two_former_epochs_are_refused(on_each_broker: str, at: str) -> None:
    simulation = run(
        *(DIES_HELD, FORGOTTEN, "2/produce#3=crash-held", "3/run-begins#1=forget"),
        f"{at}=release",
    )
    once(simulation, lives=3)
    assert epochs(simulation) == ([0, 1, 2] if begins_epochs(on_each_broker) else [0])


def test_f100_a_former_epoch_after_a_later_one_is_refused(on_each_broker: str) -> None:
    """The leader forgets again, and takes a zombie of the first epoch before anyone looks."""
    if not begins_epochs(on_each_broker):
        return
    simulation = run(
        *(DIES_HELD, FORGOTTEN, "2/batch-acknowledged#1=crash", "3/run-begins#1=forget"),
        "3/tail-scan-begins#1=release",
    )
    if BROKERS[on_each_broker].any_first_number:
        stopped(simulation, EpochOrderError, life=3)
        assert places(simulation, "produce", life=3) == 0
    else:
        once(simulation, lives=3)


@pytest.mark.parametrize("action", ["forget", "restart"])
@pytest.mark.parametrize("at", ["3/run-begins#1", "3/tail-scanned#1", "3/batch-acknowledged#1"])
def test_f101_state_lost_again_after_a_new_epoch(action: str, at: str) -> None:
    once(run(DIES, FORGOTTEN, "2/batch-acknowledged#2=crash", f"{at}={action}"), lives=3)


APPLIED = ("1/produce#4=crash-applied", FORGOTTEN)
"""18 rows are in the topic, of which the first life has stored none."""


def test_f101_unstored_rows_of_the_new_epoch_lost_with_the_end_of_the_log() -> None:
    simulation = run(
        *(*APPLIED, "2/batch-acknowledged#1=crash"),
        hooks={"2/run-begins#1": forget_stored_progress, "3/run-begins#1": cut_at(lambda _: 18)},
    )
    once(simulation, lives=3)


@pytest.mark.parametrize("rows_left", [17, 9])
def test_f101_f104_rows_that_the_new_epoch_began_after_lost_with_the_end_of_the_log(
    on_each_broker: str, rows_left: int
) -> None:
    if not BROKERS[on_each_broker].tells_producers:
        return  # it learns of it only after it has stored a checkpoint of those rows
    simulation = run(
        *(*APPLIED, "2/epoch-stored#1=crash"),
        hooks={
            "2/run-begins#1": forget_stored_progress,
            "3/run-begins#1": cut_at(lambda _: rows_left),
        },
    )
    assert stored_lane(simulation) == [0, 0, [0, 0], [1, 18]]
    stopped(simulation, EpochBaseError, life=3)
    assert places(simulation, "produce", life=3) == 0


def test_f101_a_batch_that_was_stored_and_forgotten_and_sent_again_is_named() -> None:
    """Its answer was lost, and the leader forgot the producer id before it came again. It is the
    first of its epoch, so that any broker takes it."""
    simulation = run(
        "1/produce#1=reply-lost",
        hooks={"1/produce#2": lambda world: world.kafka.log(world.lanes[0]).forget_producers()},
        max_lives=2,
    )
    assert list(late_rows(simulation.kafka.log(simulation.lanes[0])))
    for life in (1, 2):
        text = stopped(simulation, RepeatedRowsError, life)
        assert "holds rows number 0 to 4 of this job twice" in text


def forget_stored_progress(simulation: Simulation) -> None:
    """As if the first life had stored no checkpoint."""
    item = simulation.table.items[JOB_ID]
    item.update(last_line=0, byte_offset=0, total_sent=0, partitions={"rows/0": [0, 0]})


def test_f102_only_the_lanes_that_were_forgotten_begin_an_epoch(on_each_broker: str) -> None:
    def forget_every_other(simulation: Simulation) -> None:
        for lane in simulation.lanes[::2]:
            simulation.kafka.log(lane).forget_producers()

    simulation = run(
        "1/batch-acknowledged#9=crash", lanes=8, hooks={"2/run-begins#1": forget_every_other}
    )
    once(simulation)
    before = {lane for lane in range(8) if 0 in epochs(simulation, lane)}
    later = {lane for lane in range(8) if 1 in epochs(simulation, lane)}
    assert len(before) == 3
    if begins_epochs(on_each_broker):
        assert later
        assert later <= set(range(0, 8, 2))
    else:
        assert not later


def test_f105_where_a_leader_does_not_tell_its_answer_decides(on_each_broker: str) -> None:
    simulation = run(DIES, FORGOTTEN)
    once(simulation)
    rules = BROKERS[on_each_broker]
    assert places(simulation, "restarted", life=2) == (
        not rules.tells_producers and not rules.any_first_number
    )


def test_f107_an_item_restored_from_a_backup_of_before_the_epoch(on_each_broker: str) -> None:
    backup: Item = {}

    def save(simulation: Simulation) -> None:
        backup.update(simulation.table.items[JOB_ID])

    def restore(simulation: Simulation) -> None:
        item = simulation.table.items[JOB_ID]
        assert item["last_line"] == backup["last_line"]
        item.update({name: backup[name] for name in ("partitions", "schema_version")})

    simulation = run(
        *(DIES, FORGOTTEN, "2/produce#1=crash-applied"),
        hooks={"2/lease-taken#1": save, "3/run-begins#1": restore},
    )
    once(simulation, lives=3)
    assert epochs(simulation) == ([0, 1] if begins_epochs(on_each_broker) else [0])


def test_f109_a_worker_that_stood_still_looks_at_the_topic_before_it_sends(
    on_each_broker: str,
) -> None:
    """Its lease ran out, nobody took it, and when it goes on the brokers have forgotten it."""
    throttled = [f"1/table-write#{nth}=throttle" for nth in range(5, 14)]
    forget: Hook = lambda world: world.forget_producers()  # noqa: E731
    simulation = run(
        *("1/produce#2=slow", *throttled), hooks={"1/sending-paused#1": forget}, spare=True
    )
    lag(simulation)
    assert places(simulation, "restarted") >= 1
    assert epochs(simulation) == ([0, 1] if begins_epochs(on_each_broker) else [0])


def copy_of_the_last_batch_comes(world: Simulation) -> None:
    """The leader has forgotten us, takes the copy, and knows us since."""
    log = world.kafka.log(world.lanes[0])
    log.forget_producers()
    assert log.append(log._entries[-1].data).appended


def test_f110_a_late_copy_between_the_scan_and_the_leaders_answer_is_found() -> None:
    """No epoch begins, and the next row follows in order. Only a look after the answer sees that
    the last rows are twice."""
    simulation = run(
        DIES,
        hooks={"2/tail-scanned#1": copy_of_the_last_batch_comes},
        max_lives=2,
        broker="2.8-4.4",
    )
    assert isinstance(simulation.lives[1].error, RepeatedRowsError)
    assert places(simulation, "produce", life=2) == 0


@pytest.mark.parametrize("at", ["2/tail-scanned#1", "2/source-opened#1"])
def test_f112_a_late_copy_before_the_first_batch_where_no_leader_tells_is_found(at: str) -> None:
    """The next row follows in order, but not where the lane was found to end."""
    simulation = run(DIES, hooks={at: copy_of_the_last_batch_comes}, max_lives=3, broker="2.5-2.7")
    for life in (2, 3):
        assert "holds rows number 0 to 4 of this job twice" in stopped(
            simulation, RepeatedRowsError, life
        )
    assert places(simulation, "produce", life=2) == 1
    assert places(simulation, "produce", life=3) == 0


@pytest.mark.parametrize("at", ["2/tail-scanned#1", "2/source-opened#1", "2/epoch-stored#1"])
def test_f112_other_writers_before_the_first_batch_are_looked_at_and_nothing_is_begun_anew(
    on_each_broker: str, at: str
) -> None:
    simulation = run(DIES, FORGOTTEN, f"{at}=foreign", spare=True)
    once(simulation)
    refuses = not (
        BROKERS[on_each_broker].tells_producers or BROKERS[on_each_broker].any_first_number
    )
    assert places(simulation, "restarted", life=2) == refuses


# -- bad input -------------------------------------------------------------------------------------


def test_f104_an_epoch_at_its_end_is_refused(on_each_broker: str) -> None:
    def at_its_end(simulation: Simulation) -> None:
        simulation.table.items[JOB_ID].update(
            partitions={"rows/0": [0, 0, [0, 0], [LAST_EPOCH, 0]]}, schema_version=2
        )

    simulation = run(DIES, FORGOTTEN, hooks={"1/identity-stored#1": at_its_end}, max_lives=4)
    if not begins_epochs(on_each_broker):
        once(simulation)
        return
    assert "its epoch 32767 is the last" in stopped(simulation, EpochsUsedUpError, life=2)
    assert sum(header.record_count for header in headers(simulation)) == 5


def test_f104_a_base_above_the_rows_is_refused() -> None:
    def raise_base(simulation: Simulation) -> None:
        item = simulation.table.items[JOB_ID]
        lane = stored_lane(simulation)
        item.update(partitions={"rows/0": [*lane, [0, 0], [1, ROWS + 1]]}, schema_version=2)

    refused(raise_base, EpochBaseError)


def written_by_a_zombie(*epochs_and_sequences: tuple[int, int]) -> Hook:
    """Puts batches of one row into the log that no broker should have taken."""

    def write(simulation: Simulation) -> None:
        producer_id = headers(simulation)[0].producer_id
        for epoch, sequence in epochs_and_sequences:
            batch = EncodedBatch(0, 1, 0, frame_records([b"a zombie's"]))
            identity = ProducerIdentity(producer_id, epoch)
            simulation.kafka.log(simulation.lanes[0]).replay(seal(batch, identity, sequence, 0))

    return write


def test_f104_epochs_in_the_wrong_order_are_refused() -> None:
    refused(written_by_a_zombie((1, 0), (0, 0)), EpochOrderError)


def test_f104_a_new_epoch_from_another_number_than_0_is_refused() -> None:
    refused(written_by_a_zombie((1, 3)), EpochNotEnforcedError)
