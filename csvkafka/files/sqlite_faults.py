"""What an error of SQLite means for a checkpoint file: what, where, and what to do."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from csvkafka.errors import (
    CheckpointError,
    CheckpointFileMissingError,
    CheckpointFileReadOnlyError,
    CheckpointFileUnlockedError,
    CheckpointFileUnusableError,
    CheckpointUnavailableError,
)

_PRIMARY = 0xFF
"""An extended result code has its primary one in its lowest byte."""

_LOCK_FAILED = frozenset(
    (
        sqlite3.SQLITE_IOERR_LOCK,
        sqlite3.SQLITE_IOERR_RDLOCK,
        sqlite3.SQLITE_IOERR_UNLOCK,
        sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK,
    )
)

_LOCKED = (
    "was locked by another process, which may be stopped, or hold a transaction open: let it go on "
    "or end it (`fuser -v` shows which)"
)
_PASSING = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_FULL: "could not be written, its disk is full: free some space",
    sqlite3.SQLITE_IOERR: "could not be read or written: look at its disk and the kernel's log",
}
"""What may be over soon."""


def file_error(error: sqlite3.Error, path: Path, *, has_answered: bool) -> CheckpointError:
    """The error to raise `from error`."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    told = f"({getattr(error, 'sqlite_errorname', type(error).__name__)}: {error})"
    where = f"checkpoint file {str(path)!r}"
    if code in _LOCK_FAILED or code & _PRIMARY == sqlite3.SQLITE_PROTOCOL:
        return unlocked(path, f"its file system does not lock {told}")

    passing = _PASSING.get(code & _PRIMARY)
    if passing is not None:
        return CheckpointUnavailableError(
            f"checkpoint file '{path}' {passing}, and run the same command again {told}",
            has_answered=has_answered,
        )
    match code & _PRIMARY:
        case sqlite3.SQLITE_CANTOPEN:
            return cannot_open(path, told)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return read_only(path, told)
        case sqlite3.SQLITE_NOTADB:
            return CheckpointFileUnusableError(
                f"{where} is no SQLite database: name another file by CHECKPOINT {told}"
            )
        case sqlite3.SQLITE_CORRUPT:
            return CheckpointFileUnusableError(
                f"{where} is damaged: restore it from a backup, or load under another JOB_ID into "
                f"a clean topic with a new file {told}"
            )
    return CheckpointError(f"cannot use {where}: see SQLite's message {told}")


def cannot_open(path: Path, told: str = "") -> CheckpointError:
    """What stands in the way of opening a file, or its journal beside it."""
    where, folder = f"checkpoint file {str(path)!r}", path.parent
    if not _may(folder, os.F_OK):
        return CheckpointFileMissingError(
            f"{where} cannot be there: folder {str(folder)!r} does not exist, or may not be "
            "entered; make the folder (is its disk mounted?), or set CHECKPOINT to another place"
        )
    if path.is_dir():
        return CheckpointFileUnusableError(
            f"{where} is a folder: name a file by CHECKPOINT, such as "
            f"sqlite://{path / 'checkpoints.sqlite'}"
        )
    if not path.exists() and _may(folder, os.W_OK):
        return missing(path)
    return read_only(path, told)


def missing(path: Path) -> CheckpointFileMissingError:
    """Nothing was begun in the file, or it is gone."""
    what = "is empty" if path.exists() else "does not exist"
    return CheckpointFileMissingError(
        f"checkpoint file {str(path)!r} {what}: check CHECKPOINT, and whether its disk is mounted. "
        "For a first job set CREATE_TABLE=true, which makes the file; a job that was begun in a "
        "file that is gone would send every row again"
    )


def read_only(path: Path, told: str = "") -> CheckpointFileReadOnlyError:
    """The file, its folder (a journal is made beside it) or its disk."""
    folder = path.parent
    if path.exists() and not _may(path, os.W_OK):
        what = "may not be written"
    elif not _may(folder, os.W_OK):
        what = f"needs a folder that may be written, and {str(folder)!r} may not"
    else:
        what = "is on a disk that is mounted read-only, or may not be opened"
    return CheckpointFileReadOnlyError(
        f"checkpoint file {str(path)!r} {what}: give user {os.geteuid()} the right to write both "
        f"file and folder, or set CHECKPOINT to another place {told}".rstrip()
    )


def _may(path: Path, mode: int) -> bool:
    # As the process is now, not as it was started: as opening a file is judged.
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def unlocked(path: Path, why: str) -> CheckpointFileUnlockedError:
    """Two owners could write at once."""
    return CheckpointFileUnlockedError(
        f"checkpoint file {str(path)!r} cannot be used: {why}, so two workers could write it at "
        "once; set CHECKPOINT to a file on a disk of this host (sqlite:///PATH), or to "
        "dynamodb://TABLE"
    )
