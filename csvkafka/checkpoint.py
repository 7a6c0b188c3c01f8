"""CheckpointManager, the documented API over a job's item, for your own programs.

It reads and writes the documented attributes and no others. `CSVToKafkaProcessor.process()` takes
table, job and client from it, but reads and writes the item under conditions of its own
(`ledger`). An item that belongs to such a job cannot be overwritten from here.
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from csvkafka.aws.dynamodb_item import KEY, DynamoDbItem, from_attribute, to_attribute
from csvkafka.aws.strangers import StrangerError
from csvkafka.clock import SystemClock
from csvkafka.config.checkpoint_place import CheckpointPlace
from csvkafka.errors import ConfigError, CsvKafkaError, JobOwnedError
from csvkafka.interfaces import Item, ItemChange, Refused
from csvkafka.ledger import owner as owners
from csvkafka.model import JobStatus
from csvkafka.stores import open_store

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_dynamodb.client import DynamoDBClient

log = logging.getLogger(__name__)


class CheckpointManager:
    """The progress of the job `job_id`, in the DynamoDB table `table_name`. If `table_name` is
    `sqlite:///PATH`, it is in that checkpoint file (`sqlite`: in the one in the user's own
    folder)."""

    def __init__(
        self, table_name: str, job_id: str, *, client: DynamoDBClient | None = None
    ) -> None:
        """Touches neither network nor credentials; a client is made when first needed.

        Raises ConfigError for a name that is no text, or a malformed URI."""
        for name, text in (("table_name", table_name), ("job_id", job_id)):
            if not isinstance(text, str):
                raise ConfigError(f"'{name}' must be text, not {type(text).__name__}")
        place = CheckpointPlace.named(table_name)
        self._table_name, self._job_id = table_name, job_id
        self.item = open_store(place, client=client).item(job_id)
        """The job's item, for conditional reads and writes."""

    @property
    def table_name(self) -> str:
        """The table, or the file as it was given; another one needs another CheckpointManager."""
        return self._table_name

    @property
    def job_id(self) -> str:
        """The job; another one needs another CheckpointManager."""
        return self._job_id

    def get_last_processed_line(self) -> int:
        """Number of rows processed so far; 0 if there is no checkpoint, and on any error.

        Loading from row 1 because a read failed repeats the file: `process()` does not use this."""
        try:
            item = self.item.get() or {}
            last_line = item.get("last_line", 0)
            if not isinstance(last_line, int):
                raise ValueError(f"last_line is {last_line!r}")
        except (CsvKafkaError, ValueError) as error:
            log.warning("No checkpoint of job %s, taken as a new job: %s", self.job_id, error)
            return 0
        return last_line

    def update_checkpoint(self, line_number: int, total_sent: int) -> None:
        """Stores that `line_number` rows were processed and `total_sent` records sent.

        Raises botocore's ClientError if it could not be stored; JobOwnedError, which is a
        ClientError too, if the item belongs to a job of `CSVToKafkaProcessor.process()`;
        ConfigError if region or credentials are missing. With a checkpoint file, which must be
        there, it raises CheckpointError or JobOwnedError instead, which are then no
        ClientErrors."""
        self._store(line_number, total_sent, JobStatus.IN_PROGRESS)

    def mark_complete(self, total_lines: int) -> None:
        """Stores that the job is done: all `total_lines` rows are sent. Raises as
        `update_checkpoint`."""
        self._store(total_lines, total_lines, JobStatus.COMPLETED)

    def _store(self, line_number: int, total_sent: int, status: JobStatus) -> None:
        values: Item = {
            "last_line": _whole(line_number),
            "total_sent": _whole(total_sent),
            "timestamp": int(SystemClock().wall()),
            "status": str(status),
        }
        if isinstance(self.item, DynamoDbItem):
            self._store_in_table(self.item, values)
            return
        refused = self.item.update(ItemChange(values, expect=dict.fromkeys(_FOREIGN)))
        if refused == Refused(None):
            refused = self.item.put_new(values)
        if refused is not None:
            raise JobOwnedError(self._owned(refused.item or {}))

    def _store_in_table(self, item: DynamoDbItem, values: Item) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            item.client.update_item(
                TableName=item.table_name,
                Key={KEY: to_attribute(self.job_id)},
                UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
                ConditionExpression=" AND ".join(
                    f"attribute_not_exists(#{name})" for name in _FOREIGN
                ),
                ExpressionAttributeNames={f"#{name}": name for name in (*values, *_FOREIGN)},
                ExpressionAttributeValues={
                    f":{name}": to_attribute(value) for name, value in values.items()
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            answer: Any = error.response
            stored = {
                name: from_attribute(attribute)
                for name, attribute in answer.get("Item", {}).items()
            }
            raise _owned_error_class()(self._owned(stored), error) from error
        except (BotoCoreError, StrangerError) as error:
            # Documented is ClientError, and whoever catches it means an unreachable table too.
            failed: Any = {"Error": {"Code": type(error).__name__, "Message": str(error)}}
            raise ClientError(failed, "UpdateItem") from error

    def _owned(self, item: Item) -> str:
        """Who owns the item that was not overwritten, and what to do."""
        owner = item.get("lease_owner")
        if item.get("status") == JobStatus.COMPLETED:
            state = "which has completed it"
        elif isinstance(owner, str):
            state = f"and {owners.describe(owner)} is loading it"
        else:
            state = "which goes on with it when it is run again"
        return (
            f"the item of job {self.job_id} in {self.item.store.where} is that of "
            f"CSVToKafkaProcessor.process() (csvkafka load), {state}: its progress is not to be "
            "written by others. Use another job_id for a loader of your own; csvkafka status "
            f"{self.job_id} shows how far this one is"
        )


_FOREIGN = ("producer_id", "fencing_token")
"""Attributes that an item has once `process()` has written it."""


@lru_cache(maxsize=1)
def _owned_error_class() -> Callable[[str, ClientError], JobOwnedError]:
    """JobOwnedError that is a ClientError too, as documented for a write that fails; made when
    needed, because botocore takes long to import."""
    from botocore.exceptions import ClientError

    class JobOwnedClientError(JobOwnedError, ClientError):
        __doc__ = JobOwnedError.__doc__

        def __init__(self, message: str, refused: ClientError) -> None:
            Exception.__init__(self, message)
            self.response = refused.response
            self.operation_name = refused.operation_name

    return JobOwnedClientError


def _whole(number: object) -> int:
    """The number of rows or records. Raises TypeError, ValueError: a text would be stored, and read
    back as no progress at all."""
    count = operator.index(number)  # type: ignore[arg-type]
    if count < 0:
        raise ValueError(f"a checkpoint counts rows from 0 on, not from {count}")
    return count
