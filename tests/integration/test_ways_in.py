"""Every way into the loader loads, and heeds a signal from its first moments on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from csvkafka.local.processes import wait_until
from tests.integration.command_line import CSVKAFKA
from tests.integration.loads import LoadPlace

PYTHON = [sys.executable, "-P", "-m"]
WAYS = {
    "python -m csvkafka": [*PYTHON, "csvkafka"],
    "python -m csvkafka.processor": [*PYTHON, "csvkafka.processor"],
    "python -m csvkafka load": [*PYTHON, "csvkafka", "load"],
    "csvkafka load": [str(CSVKAFKA), "load"],
}
ROWS = b"id,name\n1,a\n2,b\n3,c\n"


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> list[str]:
    return WAYS[request.param]


def start(way: list[str], place: LoadPlace, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        way,
        env={**os.environ, **place.settings()},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_it_loads(way: list[str], place: LoadPlace, tmp_path: Path) -> None:
    place.put(ROWS)
    process = start(way, place, tmp_path)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert place.lines() == [1, 2, 3]
    assert "Completed: 3 records sent" in output


def test_it_fails_with_1_and_one_line(way: list[str], place: LoadPlace, tmp_path: Path) -> None:
    process = start(way, place, tmp_path)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 1
    (line,) = output.splitlines()
    assert f"there is no s3://{place.bucket}/{place.key}" in line


def heeds_sigterm(pid: int) -> bool:
    """Python handles SIGINT by itself, SIGTERM only where it is told to: our code runs by now."""
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(re.findall(r"SigCgt:\s*([0-9a-f]+)", status)[0], 16) >> 14 & 1)


@pytest.mark.parametrize("milliseconds", [0, 200, 500])
def test_ctrl_c_in_the_first_moments_is_one_line_and_130(
    way: list[str], place: LoadPlace, tmp_path: Path, milliseconds: int
) -> None:
    process = start(way, place, tmp_path)
    assert wait_until(lambda: heeds_sigterm(process.pid), 120)
    time.sleep(milliseconds / 1000)  # where it is by then is chance: imports, or the first calls
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=240)
    if process.returncode == 1:
        assert "there is no s3://" in output, "it had ended before the signal came"
        return
    assert process.returncode == 130, output
    (line,) = output.splitlines()
    assert re.search(r"stopped .*by signal 2; the same command goes on from here$", line)
