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
    output, _ = process.communicate(timeout=120)
    assert (output, process.returncode) == (f"asked {int(number)}\n", 0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_second_signal_ends_at_once(number: signal.Signals, code: int) -> None:
    process = start("hang")
    assert process.stdout is not None
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "asked 15\n"
    process.send_signal(number)
    assert process.wait(timeout=120) == code
    process.stdout.close()


def test_the_handlers_before_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


EARLY = """
import time
from csvkafka.process.signals import end_at_once_on_signals
end_at_once_on_signals()
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_before_anything_has_begun_is_one_line(number: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", EARLY],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == code
    assert errors == (
        f"csvkafka: stopped at once by signal {int(number)}; the same command goes on from here\n"
    )


HANGS_AT_ITS_END = """
import threading, time
from csvkafka.process import signals
signals.LONGEST_STOP_SECONDS = 0.5
with signals.StopSignals() as stop:
    print("ready", flush=True)
    while stop.requested() is None:
        time.sleep(0.01)
threading.Thread(target=time.sleep, args=(60,)).start()
"""


def test_a_stop_is_bounded_even_if_a_thread_does_not_let_the_process_end() -> None:
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", HANGS_AT_ITS_END],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 143
    assert "without a last checkpoint by signal 15" in errors
