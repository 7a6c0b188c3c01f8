"""The one item of a job in the DynamoDB table: consistent reads and conditional writes.

Every name goes through ExpressionAttributeNames (status, timestamp, source, owner, counter, token
and offset are reserved words of DynamoDB). Each call is bounded by its client's timeouts and
retries (`clients.py`: about 9 s). Then it raises CheckpointError, or CheckpointUnavailableError if
asking again may help (`retry.until_table_answers`). If the reply to a write was lost, the SDK sends
the write again, and its own condition may then refuse it. `Refused` carries the item, so that the
caller can recognise its own write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from csvkafka.aws import clients as aws
from csvkafka.aws.clients import FailureKind
from csvkafka.aws.credential_faults import credential_fault
from csvkafka.aws.strangers import unreached
from csvkafka.errors import CheckpointError, CheckpointUnavailableError, ConfigError
from csvkafka.interfaces import AttributeValue, Item, ItemChange, Refused

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

KEY = "job_id"
"""The table's hash key, a string."""


class DynamoDbItem:
    """Implements `interfaces.ItemTable`; safe to use from several threads, as its client is."""

    def __init__(
        self, table_name: str, job_id: str, *, client: DynamoDBClient | None = None
    ) -> None:
        """Without `client`, one is made by `clients.dynamodb_client` at the first call."""
        self.table_name = table_name
        self.job_id = job_id
        self._client = client
        self._has_answered = False

    @property
    def store(self) -> DynamoDbStore:
        """The table, by the same client."""
        return DynamoDbStore(self.table_name, client=self._client)

    @property
    def client(self) -> DynamoDBClient:
        """The client that all calls go through. Raises ConfigError (region, credentials)."""
        if self._client is None:
            self._client = aws.dynamodb_client()
        return self._client

    def get(self) -> Item | None:
        """The item by a consistent read; None if there is none. Raises CheckpointError."""
        answer = self._call("GetItem", self.client.get_item, Key=self._key(), ConsistentRead=True)
        return _item_of(answer)

    def put_new(self, item: Item) -> Refused | None:
        """Creates the item if there is none, and then returns None. Raises CheckpointError."""
        return self._write(
            "PutItem",
            self.client.put_item,
            Item={name: to_attribute(value) for name, value in (item | {KEY: self.job_id}).items()},
            ConditionExpression="attribute_not_exists(#key)",
            ExpressionAttributeNames={"#key": KEY},
        )

    def update(self, change: ItemChange) -> Refused | None:
        """Applies the change if the item exists and `change.expect` holds, and then returns None.

        Raises CheckpointError."""
        return self._write(
            "UpdateItem", self.client.update_item, Key=self._key(), **update_request(change)
        )

    def check_writes(self) -> None:
        """Finds out whether we may create and change an item, by writes whose conditions cannot
        hold if there is no item; so `job_id` must name none. Raises CheckpointError."""
        self.update(ItemChange(set={"status": "checked"}))
        self._write(
            "PutItem",
            self.client.put_item,
            Item=self._key(),
            ConditionExpression="attribute_exists(#key)",
            ExpressionAttributeNames={"#key": KEY},
        )

    def check(self) -> None:
        """Asks DynamoDB whether the table can be used as it is.

        Raises ConfigError (hash key), CheckpointError (missing, not allowed, not active)."""
        answer = self._call("DescribeTable", self.client.describe_table)
        check_key_schema(self.table_name, answer["Table"])
        status = answer["Table"]["TableStatus"]
        if status not in ("ACTIVE", "UPDATING"):
            raise CheckpointError(
                f"checkpoint table {self.table_name} is {status}; wait until it is ACTIVE"
            )

    def _key(self) -> dict[str, Any]:
        return {KEY: to_attribute(self.job_id)}

    def _write(self, action: str, call: Callable[..., Any], **request: Any) -> Refused | None:
        from botocore.exceptions import ClientError

        try:
            call(
                TableName=self.table_name,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **request,
            )
        except aws.vendor_errors() as error:
            if isinstance(error, ClientError) and aws.error_code(error) == _CONDITION_FAILED:
                return Refused(_item_of(error.response))
            raise self._failed(error, action) from error
        self._has_answered = True
        return None

    def _call(self, action: str, call: Callable[..., Any], **request: Any) -> Any:
        try:
            answer = call(TableName=self.table_name, **request)
        except aws.vendor_errors() as error:
            raise self._failed(error, action) from error
        self._has_answered = True
        return answer

    def _failed(self, error: Exception, action: str) -> CheckpointError | ConfigError:
        self._has_answered = self._has_answered or aws.is_from_aws(error)
        if aws.error_code(error) == "ValidationException":
            found = self._other_key(error)
            if found is not None:
                return _wrong_key(self.table_name, f"{found} ({aws.describe(error)})")
        return checkpoint_error(
            error, action, self.table_name, self.client, has_answered=self._has_answered
        )

    def _other_key(self, error: Exception) -> str | None:
        """The table's key, if it is not ours: DynamoDB has one code for that and much else."""
        try:
            key = key_of(self.client.describe_table(TableName=self.table_name)["Table"])
        except aws.vendor_errors():  # not among the rights that a load needs
            return "another key" if _NAMES_THE_KEY.search(aws.describe(error)) else None
        return None if key == _OUR_KEY else f"the key {key}"


class DynamoDbStore:
    """A table; implements `interfaces.ItemStore`."""

    def __init__(self, table_name: str, *, client: DynamoDBClient | None = None) -> None:
        """Without `client`, one is made by `clients.dynamodb_client` when first needed."""
        self.table_name = table_name
        self._client = client

    @property
    def where(self) -> str:
        """For messages."""
        return f"table {self.table_name}"

    def item(self, key: str) -> DynamoDbItem:
        """The item of that key."""
        return DynamoDbItem(self.table_name, key, client=self._client)

    def create(self) -> bool:
        """Creates the table if it is missing; see `create_table`."""
        if self._client is None:
            self._client = aws.dynamodb_client()
        return create_table(self.table_name, self._client)


_CONDITION_FAILED = "ConditionalCheckFailedException"
_NAMES_THE_KEY = re.compile(
    "key element does not match the schema|Missing the key|Type mismatch for key|number of "
    "conditions on the keys",
    re.IGNORECASE,
)
_OUR_KEY = f"{KEY} (S, HASH)"


def create_table(table_name: str, client: DynamoDBClient) -> bool:
    """Creates the checkpoint table (on-demand billing) and waits until it is active.

    Returns False if it was there already. Raises ConfigError if that table has another key, and
    CheckpointError.
    """
    existed = False
    try:
        client.create_table(
            TableName=table_name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": KEY, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": KEY, "AttributeType": "S"}],
        )
    except aws.vendor_errors() as error:
        existed = aws.error_code(error) == "ResourceInUseException"
        if not existed:
            raise checkpoint_error(error, "CreateTable", table_name, client) from error
    try:
        client.get_waiter("table_exists").wait(
            TableName=table_name, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
        )
    except aws.vendor_errors() as error:
        raise checkpoint_error(error, "DescribeTable", table_name, client) from error
    DynamoDbItem(table_name, "", client=client).check()
    return not existed


def check_key_schema(table_name: str, description: Any) -> None:
    """Raises ConfigError unless the table that DescribeTable describes has our key."""
    key = key_of(description)
    if key != _OUR_KEY:
        raise _wrong_key(table_name, f"the key {key}")


def key_of(description: Any) -> str:
    """The key of the table that DescribeTable describes: `name (type, HASH), ...`."""
    types = {
        attribute["AttributeName"]: attribute["AttributeType"]
        for attribute in description["AttributeDefinitions"]
    }
    keys = [(key["AttributeName"], key["KeyType"]) for key in description["KeySchema"]]
    return ", ".join(f"{name} ({types[name]}, {key_type})" for name, key_type in keys)


def _wrong_key(table_name: str, found: str) -> ConfigError:
    return ConfigError(
        f"table {table_name} has {found}; a checkpoint table has the one key {KEY} (S, HASH): name "
        "another table; `csvkafka load` with CREATE_TABLE=true makes one"
    )


def checkpoint_error(
    error: Exception,
    action: str,
    table_name: str,
    client: DynamoDBClient,
    *,
    has_answered: bool = False,
) -> CheckpointError | ConfigError:
    """What a failed call becomes: an error that says what, where and what to do. `has_answered`:
    the service is there."""
    from botocore.exceptions import NoCredentialsError, ParamValidationError

    cause = f"{action}: {aws.describe(error)}"
    where = f"checkpoint table {table_name} at {aws.endpoint_of(client)}"
    if isinstance(error, NoCredentialsError | ParamValidationError):
        return ConfigError(f"cannot use {where}: {cause}")
    match aws.failure_kind(error):
        case FailureKind.NOT_FOUND:
            advice = (
                "there is no such table: check name and region; `csvkafka load` with "
                "CREATE_TABLE=true creates it"
            )
        case FailureKind.DENIED:
            advice = f"the role needs dynamodb:{action} on it"
        case FailureKind.CREDENTIALS:
            advice = credential_fault(error, client)
        case FailureKind.TRANSIENT:
            advice = "DynamoDB does not answer or throttles: run the same command again later"
            if not has_answered:
                advice = f"{unreached('DynamoDB', error)} and the network"
            return CheckpointUnavailableError(
                f"cannot use {where}: {advice} ({cause})", has_answered=has_answered
            )
        case _:
            advice = "see DynamoDB's message"
    return CheckpointError(f"cannot use {where}: {advice} ({cause})")


def update_request(change: ItemChange) -> dict[str, Any]:
    """The expressions of UpdateItem for `change`; the item must exist."""
    names: dict[str, str] = {}
    values: dict[str, Any] = {}

    def name_of(name: str) -> str:
        return names.setdefault(name, f"#n{len(names)}")

    def value_of(value: AttributeValue) -> str:
        placeholder = f":v{len(values)}"
        values[placeholder] = to_attribute(value)
        return placeholder

    clauses = []
    if change.set:
        settings = [f"{name_of(name)} = {value_of(value)}" for name, value in change.set.items()]
        clauses.append("SET " + ", ".join(settings))
    if change.remove:
        clauses.append("REMOVE " + ", ".join(name_of(name) for name in change.remove))
    conditions = [f"attribute_exists({name_of(KEY)})"]
    for name, value in change.expect.items():
        conditions.append(
            f"attribute_not_exists({name_of(name)})"
            if value is None
            else f"{name_of(name)} = {value_of(value)}"
        )
    request: dict[str, Any] = {
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": {placeholder: name for name, placeholder in names.items()},
    }
    if clauses:
        request["UpdateExpression"] = " ".join(clauses)
    if values:
        request["ExpressionAttributeValues"] = values
    return request


def to_attribute(value: AttributeValue) -> dict[str, Any]:
    """DynamoDB's form of a value. Raises TypeError for what an item must not hold."""
    match value:
        case str():
            return {"S": value}
        case bool():
            raise TypeError("a checkpoint item holds no booleans")
        case int():
            return {"N": str(value)}
        case Mapping():
            return {"M": {name: to_attribute(inner) for name, inner in value.items()}}
        case Sequence() if not isinstance(value, bytes | bytearray):
            return {"L": [to_attribute(inner) for inner in value]}
    raise TypeError(f"a checkpoint item cannot hold {type(value).__name__}")


def from_attribute(attribute: Mapping[str, Any]) -> AttributeValue:
    """The value of one of DynamoDB's attributes.

    What csvkafka never writes (fractions, booleans, sets, null, binary) was written by another
    program: it is returned as text, so that the item can be shown and compared."""
    ((kind, stored),) = attribute.items()
    match kind:
        case "S":
            return str(stored)
        case "N":
            try:
                return int(stored)
            except ValueError:
                return str(stored)
        case "M":
            return {name: from_attribute(inner) for name, inner in stored.items()}
        case "L":
            return [from_attribute(inner) for inner in stored]
    return f"{kind} {stored!r}"


def _item_of(answer: Mapping[str, Any]) -> Item | None:
    stored = answer.get("Item")
    if not stored:
        return None
    return {name: from_attribute(attribute) for name, attribute in stored.items()}
