"""Bugs of the item and of what is compared before a run: owners, definitions, signals."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from csvkafka.job import beginning as job
from csvkafka.kafka.tail import TailReader
from csvkafka.ledger.item import StoredJob, lane_name
from csvkafka.ledger.ledger import JobLedger
from csvkafka.model import Checkpoint, LaneProgress, LaneTail
from csvkafka.testing.processes import worker

from . import patch, replace


@patch("no-token-in-the-condition")
def no_token_in_the_condition() -> None:
    replace(JobLedger, "_mine", lambda _: {})


@patch("B28")
def partition_from_live_metadata() -> None:
    define = job.define

    def define_now(spec: Any, source: Any, names: Any, facts: Any, _: int) -> Any:
        return define(spec, source, names, facts, facts[spec.topic].partition_count)

    def checkpoint_for(self: StoredJob, lanes: Any) -> Checkpoint:
        progress = tuple(self.lanes.get(lane_name(lane), LaneProgress(0, 0)) for lane in lanes)
        return Checkpoint(self.position, self.total_sent, progress, self.checkpoint_number)

    replace(job, "define", define_now)
    replace(job, "check_same_job", lambda *_: [])
    replace(StoredJob, "checkpoint_for", checkpoint_for)


@patch("B14")
def a_replaced_object_is_gone_on_with() -> None:
    replace(job, "check_same_job", lambda *_: [])


@patch("B26")
def a_compacted_topic_is_taken() -> None:
    check = job.check_topic

    def check_as_if_deleting(topic: str, facts: Any) -> Any:
        config = {**facts.config, "cleanup.policy": "delete"}
        return check(topic, dataclasses.replace(facts, config=config))

    replace(job, "check_topic", check_as_if_deleting)


@patch("B12")
def the_tail_ends_at_the_last_stable_offset() -> None:
    from kafka import KafkaConsumer, TopicPartition

    read_tail = TailReader.read_tail

    def read_committed(self: Any, kafka_offset: int) -> LaneTail:
        consumer = KafkaConsumer(
            bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"].split(","),
            isolation_level="read_committed",
        )
        place = TopicPartition(self._lane.topic, self._lane.partition)
        stable = consumer.end_offsets([place])[place]
        consumer.close()
        self._end_offset = lambda _: stable
        return read_tail(self, kafka_offset)

    replace(TailReader, "read_tail", read_committed)


@patch("B24")
def signals_are_not_handled() -> None:
    class NoSignals:
        def __enter__(self) -> NoSignals:
            return self

        def __exit__(self, *_: object) -> None: ...

        def requested(self) -> int | None:
            return None

    replace(worker, "StopSignals", NoSignals)
