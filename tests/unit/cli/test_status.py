"""`csvkafka status`: what an item says in human words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from csvkafka.cli.status import JobView, _look
from csvkafka.interfaces import Item
from csvkafka.ledger.item import JobDefinition, new_item, progress_attributes
from csvkafka.ledger.point_item import point_item, point_item_id
from csvkafka.model import (
    Checkpoint,
    Lane,
    LaneEpoch,
    LaneProgress,
    Position,
    RestartPoint,
    SourceIdentity,
)
from csvkafka.testing.simulator.fake_table import FakeTable, TableServer

LANES = (Lane("rows", 0), Lane("rows", 1))
SOURCE = SourceIdentity("bucket", "key.csv", '"etag"', 1000)
DEFINITION = JobDefinition(SOURCE, {}, "cluster", {"rows": "id"}, 2, LANES)


def lines(*lanes: LaneProgress) -> list[tuple[str, str]]:
    """What is shown of a job with these lanes."""
    item = {
        **new_item("job", DEFINITION, 10.0, 0),
        **progress_attributes(Checkpoint(Position(500, 2_000), 2_000, lanes), LANES, 60),
        "producer_id": 7,
        "producer_epoch": 0,
    }
    return list(JobView("job", item).lines(61.0))


def test_a_later_epoch_is_shown_with_the_row_it_began_at() -> None:
    later = LaneProgress(1_500, 1_500, (LaneEpoch(0, 0), LaneEpoch(2, 1_200)))
    shown = lines(LaneProgress(500, 500), later)
    assert [text for name, text in shown if name == "epoch"] == ["2 in rows/1, since record 1,200"]


def test_a_job_that_no_broker_has_forgotten_has_no_such_line() -> None:
    assert not [
        text for name, text in lines(LaneProgress(1, 1), LaneProgress(2, 2)) if name == "epoch"
    ]


def test_the_size_that_sets_a_row_aside_is_shown() -> None:
    definition = replace(DEFINITION, configuration={"DEAD_LETTER_ABOVE_BYTES": "1037089"})
    shown = dict(JobView("job", new_item("job", definition, 10.0, 0)).lines(1.0))
    assert shown["record size"] == "up to 1,037,089 bytes; else its row is set aside"
    assert "record size" not in dict(lines(LaneProgress(1, 1), LaneProgress(2, 2)))


def test_what_is_not_all_is_not_shown_as_a_hundred_percent() -> None:
    def shown(byte_offset: int, size: int) -> str:
        definition = replace(DEFINITION, source=replace(SOURCE, size=size))
        done = Checkpoint(
            Position(byte_offset, 9), 9, (LaneProgress(4, 4), LaneProgress(5, 5)), byte_offset
        )
        item = {**new_item("job", definition, 1.0, 0), **progress_attributes(done, LANES, 9)}
        return dict(JobView("job", item).lines(9.0))["bytes"]

    assert shown(3_015_994, 3_016_627) == "3.02 MB of 3.02 MB  (99.9 %)"
    assert shown(500, 1_000) == "500 bytes of 1 kB  (50.0 %)"


class Items:
    """A store in memory."""

    where = "table"

    def __init__(self, items: dict[str, Item]) -> None:
        self.server = TableServer()
        for key, item in items.items():
            self.server.put_new(key, item)

    def item(self, key: str) -> FakeTable:
        return FakeTable(self.server, key)

    def create(self) -> bool:
        return False


PACKED = replace(SOURCE, compression="gzip")
POINT = RestartPoint(window=b"", stored_bits=1_600, content_bytes=1_000, checksum=0, member_bytes=0)


def packed_view(point: Item | None) -> JobView:
    """A gzip object of 1,000 bytes, at byte 2,000 of its content."""
    definition = replace(DEFINITION, source=PACKED)
    checkpoint = Checkpoint(Position(2_000, 50), 50, (LaneProgress(50, 50), LaneProgress(0, 0)))
    item = {
        **new_item("job", definition, 10.0, 0),
        **progress_attributes(checkpoint, LANES, 60),
        "producer_id": 7,
        "producer_epoch": 0,
    }
    points = {} if point is None else {point_item_id("job"): point}
    return _look(Items({"job": item, **points}), "job")


def test_how_far_a_compressed_object_is_follows_from_its_restart_point() -> None:
    view = packed_view(point_item(PACKED, POINT, 1))
    assert view.percent == 40.0
    assert view.to_json()["percent"] == 40.0
    shown = dict(view.lines(61.0))["bytes"]
    assert "about 40.0 % of a compressed object of 1 kB" in shown


@pytest.mark.parametrize(
    "point",
    [None, point_item(SOURCE, POINT, 1), point_item(PACKED, POINT, 1) | {"stored_bits": 9}],
    ids=["none", "of another object", "damaged"],
)
def test_without_a_point_of_the_object_nobody_knows(point: Item | None) -> None:
    view = packed_view(point)
    assert view.percent is None
    assert "nobody knows" in dict(view.lines(61.0))["bytes"]
