"""Bugs of the loop: what is sent, by whom it is known, and what counts as done."""

from __future__ import annotations

import dataclasses
import random
import struct
from collections.abc import Callable
from typing import Any

from crc32c import crc32c

from csvkafka.encode import partitioning
from csvkafka.job import run as job
from csvkafka.job import tails
from csvkafka.kafka.sink import KafkaSink
from csvkafka.model import (
    EncodedBlock,
    LaneProgress,
)
from csvkafka.pipeline import sequencer
from csvkafka.pipeline.pipeline import Pipeline
from csvkafka.pipeline.progress import Progress
from csvkafka.pipeline.sequencer import Seal, Sequencer

from . import patch, replace

A_TIME_IN_THE_FILE_MS = 1_546_300_800_000


@patch("checkpoint-before-acknowledgement")
def checkpoint_before_acknowledgement() -> None:
    add = Progress.add

    def add_and_offer(self: Any, block: EncodedBlock) -> None:
        add(self, block)
        if self._pending:
            self._offer(self._pending[-1])

    def offer_later(self: Any, block: Any) -> None:
        if block.end.row_count > self._newest.position.row_count:
            offer(self, block)

    offer = Progress._offer
    replace(Progress, "add", add_and_offer)
    replace(Progress, "_offer", offer_later)


@patch("new-producer-id-on-resume")
def new_producer_id_on_resume() -> None:
    one_pass = job.Job._pass

    def with_a_new_id(self: Any, begun: Any, found: Any, identity: Any, tails: Any) -> Any:
        if begun.stored.identity is not None:
            identity = self._parts.cluster.new_producer_identity()
        return one_pass(self, begun, found, identity, tails)

    replace(job.Job, "_pass", with_a_new_id)


@patch("first-batch-not-alone")
def first_batch_not_alone() -> None:
    begin = sequencer._LaneQueue.__init__

    def begin_with_five(self: Any, next_sequence: int, heard_at: float) -> None:
        begin(self, next_sequence, heard_at)
        self.limit = sequencer.MAX_IN_FLIGHT

    replace(sequencer._LaneQueue, "__init__", begin_with_five)


def _sealing(change: Callable[[Seal], Seal]) -> None:
    begin = Sequencer.__init__

    def begin_with(self: Any, *arguments: Any) -> None:
        begin(self, *arguments)
        self._seal = change(self._seal)

    replace(Sequencer, "__init__", begin_with)


@patch("csv-time-as-timestamp")
def csv_time_as_timestamp() -> None:
    def change(seal: Seal) -> Seal:
        return lambda batch, identity, sequence, _: seal(
            batch, identity, sequence, A_TIME_IN_THE_FILE_MS
        )

    _sealing(change)


@patch("B33")
def idempotence_switched_off() -> None:
    def change(seal: Seal) -> Seal:
        def anonymous(*what: Any) -> bytes:
            # Producer id, epoch and base sequence become -1: a batch of no idempotent producer.
            data = bytearray(seal(*what))
            data[43:57] = b"\xff" * 14
            struct.pack_into(">I", data, 17, crc32c(bytes(data[21:])))
            return bytes(data)

        return anonymous

    _sealing(change)


@patch("B1")
def last_row_sent_again_after_a_resume() -> None:
    skip = vars(Progress)["skip"].fget

    def one_less(self: Any) -> tuple[int, ...]:
        return tuple(max(0, count - 1) for count in skip(self))

    replace(Progress, "skip", property(one_less))


@patch("B8")
def done_before_it_is_acknowledged() -> None:
    replace(Progress, "all_acknowledged", property(lambda _: True))


@patch("B9")
def checkpoint_passes_an_unacknowledged_row() -> None:
    acknowledge = Progress.acknowledge

    def complete_by_any_lane(self: Any, lane: int, *rest: int, **more: bool) -> int:
        pending = self._awaited[lane][0]
        # The block counts as soon as one of its partitions has answered.
        pending.outstanding = 1
        return acknowledge(self, lane, *rest, **more)

    replace(Progress, "acknowledge", complete_by_any_lane)


@patch("a-stalled-lane")
def only_lane_0_gets_through() -> None:
    """A fault, no bug: the leaders of all partitions but the first do not answer."""
    send = KafkaSink.send

    def send_to_lane_0(self: Any, batches: Any) -> None:
        send(self, [batch for batch in batches if batch.lane == 0])

    replace(KafkaSink, "send", send_to_lane_0)


@patch("B13")
def offsets_taken_for_row_numbers() -> None:
    def by_offsets(_: Any, stored: Any, read: Any, *__: Any, **___: Any) -> Any:
        return tuple(
            LaneProgress(
                progress.next_sequence + tail.end_offset - progress.next_kafka_offset,
                tail.end_offset,
            )
            for progress, tail in zip(stored, read, strict=True)
        )

    replace(tails, "lanes_after_tails", by_offsets)


@patch("B21")
def rows_dropped_when_the_queue_is_full() -> None:
    take = Pipeline._take_block

    def take_or_drop(self: Any) -> EncodedBlock | None:
        block = take(self)
        if block is not None and self._sequencer.unacknowledged_batches >= 4:
            none = tuple(0 for _ in block.rows_by_lane)
            block = dataclasses.replace(block, rows_by_lane=none, batches=())
        return block

    replace(Pipeline, "_take_block", take_or_drop)


@patch("B27")
def a_random_partition_for_each_row() -> None:
    replace(partitioning, "murmur2_lane", lambda _, lane_count: random.randrange(lane_count))
