"""The log loses acknowledged rows: cut on disk while the broker is down."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kafka import KafkaProducer

from csvkafka.local.base import Stack
from csvkafka.model import Step
from csvkafka.testing.judging.recovery_case import RecoveryCase
from tests.recovery.broker_log import BrokerOnDisk, cut_log

NewCase = Callable[..., RecoveryCase]


@pytest.fixture
def broker(harmed_stack: Stack) -> BrokerOnDisk:
    return harmed_stack.brokers[0]


def checkpointed_offset(case: RecoveryCase) -> int:
    """The Kafka offset after the last row that the checkpoint covers."""
    offset: int = (case.item() or {})["partitions"][f"{case.topic}/0"][1]
    return offset


def killed_midway(recovery_case: NewCase, stack: Stack) -> RecoveryCase:
    """The checkpoint covers some rows, the topic holds more."""
    case = recovery_case(stack=stack)
    case.kill_at(Step.CHECKPOINT_STORED)
    case.kill_at(Step.BATCH_ACKNOWLEDGED, nth=8)
    case.assert_midway()
    assert 0 < checkpointed_offset(case) < case.view.record_count()
    return case


def test_f54_f55_log_cut_below_the_checkpoint(
    recovery_case: NewCase, harmed_stack: Stack, broker: BrokerOnDisk
) -> None:
    case = killed_midway(recovery_case, harmed_stack)
    broker.kill()
    end = cut_log(broker, case.topic, checkpointed_offset(case) - 1)
    broker.start()
    assert case.view.record_count() == end < checkpointed_offset(case)
    case.refused("TopicTruncated")
    producer = KafkaProducer(bootstrap_servers=harmed_stack.bootstrap_servers)
    while case.view.record_count() <= checkpointed_offset(case) + 5:
        producer.send(case.topic, b"of another writer").get(10)
    producer.close()
    case.refused("TopicTruncated")


def test_f56_acknowledged_rows_cut_none_of_them_below_the_checkpoint(
    recovery_case: NewCase, harmed_stack: Stack, broker: BrokerOnDisk
) -> None:
    case = killed_midway(recovery_case, harmed_stack)
    before = case.view.record_count()
    broker.kill()
    end = cut_log(broker, case.topic, before - 1)
    broker.start()
    assert checkpointed_offset(case) <= case.view.record_count() == end < before
    case.run()
    case.assert_once()


def test_f57_rows_above_the_checkpoint_cut_while_running(
    recovery_case: NewCase, harmed_stack: Stack, broker: BrokerOnDisk
) -> None:
    never = {"CHECKPOINT_INTERVAL": "1000000"}
    case = recovery_case(stack=harmed_stack, settings=never)
    worker = case.start()
    worker.wait_for_step(Step.BATCH_ACKNOWLEDGED, from_rows=case.row_count // 2)
    broker.kill()
    case.assert_unfinished(worker)
    assert cut_log(broker, case.topic, case.row_count // 4) > 0
    broker.start()
    case.ends(worker)
    assert worker.steps(Step.RESTARTED)
    case.assert_once()


def test_f57_rows_below_the_checkpoint_cut_while_running(
    recovery_case: NewCase, harmed_stack: Stack, broker: BrokerOnDisk
) -> None:
    case = recovery_case(stack=harmed_stack)
    worker = case.start()
    worker.wait_for_step(Step.CHECKPOINT_STORED)
    broker.kill()
    case.assert_unfinished(worker)
    assert cut_log(broker, case.topic, 1) == 0
    broker.start()
    case.ends(worker, 1)
    case.assert_error(worker, "TopicTruncated")
    item = case.item() or {}
    assert 0 < item["last_line"] <= worker.steps(Step.BLOCK_ACKNOWLEDGED)[-1].reached
    assert item["status"] == "IN_PROGRESS"
    assert "lease_owner" not in item
