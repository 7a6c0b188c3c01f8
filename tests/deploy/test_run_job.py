"""What runs on a Spot instance: done, failed, interrupted and resumed. The loader, its broker and
the signals are real; an instance's metadata come from loopback, and a container is a process."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from csvkafka.testing.recovery_case import RecoveryCase
from csvkafka.testing.supervisor import Incarnation
from tests.deploy.folders import DEPLOY, script_environment
from tests.deploy.metadata_server import MetadataServer

RUN_JOB = DEPLOY / "option3-ec2-spot" / "run-job.sh"
NewCase = Callable[..., RecoveryCase]


@dataclass
class Instance:
    """One Spot instance: its folder, its metadata, and run-job.sh on it."""

    folder: Path
    case: RecoveryCase
    metadata: MetadataServer

    def start(self, pace_seconds: float = 0.0, secret: str = "", **more: str) -> Incarnation:
        environment = script_environment(self.folder, self.case.stack.aws_endpoint_url)
        settings = {**self.case.stack.environment(), **self.case.settings, **more}
        lines = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self.folder / "job.env").write_text(lines)
        (self.folder / "host.env").write_text(
            "IMAGE='123456789012.dkr.ecr.eu-west-1.amazonaws.com/csv-to-kafka-spot:tag'\n"
            f"REGION='eu-west-1'\nSECRET_ARN='{secret}'\n"
        )
        worker = [sys.executable, "-P", "-m", "csvkafka.testing.worker"]
        worker += ["--steps", str(self.folder / "steps"), "--block-bytes", "8192"]
        if pace_seconds:
            worker += ["--pace", str(pace_seconds)]
        environment |= {
            "CONFIG_DIR": str(self.folder),
            "LOG_FILE": str(self.log_file),
            "METADATA_URL": self.metadata.url,
            "WATCH_SECONDS": "0.2",
            "LINGER_SECONDS": "0",
            "LOADER_COMMAND": shlex.join(worker),
        }
        return self.case.supervisor.start(["bash", str(RUN_JOB)], environment)

    @property
    def log_file(self) -> Path:
        return self.folder / "csv-processor.log"

    @property
    def is_shut_down(self) -> bool:
        return (self.folder / "shutdown").exists()

    def log(self) -> str:
        return self.log_file.read_text("utf-8", "replace")


@pytest.fixture
def new_instance(tmp_path: Path) -> Iterator[Callable[[RecoveryCase], Instance]]:
    servers: list[MetadataServer] = []

    def make(case: RecoveryCase) -> Instance:
        servers.append(MetadataServer().__enter__())
        folder = tmp_path / f"instance-{len(servers)}"
        return Instance(folder, case, servers[-1])

    yield make
    for server in servers:
        server.__exit__(None, None, None)


def test_done_the_instance_ends_itself(
    recovery_case: NewCase, new_instance: Callable[[RecoveryCase], Instance]
) -> None:
    case = recovery_case()
    instance = new_instance(case)
    case.ends(instance.start(), 0)
    assert instance.is_shut_down, instance.log()
    assert f"(line {case.row_count})" in instance.log()
    case.assert_once()


def test_failed_the_instance_stays_with_its_log(
    recovery_case: NewCase, new_instance: Callable[[RecoveryCase], Instance]
) -> None:
    case = recovery_case()
    instance = new_instance(case)
    case.ends(instance.start(S3_KEY="no-such-key.csv"), 1)
    assert not instance.is_shut_down
    assert "run-job - ERROR - The job failed with exit code 1" in instance.log()
    assert "no-such-key.csv" in instance.log()


def test_a_secret_that_cannot_be_read_stops_before_the_job(
    recovery_case: NewCase, new_instance: Callable[[RecoveryCase], Instance]
) -> None:
    case = recovery_case()
    instance = new_instance(case)
    case.ends(instance.start(secret="arn:aws:secretsmanager:eu-west-1:123456789012:secret:no"), 1)
    assert not instance.is_shut_down
    assert "cannot be read; this instance stays" in instance.log()
    assert "docker run" not in (instance.folder / "calls").read_text()


def test_interrupted_and_resumed_on_the_next_instance(
    recovery_case: NewCase, new_instance: Callable[[RecoveryCase], Instance]
) -> None:
    """0 lost, 0 duplicated, 0 out of order, without anybody's doing."""
    case = recovery_case()
    first, second = new_instance(case), new_instance(case)
    run = first.start(pace_seconds=0.15)
    run.wait_until(lambda: case.view.record_count() > case.row_count // 4, "send rows", 60)
    first.metadata.give_notice()
    case.ends(run, 0)
    assert "Spot interruption notice: the job gets SIGTERM" in first.log()
    assert "exit code 143; the next instance goes on" in first.log()
    assert not first.is_shut_down
    case.assert_midway()
    stored = case.view.last_line()
    assert stored == case.view.record_count(), "the checkpoint does not cover what was sent"

    case.ends(second.start(), 0)
    assert f"Starting from line {stored}" in second.log()
    assert second.is_shut_down
    case.assert_once()


def test_shutdown_of_the_host_stops_the_job_too(
    recovery_case: NewCase, new_instance: Callable[[RecoveryCase], Instance]
) -> None:
    """systemd sends SIGTERM to run-job.sh alone (KillMode=mixed)."""
    case = recovery_case()
    instance = new_instance(case)
    run = instance.start(pace_seconds=0.15)
    run.wait_until(lambda: case.view.record_count() > case.row_count // 4, "send rows", 60)
    os.kill(run.pid, signal.SIGTERM)
    case.ends(run, 0)
    assert "This instance shuts down: the job gets SIGTERM" in instance.log()
    case.assert_midway()
    case.run()
    case.assert_once()
