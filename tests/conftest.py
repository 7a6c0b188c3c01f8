"""Options of all suites: `--fault-results FOLDER` notes what came of each injected fault."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from csvkafka.testing.stacks.choice import choose_stack
from tests.fault_matrix import Recorder


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fault-results", type=Path, default=None, help="folder for the outcomes of fault tests"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fault(*ids): the test injects these faults of faults.toml")
    folder = config.getoption("--fault-results")
    if folder is not None:
        kind = choose_stack(config.getoption("--stack"), os.environ).kind
        config.pluginmanager.register(Recorder(folder, kind))
