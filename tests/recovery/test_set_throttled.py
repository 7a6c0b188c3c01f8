"""A table with too little throughput for the workers of a set whose files are jobs of their own:
requests for the set's item, its list, its marks and its files' items are refused again and again,
and for longer than one call is tried."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from csvkafka.model import Step
from csvkafka.testing.judging.recovery_case import RecoveryCase
from tests.recovery.test_set_workers import said_so, set_case
from tests.recovery.throttling_table import ThrottlingTable

NewCase = Callable[..., RecoveryCase]

KINDS = {"set", "list", "marks", "file"}


def direct(case: RecoveryCase) -> str:
    url: str = case.stack.aws_endpoint_url
    return url


def load_through(table: ThrottlingTable, case: RecoveryCase) -> None:
    """Three workers; the table is asked by way of the gateway."""
    case.settings["AWS_ENDPOINT_URL_DYNAMODB"] = table.url
    workers = [case.start(pace_seconds=0.02) for _ in range(3)]
    for worker in workers:
        case.ends(worker, timeout_seconds=180.0)
    assert said_so(workers) == 1
    case.assert_once()


@pytest.mark.stack_dependent  # it asks all of a table that the other ones ask
@pytest.mark.fault("F126")
def test_f126_a_third_of_all_requests_of_three_workers_is_throttled(
    recovery_case: NewCase, seed: int
) -> None:
    """The first request for each kind of item, in each way that it is asked, is refused too."""
    chance = random.Random(seed)
    met: set[tuple[str, str]] = set()

    def refuses(operation: str, kind: str) -> bool:
        is_first = (operation, kind) not in met
        met.add((operation, kind))
        return is_first or chance.random() < 0.33

    case = set_case(recovery_case)
    with ThrottlingTable(direct(case), refuses) as table:
        load_through(table, case)
    writes = {kind for operation, kind in table.refused if operation != "GetItem"}
    assert writes == KINDS, table.refused
    assert {kind for operation, kind in table.refused if operation == "GetItem"} >= {"set", "file"}


@pytest.mark.fault("F126")
@pytest.mark.parametrize("kinds", [{"set", "marks"}, {"file"}], ids=["set and marks", "files"])
def test_f126_throttled_for_longer_than_the_lease_and_one_call_in_the_middle(
    recovery_case: NewCase, kinds: set[str]
) -> None:
    """12 s: a call gives up after 9 s, a lease ends after 2 s."""
    begun_at: list[float] = []

    def refuses(operation: str, kind: str) -> bool:
        if kind == "marks" and operation == "UpdateItem" and not begun_at:
            begun_at.append(time.monotonic())
        return bool(begun_at) and kind in kinds and time.monotonic() - begun_at[0] < 12.0

    case = set_case(recovery_case)
    with ThrottlingTable(direct(case), refuses) as table:
        load_through(table, case)
        assert time.monotonic() - begun_at[0] > 12.0
    assert {kind for _, kind in table.refused} & kinds


@pytest.mark.fault("F126")
def test_f126_throttled_while_the_set_is_said_to_be_complete(recovery_case: NewCase) -> None:
    """Two workers are about to write S6; both are refused for longer than a call is tried."""
    ends_at = float("inf")

    def refuses(operation: str, kind: str) -> bool:
        return (operation, kind) == ("UpdateItem", "set") and time.monotonic() < ends_at

    case = set_case(recovery_case, 300, 300, 300)
    with ThrottlingTable(direct(case), refuses) as table:
        case.settings["AWS_ENDPOINT_URL_DYNAMODB"] = table.url
        workers = [case.start() for _ in range(2)]
        for worker in workers:
            worker.wait_for_step(Step.FILES_COMPLETED)
        ends_at = time.monotonic() + 11.0
        for worker in workers:
            case.ends(worker, timeout_seconds=120.0)
    assert table.refused["UpdateItem", "set"] > 2
    assert said_so(workers) == 1
    case.assert_once()
