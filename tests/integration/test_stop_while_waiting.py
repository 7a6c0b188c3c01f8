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

SOON_SECONDS = 20

PROMISED_SECONDS = 20.0
"""3 s for acknowledgements and 3 s for the last checkpoint; the rest is for a machine that does
much else. It must be less than the 30 s that are not waited for."""


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


SLOW = """
import time
def crawl(row, line):
    if line > 500:
        print("crawling", line, flush=True)
        time.sleep(30)
    return row
"""

ROWS = b"id,text\n" + b"".join(b"%d,%s\n" % (n, b"x" * 2000) for n in range(1000))


@pytest.mark.parametrize("workers", ["0", "1"])
def test_while_a_transform_takes_its_time(place: LoadPlace, tmp_path: Path, workers: str) -> None:
    """Rows that were sent before are in the checkpoint; the transform is not waited for."""
    place.put(ROWS)
    tmp_path.joinpath("slow.py").write_text(SLOW)
    process = start(
        place,
        tmp_path,
        TRANSFORM="slow:crawl",
        PYTHONPATH=str(tmp_path),
        ENCODE_WORKERS=workers,
        CHECKPOINT_INTERVAL="1",
    )
    wait_for(tmp_path, "crawling")
    process.send_signal(signal.SIGTERM)
    begun_at = time.monotonic()
    assert process.wait(timeout=60) == 143
    assert time.monotonic() - begun_at < PROMISED_SECONDS
    log = (tmp_path / "log").read_text()
    assert "INFO - Stopped: stopped by signal 15; the same command goes on from here" in log
    assert "ERROR" not in log, "the failure alarm counts it"
    item = place.item()
    assert item is not None
    assert item["last_line"] == len(place.lines()) > 0
    assert "lease_owner" not in item


ROW_BY_ROW = """
import time
from csvkafka.processor import CSVToKafkaProcessor, main

class Crawling:
    documented = CSVToKafkaProcessor._send_to_kafka

    def __call__(self, row, line):
        if line > 2:
            print("crawling", line, flush=True)
            time.sleep(30)
        return True

CSVToKafkaProcessor._send_to_kafka = Crawling()
main()
"""


def test_while_an_own_send_to_kafka_takes_its_time(place: LoadPlace, tmp_path: Path) -> None:
    """It is waited for as long as for an acknowledgement; then the rows before are stored."""
    place.put(ROWS)
    tmp_path.joinpath("own.py").write_text(ROW_BY_ROW)
    process = subprocess.Popen(
        [sys.executable, "own.py"],
        env={**os.environ, **place.settings(PYTHONPATH=str(Path.cwd()))},
        cwd=tmp_path,
        stdout=(tmp_path / "log").open("wb"),
        stderr=subprocess.STDOUT,
    )
    wait_for(tmp_path, "crawling")
    process.send_signal(signal.SIGTERM)
    begun_at = time.monotonic()
    assert process.wait(timeout=60) == 143
    assert time.monotonic() - begun_at < PROMISED_SECONDS
    item = place.item()
    assert item is not None
    assert item["last_line"] == 2
    assert "lease_owner" not in item
