"""pytest fixtures for loads that are killed and judged; `plugin.py` brings them.

`recovery_case` makes loads; `--kills` and `--seed` are for tests that kill at random.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from csvkafka.testing.pytest_plugin import report_plugin

if TYPE_CHECKING:
    from csvkafka.local.base import Stack
    from csvkafka.testing.judging.recovery_case import RecoveryCase


def add_options(group: pytest.OptionGroup) -> None:
    """Adds `--kills`, `--seed` and `--csvkafka-report`."""
    report_plugin.add_option(group)
    group.addoption(
        "--kills", type=int, default=20, help="how often a random-kill test kills (default: 20)"
    )
    group.addoption(
        "--seed", type=int, default=None, help="seed of random tests (default: a new one each time)"
    )


@pytest.fixture
def recovery_case(
    stack: Stack, request: pytest.FixtureRequest
) -> Iterator[Callable[..., RecoveryCase]]:
    """Makes a `RecoveryCase` on the session's stack; its arguments are those of the class, and
    `stack=` takes another one. Workers that still live are killed at the end of the test."""
    from csvkafka.testing.judging.recovery_case import RecoveryCase

    with ExitStack() as cases:

        def new_case(*arguments: Any, **options: Any) -> RecoveryCase:
            case_stack = options.pop("stack", stack)
            case = cases.enter_context(RecoveryCase(case_stack, *arguments, **options))
            report_plugin.remember(request, case)
            return case

        yield new_case


@pytest.fixture(scope="session")
def kills(request: pytest.FixtureRequest) -> int:
    """How often to kill at random: `--kills`."""
    return int(request.config.getoption("--kills"))


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of a random test: `--seed`, or a new one. Printed, so a failure can be replayed."""
    given = request.config.getoption("--seed")
    chosen = secrets.randbelow(1 << 32) if given is None else int(given)
    options = f"--kills {request.config.getoption('--kills')} --seed {chosen}"
    print(f"replay with: pytest {request.node.nodeid} {options}")  # noqa: T201 - shown on failure
    return chosen
