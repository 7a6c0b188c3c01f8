"""CheckpointManager on a file: the documented API without AWS."""

from __future__ import annotations

from pathlib import Path

import pytest

from csvkafka.checkpoint import CheckpointManager
from csvkafka.errors import CheckpointFileMissingError, JobOwnedError
from csvkafka.files.sqlite_store import SqliteStore
from csvkafka.interfaces import Item
from tests.refusals import refusal
from tests.unit.files.checkpoint_files import new_store


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return new_store(tmp_path / "checkpoints.sqlite")


def manager_of(store: SqliteStore) -> CheckpointManager:
    return CheckpointManager(f"sqlite://{store.path}", "job")


def test_progress_is_stored_and_read(store: SqliteStore) -> None:
    assert manager_of(store).get_last_processed_line() == 0
    manager_of(store).update_checkpoint(100, 90)
    assert manager_of(store).get_last_processed_line() == 100
    manager_of(store).mark_complete(200)
    item = store.item("job").get() or {}
    del item["timestamp"]
    assert item == {"job_id": "job", "last_line": 200, "total_sent": 200, "status": "COMPLETED"}


def test_an_item_of_a_load_is_not_overwritten(store: SqliteStore) -> None:
    before: Item = {"job_id": "job", "fencing_token": 1, "last_line": 7}
    store.item("job").put_new(before)
    with refusal(JobOwnedError, match=f"job in file {store.path}"):
        manager_of(store).update_checkpoint(100, 100)
    assert store.item("job").get() == before


def test_a_file_that_is_missing_is_not_made(tmp_path: Path) -> None:
    manager = CheckpointManager(f"sqlite://{tmp_path}/c.sqlite", "job")
    with refusal(CheckpointFileMissingError):
        manager.update_checkpoint(1, 1)
    assert manager.get_last_processed_line() == 0
