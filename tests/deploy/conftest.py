"""A Docker engine for the tests of `deploy/` that want one; they skip where there is none."""

from __future__ import annotations

import pytest

from csvkafka.errors import StackError
from csvkafka.testing.container_engine import connect, require_images
from csvkafka.testing.images import JOB
from tests.deploy.folders import ROOT


@pytest.fixture
def docker_command(monkeypatch: pytest.MonkeyPatch) -> str:
    """A docker command, able to build, of an engine that holds the job's image."""
    monkeypatch.syspath_prepend(ROOT / "docker")
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
