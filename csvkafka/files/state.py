"""The user's folder for what a program must keep between its runs, by each system's convention."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

CHECKPOINT_FILE = "checkpoints.sqlite"


def default_checkpoint_path(environment: Mapping[str, str] = os.environ) -> Path:
    """`$XDG_STATE_HOME/csvkafka/checkpoints.sqlite` (~/.local/state), on macOS in
    `~/Library/Application Support`."""
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        given = Path(environment.get("XDG_STATE_HOME", ""))
        # The convention: a path that is not absolute is to be ignored.
        base = given if given.is_absolute() else Path.home() / ".local" / "state"
    return base / "csvkafka" / CHECKPOINT_FILE


def make_folder(folder: Path) -> None:
    """Makes the folder and those above it, for this user alone, so that a power cut leaves them
    there. Raises OSError."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
        sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """The folder's entries are on the disk when this returns."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
