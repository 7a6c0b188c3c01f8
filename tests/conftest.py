"""Options and markers of all suites.

`--fault-results FOLDER` notes what came of each injected fault. `-m stack_dependent` selects the
tests to which it matters whether servers are embedded or containers: those that harm or front a
broker or start several (tests/own_servers.py), those that hold the stack's own S3 and DynamoDB to
their word, as these are other programs on each stack, and what only containers show. The others ask
the same Kafka the same questions on both, or servers that are the same beside each stack.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from csvkafka.testing.stacks.choice import choose_stack
from tests.fault_matrix import Recorder
from tests.longest_files import LONGEST_FIRST
from tests.own_servers import OWN_SERVERS

if TYPE_CHECKING:
    from csvkafka.local.base import Stack


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fault-results", type=Path, default=None, help="folder for the outcomes of fault tests"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fault(*ids): the test injects these faults of faults.toml")
    config.addinivalue_line(
        "markers", "stack_dependent: embedded servers and containers may differ in what it tests"
    )
    config.addinivalue_line(
        "markers", "applied: deploy/ is applied for it, by terraform and its AWS provider"
    )
    folder = config.getoption("--fault-results")
    if folder is not None:
        kind = choose_stack(config.getoption("--stack"), os.environ).kind
        config.pluginmanager.register(Recorder(folder, kind))


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """What is imported and collected lives to the end: Python's collector need not look through it
    while it grows, nor ever again."""
    gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """See `pytest_collection`."""
    gc.enable()
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if not OWN_SERVERS.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("stack_dependent")
    if hasattr(config, "workerinput"):
        items.sort(key=_turn)  # stable


def _turn(item: pytest.Item) -> int:
    name = item.path.name
    return LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST)


@pytest.fixture(scope="session")
def stack_to_harm(
    new_stack: Callable[[], AbstractContextManager[Stack]],
) -> Iterator[Stack]:
    """The stack behind `harmed_stack`: one for all tests of a process, as a start costs seconds."""
    with new_stack() as running:
        yield running


@pytest.fixture
def harmed_stack(stack_to_harm: Stack) -> Iterator[Stack]:
    """Another stack than the session's, whose one broker is killed and paused; leave it running.

    It is shared by all tests that harm one: take names of your own for topics, buckets and tables.
    A broker that a failed test leaves dead is started again."""
    yield stack_to_harm
    for broker in stack_to_harm.brokers:
        if not broker.is_running:
            broker.start()


@pytest.fixture
def harmed_kafka(harmed_stack: Stack) -> Any:
    """The broker of `harmed_stack`, to be killed, paused and started again."""
    return harmed_stack.brokers[0]
