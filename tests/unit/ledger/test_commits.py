"""Progress in the item, and the end of a lease: conditions and refusals (rules 8 and 10)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from csvkafka.errors import CheckpointError, FencedError, ItemLostError
from csvkafka.interfaces import Item
from csvkafka.model import Checkpoint, JobStatus, LaneEpoch
from tests.refusals import refusal
from tests.unit.ledger.ledgers import DEFINITION, IDENTITY, LANES, Office, checkpoint


@pytest.fixture
def office() -> Office:
    return Office()


def is_owned_by(office: Office, name: str | None) -> bool:
    return office.stored.lease.owner == name


# -- rules 8 and 10: progress ----------------------------------------------------------------------


def test_a_commit_stores_progress_and_counts(office: Office) -> None:
    owner = office.owner()
    assert owner.commit(5) == (5, False)
    assert owner.commit(8) == (8, False)
    stored = office.stored
    assert (stored.position.row_count, stored.position.byte_offset) == (8, 80)
    assert stored.checkpoint_number == 2
    assert stored.checkpoint_for(LANES).lanes == checkpoint(8).lanes


@pytest.mark.parametrize("action", ["reply-lost", "timeout-applied"])
def test_f70_a_commit_whose_reply_was_lost_is_known_as_our_own(office: Office, action: str) -> None:
    owner = office.owner()
    owner.next_write(action)
    if action == "timeout-applied":
        with pytest.raises(CheckpointError):
            owner.commit(5)
    assert owner.commit(5) == (5, False)
    assert office.stored.checkpoint_number == 1
    assert owner.commit(6) == (6, False)


def test_f71_an_earlier_try_that_said_less_is_what_is_stored(office: Office) -> None:
    owner = office.owner()
    owner.next_write("timeout-applied")
    with pytest.raises(CheckpointError):
        owner.commit(5)
    assert owner.commit(9) == (5, False)
    assert office.stored.position.row_count == 5
    assert owner.commit(9) == (9, False)


def test_f71_an_earlier_try_that_arrives_late_never_takes_the_item_back(office: Office) -> None:
    owner = office.owner()
    owner.next_write("timeout-late")
    with pytest.raises(CheckpointError):
        owner.commit(5)
    assert owner.commit(9) == (9, False)
    office.time.run_out()
    assert office.stored.position.row_count == 9


def test_f71_a_late_try_may_still_arrive_after_a_new_look(office: Office) -> None:
    owner = office.owner()
    owner.next_write("timeout-late")
    with pytest.raises(CheckpointError):
        owner.commit(5)
    assert owner.ledger.read_mine().position.row_count == 0
    office.time.sleep(60.0)
    assert office.stored.position.row_count == 5
    assert owner.commit(7) == (5, False)
    assert owner.commit(7) == (7, False)


def test_completing_ends_the_lease(office: Office) -> None:
    owner = office.owner()
    assert owner.commit(9, completed=True) == (9, True)
    assert office.stored.status is JobStatus.COMPLETED
    assert is_owned_by(office, None)
    assert not owner.ledger.holds_lease


@pytest.mark.parametrize("option", ["completed", "release"])
@pytest.mark.parametrize("action", ["reply-lost", "timeout-applied"])
def test_f70_an_end_whose_reply_was_lost_is_known_as_our_own(
    office: Office, option: str, action: str
) -> None:
    owner = office.owner()
    owner.next_write(action)
    if action == "timeout-applied":
        with pytest.raises(CheckpointError):
            owner.commit(9, **{option: True})
    assert owner.commit(9, **{option: True}) == (9, True)
    assert is_owned_by(office, None)
    assert not owner.ledger.holds_lease


def test_an_earlier_try_of_a_mere_checkpoint_does_not_end_the_lease(office: Office) -> None:
    owner = office.owner()
    owner.next_write("timeout-applied")
    with pytest.raises(CheckpointError):
        owner.commit(5)
    assert owner.commit(9, completed=True) == (5, False)
    assert office.stored.status is JobStatus.IN_PROGRESS
    assert owner.ledger.holds_lease
    assert owner.commit(9, completed=True) == (9, True)


@pytest.mark.parametrize("options", [{}, {"completed": True}, {"release": True}])
def test_f20_a_commit_after_the_lease_was_taken_over_is_fenced(
    office: Office, options: dict[str, bool]
) -> None:
    owner = office.owner("a")
    second = office.worker("b")
    second.take()
    second.commit(7)
    before = dict(office.item)
    with pytest.raises(FencedError):
        owner.commit(3, **options)
    assert office.item == before


def test_f21_a_commit_after_another_completed_is_fenced(office: Office) -> None:
    owner = office.owner("a")
    second = office.worker("b")
    second.take()
    second.commit(9, completed=True)
    with pytest.raises(FencedError, match="another worker"):
        owner.commit(9, completed=True)
    with pytest.raises(FencedError):
        owner.ledger.read_mine()


@pytest.mark.parametrize("changed", [{"fencing_token": 9}, {"lease_owner": "other"}])
def test_mine_means_both_owner_and_token(office: Office, changed: dict[str, str | int]) -> None:
    owner = office.owner()
    office.item.update(changed)
    before = dict(office.item)
    for write in (lambda: owner.commit(1), owner.ledger.renew, owner.ledger.release):
        with pytest.raises(FencedError):
            write()
    assert office.item == before


def test_f75_a_deleted_item_is_not_made_again(office: Office) -> None:
    owner = office.owner()
    office.server.items.clear()
    for write in (lambda: owner.commit(1), owner.ledger.renew, owner.ledger.read_mine):
        with refusal(ItemLostError):
            write()
    assert office.server.items == {}


def test_an_item_changed_by_something_else_is_an_error(office: Office) -> None:
    owner = office.owner()
    office.item["checkpoint_number"] = 5
    with pytest.raises(ItemLostError):
        owner.commit(1)


# -- rule 11: later epochs -------------------------------------------------------------------------

LATER = (LaneEpoch(0, 0), LaneEpoch(1, 7))


def in_a_later_epoch(rows: int) -> Checkpoint:
    """The checkpoint of so many rows, with an epoch that began two rows after it."""
    before = checkpoint(rows)
    return replace(before, lanes=tuple(replace(lane, epochs=LATER) for lane in before.lanes))


def epochs(office: Office) -> tuple[LaneEpoch, ...]:
    return office.stored.lanes["rows/0"].epochs


def test_f98_a_later_epoch_is_stored_and_the_progress_stays(office: Office) -> None:
    owner = office.owner()
    owner.commit(5)
    owner.ledger.begin_epochs(checkpoint(5), in_a_later_epoch(5), LANES)
    assert epochs(office) == LATER
    assert office.stored.position.row_count == 5
    assert (office.stored.checkpoint_number, office.item["schema_version"]) == (2, 2)
    assert owner.ledger.holds_lease
    assert owner.ledger.commit(in_a_later_epoch(9), LANES).checkpoint.position.row_count == 9


@pytest.mark.parametrize("action", ["reply-lost", "timeout-applied"])
def test_f98_a_later_epoch_whose_reply_was_lost_is_known_as_our_own(
    office: Office, action: str
) -> None:
    owner = office.owner()
    owner.commit(5)
    owner.next_write(action)
    if action == "timeout-applied":
        with pytest.raises(CheckpointError):
            owner.ledger.begin_epochs(checkpoint(5), in_a_later_epoch(5), LANES)
    owner.ledger.begin_epochs(checkpoint(5), in_a_later_epoch(5), LANES)
    assert epochs(office) == LATER
    assert office.stored.checkpoint_number == 2


def test_f103_a_checkpoint_begun_before_the_epoch_does_not_take_it_back(office: Office) -> None:
    owner = office.owner()
    owner.commit(5)
    owner.next_write("timeout-late")
    with pytest.raises(CheckpointError):
        owner.commit(6)
    owner.ledger.read_mine()
    owner.ledger.begin_epochs(checkpoint(5), in_a_later_epoch(5), LANES)
    office.time.sleep(60)
    assert epochs(office) == LATER
    assert office.stored.position.row_count == 5


def test_f103_an_epoch_that_a_late_checkpoint_came_before_is_not_stored(office: Office) -> None:
    """What stands then is read again, and the leader asked again."""
    owner = office.owner()
    owner.commit(5)
    owner.next_write("timeout-late")
    with pytest.raises(CheckpointError):
        owner.commit(6)
    owner.ledger.read_mine()
    office.time.sleep(60)
    owner.ledger.begin_epochs(checkpoint(5), in_a_later_epoch(5), LANES)
    assert epochs(office) == LATER[:1]
    assert office.stored.position.row_count == 6


def test_an_epoch_is_not_stored_over_lanes_that_are_not_as_they_were_read(office: Office) -> None:
    owner = office.owner()
    owner.commit(5)
    office.item["partitions"] = {"rows/0": [5, 5, [0, 0], [1, 4]]}
    with pytest.raises(ItemLostError):
        owner.ledger.begin_epochs(checkpoint(5), in_a_later_epoch(5), LANES)
    assert epochs(office) == (LaneEpoch(0, 0), LaneEpoch(1, 4))


def test_f96_who_lost_the_lease_begins_no_epoch(office: Office) -> None:
    owner = office.owner("a")
    owner.commit(5)
    office.worker("b").take()
    with pytest.raises(FencedError):
        owner.ledger.begin_epochs(checkpoint(5), in_a_later_epoch(5), LANES)
    assert epochs(office) == LATER[:1]


# -- release ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["", "reply-lost", "timeout-applied"])
def test_a_release_ends_the_lease_and_leaves_progress(office: Office, action: str) -> None:
    owner = office.owner()
    owner.commit(4)
    owner.next_write(action)
    if action == "timeout-applied":
        with pytest.raises(CheckpointError):
            owner.ledger.release()
    owner.ledger.release()
    assert is_owned_by(office, None)
    assert office.stored.position.row_count == 4
    assert not owner.ledger.holds_lease


def test_a_release_of_a_lost_lease_is_fenced(office: Office) -> None:
    owner = office.owner("a")
    office.worker("b").take()
    with pytest.raises(FencedError):
        owner.ledger.release()
    assert is_owned_by(office, "b")


# -- taking over another program's item ------------------------------------------------------------


def test_f78_a_documented_item_is_turned_into_ours(office: Office) -> None:
    documented: Item = {
        "job_id": "job",
        "last_line": 10,
        "total_sent": 9,
        "status": "IN_PROGRESS",
    }
    office.server.items["job"] = dict(documented)
    worker = office.worker("a")
    worker.ledger.adopt(documented, DEFINITION, 12, 130)
    stored = office.stored
    assert (stored.position.row_count, stored.position.byte_offset) == (12, 130)
    assert (stored.total_sent, stored.identity) == (12, None)
    assert worker.take() is not None


def test_f78_an_item_that_its_program_still_writes_is_not_taken_over(office: Office) -> None:
    documented: Item = {
        "job_id": "job",
        "last_line": 10,
        "total_sent": 9,
        "status": "IN_PROGRESS",
    }
    office.server.items["job"] = dict(documented) | {"last_line": 11}
    with pytest.raises(ItemLostError, match="Stop that program"):
        office.worker("a").ledger.adopt(documented, DEFINITION, 12, 130)
    assert office.item["last_line"] == 11


# -- a job that has promised nothing ---------------------------------------------------------------


@pytest.mark.parametrize("action", ["", "reply-lost"])
def test_the_owner_says_anew_what_the_job_is_before_its_first_row(
    office: Office, action: str
) -> None:
    worker = office.worker("me")
    worker.ledger.create(DEFINITION)
    worker.take()
    worker.next_write(action)
    anew = replace(DEFINITION, configuration={"KEY_COLUMN": "id"}, partition_count=9)
    worker.ledger.redefine(anew)
    assert office.stored.configuration == {"KEY_COLUMN": "id"}
    assert office.stored.partition_count == 9
    assert office.stored.identity is None
    worker.ledger.store_identity(IDENTITY, checkpoint(0), LANES)
    assert worker.commit(1) == (1, False)


def test_a_job_with_a_producer_id_is_never_said_anew(office: Office) -> None:
    owner = office.owner()
    with pytest.raises(ItemLostError):
        owner.ledger.redefine(replace(DEFINITION, partition_count=9))
    assert office.stored.partition_count == DEFINITION.partition_count


def test_whoever_lost_the_lease_says_nothing_anew(office: Office) -> None:
    first = office.worker("first")
    first.ledger.create(DEFINITION)
    first.take()
    second = office.worker("second")
    second.dead.add("first")
    second.take()
    with pytest.raises(FencedError):
        first.ledger.redefine(replace(DEFINITION, partition_count=9))
    assert office.stored.partition_count == DEFINITION.partition_count
