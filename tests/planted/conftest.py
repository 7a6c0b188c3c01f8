"""The table of what was planted and what was found, at the end of the session."""

from __future__ import annotations

import pytest

from tests.planted.table import NOT_PLANTED

FOUND = pytest.StashKey[dict[str, str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FOUND] = {}


@pytest.fixture
def note_found(request: pytest.FixtureRequest) -> object:
    """Notes what was found of a bug, for the table."""
    return request.config.stash[FOUND].__setitem__


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if not (found := config.stash.get(FOUND, {})):
        return
    terminalreporter.section("planted bugs")
    for name, text in found.items():
        terminalreporter.write_line(f"{name:34}  {text}")
    for name, reason in NOT_PLANTED.items():
        terminalreporter.write_line(f"{name:34}  not planted: {reason}")
