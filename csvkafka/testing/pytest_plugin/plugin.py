"""pytest plugin: the fixture `stack`, a running Kafka, S3 and DynamoDB for the whole session.

`--stack` (or $CSVKAFKA_STACK) chooses where they come from; which it is, and why, is said after
the collection. `--kafka-release` (or $CSVKAFKA_KAFKA_RELEASE) chooses Kafka's release, for every
stack of the session and of the programs that its tests start. Nothing is imported or started for a
session that has no test with the fixture.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pytest

from csvkafka.errors import StackError
from csvkafka.local import releases
from csvkafka.testing.pytest_plugin import report_plugin
from csvkafka.testing.pytest_plugin.recovery_fixtures import add_options, kills, recovery_case, seed
from csvkafka.testing.stacks.choice import KINDS, VARIABLE, StackChoice, choose_stack, open_stack

if TYPE_CHECKING:
    from csvkafka.local.base import Stack

__all__ = ["kills", "new_stack", "recovery_case", "seed", "stack"]

_CHOICE = pytest.StashKey[StackChoice]()
_SAID = "csvkafka stack"
_TOLD_BY_PROCESSES = pytest.StashKey[set[str]]()
_FIXTURES = frozenset(("stack", "new_stack"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--stack`, and the options of `recovery_fixtures`."""
    group = parser.getgroup("csvkafka")
    add_options(group)
    group.addoption(
        "--stack",
        choices=KINDS,
        default=None,
        help=f"where Kafka, S3 and DynamoDB come from (default: ${VARIABLE}, else containers if an "
        "engine and the images are there, else embedded)",
    )
    group.addoption(
        "--kafka-release",
        default=None,
        help=f"Kafka's release, e.g. 3.9.1 (default: ${releases.VARIABLE}, else "
        f"{releases.DEFAULT_RELEASE}); an unknown one is answered with those that are there",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Puts the release into the environment, before anybody asks which images are needed."""
    asked = config.getoption("--kafka-release")
    if asked is None and releases.VARIABLE not in os.environ:
        return
    try:
        release = releases.choose_release(asked)
    except StackError as error:
        raise pytest.UsageError(str(error)) from error
    patch = pytest.MonkeyPatch()
    patch.setenv(releases.VARIABLE, release)
    config.add_cleanup(patch.undo)


def pytest_collection_finish(session: pytest.Session) -> None:
    """A stack that was asked for and is not there ends the session here, in one line."""
    if not session.config.option.collectonly and _is_asked_for(session.items):
        _choice(session.config)


def pytest_report_collectionfinish(
    config: pytest.Config, items: Sequence[pytest.Item]
) -> str | list[str]:
    """Says which stack the tests run on."""
    if config.option.collectonly or not _is_asked_for(items):
        return []
    return f"{_SAID}: {_described(_choice(config))}"


def _described(choice: StackChoice) -> str:
    kafka = "" if choice.kind == "external" else f", Kafka {releases.choose_release()}"
    return f"{choice}{kafka}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process of pytest-xdist hands over what the first one tells: it sees no test itself."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        if _CHOICE in session.config.stash:
            output[_SAID] = _described(session.config.stash[_CHOICE])
        report_plugin.hand_over(session.config)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """pytest-xdist: one of the processes has ended; without its output if it crashed."""
    output = getattr(node, "workeroutput", {})
    if _SAID in output:
        node.config.stash.setdefault(_TOLD_BY_PROCESSES, set()).add(output[_SAID])
    report_plugin.take_over(node.config, output)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Writes the report, once every outcome is known."""
    for choice in sorted(config.stash.get(_TOLD_BY_PROCESSES, ())):
        terminalreporter.write_line(f"{_SAID}: {choice}")
    report_plugin.write_report(terminalreporter, config)


def _is_asked_for(items: Sequence[pytest.Item]) -> bool:
    return any(not _FIXTURES.isdisjoint(getattr(item, "fixturenames", ())) for item in items)


def _choice(config: pytest.Config) -> StackChoice:
    if _CHOICE not in config.stash:
        try:
            config.stash[_CHOICE] = choose_stack(config.getoption("--stack"), os.environ)
        except StackError as error:
            raise pytest.UsageError(str(error)) from error
    return config.stash[_CHOICE]


@pytest.fixture(scope="session")
def new_stack(request: pytest.FixtureRequest) -> Callable[..., AbstractContextManager[Stack]]:
    """Makes stacks of the session's kind, for tests that harm one or need other settings:
    `with new_stack(3, properties={…}) as stack`."""
    kind = _choice(request.config).kind
    if kind == "embedded":
        from csvkafka.local.class_archive import make_class_archive

        make_class_archive()

    def make(broker_count: int = 1, **options: object) -> AbstractContextManager[Stack]:
        return open_stack(kind, broker_count, **options)

    return make


@pytest.fixture(scope="session")
def stack(new_stack: Callable[..., AbstractContextManager[Stack]]) -> Iterator[Stack]:
    """A running stack with one broker, shared by all tests of the session.

    Take names of your own for topics, buckets and tables; leave its broker running."""
    with new_stack() as running:
        yield running
