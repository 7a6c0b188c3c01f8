"""A worker with one bug planted, to prove that the judging sees it: `broken_worker.py BUG ...`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from csvkafka.aws.s3_source import _PinnedObject
from csvkafka.ledger.ledger import JobLedger
from csvkafka.model import Checkpoint, Position
from csvkafka.pipeline.progress import Progress
from csvkafka.testing.processes import worker


def new_producer_id() -> None:
    """Each incarnation takes a producer id of its own."""
    take, store_identity = JobLedger.take, JobLedger.store_identity

    def forgetful_take(self: JobLedger, *arguments: Any) -> Any:
        taken = take(self, *arguments)
        object.__setattr__(taken, "identity", None)
        return taken

    def store_and_ignore(self: JobLedger, identity: Any, *arguments: Any) -> Any:
        store_identity(self, identity, *arguments)
        return identity

    JobLedger.take = forgetful_take  # type: ignore[assignment,method-assign]
    JobLedger.store_identity = store_and_ignore  # type: ignore[assignment,method-assign]


def early_checkpoint() -> None:
    """The checkpoint covers what was handed over, not what was acknowledged."""
    add = Progress.add
    checkpoint = vars(Progress)["checkpoint"].fget
    assert checkpoint is not None
    reached: dict[int, Position] = {}

    def add_and_note(self: Progress, block: Any) -> None:
        add(self, block)
        reached[id(self)] = block.end

    def all_handed_over(self: Progress) -> Any:
        newest = checkpoint(self)
        position = reached.get(id(self), newest.position)
        return Checkpoint(position, position.row_count, newest.lanes, newest.number)

    Progress.add = add_and_note  # type: ignore[method-assign]
    Progress.checkpoint = property(all_handed_over)  # type: ignore[assignment,method-assign]


class AnyVersion:
    """An S3 client that takes whatever version of the object is there."""

    def __init__(self, client: Any, etag: str) -> None:
        self._client = client
        self._etag = etag

    def get_object(self, **request: Any) -> Any:
        del request["IfMatch"]
        return self._client.get_object(**request) | {"ETag": self._etag}


def unpinned_read() -> None:
    """Each range is read of the version that is there then."""
    begin: Any = _PinnedObject.__init__

    def begin_unpinned(self: Any, client: Any, identity: Any, *arguments: Any) -> None:
        begin(self, AnyVersion(client, identity.etag), identity, *arguments)

    _PinnedObject.__init__ = begin_unpinned  # type: ignore[assignment,method-assign]


BUGS: dict[str, Callable[[], None]] = {
    "new-producer-id": new_producer_id,
    "early-checkpoint": early_checkpoint,
    "unpinned-read": unpinned_read,
}

if __name__ == "__main__":
    BUGS[sys.argv.pop(1)]()
    worker.main()
