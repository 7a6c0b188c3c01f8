"""How a set differs from its frozen list: objects that changed, are missing, or are new. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field

from csvkafka.errors import SourceChangedError, counted
from csvkafka.model import Piece
from csvkafka.sets.some_keys import SomeKeys


@dataclass(slots=True)
class Differences:
    """The keys by what became of them since the list was frozen."""

    changed: SomeKeys = field(default_factory=SomeKeys)
    missing: SomeKeys = field(default_factory=SomeKeys)
    new: SomeKeys = field(default_factory=SomeKeys)

    def check(self, job_id: str, uri: str) -> list[str]:
        """A warning that names the new objects, if there are any.

        Raises SourceChangedError that names those that changed or are missing."""
        gone = []
        if self.changed.count:
            gone.append(f"{counted(self.changed.count, 'object')} changed: {self.changed}")
        if self.missing.count:
            gone.append(f"{counted(self.missing.count, 'object')} missing: {self.missing}")
        # An object that is not in the listing may be there, and left out by another glob.
        what_else = " (or set S3_INCLUDE and S3_EXCLUDE as they were)" if self.missing.count else ""
        if gone:
            raise SourceChangedError(
                f"the files of {uri} are not those that job {job_id} was begun with; "
                f"{'; '.join(gone)}; put the old objects back{what_else}, or load the new ones "
                "under another JOB_ID"
            )
        if not self.new.count:
            return []
        return [
            f"{counted(self.new.count, 'object')} of {uri} came after job {job_id} was begun and "
            f"belong to no part of it: {self.new}; load what is new under another JOB_ID"
        ]


def differences(
    frozen: Iterable[Piece], now: Iterable[Piece], skipped: Container[str] = ()
) -> Differences:
    """Compares two lists, both by rising key. A version that one of them does not name counts as
    the same. What became of the objects with `skipped` keys does not count."""
    found = Differences()
    for before, after in _side_by_side(frozen, now):
        if before is not None and before.key in skipped:
            continue
        if after is None and before is not None:
            found.missing.add(before.key)
        elif before is None and after is not None:
            found.new.add(after.key)
        elif before is not None and after is not None and not _same(before, after):
            found.changed.add(
                f"{before.key} (ETag {before.etag} of {before.size} bytes then, {after.etag} of "
                f"{after.size} now)"
            )
    return found


def _same(before: Piece, after: Piece) -> bool:
    return (before.etag, before.size) == (after.etag, after.size)


def _side_by_side(
    frozen: Iterable[Piece], now: Iterable[Piece]
) -> Iterator[tuple[Piece | None, Piece | None]]:
    left, right = iter(frozen), iter(now)
    before, after = next(left, None), next(right, None)
    while before is not None or after is not None:
        if after is None or (before is not None and before.key < after.key):
            yield before, None
            before = next(left, None)
        elif before is None or after.key < before.key:
            yield None, after
            after = next(right, None)
        else:
            yield before, after
            before, after = next(left, None), next(right, None)
