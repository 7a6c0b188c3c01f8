"""Each option applied to moto by its own deploy.sh: no drift, run, destroyed without its table.

Needs the AWS provider: CSVKAFKA_TERRAFORM_PROVIDER is its binary, or `registry` where terraform may
fetch it. What moto lacks is said in docs/deploy.md.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
import yaml

from csvkafka.local.ports import ReservedPort
from csvkafka.local.processes import Guardian, wait_until
from tests.deploy.deployment import PROVIDER_VARIABLE, Deployment, provider_configuration
from tests.deploy.folders import ROOT

pytestmark = [
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        PROVIDER_VARIABLE not in os.environ,
        reason=f"no AWS provider of terraform: {PROVIDER_VARIABLE} is its binary, or `registry`",
    ),
]
CREDENTIALS = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
TABLE = "csv-kafka-checkpoint"
Deploy = Callable[..., Deployment]


@pytest.fixture
def endpoint_url(tmp_path: Path) -> Iterator[str]:
    """A moto server with an account that is empty but for the default VPC."""
    port = ReservedPort()
    # AWS's own policies, such as AmazonSSMManagedInstanceCore, are there too.
    environment = {**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
    command = [sys.executable, "-m", "tests.deploy.moto_server", str(port.number)]
    guardian = Guardian()
    log = tmp_path / "moto.log"
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    guardian.spawn(command, log, environment | {"PYTHONPATH": path})
    url = f"http://127.0.0.1:{port.number}"

    def answers() -> bool:
        try:
            return requests.get(f"{url}/moto-api/", timeout=5).ok
        except requests.ConnectionError:
            return False

    assert wait_until(answers, 60), log.read_text()
    yield url
    guardian.close()


@pytest.fixture
def deploy(tmp_path: Path, endpoint_url: str) -> Deploy:
    """Deploys an option by its deploy.sh."""

    def run(option: str, **given: str) -> Deployment:
        (tmp_path / "provider").mkdir()
        provider = provider_configuration(tmp_path / "provider")
        deployment = Deployment(option, tmp_path, endpoint_url, provider, **given)
        deployment.run("./deploy.sh", "--yes")
        return deployment

    return run


def containers_of(deployment: Deployment, family: str) -> tuple[dict[str, Any], dict[str, Any]]:
    answer = deployment.client("ecs").describe_task_definition(taskDefinition=family)
    task = answer["taskDefinition"]
    (container,) = task["containerDefinitions"]
    return task, container


def test_option1_is_applied_and_does_not_drift(deploy: Deploy) -> None:
    deployment = deploy("option1-ecs-fargate", more='schedule = "cron(0 2 * * ? *)"')
    deployment.assert_no_drift()
    task, container = containers_of(deployment, "csv-to-kafka-ecs")
    assert task["requiresCompatibilities"] == ["FARGATE"]
    assert container["readonlyRootFilesystem"] is True
    assert container["logConfiguration"]["options"]["awslogs-group"] == "/ecs/csv-to-kafka"
    # The loader stores its checkpoint within 6 s of SIGTERM.
    assert container["stopTimeout"] >= 15
    # User and command are the image's own.
    assert not {"user", "command", "entryPoint"} & set(container)
    image = (ROOT / "docker" / "Dockerfile").read_text()
    assert "\nUSER 65532:65532\n" in image
    assert '\nENTRYPOINT ["python", "-P", "-m", "csvkafka"]' in image
    assert {entry["name"] for entry in container["secrets"]} == {
        "KAFKA_SASL_PLAIN_USERNAME",
        "KAFKA_SASL_PLAIN_PASSWORD",
    }
    pushed = [call for call in deployment.docker_calls() if call.startswith("push ")]
    assert pushed == [f"push {container['image']}"]
    command = shlex.split(deployment.output("run_command").replace("\\\n", " "))
    overrides = json.loads(command[command.index("--overrides") + 1])
    (environment,) = [entry["environment"] for entry in overrides["containerOverrides"]]
    assert {"name": "S3_KEY", "value": "exports/data.csv"} in environment


def test_table_is_as_documented_and_protected(deploy: Deploy) -> None:
    deployment = deploy("option1-ecs-fargate")
    dynamodb = deployment.client("dynamodb")
    table = dynamodb.describe_table(TableName=TABLE)["Table"]
    assert table["KeySchema"] == [{"AttributeName": "job_id", "KeyType": "HASH"}]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["DeletionProtectionEnabled"] is True
    backups = dynamodb.describe_continuous_backups(TableName=TABLE)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    assert recovery == "ENABLED"


def test_destroy_keeps_the_table_until_told_otherwise(deploy: Deploy) -> None:
    deployment = deploy("option1-ecs-fargate")
    dynamodb = deployment.client("dynamodb")
    item = {"job_id": {"S": "csv-job-1"}, "last_line": {"N": "50000"}}
    dynamodb.put_item(TableName=TABLE, Item=item)
    deployment.run("./destroy.sh", "--yes")
    assert deployment.client("ecs").list_clusters()["clusterArns"] == []
    assert dynamodb.get_item(TableName=TABLE, Key={"job_id": item["job_id"]})["Item"] == item

    refused = deployment.run("./deploy.sh", "--yes", check=False)
    assert refused.returncode == 1
    assert "--adopt-table" in refused.stderr.splitlines()[-1]
    deployment.run("./deploy.sh", "--yes", "--adopt-table")
    assert dynamodb.get_item(TableName=TABLE, Key={"job_id": item["job_id"]})["Item"] == item
    deployment.assert_no_drift()

    deployment.run("./destroy.sh", "--yes", "--delete-table")
    assert dynamodb.list_tables()["TableNames"] == []


def test_deploy_again_builds_nothing_that_is_there(deploy: Deploy) -> None:
    deployment = deploy("option1-ecs-fargate")
    first = deployment.docker_calls()
    tag = first[-1].rpartition(":")[2]
    manifest = json.dumps({"schemaVersion": 2, "layers": [], "config": {"digest": "sha256:0"}})
    deployment.client("ecr").put_image(
        repositoryName="csv-to-kafka-ecs", imageTag=tag, imageManifest=manifest
    )
    said = deployment.run("./deploy.sh", "--yes")
    assert f"csv-to-kafka-ecs:{tag} is in the registry" in said.stderr
    assert "aws ecs run-task" in said.stdout
    assert deployment.docker_calls() == first


def test_dry_run_changes_nothing(deploy: Deploy) -> None:
    deployment = deploy("option1-ecs-fargate")
    calls = deployment.docker_calls()
    for script in ("./deploy.sh", "./destroy.sh"):
        said = deployment.run(script, "--dry-run")
        assert "would run: terraform" in said.stdout + said.stderr
    assert deployment.docker_calls() == calls
    deployment.assert_no_drift()


@pytest.mark.parametrize("compute", ["FARGATE_SPOT", "SPOT"])
def test_option2_is_applied_and_does_not_drift(
    deploy: Deploy, endpoint_url: str, compute: str, tmp_path: Path
) -> None:
    # moto has no service-linked role of its own for Batch.
    iam = boto3.client("iam", "us-east-1", endpoint_url=endpoint_url, **CREDENTIALS)
    role = iam.create_role(RoleName="batch", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    more = f'compute = "{compute}"\nservice_role_arn = "{role}"'
    deployment = deploy("option2-aws-batch", more=more)
    deployment.assert_no_drift()
    batch = deployment.client("batch")
    (definition,) = batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"]
    container = definition["containerProperties"]
    assert container["readonlyRootFilesystem"] is True
    assert container["command"] == ["Ref::key", "Ref::job_id", "Ref::manifest"]
    given = {entry["name"] for entry in container["environment"]}
    assert not {"S3_KEY", "JOB_ID"} & given, "they come from the job's parameters"
    rules = definition["retryStrategy"]["evaluateOnExit"]
    assert [rule["action"].upper() for rule in rules] == ["EXIT", "RETRY", "RETRY", "RETRY", "EXIT"]
    assert [rule.get("onExitCode") for rule in rules] == [None, None, "143", "137", None]
    assert definition["timeout"]["attemptDurationSeconds"] == 43_200

    files = tmp_path / "files.txt"
    files.write_text('exports/a.csv\r\nexports/b, "c".csv\n\nexports/a.csv\n')
    deployment.client("s3").create_bucket(
        Bucket="data", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    dry = deployment.run("./submit-files.sh", "--dry-run", str(files))
    (manifest,) = re.findall(
        r"s3://data/(exports/csvkafka-manifests/[0-9a-f]{16}\.txt)", dry.stdout
    )
    assert "--array-properties size=2" in dry.stdout
    deployment.run("./submit-files.sh", str(files))
    body = deployment.client("s3").get_object(Bucket="data", Key=manifest)["Body"].read()
    assert body == b'exports/a.csv\nexports/b, "c".csv\n'


def test_option3_is_applied_launched_once_and_does_not_drift(deploy: Deploy) -> None:
    deployment = deploy("option3-ec2-spot", more='image_id = "ami-0123456789abcdef0"')
    # moto hands the template's own tags back as tags of what it launches.
    deployment.assert_no_drift("aws_launch_template.job")
    ec2 = deployment.client("ec2")
    dry = deployment.run("./launch-spot.sh", "--dry-run", "--job-id", "night-1")
    assert "SpotInstanceType=persistent" in dry.stdout
    assert ec2.describe_instances()["Reservations"] == []

    said = deployment.run("./launch-spot.sh", "--s3-key", "exports/b.csv", "--job-id", "night-1")
    (reservation,) = ec2.describe_instances()["Reservations"]
    (instance,) = reservation["Instances"]
    assert f"Instance:    {instance['InstanceId']}" in said.stdout
    assert "aws logs tail '/ec2/csv-to-kafka'" in said.stdout
    assert {"Key": "JobId", "Value": "night-1"} in instance["Tags"]
    attribute = ec2.describe_instance_attribute(
        InstanceId=instance["InstanceId"], Attribute="userData"
    )
    user_data = base64.b64decode(attribute["UserData"]["Value"]).decode()
    files = {entry["path"]: entry for entry in yaml.safe_load(user_data)["write_files"]}
    job_env = base64.b64decode(files["/etc/csv-to-kafka/job.env"]["content"]).decode().splitlines()
    assert "S3_KEY=exports/b.csv" in job_env
    assert "JOB_ID=night-1" in job_env
    assert "KAFKA_TOPIC=rows" in job_env
    assert len([line for line in job_env if line.startswith("S3_KEY=")]) == 1
