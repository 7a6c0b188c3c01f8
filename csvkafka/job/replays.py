"""Which replays of a job's letters were begun: the item of that job names them.

Each replay is a job of its own, so nothing in its own item tells of another that sends the same
rows. The note is the last thing before the replay's own item, and is written on the condition that
no other was written meanwhile: of two that begin at once, one is refused. So a replay that is
refused before it has an item leaves none. A note stays, as what a replay has sent does. A replay
that was killed between its note and its item goes on under its name, by whatever settings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from csvkafka.errors import ConfigError, ItemLostError
from csvkafka.interfaces import ItemChange, ItemStore
from csvkafka.job.replayed import own_item
from csvkafka.ledger.item import REPLAYS, replays_in
from csvkafka.model import LETTERS_SCHEME

# A replay is a command's alone: these are no settings.
_NAME, _CONSENT = "--replay-id", "--again"

T = TypeVar("T")


class AskTable(Protocol):
    """Asks the checkpoint store, patiently: see `JobParts.ask_table`."""

    def __call__(self, ask: Callable[[], T], /) -> T:
        """What `ask` returns."""


def usual_replay_id(job_id: str) -> str:
    """What a replay of job `job_id` is called unless it is given a name."""
    return f"{job_id}-replay-1"


def begin_replay(
    job_id: str,
    replay_id: str,
    store: ItemStore,
    ask_table: AskTable,
    *,
    again: bool = False,
    writes: bool = True,
) -> Sequence[str]:
    """Notes in the item of job `job_id` that `replay_id` replays its letters, if it `writes`;
    returns the other replays that are known. Reads no more than two items.

    Raises ConfigError if another replay was begun before this one, unless `again` consents to it;
    ItemLostError if the job's item is gone."""
    table = store.item(job_id)
    item = ask_table(table.get)
    while item is not None:
        noted = replays_in(item)
        if replay_id in noted:
            return [name for name in noted if name != replay_id]
        others = noted or _begun_before_notes(job_id, replay_id, store, ask_table)
        if others and not again:
            raise ConfigError(
                f"the letters of job {job_id} were given to replay {', '.join(others)} already, "
                "and this one would send the rows that fitted then once more: go on with that one "
                f"({_NAME} {others[-1]}), replay what it set aside (JOB_ID={others[-1]}), or add "
                f"{_CONSENT} to load all of them again"
            )
        if not writes:
            return others
        change = ItemChange({REPLAYS: [*noted, replay_id]}, expect={REPLAYS: item.get(REPLAYS)})
        refused = ask_table(lambda change=change: table.update(change))  # type: ignore[misc]
        if refused is None:
            return others
        item = refused.item
    raise ItemLostError(
        f"the item of job {job_id} in {store.where} is gone while its replay begins: restore it "
        "from a backup, and replay again"
    )


def _begun_before_notes(
    job_id: str, replay_id: str, store: ItemStore, ask_table: AskTable
) -> Sequence[str]:
    """The replay of the usual name, if an earlier csvkafka began it, which noted nothing."""
    usual = usual_replay_id(job_id)
    if usual == replay_id:
        return ()
    known = own_item(ask_table(store.item(usual).get))
    is_of_these = known is not None and (
        known.source.scheme == LETTERS_SCHEME and known.source.key == job_id
    )
    return (usual,) if is_of_these else ()
