"""A checkpoint file: items by key in one SQLite database, with DynamoDB's conditional writes.

Crash safety. A write returns once it is on the disk. The rollback journal is used, not the WAL:
then the file alone holds all (it may be copied while nobody writes), and its locks are the ones
that every file system here must have anyway. `synchronous=EXTRA` also syncs the folder after the
journal is removed, else a power cut could bring the journal back, and it would undo a write that
was acknowledged. `fullfsync` makes macOS's disks write what they say they wrote. A journal that a
killed process left is rolled back by whoever opens the file next.

Each call opens the file and closes it. So a file that was removed or put elsewhere while a job runs
is noticed at the next write (an open one would take writes that nobody finds again), and no
connection is shared by threads or inherited by a forked process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import orjson

from csvkafka.errors import CheckpointFileUnusableError
from csvkafka.files import sqlite_faults as faults
from csvkafka.files.file_systems import MOUNTS, unlocked_type
from csvkafka.files.state import make_folder, sync_folder
from csvkafka.interfaces import Item, ItemChange, Refused

KEY = "job_id"
"""The attribute that holds an item's key, as in the documented table."""

APPLICATION_ID = 0x6373766B
"""`csvk`: SQLite's mark of whose file it is."""

SCHEMA_VERSION = 1

BUSY_SECONDS = 5.0
"""How long a call waits for a lock that another process has; a write takes milliseconds."""

_NOT_OURS = (0, 0)
"""Application id and version of a file that nobody has marked: a new one, or another program's."""

T = TypeVar("T")


class SqliteStore:
    """Implements `interfaces.ItemStore`; safe to use from several threads and processes of one
    host. `mounts` tells file systems (see `file_systems`)."""

    def __init__(
        self,
        path: Path,
        *,
        owns_folder: bool = False,
        busy_seconds: float = BUSY_SECONDS,
        mounts: Path = MOUNTS,
    ) -> None:
        """Touches nothing. `owns_folder`: `create` makes the folder too."""
        self.path = path
        self._owns_folder = owns_folder
        self._busy_seconds = busy_seconds
        self._mounts = mounts
        self._has_answered = False

    @property
    def where(self) -> str:
        """For messages."""
        return f"file {self.path}"

    def item(self, key: str) -> SqliteItem:
        """The item of that key."""
        return SqliteItem(self, key)

    def create(self) -> bool:
        """Makes the file; returns False if it was there already. A file that a killed process left
        half made is completed.

        Raises CheckpointError."""
        self._check_file_system()
        if self._owns_folder:
            self._make_folder()
        with self._opened("rwc") as connection:
            return self._in_transaction(connection, self._mark)

    def check(self) -> None:
        """Looks whether the file can be used, and written, as it is. Raises CheckpointError."""
        self.write(lambda _: None)

    def read(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        """Returns what `ask` answers, from one state of the file. Raises CheckpointError."""
        with self._ready() as connection:
            return ask(connection)

    def write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `change` as one transaction, which is on the disk when this returns. Raises
        CheckpointError; the change may have been made nevertheless."""
        with self._ready() as connection:
            return self._in_transaction(connection, change)

    @contextmanager
    def _ready(self) -> Iterator[sqlite3.Connection]:
        """The file, which is ours and of our version. Raises CheckpointError."""
        if not self._has_answered:
            self._check_file_system()
        with self._opened("rw") as connection:
            if self._marks(connection) == _NOT_OURS:
                if not _is_empty(connection):
                    raise self._foreign()
                raise faults.missing(self.path)
            self._has_answered = True
            yield connection

    @contextmanager
    def _opened(self, mode: str) -> Iterator[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(
                f"{self.path.as_uri()}?mode={mode}",
                uri=True,
                timeout=self._busy_seconds,
                isolation_level=None,
            )
            with closing(connection):
                connection.execute("PRAGMA journal_mode = DELETE")
                connection.execute("PRAGMA synchronous = EXTRA")
                connection.execute("PRAGMA fullfsync = ON")
                yield connection
        except sqlite3.Error as error:
            raise faults.file_error(error, self.path, has_answered=self._has_answered) from error

    def _in_transaction(
        self, connection: sqlite3.Connection, change: Callable[[sqlite3.Connection], T]
    ) -> T:
        # IMMEDIATE: what is compared stays as it is until it is written.
        connection.execute("BEGIN IMMEDIATE")
        result = change(connection)
        connection.execute("COMMIT")
        return result

    def _mark(self, connection: sqlite3.Connection) -> bool:
        if self._marks(connection) != _NOT_OURS:
            return False
        if not _is_empty(connection):
            raise self._foreign()
        connection.execute("CREATE TABLE items (key TEXT PRIMARY KEY, item TEXT NOT NULL)")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        sync_folder(self.path.parent)
        return True

    def _marks(self, connection: sqlite3.Connection) -> tuple[int, int]:
        """Application id and version, ours or `_NOT_OURS`. Raises CheckpointFileUnusableError."""
        ((application_id,),) = connection.execute("PRAGMA application_id")
        ((version,),) = connection.execute("PRAGMA user_version")
        if (application_id, version) == _NOT_OURS:
            return _NOT_OURS
        if application_id != APPLICATION_ID:
            raise self._foreign()
        if version != SCHEMA_VERSION:
            raise CheckpointFileUnusableError(
                f"checkpoint {self.where} has schema version {version}, and this csvkafka knows "
                f"{SCHEMA_VERSION}: a newer one made it. Use that one, or name another file by "
                "CHECKPOINT for a new job."
            )
        return application_id, version

    def _foreign(self) -> CheckpointFileUnusableError:
        return CheckpointFileUnusableError(
            f"checkpoint {self.where} is a database of another program: name another file by "
            "CHECKPOINT"
        )

    def _check_file_system(self) -> None:
        kind = unlocked_type(self.path, self._mounts)
        if kind is not None:
            raise faults.unlocked(
                self.path, f"it is on a file system of type {kind}, whose locks may not hold"
            )

    def _make_folder(self) -> None:
        try:
            make_folder(self.path.parent)
        except OSError as error:
            raise faults.read_only(self.path, f"({error})") from error


class SqliteItem:
    """Implements `interfaces.ItemTable` for one key of a file."""

    def __init__(self, store: SqliteStore, key: str) -> None:
        self.store = store
        self.key = key

    def get(self) -> Item | None:
        """The item; None if there is none. Raises CheckpointError."""
        return self.store.read(self._read)

    def put_new(self, item: Item) -> Refused | None:
        """Creates the item if there is none, and then returns None. Raises CheckpointError."""
        text = _written({**item, KEY: self.key})

        def put(connection: sqlite3.Connection) -> Refused | None:
            stands = self._read(connection)
            if stands is not None:
                return Refused(stands)
            connection.execute("INSERT INTO items VALUES (?, ?)", (self.key, text))
            return None

        return self.store.write(put)

    def update(self, change: ItemChange) -> Refused | None:
        """Applies the change if the item exists and `change.expect` holds, and then returns None.

        Raises CheckpointError."""
        # By way of JSON, so that a tuple is the list that is read back.
        expected = orjson.loads(_written(dict(change.expect)))

        def apply(connection: sqlite3.Connection) -> Refused | None:
            stands = self._read(connection)
            if stands is None:
                return Refused(None)
            if any(stands.get(name) != value for name, value in expected.items()):
                return Refused(stands)
            changed = {**stands, **change.set}
            for name in change.remove:
                changed.pop(name, None)
            connection.execute(
                "UPDATE items SET item = ? WHERE key = ?", (_written(changed), self.key)
            )
            return None

        return self.store.write(apply)

    def _read(self, connection: sqlite3.Connection) -> Item | None:
        row = connection.execute("SELECT item FROM items WHERE key = ?", (self.key,)).fetchone()
        item: Item | None = None if row is None else orjson.loads(row[0])
        return item


def _written(item: object) -> str:
    """JSON, which people can read with any tool of SQLite."""
    return orjson.dumps(item).decode()


def _is_empty(connection: sqlite3.Connection) -> bool:
    ((count,),) = connection.execute("SELECT count(*) FROM sqlite_master")
    return bool(count == 0)
