"""Who is known to be dead: only a process of this boot and namespace that is gone for certain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from csvkafka.ledger.owner import describe, is_known_dead, this_incarnation

HOST, BOOT, NAMESPACE, PID, START, RANDOM = range(6)


def changed(owner: str, part: int, value: str) -> str:
    parts = owner.split("/")
    parts[part] = value
    return "/".join(parts)


@pytest.fixture
def other_process() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A live process and its owner text."""
    code = (
        "from csvkafka.ledger.owner import this_incarnation as t; print(t(), flush=True); input()"
    )
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    yield process, process.stdout.readline().strip()
    process.kill()
    process.communicate()


def test_an_incarnation_is_never_another_one() -> None:
    first, second = this_incarnation(), this_incarnation()
    assert first != second
    assert first.split("/")[:RANDOM] == second.split("/")[:RANDOM]
    assert len(first.split("/")) == 6


def test_we_live() -> None:
    assert not is_known_dead(this_incarnation())


def test_a_process_that_was_killed_is_dead_at_once_even_before_it_is_reaped(
    other_process: tuple[subprocess.Popen[str], str],
) -> None:
    process, owner = other_process
    assert not is_known_dead(owner)
    os.kill(process.pid, signal.SIGKILL)
    # Waits until it has ended, and leaves it defunct.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_known_dead(owner)
    process.wait()
    assert is_known_dead(owner)


def test_a_stopped_process_lives(other_process: tuple[subprocess.Popen[str], str]) -> None:
    process, owner = other_process
    os.kill(process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    assert not is_known_dead(owner)


def test_f25_a_process_id_that_was_given_to_another_process_does_not_keep_its_owner_alive() -> None:
    assert is_known_dead(changed(this_incarnation(), START, "1"))


@pytest.mark.parametrize(
    ("part", "value"), [(HOST, "elsewhere"), (BOOT, "another-boot"), (NAMESPACE, "1")]
)
def test_f26_nothing_is_known_of_another_machine(part: int, value: str) -> None:
    gone = changed(this_incarnation(), START, "1")
    assert not is_known_dead(changed(gone, part, value))


@pytest.mark.parametrize("owner", ["", "other-program", "a/b/c", "a/b/c/d/e/f", "/////"])
def test_nothing_is_known_of_an_owner_of_another_kind(owner: str) -> None:
    assert not is_known_dead(owner)


def test_nothing_is_known_without_a_start_time_or_process_id() -> None:
    mine = this_incarnation()
    assert not is_known_dead(changed(mine, START, "-"))
    assert not is_known_dead(changed(changed(mine, START, "1"), PID, "?"))


def test_people_read_host_and_process() -> None:
    assert describe("host/boot/1/42/99/ab") == "process 42 on host host"
    assert describe("other-program") == "other-program"
