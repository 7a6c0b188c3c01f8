"""DynamoDbItem and CheckpointManager against a real DynamoDB server (moto) on loopback."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from csvkafka.aws import clients as aws
from csvkafka.aws.dynamodb_item import (
    DynamoDbItem,
    create_table,
    from_attribute,
    to_attribute,
    update_request,
)
from csvkafka.checkpoint import CheckpointManager
from csvkafka.errors import CheckpointError, CheckpointUnavailableError, ConfigError
from csvkafka.interfaces import AttributeValue, Item, ItemChange, Refused
from tests.refusals import refusal
from tests.unit.aws.aws_environment import set_aws_environment
from tests.unit.aws.faulty_gateway import LOSE_REPLY, STALL, FaultyGateway
from tests.unit.aws.web_server import PAGE, web_server

pytestmark = pytest.mark.usefixtures("aws_environment")

TABLE = "checkpoints"
RESERVED = ("status", "timestamp", "source", "owner", "counter", "token", "offset")


@pytest.fixture(scope="module")
def moto_port() -> Iterator[int]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield server.get_host_and_port()[1]
    finally:
        server.stop()


@pytest.fixture(scope="module")
def running_gateway(moto_port: int) -> Iterator[FaultyGateway]:
    gateway = FaultyGateway(moto_port)
    try:
        yield gateway
    finally:
        gateway.close()


@pytest.fixture(scope="module")
def shared_client(running_gateway: FaultyGateway) -> Any:
    with pytest.MonkeyPatch.context() as monkeypatch:
        set_aws_environment(monkeypatch)
        client = aws.dynamodb_client(endpoint_url=running_gateway.endpoint_url, call_seconds=180)
    create_table(TABLE, client)
    return client


@pytest.fixture
def impatient(client: Any, gateway: FaultyGateway) -> Any:
    """A client for a table that does not answer: its calls end after 4.5 s."""
    del client  # its table is there
    return aws.dynamodb_client(endpoint_url=gateway.endpoint_url, call_seconds=4.5)


@pytest.fixture
def gateway(running_gateway: FaultyGateway) -> FaultyGateway:
    running_gateway.reset()
    return running_gateway


@pytest.fixture
def client(shared_client: Any, gateway: FaultyGateway) -> Iterator[Any]:
    yield shared_client
    gateway.reset()
    shared_client.delete_item(TableName=TABLE, Key={"job_id": {"S": "job"}})


@pytest.fixture
def item(client: Any) -> DynamoDbItem:
    return DynamoDbItem(TABLE, "job", client=client)


def test_there_is_no_item_at_first(item: DynamoDbItem) -> None:
    assert item.get() is None


def test_what_was_put_is_read_back(item: DynamoDbItem) -> None:
    stored: Item = {
        "job_id": "job",
        "big": 10**37 + 1,
        "negative": -1,
        "text": "ü\n",
        "empty": "",
        "map": {"0": [0, 2**63], "deep": {"a": ["b", {"c": 1}]}},
        "list": [],
        **dict.fromkeys(RESERVED, 1),
    }
    assert item.put_new(stored) is None
    assert item.get() == stored


def test_an_item_that_exists_is_not_put_again_but_shown(item: DynamoDbItem) -> None:
    item.put_new({"a": 1})
    assert item.put_new({"a": 2}) == Refused({"job_id": "job", "a": 1})
    assert item.get() == {"job_id": "job", "a": 1}


def test_update_sets_and_removes_reserved_words(item: DynamoDbItem) -> None:
    item.put_new({**dict.fromkeys(RESERVED, 1), "rest": "x"})
    change = ItemChange(
        set={name: f"new {name}" for name in RESERVED},
        remove=["rest"],
        expect={**dict.fromkeys(RESERVED, 1), "absent": None},
    )
    assert item.update(change) is None
    assert item.get() == {"job_id": "job", **{name: f"new {name}" for name in RESERVED}}


def test_update_may_only_remove(item: DynamoDbItem) -> None:
    item.put_new({"owner": "me", "a": 1})
    assert item.update(ItemChange(set={}, remove=["owner"])) is None
    assert item.get() == {"job_id": "job", "a": 1}


@pytest.mark.parametrize(
    "expect", [{"a": 2}, {"a": "1"}, {"a": None}, {"b": 1}, {"a": 1, "b": 0}], ids=str
)
def test_an_update_whose_condition_fails_changes_nothing_and_shows_the_item(
    item: DynamoDbItem, expect: dict[str, Any]
) -> None:
    item.put_new({"a": 1})
    assert item.update(ItemChange({"a": 9}, (), expect)) == Refused({"job_id": "job", "a": 1})
    assert item.get() == {"job_id": "job", "a": 1}


def test_an_update_never_creates_the_item(item: DynamoDbItem) -> None:
    assert item.update(ItemChange({"a": 1}, (), {"a": None})) == Refused(None)
    assert item.get() is None


@pytest.mark.fault("F74")
def test_each_write_is_conditional_and_each_read_consistent(client: Any) -> None:
    seen: list[tuple[str, Any]] = []
    client.meta.events.register(
        "before-parameter-build.dynamodb",
        lambda params, model, **_: seen.append((model.name, dict(params))),
        unique_id="spy",
    )
    try:
        item = DynamoDbItem(TABLE, "job", client=client)
        item.put_new({"a": 1})
        item.update(ItemChange({"a": 2}))
        item.get()
    finally:
        client.meta.events.unregister("before-parameter-build.dynamodb", unique_id="spy")
    put, update, get = (request for _, request in seen)
    assert put["ConditionExpression"] == "attribute_not_exists(#key)"
    assert update["ConditionExpression"] == "attribute_exists(#n1)"
    assert get["ConsistentRead"] is True
    for write in (put, update):
        assert write["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"


def test_one_name_has_one_placeholder() -> None:
    request = update_request(ItemChange({"a": 1}, ("b",), {"a": 0, "b": None}))
    assert request["ExpressionAttributeNames"] == {"#n0": "a", "#n1": "b", "#n2": "job_id"}
    assert request["UpdateExpression"] == "SET #n0 = :v0 REMOVE #n1"
    assert request["ConditionExpression"] == (
        "attribute_exists(#n2) AND #n0 = :v1 AND attribute_not_exists(#n1)"
    )


def test_attributes_of_other_programs_stay_readable(item: DynamoDbItem, client: Any) -> None:
    foreign = {
        "job_id": {"S": "job"},
        "fraction": {"N": "1.5"},
        "flag": {"BOOL": True},
        "nothing": {"NULL": True},
        "bytes": {"B": b"\x00"},
        "set": {"SS": ["a"]},
    }
    client.put_item(TableName=TABLE, Item=foreign)
    assert item.get() == {
        "job_id": "job",
        "fraction": "1.5",
        "flag": "BOOL True",
        "nothing": "NULL True",
        "bytes": "B b'\\x00'",
        "set": "SS ['a']",
    }


@pytest.mark.parametrize("value", [True, 1.5, None, b"x", {1}], ids=repr)
def test_what_an_item_must_not_hold_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        to_attribute(value)


def test_nested_values_survive_the_way_there_and_back() -> None:
    value: AttributeValue = {"a": [1, "x", {"b": []}], "c": {}}
    assert from_attribute(to_attribute(value)) == value


def test_a_lost_reply_is_told_by_the_item_in_the_refusal(
    item: DynamoDbItem, gateway: FaultyGateway
) -> None:
    item.put_new({"n": 1})
    gateway.reset()
    gateway.script(LOSE_REPLY)
    refused = item.update(ItemChange({"n": 2}, (), {"n": 1}))
    assert refused == Refused({"job_id": "job", "n": 2})
    assert gateway.actions == ["UpdateItem", "UpdateItem"]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "ProvisionedThroughputExceededException"),
        (500, "InternalServerError"),
    ],
)
@pytest.mark.fault("F69")
def test_a_passing_failure_is_borne_an_endless_one_raised(
    item: DynamoDbItem, gateway: FaultyGateway, status: int, code: str
) -> None:
    gateway.script((status, code))
    assert item.get() is None
    gateway.always((status, code))
    with refusal(CheckpointUnavailableError, match=f"GetItem: {code}.*") as raised:
        item.get()
    assert "again later" in str(raised.value)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ((400, "AccessDeniedException"), "dynamodb:UpdateItem"),
        ((400, "ExpiredTokenException"), "credentials have expired .*renew"),
        ((400, "UnrecognizedClientException"), "access key id is unknown .*AWS_SESSION_TOKEN"),
        ((400, "IncompleteSignatureException"), "credentials are not accepted: renew"),
        ((400, "ResourceNotFoundException"), "`csvkafka load` with CREATE_TABLE=true"),
        ((400, "ValidationException"), "see DynamoDB's message .*ValidationException"),
    ],
    ids=str,
)
@pytest.mark.fault("F72", "F89")
def test_a_refused_call_names_table_region_and_cure(
    item: DynamoDbItem, gateway: FaultyGateway, fault: Any, words: str
) -> None:
    gateway.always(fault)
    with refusal(CheckpointError, match=words) as raised:
        item.update(ItemChange({"a": 1}))
    for word in (TABLE, gateway.endpoint_url, "eu-west-1", fault[1]):
        assert word in str(raised.value)
    # What is invalid may be the table's key.
    asked = ["DescribeTable"] if fault[1] == "ValidationException" else []
    assert gateway.actions == ["UpdateItem", *asked]


def test_a_table_that_does_not_answer_ends_the_call_in_time(
    impatient: Any, gateway: FaultyGateway
) -> None:
    gateway.always(STALL)
    started = time.monotonic()
    with pytest.raises(CheckpointError, match="ReadTimeoutError"):
        DynamoDbItem(TABLE, "job", client=impatient).get()
    assert time.monotonic() - started < 4.5 + 4, "one call more would take as long again"


def test_create_table_makes_the_documented_table_once(client: Any) -> None:
    assert create_table("fresh", client)
    table = client.describe_table(TableName="fresh")["Table"]
    assert table["KeySchema"] == [{"AttributeName": "job_id", "KeyType": "HASH"}]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert not create_table("fresh", client)
    DynamoDbItem("fresh", "job", client=client).check()


@pytest.mark.parametrize(
    "key",
    [
        [("id", "S", "HASH")],
        [("job_id", "N", "HASH")],
        [("job_id", "S", "HASH"), ("at", "N", "RANGE")],
    ],
    ids=["name", "type", "range key"],
)
def test_a_table_with_another_key_is_refused(client: Any, key: list[tuple[str, str, str]]) -> None:
    client.create_table(
        TableName="other",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, _, kind in key],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": t} for n, t, _ in key],
    )
    try:
        with pytest.raises(ConfigError, match=f"table other has the key {key[0][0]}"):
            create_table("other", client)
        item = DynamoDbItem("other", "job", client=client)
        calls = [item.check]
        if key[0] != ("job_id", "N", "HASH"):  # moto does not look at the type
            calls += [item.get, lambda: item.put_new({"last_line": 0})]  # type: ignore[list-item]
        for call in calls:
            with pytest.raises(ConfigError, match=f"has the key {key[0][0]} .*the one key job_id"):
                call()
    finally:
        client.delete_table(TableName="other")


def test_a_table_that_may_not_be_created_names_the_permission(
    client: Any, gateway: FaultyGateway
) -> None:
    gateway.script((400, "AccessDeniedException"))
    with pytest.raises(CheckpointError, match="dynamodb:CreateTable"):
        create_table(TABLE, client)


def test_a_missing_table_is_a_checkpoint_error(client: Any) -> None:
    missing = DynamoDbItem("missing", "job", client=client)
    for call in (missing.get, missing.check, lambda: missing.put_new({})):
        with pytest.raises(CheckpointError, match="CREATE_TABLE=true"):
            call()


# The documented CheckpointManager.


@pytest.fixture
def environment(client: Any, gateway: FaultyGateway, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", gateway.endpoint_url)
    return client


def stored(client: Any, job_id: str) -> Any:
    return client.get_item(TableName=TABLE, Key={"job_id": {"S": job_id}})["Item"]


def test_the_documented_examples(environment: Any) -> None:
    create_table("csv-kafka-checkpoint", environment)
    checkpoint_mgr = CheckpointManager("csv-kafka-checkpoint", "csv-job-1")
    assert checkpoint_mgr.get_last_processed_line() == 0
    checkpoint_mgr.update_checkpoint(50000, 50000)
    start_line = checkpoint_mgr.get_last_processed_line()
    assert start_line == 50000
    checkpoint_mgr.mark_complete(100000000)
    assert checkpoint_mgr.get_last_processed_line() == 100000000

    mgr = CheckpointManager("csv-kafka-checkpoint", "test-job")
    mgr.update_checkpoint(100, 100)
    assert mgr.get_last_processed_line() == 100


def test_only_documented_attributes_are_written(client: Any) -> None:
    manager = CheckpointManager(TABLE, "job", client=client)
    client.put_item(TableName=TABLE, Item={"job_id": {"S": "job"}, "note": {"S": "kept"}})
    before = int(time.time())
    manager.update_checkpoint(10000, 9999)
    item = stored(client, "job")
    assert before <= int(item.pop("timestamp")["N"]) <= time.time() + 1
    assert item == {
        "job_id": {"S": "job"},
        "last_line": {"N": "10000"},
        "total_sent": {"N": "9999"},
        "status": {"S": "IN_PROGRESS"},
        "note": {"S": "kept"},
    }
    manager.mark_complete(20000)
    item = stored(client, "job")
    assert (item["last_line"], item["status"]) == ({"N": "20000"}, {"S": "COMPLETED"})


@pytest.mark.parametrize(
    ("line", "error"), [("x", TypeError), (1.5, TypeError), (None, TypeError), (-1, ValueError)]
)
def test_what_is_no_count_of_rows_is_not_stored(client: Any, line: Any, error: Any) -> None:
    manager = CheckpointManager(TABLE, "job", client=client)
    for write in (
        lambda: manager.update_checkpoint(line, 1),
        lambda: manager.update_checkpoint(1, line),
        lambda: manager.mark_complete(line),
    ):
        with pytest.raises(error):
            write()
    assert manager.get_last_processed_line() == 0


def test_a_web_server_is_an_error_as_documented() -> None:
    with web_server(200, "text/html", PAGE) as url:
        manager = CheckpointManager(TABLE, "job", client=aws.dynamodb_client(endpoint_url=url))
        assert manager.get_last_processed_line() == 0
        with pytest.raises(ClientError, match="StrangerError"):
            manager.update_checkpoint(1, 1)


@pytest.mark.parametrize("attribute", ["producer_id", "fencing_token"])
def test_an_item_of_a_loading_job_cannot_be_overwritten(client: Any, attribute: str) -> None:
    item = DynamoDbItem(TABLE, "job", client=client)
    item.put_new({"last_line": 7, attribute: 0})
    manager = CheckpointManager(TABLE, "job", client=client)
    for write in (lambda: manager.update_checkpoint(1, 1), lambda: manager.mark_complete(1)):
        with pytest.raises(
            ClientError, match="which goes on with it when it is run again"
        ) as caught:
            write()
        assert caught.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert manager.get_last_processed_line() == 7


@pytest.mark.parametrize("fault", [(400, "ExpiredTokenException"), STALL], ids=str)
def test_any_error_reads_as_zero_with_a_warning_and_writes_as_client_error(
    client: Any,
    impatient: Any,
    gateway: FaultyGateway,
    fault: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    CheckpointManager(TABLE, "job", client=client).update_checkpoint(5, 5)
    manager = CheckpointManager(TABLE, "job", client=impatient)
    gateway.always(fault)
    with caplog.at_level(logging.WARNING, logger="csvkafka.checkpoint"):
        assert manager.get_last_processed_line() == 0
    ours = [record for record in caplog.records if record.name == "csvkafka.checkpoint"]
    assert [record.levelname for record in ours] == ["WARNING"]
    with pytest.raises(ClientError):
        manager.update_checkpoint(6, 6)


def test_a_last_line_that_is_no_number_reads_as_zero(client: Any) -> None:
    DynamoDbItem(TABLE, "job", client=client).put_new({"last_line": "many"})
    assert CheckpointManager(TABLE, "job", client=client).get_last_processed_line() == 0


def test_a_manager_is_made_without_network_region_or_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    manager = CheckpointManager(TABLE, "job")
    assert (manager.table_name, manager.job_id) == (TABLE, "job")
    assert manager.item.store.where == f"table {TABLE}"
    assert manager.get_last_processed_line() == 0
    with pytest.raises(ConfigError, match="AWS_REGION"):
        manager.update_checkpoint(1, 1)
