"""`csvkafka status`: what an item says in human words."""

from __future__ import annotations

from csvkafka.cli.status import JobView
from csvkafka.ledger.item import JobDefinition, new_item, progress_attributes
from csvkafka.model import Checkpoint, Lane, LaneEpoch, LaneProgress, Position, SourceIdentity

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
