"""Each write to the job's item and its condition: creation, lease, producer identity, checkpoints.

Every method is one conditional write (or a consistent read) and blocks. A write whose reply was
lost is recognised as our own when it is refused; a refusal that shows another fencing token is
FencedError, and then nothing may be written or sent any more. The rules are numbered as in
docs/architecture.md, "Rules of the item".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from csvkafka.clock import Clock
from csvkafka.errors import FencedError, ItemLostError
from csvkafka.interfaces import AttributeValue, Item, ItemChange, ItemTable, Refused
from csvkafka.ledger import owner as owners
from csvkafka.ledger.item import (
    JobDefinition,
    LeaseState,
    StoredJob,
    decode,
    decode_lease,
    definition_attributes,
    new_item,
    progress_attributes,
)
from csvkafka.model import Checkpoint, JobStatus, Lane, ProducerIdentity

WATCH_FACTOR = 1.5
"""A lease is over when its counter stood still for this many times its length, on our own clock."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a commit left in the item; `ended`: it also ended our lease (completed or released)."""

    checkpoint: Checkpoint
    ended: bool


class JobLedger:
    """The item of one job, written by this incarnation (`owner`). Not thread-safe: one caller at a
    time. `lease_seconds` is how long one successful write allows us to send."""

    def __init__(
        self,
        job_id: str,
        table: ItemTable,
        clock: Clock,
        *,
        owner: str,
        lease_seconds: float = 10.0,
        is_known_dead: Callable[[str], bool] = owners.is_known_dead,
        watched: LeaseState | None = None,
    ) -> None:
        """`watched` is a lease that has stood still for long enough already."""
        self.job_id = job_id
        self.lease_seconds = lease_seconds
        self._table = table
        self._clock = clock
        self._me = owner
        self._is_known_dead = is_known_dead
        self._watched = watched
        self._token = 0
        self._counter = 0
        self._number = 0
        self.holds_lease = False
        """We have taken the lease and neither released it nor completed the job."""
        self.lapsed = False
        """Our lease had run out, at some time since it was taken or all lanes were last read."""
        self.lease_valid_until = 0.0
        """Until when (boottime) rows may be sent: a write under our token that succeeded had begun
        less than `lease_seconds` before."""

    def read(self) -> Item | None:
        """The item, by a consistent read. Raises CheckpointError."""
        return self._table.get()

    def create(self, definition: JobDefinition) -> Item | None:
        """Rule 1: creates the item; returns the one that stands there already, if any."""
        item = new_item(self.job_id, definition, self.lease_seconds, self._now())
        refused = self._table.put_new(item)
        return None if refused is None else refused.item

    def adopt(
        self, item: Item, definition: JobDefinition, row_count: int, byte_offset: int
    ) -> None:
        """Turns an item with the documented fields only into ours, at the given position.

        Raises ItemLostError if its owner wrote to it meanwhile."""
        attributes = new_item(self.job_id, definition, self.lease_seconds, self._now())
        attributes |= {
            "last_line": row_count,
            "total_sent": row_count,
            "byte_offset": byte_offset,
            **definition_attributes(definition),
        }
        del attributes["job_id"]
        expect: dict[str, AttributeValue | None] = {
            "schema_version": None,
            "last_line": item.get("last_line"),
            "total_sent": item.get("total_sent"),
        }
        if self._table.update(ItemChange(set=attributes, expect=expect)) is not None:
            raise ItemLostError(
                f"the item of job {self.job_id} changed while it was taken over: another program "
                "still writes it. Stop that program and run again."
            )

    def take(
        self, stored: StoredJob, stop_requested: Callable[[], bool], waiting: Callable[[str], None]
    ) -> StoredJob | None:
        """Rule 2: takes the lease, waiting for as long as another owner lives.

        Returns the item as it was when we took it; None if the job was completed or skipped, or a
        stop was requested, while we waited. `waiting(owner)` is called once for each owner waited
        for."""
        waited_for: str | None = None
        while True:
            if stored.status is not JobStatus.IN_PROGRESS or stop_requested():
                return None
            lease = stored.lease
            if not self._is_over(lease):
                assert lease.owner is not None
                if lease.owner != waited_for:
                    waiting(lease.owner)
                waited_for = lease.owner
                changed = self._watch(lease, stop_requested)
                if changed is not None:
                    stored = changed
                    continue
            refused = self._take_once(lease)
            is_ours = refused is None or self._taken_before(refused)
            if refused is not None:
                stored = self._decode_or_lost(refused.item)
            if is_ours:
                self._number = stored.checkpoint_number
                self.holds_lease = True
                self.lapsed = False
                return stored

    def read_mine(self, *, before_all_lanes: bool = True) -> StoredJob:
        """The item now, of which we are the owner. `before_all_lanes`: all lanes are read in the
        topic after it, so it does not matter any more how long we stood still. Raises FencedError,
        ItemLostError."""
        self.lapsed &= not before_all_lanes
        stored = self._decode_mine(Refused(self._table.get()))
        self._number = stored.checkpoint_number
        return stored

    def redefine(self, definition: JobDefinition) -> None:
        """Stores anew what the job is. Its owner may, before the first row: only while no producer
        id is stored. Done twice, it does no harm. Raises FencedError, ItemLostError."""
        begun_at = self._clock.boottime()
        refused = self._table.update(
            ItemChange(
                set={
                    **definition_attributes(definition),
                    "timestamp": self._now(),
                    "lease_counter": self._next_counter(),
                },
                expect={**self._mine(), "producer_id": None, "last_line": 0},
            )
        )
        if refused is not None:
            self._decode_mine(refused)
            raise self._lost()
        self._extend(begun_at)

    def store_identity(
        self, identity: ProducerIdentity, checkpoint: Checkpoint, lanes: tuple[Lane, ...]
    ) -> ProducerIdentity:
        """Rule 3: stores the producer id and where each partition ended before our first row, if
        no id is stored; returns the id that stands there now."""
        progress = progress_attributes(checkpoint, lanes, self._now())
        begun_at = self._clock.boottime()
        refused = self._table.update(
            ItemChange(
                set={
                    "producer_id": identity.producer_id,
                    "producer_epoch": identity.producer_epoch,
                    "partitions": progress["partitions"],
                    "lease_counter": self._next_counter(),
                },
                expect={**self._mine(), "producer_id": None},
            )
        )
        if refused is None:
            self._extend(begun_at)
            return identity
        stored = self._decode_mine(refused)
        if stored.identity is None:
            raise self._lost()
        return stored.identity

    def commit(
        self,
        checkpoint: Checkpoint,
        lanes: tuple[Lane, ...],
        *,
        completed: bool = False,
        release: bool = False,
    ) -> Stored:
        """Rules 8 and 10: stores progress, and with it COMPLETED or the end of our lease.

        Returns what is stored now: after a lost reply that may be an earlier try, which said
        less."""
        change: dict[str, AttributeValue] = {}
        if completed:
            change["status"] = JobStatus.COMPLETED.value
        return self._write_numbered(checkpoint, lanes, change, {}, ends=completed or release)

    def begin_epochs(self, before: Checkpoint, after: Checkpoint, lanes: tuple[Lane, ...]) -> None:
        """Rule 11: stores `after`, which has later epochs than `before` in some lanes and is the
        same else, if the lanes still are as they were read in `before`.

        It is numbered like a checkpoint: one that was begun before and arrives after it is refused,
        else it would take the lanes back to their former epochs. What is stored then must be read:
        after a lost reply it may be an earlier try's."""
        as_read = progress_attributes(before, lanes, 0)["partitions"]
        self._write_numbered(after, lanes, {}, {"partitions": as_read}, ends=False)

    def _write_numbered(
        self,
        checkpoint: Checkpoint,
        lanes: tuple[Lane, ...],
        change: Mapping[str, AttributeValue],
        expect: Mapping[str, AttributeValue],
        *,
        ends: bool,
    ) -> Stored:
        number = self._number + 1
        numbered = dataclasses.replace(checkpoint, number=number)
        attributes = progress_attributes(numbered, lanes, self._now())
        attributes["lease_counter"] = self._next_counter()
        begun_at = self._clock.boottime()
        refused = self._table.update(
            ItemChange(
                set={**attributes, **change},
                remove=("lease_owner",) if ends else (),
                expect={**self._mine(), "checkpoint_number": self._number, **expect},
            )
        )
        if refused is None:
            self._number = number
            self._extend(begun_at)
            self.holds_lease = not ends
            return Stored(numbered, ended=ends)
        return self._settle_refused_commit(refused, numbered, lanes)

    def renew(self) -> None:
        """Rule 9: shows that we live. Done twice, it does no harm."""
        begun_at = self._clock.boottime()
        change = ItemChange(set={"lease_counter": self._next_counter()}, expect=self._mine())
        refused = self._table.update(change)
        if refused is not None:
            self._decode_mine(refused)
            raise self._lost()
        self._extend(begun_at)

    def release(self) -> None:
        """Ends our lease without a word on progress. For a stop before there is any."""
        refused = self._table.update(
            ItemChange(
                set={"lease_counter": self._next_counter()},
                remove=("lease_owner",),
                expect=self._mine(),
            )
        )
        if refused is not None and not self._released_by_us(refused):
            self._decode_mine(refused)
        self.holds_lease = False

    # -- conditions and refusals ---------------------------------------------------------------

    def _mine(self) -> dict[str, AttributeValue | None]:
        return {"lease_owner": self._me, "fencing_token": self._token}

    def _take_once(self, lease: LeaseState) -> Refused | None:
        begun_at = self._clock.boottime()
        self._token = lease.token + 1
        self._counter = lease.counter + 1
        refused = self._table.update(
            ItemChange(
                set={
                    "lease_owner": self._me,
                    "fencing_token": self._token,
                    "lease_counter": self._counter,
                    "lease_milliseconds": round(self.lease_seconds * 1000),
                },
                expect={
                    "fencing_token": lease.token,
                    "lease_counter": lease.counter,
                    "status": JobStatus.IN_PROGRESS.value,
                },
            )
        )
        if refused is None:
            self._extend(begun_at)
        return refused

    def _taken_before(self, refused: Refused) -> bool:
        """Our own earlier try was applied, its reply lost."""
        item = refused.item
        if item is None or item.get("lease_owner") != self._me:
            return False
        lease = decode_lease(item)
        self._token, self._counter = lease.token, lease.counter
        self.renew()  # when that try began is not known, so it allows no sending
        return True

    def _is_over(self, lease: LeaseState) -> bool:
        """Whether nobody need wait for it. What was watched is one lease, not its owner, who may
        wake up and go on elsewhere."""
        return lease.owner is None or lease == self._watched or self._is_known_dead(lease.owner)

    def _watch(self, lease: LeaseState, stop_requested: Callable[[], bool]) -> StoredJob | None:
        """Watches an owner that may live; None if its counter stood still for long enough."""
        patience = WATCH_FACTOR * lease.seconds
        still_since = self._clock.monotonic()
        while self._clock.monotonic() - still_since < patience:
            self._clock.sleep(min(patience / 10, 1.0))
            stored = self._decode_or_lost(self._table.get())
            if (stored.lease.token, stored.lease.counter) != (lease.token, lease.counter):
                return stored
            if stored.status is not JobStatus.IN_PROGRESS or stop_requested():
                return stored
        return None

    def _settle_refused_commit(
        self, refused: Refused, numbered: Checkpoint, lanes: tuple[Lane, ...]
    ) -> Stored:
        """A commit was refused: by our own earlier try, or because the job is no longer ours."""
        ended = self._released_by_us(refused)
        stored = self._decode_or_lost(refused.item) if ended else self._decode_mine(refused)
        if stored.checkpoint_number != numbered.number:
            raise self._lost()
        self._number = numbered.number
        self.holds_lease = not ended
        return Stored(stored.checkpoint_for(lanes), ended)

    def _released_by_us(self, refused: Refused) -> bool:
        item = refused.item
        return (
            item is not None
            and item.get("fencing_token") == self._token
            and "lease_owner" not in item
        )

    def _decode_mine(self, refused: Refused) -> StoredJob:
        """The refused item, if its lease is still ours. Raises FencedError, ItemLostError."""
        stored = self._decode_or_lost(refused.item)
        if stored.lease.token != self._token or stored.lease.owner != self._me:
            new_owner = (
                owners.describe(stored.lease.owner) if stored.lease.owner else "another worker"
            )
            raise FencedError(
                f"job {self.job_id} was taken over by {new_owner}; this worker stops and has "
                "written nothing since. Let the other one go on."
            )
        return stored

    def _decode_or_lost(self, item: Item | None) -> StoredJob:
        if item is None:
            raise self._lost()
        return decode(item)

    def _lost(self) -> ItemLostError:
        return ItemLostError(
            f"the checkpoint item of job {self.job_id} was deleted or changed by something that "
            "is no csvkafka worker. Restore it, or load under another JOB_ID into a clean topic."
        )

    def _extend(self, begun_at: float) -> None:
        self.lapsed |= begun_at >= self.lease_valid_until
        self.lease_valid_until = begun_at + self.lease_seconds

    def _next_counter(self) -> int:
        """One more with each try, so that the counter moves even if replies are lost."""
        self._counter += 1
        return self._counter

    def _now(self) -> int:
        return int(self._clock.wall())
