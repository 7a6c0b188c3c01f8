"""AWS Batch applied to moto by its own deploy.sh; moto's Batch runs the image that it has built."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from csvkafka.local.base import Stack
from csvkafka.local.processes import wait_until
from csvkafka.testing.inputs.csv_files import preset
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
    (environment,) = batch.describe_compute_environments()["computeEnvironments"]
    assert environment["computeResources"]["type"] == compute
    (definition,) = batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"]
    assert definition["platformCapabilities"] == ["EC2" if compute == "SPOT" else "FARGATE"]
    container = definition["containerProperties"]
    assert container["image"] == deployment.image
    assert container["readonlyRootFilesystem"] is True
    assert container["command"] == ["Ref::key", "Ref::job_id", "Ref::manifest"]
    assert not {"user", "entryPoint"} & set(container), "they are the image's own"
    given = {entry["name"] for entry in container["environment"]}
    assert not {"S3_KEY", "JOB_ID"} & given, "they come from the job's parameters"
    rules = definition["retryStrategy"]["evaluateOnExit"]
    assert [rule["action"].upper() for rule in rules] == ["EXIT", "RETRY", "RETRY", "RETRY", "EXIT"]
    assert [rule.get("onExitCode") for rule in rules] == [None, None, "75", "1*", None]
    assert definition["timeout"]["attemptDurationSeconds"] == 43_200


def test_on_fargate_spot_it_does_not_drift(on_fargate: Deployment) -> None:
    assert_described(on_fargate, "FARGATE_SPOT")


def test_on_ec2_spot_it_does_not_drift_and_is_destroyed(deploy: Deploy) -> None:
    deployment = deploy(OPTION, more=variables("SPOT"))
    assert_described(deployment, "SPOT")
    (template,) = deployment.client("ec2").describe_launch_templates()["LaunchTemplates"]
    assert template["LaunchTemplateName"] == "csv-to-kafka-batch-instance"
    deployment.run("./destroy.sh", "--yes", "--delete-table")
    assert deployment.remaining() == []


def test_files_of_a_list_are_submitted_once_each(on_fargate: Deployment, tmp_path: Path) -> None:
    s3 = on_fargate.create_bucket()
    files = tmp_path / "files.txt"
    files.write_text('exports/a.csv\r\nexports/b, "c".csv\n\nexports/a.csv\n')
    dry = on_fargate.run("./submit-files.sh", "--dry-run", str(files))
    (manifest,) = re.findall(
        r"s3://data/(exports/csvkafka-manifests/[0-9a-f]{16}\.txt)", dry.stdout
    )
    assert "--array-properties size=2" in dry.stdout
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0
    on_fargate.run("./submit-files.sh", str(files))
    body = s3.get_object(Bucket=BUCKET, Key=manifest)["Body"].read()
    assert body == b'exports/a.csv\nexports/b, "c".csv\n'


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
