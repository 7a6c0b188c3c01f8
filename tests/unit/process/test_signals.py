"""The first stop signal asks, the second ends the process at once: on real processes."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from csvkafka.process.signals import StopSignals

WAITS_FOR_EVER = """
import sys, time
from csvkafka.process.signals import StopSignals
with StopSignals() as signals:
    print("ready", flush=True)
    while signals.requested() is None:
        time.sleep(0.01)
    print("asked", signals.requested(), flush=True)
    if sys.argv[1] == "hang":
        time.sleep(60)
"""


def start(mode: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", WAITS_FOR_EVER, mode], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_is_remembered(number: signal.Signals) -> None:
    process = start("stop")
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert (output, process.returncode) == (f"asked {int(number)}\n", 0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_second_signal_ends_at_once(number: signal.Signals, code: int) -> None:
    process = start("hang")
    assert process.stdout is not None
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "asked 15\n"
    process.send_signal(number)
    assert process.wait(timeout=30) == code
    process.stdout.close()


def test_the_handlers_before_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
