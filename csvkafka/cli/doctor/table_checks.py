"""Whether the checkpoint table is there and lets us do what a load does."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

from csvkafka.aws.dynamodb_item import DynamoDbItem
from csvkafka.cli.doctor.findings import Examination, Finding, Mark
from csvkafka.errors import CheckpointError, CheckpointFileMissingError


def check_table(examination: Examination) -> Iterator[Finding]:
    """The table, or the file in its place, is read, and takes conditional writes."""
    place = examination.config.checkpoint
    if place.path is not None:
        yield from _check_file(examination, place.path)
        return
    name = place.table
    # An item that nobody has, so that nothing is written.
    item = DynamoDbItem(name, f"csvkafka doctor {secrets.token_hex(8)}")
    try:
        item.get()
    except CheckpointError:
        if examination.config.create_table and _is_missing(item):
            examination.table_is_to_come = True
            yield Finding(Mark.OK, "table", f"{name} is missing and will be created")
            return
        raise
    examination.table_answers = True
    item.check_writes()
    yield Finding(
        Mark.OK,
        "table",
        f"{name}: read, and takes conditional writes",
        how="by GetItem, UpdateItem and PutItem of an item that is not there",
    )
    try:
        item.check()
    except CheckpointError as error:
        # Not among the rights that a load needs.
        yield Finding(Mark.SKIPPED, "table", f"its key could not be looked at: {error}")
    else:
        yield Finding(Mark.OK, "table", f"{name}: active, with the key job_id")


def _check_file(examination: Examination, path: Path) -> Iterator[Finding]:
    from csvkafka.files.sqlite_store import SqliteStore

    try:
        SqliteStore(path).check()
    except CheckpointFileMissingError:
        if not examination.config.create_table:
            raise
        examination.table_is_to_come = True
        yield Finding(Mark.OK, "table", f"file {path} is missing and will be created")
        return
    examination.table_answers = True
    yield Finding(
        Mark.OK,
        "table",
        f"file {path}: read, and may be written",
        how="by a transaction that changes nothing",
    )


def _is_missing(item: DynamoDbItem) -> bool:
    try:
        item.check()
    except CheckpointError as error:
        return "there is no such table" in str(error)
    return False
