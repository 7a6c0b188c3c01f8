"""What only containers can show: nothing here runs on another stack, and each test says so then."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from csvkafka.local.base import Stack
from csvkafka.testing.inputs.csv_files import preset, write_csv
from csvkafka.testing.stacks.choice import choose_stack
from csvkafka.testing.stacks.containers import ContainerStack
from csvkafka.testing.stacks.engine import require_images
from csvkafka.testing.stacks.images import JOB
from tests.containers.job_container import JobContainers
from tests.containers.midway import ROWS
from tests.integration.loads import LoadPlace
from tests.unit.aws.aws_environment import set_aws_environment


@pytest.fixture(scope="session", autouse=True)
def only_on_containers(request: pytest.FixtureRequest) -> None:
    """Skips where the session's stack is another one, with the reason."""
    choice = choose_stack(request.config.getoption("--stack"), os.environ)
    if choice.kind != "containers":
        pytest.skip(f"needs containers; the stack is {choice}")


@pytest.fixture(scope="session")
def containers(stack: Stack) -> ContainerStack:
    """The session's stack: leave its servers running."""
    assert isinstance(stack, ContainerStack)
    return stack


@pytest.fixture
def place(containers: ContainerStack, monkeypatch: pytest.MonkeyPatch) -> LoadPlace:
    """Bucket, topic, table and job of this test alone; AWS points at the stack."""
    set_aws_environment(monkeypatch)
    for name, value in containers.environment().items():
        monkeypatch.setenv(name, value)
    return LoadPlace(containers)


@pytest.fixture
def jobs(containers: ContainerStack) -> Iterator[JobContainers]:
    """Runs the job's image beside the stack; what is left of the runs is removed at the end."""
    require_images(containers.engine, [JOB])
    with JobContainers(containers) as running:
        yield running


@pytest.fixture(scope="session")
def many_rows() -> bytes:
    """Takes some seconds to load: time enough to be harmed in the middle."""
    return b"".join(write_csv(preset("nasty", ROWS, seed=5)))
