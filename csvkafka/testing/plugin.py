"""pytest plugin: the fixture `stack`, a running Kafka, S3 and DynamoDB for the whole session.

`--stack` (or $CSVKAFKA_STACK) chooses where they come from. Nothing is imported or started before
a test asks for the fixture.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from csvkafka.local.stack import EmbeddedStack

STACK_KINDS = ("embedded",)
STACK_VARIABLE = "CSVKAFKA_STACK"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--stack`."""
    parser.getgroup("csvkafka").addoption(
        "--stack",
        choices=STACK_KINDS,
        default=None,
        help=f"where Kafka, S3 and DynamoDB come from (default: ${STACK_VARIABLE}, else embedded)",
    )


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[EmbeddedStack]:
    """A running stack with one broker, shared by all tests of the session.

    Take names of your own for topics, buckets and tables; leave its broker running."""
    from csvkafka.local.stack import EmbeddedStack

    kind = request.config.getoption("--stack") or os.environ.get(STACK_VARIABLE, STACK_KINDS[0])
    if kind not in STACK_KINDS:
        raise pytest.UsageError(f"${STACK_VARIABLE} is {kind!r}; choose one of {STACK_KINDS}")
    with EmbeddedStack() as running:
        yield running
