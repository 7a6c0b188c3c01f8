"""The chunks of a set's frozen list: items of their own, beside the job's.

The key of a chunk names the job, the whole list and the chunk's place in it. So chunks are written
once and never changed: two workers that freeze the same list write the same, two that freeze
different lists write beside each other, and the job's item says by its digest which list counts.
Chunks of a list that no item names any more are left where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from csvkafka.errors import ItemUnusableError
from csvkafka.interfaces import Item, ItemTable
from csvkafka.sets.frozen import (
    FrozenList,
    chunk_data,
    chunk_item,
    chunk_key,
    chunks_in_all,
    freeze,
    thawed,
)


class ListChunks:
    """The lists of job `job_id`. `open_item` gives the table's item of a key."""

    def __init__(self, job_id: str, open_item: Callable[[str], ItemTable]) -> None:
        self._job_id = job_id
        self._open_item = open_item

    def store(self, frozen: FrozenList, number: int) -> None:
        """Writes a chunk, unless it stands there. Raises CheckpointError; ItemUnusableError if
        something else stands there."""
        key = chunk_key(self._job_id, frozen.digest, number)
        refused = self._open_item(key).put_new(chunk_item(frozen, number))
        if refused is not None:
            # Compared as they are read: another zlib may have compressed them otherwise.
            thawed([self._data(refused.item)], _digest_of(frozen, number), self._job_id)

    def load(self, digest: str) -> FrozenList:
        """The list of that digest. Raises CheckpointError; ItemUnusableError for one that is not
        whole."""
        return thawed(self._datas(digest), digest, self._job_id)

    def _datas(self, digest: str) -> Iterator[bytes]:
        first = self._open_item(chunk_key(self._job_id, digest, 0)).get()
        yield self._data(first)
        for number in range(1, chunks_in_all(first or {})):
            yield self._data(self._open_item(chunk_key(self._job_id, digest, number)).get())

    def _data(self, item: Item | None) -> bytes:
        if item is None:
            raise ItemUnusableError(
                f"a part of the list of files of job {self._job_id} is missing in the checkpoint "
                "store: restore it from a backup, or load under another JOB_ID into a clean topic"
            )
        return chunk_data(item)


def _digest_of(frozen: FrozenList, number: int) -> str:
    return freeze(frozen.chunks[number].pieces()).digest
