"""CheckpointManager, the documented API over a job's item, for programs of one's own.

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
from csvkafka.errors import ConfigError, CsvKafkaError, JobOwnedError
from csvkafka.interfaces import Item
from csvkafka.ledger import owner as owners
from csvkafka.model import JobStatus

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_dynamodb.client import DynamoDBClient

log = logging.getLogger(__name__)


class CheckpointManager:
    """Progress of the job `job_id` in the DynamoDB table `table_name`."""

    def __init__(
        self, table_name: str, job_id: str, *, client: DynamoDBClient | None = None
    ) -> None:
        """Touches neither network nor credentials; a client is made when first needed.

        Raises ConfigError for a name that is no text."""
        for name, text in (("table_name", table_name), ("job_id", job_id)):
            if not isinstance(text, str):
                raise ConfigError(f"'{name}' must be text, not {type(text).__name__}")
        self.item = DynamoDbItem(table_name, job_id, client=client)
        """The job's item, for conditional reads and writes."""

    @property
    def table_name(self) -> str:
        """The table; another one needs another CheckpointManager."""
        return self.item.table_name

    @property
    def job_id(self) -> str:
        """The job; another one needs another CheckpointManager."""
        return self.item.job_id

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
        ConfigError if region or credentials are missing."""
        self._store(line_number, total_sent, JobStatus.IN_PROGRESS)

    def mark_complete(self, total_lines: int) -> None:
        """Stores that the job is done, all `total_lines` rows sent. Raises as the update does."""
        self._store(total_lines, total_lines, JobStatus.COMPLETED)

    def _store(self, line_number: int, total_sent: int, status: JobStatus) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        values: Item = {
            "last_line": _whole(line_number),
            "total_sent": _whole(total_sent),
            "timestamp": int(SystemClock().wall()),
            "status": str(status),
        }
        foreign = ("producer_id", "fencing_token")
        try:
            self.item.client.update_item(
                TableName=self.table_name,
                Key={KEY: to_attribute(self.job_id)},
                UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
                ConditionExpression=" AND ".join(
                    f"attribute_not_exists(#{name})" for name in foreign
                ),
                ExpressionAttributeNames={f"#{name}": name for name in (*values, *foreign)},
                ExpressionAttributeValues={
                    f":{name}": to_attribute(value) for name, value in values.items()
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            raise self._owned(error) from error
        except (BotoCoreError, StrangerError) as error:
            # Documented is ClientError, and whoever catches it means an unreachable table too.
            answer: Any = {"Error": {"Code": type(error).__name__, "Message": str(error)}}
            raise ClientError(answer, "UpdateItem") from error

    def _owned(self, refused: ClientError) -> JobOwnedError:
        """Who owns the item that was not overwritten, and what to do."""
        answer: Any = refused.response
        stored = answer.get("Item", {})
        item = {name: from_attribute(attribute) for name, attribute in stored.items()}
        owner = item.get("lease_owner")
        if item.get("status") == JobStatus.COMPLETED:
            state = "which has completed it"
        elif isinstance(owner, str):
            state = f"and {owners.describe(owner)} is loading it"
        else:
            state = "which goes on with it when it is run again"
        return _owned_error_class()(
            f"the item of job {self.job_id} in table {self.table_name} is that of "
            f"CSVToKafkaProcessor.process() (csvkafka load), {state}: its progress is not to be "
            "written by others. Use another job_id for a loader of your own; csvkafka status "
            f"{self.job_id} shows how far this one is",
            refused,
        )


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
