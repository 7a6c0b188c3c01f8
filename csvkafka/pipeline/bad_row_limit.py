"""How many rows may be set aside before a load stops: a file that is all wrong is no exception.

Counted over the whole job, not the run: the lane of dead letters is as long as there are bad rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from csvkafka.errors import ANOTHER_JOB, TooManyBadRowsError, counted
from csvkafka.interfaces import BlockFeed
from csvkafka.model import Checkpoint, EncodedBlock

SHARE_FROM_ROWS = 1_000
"""With fewer rows, the share is not looked at: one bad row among the first three would be a
third."""

PLACES = 5
"""How many of the rows that the run itself has set aside are named in the message."""


@dataclass(frozen=True, slots=True)
class BadRowLimit:
    """At most `rows` may be set aside, and at most the `share` (0 to 1) of all rows; None: any
    number."""

    rows: int | None = None
    share: float | None = None

    def exceeded(self, bad: int, total: int) -> str | None:
        """The setting that `bad` of the first `total` rows exceed; None: none."""
        if self.rows is not None and bad > self.rows:
            return f"MAX_BAD_ROWS={self.rows}"
        if self.share is not None and total >= SHARE_FROM_ROWS and bad > self.share * total:
            return f"MAX_BAD_SHARE={self.share:g}"
        return None


class LimitedFeed:
    """A feed whose blocks end the load once too many rows were set aside; a `BlockFeed`.

    `lane` is the one of the dead letters, which go to `topic`; `start` says what was set aside
    before."""

    def __init__(
        self, feed: BlockFeed, limit: BadRowLimit, start: Checkpoint, lane: int, topic: str
    ) -> None:
        self._feed = feed
        self._limit = limit
        self._lane = lane
        self._topic = topic
        self._bad = start.lanes[lane].next_sequence
        self._total = start.position.row_count
        self._places: list[str] = []

    def take(self) -> EncodedBlock | None:
        """As the feed; a block that goes beyond the limit has a failure. Raises TooManyBadRowsError
        if the limit was exceeded before."""
        if (before := self._exceeded()) is not None:
            raise before
        block = self._feed.take()
        if block is None:
            return None
        self._bad += block.rows_by_lane[self._lane]
        self._total = block.end.row_count
        self._places += block.set_aside[: PLACES - len(self._places)]
        error = self._exceeded()
        return block if error is None else replace(block, failure=error)

    @property
    def exhausted(self) -> bool:
        """As the feed's."""
        return self._feed.exhausted

    def close(self) -> None:
        """Closes the feed."""
        self._feed.close()

    def _exceeded(self) -> TooManyBadRowsError | None:
        setting = self._limit.exceeded(self._bad, self._total)
        if setting is None:
            return None
        first = f", in this run first {', '.join(self._places)}" if self._places else ""
        return TooManyBadRowsError(
            f"{self._bad} of the first {counted(self._total, 'row')} were set aside in topic "
            f"{self._topic}, more than {setting} allows{first}. All rows up to there are sent and "
            "stored: raise the limit and run the same command again, or repair the file "
            f"{ANOTHER_JOB}"
        )
