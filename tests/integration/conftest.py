"""Servers for the integration tests: the session's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from csvkafka.local.base import Stack
from tests.integration.flights import flights_csv
from tests.integration.loads import LoadPlace
from tests.unit.aws.aws_environment import set_aws_environment


@pytest.fixture(scope="session")
def kafka(stack: Stack) -> str:
    """`host:port` of the session's broker, which all tests share: leave it running."""
    return stack.bootstrap_servers


@pytest.fixture(scope="module")
def aws_endpoint_url(stack: Stack) -> Iterator[str]:
    """Where S3 and DynamoDB answer, with credentials in the environment and nothing of the host's
    own AWS settings."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        set_aws_environment(monkeypatch)
        yield stack.aws_endpoint_url


@pytest.fixture
def place(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> LoadPlace:
    """Bucket, topic (one partition), table and job of this test alone; AWS points at the stack."""
    set_aws_environment(monkeypatch)
    for name, value in stack.environment().items():
        monkeypatch.setenv(name, value)
    return LoadPlace(stack)


@pytest.fixture(scope="session")
def flights() -> Path:
    """flights.csv: 336,776 real rows."""
    return flights_csv()
