"""Leaves a file out of a set with ORDER=set for good: the job goes on with the file behind it.

Rows of the file that are in the topic stay there, and keep their numbers. So the file can be
skipped only where the load has stopped at it, for what is in its bytes
(`set_in_order.OF_THE_BYTES`), and where all rows before are acknowledged and counted. The next
file's first row then has the next number.

All workers come equally far in a damaged file (`PackedStream.left_before_fault`), if their
libraries give out the same of it; those of another release may not. A batch of more rows may still
be on its way, and would stand where the next file's rows are due. So each lane begins a new epoch,
even if its leader knows the job. From the epoch's first batch on, the leader refuses the late one.
If it was taken before, `recovery` names it (RepeatedRowsError), and no row of the next file is
lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from csvkafka.errors import FileNotSkippedError
from csvkafka.interfaces import Item
from csvkafka.job.epochs import with_new_epochs
from csvkafka.ledger import owner as owners
from csvkafka.ledger.file_marks import Failure
from csvkafka.ledger.item import StoredJob, decode
from csvkafka.ledger.skipped_item import SkippedInOrder, skipped_in_order
from csvkafka.model import JobStatus, Lane, LaneProgress, PieceStart
from csvkafka.sets.frozen import FrozenList


def skipped_before(item: Item, number: int) -> SkippedInOrder | None:
    """What the set's item says of that file, if it is skipped."""
    return next((each for each in skipped_in_order(item) if each.number == number), None)


def may_be_skipped(
    item: Item,
    number: int,
    uri: str,
    failure: Callable[[], Failure],
    is_known_dead: Callable[[str], bool],
) -> tuple[StoredJob, int]:
    """The set's item, if that file may be skipped as it stands, and how many rows of the file are
    in the topic. `failure` reads what is noted of the file. Raises FileNotSkippedError."""
    stored = decode(item)
    piece, lease = stored.position.piece, stored.lease
    assert piece is not None
    if stored.status is JobStatus.COMPLETED or number < piece.number:
        raise FileNotSkippedError(
            f"{uri} is loaded already, and what is in the topic stays there: let it be, and name "
            "the file at which the load has stopped"
        )
    if lease.owner is not None and not is_known_dead(lease.owner):
        raise FileNotSkippedError(
            f"the set is in the hands of {owners.describe(lease.owner)}: wait until that worker "
            f"has stopped at {uri}; should it have vanished, start csvkafka load once more, which "
            "takes the set over"
        )
    if lease.owner is not None or failure().token != lease.token:
        raise FileNotSkippedError(
            f"the load has not stopped at {uri} for what is in that file. With ORDER=set the file "
            "can be skipped at which the load stops, and no other: start csvkafka load once more, "
            "and once it has failed there, for a row, the header or damaged compression, skip it"
        )
    begun_here = number == piece.number
    return stored, stored.position.row_count - piece.row_count if begun_here else 0


def in_new_epochs(stored: StoredJob) -> dict[str, LaneProgress]:
    """The lanes of the set's item, by their names, each in a new epoch from the end of its rows on.
    Raises EpochsUsedUpError."""
    places = [name.rpartition("/") for name in stored.lanes]
    lanes = [Lane(topic, int(partition)) for topic, _, partition in places]
    ends = list(stored.lanes.values())
    begun = with_new_epochs(lanes, ends, ends, range(len(ends)))
    return dict(zip(stored.lanes, begun, strict=True))


def place_behind(frozen: FrozenList, number: int, row_count: int) -> PieceStart:
    """Where the file behind that one begins, after so many rows of the set; the end, if it is the
    last."""
    end = PieceStart(number + 1, row_count, frozen.size, 0)
    start = next((start for start, _ in frozen.starts(number + 1)), end)
    return replace(start, row_count=row_count)
