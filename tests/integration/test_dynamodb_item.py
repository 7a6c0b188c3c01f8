"""DynamoDbItem when several workers write at once."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from csvkafka.aws.dynamodb_item import DynamoDbItem, create_table
from csvkafka.checkpoint import CheckpointManager
from csvkafka.interfaces import Item, ItemChange, Refused
from tests.integration.patient_clients import patient_dynamodb

pytestmark = pytest.mark.stack_dependent

TABLE = f"checkpoints-{uuid.uuid4()}"
WORKERS = 8


@pytest.fixture(scope="module")
def client(aws_endpoint_url: str) -> Any:
    dynamodb = patient_dynamodb(aws_endpoint_url)
    create_table(TABLE, dynamodb)
    return dynamodb


@pytest.fixture
def item(client: Any) -> DynamoDbItem:
    return DynamoDbItem(TABLE, str(uuid.uuid4()), client=client)


def at_once(write: Callable[[int], Refused | None]) -> list[Refused | None]:
    with ThreadPoolExecutor(WORKERS) as workers:
        return list(workers.map(write, range(WORKERS)))


def test_one_of_many_creates_the_item(item: DynamoDbItem) -> None:
    """F23: two workers start at once."""
    answers = at_once(lambda worker: item.put_new({"worker": worker}))
    winner = answers.index(None)
    stands: Item = {"job_id": item.job_id, "worker": winner}
    assert [answer for answer in answers if answer is not None] == [Refused(stands)] * (WORKERS - 1)
    assert item.get() == stands


def test_one_of_many_takes_each_fencing_token(item: DynamoDbItem) -> None:
    item.put_new({"token": 0, "owner": "nobody"})
    for token in range(5):

        def take(worker: int, token: int = token) -> Refused | None:
            change: Item = {"token": token + 1, "owner": f"worker {worker}"}
            return item.update(ItemChange(change, expect={"token": token}))

        answers = at_once(take)
        winner = f"worker {answers.index(None)}"
        stands: Item = {"job_id": item.job_id, "token": token + 1, "owner": winner}
        assert answers.count(None) == 1
        assert answers.count(Refused(stands)) == WORKERS - 1


def test_a_checkpoint_survives_its_program(client: Any) -> None:
    job_id = str(uuid.uuid4())
    CheckpointManager(TABLE, job_id, client=client).update_checkpoint(5000, 5000)
    assert CheckpointManager(TABLE, job_id, client=client).get_last_processed_line() == 5000
