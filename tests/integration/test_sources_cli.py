"""Each command on a source by https://, gs:// and azure://, as a user types it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from csvkafka.local.base import Stack
from tests.integration import azurite
from tests.integration.command_line import CSVKAFKA, run_python
from tests.integration.kafka_rows import create_topic
from tests.integration.source_places import SourcePlace, azure_place, gcs_place, web_place

ROWS = b"id,name\n1,a\n2,b\n3,c\n"

PLACES: dict[str, Callable[[], AbstractContextManager[SourcePlace]]] = {
    "http": web_place,
    "gs": gcs_place,
    "azure": azure_place,
}


@pytest.fixture(scope="module", params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[SourcePlace]:
    reason = azurite.why_not() if request.param == "azure" else None
    if reason is not None:
        pytest.skip(reason)
    with PLACES[request.param]() as made:
        yield made


@pytest.fixture
def environment(place: SourcePlace, tmp_path: Path) -> dict[str, str]:
    """Nothing of AWS."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CHECKPOINT": "sqlite",
        "CREATE_TABLE": "true",
        **place.environment(),
    }


def test_each_command_knows_it(
    place: SourcePlace, environment: dict[str, str], stack: Stack
) -> None:
    place.put("data.csv", ROWS)
    uri, topic = place.uri("data.csv"), create_topic(stack.bootstrap_servers)
    target = ["--kafka-bootstrap-servers", stack.bootstrap_servers, "--kafka-topic", topic]

    def run(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        result = run_python(CSVKAFKA, command, *arguments, environment=environment)
        assert (result.returncode, result.stderr) == (0, ""), result.stdout + result.stderr
        return result

    doctor = run("doctor", uri, *target).stdout
    assert re.search(rf"{uri}: {len(ROWS)} bytes, pinned by (ETag|generation) ", doctor)
    assert "[columns.name]" in run("infer", uri).stdout
    assert "3 rows" in run("load", uri, *target).stdout
    assert f"{uri}  {len(ROWS)} bytes" in run("status").stdout
    run("verify", uri, *target, "--isolation", "both")
    assert "Nothing to do" in run("load", uri, *target).stdout


def test_nothing_of_another_kind_is_imported(
    place: SourcePlace, environment: dict[str, str]
) -> None:
    place.put("data.csv", ROWS)
    clients = {
        "gs": "google.cloud.storage",
        "azure": "azure.storage.blob",
        "http": "urllib.request",
    }
    own = clients[place.uri("").partition(":")[0]]
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-P", CSVKAFKA, "infer", place.uri("data.csv")],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert own in imported
    others = {"boto3", "smart_open", *clients.values()} - {own, "urllib.request"}
    assert others & imported == set()
