"""A forked worker is what a new start of Python would be, and never outlives the nursery."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from csvkafka.compiled import compiled_module
from csvkafka.errors import StackError
from csvkafka.local.processes import wait_until
from csvkafka.testing.processes.nursery import forks_are_the_same, nursery, without_python
from csvkafka.testing.processes.supervisor import Incarnation, Supervisor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")

FACTS = """
import gc, json, logging, os, signal, sys, tempfile, threading, time
umask = os.umask(0o22)
print(json.dumps({
    "name": __name__, "file": __file__, "main": sys.modules["__main__"].__name__,
    "arguments": sys.argv, "path": sys.path, "flags": str(sys.flags), "python": sys.executable,
    "environment": dict(os.environ), "folder": os.getcwd(), "umask": umask,
    "temporary": tempfile.gettempdir(), "zone": time.tzname,
    "leads": [os.getpid() == os.getsid(0), os.getpid() == os.getpgrp()],
    "threads": [threading.active_count(), len(os.listdir("/proc/self/task"))],
    "streams": [os.readlink(f"/proc/self/fd/{n}") for n in range(3)],
    "open": sorted(n for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")),
    "encodings": [sys.stdin.encoding, sys.stdout.encoding, sys.stderr.encoding],
    "buffered": [sys.stdout.line_buffering, sys.stderr.line_buffering],
    "handlers": [str(signal.getsignal(n)).partition(" at ")[0] for n in range(1, 32)],
    "blocked": [int(n) for n in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
    "loggers": len(logging.getLogger().handlers), "thresholds": gc.get_threshold(),
}))
"""


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor() as running:
        yield running


def script(folder: Path, text: str) -> str:
    path = folder / "script.py"
    path.write_text(text)
    return str(path)


def is_gone(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def forked(supervisor: Supervisor, tmp_path: Path, text: str, *arguments: str) -> Incarnation:
    """Runs the text, and shows that it was a fork."""
    worker = supervisor.start_python([script(tmp_path, text), *arguments], {})
    children = Path(f"/proc/{nursery().pid}/task/{nursery().pid}/children").read_text().split()
    assert str(worker.pid) in children
    return worker


def test_a_fork_looks_like_a_new_start_from_inside(supervisor: Supervisor, tmp_path: Path) -> None:
    # What holds for the time of the fork alone must not be seen: it is all set by the order.
    environment = {"TMPDIR": str(tmp_path), "TZ": "Asia/Tokyo", "PYTHONPATH": str(tmp_path)}
    program = [script(tmp_path, FACTS), "one", "two words"]
    seen: list[dict[str, Any]] = []
    for cold in (True, False):
        worker = supervisor.start_python(program, environment, cold=cold)
        assert worker.wait() == 0, worker.output()
        facts = json.loads(worker.output().replace(f"incarnation-{worker.number}", "incarnation"))
        seen.append(facts)
    new, fork = seen
    assert fork == new
    assert fork["arguments"][1:] == ["one", "two words"]


def test_forks_share_no_randomness(supervisor: Supervisor, tmp_path: Path) -> None:
    text = (
        "import random, uuid\nfrom csvkafka.ledger.owner import this_incarnation\n"
        "print(random.random(), uuid.uuid4(), this_incarnation())"
    )
    workers = [forked(supervisor, tmp_path, text) for _ in range(2)]
    assert [worker.wait() for worker in workers] == [0, 0]
    first, second = (worker.output().split() for worker in workers)
    assert not set(first) & set(second)
    assert f"/{workers[0].pid}/" in first[2]


@pytest.mark.parametrize(
    ("text", "return_code", "said"),
    [
        ("print('done')", 0, "done"),
        ("import sys\nsys.exit(3)", 3, ""),
        ("import sys\nsys.exit('no way')", 1, "no way"),
        ("raise ValueError('odd')", 1, "ValueError: odd"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)", -15, ""),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", -9, ""),
        ("import atexit\natexit.register(print, 'at the exit')", 0, "at the exit"),
        ("import threading\nthreading.Timer(0.05, print, ['from a thread']).start()", 0, "thread"),
        ("import os\nprint('lost', end='')\nos._exit(4)", 4, ""),
        ("import sys\nprint('no new line', end='')\nsys.exit(-1)", 255, "no new line"),
        (
            "import sys\nfrom concurrent.futures import ThreadPoolExecutor\n"
            "ThreadPoolExecutor().submit(print, 'from a pool')\nsys.exit(5)",
            5,
            "from a pool",
        ),
        (
            "import atexit, sys\ndef last():\n    print('at the exit')\n    sys.exit(6)\n"
            "atexit.register(last)",
            0,
            "at the exit",
        ),
        ("import os\nos.dup2(os.open('/dev/full', os.O_WRONLY), 1)\nprint('x')", 120, "No space"),
    ],
)
def test_it_ends_as_python_ends(
    supervisor: Supervisor, tmp_path: Path, text: str, return_code: int, said: str
) -> None:
    worker = forked(supervisor, tmp_path, text)
    assert worker.wait() == return_code, worker.output()
    assert said in worker.output()
    assert (said == "") == (worker.output() == "")


def test_ctrl_c_ends_it_by_its_signal(supervisor: Supervisor, tmp_path: Path) -> None:
    # Even where it is ignored all around, as in the background of a script.
    text = (
        "import signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "print('up', flush=True)\ntime.sleep(600)"
    )
    worker = forked(supervisor, tmp_path, text)
    worker.wait_until(lambda: "up" in worker.output(), "start", 120)
    worker.send(signal.SIGINT)
    assert worker.wait() == -signal.SIGINT
    assert "KeyboardInterrupt" in worker.output()


def test_a_module_is_run_as_main_though_it_was_imported_before(supervisor: Supervisor) -> None:
    worker = supervisor.start_worker({"S3_BUCKET": "b"})
    assert worker.wait() == 1
    assert "__main__ - ERROR - ConfigError: " in worker.output()
    assert "RuntimeWarning" not in worker.output()


def test_a_program_that_does_not_exist_is_named(supervisor: Supervisor) -> None:
    for program in (("-m", "no.such.module"), ("/no/such/script.py",)):
        worker = supervisor.start_python(program, {})
        assert worker.wait() != 0
        assert "no" in worker.output()
        assert "such" in worker.output()


def test_a_fork_is_paused_resumed_and_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    worker = forked(supervisor, tmp_path, "import time\nprint('up', flush=True)\ntime.sleep(600)")
    worker.wait_until(lambda: "up" in worker.output(), "start", 120)
    worker.pause()
    worker.resume()
    worker.pause()
    assert worker.kill() == -9
    assert is_gone(worker.pid)


def test_what_python_takes_when_it_starts_makes_a_new_start(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    locale = {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
    assert forks_are_the_same({**locale, "PATH": "/bin", "PYTHONPATH": "/lib"})
    assert not forks_are_the_same({"PYTHONHASHSEED": "0"})
    assert not forks_are_the_same({"AWS_DATA_PATH": "/models"})
    assert not forks_are_the_same({"LANG": "xx_XX"})
    program = script(tmp_path, "print(hash('a'))")
    workers = [supervisor.start_python([program], {"PYTHONHASHSEED": "0"}) for _ in range(2)]
    assert [worker.wait() for worker in workers] == [0, 0]
    assert workers[0].output() == workers[1].output() != ""


def test_without_a_locale_as_in_a_bare_environment_programs_are_forked_too() -> None:
    asked = "import os; from csvkafka.testing.processes.nursery import *; kept = "
    asked += "without_python(os.environ); print(*kept, forks_are_the_same(kept))"
    variables = {"PYTHONHASHSEED": "0", "PYTHONPATH": "/lib"}
    answer = subprocess.run(
        [sys.executable, "-P", "-c", asked],
        env=variables,
        check=True,
        capture_output=True,
        text=True,
    )
    assert answer.stdout == "PYTHONPATH True\n"


@pytest.mark.parametrize("locale", [{"LANG": "xx_XX"}, {"LC_ALL": "xx_XX"}, {"LC_CTYPE": "xx_XX"}])
def test_a_locale_of_the_users_own_is_kept(locale: dict[str, str]) -> None:
    variables = {"LC_CTYPE": "C.UTF-8", **locale}
    assert without_python({**variables, "PYTHONUTF8": "1"}) == variables


def test_the_nursery_has_one_thread_and_no_connection(supervisor: Supervisor) -> None:
    assert supervisor.start_worker({}).wait() == 1
    process = Path(f"/proc/{nursery().pid}")
    assert len(list((process / "task").iterdir())) == 1
    targets = [os.readlink(path) for path in (process / "fd").iterdir()]  # noqa: PTH115
    assert not [target for target in targets if target.startswith("socket:")]


def test_workers_die_with_a_killed_nursery_and_the_next_is_another(tmp_path: Path) -> None:
    sleeper = "import time\ntime.sleep(600)"
    supervisor = Supervisor()
    worker, killed = forked(supervisor, tmp_path, sleeper), nursery()
    os.kill(killed.pid, signal.SIGKILL)
    assert wait_until(lambda: is_gone(worker.pid), 60)
    for end in (worker.wait, supervisor.close):
        with pytest.raises(StackError, match="nursery, which forks workers, has ended"):
            end()
    assert not supervisor.folder.exists()
    killed.folder.rmdir()
    with Supervisor() as supervisor:
        worker = forked(supervisor, tmp_path, sleeper)
        assert nursery() is not killed
        assert worker.lives_for(0.05)


PARENT = """
import json, signal, sys
from csvkafka.testing.processes.nursery import nursery
from csvkafka.testing.processes.supervisor import Supervisor
supervisor = Supervisor()
workers = [supervisor.start_python([sys.argv[1]], {}) for _ in range(2)]
workers[1].pause()
print(json.dumps([str(nursery().folder), nursery().pid, *(w.pid for w in workers)]), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["SIGKILL", "SIGTERM", "its own"])
def test_nothing_is_left_when_the_parent_ends(end: str, tmp_path: Path) -> None:
    sleeper = script(tmp_path, "import time\ntime.sleep(600)")
    with subprocess.Popen(
        [sys.executable, "-P", "-c", PARENT, sleeper], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        folder, *pids = json.loads(parent.stdout.readline())
        assert not any(is_gone(pid) for pid in pids)
        if end == "its own":
            parent.stdin.close()
        else:
            parent.send_signal(signal.Signals[end])
        parent.wait(60)
    assert wait_until(lambda: all(is_gone(pid) for pid in pids), 60)
    assert wait_until(lambda: not Path(folder).exists(), 60)


def test_a_fork_takes_the_encoder_that_its_own_environment_names(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    """Tests of both encoders need no new start of Python."""
    program = script(
        tmp_path, "from csvkafka.compiled import compiled_module\nprint(compiled_module())"
    )

    def encoder(**variables: str) -> str:
        worker = supervisor.start_python((program,), variables)
        assert worker.wait() == 0
        return worker.output().strip()

    chosen_here = str(compiled_module())
    assert encoder() == chosen_here
    assert encoder(CSVKAFKA_ENCODER="python") == "None"
    assert encoder() == chosen_here
