"""AWS Batch applied to moto by its own deploy.sh; moto's Batch runs the image that it has built."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from csvkafka.exit_codes import ExitCode
from csvkafka.local.base import Stack
from csvkafka.local.processes import wait_until
from csvkafka.testing.inputs.csv_files import preset
from tests.deploy.batch_retries import Attempt, is_retried
from tests.deploy.conftest import Deploy
from tests.deploy.deployment import (
    BATCH_ROLE,
    BUCKET,
    NEEDS_PROVIDER,
    Deployment,
    Loading,
    deployed,
)

pytestmark = NEEDS_PROVIDER
OPTION = "option2-aws-batch"


def variables(compute: str) -> str:
    return f'compute = "{compute}"\nservice_role_arn = "{BATCH_ROLE}"'


@pytest.fixture(scope="module")
def on_fargate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Deployed once: the tests that take it leave it as it is."""
    folder = tmp_path_factory.mktemp("option2")
    with deployed(OPTION, folder, more=variables("FARGATE_SPOT")) as deployment:
        yield deployment


def assert_described(deployment: Deployment, compute: str) -> None:
    """Nothing drifts, and the definition of the job is what image and loader expect."""
    deployment.assert_no_drift()
    batch = deployment.client("batch")
    (queue,) = batch.describe_job_queues()["jobQueues"]
    in_order = sorted(queue["computeEnvironmentOrder"], key=lambda each: int(each["order"]))
    found = batch.describe_compute_environments()["computeEnvironments"]
    types = {each["computeEnvironmentArn"]: each["computeResources"]["type"] for each in found}
    on_demand = {"SPOT": "EC2", "FARGATE_SPOT": "FARGATE"}[compute]
    assert [types[each["computeEnvironment"]] for each in in_order] == [compute, on_demand]
    (definition,) = batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"]
    assert definition["platformCapabilities"] == ["EC2" if compute == "SPOT" else "FARGATE"]
    container = definition["containerProperties"]
    assert container["image"] == deployment.image
    assert container["readonlyRootFilesystem"] is True
    assert container["command"] == ["Ref::key", "Ref::job_id", "Ref::manifest"]
    assert not {"user", "entryPoint"} & set(container), "they are the image's own"
    given = {entry["name"] for entry in container["environment"]}
    assert not {"S3_KEY", "JOB_ID"} & given, "they come from the job's parameters"
    assert definition["timeout"]["attemptDurationSeconds"] == 43_200


def rules(deployment: Deployment) -> list[dict[str, str]]:
    batch = deployment.client("batch")
    (definition,) = batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"]
    found: list[dict[str, str]] = definition["retryStrategy"]["evaluateOnExit"]
    return found


SPOT_IS_GONE = "Host EC2 (instance i-0123456789abcdef0) terminated."
EXITED = "Essential container in task exited"
NO_INTERFACE = "Timeout waiting for network interface provisioning to complete."
NO_IMAGE = "CannotPullContainerError: ref pull has been retried 5 time(s): i/o timeout"
NO_MEMORY = "OutOfMemoryError: Container killed due to memory usage"


@pytest.mark.parametrize(
    ("end", "is_tried_again"),
    [
        (Attempt(143, None, "Your Spot Task was interrupted."), True),
        (Attempt(None, None, SPOT_IS_GONE), True),
        (Attempt(137, None, SPOT_IS_GONE), True),
        (Attempt(None, None, NO_INTERFACE), True),
        (Attempt(None, NO_IMAGE, "Task failed to start"), True),
        (Attempt(None, "DockerTimeoutError: Could not transition to started", EXITED), True),
        (Attempt(None, "ResourceInitializationError: no route", "Task failed to start"), True),
        (Attempt(1, None, EXITED), True),
        (Attempt(137, NO_MEMORY, EXITED), False),
        *((Attempt(code, None, EXITED), code == ExitCode.TRY_AGAIN) for code in sorted(ExitCode)),
    ],
    ids=str,
)
def test_what_may_go_well_is_tried_again_and_nothing_else(
    on_fargate: Deployment, end: Attempt, is_tried_again: bool
) -> None:
    assert is_retried(rules(on_fargate), end) == is_tried_again


def test_a_job_that_nothing_can_run_does_not_wait_for_ever(on_fargate: Deployment) -> None:
    (queue,) = on_fargate.client("batch").describe_job_queues()["jobQueues"]
    limits = {each["reason"]: each for each in queue["jobStateTimeLimitActions"]}
    assert "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY" in limits
    assert {each["maxTimeSeconds"] for each in limits.values()} == {3600}


def job_event(queue: str, **more: object) -> dict[str, Any]:
    return {
        "source": "aws.batch",
        "detail-type": "Batch Job State Change",
        "detail": {"status": "FAILED", "jobQueue": queue, **more},
    }


def test_an_array_of_failures_sends_one_mail(on_fargate: Deployment) -> None:
    (queue,) = on_fargate.client("batch").describe_job_queues()["jobQueues"]
    arn = queue["jobQueueArn"]
    child = job_event(arn, arrayProperties={"index": 7, "statusSummary": {}})
    parent = job_event(arn, arrayProperties={"size": 10_000, "statusSummary": {"FAILED": 10_000}})
    blocked = {"source": "aws.batch", "detail-type": "Batch Job Queue Blocked", "resources": [arn]}
    matching = on_fargate.matching_rules
    assert matching(child) == set()
    assert matching(parent) == {"csv-to-kafka-batch-failed"}
    assert matching(job_event(arn)) == {"csv-to-kafka-batch-failed"}
    assert matching(blocked) == {"csv-to-kafka-batch-blocked"}


def test_on_fargate_spot_it_does_not_drift(on_fargate: Deployment) -> None:
    assert_described(on_fargate, "FARGATE_SPOT")


def test_on_ec2_spot_it_does_not_drift_and_is_destroyed(deploy: Deploy) -> None:
    more = f'{variables("SPOT")}\ntags = {{ CostCentre = "data" }}'
    deployment = deploy(OPTION, more=more)
    assert_described(deployment, "SPOT")
    ec2 = deployment.client("ec2")
    (template,) = ec2.describe_launch_templates()["LaunchTemplates"]
    assert template["LaunchTemplateName"] == "csv-to-kafka-batch-instance"
    named = {"LaunchTemplateId": template["LaunchTemplateId"]}
    (version,) = ec2.describe_launch_template_versions(**named)["LaunchTemplateVersions"]
    tagged = {
        each["ResourceType"]: {tag["Key"]: tag["Value"] for tag in each["Tags"]}
        for each in version["LaunchTemplateData"]["TagSpecifications"]
    }
    assert {tagged[kind]["CostCentre"] for kind in ("instance", "volume")} == {"data"}
    assert_fits(deployment)
    deployment.run("./destroy.sh", "--yes", "--delete-table")
    assert deployment.remaining() == []


def assert_fits(deployment: Deployment) -> None:
    """Each instance type has the memory of a job, beside the system's and the agent's."""
    batch, ec2 = deployment.client("batch"), deployment.client("ec2")
    (definition,) = batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"]
    required = definition["containerProperties"]["resourceRequirements"]
    needed = next(int(each["value"]) for each in required if each["type"] == "MEMORY")
    for environment in batch.describe_compute_environments()["computeEnvironments"]:
        types = environment["computeResources"]["instanceTypes"]
        for each in ec2.describe_instance_types(InstanceTypes=types)["InstanceTypes"]:
            assert each["MemoryInfo"]["SizeInMiB"] >= needed + 300, each["InstanceType"]


@pytest.mark.parametrize(
    ("lists", "says"),
    [
        (["a.txt", "b.txt"], "one list at a time"),
        (["outside.txt"], "names other/c.csv; the job may read what begins with exports/ alone"),
    ],
)
def test_a_list_that_would_not_load_as_it_says_is_refused(
    on_fargate: Deployment, tmp_path: Path, lists: list[str], says: str
) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("exports/a.csv\n")
    (tmp_path / "outside.txt").write_text("exports/a.csv\nother/c.csv\n")
    paths = [str(tmp_path / name) for name in lists]
    done = on_fargate.run("./submit-files.sh", "--dry-run", *paths, check=False)
    assert done.returncode == 1
    assert says in done.stderr


def test_files_of_a_list_are_submitted_once_each(on_fargate: Deployment, tmp_path: Path) -> None:
    s3 = on_fargate.client("s3")
    files = tmp_path / "files.txt"
    files.write_text(
        '\ufeffexports/a.csv\r\n# a comment\nexports/b, "c".csv\n\nexports/a.csv\n',
        encoding="utf-8",
    )
    dry = on_fargate.run("./submit-files.sh", "--dry-run", str(files))
    (manifest,) = re.findall(
        r"s3://data/(exports/csvkafka-manifests/[0-9a-f]{16}\.txt)", dry.stdout
    )
    assert "--array-properties size=2" in dry.stdout
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0
    done = on_fargate.run("./submit-files.sh", str(files))
    (watch,) = re.findall(r"how many are loaded says (aws .*)", done.stderr)
    assert f" --jobs {done.stdout.strip()} " in watch
    status, _ = json.loads(on_fargate.run("bash", "-c", watch).stdout)
    assert status == "SUCCEEDED"
    body = s3.get_object(Bucket=BUCKET, Key=manifest)["Body"].read()
    assert body == b'exports/a.csv\nexports/b, "c".csv\n'


def test_a_running_job_is_not_cut_off(on_fargate: Deployment) -> None:
    key = {"key": "exports/lasting.csv", "job_id": "lasting"}
    on_fargate.client("batch").submit_job(
        jobName="lasting",
        jobQueue=on_fargate.output("job_queue"),
        jobDefinition=on_fargate.output("job_definition"),
        parameters=key,
    )
    done = on_fargate.run("./destroy.sh", "--yes", check=False)
    assert done.returncode == 1
    (command,) = re.findall(r"a job is RUNNING: .* with (aws batch terminate-job .*)", done.stderr)
    assert on_fargate.remaining()
    on_fargate.run("bash", "-c", command)


def ended(deployment: Deployment, job: str) -> str:
    """The job's status at its end, in moto's Batch."""
    batch = deployment.client("batch")

    def status() -> str:
        return str(batch.describe_jobs(jobs=[job])["jobs"][0]["status"])

    assert wait_until(lambda: status() in ("SUCCEEDED", "FAILED"), 120), status()
    return status()


def test_the_image_that_deploy_built_loads_what_is_submitted(
    deploy: Deploy, stack: Stack, real_docker: dict[str, str], tmp_path: Path
) -> None:
    """One file by the printed command, one that is not there, three by a list, again by a list."""
    job, more = Loading(stack), variables("FARGATE_SPOT")
    deployment = deploy(OPTION, more=more, job=job, environment=real_docker)
    files = deployment.files(stack, job.topic)

    files.put("exports/data.csv", preset("nasty", 2_000))
    command = deployment.output("run_command")
    done = subprocess.run(
        ["bash", "-c", command], env=deployment.environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert ended(deployment, json.loads(done.stdout)["jobId"]) == "SUCCEEDED"
    files.assert_once("exports/data.csv", "csv-job-1")

    one = tmp_path / "one.txt"
    one.write_text("exports/missing.csv\n")
    assert (
        ended(deployment, deployment.run("./submit-files.sh", str(one)).stdout.strip()) == "FAILED"
    )

    keys = [f'exports/{number}, "{number}".csv' for number in range(3)]
    for number, key in enumerate(keys):
        files.put(key, preset("nasty", 1_000 + number, seed=number))
    several = tmp_path / "several.txt"
    several.write_text("".join(f"{key}\n" for key in keys))
    for _ in range(2):
        job_id = deployment.run("./submit-files.sh", str(several)).stdout.strip()
        assert ended(deployment, job_id) == "SUCCEEDED"
        for key in keys:
            files.assert_once(key, key)
