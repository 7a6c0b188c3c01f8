"""Step 4 of a run: where each lane ends in the topic, and under which epoch it goes on.

Asks the cluster and writes the item; what the answers mean is decided by `recovery` and `epochs`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from csvkafka.errors import SequenceError
from csvkafka.job.epochs import forgotten_lanes, with_new_epochs
from csvkafka.job.parts import JobParts
from csvkafka.job.recovery import lanes_after_tails
from csvkafka.model import Checkpoint, Lane, LaneProgress, ProducerIdentity, Step
from csvkafka.pipeline.sequencer import ProducerForgotten

log = logging.getLogger(__name__)

LOOKS = 10
"""A new epoch takes two; each batch that a zombie gets in between takes one more."""


@dataclass(frozen=True, slots=True)
class Found:
    """`start` is the stored checkpoint, `ends` where the lanes really end; the partition of lane i
    was read up to Kafka offset `read_to[i]` for that."""

    start: Checkpoint
    ends: tuple[LaneProgress, ...]
    read_to: tuple[int, ...]

    @property
    def row_count(self) -> int:
        """How many rows after the checkpoint are in the topic."""
        return rows_in(self.ends) - rows_in(self.start.lanes)


def rows_in(lanes: Sequence[LaneProgress]) -> int:
    """The rows of all these lanes."""
    return sum(lane.next_sequence for lane in lanes)


def _tell_nobody(_: Step, **_facts: int) -> None:
    pass


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
        for _ in range(LOOKS):
            found = self._scan()
            known = self._known(found.ends)
            forgotten = forgotten_lanes(
                found.ends, known, None if refused is None else (refused.lane, refused.next_row)
            )
            if not forgotten:
                # A leader that had forgotten us may have taken a late batch of ours after the scan,
                # and know us since. From its answer on it refuses what is not next: so the end that
                # counts is the one that is read after the answer.
                return self._scan(once_more=True) if True in known else found
            # Something of ours may have been taken since the scan, before or after a leader
            # answered. If the lanes still end where they did, nothing was: so many rows are there,
            # and who had forgotten us still has. Else the leader may know us again: it is asked
            # again.
            again = self._scan()
            if again.ends == found.ends:
                self._begin_epochs(again, forgotten)
        raise SequenceError(
            f"{LOOKS} times a leader of this job's partitions did not know its producer id, and "
            "each time the topic or the item had changed: another program writes with this "
            "producer id or changes the item. Stop it, and run again."
        )

    def _scan(self, *, once_more: bool = False) -> Found:
        """Reads the item anew, and each lane's tail. `once_more`: the observer knows already."""
        report = self._parts.observer.report if not once_more else _tell_nobody
        self._tend_lease()
        stored = self._parts.ask_table(self._parts.ledger.read_mine)
        start = stored.checkpoint_for(self._lanes)
        report(Step.TAIL_SCAN_BEGINS, rows=start.position.row_count)
        tails = []
        for lane, progress in zip(self._lanes, start.lanes, strict=True):
            self._tend_lease()
            tails.append(self._parts.cluster.read_tail(lane, progress.next_kafka_offset))
        ends = lanes_after_tails(
            self._lanes,
            start.lanes,
            tails,
            self._identity,
            accept_deleted_tail=self._accept_deleted_tail,
        )
        found = Found(start, ends, tuple(tail.end_offset for tail in tails))
        report(Step.TAIL_SCANNED, rows=found.row_count)
        return found

    def _known(self, ends: Sequence[LaneProgress]) -> tuple[bool | None, ...]:
        """Whether each lane's leader knows us; None where it is not asked, as the lane has no row
        in its present epoch, or does not tell."""
        asked = [lane for lane, end in enumerate(ends) if end.next_sequence > end.base_row]
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
