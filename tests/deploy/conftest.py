"""Deployments, and a Docker engine for those tests that want one; what is missing is said."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from csvkafka.errors import StackError
from csvkafka.testing.stacks.engine import connect, require_images
from csvkafka.testing.stacks.images import JOB
from tests.deploy.deployment import PROVIDER_VARIABLE, Deployment, deployed
from tests.deploy.folders import ROOT, run_options

Deploy = Callable[..., Deployment]


def applied_line(ran: int, skipped: int, provider: str | None) -> str:
    """Whether `deploy/` was applied in this run, for who reads no list of skipped tests."""
    if provider is None:
        return f"deploy/ was NOT applied by terraform: {skipped} tests left out, no AWS provider"
    return f"deploy/ was applied by terraform in {ran} tests, with the AWS provider of {provider}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    found = {"ran": 0, "skipped": 0}
    for outcome in ("passed", "failed", "skipped"):
        for report in terminalreporter.getreports(outcome):
            counts = outcome == "skipped" or report.when == "call"
            if "applied" in report.keywords and counts:
                found["skipped" if outcome == "skipped" else "ran"] += 1
    if any(found.values()):
        provider = os.environ.get(PROVIDER_VARIABLE)
        name = Path(provider).name if provider else None
        terminalreporter.write_line(applied_line(**found, provider=name))


@pytest.fixture
def docker_command(monkeypatch: pytest.MonkeyPatch) -> str:
    """A docker command, able to build, of an engine that holds the job's image."""
    monkeypatch.syspath_prepend(ROOT / "docker" / "images")
    import engine

    try:
        client = connect()
        try:
            require_images(client, [JOB])
        finally:
            client.close()
        return str(engine.client())
    except (StackError, engine.EngineError) as error:
        pytest.skip(str(error))


@pytest.fixture
def real_docker(docker_command: str) -> dict[str, str]:
    """Variables with which the scripts build and run by the real engine, on this host's network."""
    certificates = os.environ.get("PIP_CERT")
    return {
        "REAL_DOCKER": docker_command,
        "RUN_OPTIONS": shlex.join(run_options()),
        "BUILD_OPTIONS": f"--secret id=ca,src={certificates}" if certificates else "",
    }


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[Deploy]:
    """Deploys an option by its deploy.sh, in an account of its own."""
    with ExitStack() as stack:
        yield lambda option, **given: stack.enter_context(deployed(option, tmp_path, **given))
