"""Restart points are stored behind the checkpoint, and used only where they fit."""

from __future__ import annotations

import random
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Any

import pytest

from csvkafka.errors import CheckpointUnavailableError
from csvkafka.interfaces import AttributeValue, Item
from csvkafka.ledger.point_item import number_of, point_item, point_item_id, point_of
from csvkafka.ledger.restart_points import STORE_SECONDS, RestartPointKeeper
from csvkafka.model import RestartPoint, SourceIdentity, Step
from csvkafka.testing.simulator.fake_table import FakeTable, TableServer
from csvkafka.testing.simulator.points import Script
from csvkafka.testing.simulator.virtual_clock import VirtualClock, VirtualTime

SOURCE = SourceIdentity("bucket", "rows.csv.gz", '"etag"', 1_000_000, compression="gzip")
WINDOW = random.Random(1).randbytes(32_768)
ITEM_ID = point_item_id("job")


def point(content_bytes: int) -> RestartPoint:
    return RestartPoint(content_bytes * 2 + 3, content_bytes, WINDOW, 2**32 - 1, content_bytes)


class AtOnce(Executor):
    """Runs what is submitted when it is submitted."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Worker:
    """One worker's keeper, and the points of a source that is one object."""

    def __init__(self, keeper: RestartPointKeeper) -> None:
        self.of_piece = keeper.of_piece
        self.report = keeper.report
        points = keeper.of_piece()
        self.begin = points.begin
        self.found = points.found


class Workers:
    """Keepers of one job's points, one after the other or side by side."""

    def __init__(self) -> None:
        self.server = TableServer()
        self.time = VirtualTime()
        self.clock = VirtualClock(self.time)

    def start(self, **actions: str) -> Worker:
        script = Script({name.replace("_", "-", 1): action for name, action in actions.items()})
        table = FakeTable(self.server, ITEM_ID, self.time, script)
        return Worker(RestartPointKeeper(table, AtOnce(), self.clock))

    def load_to(self, content_bytes: int, *points: int) -> Worker:
        """A worker that read these points and stored a checkpoint there."""
        keeper = self.start()
        assert keeper.begin(SOURCE, 0) is None
        for place in points:
            keeper.found(point(place))
        self.reached(keeper, content_bytes)
        return keeper

    def reached(self, keeper: Worker, content_bytes: int, piece: int = 0) -> None:
        self.clock.sleep(STORE_SECONDS)
        keeper.report(Step.CHECKPOINT_STORED, byte_offset=content_bytes, piece=piece)

    @property
    def item(self) -> Item:
        return self.server.items[ITEM_ID]

    def change(self, attributes: Mapping[str, AttributeValue]) -> None:
        self.server.items[ITEM_ID] = self.item | dict(attributes)


@pytest.fixture
def workers() -> Workers:
    return Workers()


def test_the_newest_point_before_the_checkpoint_is_stored(workers: Workers) -> None:
    workers.load_to(250, 100, 200, 300)
    assert point_of(workers.item, SOURCE) == point(200)
    assert workers.start().begin(SOURCE, 250) == point(200)


def test_a_point_after_the_checkpoint_is_not_used(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    workers.load_to(250, 100, 200)
    assert workers.start().begin(SOURCE, 199) is None
    assert "after the checkpoint (199)" in caplog.text
    assert workers.start().begin(SOURCE, 200) == point(200)


def test_nothing_is_asked_or_written_without_points(workers: Workers) -> None:
    keeper = workers.load_to(250)
    assert not workers.server.items
    assert keeper.begin(SOURCE, 0) is None


def test_a_point_is_written_once_and_no_two_within_a_few_seconds(workers: Workers) -> None:
    keeper = workers.load_to(150, 100, 200, 300)
    workers.reached(keeper, 160)
    assert number_of(workers.item) == 1
    workers.reached(keeper, 250)
    keeper.report(Step.CHECKPOINT_STORED, byte_offset=350, piece=0)
    assert (number_of(workers.item), point_of(workers.item, SOURCE)) == (2, point(200))
    workers.reached(keeper, 351)
    assert (number_of(workers.item), point_of(workers.item, SOURCE)) == (3, point(300))


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"etag": '"other"'}, id="etag"),
        pytest.param({"size": 999_999}, id="size"),
        pytest.param({"key": "other.csv.gz"}, id="key"),
        pytest.param({"bucket": "other"}, id="bucket"),
        pytest.param({"compression": "none"}, id="compression"),
    ],
)
def test_a_point_of_another_object_is_not_used(
    workers: Workers, changed: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    workers.load_to(250, 100)
    other = replace(SOURCE, **changed)
    assert workers.start().begin(other, 250) is None
    assert "No restart point" in caplog.text
    assert "it is of s3://bucket/rows.csv.gz" in caplog.text


@pytest.mark.parametrize(
    "garbled",
    [
        {"stored_bits": 1},
        {"content_bytes": 99},
        {"member_bytes": 99},
        {"checksum": 0},
        {"window": "abc"},
        {"window": ""},
        {"source": "s3://bucket/other"},
        {"digest": "0" * 32},
        {"stored_bits": "text"},
        {"content_bytes": {}},
    ],
    ids=str,
)
def test_a_garbled_point_is_not_used(
    workers: Workers, garbled: dict[str, AttributeValue], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    workers.load_to(250, 100)
    workers.change(garbled)
    keeper = workers.start()
    assert keeper.begin(SOURCE, 250) is None
    assert "what is stored is damaged" in caplog.text
    # The next one replaces it.
    keeper.found(point(300))
    workers.reached(keeper, 350)
    assert point_of(workers.item, SOURCE) == point(300)


def test_a_lost_point_is_said_and_stored_anew(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    workers.load_to(250, 100)
    del workers.server.items[ITEM_ID]
    keeper = workers.start()
    assert keeper.begin(SOURCE, 250) is None
    assert "none is stored" in caplog.text
    keeper.found(point(300))
    workers.reached(keeper, 350)
    assert point_of(workers.item, SOURCE) == point(300)


def test_an_item_of_that_name_that_holds_no_point_is_left_alone(workers: Workers) -> None:
    """Somebody's job may be called so."""
    theirs: Item = {"job_id": ITEM_ID, "last_line": 5, "status": "IN_PROGRESS"}
    workers.server.items[ITEM_ID] = theirs
    workers.load_to(250, 100)
    assert workers.start().begin(SOURCE, 250) is None
    assert workers.item == theirs


def test_a_table_that_fails_costs_the_point_and_nothing_else(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    workers.load_to(250, 100)
    failing = workers.start(**{"table_read#1": "unreachable"})
    assert failing.begin(SOURCE, 250) is None
    assert "No restart point" in caplog.text
    failing = workers.start(**{"table_write#1": "timeout"})
    assert failing.begin(SOURCE, 250) == point(100)
    failing.found(point(300))
    workers.reached(failing, 350)
    assert "was not stored" in caplog.text
    workers.reached(failing, 360)
    assert point_of(workers.item, SOURCE) == point(300)


@pytest.mark.parametrize("action", ["reply-lost", "timeout-applied"])
def test_a_write_whose_reply_was_lost_stops_nothing(workers: Workers, action: str) -> None:
    keeper = workers.start(**{"table_write#1": action})
    keeper.begin(SOURCE, 0)
    keeper.found(point(100))
    workers.reached(keeper, 150)
    keeper.found(point(300))
    workers.reached(keeper, 350)
    workers.reached(keeper, 360)
    assert point_of(workers.item, SOURCE) == point(300)


def test_two_workers_write_one_after_the_other_and_each_point_fits(workers: Workers) -> None:
    """A worker that has lost the lease may write once more: what it stores is still true."""
    first = workers.load_to(250, 100)
    second = workers.start()
    assert second.begin(SOURCE, 260) == point(100)
    first.found(point(240))
    second.found(point(400))
    workers.reached(first, 255)
    workers.reached(second, 450)
    workers.reached(second, 460)
    assert point_of(workers.item, SOURCE) == point(400)


def test_points_are_known_without_the_table_while_the_worker_lives(workers: Workers) -> None:
    keeper = workers.load_to(250, 100, 200, 300)
    workers.server.items.clear()
    assert keeper.begin(SOURCE, 250) == point(200)
    assert keeper.begin(SOURCE, 0) is None


def test_what_is_stored_is_small() -> None:
    item = point_item(SOURCE, point(100), 1)
    assert sum(len(str(value)) for value in item.values()) < 42_000
    text = replace(point(100), window=b"2013,1,1,517,515,2,830,819,11,UA,1545\n" * 800)
    assert len(str(point_item(SOURCE, text, 1)["window"])) < 1_000


def test_the_error_of_a_table_is_not_raised() -> None:
    class Broken:
        def get(self) -> Item | None:
            raise CheckpointUnavailableError("no answer", has_answered=True)

    keeper = RestartPointKeeper(Broken(), AtOnce(), VirtualClock(VirtualTime()))  # type: ignore[arg-type]
    assert keeper.of_piece().begin(SOURCE, 5) is None


def test_steps_go_on_with_the_stored_bytes_where_they_are_known(workers: Workers) -> None:
    told: list[int | None] = []

    class Seen:
        def report(self, step: Step, **facts: int) -> None:  # noqa: ARG002
            told.append(facts.get("stored_bytes"))

    keeper = RestartPointKeeper(
        FakeTable(workers.server, ITEM_ID, workers.time, Script({})),
        AtOnce(),
        workers.clock,
        Seen(),
    )
    keeper.of_piece(3).read_to(500, 70)
    for step in (Step.BLOCK_ACKNOWLEDGED, Step.CHECKPOINT_STORED):
        for byte_offset in (499, 500, 600):
            keeper.report(step, byte_offset=byte_offset, piece=3, bytes_before=1_000)
    keeper.report(Step.LEASE_RENEWED)
    assert told == [None, 1_070, 1_070, None, 1_070, 1_070, None]


# -- sets ------------------------------------------------------------------------------------------

THIRD = replace(SOURCE, key="third.csv.gz")


def in_third_piece(workers: Workers) -> Worker:
    """A worker that read two pieces ahead of its checkpoint, which is in the third (number 2)."""
    keeper = workers.start()
    first, third = keeper.of_piece(0), keeper.of_piece(2)
    assert third.begin(THIRD, 0) is None
    third.found(point(90))
    assert first.begin(SOURCE, 0) is None
    first.found(point(100))
    first.found(point(200))
    third.found(point(180))
    return keeper


def test_of_a_set_the_point_of_the_piece_with_the_checkpoint_is_stored(workers: Workers) -> None:
    keeper = in_third_piece(workers)
    workers.reached(keeper, 150, piece=0)
    assert point_of(workers.item, SOURCE) == point(100)
    workers.reached(keeper, 120, piece=2)
    assert point_of(workers.item, THIRD) == point(90)
    started = workers.start()
    assert started.of_piece(2).begin(THIRD, 120) == point(90)
    workers.reached(started, 121, piece=2)
    assert number_of(workers.item) == 2


def test_of_a_set_no_point_of_a_piece_before_the_checkpoints_is_stored_or_used(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    keeper = in_third_piece(workers)
    workers.reached(keeper, 5_000, piece=1)
    assert not workers.server.items
    assert keeper.of_piece(1).begin(replace(SOURCE, key="second.csv.gz"), 5_000) is None
    workers.reached(keeper, 95, piece=2)
    assert workers.start().of_piece(3).begin(SOURCE, 5_000) is None
    assert "it is of s3://bucket/third.csv.gz" in caplog.text


def test_of_a_set_a_look_at_the_header_forgets_no_point(workers: Workers) -> None:
    """A resume reads a piece's beginning first, and then goes to its place."""
    workers.reached(in_third_piece(workers), 200, piece=2)
    points = workers.start().of_piece(2)
    for _ in range(2):
        assert points.begin(THIRD, 0) is None
        assert points.begin(THIRD, 200) == point(180)
