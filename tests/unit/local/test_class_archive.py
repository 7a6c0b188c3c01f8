"""Archives of classes that nobody reads any more go when another one is made."""

from __future__ import annotations

import mmap
import os
import time
from pathlib import Path

from csvkafka.local.class_archive import UNUSED_SECONDS, remove_unused


def put(path: Path, age_seconds: float, read_seconds: float | None = None) -> Path:
    """A file that was made so long ago, and read last so long ago."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"classes")
    now = time.time()
    os.utime(
        path, (now - (age_seconds if read_seconds is None else read_seconds), now - age_seconds)
    )
    return path


def test_those_that_nobody_has_read_for_long_go_with_their_locks(tmp_path: Path) -> None:
    old = UNUSED_SECONDS + 60
    gone = [
        put(tmp_path / "jars-a" / "linked-classes-1.jsa", old),
        put(tmp_path / "jars-a" / "linked-classes-1.lock", old),
        put(tmp_path / "jars-a" / "classes-1.jsa", old),
        put(tmp_path / "jars-b" / "linked-classes-1.jsa", old),
    ]
    kept = [
        put(tmp_path / "jars-a" / "linked-classes-2.jsa", old, read_seconds=60),
        put(tmp_path / "jars-b" / "linked-classes-2.jsa", 60, read_seconds=old),
        put(tmp_path / "jars-b" / "linked-classes-2.lock", old),
        put(tmp_path / "jars-b" / "kafka-classes.jar", old),
        put(tmp_path / "apicurio" / "classes-1.jsa", old),
    ]
    remove_unused(tmp_path)
    assert not [path for path in gone if path.exists()]
    assert [path for path in kept if path.exists()] == kept
    remove_unused(tmp_path / "nothing")


def test_who_has_one_open_keeps_it(tmp_path: Path) -> None:
    archive = put(tmp_path / "jars-a" / "linked-classes-1.jsa", UNUSED_SECONDS + 60)
    with archive.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        os.utime(archive, (0, 0))  # it was opened, not read
        remove_unused(tmp_path)
        assert not archive.exists()
        assert mapped[:] == b"classes"
