"""The write that skips a file of a set: its item says SKIPPED, and no worker takes it any more; or,
in a set with ORDER=set, the set's item goes on with the file behind it.

It has the item's conditions of a lease: what was read still stands, so nobody has taken the file
since. The fencing token grows, so a worker that had it is refused whatever it writes later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from csvkafka.errors import ItemUnusableError
from csvkafka.interfaces import AttributeValue, Item, ItemChange, ItemTable, Refused
from csvkafka.ledger.file_marks import SKIPPED_KEYS
from csvkafka.ledger.item import JobDefinition, StoredJob, lane_attribute, new_item, piece_attribute
from csvkafka.model import JobStatus, LaneProgress, PieceStart


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


@dataclass(frozen=True, slots=True)
class SkippedInOrder:
    """File `number` (0 is the first) of a set with ORDER=set is skipped, after its first `rows`."""

    number: int
    key: str
    rows: int


def skipped_in_order(item: Item) -> tuple[SkippedInOrder, ...]:
    """Those that the item of a set with ORDER=set names. Raises ItemUnusableError."""
    found = []
    for each in item.get("skipped_each", ()):  # type: ignore[union-attr]
        match each:
            case [int(number), str(key), int(rows)]:
                found.append(SkippedInOrder(number, key, rows))
            case _:
                raise ItemUnusableError(
                    f"the checkpoint item of job {item.get('job_id')} does not tell which of its "
                    "files are skipped: it was damaged; restore it from a backup"
                )
    return tuple(found)


def move_past(
    place: ItemTable,
    seen: StoredJob,
    skipped: tuple[SkippedInOrder, ...],
    after: PieceStart,
    lanes: Mapping[str, LaneProgress],
    now: int,
) -> Refused | None:
    """The set, whose item was read as `seen`, goes on with the file `after`, if the item still
    stands so; `skipped` are all files that it is without then. Rows stay: the first row of that
    file gets the number that the next row of the skipped one would have. `lanes` are those of
    `seen`, each in a new epoch. Raises CheckpointError."""
    expect: dict[str, AttributeValue | None] = {
        "status": JobStatus.IN_PROGRESS.value,
        "lease_owner": None,
        "fencing_token": seen.lease.token,
        "lease_counter": seen.lease.counter,
        "checkpoint_number": seen.checkpoint_number,
    }
    change: Item = {
        "piece": piece_attribute(after),
        "byte_offset": 0,
        "partitions": {name: lane_attribute(progress) for name, progress in lanes.items()},
        "timestamp": now,
        "fencing_token": seen.lease.token + 1,
        "checkpoint_number": seen.checkpoint_number + 1,
        "files_skipped": len(skipped),
        "skipped": [each.key for each in skipped[:SKIPPED_KEYS]],
        "skipped_rows": sum(each.rows for each in skipped),
        "skipped_each": [[each.number, each.key, each.rows] for each in skipped],
    }
    return place.update(ItemChange(set=change, expect=expect))
