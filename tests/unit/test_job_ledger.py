"""Each conditional write to the item: what it needs, and what a refusal means (rules 1 to 10)."""

from __future__ import annotations

import pytest

from csvkafka.errors import CheckpointError, FencedError
from csvkafka.job_item import new_item
from csvkafka.job_ledger import WATCH_FACTOR, ItemLostError
from csvkafka.model import JobStatus, ProducerIdentity
from tests.unit.ledgers import DEFINITION, IDENTITY, LANES, LEASE_SECONDS, Office, checkpoint

OTHER_IDENTITY = ProducerIdentity(8, 0)


@pytest.fixture
def office() -> Office:
    return Office()


def is_owned_by(office: Office, name: str | None) -> bool:
    return office.stored.lease.owner == name


# -- rule 1: creation ------------------------------------------------------------------------------


def test_an_item_is_created_once(office: Office) -> None:
    assert office.worker("a").ledger.create(DEFINITION) is None
    office.owner("a")
    standing = office.worker("b").ledger.create(DEFINITION)
    assert standing == office.item
    assert is_owned_by(office, "a")


def test_f70_a_creation_whose_reply_was_lost_finds_its_own_item(office: Office) -> None:
    worker = office.worker("a")
    worker.next_write("reply-lost")
    standing = worker.ledger.create(DEFINITION)
    assert standing == office.item == new_item("job", DEFINITION, LEASE_SECONDS, 1_700_000_000)


# -- rule 2: the lease -----------------------------------------------------------------------------


def test_taking_the_lease_adds_one_to_the_fencing_token(office: Office) -> None:
    first = office.owner("a")
    first.commit(3, release=True)
    token = office.stored.lease.token
    taken = office.worker("b").take()
    assert taken is not None
    assert taken.position.row_count == 3
    assert (office.stored.lease.token, office.stored.lease.owner) == (token + 1, "b")


def test_a_released_lease_is_taken_without_waiting(office: Office) -> None:
    office.owner("a").commit(3, release=True)
    began = office.time.now
    second = office.worker("b")
    second.take()
    assert office.time.now - began < 0.1
    assert second.waited_for == []


def test_an_owner_known_to_be_dead_is_not_waited_for(office: Office) -> None:
    office.owner("a")
    second = office.worker("b")
    second.dead.add("a")
    began = office.time.now
    assert second.take() is not None
    assert office.time.now - began < 0.1
    assert second.waited_for == []


def test_a_silent_owner_is_watched_for_one_and_a_half_times_its_lease(office: Office) -> None:
    office.owner("a")
    second = office.worker("b")
    began = office.time.now
    assert second.take() is not None
    waited = office.time.now - began
    assert WATCH_FACTOR * LEASE_SECONDS <= waited < WATCH_FACTOR * LEASE_SECONDS + 1.0
    assert second.waited_for == ["a"]
    assert is_owned_by(office, "b")


def test_a_renewing_owner_is_waited_for_as_long_as_it_lives_and_named_once(office: Office) -> None:
    owner = office.owner("a")

    def live() -> None:
        while office.time.now < 100.0:
            owner.clock.sleep(LEASE_SECONDS / 3)
            owner.ledger.renew()

    office.time.spawn("a", live)
    second = office.worker("b")
    assert second.take() is not None
    assert office.time.now >= 100.0 + WATCH_FACTOR * LEASE_SECONDS
    assert second.waited_for == ["a"]


def test_the_owners_own_lease_length_is_what_counts(office: Office) -> None:
    office.owner("a")
    office.item["lease_milliseconds"] = 40_000
    second = office.worker("b")
    began = office.time.now
    second.take()
    assert office.time.now - began >= 60.0
    assert office.stored.lease.seconds == LEASE_SECONDS


def test_f10_a_completed_job_is_not_taken(office: Office) -> None:
    office.owner("a").commit(9, completed=True)
    before = dict(office.item)
    assert office.worker("b").take() is None
    assert office.item == before


def test_f23_a_job_completed_while_we_wait_is_not_taken(office: Office) -> None:
    owner = office.owner("a")
    office.time.after(5.0, lambda: office.time.spawn("a", lambda: owner.commit(9, completed=True)))
    assert office.worker("b").take() is None
    assert office.stored.status is JobStatus.COMPLETED


def test_a_stop_ends_the_waiting(office: Office) -> None:
    office.owner("a")
    second = office.worker("b")
    stop_at = office.time.now + 3.0
    taken = second.ledger.take(office.stored, lambda: office.time.now >= stop_at, lambda _: None)
    assert taken is None
    assert office.time.now < stop_at + 2.0
    assert is_owned_by(office, "a")


def test_f23_of_two_that_look_at_the_same_item_one_takes_it(office: Office) -> None:
    office.owner("a").commit(0, release=True)
    seen = office.stored
    first, second = office.worker("b"), office.worker("c")
    assert first.ledger.take(seen, lambda: False, lambda _: None) is not None
    began = office.time.now
    assert second.ledger.take(seen, lambda: False, second.waited_for.append) is not None
    assert second.waited_for == ["b"]
    assert office.time.now - began >= WATCH_FACTOR * LEASE_SECONDS
    with pytest.raises(FencedError):
        first.commit(1)


def test_f70_a_take_whose_reply_was_lost_is_known_as_our_own(office: Office) -> None:
    office.owner("a").commit(4, release=True)
    second = office.worker("b")
    second.next_write("reply-lost")
    token = office.stored.lease.token
    began = office.time.now
    taken = second.take()
    assert taken is not None
    assert taken.position.row_count == 4
    assert office.stored.lease.token == token + 1
    assert second.ledger.lease_valid_until > began + 0.9 * LEASE_SECONDS
    assert second.commit(5) == (5, False)


def test_an_item_that_vanishes_while_we_wait_is_an_error(office: Office) -> None:
    office.owner("a")
    office.time.after(3.0, office.server.items.clear)
    with pytest.raises(ItemLostError):
        office.worker("b").take()


# -- rule 3: the producer id -----------------------------------------------------------------------


def test_the_producer_id_is_stored_once_for_life(office: Office) -> None:
    first = office.owner("a")
    assert office.stored.identity == IDENTITY
    assert first.ledger.store_identity(OTHER_IDENTITY, checkpoint(0), LANES) == IDENTITY
    first.commit(2, release=True)
    second = office.worker("b")
    second.take()
    assert second.ledger.store_identity(OTHER_IDENTITY, checkpoint(0), LANES) == IDENTITY
    assert office.stored.identity == IDENTITY


def test_f70_a_producer_id_whose_reply_was_lost_is_ours(office: Office) -> None:
    worker = office.worker("a")
    worker.ledger.create(DEFINITION)
    worker.take()
    worker.next_write("reply-lost")
    assert worker.ledger.store_identity(IDENTITY, checkpoint(0), LANES) == IDENTITY
    assert office.stored.checkpoint_for(LANES) == checkpoint(0)


def test_a_producer_id_is_not_stored_by_who_lost_the_lease(office: Office) -> None:
    first = office.worker("a")
    first.ledger.create(DEFINITION)
    first.take()
    office.worker("b").take()
    with pytest.raises(FencedError):
        first.ledger.store_identity(IDENTITY, checkpoint(0), LANES)
    assert office.stored.identity is None


# -- rules 6 and 9: how long we may send -----------------------------------------------------------


def test_a_lease_is_counted_from_when_the_write_began(office: Office) -> None:
    owner = office.owner()
    began = office.time.now
    owner.ledger.renew()
    assert owner.ledger.lease_valid_until == began + LEASE_SECONDS < office.time.now + LEASE_SECONDS


@pytest.mark.parametrize("action", ["throttle", "timeout", "timeout-applied", "timeout-late"])
def test_a_write_without_an_answer_prolongs_nothing(office: Office, action: str) -> None:
    owner = office.owner()
    until = owner.ledger.lease_valid_until
    owner.next_write(action)
    with pytest.raises(CheckpointError):
        owner.ledger.renew()
    assert owner.ledger.lease_valid_until == until


def test_every_write_moves_the_counter(office: Office) -> None:
    owner = office.owner()
    counters = [office.stored.lease.counter]
    owner.ledger.renew()
    counters.append(office.stored.lease.counter)
    owner.commit(1)
    counters.append(office.stored.lease.counter)
    owner.next_write("timeout-applied")
    with pytest.raises(CheckpointError):
        owner.ledger.renew()
    counters.append(office.stored.lease.counter)
    owner.ledger.release()
    counters.append(office.stored.lease.counter)
    assert counters == sorted(set(counters))


def test_f70_a_renewal_done_twice_does_no_harm(office: Office) -> None:
    owner = office.owner()
    owner.next_write("reply-lost")
    owner.ledger.renew()
    assert owner.commit(1) == (1, False)


def test_a_renewal_after_the_lease_was_taken_over_is_fenced(office: Office) -> None:
    owner = office.owner("a")
    office.worker("b/boot/1/42/9/r").take()
    with pytest.raises(FencedError, match="process 42 on host b"):
        owner.ledger.renew()


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


def test_f75_a_deleted_item_is_not_made_again(office: Office) -> None:
    owner = office.owner()
    office.server.items.clear()
    for write in (lambda: owner.commit(1), owner.ledger.renew, owner.ledger.read_mine):
        with pytest.raises(ItemLostError):
            write()
    assert office.server.items == {}


def test_an_item_changed_by_something_else_is_an_error(office: Office) -> None:
    owner = office.owner()
    office.item["checkpoint_number"] = 5
    with pytest.raises(ItemLostError):
        owner.commit(1)


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
    documented = {"job_id": "job", "last_line": 10, "total_sent": 9, "status": "IN_PROGRESS"}
    office.server.items["job"] = dict(documented)
    worker = office.worker("a")
    worker.ledger.adopt(documented, DEFINITION, 12, 130)
    stored = office.stored
    assert (stored.position.row_count, stored.position.byte_offset) == (12, 130)
    assert (stored.total_sent, stored.identity) == (12, None)
    assert worker.take() is not None


def test_f78_an_item_that_its_program_still_writes_is_not_taken_over(office: Office) -> None:
    documented = {"job_id": "job", "last_line": 10, "total_sent": 9, "status": "IN_PROGRESS"}
    office.server.items["job"] = dict(documented) | {"last_line": 11}
    with pytest.raises(ItemLostError, match="Stop that program"):
        office.worker("a").ledger.adopt(documented, DEFINITION, 12, 130)
    assert office.item["last_line"] == 11
