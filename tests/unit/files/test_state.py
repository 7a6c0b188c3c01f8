"""Where a user's checkpoint file is, if nobody names one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from csvkafka.files.state import default_checkpoint_path, make_folder


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, "home/.local/state/csvkafka/checkpoints.sqlite"),
        ("linux", {"XDG_STATE_HOME": "{}/state"}, "state/csvkafka/checkpoints.sqlite"),
        (
            "linux",
            {"XDG_STATE_HOME": "not/absolute"},
            "home/.local/state/csvkafka/checkpoints.sqlite",
        ),
        ("darwin", {}, "home/Library/Application Support/csvkafka/checkpoints.sqlite"),
    ],
)
def test_the_default_file_is_where_the_system_keeps_such_files(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    platform: str,
    environment: dict[str, str],
    expected: str,
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    filled = {name: text.format(tmp_path) for name, text in environment.items()}
    assert default_checkpoint_path(filled) == tmp_path / expected


def test_a_folder_is_made_for_its_user_alone(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
