"""Step 4 of a run: where each lane ends in the topic, and under which epoch it goes on.

Asks the cluster and writes the item; what the answers mean is decided by `recovery` and `epochs`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from csvkafka.errors import SequenceError
from csvkafka.job.epochs import forgotten_lanes, with_new_epochs
from csvkafka.job.parts import JobParts
from csvkafka.job.recovery import heard_ms, lanes_after_tails
from csvkafka.model import Lane, LaneProgress, LaneTail, ProducerIdentity, Step
from csvkafka.pipeline.progress import Found
from csvkafka.pipeline.sequencer import ProducerForgotten

log = logging.getLogger(__name__)

LOOKS = 10
"""The most looks. A new epoch takes two; each batch that a zombie gets in between takes one
more."""


def _tell_nobody(_: Step, **_facts: int) -> None:
    pass


def _unread(found: Found, known: Sequence[bool | None]) -> dict[int, int]:
    """Where something of ours may be taken before we send: where the leader did not say that it
    knows us, and so refuses what is not next. Of a lane without rows there is nothing to take, but
    in a later epoch of it what was sent in a former one."""
    return {
        lane: kafka_offset
        for lane, kafka_offset in found.unread.items()
        if known[lane] is not True
        and (found.ends[lane].next_sequence > 0 or len(found.ends[lane].epochs) > 1)
    }


class Tails:
    """Reads the ends of a job's lanes. `tend_lease` is called between two steps."""

    def __init__(
        self,
        parts: JobParts,
        lanes: tuple[Lane, ...],
        identity: ProducerIdentity,
        tend_lease: Callable[[], None],
        *,
        accept_deleted_tail: bool,
    ) -> None:
        self._parts = parts
        self._lanes = lanes
        self._identity = identity
        self._tend_lease = tend_lease
        self._accept_deleted_tail = accept_deleted_tail

    def find(self, refused: ProducerForgotten | None = None) -> Found:
        """The ends, after each lane whose leader has forgotten us has begun a new epoch. `refused`:
        the answer because of which we look again.

        Raises RecoveryError, CheckpointError; SequenceError if that does not come to an end."""
        return self._find(range(len(self._lanes)), refused)

    def look_at(self, lanes: Sequence[int]) -> Found:
        """As `find`, but for these lanes alone, in a run that goes on; the others are taken as
        stored."""
        return self._find(lanes, None)

    def _find(self, lanes: Sequence[int], refused: ProducerForgotten | None) -> Found:
        """See `find`."""
        for _ in range(LOOKS):
            found = self._scan(lanes)
            known = self._known(lanes, found.ends)
            forgotten = forgotten_lanes(
                found.ends, known, None if refused is None else (refused.lane, refused.next_row)
            )
            if not forgotten:
                # A leader that had forgotten us may have taken a late batch of ours after the scan,
                # and know us since. From its answer on it refuses what is not next: so the end that
                # counts is the one that is read after the answer.
                found = self._scan(lanes, once_more=True) if True in known else found
                return replace(found, unread=_unread(found, known))
            # Something of ours may have been taken since the scan, before or after a leader
            # answered. If the lanes still end where they did, nothing was: so many rows are there,
            # and who had forgotten us still has. Else the leader may know us again: it is asked
            # again.
            again = self._scan(lanes)
            if again.ends == found.ends:
                self._begin_epochs(again, forgotten)
        raise SequenceError(
            f"{LOOKS} times a leader of this job's partitions did not know its producer id, and "
            "each time the topic or the item had changed: another program writes with this "
            "producer id or changes the item. Stop it, and run again."
        )

    def _scan(self, lanes: Sequence[int], *, once_more: bool = False) -> Found:
        """Reads the item anew, and the tails of these lanes. `once_more`: the observer knows
        already. `unread` is what was not read: all from the end of each lane on."""
        all_lanes = len(lanes) == len(self._lanes)
        report = self._parts.observer.report if all_lanes and not once_more else _tell_nobody
        self._tend_lease()
        stored = self._parts.ask_table(
            lambda: self._parts.ledger.read_mine(before_all_lanes=all_lanes)
        )
        start = stored.checkpoint_for(self._lanes)
        report(Step.TAIL_SCAN_BEGINS, rows=start.position.row_count)
        tails: dict[int, LaneTail] = {}
        for lane in lanes:
            self._tend_lease()
            kafka_offset = start.lanes[lane].next_kafka_offset
            tails[lane] = self._parts.cluster.read_tail(self._lanes[lane], kafka_offset)
        ends = lanes_after_tails(
            [self._lanes[lane] for lane in lanes],
            [start.lanes[lane] for lane in lanes],
            list(tails.values()),
            self._identity,
            accept_deleted_tail=self._accept_deleted_tail or not all_lanes,
        )
        read = dict(zip(lanes, ends, strict=True))
        found = Found(
            start,
            tuple(read.get(lane, stored) for lane, stored in enumerate(start.lanes)),
            {lane: tail.end_offset for lane, tail in tails.items()},
            tuple(
                heard_ms(tails[lane], self._identity) if lane in tails else -1
                for lane in range(len(self._lanes))
            ),
        )
        report(Step.TAIL_SCANNED, rows=found.row_count)
        return found

    def _known(self, lanes: Sequence[int], ends: Sequence[LaneProgress]) -> tuple[bool | None, ...]:
        """Whether the leader of each of these lanes knows us; None where it is not asked, as the
        lane has no row in its present epoch, or does not tell."""
        asked = [lane for lane in lanes if ends[lane].next_sequence > ends[lane].base_row]
        if not asked:
            return (None,) * len(ends)
        self._tend_lease()
        answers = self._parts.cluster.knows_producer(
            [self._lanes[lane] for lane in asked], self._identity.producer_id
        )
        known = dict(zip(asked, answers, strict=True))
        return tuple(known.get(lane) for lane in range(len(ends)))

    def _begin_epochs(self, found: Found, forgotten: Sequence[int]) -> None:
        """Stores the new epochs of these lanes, in one write."""
        stored = found.start.lanes
        lanes = with_new_epochs(self._lanes, stored, found.ends, forgotten)
        self._parts.observer.report(Step.EPOCH_BEGINS, lanes=len(forgotten))
        changed = replace(found.start, lanes=lanes)
        self._parts.ask_table(
            lambda: self._parts.ledger.begin_epochs(found.start, changed, self._lanes)
        )
        self._parts.observer.report(Step.EPOCH_STORED, lanes=len(forgotten))
        for lane in forgotten:
            log.info(
                "Partition %d of topic %s has forgotten this job's producer id: it goes on with "
                "epoch %d, after %d records",
                self._lanes[lane].partition,
                self._lanes[lane].topic,
                lanes[lane].epoch,
                lanes[lane].base_row,
            )
