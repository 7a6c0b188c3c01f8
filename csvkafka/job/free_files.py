"""Which file of a set this worker takes next, where any number of workers take files.

Marks say which files are loaded. A file's own item is read only before the file is taken, or to
watch its owner. A worker begins with the first file. When it meets one that another worker has, it
goes on at a random place of the list, so that workers part. A file that another has is looked at
again when nothing else is free; then its owner is watched as that of any job is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from csvkafka.interfaces import Item
from csvkafka.job.parts import JobParts
from csvkafka.ledger.file_marks import GROUP_FILES, FileMarks, Loaded, Marks, Totals
from csvkafka.ledger.item import LeaseState, decode, decode_lease
from csvkafka.ledger.ledger import WATCH_FACTOR
from csvkafka.model import JobStatus

LOOK_SECONDS = 1.0
"""Between two looks at the files that others have, while nothing else is free."""

LOOKS_PER_SECOND = 20
LONGEST_REST_SECONDS = 5.0
"""So many items a waiting worker reads a second, and so long it rests at most."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """The lease of another worker, which stands so since `since` (monotonic)."""

    lease: LeaseState
    since: float


class FreeFiles:
    """The files of a set, as far as this worker knows them; after `look`. `read_item` reads the
    item of a file's job by number. Whatever it asks, it asks by `parts.ask_table`, where a stop
    ends it."""

    def __init__(
        self,
        marks: FileMarks,
        read_item: Callable[[int], Item | None],
        parts: JobParts,
        *,
        is_known_dead: Callable[[str], bool],
        chance: Random,
    ) -> None:
        self._marks = marks
        self._read_item = read_item
        self._parts = parts
        self._is_known_dead = is_known_dead
        self._chance = chance
        self._known: list[Marks] = []
        self._failed_before: list[int] = []
        self._failed_here: set[int] = set()
        self._busy: dict[int, _Seen] = {}
        self._stood_still: dict[int, LeaseState] = {}
        self._place = 0

    def look(self) -> None:
        """Reads all marks. What failed before is tried once more."""
        self._known = [self._read(group) for group in range(self._marks.group_count)]
        self._failed_before = [marks.failed for marks in self._known]

    def look_at_failed(self) -> None:
        """Reads the marks of what failed again: a worker that came later may have loaded it."""
        for group, marks in enumerate(self._known):
            if marks.failed:
                self._known[group] = self._read(group)

    @property
    def totals(self) -> Totals:
        """How far the set is, as far as this worker knows."""
        return Totals.of(self._known)

    def has_new_failure(self) -> bool:
        """Whether a file has failed since we came."""
        pairs = zip(self._known, self._failed_before, strict=True)
        return bool(self._failed_here) or any(marks.failed & ~before for marks, before in pairs)

    def note(self, marks: Marks) -> None:
        """Marks as they were just written."""
        self._known[marks.first // GROUP_FILES] = marks

    def note_failed(self, number: int, marks: Marks) -> None:
        """This worker has tried the file, and it failed."""
        self._failed_here.add(number)
        self.note(marks)

    def watched(self, number: int) -> LeaseState | None:
        """The lease of the file that stood still for so long that nobody need wait for it. Its
        owner may be alive, with other files."""
        return self._stood_still.get(number)

    def next(self) -> int | None:
        """A file that seems free; None: all others are loaded, skipped, failed, or in other
        hands."""
        while (number := self._candidate()) is not None:
            if not self._is_taken(number):
                self._place = number
                return number
            self._refresh(number)
            self._place = self._chance.randrange(self._marks.count)
        return None

    def wait_for_others(self) -> bool:
        """Rests, and looks at the files that others have. False if they have none: all files are
        loaded, skipped or have failed."""
        if not self._busy:
            return False
        rest = max(LOOK_SECONDS, len(self._busy) / LOOKS_PER_SECOND)
        self._parts.clock.sleep(min(rest, LONGEST_REST_SECONDS))
        for group in {number // GROUP_FILES for number in self._busy}:
            self._known[group] = self._read(group)
        for number in list(self._busy):
            marks = self._known[number // GROUP_FILES]
            if (marks.over | self._left_alone(marks)) >> (number - marks.first) & 1:
                del self._busy[number]
            elif not self._is_taken(number):
                self._place = number
        return True

    # -- one file ------------------------------------------------------------------------------

    def _candidate(self) -> int | None:
        """The next file from our place on, around, that is not loaded or skipped, is not left
        alone, and was not seen in other hands."""
        begun_in = self._place // GROUP_FILES
        for turn in range(len(self._known) + 1):
            marks = self._known[(begun_in + turn) % len(self._known)]
            free = (1 << marks.count) - 1 & ~marks.over & ~self._left_alone(marks)
            for number in self._busy:
                if marks.first <= number < marks.first + marks.count:
                    free &= ~(1 << (number - marks.first))
            if turn == 0:
                free &= -1 << (self._place - marks.first)
            if free:
                return marks.first + (free & -free).bit_length() - 1
        return None

    def _left_alone(self, marks: Marks) -> int:
        """The bits of what failed since we came, by us or by others."""
        bits = marks.failed & ~self._failed_before[marks.first // GROUP_FILES]
        for number in self._failed_here:
            if marks.first <= number < marks.first + marks.count:
                bits |= 1 << (number - marks.first)
        return bits

    def _is_taken(self, number: int) -> bool:
        """Whether another worker has the file, or has just loaded it, or it is skipped; notes its
        lease. Whoever has skipped it may have ended before the mark."""
        item = self._parts.ask_table(lambda: self._read_item(number))
        seen = self._busy.pop(number, None)
        if item is None:
            return False
        if item.get("status") == JobStatus.COMPLETED:
            # Its worker marks it now; if that one died before, it is for us to do.
            marks = self._refresh(number)
            return bool(marks.done >> (number - marks.first) & 1)
        if item.get("status") == JobStatus.SKIPPED:
            stored = decode(item)
            left = Loaded(stored.position.row_count, stored.total_sent, 0, stored.set_aside)
            self.note(self._parts.ask_table(lambda: self._marks.mark_skipped(number, left)))
            return True
        try:
            lease = decode_lease(item)
        except (KeyError, TypeError):
            return False  # it is damaged, which its job's run says
        if lease.owner is None or self._is_known_dead(lease.owner):
            return False
        if lease == self.watched(number):
            return False
        now = self._parts.clock.monotonic()
        if seen is None or seen.lease != lease:
            seen = _Seen(lease, now)
        elif now - seen.since >= WATCH_FACTOR * lease.seconds:
            self._stood_still[number] = lease
            return False
        self._busy[number] = seen
        return True

    def _refresh(self, number: int) -> Marks:
        group = number // GROUP_FILES
        marks = self._known[group] = self._read(group)
        return marks

    def _read(self, group: int) -> Marks:
        return self._parts.ask_table(lambda: self._marks.read(group))
