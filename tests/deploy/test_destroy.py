"""destroy.sh: it asks first, puts back what it changed, and says what still stands in its way."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.conftest import Deploy
from tests.deploy.deployment import NEEDS_PROVIDER, TABLE, Deployment, deployed

pytestmark = NEEDS_PROVIDER
NAME = "csv-to-kafka-ecs"


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Deployed once: the tests that take it leave it as it is."""
    folder = tmp_path_factory.mktemp("option1")
    with deployed("option1-ecs-fargate", folder) as deployment:
        yield deployment


def is_protected(deployment: Deployment) -> bool:
    table = deployment.client("dynamodb").describe_table(TableName=TABLE)["Table"]
    return bool(table["DeletionProtectionEnabled"])


def failing_path(deployment: Deployment, folder: Path, command: str) -> str:
    """A PATH whose terraform fails at the command, a pattern of sh's, and is the real one else."""
    real = shutil.which("terraform")
    failing = folder / "terraform"
    failing.write_text(f'#!/bin/sh\ncase "$*" in {command}) exit 1 ;; esac\nexec {real} "$@"\n')
    failing.chmod(0o755)
    return f"{folder}:{deployment.environment['PATH']}"


@pytest.mark.parametrize("options", [[], ["--delete-table"]], ids=["plain", "delete-table"])
def test_no_changes_nothing(standing: Deployment, options: list[str]) -> None:
    before = standing.remaining()
    done = standing.run("./destroy.sh", *options, answer="no\n", check=False)
    assert done.returncode == 1
    assert "nothing was changed" in done.stderr
    assert standing.remaining() == before
    assert is_protected(standing)


def test_a_destroy_that_fails_leaves_the_table_protected(
    standing: Deployment, tmp_path: Path
) -> None:
    path = failing_path(standing, tmp_path, "apply*/plan")
    done = standing.run("./destroy.sh", "--yes", "--delete-table", check=False, PATH=path)
    assert done.returncode == 1
    assert f"the table {TABLE} stands, and is protected again" in done.stderr
    assert is_protected(standing)
    assert any("aws_dynamodb_table" in address for address in standing.remaining())


def test_a_running_task_is_not_cut_off(standing: Deployment) -> None:
    standing.run("bash", "-c", standing.output("run_command"))
    (task,) = standing.client("ecs").list_tasks(cluster=NAME)["taskArns"]
    done = standing.run("./destroy.sh", "--yes", check=False)
    assert done.returncode == 1
    (command,) = re.findall(r"aws ecs stop-task .*", done.stderr)
    assert task in command
    standing.run("bash", "-c", command)
    running = standing.client("ecs").list_tasks(cluster=NAME, desiredStatus="RUNNING")
    assert running["taskArns"] == []


def test_a_rule_of_another_group_is_named_with_the_way_to_remove_it(standing: Deployment) -> None:
    """EC2 refuses to delete a group that a rule refers to (DependencyViolation)."""
    ec2 = standing.client("ec2")
    brokers = ec2.create_security_group(GroupName="brokers", Description="of Kafka")["GroupId"]
    pair = {"GroupId": standing.output("security_group_id")}
    rule = {"IpProtocol": "tcp", "FromPort": 9096, "ToPort": 9096, "UserIdGroupPairs": [pair]}
    ec2.authorize_security_group_ingress(GroupId=brokers, IpPermissions=[rule])
    done = standing.run("./destroy.sh", "--yes", check=False)
    assert done.returncode == 1
    assert f"a rule of {brokers} lets this deployment's group in" in done.stderr
    (command,) = re.findall(r"aws ec2 revoke-security-group-ingress .*", done.stderr)
    standing.run("bash", "-c", command)
    (group,) = ec2.describe_security_groups(GroupIds=[brokers])["SecurityGroups"]
    assert group["IpPermissions"] == []


def test_a_destroy_that_was_cut_off_keeps_the_table_the_next_time(
    deploy: Deploy, tmp_path: Path
) -> None:
    """The table is all that is left then, and without a target terraform would take it."""
    deployment = deploy("option1-ecs-fargate", more="table_deletion_protection = false")
    path = failing_path(deployment, tmp_path, "state\\ rm*")
    assert deployment.run("./destroy.sh", "--yes", check=False, PATH=path).returncode != 0
    assert any("aws_dynamodb_table" in address for address in deployment.remaining())
    deployment.run("./destroy.sh", answer="yes\n")
    assert deployment.remaining() == []
    assert deployment.client("dynamodb").list_tables()["TableNames"] == [TABLE]


def test_destroy_keeps_the_table_until_told_otherwise(deploy: Deploy) -> None:
    """The emulator holds on to a group that another one's rule refers to, as EC2 does."""
    deployment = deploy("option1-ecs-fargate")
    dynamodb, ecs, ec2 = (deployment.client(name) for name in ("dynamodb", "ecs", "ec2"))
    item = {"job_id": {"S": "csv-job-1"}, "last_line": {"N": "50000"}}
    dynamodb.put_item(TableName=TABLE, Item=item)
    brokers = ec2.create_security_group(GroupName="brokers", Description="of Kafka")["GroupId"]
    with (deployment.place / "terraform.tfvars").open("a") as tfvars:
        tfvars.write(f'broker_security_group_id = "{brokers}"\n')
    deployment.run("./deploy.sh", "--yes")
    (group,) = ec2.describe_security_groups(GroupIds=[brokers])["SecurityGroups"]
    (rule,) = group["IpPermissions"]
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 9096, 9096)
    (pair,) = rule["UserIdGroupPairs"]
    assert pair["GroupId"] == deployment.output("security_group_id")

    deployment.run("./destroy.sh", answer="yes\n")
    assert deployment.remaining() == []
    (cluster,) = ecs.describe_clusters(clusters=[NAME])["clusters"]
    assert cluster["status"] == "INACTIVE"
    (group,) = ec2.describe_security_groups(GroupIds=[brokers])["SecurityGroups"]
    assert group["IpPermissions"] == []
    assert dynamodb.get_item(TableName=TABLE, Key={"job_id": item["job_id"]})["Item"] == item
    assert is_protected(deployment)

    said = deployment.run("./destroy.sh", "--yes", "--delete-table", check=False)
    assert said.returncode == 1
    assert f"the table {TABLE} still stands" in said.stderr.splitlines()[-1]
    refused = deployment.run("./deploy.sh", "--yes", check=False)
    assert refused.returncode == 1
    assert "--adopt-table" in refused.stderr.splitlines()[-1]
    deployment.run("./deploy.sh", "--yes", "--adopt-table")
    assert dynamodb.get_item(TableName=TABLE, Key={"job_id": item["job_id"]})["Item"] == item
    deployment.assert_no_drift()

    deployment.run("./destroy.sh", "--yes", "--delete-table")
    assert deployment.remaining() == []
    assert dynamodb.list_tables()["TableNames"] == []
