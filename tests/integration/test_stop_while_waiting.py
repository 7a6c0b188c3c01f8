"""SIGTERM and SIGINT end a load soon also while it waits for a service that does not answer."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.loads import LoadPlace

SOON_SECONDS = 10


@pytest.fixture
def silent_server() -> Iterator[str]:
    """`host:port` that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def start(place: LoadPlace, folder: Path, **more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "csvkafka"],
        env={**os.environ, **place.settings(LOG_LEVEL="DEBUG"), **more},
        cwd=folder,
        stdout=(folder / "log").open("wb"),
        stderr=subprocess.STDOUT,
    )


def wait_for(folder: Path, text: str) -> None:
    deadline = time.monotonic() + 60
    while text not in (folder / "log").read_text(errors="replace"):
        assert time.monotonic() < deadline, (folder / "log").read_text(errors="replace")
        time.sleep(0.05)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_while_no_broker_answers(
    place: LoadPlace, tmp_path: Path, silent_server: str, number: signal.Signals, code: int
) -> None:
    place.put(b"id\n1\n")
    process = start(place, tmp_path, KAFKA_BOOTSTRAP_SERVERS=silent_server)
    wait_for(tmp_path, "connecting to Kafka")
    process.send_signal(number)
    assert process.wait(timeout=SOON_SECONDS) == code


def test_while_s3_fails(place: LoadPlace, tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, but nobody listens: connections are refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        process = start(place, tmp_path, AWS_ENDPOINT_URL_S3=url)
        wait_for(tmp_path, "HEAD of s3://")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=SOON_SECONDS) == 143
