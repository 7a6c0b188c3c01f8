"""Which objects do not matter any more to a set that was begun: those of files that are skipped,
and those that are no part of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from csvkafka.interfaces import ItemTable
from csvkafka.job.same_job import has_promised_nothing
from csvkafka.ledger.file_marks import skipped_numbers
from csvkafka.ledger.item import StoredJob, decode, is_documented_only
from csvkafka.ledger.list_chunks import ListChunks
from csvkafka.ledger.skipped_item import skipped_in_order
from csvkafka.sets.frozen import FrozenList


class BegunSet:
    """What the checkpoint store says of the set that is job `job_id`; `open_item` gives the store's
    item of a key. Nothing is read before it is asked for. Each call raises CheckpointError."""

    def __init__(self, job_id: str, open_item: Callable[[str], ItemTable]) -> None:
        self._job_id = job_id
        self._open_item = open_item
        self._known: tuple[FrozenList, frozenset[int]] | None = None

    def skipped(self, digest: str, count: int) -> Iterable[int]:
        """The numbers of the files that are skipped, of the list of that digest and length."""
        item = self._open_item(self._job_id).get()
        in_order = () if item is None else skipped_in_order(item)
        if in_order:
            return [each.number for each in in_order]
        return skipped_numbers(self._job_id, self._open_item, digest, count)

    def is_without(self, key: str) -> bool:
        """Whether the set was begun, and goes on without the object of that key. False of a set
        that has promised nothing: it takes the objects as they are now."""
        if self._known is None:
            self._known = self._read()
        if self._known is None:
            return False
        frozen, skipped = self._known
        found = frozen.numbered(key)
        return found is None or found[0] in skipped

    def _read(self) -> tuple[FrozenList, frozenset[int]] | None:
        item = self._open_item(self._job_id).get()
        stored: StoredJob | None = None
        if item is not None and not is_documented_only(item):
            stored = decode(item)
        if stored is None or stored.source.files is None or has_promised_nothing(stored):
            return None
        digest = stored.source.etag
        frozen = ListChunks(self._job_id, self._open_item).load(digest)
        return frozen, frozenset(self.skipped(digest, frozen.count))
