"""The write that skips a file of a set: its item says SKIPPED, and no worker takes it any more.

It has the item's conditions of a lease: what was read still stands, so nobody has taken the file
since. The fencing token grows, so a worker that had it is refused whatever it writes later.
"""

from __future__ import annotations

from csvkafka.interfaces import AttributeValue, Item, ItemChange, ItemTable, Refused
from csvkafka.ledger.item import JobDefinition, StoredJob, new_item
from csvkafka.model import JobStatus


def put_skipped(
    place: ItemTable, child: str, definition: JobDefinition, now: int
) -> Refused | None:
    """Skips a file that no worker has begun. Raises CheckpointError."""
    item: Item = {**new_item(child, definition, 0.0, now), "status": JobStatus.SKIPPED.value}
    return place.put_new(item)


def set_skipped(place: ItemTable, seen: StoredJob, now: int) -> Refused | None:
    """Skips a file whose item was read as `seen`, if it still stands so. Raises CheckpointError."""
    expect: dict[str, AttributeValue | None] = {
        "status": JobStatus.IN_PROGRESS.value,
        "lease_owner": seen.lease.owner,
        "fencing_token": seen.lease.token,
        "lease_counter": seen.lease.counter,
    }
    change: Item = {
        "status": JobStatus.SKIPPED.value,
        "timestamp": now,
        "fencing_token": seen.lease.token + 1,
    }
    return place.update(ItemChange(set=change, remove=("lease_owner",), expect=expect))
