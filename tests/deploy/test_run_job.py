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
from typing import Any
from uuid import uuid4

import boto3
import pytest

from csvkafka.local.processes import wait_until
from csvkafka.testing.judging.recovery_case import RecoveryCase
from csvkafka.testing.processes.supervisor import Incarnation
from csvkafka.testing.stacks.images import JOB
from tests.deploy.deployment import CREDENTIALS, moto_account
from tests.deploy.folders import DEPLOY, REGION, needs, run_options, script_environment
from tests.deploy.metadata_server import MetadataServer
from tests.deploy.slow_source import LASTING, slow_source

pytestmark = needs("aws", "curl", packages=["cbor2"])
RUN_JOB = DEPLOY / "option3-ec2-spot" / "run-job.sh"
LOGS = DEPLOY / "modules" / "shared" / "logs.tf"
NewCase = Callable[..., RecoveryCase]


@dataclass(frozen=True)
class Account:
    """An account of moto's, in which the instances are."""

    url: str

    def client(self, service: str) -> Any:
        return boto3.client(service, REGION, endpoint_url=self.url, **CREDENTIALS)

    def request_instance(self) -> tuple[str, str]:
        """An instance as launch-spot.sh requests it, and its Spot request."""
        ec2 = self.client("ec2")
        options = {"SpotInstanceType": "persistent", "InstanceInterruptionBehavior": "terminate"}
        ran = ec2.run_instances(
            ImageId="ami-0123456789abcdef0",
            MinCount=1,
            MaxCount=1,
            InstanceMarketOptions={"MarketType": "spot", "SpotOptions": options},
        )
        (instance,) = ran["Instances"]
        return instance["InstanceId"], instance["SpotInstanceRequestId"]

    def told(self, job_id: str) -> list[Any]:
        """The metrics by which the job's alarm is told of progress."""
        found: list[Any] = self.client("cloudwatch").list_metrics(
            Namespace="csvkafka/spot",
            MetricName="JobProgress",
            Dimensions=[{"Name": "JobId", "Value": job_id}],
        )["Metrics"]
        return found

    def requests(self) -> set[str]:
        """The Spot requests that are open."""
        found = self.client("ec2").describe_spot_instance_requests()["SpotInstanceRequests"]
        return {request["SpotInstanceRequestId"] for request in found}


@dataclass
class Instance:
    """One Spot instance: its folder, its metadata, and run-job.sh on it."""

    folder: Path
    case: RecoveryCase
    account: Account
    metadata: MetadataServer
    spot_request: str
    slow_source: dict[str, str]
    docker_command: str | None = None
    """None: the container is a process."""

    def start(
        self, *, slow: bool = False, secret: str = "", loader: str | None = None, **more: str
    ) -> Incarnation:
        """Boots it. `slow`: the load takes long enough to be interrupted in the middle. `loader`
        takes the place of the paced worker, where the container is a process."""
        environment = script_environment(self.folder, self.account.url)
        settings = {**self.case.stack.environment(), **self.case.settings, **more}
        if slow and self.docker_command is not None:
            settings |= self.slow_source
        lines = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self.folder / "job.env").write_text(lines)
        host = f"IMAGE='{JOB.name}'\nREGION='eu-west-1'\nSECRET_ARN='{secret}'\nNAME='spot'\n"
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
            "PROGRESS_SECONDS": "0",
            "STARTED_FILE": str(self.folder / "started"),
            "LOADER_COMMAND": loader or shlex.join(worker),
            "CONTAINER": self.container,
        }
        if self.docker_command is not None:
            options = shlex.join(run_options())
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


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with moto_account(tmp_path_factory.mktemp("account")) as url:
        yield Account(url)


@pytest.fixture(params=["image", "process"])
def new_instance(
    request: pytest.FixtureRequest, tmp_path: Path, account: Account
) -> Iterator[NewInstance]:
    """Makes instances whose container is the job's image, or a process."""
    docker = request.getfixturevalue("docker_command") if request.param == "image" else None
    with ExitStack() as instances:

        def make(case: RecoveryCase) -> Instance:
            instance_id, spot_request = account.request_instance()
            metadata = instances.enter_context(MetadataServer(instance_id))
            folder = tmp_path / f"instance-{uuid4().hex[:8]}"
            slow = instances.enter_context(slow_source(case.stack.aws_endpoint_url))
            instance = Instance(folder, case, account, metadata, spot_request, slow, docker)
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
    assert instance.spot_request not in instance.account.requests(), "the next one would start"
    case.assert_once()


def test_a_request_that_cannot_be_cancelled_keeps_the_instance(
    recovery_case: NewCase, new_instance: NewInstance
) -> None:
    """If it shut down, the persistent request would start the next one, for ever."""
    case = recovery_case()
    instance = new_instance(case)
    instance.metadata.instance_id = "i-00000000000000000"  # EC2 knows none of that name
    case.ends(instance.start(), 1)
    assert not instance.is_shut_down
    assert "attempt 5 failed: cancel_request" in instance.log()
    assert "ERROR - The job is done, but its Spot request is not cancelled" in instance.log()
    assert pattern("errors") in instance.log(), "nobody is told"
    case.assert_once()


def test_progress_goes_to_the_alarm_of_the_job_which_ends_with_it(
    recovery_case: NewCase, new_instance: NewInstance
) -> None:
    case = recovery_case(LASTING, settings={"CHECKPOINT_INTERVAL": "5000"})
    instance = new_instance(case)
    job_id = f"exports/day=28/{case.job_id}"
    cloudwatch = instance.account.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=f"spot-job-{job_id}",
        ComparisonOperator="LessThanThreshold",
        EvaluationPeriods=1,
        Threshold=1,
        Namespace="csvkafka/spot",
        MetricName="JobProgress",
        Dimensions=[{"Name": "JobId", "Value": job_id}],
        Statistic="Sum",
        Period=300,
    )

    run = instance.start(slow=True, JOB_ID=job_id)
    assert wait_until(lambda: bool(instance.account.told(job_id)), 60), instance.log()
    instance.metadata.give_notice()
    case.ends(run, 0)
    assert len(cloudwatch.describe_alarms()["MetricAlarms"]) == 1, "the job is not done"
    case.ends(new_instance(case).start(JOB_ID=job_id), 0)
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []


def test_what_was_told_before_a_reboot_is_no_progress(
    recovery_case: NewCase, new_instance: NewInstance
) -> None:
    """A job that ends an instance again and again without a row would else never be alarmed."""
    case = recovery_case()
    instance = new_instance(case)
    instance.folder.mkdir()
    instance.log_file.write_text("... - INFO - Progress: 500 records sent (line 500)\n")
    case.ends(instance.start(S3_KEY="no-such-key.csv"), 1)
    assert instance.account.told(case.job_id) == []


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
    assert instance.spot_request in instance.account.requests()
    tags = instance.account.client("ec2").describe_tags()["Tags"]
    state = {tag["ResourceId"]: tag["Value"] for tag in tags if tag["Key"] == "JobState"}
    assert state[instance.metadata.instance_id] == "failed"


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


def test_workers_share_a_set_and_the_next_instance_goes_on_with_it(
    recovery_case: NewCase, new_instance: NewInstance
) -> None:
    """What launch-spot.sh --workers writes: ORDER and WORKERS in the settings."""
    rows = b"id,n\n" + b"".join(b"%d,a\n" % number for number in range(100))
    made = {f"part-{number:03}.csv": rows for number in range(80)}
    case = recovery_case(made, settings={"ORDER": "object"})
    first, second = new_instance(case), new_instance(case)
    entry = shlex.join([sys.executable, "-P", "-m", "csvkafka"])
    run = first.start(WORKERS="3", loader=entry)
    run.wait_until(lambda: case.view.record_count() > 300, "send rows", 120)
    first.metadata.give_notice()
    case.ends(run, 0)
    assert "exit code 143; the next instance goes on" in first.log()
    assert (first.folder / "calls").read_text().count("load --workers 3\n") == 1
    case.assert_midway()
    case.assert_prefix()

    case.ends(second.start(WORKERS="3", loader=entry), 0, timeout_seconds=240.0)
    assert second.is_shut_down, second.log()
    assert pattern("progress") in second.log(), "the alarm of no progress sees none"
    case.assert_once()


# -- the boot --------------------------------------------------------------------------------------


HOST = "REGION='eu-west-1'\nLOG_GROUP='/ec2/boot'\n"


def watchdog(folder: Path, account: Account, started: Path, host: str = HOST) -> Path:
    """Runs the watchdog; returns the note that a shutdown leaves."""
    environment = script_environment(folder, account.url)
    (folder / "host.env").write_text(host)
    (folder / "boot.log").write_text('dnf: "no route to host"\n\tpackages failed\n')
    environment |= {
        "CONFIG_DIR": str(folder),
        "STARTED_FILE": str(started),
        "BOOT_LOG": str(folder / "boot.log"),
    }
    script = DEPLOY / "option3-ec2-spot" / "watchdog.sh"
    subprocess.run(["bash", str(script)], env=environment, check=host == HOST)
    return folder / "shutdown"


def test_a_boot_that_fails_is_said_and_ends(tmp_path: Path, account: Account) -> None:
    logs = account.client("logs")
    logs.create_log_group(logGroupName="/ec2/boot")
    assert watchdog(tmp_path, account, tmp_path / "started").exists()
    (stream,) = logs.describe_log_streams(logGroupName="/ec2/boot")["logStreams"]
    name = stream["logStreamName"]
    events = logs.get_log_events(logGroupName="/ec2/boot", logStreamName=name)["events"]
    (message,) = (event["message"] for event in events)
    assert pattern("errors") in message
    assert 'dnf: "no route to host"' in message


def test_a_boot_that_cannot_even_say_so_ends(tmp_path: Path, account: Account) -> None:
    assert watchdog(tmp_path, account, tmp_path / "started", host="").exists()


def test_a_job_that_began_is_let_be(tmp_path: Path, account: Account) -> None:
    (tmp_path / "started").touch()
    assert not watchdog(tmp_path, account, tmp_path / "started").exists()
