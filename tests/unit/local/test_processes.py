"""Servers under a guardian end with their parent, whatever ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from csvkafka.errors import StackError
from csvkafka.local.ports import ReservedPort
from csvkafka.local.processes import GuardedProcess, Guardian, log_tail, wait_until

SLEEPER = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"]
WITH_CHILD = [
    sys.executable,
    "-I",
    "-c",
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-I', '-c', 'import time; time.sleep(600)'])\n"
    "print(child.pid, flush=True)\n"
    "time.sleep(600)",
]
PARENT = """
import json, signal, sys
from pathlib import Path
from csvkafka.local.processes import Guardian
# Ctrl-C would be ignored if it is ignored all around, as in the background of a script.
signal.signal(signal.SIGINT, signal.default_int_handler)
guardian = Guardian()
servers = [guardian.spawn(json.loads(sys.argv[1]), guardian.folder / f"{n}.log") for n in (1, 2)]
servers[1].send_signal(signal.SIGSTOP)
print(json.dumps([str(guardian.folder), guardian.pid, *(s.pid for s in servers)]), flush=True)
sys.stdin.read()
"""


def is_gone(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return stat.rsplit(")", 1)[1].split()[0] == "Z"


@pytest.fixture
def guardian() -> Iterator[Guardian]:
    guardian = Guardian()
    yield guardian
    guardian.close()


def spawn(guardian: Guardian, argv: list[str] = SLEEPER) -> GuardedProcess:
    return guardian.spawn(argv, guardian.folder / "log")


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_the_parent_is_killed(signal_number: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-P", "-c", PARENT, json.dumps(SLEEPER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as parent:
        assert parent.stdout is not None
        folder, *pids = json.loads(parent.stdout.readline())
        assert Path(folder).is_dir()
        assert not any(is_gone(pid) for pid in pids)
        os.killpg(parent.pid, signal_number)
        parent.wait(60)
    assert wait_until(lambda: all(is_gone(pid) for pid in pids), 60)
    assert wait_until(lambda: not Path(folder).exists(), 60)


def test_a_forked_copy_of_the_parent_does_not_keep_the_servers_alive() -> None:
    fork = PARENT.replace("print(", "import os\nif not os.fork():\n    os.read(0, 1)\nprint(")
    read_end, write_end = os.pipe()
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", fork, json.dumps(SLEEPER)],
        stdin=read_end,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert parent.stdout is not None
    folder, *pids = json.loads(parent.stdout.readline())
    parent.kill()
    parent.wait(60)
    assert wait_until(lambda: all(is_gone(pid) for pid in pids), 60)
    assert wait_until(lambda: not Path(folder).exists(), 60)
    os.close(read_end)
    os.close(write_end)
    parent.stdout.close()


def test_the_servers_die_with_a_killed_guardian() -> None:
    guardian = Guardian()
    server = spawn(guardian)
    os.kill(guardian.pid, signal.SIGKILL)
    assert wait_until(lambda: is_gone(server.pid), 60)
    with pytest.raises(StackError, match="start a new"):
        server.return_code()
    guardian.close()
    (guardian.folder / "log").unlink()
    guardian.folder.rmdir()


def test_close_kills_a_server_together_with_its_children() -> None:
    guardian = Guardian()
    server = spawn(guardian, WITH_CHILD)
    assert wait_until(lambda: server.log.read_text().endswith("\n"), 60)
    grandchild = int(server.log.read_text())
    guardian.close()
    assert is_gone(server.pid)
    assert wait_until(lambda: is_gone(grandchild), 60)
    assert not guardian.folder.exists()


def test_return_code_tells_how_a_server_ended(guardian: Guardian) -> None:
    server = spawn(guardian)
    assert server.return_code() is None
    server.kill()
    assert server.return_code() == -signal.SIGKILL
    server.send_signal(signal.SIGCONT)
    assert server.return_code() == -signal.SIGKILL


def test_a_paused_server_can_be_killed(guardian: Guardian) -> None:
    server = spawn(guardian)
    server.send_signal(signal.SIGSTOP)
    server.kill()
    assert is_gone(server.pid)


def test_output_goes_to_the_log(guardian: Guardian) -> None:
    server = spawn(guardian, ["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert server.wait(60)
    assert server.return_code() == 3
    assert log_tail(server.log).splitlines() == ["out", "err"]
    assert log_tail(server.log, 1) == "err"


def test_a_program_that_does_not_exist_is_named(guardian: Guardian) -> None:
    with pytest.raises(StackError, match="no-such-program"):
        spawn(guardian, ["no-such-program"])
    assert spawn(guardian).return_code() is None


def test_an_answer_that_nobody_read_is_not_taken_for_the_next(guardian: Guardian) -> None:
    server = spawn(guardian)
    assert guardian._process.stdin is not None
    guardian._process.stdin.write(b'{"id": -1, "action": "poll", "pid": %d}\n' % server.pid)
    other = spawn(guardian)
    assert other.pid != server.pid


def test_a_closed_guardian_says_so() -> None:
    guardian = Guardian()
    guardian.close()
    guardian.close()
    with pytest.raises(StackError, match="closed"):
        spawn(guardian)


def test_reserved_ports_differ_and_a_server_can_listen_on_them() -> None:
    import socket

    ports = [ReservedPort() for _ in range(50)]
    assert len({port.number for port in ports}) == 50
    with socket.create_server(("127.0.0.1", ports[0].number)) as server:
        assert server.getsockname()[1] == ports[0].number
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", ports[1].number))
    for port in ports:
        port.release()
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports[1].number))
