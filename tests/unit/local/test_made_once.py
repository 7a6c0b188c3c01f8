"""A file that is made once, whoever asks, and is whole when it appears."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from csvkafka.local.made_once import made_once


def test_of_several_at_once_one_makes_it(tmp_path: Path) -> None:
    made = []
    together = threading.Barrier(4)

    def make(target: Path) -> None:
        made.append(target)
        target.write_text("whole")

    def ask(_: int) -> str:
        together.wait()
        made_once(tmp_path / "file", make)
        return (tmp_path / "file").read_text()

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, range(4))) == ["whole"] * 4
    assert len(made) == 1


def test_what_failed_leaves_nothing_and_is_tried_again(tmp_path: Path) -> None:
    def fail(target: Path) -> None:
        target.write_text("half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        made_once(tmp_path / "file", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["file.lock"]
    made_once(tmp_path / "file", lambda target: target.touch())
    assert (tmp_path / "file").exists()


def test_what_is_there_is_not_made_again_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    tmp_path.chmod(0o555)
    made_once(tmp_path / "file", lambda _: pytest.fail("it is there"))
    assert not (tmp_path / "file.lock").exists()
