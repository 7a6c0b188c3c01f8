"""Creation, lease, producer id: what each write needs, what a refusal means (rules 1 to 9)."""

from __future__ import annotations

import pytest

from csvkafka.errors import (
    CheckpointError,
    CheckpointUnavailableError,
    FencedError,
    ItemLostError,
)
from csvkafka.ledger.item import LeaseState, new_item
from csvkafka.ledger.ledger import WATCH_FACTOR, JobLedger
from csvkafka.model import JobStatus, ProducerIdentity
from tests.refusals import refusal
from tests.unit.ledger.ledgers import DEFINITION, IDENTITY, LANES, LEASE_SECONDS, Office, checkpoint

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


def watcher(office: Office, watched: LeaseState) -> JobLedger:
    worker = office.worker("b")
    return JobLedger("job", worker.table, worker.clock, owner="b", watched=watched)


def test_a_lease_that_was_watched_before_is_not_waited_for_but_its_owners_next_is(
    office: Office,
) -> None:
    first = office.owner("a")
    watched = office.stored.lease
    waited_for: list[str] = []
    first.ledger.renew()
    ledger = watcher(office, watched)
    seen = office.stored
    assert ledger.take(seen, lambda: bool(waited_for), waited_for.append) is None
    assert waited_for == ["a"]
    began = office.time.now
    ledger = watcher(office, seen.lease)
    assert ledger.take(seen, lambda: False, waited_for.append) is not None
    assert office.time.now - began < 0.1
    assert waited_for == ["a"]


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


def test_an_owner_that_renews_just_before_it_is_taken_for_dead_keeps_its_lease(
    office: Office,
) -> None:
    office.owner("a")
    second = office.worker("b")
    renewals = iter([1])

    def renewed_meanwhile(point: str) -> str:
        if point == "table-write":
            counter = office.stored.lease.counter
            office.item["lease_counter"] = counter + next(renewals, 0)
        return ""

    second.table.meet = renewed_meanwhile
    began = office.time.now
    assert second.take() is not None
    assert office.time.now - began >= 2 * WATCH_FACTOR * LEASE_SECONDS


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


def test_f70_a_take_that_is_asked_again_gives_the_item_as_it_was_when_we_took_it(
    office: Office,
) -> None:
    """And not as it was before the first try, when its owner had no producer id yet."""
    first = office.worker("a")
    first.ledger.create(DEFINITION)
    first.take()
    seen = office.stored
    first.ledger.store_identity(IDENTITY, checkpoint(0), LANES)
    first.commit(3)
    second = office.worker("b", **{"table_write#2": "timeout-applied"})
    second.dead.add("a")
    with pytest.raises(CheckpointUnavailableError):
        second.ledger.take(seen, lambda: False, second.waited_for.append)
    taken = second.ledger.take(seen, lambda: False, second.waited_for.append)
    assert taken is not None
    assert (taken.identity, taken.position.row_count) == (IDENTITY, 3)
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


@pytest.mark.fault("F109")
def test_a_lease_that_had_run_out_is_remembered_until_the_item_is_read(office: Office) -> None:
    owner = office.owner()
    owner.clock.sleep(LEASE_SECONDS - 1)
    owner.ledger.renew()
    assert not owner.ledger.lapsed
    owner.clock.sleep(LEASE_SECONDS + 1)
    assert not owner.ledger.lapsed
    owner.ledger.renew()
    assert owner.ledger.lapsed
    owner.clock.sleep(1)
    owner.ledger.renew()
    assert owner.ledger.lapsed
    owner.ledger.read_mine()
    assert not owner.ledger.lapsed


def test_a_new_owner_begins_without_a_lapse(office: Office) -> None:
    office.owner("a")
    office.time.sleep(1_000)
    second = office.worker("b")
    assert second.take() is not None
    assert not second.ledger.lapsed


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
    with refusal(FencedError, match="process 42 on host b"):
        owner.ledger.renew()
