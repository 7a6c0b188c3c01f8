"""The supervisor on processes that are no loaders."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from csvkafka.errors import StackError
from csvkafka.local.processes import wait_until
from csvkafka.model import Step
from csvkafka.testing.processes.supervisor import Supervisor

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor() as running:
        yield running


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_all_that_was_started_is_ended_on_close_even_after_an_error() -> None:
    with pytest.raises(RuntimeError, match="the test failed"), Supervisor() as supervisor:
        workers = [supervisor.start(SLEEPER, {}) for _ in range(3)]
        workers[1].pause()
        raise RuntimeError("the test failed")
    assert not any(lives(worker.pid) for worker in workers)
    assert not supervisor.folder.exists()
    ends = supervisor.history.events("incarnation-ended")
    assert [end.facts["return_code"] for end in ends] == [-9, -9, -9]


def test_a_process_is_killed_and_its_end_is_noted_once(supervisor: Supervisor) -> None:
    worker = supervisor.start(SLEEPER, {})
    assert worker.return_code is None
    assert worker.kill() == -9
    assert worker.wait() == -9
    kinds = [event.kind for event in supervisor.history.events()]
    assert kinds == ["incarnation-started", "signal-sent", "incarnation-ended"]


def test_a_paused_process_does_nothing_until_it_is_resumed(supervisor: Supervisor) -> None:
    ticker = [sys.executable, "-uc", "import time\nwhile True: print('tick'); time.sleep(0.01)"]
    worker = supervisor.start(ticker, {})
    worker.wait_until(lambda: "tick" in worker.output(), "tick", 120)
    worker.pause()
    state = Path(f"/proc/{worker.pid}/stat")
    assert wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", 60)
    before = worker.output()
    assert worker.lives_for(0.1)
    assert worker.output() == before
    worker.resume()
    worker.wait_until(lambda: worker.output() != before, "tick again", 120)


def test_the_loader_sees_its_own_variables_and_no_aws_settings_of_the_host(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    program = "import os; print(os.environ.get('AWS_PROFILE'), os.environ['JOB_ID'], os.getcwd())"
    worker = supervisor.start([sys.executable, "-c", program], {"JOB_ID": "j"})
    assert worker.wait() == 0
    seen = worker.output().split()
    assert seen[:2] == ["None", "j"]
    assert seen[2] != os.getcwd()  # noqa: PTH109


def test_a_wait_that_is_in_vain_says_what_the_process_printed(supervisor: Supervisor) -> None:
    worker = supervisor.start(SLEEPER, {})
    worker.wait_until(lambda: "up" in worker.output(), "start", 120)
    with pytest.raises(StackError, match=r"did not end within 0.1 s; its output ends:\nup"):
        worker.wait(0.1)
    worker.send(signal.SIGTERM)
    with pytest.raises(StackError, match="ended with -15 before step block-taken"):
        worker.wait_for_step(Step.BLOCK_TAKEN)


def test_a_command_that_does_not_exist_is_named(supervisor: Supervisor) -> None:
    with pytest.raises(StackError, match="no-such-loader"):
        supervisor.start(["no-such-loader"], {})
