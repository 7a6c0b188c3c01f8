"""A checkpoint file: what it promises to whoever writes it, and each way in which it is refused.

What it shares with DynamoDB is in tests/integration/test_fakes_contract.py."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from csvkafka.errors import (
    CheckpointFileMissingError,
    CheckpointFileReadOnlyError,
    CheckpointFileUnlockedError,
    CheckpointFileUnusableError,
    CheckpointUnavailableError,
)
from csvkafka.files.sqlite_store import SCHEMA_VERSION, SqliteStore
from csvkafka.interfaces import Item, ItemChange, Refused
from tests.refusals import refusal
from tests.unit.files.checkpoint_files import (
    foreign_folder,
    new_store,
    without_rights,
)

WORKERS = 8


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "check points?#%.sqlite"


@pytest.fixture
def store(path: Path) -> SqliteStore:
    return new_store(path)


def run_sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


# -- what it promises ------------------------------------------------------------------------------


def test_a_file_is_made_once(path: Path) -> None:
    store = SqliteStore(path)
    assert store.create() is True
    store.item("job").put_new({"last_line": 3})
    assert store.create() is False
    assert store.item("job").get() == {"job_id": "job", "last_line": 3}


def test_items_of_several_keys_stand_beside_each_other(store: SqliteStore) -> None:
    for key in ("job", "job#files/0", "überall \0 \n"):
        assert store.item(key).put_new({"key": key}) is None
    assert store.item("job").update(ItemChange({"key": "changed"})) is None
    assert store.item("job#files/0").get() == {"job_id": "job#files/0", "key": "job#files/0"}
    assert store.item("überall \0 \n").get() is not None


def test_an_item_is_json_that_people_can_read(store: SqliteStore, path: Path) -> None:
    store.item("job").put_new({"status": "IN_PROGRESS"})
    with closing(sqlite3.connect(path)) as connection:
        ((key, text),) = connection.execute("SELECT key, item FROM items")
    assert (key, json.loads(text)) == ("job", {"status": "IN_PROGRESS", "job_id": "job"})


def test_a_large_item_is_stored(store: SqliteStore) -> None:
    text = "x" * 300_000
    store.item("job").put_new({"text": text})
    assert (store.item("job").get() or {})["text"] == text


def test_each_write_is_on_the_disk_before_it_is_answered(store: SqliteStore) -> None:
    """2 is FULL, which does not sync the folder once the journal is removed; 3 is EXTRA."""
    asked = ("synchronous", "journal_mode", "fullfsync")
    found = store.read(lambda it: [it.execute(f"PRAGMA {name}").fetchone()[0] for name in asked])
    assert found == [3, "delete", 1]


def test_nothing_but_the_file_is_left(store: SqliteStore, path: Path) -> None:
    store.item("job").put_new({"last_line": 3})
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_file_that_was_put_elsewhere_takes_no_writes(store: SqliteStore, path: Path) -> None:
    item = store.item("job")
    item.put_new({"last_line": 3})
    path.rename(path.with_suffix(".old"))
    with refusal(CheckpointFileMissingError):
        item.update(ItemChange({"last_line": 4}))
    assert not path.exists()


# -- two and more at once --------------------------------------------------------------------------


def at_once(write: Callable[[int], Refused | None]) -> list[Refused | None]:
    with ThreadPoolExecutor(WORKERS) as workers:
        return list(workers.map(write, range(WORKERS)))


def test_f23_one_of_many_creates_the_item(path: Path) -> None:
    new_store(path)
    items = [SqliteStore(path).item("job") for _ in range(WORKERS)]
    answers = at_once(lambda worker: items[worker].put_new({"worker": worker}))
    stands: Item = {"job_id": "job", "worker": answers.index(None)}
    assert [answer for answer in answers if answer is not None] == [Refused(stands)] * (WORKERS - 1)


def test_one_of_many_takes_each_fencing_token(path: Path) -> None:
    new_store(path)
    items = [SqliteStore(path).item("job") for _ in range(WORKERS)]
    items[0].put_new({"token": 0})
    for token in range(5):

        def take(worker: int, token: int = token) -> Refused | None:
            change = ItemChange({"token": token + 1, "owner": worker}, expect={"token": token})
            return items[worker].update(change)

        answers = at_once(take)
        stands: Item = {"job_id": "job", "token": token + 1, "owner": answers.index(None)}
        assert answers.count(Refused(stands)) == WORKERS - 1


ADD_ONES = """
import sys
from pathlib import Path
from csvkafka.files.sqlite_store import SqliteStore
from csvkafka.interfaces import ItemChange

item = SqliteStore(Path(sys.argv[1])).item("job")
for _ in range(int(sys.argv[2])):
    while True:
        count = item.get()["count"]
        change = ItemChange({"count": count + 1, "twice": [count + 1] * 2}, expect={"count": count})
        if item.update(change) is None:
            break
    print(count + 1, flush=True)
"""
"""Adds 1 again and again, and says each number once it is stored."""


def adding(path: Path, times: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ADD_ONES, str(path), str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_of_one_host_lose_no_write_of_each_other(store: SqliteStore, path: Path) -> None:
    store.item("job").put_new({"count": 0})
    processes = [adding(path, 20) for _ in range(3)]
    said = [int(line) for each in processes for line in each.communicate()[0].splitlines()]
    assert [each.returncode for each in processes] == [0, 0, 0]
    assert sorted(said) == list(range(1, 61))
    assert (store.item("job").get() or {})["count"] == 60


def test_a_process_killed_at_any_moment_loses_nothing_and_leaves_nothing_half_done(
    store: SqliteStore, path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    item = store.item("job")
    item.put_new({"count": 0, "twice": [0, 0]})
    stored, journals = 0, 0
    for _ in range(12):
        process = adding(path, 100_000)
        assert process.stdout is not None
        first = int(process.stdout.readline())
        time.sleep(chance.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        said = [first, *map(int, process.stdout.read().split())]
        process.wait()
        journals += path.with_name(f"{path.name}-journal").exists()
        now: Any = item.get()
        before, stored = stored, now["count"]
        assert said[0] == before + 1
        assert stored in (said[-1], said[-1] + 1)
        assert now["twice"] == [stored, stored]
    assert journals, "no kill was in the middle of a write"


def test_a_creation_that_was_cut_off_is_gone_on_with(path: Path) -> None:
    path.touch()
    assert SqliteStore(path).create() is True
    SqliteStore(path).check()


# -- refusals --------------------------------------------------------------------------------------


def test_a_file_that_is_missing_is_not_made_by_the_way(path: Path) -> None:
    with refusal(CheckpointFileMissingError, match="does not exist.*CREATE_TABLE=true"):
        SqliteStore(path).item("job").get()
    assert not path.exists()


def test_an_empty_file_is_none(path: Path) -> None:
    path.touch()
    with refusal(CheckpointFileMissingError, match="is empty.*CREATE_TABLE=true"):
        SqliteStore(path).item("job").get()


@pytest.mark.parametrize("call", [SqliteStore.create, SqliteStore.check])
def test_a_folder_that_is_missing_is_named(
    tmp_path: Path, call: Callable[[SqliteStore], object]
) -> None:
    with refusal(CheckpointFileMissingError, match="folder '.*/nowhere' does not exist"):
        call(SqliteStore(tmp_path / "nowhere" / "checkpoints.sqlite"))


def test_the_users_own_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "state" / "csvkafka" / "checkpoints.sqlite"
    assert SqliteStore(path, owns_folder=True).create()
    assert path.stat().st_size > 0


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with refusal(CheckpointFileUnusableError, match="is a folder"):
        SqliteStore(tmp_path).check()


def test_a_file_that_may_not_be_written_is_refused() -> None:
    with foreign_folder() as folder:
        path = folder / "checkpoints.sqlite"
        store = new_store(path)
        path.chmod(0o444)
        with without_rights(), refusal(CheckpointFileReadOnlyError, match="may not be written"):
            store.item("job").put_new({})
        with without_rights():
            assert store.item("job").get() is None


def test_a_folder_that_may_not_be_written_is_refused() -> None:
    """The journal is made beside the file."""
    with foreign_folder() as folder:
        path = folder / "checkpoints.sqlite"
        store = new_store(path)
        path.chmod(0o666)
        folder.chmod(0o555)
        with without_rights(), refusal(CheckpointFileReadOnlyError, match="needs a folder"):
            store.item("job").put_new({})


def test_a_file_that_may_not_be_made_is_refused() -> None:
    with foreign_folder() as folder:
        folder.chmod(0o555)
        with without_rights(), refusal(CheckpointFileReadOnlyError, match="needs a folder"):
            SqliteStore(folder / "checkpoints.sqlite").create()


@pytest.mark.parametrize("content", [b"id,name\n" * 200, b"\0" * 8192])
def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(
    path: Path, content: bytes
) -> None:
    path.write_bytes(content)
    for call in (SqliteStore.create, SqliteStore.check):
        with refusal(CheckpointFileUnusableError, match="is no SQLite database"):
            call(SqliteStore(path))
    assert path.read_bytes() == content


@pytest.mark.parametrize("statement", ["CREATE TABLE items (key)", "PRAGMA user_version = 1"])
def test_another_programs_database_is_refused_and_left_as_it_is(path: Path, statement: str) -> None:
    run_sql(path, statement)
    content = path.read_bytes()
    for call in (SqliteStore.create, SqliteStore.check):
        with refusal(CheckpointFileUnusableError, match="a database of another program"):
            call(SqliteStore(path))
    assert path.read_bytes() == content


def test_a_file_of_a_newer_csvkafka_is_refused(store: SqliteStore, path: Path) -> None:
    run_sql(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with refusal(CheckpointFileUnusableError, match=f"schema version {SCHEMA_VERSION + 1}"):
        store.item("job").get()


def test_a_damaged_file_is_refused(store: SqliteStore, path: Path) -> None:
    store.item("job").put_new({"text": "x" * 50_000})
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    with refusal(CheckpointFileUnusableError, match="is damaged"):
        store.item("job").get()


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_network_file_system_is_refused_before_anything_is_made(
    tmp_path: Path, path: Path, kind: str
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 0:50 / / rw - {kind} server:/export rw\n")
    for call in (SqliteStore.create, SqliteStore.check):
        with refusal(CheckpointFileUnlockedError, match=f"of type {kind}"):
            call(SqliteStore(path, mounts=mounts))
    assert not path.exists()


def test_a_file_that_another_process_has_locked_may_be_free_later(
    store: SqliteStore, path: Path
) -> None:
    store.check()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for call in (store.check, store.item("job").get):
            with refusal(CheckpointUnavailableError, match="locked by another process") as caught:
                call()
            assert caught.value.has_answered
    store.check()


FILL_UP = """
import resource, signal, sys
from pathlib import Path
from csvkafka.errors import CheckpointUnavailableError
from csvkafka.files.sqlite_store import SqliteStore

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    SqliteStore(Path(sys.argv[1])).item("job").put_new({"text": "x" * 30_000})
except CheckpointUnavailableError as error:
    print(error)
"""


def test_a_disk_that_takes_no_more_is_said_and_what_was_stored_stays(
    store: SqliteStore, path: Path
) -> None:
    store.item("other").put_new({"last_line": 3})
    command = [sys.executable, "-c", FILL_UP, str(path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "could not be read or written: look at its disk" in said
    assert store.item("job").get() is None
    assert store.item("other").get() == {"job_id": "other", "last_line": 3}


def test_a_full_disk_is_said(path: Path) -> None:
    """The error is SQLite's own, of a file that may not grow."""
    store = new_store(path)

    def fill(connection: sqlite3.Connection) -> Any:
        connection.execute("PRAGMA max_page_count = 4")
        connection.execute("INSERT INTO items VALUES ('job', ?)", ("x" * 50_000,))

    with refusal(CheckpointUnavailableError, match="its disk is full: free some space"):
        store.write(fill)
    assert store.item("job").get() is None


def test_a_copy_made_while_nobody_writes_is_a_backup(store: SqliteStore, path: Path) -> None:
    store.item("job").put_new({"last_line": 3})
    copy = path.with_name("backup.sqlite")
    shutil.copyfile(path, copy)
    assert SqliteStore(copy).item("job").get() == store.item("job").get()
