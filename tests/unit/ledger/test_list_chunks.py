"""The chunks of a frozen list in the table: written once each, found again, never mixed."""

from __future__ import annotations

import pytest

from csvkafka.errors import CheckpointUnavailableError, ItemUnusableError
from csvkafka.ledger.list_chunks import ListChunks
from csvkafka.model import Piece
from csvkafka.sets.frozen import FrozenList, freeze
from csvkafka.testing.simulator.fake_table import FakeTable, TableServer
from csvkafka.testing.simulator.points import Script
from csvkafka.testing.simulator.virtual_clock import VirtualTime
from tests.refusals import refusal


def pieces(size: int = 5) -> list[Piece]:
    return [Piece(f"k/{n:06}.csv", f'"{n:032x}"', size) for n in range(12_000)]


FROZEN = freeze(pieces())


def chunks(server: TableServer, **actions: str) -> ListChunks:
    time = VirtualTime()
    script = Script({name.replace("_", "-", 1): action for name, action in actions.items()})
    return ListChunks("job", lambda key: FakeTable(server, key, time, script))


def store(into: ListChunks, frozen: FrozenList = FROZEN, count: int | None = None) -> None:
    for number in range(len(frozen.chunks) if count is None else count):
        into.store(frozen, number)


def test_a_list_is_found_by_its_digest() -> None:
    server = TableServer()
    store(chunks(server))
    assert len(server.items) == len(FROZEN.chunks) > 3
    assert chunks(server).load(FROZEN.digest) == FROZEN


@pytest.mark.parametrize("written", range(len(FROZEN.chunks) + 1))
def test_a_worker_that_died_after_any_chunk_leaves_what_the_next_completes(written: int) -> None:
    server = TableServer()
    store(chunks(server), count=written)
    if written < len(FROZEN.chunks):
        with refusal(ItemUnusableError, "a part of the list of files of job job is missing"):
            chunks(server).load(FROZEN.digest)
    before = {key: dict(item) for key, item in server.items.items()}
    store(chunks(server))
    assert all(server.items[key] == item for key, item in before.items())
    assert chunks(server).load(FROZEN.digest) == FROZEN


def test_two_lists_of_one_job_stand_beside_each_other() -> None:
    server, other = TableServer(), freeze(pieces(size=6))
    store(chunks(server), count=2)
    store(chunks(server), other)
    store(chunks(server))
    assert chunks(server).load(other.digest) == other
    assert chunks(server).load(FROZEN.digest) == FROZEN


def test_a_write_whose_reply_was_lost_is_taken_for_our_own() -> None:
    server = TableServer()
    store(chunks(server, **{"table_write#1": "reply-lost"}))
    assert chunks(server).load(FROZEN.digest) == FROZEN


def test_a_write_that_was_not_answered_may_be_done_again() -> None:
    server = TableServer()
    into = chunks(server, **{"table_write#1": "timeout-applied"})
    with pytest.raises(CheckpointUnavailableError):
        into.store(FROZEN, 0)
    store(into)
    assert chunks(server).load(FROZEN.digest) == FROZEN


def test_a_list_that_was_changed_is_refused() -> None:
    server = TableServer()
    store(chunks(server))
    whole = {key: dict(item) for key, item in server.items.items()}
    first, second = sorted(whole)[:2]
    harmed = (
        whole[first] | {"list": "no base64!"},
        whole[first] | {"list": whole[second]["list"]},
        {name: value for name, value in whole[first].items() if name != "chunks"},
    )
    for item in harmed:
        server.items = whole | {first: item}
        with pytest.raises(ItemUnusableError):
            chunks(server).load(FROZEN.digest)


def test_a_chunk_that_something_else_wrote_is_not_taken_for_ours() -> None:
    server = TableServer()
    store(chunks(server))
    first, second = sorted(server.items)[:2]
    server.items[first]["list"] = server.items[second]["list"]
    with pytest.raises(ItemUnusableError):
        chunks(server).store(FROZEN, 0)
