"""What runs on a Spot instance: done, failed, interrupted and resumed. The loader, its broker and
the signals are real, and an instance's metadata come from loopback. The container is the job's
image on a real engine where there is one; the same again, where there is none, with a process."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from csvkafka.testing.inputs.csv_files import CsvSpec
from csvkafka.testing.judging.recovery_case import RecoveryCase
from csvkafka.testing.processes.supervisor import Incarnation
from csvkafka.testing.stacks.images import JOB
from tests.deploy.folders import DEPLOY, needs, run_options, script_environment
from tests.deploy.metadata_server import MetadataServer

pytestmark = needs("aws", "curl")
RUN_JOB = DEPLOY / "option3-ec2-spot" / "run-job.sh"
LOGS = DEPLOY / "modules" / "shared" / "logs.tf"
NewCase = Callable[..., RecoveryCase]
LASTING = CsvSpec(row_count=120_000)
"""Takes the image some seconds on a fifth of a CPU, and the paced process more than a minute."""


@dataclass
class Instance:
    """One Spot instance: its folder, its metadata, and run-job.sh on it."""

    folder: Path
    case: RecoveryCase
    metadata: MetadataServer
    docker_command: str | None = None
    """None: the container is a process."""

    def start(self, *, slow: bool = False, secret: str = "", **more: str) -> Incarnation:
        """Boots it. `slow`: the load takes long enough to be interrupted in the middle."""
        environment = script_environment(self.folder, self.case.stack.aws_endpoint_url)
        settings = {**self.case.stack.environment(), **self.case.settings, **more}
        if slow:
            settings["CSVKAFKA_ENCODER"] = "python"
        lines = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self.folder / "job.env").write_text(lines)
        host = f"IMAGE='{JOB.name}'\nREGION='eu-west-1'\nSECRET_ARN='{secret}'\n"
        (self.folder / "host.env").write_text(host)
        worker = [sys.executable, "-P", "-m", "csvkafka.testing.processes.worker"]
        worker += ["--steps", str(self.folder / "steps"), "--block-bytes", "8192"]
        if slow:
            worker += ["--pace", "0.15"]
        environment |= {
            "CONFIG_DIR": str(self.folder),
            "LOG_FILE": str(self.log_file),
            "METADATA_URL": self.metadata.url,
            "WATCH_SECONDS": "0.2",
            "LINGER_SECONDS": "0",
            "RETRY_SECONDS": "0",
            "LOADER_COMMAND": shlex.join(worker),
            "CONTAINER": self.container,
        }
        if self.docker_command is not None:
            options = shlex.join([*run_options(), *(["--cpus", "0.2"] if slow else [])])
            environment |= {"REAL_DOCKER": self.docker_command, "RUN_OPTIONS": options}
        return self.case.supervisor.start(["bash", str(RUN_JOB)], environment)

    @property
    def log_file(self) -> Path:
        return self.folder / "csv-processor.log"

    @property
    def is_shut_down(self) -> bool:
        return (self.folder / "shutdown").exists()

    def log(self) -> str:
        return self.log_file.read_text("utf-8", "replace")

    @property
    def container(self) -> str:
        return f"{self.folder.parent.name}-{self.folder.name}"

    def remove_container(self) -> None:
        if self.docker_command is not None:
            command = [self.docker_command, "rm", "--force", self.container]
            subprocess.run(command, check=True, capture_output=True)


NewInstance = Callable[[RecoveryCase], Instance]


@pytest.fixture(params=["image", "process"])
def new_instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewInstance]:
    """Makes instances whose container is the job's image, or a process."""
    docker = request.getfixturevalue("docker_command") if request.param == "image" else None
    with ExitStack() as instances:

        def make(case: RecoveryCase) -> Instance:
            metadata = instances.enter_context(MetadataServer())
            instance = Instance(tmp_path / f"instance-{uuid4().hex[:8]}", case, metadata, docker)
            instances.callback(instance.remove_container)
            return instance

        yield make


def pattern(name: str) -> str:
    """What the metric filter of that name in logs.tf looks for in the log."""
    found = re.search(rf'"{name}" {{.*?pattern += "\\"(.*?)\\""', LOGS.read_text(), re.S)
    assert found is not None
    return found[1]


def test_done_the_instance_ends_itself(recovery_case: NewCase, new_instance: NewInstance) -> None:
    case = recovery_case()
    instance = new_instance(case)
    case.ends(instance.start(), 0)
    assert instance.is_shut_down, instance.log()
    assert f"(line {case.row_count})" in instance.log()
    assert pattern("progress") in instance.log(), "the alarm of no progress sees none"
    assert pattern("errors") not in instance.log(), "the alarm of failures goes off"
    case.assert_once()


def test_failed_the_instance_stays_with_its_log(
    recovery_case: NewCase, new_instance: NewInstance
) -> None:
    case = recovery_case()
    instance = new_instance(case)
    case.ends(instance.start(S3_KEY="no-such-key.csv"), 1)
    assert not instance.is_shut_down
    assert "run-job - ERROR - The job failed with exit code 1" in instance.log()
    assert "no-such-key.csv" in instance.log()
    assert pattern("errors") in instance.log()


def test_a_secret_that_cannot_be_read_stops_before_the_job(
    recovery_case: NewCase, new_instance: NewInstance
) -> None:
    case = recovery_case()
    instance = new_instance(case)
    case.ends(instance.start(secret="arn:aws:secretsmanager:eu-west-1:123456789012:secret:no"), 1)
    assert not instance.is_shut_down
    assert "cannot be read; this instance stays" in instance.log()
    assert "docker run" not in (instance.folder / "calls").read_text()


def test_interrupted_and_resumed_on_the_next_instance(
    recovery_case: NewCase, new_instance: NewInstance
) -> None:
    """0 lost, 0 duplicated, 0 out of order, without anybody's doing."""
    case = recovery_case(LASTING, settings={"CHECKPOINT_INTERVAL": "5000"})
    first, second = new_instance(case), new_instance(case)
    run = first.start(slow=True)
    run.wait_until(lambda: case.view.record_count() > 1_000, "send rows", 60)
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
    recovery_case: NewCase, new_instance: NewInstance
) -> None:
    """systemd sends SIGTERM to run-job.sh alone (KillMode=mixed)."""
    case = recovery_case(LASTING, settings={"CHECKPOINT_INTERVAL": "5000"})
    instance = new_instance(case)
    run = instance.start(slow=True)
    run.wait_until(lambda: case.view.record_count() > 1_000, "send rows", 60)
    os.kill(run.pid, signal.SIGTERM)
    case.ends(run, 0)
    assert "This instance shuts down: the job gets SIGTERM" in instance.log()
    case.assert_midway()
    case.ends(new_instance(case).start(), 0)
    case.assert_once()
