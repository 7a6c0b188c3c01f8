"""Where checkpoints are kept, opened: a table of DynamoDB, or a file of SQLite.

What is opened (`interfaces.ItemStore`) gives items by key: the job's own, and others beside it. The
module of a store is imported when one is opened: a load with DynamoDB needs no SQLite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csvkafka.aws.dynamodb_item import DynamoDbStore
from csvkafka.config.checkpoint_place import CheckpointPlace
from csvkafka.interfaces import ItemStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


def open_store(place: CheckpointPlace, *, client: DynamoDBClient | None = None) -> ItemStore:
    """The store at that place; touches nothing yet. `client` is for DynamoDB."""
    if place.path is None:
        return DynamoDbStore(place.table, client=client)
    from csvkafka.files.sqlite_store import SqliteStore

    return SqliteStore(place.path, owns_folder=place.is_default)
