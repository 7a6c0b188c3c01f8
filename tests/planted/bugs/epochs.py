"""Bugs of the epochs that a job begins where a broker has forgotten it."""

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from csvkafka.job import recovery, tails
from csvkafka.job.tails import Tails
from csvkafka.model import LaneEpoch
from csvkafka.pipeline.progress import Found
from csvkafka.pipeline.sequencer import Sequencer

from . import patch, replace


@patch("new-epoch-without-rescan")
def new_epoch_without_rescan() -> None:
    def find(self: Any, lanes: Any, refused: Any) -> Found:
        while True:
            found: Found = self._scan(lanes)
            forgotten = _forgotten(self, lanes, found, refused)
            if not forgotten:
                return found
            self._begin_epochs(found, forgotten)

    replace(Tails, "_find", find)


def _forgotten(self: Any, lanes: Any, found: Found, refused: Any) -> tuple[int, ...]:
    named = None if refused is None else (refused.lane, refused.next_row)
    return tails.forgotten_lanes(found.ends, self._known(lanes, found.ends), named)


@patch("new-epoch-while-known")
def new_epoch_while_known() -> None:
    def all_lanes_with_rows(ends: Any, *_: Any) -> tuple[int, ...]:
        return tuple(i for i, end in enumerate(ends) if end.next_sequence > end.base_row)

    replace(tails, "forgotten_lanes", all_lanes_with_rows)


@patch("base-row-off-by-one")
def base_row_off_by_one() -> None:
    with_new_epochs = tails.with_new_epochs

    def one_more(lanes: Any, stored: Any, ends: Any, forgotten: Any) -> Any:
        begun = list(with_new_epochs(lanes, stored, ends, forgotten))
        for lane in forgotten:
            *before, last = begun[lane].epochs
            later = LaneEpoch(last.epoch, last.base_row + 1)
            begun[lane] = changed(begun[lane], epochs=(*before, later))
        return tuple(begun)

    replace(tails, "with_new_epochs", one_more)


@patch("epoch-stored-after-the-send")
def epoch_stored_after_the_send() -> None:
    """With the next checkpoint, that is."""

    def find(self: Any, lanes: Any, refused: Any) -> Found:
        found: Found = self._scan(lanes)
        forgotten = _forgotten(self, lanes, found, refused)
        if not forgotten or self._scan(lanes).ends != found.ends:
            return found
        begun = tails.with_new_epochs(self._lanes, found.start.lanes, found.ends, forgotten)
        ends = tuple(
            changed(end, epochs=lane.epochs) for end, lane in zip(found.ends, begun, strict=True)
        )
        return changed(found, start=changed(found.start, lanes=begun), ends=ends)

    replace(Tails, "_find", find)


@patch("rested-lane-not-looked-at")
def rested_lane_not_looked_at() -> None:
    def none(_: Any) -> list[int]:
        return []

    replace(Sequencer, "rested", none)


@patch("first-batch-not-read-before")
def first_batch_not_read_before() -> None:
    """Where no leader tells; that of a new epoch is."""

    def of_new_epochs(found: Found, _: Any) -> dict[int, int]:
        return {
            lane: kafka_offset
            for lane, kafka_offset in found.unread.items()
            if found.ends[lane].next_sequence == found.ends[lane].base_row > 0
        }

    replace(tails, "_unread", of_new_epochs)


@patch("former-epoch-counted-twice")
def former_epoch_counted_twice() -> None:
    to_the_end = recovery._Walk.to_the_end

    def count_again(self: Any) -> None:
        to_the_end(self)
        present = self.epochs[-1].epoch
        self.next_row += sum(b.record_count for b in self.batches if b.producer_epoch < present)

    replace(recovery._Walk, "to_the_end", count_again)
