"""The acknowledged prefix: which blocks are in the topic, and the newest checkpoint that says so.

Pure. Blocks are added in file order, acknowledgements come in order inside each lane; a block
counts when it and every block before it is acknowledged, so a checkpoint never passes an
unacknowledged row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from csvkafka.errors import SequenceError
from csvkafka.model import Checkpoint, EncodedBlock, LaneProgress, Position


class RescanNeeded(Exception):
    """What the broker answered does not fit what we believe: the topic tails must be read again."""


class SmallerBatchesNeeded(RescanNeeded):
    """The broker refused a batch of `refused_bytes` for its size: the rows that it has not got must
    be cut into smaller ones."""

    def __init__(self, reason: str, refused_bytes: int) -> None:
        super().__init__(reason)
        self.refused_bytes = refused_bytes


class LeaseLapsed(RescanNeeded):
    """Our lease had run out, nobody took it, and we hold it again. But nobody knows how long we
    stood still, and the brokers may have forgotten us: only the topic tells what became of the
    batches that were on their way."""


class LaneRested(RescanNeeded):
    """No batch of the lane was acknowledged for so long that its leader may have forgotten us. Its
    next batch was sent before: only the topic tells what became of that."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was read back of the topic, and of the item before it: `start` is the stored checkpoint,
    `ends` where the lanes really end, never before `start`. `unread[lane]`: from this Kafka offset
    on, something of ours may stand before the lane's next batch that nobody has seen. `heard_ms` is
    the Unix time of each lane's last record of ours, -1 where that is not known."""

    start: Checkpoint
    ends: tuple[LaneProgress, ...]
    unread: Mapping[int, int]
    heard_ms: tuple[int, ...]

    @property
    def row_count(self) -> int:
        """How many rows after the checkpoint are in the topic."""
        return rows_in(self.ends) - rows_in(self.start.lanes)


def rows_in(lanes: Sequence[LaneProgress]) -> int:
    """The rows of all these lanes."""
    return sum(lane.next_sequence for lane in lanes)


class _PendingBlock:
    """A block on its way: how many of its batches are unacknowledged, and where lanes stand."""

    __slots__ = ("end", "kafka_offsets", "next_sequences", "outstanding")

    def __init__(self, end: Position, next_sequences: list[int], outstanding: int) -> None:
        self.end = end
        self.next_sequences = next_sequences
        self.outstanding = outstanding
        self.kafka_offsets: dict[int, int] = {}


class Progress:
    """Tracks blocks from hand-over to acknowledgement.

    A run goes on from the stored checkpoint `found.start`. While the blocks are still inside what
    the topic holds, no checkpoint is offered, because only a lane's end has a known Kafka offset.
    Memory: some hundred bytes for each block on its way."""

    def __init__(self, found: Found) -> None:
        self._start = start = found.start
        self._tails = tails = found.ends
        self._epochs = [tail.epochs for tail in tails]
        self._added = [lane.next_sequence for lane in start.lanes]
        self._acknowledged_to = [lane.next_kafka_offset for lane in tails]
        self._completed_to = self._acknowledged_to.copy()
        self._pending: deque[_PendingBlock] = deque()
        self._awaited: list[deque[_PendingBlock]] = [deque() for _ in tails]
        self._newest: Checkpoint = start
        self._unread = dict(found.unread)

    @property
    def skip(self) -> tuple[int, ...]:
        """Rows of each lane, from the start checkpoint on, that the topic already holds."""
        return tuple(
            tail.next_sequence - lane.next_sequence
            for tail, lane in zip(self._tails, self._start.lanes, strict=True)
        )

    @property
    def checkpoint(self) -> Checkpoint:
        """The newest point that may be stored (`number` is the start's: the store counts)."""
        return self._newest

    @property
    def uncounted(self) -> int:
        """How many records of ours the topic was found to hold behind that point."""
        lanes = zip(self._tails, self._newest.lanes, strict=True)
        return sum(max(0, tail.next_sequence - lane.next_sequence) for tail, lane in lanes)

    @property
    def all_acknowledged(self) -> bool:
        """No block is on its way."""
        return not self._pending

    def add(self, block: EncodedBlock) -> None:
        """The block is handed over; its batches will be acknowledged in order in each lane."""
        for lane, rows in enumerate(block.rows_by_lane):
            self._added[lane] += rows
        pending = _PendingBlock(block.end, self._added.copy(), len(block.batches))
        self._pending.append(pending)
        for batch in block.batches:
            self._awaited[batch.lane].append(pending)
        self._advance()

    def is_unread(self, lane: int, base_kafka_offset: int) -> bool:
        """Whether other records stand before the lane's first batch, at this offset, that nobody
        has looked at."""
        return base_kafka_offset > self._unread.get(lane, base_kafka_offset)

    def go_on(self, found: Found, lane: int) -> None:
        """The lane was read anew, while all its rows that were sent were acknowledged: it goes on
        as it was found, perhaps in a later epoch.

        Raises RescanNeeded if it ends before what was acknowledged."""
        end = found.ends[lane]
        if end.next_kafka_offset < self._acknowledged_to[lane]:
            raise RescanNeeded(
                f"lane {lane} was found to end at Kafka offset {end.next_kafka_offset}, but was "
                f"acknowledged up to {self._acknowledged_to[lane]}"
            )
        self._epochs[lane] = end.epochs
        lanes = zip(self._newest.lanes, self._epochs, strict=True)
        # What may be stored is older than the look, and must not take the lane back to its former
        # epoch.
        self._newest = replace(
            self._newest, lanes=tuple(replace(each, epochs=epochs) for each, epochs in lanes)
        )
        self._unread.pop(lane, None)
        if lane in found.unread:
            self._unread[lane] = found.unread[lane]

    def acknowledge(
        self, lane: int, base_kafka_offset: int, record_count: int, *, sent_again: bool = False
    ) -> int:
        """The lane's lowest unacknowledged batch is in the topic; returns how many blocks that
        completed.

        Raises RescanNeeded if the offset is unknown (-1) or does not rise: then only the topic
        itself can tell where the lane ends. So too if other records stand before a batch, where
        nobody has looked (`is_unread`) or before one that was `sent_again`: a broker that has
        forgotten us may have taken a late batch of ours there, or may have taken this one twice.
        Most likely they are another writer's; if not, the tail scan says so, and no checkpoint has
        passed."""
        pending = self._awaited[lane].popleft()
        floor = self._acknowledged_to[lane]
        if base_kafka_offset < floor:
            raise RescanNeeded(
                f"lane {lane} was acknowledged at Kafka offset {base_kafka_offset}, expected "
                f"{floor} or more"
            )
        read_to = self._unread.pop(lane, floor if sent_again else base_kafka_offset)
        if base_kafka_offset > read_to:
            raise RescanNeeded(
                f"lane {lane} was acknowledged at Kafka offset {base_kafka_offset}, and what "
                f"stands there from {read_to} on is not known"
            )
        after = base_kafka_offset + record_count
        pending.kafka_offsets[lane] = self._acknowledged_to[lane] = after
        pending.outstanding -= 1
        return self._advance()

    def finish(self) -> None:
        """The source has ended and all is handed over. Raises SequenceError if the topic holds
        more rows of this job than the source has."""
        for lane, (added, tail) in enumerate(zip(self._added, self._tails, strict=True)):
            if added < tail.next_sequence:
                raise SequenceError(
                    f"the topic holds {tail.next_sequence} records of this job in lane {lane}, "
                    f"but the source gives only {added}; the source or the job's settings are not "
                    "those that wrote them. Load under another JOB_ID into a clean topic."
                )

    def _advance(self) -> int:
        completed = 0
        while self._pending and self._pending[0].outstanding == 0:
            block = self._pending.popleft()
            completed += 1
            self._offer(block)
        return completed

    def _offer(self, block: _PendingBlock) -> None:
        # A lane without a batch in the block stands where an earlier block left it, offered or not.
        for lane, kafka_offset in block.kafka_offsets.items():
            self._completed_to[lane] = kafka_offset
        reached = zip(block.next_sequences, self._tails, strict=True)
        if any(sequence < tail.next_sequence for sequence, tail in reached):
            return
        sent = sum(block.next_sequences) - sum(lane.next_sequence for lane in self._start.lanes)
        lanes = map(LaneProgress, block.next_sequences, self._completed_to, self._epochs)
        self._newest = Checkpoint(
            position=block.end,
            total_sent=self._start.total_sent + sent,
            lanes=tuple(lanes),
            number=self._start.number,
        )
