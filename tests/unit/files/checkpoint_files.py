"""Checkpoint files for tests, and who may write them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from csvkafka.files.sqlite_store import SqliteStore

NOBODY = 65534
BUSY_SECONDS = 0.2


def new_store(path: Path) -> SqliteStore:
    """A new file there."""
    store = SqliteStore(path, busy_seconds=BUSY_SECONDS)
    assert store.create()
    return store


@contextmanager
def foreign_folder() -> Iterator[Path]:
    """A folder that everybody may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="csvkafka-files-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def without_rights() -> Iterator[None]:
    """Root may write everything: inside, this process is nobody if it was root."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(was)
