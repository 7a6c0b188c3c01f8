"""How much is logged is a setting like any other: what it cannot be is refused by name."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from csvkafka.errors import ConfigError
from csvkafka.process.logs import log_level


@pytest.mark.parametrize(
    ("text", "level"), [("", "INFO"), ("debug", "DEBUG"), ("ERROR", "ERROR"), (None, "INFO")]
)
def test_the_level_is_the_one_named(
    monkeypatch: pytest.MonkeyPatch, text: str | None, level: str
) -> None:
    monkeypatch.delenv("LOG_LEVEL", raising=False)
    if text is not None:
        monkeypatch.setenv("LOG_LEVEL", text)
    assert log_level() == level


def test_an_unknown_level_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "chatty")
    with pytest.raises(ConfigError, match=r"LOG_LEVEL must be one of .*INFO.*, not 'chatty'"):
        log_level()


def test_the_documented_entry_point_names_an_unknown_level() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "csvkafka"],
        env=os.environ | {"LOG_LEVEL": "chatty"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    assert "ERROR - ConfigError: LOG_LEVEL must be one of" in ended.stdout
