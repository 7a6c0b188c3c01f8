"""The topic is missing, deleted, changed, partly deleted, or written by others too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from signal import SIGTERM

import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from csvkafka.config.load_config import kafka_settings
from csvkafka.kafka.sink import KafkaSink
from csvkafka.local.base import Stack
from csvkafka.model import Lane, OutcomeKind, ProducerIdentity, Step
from csvkafka.testing.checker.topic_reader import TopicReader
from csvkafka.testing.faults.crash_point import CrashPoint
from csvkafka.testing.inputs.csv_files import CsvSpec
from csvkafka.testing.judging.recovery_case import RecoveryCase
from tests.integration.kafka_rows import LaneWriter, connected, send_until_answered

NewCase = Callable[..., RecoveryCase]


@pytest.fixture
def admin(stack: Stack) -> Iterator[KafkaAdminClient]:
    client = stack.admin_client()
    yield client
    client.close()


def killed_midway(recovery_case: NewCase, **options: object) -> RecoveryCase:
    case = recovery_case(**options)
    case.kill_at(Step.CHECKPOINT_STORED)
    case.kill_at(Step.BATCH_ACKNOWLEDGED, nth=3)
    case.assert_midway()
    return case


def lines_in_topic(case: RecoveryCase) -> list[int]:
    """The source lines of the topic's records, in the log's order."""
    with TopicReader(kafka_settings(case.stack.environment()), case.topic) as reader:
        return [json.loads(record.value or b"")["_source_line"] for record in reader.read(0)]


def set_config(admin: KafkaAdminClient, topic: str, **settings: str) -> None:
    """Changes settings of the topic; `_` in a name stands for `.`."""
    configs = {name.replace("_", "."): value for name, value in settings.items()}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])


def delete_topic(admin: KafkaAdminClient, case: RecoveryCase) -> None:
    admin.delete_topics([case.topic])
    case.view.wait_for(lambda _: case.topic not in admin.list_topics(), "the topic's end")


@pytest.mark.parametrize(
    "settings", [{"KAFKA_TOPIC": "no-such-topic"}, {"KAFKA_PARTITION": "7"}], ids=str
)
def test_f50_topic_or_partition_missing(
    recovery_case: NewCase, admin: KafkaAdminClient, settings: dict[str, str]
) -> None:
    case = recovery_case()
    case.refused("Config", settings=settings)
    assert case.item() is None
    assert "no-such-topic" not in admin.list_topics()
    case.run()
    case.assert_once()


def test_f51_topic_deleted_while_running(recovery_case: NewCase, admin: KafkaAdminClient) -> None:
    case = recovery_case(settings={"WATCHDOG_SECONDS": "2"})
    worker = case.start_paused_at(Step.BATCH_ACKNOWLEDGED, nth=20)
    case.assert_midway()
    delete_topic(admin, case)
    worker.resume()
    case.ends(worker, 1)
    case.assert_error(worker, "Delivery")
    item = case.item() or {}
    assert item["status"] == "IN_PROGRESS"
    assert "lease_owner" not in item
    again = case.run(exit_code=1)
    case.assert_error(again, "Config")
    assert case.topic not in admin.list_topics()
    case.stack.create_topic(case.topic)  # else who watches it asks on for a minute


def test_f52_topic_deleted_and_created_again_while_down(
    recovery_case: NewCase, admin: KafkaAdminClient
) -> None:
    case = killed_midway(recovery_case)
    delete_topic(admin, case)
    case.stack.create_topic(case.topic)
    case.view.wait_for(lambda view: view.record_count() == 0, "an empty topic")
    case.refused("TopicChanged")


def test_f52_another_cluster_with_the_same_topic(
    recovery_case: NewCase, harmed_stack: Stack
) -> None:
    case = killed_midway(recovery_case)
    harmed_stack.create_topic(case.topic)
    elsewhere = {"KAFKA_BOOTSTRAP_SERVERS": harmed_stack.bootstrap_servers}
    case.refused("TopicChanged", settings=elsewhere)
    case.run()
    case.assert_once()


def test_f53_topic_deleted_and_created_again_while_running(
    recovery_case: NewCase, admin: KafkaAdminClient
) -> None:
    case = recovery_case()
    worker = case.start_paused_at(Step.BATCH_ACKNOWLEDGED, nth=20)
    case.assert_midway()
    reached = worker.steps()[-1].reached
    delete_topic(admin, case)
    case.stack.create_topic(case.topic)
    worker.resume()
    case.ends(worker, 1)
    case.assert_error(worker, "TopicChanged")
    item = case.item() or {}
    # Batches already on their way when the topic went may still have been answered by the old one.
    assert 0 < item["last_line"] <= reached + 5 * 200
    assert "lease_owner" not in item


def test_f58_records_deleted_past_the_checkpoint(
    recovery_case: NewCase, admin: KafkaAdminClient
) -> None:
    case = killed_midway(recovery_case)
    covered, there = case.view.last_line(), case.view.record_count()
    admin.delete_records({TopicPartition(case.topic, 0): (covered + there) // 2})
    case.run()
    lines = lines_in_topic(case)
    assert covered < lines[0] <= there
    assert lines == list(range(lines[0], case.row_count + 1))
    item = case.item() or {}
    assert (item["status"], item["last_line"]) == ("COMPLETED", case.row_count)


def test_f59_no_record_remains_and_nothing_was_sent_after_the_checkpoint(
    recovery_case: NewCase, admin: KafkaAdminClient
) -> None:
    case = recovery_case()
    worker = case.start(CrashPoint(Step.BATCH_ACKNOWLEDGED, nth=20, signal=SIGTERM))
    case.ends(worker, 143)
    case.assert_midway()
    covered = case.view.last_line()
    assert covered == case.view.record_count()
    producer = KafkaProducer(bootstrap_servers=case.stack.bootstrap_servers)
    producer.send(case.topic, b"of another writer", partition=0).get(10)
    producer.close()
    admin.delete_records({TopicPartition(case.topic, 0): covered + 1})
    case.refused("TailDeleted")
    case.run(settings={"ACCEPT_DELETED_TAIL": "true"})
    assert lines_in_topic(case) == list(range(covered + 1, case.row_count + 1))


def test_f59_the_broker_remembers_what_the_operator_forgot(
    recovery_case: NewCase, admin: KafkaAdminClient
) -> None:
    case = killed_midway(recovery_case)
    assert case.view.last_line() < case.view.record_count()
    admin.delete_records({TopicPartition(case.topic, 0): case.view.record_count()})
    worker = case.run(exit_code=1, settings={"ACCEPT_DELETED_TAIL": "true"})
    case.assert_error(worker, "Sequence")
    assert lines_in_topic(case) == []


def test_f62_partitions_added_while_down_and_while_running(
    recovery_case: NewCase, admin: KafkaAdminClient
) -> None:
    case = killed_midway(recovery_case, partitions=3, settings={"KEY_COLUMN": "key"})
    admin.create_partitions({case.topic: 5})
    worker = case.start_paused_at(Step.BATCH_ACKNOWLEDGED, nth=3)
    admin.create_partitions({case.topic: 7})
    worker.resume()
    case.ends(worker)
    assert "has 5 partitions now" in worker.output()
    case.assert_once()


def test_f63_other_writers_in_the_same_partition(recovery_case: NewCase, stack: Stack) -> None:
    case = recovery_case(exclusive=False)
    servers = stack.bootstrap_servers
    plain = KafkaProducer(bootstrap_servers=servers, enable_idempotence=False)
    idempotent = KafkaProducer(bootstrap_servers=servers, enable_idempotence=True)
    aborting, open_one = (
        KafkaProducer(bootstrap_servers=servers, transactional_id=f"{case.topic}-{number}")
        for number in (1, 2)
    )
    everyone = (plain, idempotent, aborting, open_one)

    def write(count: int) -> None:
        for producer in everyone:
            for _ in range(count):
                producer.send(case.topic, b"of another writer", partition=0)
            producer.flush()

    for producer in (aborting, open_one):
        producer.init_transactions()
        producer.begin_transaction()
    write(3)
    case.kill_at(Step.CHECKPOINT_STORED)
    write(50)
    aborting.abort_transaction()
    aborting.begin_transaction()
    case.kill_at(Step.BATCH_ACKNOWLEDGED, nth=8)
    write(3)
    aborting.abort_transaction()
    case.run()
    open_one.abort_transaction()
    for producer in everyone:
        producer.close()
    case.assert_once()
    assert case.verdict().foreign_count == 4 * 56


def test_f64_max_message_bytes_lowered_while_running(
    recovery_case: NewCase, admin: KafkaAdminClient
) -> None:
    case = recovery_case(settings={"KAFKA_COMPRESSION_TYPE": "none"})
    worker = case.start_paused_at(Step.CHECKPOINT_STORED)
    case.assert_midway()
    set_config(admin, case.topic, max_message_bytes="2000")
    worker.resume()
    case.ends(worker, 1)
    assert "max.message.bytes" in worker.output()
    case.assert_stopped(worker, "Config")
    set_config(admin, case.topic, max_message_bytes="1048588")
    case.run()
    case.assert_once()


def test_f64_batches_become_smaller_when_the_topic_takes_no_larger_ones(
    recovery_case: NewCase, admin: KafkaAdminClient
) -> None:
    """Their rows keep their numbers, whatever batch carries them, and whoever dies meanwhile."""
    spec = CsvSpec(row_count=4_000, column_count=16)
    settings = {"KAFKA_COMPRESSION_TYPE": "none"}
    case = recovery_case(spec, block_bytes=64_000, settings=settings)
    worker = case.start_paused_at(Step.BATCH_ACKNOWLEDGED)
    case.assert_midway()
    set_config(admin, case.topic, max_message_bytes="20000")
    worker.resume()
    case.ends(worker)
    assert "from now on a batch has at most" in worker.output()
    case.assert_once()


def test_f66_topic_settings_changed_while_down(
    recovery_case: NewCase, admin: KafkaAdminClient
) -> None:
    case = killed_midway(recovery_case)
    set_config(admin, case.topic, cleanup_policy="compact")
    case.refused("Config")
    set_config(admin, case.topic, cleanup_policy="delete", unclean_leader_election_enable="true")
    worker = case.run()
    assert "unclean.leader.election.enable=true" in worker.output()
    case.assert_once()


def test_f68_sequence_numbers_start_over(
    recovery_case: NewCase, stack: Stack, admin: KafkaAdminClient
) -> None:
    """As if the job had sent some two billion rows, of which retention has left none."""
    case = recovery_case(CsvSpec(row_count=2_000), block_bytes=2_000)
    producer = KafkaProducer(bootstrap_servers=stack.bootstrap_servers)
    producer.send(case.topic, b"of another writer", partition=0).get(10)
    producer.close()
    case.kill_at(Step.IDENTITY_STORED)
    with connected(stack.bootstrap_servers) as client:
        identity = ProducerIdentity((case.item() or {})["producer_id"], 0)
        sink = KafkaSink(client, [Lane(case.topic, 0)], {})
        last = LaneWriter(identity).batch(FIRST_SEQUENCE - 1, 1)
        (outcome,) = send_until_answered(sink, [last])
    assert (outcome.kind, outcome.base_kafka_offset) == (OutcomeKind.APPENDED, 1)
    admin.delete_records({TopicPartition(case.topic, 0): 2})
    case.change_item({"partitions": {"M": {f"{case.topic}/0": near_the_limit()}}})
    case.kill_at(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 2)
    assert 2 < case.view.record_count() < case.row_count
    case.run()
    case.assert_once()
    lane = (case.item() or {})["partitions"][f"{case.topic}/0"]
    assert lane == [FIRST_SEQUENCE + case.row_count, case.row_count + 2]


FIRST_SEQUENCE = 2**31 - 1_000


def near_the_limit() -> dict[str, object]:
    """A lane's progress [next sequence, next Kafka offset] as DynamoDB stores it."""
    return {"L": [{"N": str(FIRST_SEQUENCE)}, {"N": "2"}]}
