"""The letters of a job are given to one replay, and to a second only by consent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from csvkafka.errors import ConfigError, ItemLostError, ItemUnusableError
from csvkafka.interfaces import Item, ItemChange, Refused
from csvkafka.job.replays import begin_replay
from csvkafka.ledger.item import JobDefinition, decode, new_item
from csvkafka.model import LETTERS_SCHEME, Lane, SourceIdentity
from csvkafka.testing.simulator.fake_table import TableServer
from tests.refusals import refusal

T = TypeVar("T")

SOURCE = SourceIdentity("dead", "orders", "T/7/20/5", 9, scheme=LETTERS_SCHEME)


def at_once(ask: Callable[[], T]) -> T:
    return ask()


class Store:
    """Items by key; `meanwhile` is done once, before the next write."""

    where = "table t"

    def __init__(self) -> None:
        self.server = TableServer()
        self.server.items["orders"] = {"job_id": "orders"}
        self.meanwhile: Callable[[], object] | None = None
        self.reads: list[str] = []

    def create(self) -> bool:
        return False

    def item(self, key: str) -> Any:
        return Table(self, key)

    @property
    def noted(self) -> object:
        return self.server.items["orders"].get("replays")


class Table:
    def __init__(self, store: Store, key: str) -> None:
        self.store, self._key = store, key

    def get(self) -> Item | None:
        self.store.reads.append(self._key)
        return self.store.server.items.get(self._key)

    def put_new(self, item: Item) -> Refused | None:
        raise AssertionError(item)

    def update(self, change: ItemChange) -> Refused | None:
        meanwhile, self.store.meanwhile = self.store.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return self.store.server.update(self._key, change)


@pytest.fixture
def store() -> Store:
    return Store()


def begin(store: Store, replay_id: str, *, again: bool = False) -> tuple[str, ...]:
    return tuple(begin_replay("orders", replay_id, store, at_once, again=again))


def test_the_first_replay_is_noted_and_goes_on_as_often_as_it_is_started(store: Store) -> None:
    for _ in range(3):
        assert begin(store, "orders-replay-1") == ()
    assert store.noted == ["orders-replay-1"]


def test_a_second_replay_is_refused_and_leaves_no_note(store: Store) -> None:
    begin(store, "orders-fixed")
    said = r"job orders .* replay orders-fixed .*--replay-id orders-fixed.*--again"
    with refusal(ConfigError, said):
        begin(store, "other")
    assert store.noted == ["orders-fixed"]


def test_a_second_replay_that_is_wanted_is_noted_beside_the_first(store: Store) -> None:
    begin(store, "orders-fixed")
    assert begin(store, "other", again=True) == ("orders-fixed",)
    # It was consented to once, and goes on without.
    assert begin(store, "other") == ("orders-fixed",)
    assert begin(store, "orders-fixed") == ("other",)
    assert store.noted == ["orders-fixed", "other"]


def test_of_two_that_begin_at_once_one_is_refused(store: Store) -> None:
    store.meanwhile = lambda: begin(store, "first")
    with refusal(ConfigError, "replay first"):
        begin(store, "second")
    assert store.noted == ["first"]


def test_a_look_refuses_as_a_note_does_and_writes_none(store: Store) -> None:
    assert tuple(begin_replay("orders", "first", store, at_once, writes=False)) == ()
    assert store.noted is None
    begin(store, "first")
    with refusal(ConfigError, "replay first"):
        begin_replay("orders", "second", store, at_once, writes=False)
    assert begin_replay("orders", "second", store, at_once, again=True, writes=False) == ("first",)
    assert store.noted == ["first"]


def test_a_note_whose_answer_was_lost_is_its_own(store: Store) -> None:
    store.meanwhile = lambda: begin(store, "first")
    assert begin(store, "first") == ()
    assert store.noted == ["first"]


def test_a_replay_of_the_usual_name_from_before_notes_were_made_counts(store: Store) -> None:
    definition = JobDefinition(SOURCE, {}, "C", {"rows": "R"}, 1, (Lane("rows", 0),))
    item = new_item("orders-replay-1", definition, 10.0, 0)
    store.server.items["orders-replay-1"] = item
    with refusal(ConfigError, "replay orders-replay-1"):
        begin(store, "other")
    assert begin(store, "orders-replay-1") == ()
    # A job of that name that replays other letters does not count.
    store.server.items["orders"] = {"job_id": "orders"}
    elsewhere = replace(definition, source=replace(SOURCE, key="others"))
    store.server.items["orders-replay-1"] = new_item("orders-replay-1", elsewhere, 10.0, 0)
    assert begin(store, "other") == ()


def test_no_item_but_those_of_the_two_jobs_is_read(store: Store) -> None:
    begin(store, "other")
    assert store.reads == ["orders", "orders-replay-1"]


@pytest.mark.parametrize("damage", ["orders-1", 7, {"a": "b"}, ["a", 7], [["a"]]])
def test_f77_notes_that_are_damaged_are_refused(store: Store, damage: Any) -> None:
    store.server.items["orders"]["replays"] = damage
    with refusal(ItemUnusableError, "replays is no list of names"):
        begin(store, "other", again=True)
    assert store.noted == damage


def test_an_empty_list_names_no_replay(store: Store) -> None:
    store.server.items["orders"]["replays"] = []
    assert begin(store, "other") == ()
    assert store.noted == ["other"]


def test_a_load_whose_item_goes_meanwhile(store: Store) -> None:
    store.meanwhile = store.server.items.clear
    with refusal(ItemLostError, "job orders"):
        begin(store, "other")


def test_the_note_does_not_change_what_the_item_says_otherwise() -> None:
    source = SourceIdentity("b", "k.csv", '"e"', 9)
    definition = JobDefinition(source, {}, "C", {"rows": "R"}, 1, (Lane("rows", 0),))
    item = new_item("orders", definition, 10.0, 0)
    assert decode(item).replays == ()
    noted = decode({**item, "replays": ["a", "b"]})
    assert noted == replace(decode(item), replays=("a", "b"))
