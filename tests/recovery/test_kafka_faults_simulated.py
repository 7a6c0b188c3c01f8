"""Rows of the fault matrix on the simulator: brokers, network, and what befalls the topic."""

from __future__ import annotations

import pytest

from csvkafka.errors import (
    ConfigError,
    SequenceError,
    SinkRefusedError,
    SinkUnavailableError,
    TailDeletedError,
    TailGapError,
    TopicChangedError,
    TopicTruncatedError,
)
from csvkafka.limits import SEQUENCE_MODULUS
from csvkafka.model import EncodedBatch, ProducerIdentity
from csvkafka.records.record_batch import frame_records, seal
from csvkafka.testing.simulator.life import JOB_ID, TOPIC
from csvkafka.testing.simulator.partition_log import BROKERS, PartitionLog
from csvkafka.testing.simulator.simulation import Simulation
from csvkafka.testing.simulator.simulation_judge import judge
from tests.recovery.simulated import (
    ROWS,
    checkpointed_offset,
    cut_at,
    headers,
    lag,
    on_each_broker,
    once,
    places,
    progress,
    refused,
    run,
    stopped,
    write_with_next_epoch,
)

__all__ = ["on_each_broker"]

FIRST_SEQUENCE = SEQUENCE_MODULUS - ROWS // 2


# -- brokers and network ---------------------------------------------------------------------------


@pytest.mark.parametrize("first", [1, 2, 6])
def test_f33_refused_for_a_while_the_batches_go_again(first: int) -> None:
    simulation = run(*(f"1/produce#{nth}=refuse" for nth in range(first, first + 8)))
    lag(simulation)
    assert places(simulation, "restarted") == 0


@pytest.mark.parametrize("nth", [1, 2, 5, 9])
def test_f34_appended_yet_answered_with_an_error(nth: int) -> None:
    simulation = run(f"1/produce#{nth}=refuse-after")
    lag(simulation)
    assert places(simulation, "restarted") == 0


@pytest.mark.parametrize("action", ["refuse", "reset", "refuse-after", "reply-lost"])
def test_f35_f61_a_broker_without_state_of_our_id_gets_the_first_batch_alone(action: str) -> None:
    """Down for longer than the broker remembers; then the first batch fails."""
    simulation = run(
        "1/batch-acknowledged#4=crash", "2/tail-scan-begins#1=expire", f"2/produce#1={action}"
    )
    once(simulation)
    begun = simulation.trace.index("2/produce#1")
    answered = simulation.trace.index("2/batch-acknowledged#1")
    assert simulation.trace[begun:answered].count("2/produce#2") == 1
    assert "2/produce#3" not in simulation.trace[begun:answered]


def test_f36_the_first_of_five_is_refused_the_others_are_out_of_order() -> None:
    simulation = run("1/produce#2=refuse")
    lag(simulation)
    assert places(simulation, "restarted") == 0
    # Nine batches, one refused, and at least one that was behind it.
    assert places(simulation, "produce") > 10


@pytest.mark.parametrize("nth", [1, 3, 9])
def test_f37_out_of_order_of_the_lowest_batch_reads_the_topic_again(nth: int) -> None:
    simulation = run(f"1/produce#{nth}=out-of-order")
    lag(simulation)
    assert places(simulation, "tail-scanned") == 1 + places(simulation, "restarted") == 2


def test_f37_out_of_order_that_nothing_explains_stops_the_run() -> None:
    simulation = run(*(f"1/produce#{nth}=out-of-order" for nth in range(1, 5)))
    stopped(simulation, SequenceError)
    assert len(judge(simulation)) == 1  # the judge expects no such end of a life
    assert simulation.lives[-1].result is not None


def test_f38_an_epoch_that_is_not_ours_any_more_stops_the_run_and_no_new_id_is_taken(
    on_each_broker: str,
) -> None:
    if not BROKERS[on_each_broker].keeps_epochs:
        pytest.skip("a server without epochs does not refuse one")
    simulation = run(hooks={"1/batch-acknowledged#3": write_with_next_epoch}, max_lives=1)
    stopped(simulation, SequenceError)
    identities = {item.get("producer_id") for item in simulation.items} - {None}
    assert len(identities) == 1


def test_f39_a_slow_broker_is_waited_for() -> None:
    lag(run("1/produce#2=slow", "1/produce#6=slow"))


@pytest.mark.parametrize("action", ["reset", "reply-lost", "reset-late"])
@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("nth", [1, 2, 4, 6])
def test_f40_a_request_or_its_answer_is_lost(action: str, lanes: int, nth: int) -> None:
    lag(run(f"1/produce#{nth}={action}", lanes=lanes))


def test_f41_the_connection_is_reset_again_and_again() -> None:
    resets = [
        f"1/produce#{nth}={action}"
        for nth, action in enumerate(["reset", "reply-lost", "reset-late", "slow"] * 4, 1)
    ]
    lag(run(*resets))


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
def test_f44_no_broker_at_the_start_sends_nothing(nth: int) -> None:
    simulation = run(f"1/ask#{nth}=unavailable")
    stopped(simulation, SinkUnavailableError)
    assert places(simulation, "produce") == 0
    once(simulation)


@pytest.mark.parametrize("nth", [1, 4])
def test_f48_a_right_revoked_while_running_stops_the_run(nth: int) -> None:
    simulation = run(f"1/produce#{nth}=not-allowed")
    stopped(simulation, SinkRefusedError)
    once(simulation)


# -- the topic -------------------------------------------------------------------------------------


def create_again(simulation: Simulation) -> None:
    simulation.kafka.create_topic(TOPIC)


def delete_before(kafka_offset: int) -> Simulation:
    """Retention reaches to that offset while the job is down."""
    return run(
        "1/batch-acknowledged#6=crash",
        hooks={
            "2/run-begins#1": lambda world: world.kafka.log(world.lanes[0]).delete_before(
                kafka_offset
            )
        },
        max_lives=2,
    )


def test_f50_a_missing_topic_is_refused_and_not_created() -> None:
    def delete(simulation: Simulation) -> None:
        simulation.kafka.topics.clear()

    simulation = run(hooks={"1/run-begins#1": delete}, max_lives=3)
    for life in (1, 2, 3):
        stopped(simulation, ConfigError, life)
    assert simulation.kafka.topics == {}
    assert simulation.table.items == {}


def test_f52_a_topic_created_again_while_down_is_refused() -> None:
    simulation = refused(create_again, TopicChangedError)
    assert simulation.kafka.topics[TOPIC].logs[0].end_offset == 0


def test_f52_another_cluster_is_refused() -> None:
    refused(lambda world: setattr(world.kafka, "cluster_id", "another"), TopicChangedError)


def test_f53_a_topic_created_again_while_running_stops_the_run() -> None:
    simulation = run(hooks={"1/batch-acknowledged#3": create_again}, max_lives=3)
    for life in (1, 2, 3):
        stopped(simulation, TopicChangedError, life)
        assert progress(simulation, life) == progress(simulation, 1)
    assert simulation.kafka.topics[TOPIC].logs[0].end_offset == 0


def test_f54_a_log_cut_below_the_checkpoint_is_refused() -> None:
    refused(cut_at(lambda world: checkpointed_offset(world) - 1), TopicTruncatedError)


def test_f55_a_log_cut_below_the_checkpoint_and_written_by_others_is_refused() -> None:
    def cut_and_overgrown(simulation: Simulation) -> None:
        cut_at(lambda world: checkpointed_offset(world) - 1)(simulation)
        for _ in range(ROWS):
            simulation.write_foreign()

    refused(cut_and_overgrown, TopicTruncatedError)


def test_f56_acknowledged_rows_cut_after_the_checkpoint_are_sent_again() -> None:
    simulation = run(
        "1/batch-acknowledged#6=crash", hooks={"2/run-begins#1": cut_at(checkpointed_offset)}
    )
    once(simulation)


def test_f58_retention_past_the_checkpoint_leaves_what_remains_once() -> None:
    base = run("1/batch-acknowledged#6=crash", max_lives=1)
    first_left = headers(base)[-1].base_kafka_offset
    assert checkpointed_offset(base) < first_left
    simulation = delete_before(first_left)
    assert simulation.lives[-1].result is not None
    # What retention took is lost to the judge too, and no more.
    kinds = {violation.partition(" ")[0] for violation in judge(simulation)}
    assert kinds <= {"lost-row", "checkpoint-ahead"}
    log = simulation.kafka.log(simulation.lanes[0])
    offsets = [record.kafka_offset for record in log.records()]
    assert offsets == list(range(first_left, ROWS))


def test_f59_retention_that_leaves_nothing_of_ours_is_refused() -> None:
    def all_deleted(simulation: Simulation) -> None:
        simulation.write_foreign()
        log = simulation.kafka.log(simulation.lanes[0])
        log.delete_before(log.end_offset)

    refused(all_deleted, TailDeletedError)


def test_f60_a_batch_missing_inside_the_tail_is_refused() -> None:
    def remove(simulation: Simulation) -> None:
        offset = checkpointed_offset(simulation)
        assert headers(simulation)[-1].base_kafka_offset > offset
        simulation.kafka.log(simulation.lanes[0]).remove_batch(offset)

    refused(remove, TailGapError)


def test_f62_partitions_added_while_down_stay_empty() -> None:
    def add_partition(simulation: Simulation) -> None:
        simulation.kafka.topics[TOPIC].logs.append(PartitionLog())

    simulation = run(
        "1/batch-acknowledged#3=crash", lanes=2, hooks={"2/run-begins#1": add_partition}
    )
    once(simulation)
    assert simulation.kafka.topics[TOPIC].logs[2].end_offset == 0


@pytest.mark.parametrize(
    "point", ["item-created#1", "tail-scan-begins#1", "batch-sent#2", "batch-acknowledged#3"]
)
def test_f63_other_writers_records_are_left_alone(point: str) -> None:
    lag(run(f"1/{point}=foreign"))
    once(run(f"1/{point}=foreign", "1/batch-acknowledged#5=crash-late"))


@pytest.mark.parametrize("nth", range(1, 10))
def test_f68_the_sequence_number_starts_over(nth: int) -> None:
    def near_the_end(simulation: Simulation) -> None:
        """The job has sent some two billion rows, of which retention has left the last."""
        item = simulation.table.items[JOB_ID]
        item["partitions"] = {"rows/0": [FIRST_SEQUENCE, 1]}
        producer_id = item["producer_id"]
        assert isinstance(producer_id, int)
        last = EncodedBatch(0, 1, 0, frame_records([b"an earlier row"]))
        sealed = seal(last, ProducerIdentity(producer_id, 0), FIRST_SEQUENCE - 1, 0)
        simulation.kafka.log(simulation.lanes[0]).replay(sealed)

    simulation = run(f"1/produce#{nth}=crash-late", hooks={"1/identity-stored#1": near_the_end})
    once(simulation)
    numbers = [header.base_sequence for header in headers(simulation)]
    assert numbers[:2] == [FIRST_SEQUENCE - 1, FIRST_SEQUENCE]
    assert min(numbers) < ROWS
