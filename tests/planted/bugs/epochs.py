"""Bugs of the epochs that a job begins where a broker has forgotten it."""

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from csvkafka.job import recovery, tails
from csvkafka.job.tails import Found, Tails
from csvkafka.model import LaneEpoch

from . import patch, replace


@patch("new-epoch-without-rescan")
def new_epoch_without_rescan() -> None:
    def find(self: Any, refused: Any = None) -> Found:
        while True:
            found: Found = self._scan()
            forgotten = self._forgotten(found.ends, refused)
            if not forgotten:
                return found
            self._begin_epochs(found, forgotten)

    replace(Tails, "find", find)


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

    def find(self: Any, refused: Any = None) -> Found:
        found: Found = self._scan()
        forgotten = self._forgotten(found.ends, refused)
        if not forgotten or self._scan().ends != found.ends:
            return found
        begun = tails.with_new_epochs(self._lanes, found.start.lanes, found.ends, forgotten)
        ends = tuple(
            changed(end, epochs=lane.epochs) for end, lane in zip(found.ends, begun, strict=True)
        )
        return Found(changed(found.start, lanes=begun), ends, found.read_to)

    replace(Tails, "find", find)


@patch("former-epoch-counted-twice")
def former_epoch_counted_twice() -> None:
    to_the_end = recovery._Walk.to_the_end

    def count_again(self: Any) -> None:
        to_the_end(self)
        present = self.epochs[-1].epoch
        self.next_row += sum(b.record_count for b in self.batches if b.producer_epoch < present)

    replace(recovery._Walk, "to_the_end", count_again)
