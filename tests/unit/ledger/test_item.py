"""What is stored of a job, read back: nothing is lost, and what cannot be used is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csvkafka.errors import CheckpointError, ItemUnusableError
from csvkafka.interfaces import Item, ItemChange
from csvkafka.ledger.item import (
    REPLAYS,
    DocumentedJob,
    JobDefinition,
    decode,
    decode_documented,
    decode_lease,
    is_documented_only,
    lane_name,
    new_item,
    progress_attributes,
)
from csvkafka.ledger.skipped_item import SkippedInOrder, move_past
from csvkafka.model import (
    Checkpoint,
    JobStatus,
    Lane,
    LaneEpoch,
    LaneProgress,
    PieceStart,
    Position,
    ProducerIdentity,
    SourceIdentity,
)
from tests.refusals import refusal

LANES = (Lane("rows", 0), Lane("rows", 2), Lane("bad.rows", 0))
SOURCE = SourceIdentity("bucket", "key.csv", '"etag"', 1000, version_id="v1")
DEFINITION = JobDefinition(
    SOURCE, {"KAFKA_TOPIC": "rows"}, "cluster", {"rows": "id-1", "bad.rows": "id-2"}, 3, LANES
)
CHECKPOINT = Checkpoint(
    Position(500, 40), 39, (LaneProgress(20, 25), LaneProgress(18, 18), LaneProgress(1, 7)), 4
)

ROUTED = replace(DEFINITION, routed_partitions={"other": 2})

IN_SET = Position(30, 40, PieceStart(3, 38, 900, 60))
SET = replace(DEFINITION, source=SourceIdentity("bucket", "p/", "digest", 5000, files=9))


def set_item(lanes: tuple[LaneProgress, ...] = CHECKPOINT.lanes) -> Item:
    """An item in the middle of a set."""
    checkpoint = replace(CHECKPOINT, position=IN_SET, lanes=lanes)
    return (
        item()
        | new_item("job", SET, 2.5, 1_700_000_000)
        | progress_attributes(checkpoint, LANES, 1)
    )


def skipping_item() -> Item:
    """What is written to the item of a set when a file of it is skipped."""
    place = ChangedItem()
    seen, skipped = decode(set_item()), (SkippedInOrder(3, "k", 1),)
    move_past(place, seen, skipped, PieceStart(4, 39, 960), seen.lanes, 1)
    return place.item


class ChangedItem:
    """Takes changes, and nothing else; as `interfaces.ItemTable`."""

    def __init__(self) -> None:
        self.item: Item = {}

    def get(self) -> Item | None:
        return self.item

    def put_new(self, item: Item) -> None:
        self.item = item

    def update(self, change: ItemChange) -> None:
        self.item = {**self.item, **change.set}


def item() -> Item:
    """An item in the middle of a job."""
    return {
        **new_item("job", DEFINITION, 2.5, 1_700_000_000),
        **progress_attributes(CHECKPOINT, LANES, 1_700_000_009),
        "producer_id": 7,
        "producer_epoch": 0,
        "lease_owner": "me",
        "fencing_token": 2,
        "lease_counter": 11,
    }


def test_a_new_item_is_a_job_of_which_nothing_was_done() -> None:
    stored = decode(new_item("job", DEFINITION, 2.5, 1_700_000_000))
    assert (stored.position, stored.total_sent, stored.checkpoint_number) == (Position(0, 0), 0, 0)
    assert stored.status is JobStatus.IN_PROGRESS
    assert stored.identity is None
    assert (stored.lease.owner, stored.lease.token, stored.lease.counter) == (None, 0, 0)
    assert stored.lease.seconds == 2.5
    assert stored.started_at == stored.timestamp == 1_700_000_000


def test_what_was_stored_is_read_back() -> None:
    stored = decode(item())
    assert stored.checkpoint_for(LANES) == CHECKPOINT
    assert stored.identity == ProducerIdentity(7, 0)
    assert stored.source == SOURCE
    assert stored.configuration == DEFINITION.configuration
    assert (stored.cluster_id, stored.topic_ids) == ("cluster", DEFINITION.topic_ids)
    assert stored.partition_count == 3
    assert (stored.timestamp, stored.started_at) == (1_700_000_009, 1_700_000_000)
    assert decode_lease(item()) == stored.lease


def test_an_unversioned_source_has_no_version() -> None:
    definition = replace(DEFINITION, source=replace(SOURCE, version_id=None))
    assert decode(new_item("job", definition, 1.0, 0)).source.version_id is None


def test_the_documented_attributes_are_those_of_the_specification() -> None:
    documented = {name: item()[name] for name in ("last_line", "total_sent", "timestamp", "status")}
    assert documented == {
        "last_line": 40,
        "total_sent": 39,
        "timestamp": 1_700_000_009,
        "status": "IN_PROGRESS",
    }


def test_every_attribute_is_in_the_architectures_table() -> None:
    page = Path(__file__).parents[3] / "docs" / "architecture.md"
    section = page.read_text(encoding="utf-8").partition("## The item\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    named = set(re.findall(r"`(\w+)`", " ".join(rows)))
    of_routes = set(new_item("job", ROUTED, 2.5, 1))
    assert named == set(item()) | set(set_item()) | of_routes | {REPLAYS} | set(skipping_item())


def test_only_a_job_with_routes_tells_of_their_partitions() -> None:
    assert "routed_partitions" not in item()
    assert decode(item()).routed_partitions == {}
    assert decode(new_item("job", ROUTED, 2.5, 1)).routed_partitions == {"other": 2}
    damaged = {**new_item("job", ROUTED, 2.5, 1), "routed_partitions": {"other": "two"}}
    with refusal(ItemUnusableError, match="other is no whole number: 'two'"):
        decode(damaged)


def test_progress_of_a_partition_that_is_missing_is_refused() -> None:
    with pytest.raises(CheckpointError, match="rows/1"):
        decode(item()).checkpoint_for((Lane("rows", 1),))


# -- epochs ----------------------------------------------------------------------------------------

FIRST, SECOND, THIRD = LaneEpoch(0, 0), LaneEpoch(1, 12), LaneEpoch(2, 20)


def with_epochs(*epochs: LaneEpoch, next_sequence: int = 20) -> Item:
    """An item whose first lane is in these epochs."""
    lanes = (LaneProgress(next_sequence, 25, epochs), *CHECKPOINT.lanes[1:])
    return item() | progress_attributes(replace(CHECKPOINT, lanes=lanes), LANES, 0)


def stored_lane(written: Item) -> object:
    return dict(written["partitions"])["rows/0"]  # type: ignore[arg-type]


def test_a_job_that_no_broker_has_forgotten_is_an_item_of_version_1() -> None:
    assert item()["schema_version"] == 1
    assert stored_lane(item()) == [20, 25]
    assert decode(item()).lanes["rows/0"].epochs == (FIRST,)


def test_a_lane_begins_in_the_epoch_that_the_producer_id_came_with() -> None:
    stored = decode(item() | {"producer_epoch": 4})
    assert stored.lanes["rows/0"].epochs == (LaneEpoch(4, 0),)


def test_a_later_epoch_makes_it_version_2_and_is_read_back() -> None:
    written = with_epochs(FIRST, SECOND)
    assert written["schema_version"] == 2
    assert stored_lane(written) == [20, 25, [0, 0], [1, 12]]
    stored = decode(written)
    assert stored.lanes["rows/0"] == LaneProgress(20, 25, (FIRST, SECOND))
    assert (stored.lanes["rows/0"].epoch, stored.lanes["rows/0"].base_row) == (1, 12)
    assert stored.lanes["rows/2"].epochs == (FIRST,)


@pytest.mark.parametrize(
    ("next_sequence", "kept"),
    [
        (0, (FIRST, SECOND, THIRD)),
        (12, (FIRST, SECOND, THIRD)),
        (13, (SECOND, THIRD)),
        (20, (SECOND, THIRD)),
        (21, (SECOND, THIRD)),
    ],
)
def test_epochs_are_kept_from_the_last_stored_rows_on_and_one_before_the_present(
    next_sequence: int, kept: tuple[LaneEpoch, ...]
) -> None:
    written = with_epochs(FIRST, SECOND, THIRD, next_sequence=next_sequence)
    assert decode(written).lanes["rows/0"].epochs == kept


def test_f77_an_item_of_a_newer_csvkafka_is_refused_by_its_version() -> None:
    """So an older one refused version 2, which it would have numbered wrongly."""
    with pytest.raises(CheckpointError, match=r"schema_version 4.*knows 1 to 3.*a newer one"):
        decode(item() | {"schema_version": 4})


def test_a_set_is_of_a_version_of_its_own_and_says_where_its_byte_counts_from() -> None:
    stored = decode(set_item())
    assert (stored.source.files, stored.position) == (9, IN_SET)
    assert set_item()["schema_version"] == 3
    begun = decode(new_item("job", SET, 1.0, 0))
    assert begun.position == Position(0, 0, PieceStart())


def test_a_set_keeps_its_version_when_an_epoch_begins() -> None:
    later = replace(CHECKPOINT.lanes[0], epochs=(LaneEpoch(0, 0), LaneEpoch(1, 20)))
    lanes = (later, *CHECKPOINT.lanes[1:])
    assert set_item(lanes)["schema_version"] == 3
    assert decode(set_item(lanes)).lanes["rows/0"].epochs == later.epochs


def test_a_set_whose_piece_is_missing_or_wrong_is_refused() -> None:
    for piece in ({}, {"number": "x"}, 7):
        with pytest.raises(ItemUnusableError):
            decode(set_item() | {"piece": piece})


@pytest.mark.parametrize(
    "lane", [[20, 25, [1, 12], [1, 20]], [20, 25, [0, 12], [1, 3]], [20, 25, 7]]
)
def test_f77_epochs_that_cannot_be_are_refused(lane: list[Any]) -> None:
    damaged = item() | {"schema_version": 2, "partitions": {"rows/0": lane}}
    with pytest.raises(CheckpointError, match="cannot be read"):
        decode(damaged)


def test_a_lane_is_named_by_topic_and_partition() -> None:
    assert lane_name(Lane("a.b-c", 12)) == "a.b-c/12"


# Without these an item can be read: they come later, or are optional.
OPTIONAL = {"job_id", "producer_id", "lease_owner"}


@pytest.mark.parametrize("name", sorted(set(item()) - OPTIONAL))
def test_f77_an_item_without_an_attribute_is_refused(name: str) -> None:
    damaged = item()
    del damaged[name]
    with refusal(ItemUnusableError, match="Restore it"):
        decode(damaged)


WRONG: list[tuple[str, Any]] = [
    ("schema_version", 0),
    ("schema_version", "1"),
    ("last_line", "40"),
    ("last_line", -1),
    ("byte_offset", -1),
    ("total_sent", -1),
    ("status", "DONE"),
    ("source", "s3://bucket/key"),
    ("source", {"bucket": "b"}),
    ("configuration", "text"),
    ("partitions", {"rows/0": [1]}),
    ("partitions", {"rows/0": "1-2"}),
    ("partitions", [1, 2]),
    ("producer_epoch", "0"),
    ("fencing_token", "two"),
    (REPLAYS, "a"),
    (REPLAYS, 7),
    (REPLAYS, {"a": "b"}),
    (REPLAYS, ["a", 7]),
    (REPLAYS, [["a"]]),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_f77_an_attribute_that_makes_no_sense_is_refused(name: str, value: Any) -> None:
    with pytest.raises(CheckpointError):
        decode(item() | {name: value})


@given(st.data())
def test_f77_no_damage_escapes_as_another_error(data: st.DataObject) -> None:
    damaged: dict[str, Any] = item()
    for name in data.draw(st.lists(st.sampled_from(sorted(damaged)), max_size=3, unique=True)):
        damaged[name] = data.draw(
            st.one_of(
                st.integers(),
                st.text(max_size=3),
                st.lists(st.integers(), max_size=3),
                st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
            )
        )
    try:
        stored = decode(damaged)
        stored.checkpoint_for(LANES)
    except CheckpointError:
        return
    assert stored.position.row_count >= 0


DOCUMENTED: Item = {"job_id": "job", "last_line": 10, "total_sent": 9, "timestamp": 1}


def test_f78_another_implementations_item_is_told_by_what_it_lacks() -> None:
    assert is_documented_only(DOCUMENTED)
    assert not is_documented_only(item())
    assert not is_documented_only(new_item("job", DEFINITION, 1.0, 0))
    assert not is_documented_only(DOCUMENTED | {"producer_id": 3})


@pytest.mark.parametrize("status", list(JobStatus))
def test_f78_the_documented_attributes_are_read(status: JobStatus) -> None:
    assert decode_documented(DOCUMENTED | {"status": status.value}) == DocumentedJob(10, 9, status)


def test_f78_no_status_means_in_progress() -> None:
    assert decode_documented(DOCUMENTED).status is JobStatus.IN_PROGRESS


@pytest.mark.parametrize("change", [{"last_line": "x"}, {"status": "?"}, {"total_sent": []}])
def test_f77_a_documented_item_that_makes_no_sense_is_refused(change: Item) -> None:
    with pytest.raises(CheckpointError):
        decode_documented(DOCUMENTED | change)


def test_f77_a_documented_item_without_its_line_is_refused() -> None:
    with pytest.raises(CheckpointError):
        decode_documented({"job_id": "job", "total_sent": 1})


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"last_line": 5}, "it has no attribute 'total_sent'"),
        ({"total_sent": 5}, "it has no attribute 'last_line'"),
        (
            {"last_line": 5, "total_sent": 5, "status": "PAUSED"},
            "its status is 'PAUSED', csvkafka knows IN_PROGRESS, COMPLETED, SKIPPED",
        ),
        ({"last_line": "five", "total_sent": 5}, "last_line is no whole number: 'five'"),
    ],
)
def test_an_item_of_another_program_is_refused_by_the_attribute(
    attributes: Item, said: str
) -> None:
    with pytest.raises(CheckpointError, match=re.escape(said)):
        decode_documented({"job_id": "job", **attributes})


@pytest.mark.parametrize("name", ["last_line", "source", "configuration", "fencing_token"])
def test_an_attribute_that_is_missing_is_named(name: str) -> None:
    damaged = item()
    del damaged[name]
    with pytest.raises(CheckpointError, match=f"it has no attribute '{name}'"):
        decode(damaged)
