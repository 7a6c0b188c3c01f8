"""EC2 Spot applied to moto by its own deploy.sh, and what its instance would do, done here."""

from __future__ import annotations

import base64
import gzip
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from csvkafka.local.base import Stack
from csvkafka.testing.inputs.csv_files import preset
from tests.deploy.conftest import Deploy
from tests.deploy.deployment import BUCKET, NEEDS_PROVIDER, Deployment, Loading, deployed
from tests.deploy.folders import REGION
from tests.deploy.metadata_server import MetadataServer

pytestmark = NEEDS_PROVIDER
OPTION = "option3-ec2-spot"
IMAGE_ID = 'image_id = "ami-0123456789abcdef0"\ntags = { CostCentre = "data" }'


def instances(deployment: Deployment) -> list[dict[str, Any]]:
    reservations = deployment.client("ec2").describe_instances()["Reservations"]
    found = [instance for reservation in reservations for instance in reservation["Instances"]]
    return [instance for instance in found if instance["State"]["Name"] != "terminated"]


def written(deployment: Deployment, instance_id: str) -> dict[str, bytes]:
    """What the instance's user data writes, by path."""
    attribute = deployment.client("ec2").describe_instance_attribute(
        InstanceId=instance_id, Attribute="userData"
    )
    user_data = yaml.safe_load(base64.b64decode(attribute["UserData"]["Value"]))
    files = {}
    for entry in user_data["write_files"]:
        content = base64.b64decode(entry["content"])
        files[entry["path"]] = gzip.decompress(content) if "gz" in entry["encoding"] else content
    return files


def test_it_is_launched_once_and_destroyed_when_nothing_runs(deploy: Deploy) -> None:
    deployment = deploy(OPTION, more=IMAGE_ID)
    deployment.assert_no_drift()
    ec2, s3 = deployment.client("ec2"), deployment.client("s3")
    missing = deployment.run("./launch-spot.sh", "--s3-key", "exports/b.csv", check=False)
    assert "there is no s3://data/exports/b.csv" in missing.stderr
    for key in ("exports/data.csv", "exports/b.csv"):
        s3.put_object(Bucket="data", Key=key, Body=b"a\n1\n")
    dry = deployment.run("./launch-spot.sh", "--dry-run", "--job-id", "day=28/night-1")
    assert "SpotInstanceType=persistent" in dry.stdout
    assert "ValidUntil=" in dry.stdout, "EC2 would start instances for ever"
    assert "AssociatePublicIpAddress=false" in dry.stdout
    assert instances(deployment) == []

    launch = ("./launch-spot.sh", "--s3-key", "exports/b.csv", "--job-id", "day=28/night-1")
    said = deployment.run(*launch).stdout
    (instance,) = instances(deployment)
    assert f"Instance:    {instance['InstanceId']}" in said
    assert "aws logs tail '/ec2/csv-to-kafka'" in said
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert (tags["JobId"], tags["CostCentre"]) == ("day=28/night-1", "data")
    (request,) = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
    own = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
    assert {name: own[name] for name in ("Name", "JobId", "CostCentre")}.items() <= tags.items()
    (alarm,) = deployment.client("cloudwatch").describe_alarms(
        AlarmNamePrefix="csv-to-kafka-spot-job-"
    )["MetricAlarms"]
    assert (alarm["TreatMissingData"], alarm["EvaluationPeriods"]) == ("breaching", 3)
    job_env = written(deployment, instance["InstanceId"])["/etc/csv-to-kafka/job.env"]
    settings = job_env.decode().splitlines()
    assert "JOB_ID=day=28/night-1" in settings
    assert "KAFKA_TOPIC=rows" in settings
    assert [line for line in settings if line.startswith("S3_KEY=")] == ["S3_KEY=exports/b.csv"]

    again = deployment.run(*launch)
    assert "is running already" in again.stderr
    assert again.stdout == said
    assert len(instances(deployment)) == 1

    # run-job.sh tags its instance so.
    failed = [{"Key": "JobState", "Value": "failed"}]
    ec2.create_tags(Resources=[instance["InstanceId"]], Tags=failed)
    after = deployment.run(*launch, check=False)
    assert after.returncode == 1
    assert "the job day=28/night-1 failed on" in after.stderr

    refused = deployment.run("./destroy.sh", "--yes", check=False)
    assert refused.returncode == 1
    request = instance["SpotInstanceRequestId"]
    assert f"--spot-instance-request-ids {request}" in refused.stderr
    # The printed commands stop it.
    commands = said[said.index("Stop:") :].removeprefix("Stop:")
    subprocess.run(["bash", "-ec", commands], env=deployment.environment, check=True)
    assert ec2.describe_spot_instance_requests()["SpotInstanceRequests"] == []
    deployment.run("./destroy.sh", "--yes", "--delete-table")
    assert deployment.remaining() == []


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Deployed once: the tests that take it launch nothing."""
    with deployed(OPTION, tmp_path_factory.mktemp("option3"), more=IMAGE_ID) as deployment:
        deployment.client("s3").put_object(Bucket=BUCKET, Key="exports/data.csv", Body=b"a\n1\n")
        yield deployment


def test_the_configuration_is_that_of_the_folder_it_is_called_in(
    standing: Deployment, tmp_path: Path
) -> None:
    (tmp_path / "spot.conf").write_text('JOB_ID="mine"\nINSTANCE_TYPE="c5.large"\n')
    (standing.place / "spot.conf").write_text('JOB_ID="another"\n')
    command = f'cd "{tmp_path}" && "{standing.place}/launch-spot.sh" --dry-run --config spot.conf'
    said = standing.run("bash", "-c", command).stdout
    assert "Value=mine" in said
    assert "--instance-type c5.large" in said


def test_a_job_without_an_instance_yet_has_no_shell_to_go_to(
    standing: Deployment, tmp_path: Path
) -> None:
    command = "ec2 describe-spot-instance-requests"
    path = standing.path_with_answer(tmp_path, command, "sir-0123\tNone")
    done = standing.run("./launch-spot.sh", PATH=path)
    assert "waits for an instance: nothing launched" in done.stderr
    assert "--spot-instance-request-ids sir-0123" in done.stdout
    assert "None" not in done.stdout.replace("none yet", "")
    assert "start-session" not in done.stdout


def test_a_key_that_ends_in_a_slash_is_a_set(standing: Deployment) -> None:
    script = standing.place / "launch-spot.sh"
    traced = standing.run("bash", "-x", str(script), "--dry-run", "--s3-key", "exports/")
    assert "S3_PREFIX=exports/" in traced.stderr or "S3_PREFIX exports/" in traced.stderr
    missing = standing.run("./launch-spot.sh", "--s3-key", "exports/none/", check=False)
    assert "there is no s3://data/exports/none/" in missing.stderr


def test_a_bucket_that_is_not_there_is_named_before_anything_is_launched(
    standing: Deployment,
) -> None:
    s3 = standing.client("s3")
    s3.delete_object(Bucket=BUCKET, Key="exports/data.csv")
    s3.delete_bucket(Bucket=BUCKET)
    try:
        done = standing.run("./launch-spot.sh", check=False)
    finally:
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=BUCKET, Key="exports/data.csv", Body=b"a\n1\n")
    assert done.returncode == 1
    assert f"there is no bucket {BUCKET}: see s3_bucket" in done.stderr
    assert instances(standing) == []


def test_a_running_job_is_not_cut_off(standing: Deployment) -> None:
    ec2 = standing.client("ec2")
    name = [{"Key": "Name", "Value": standing.output("name")}]
    launched = ec2.run_instances(
        ImageId="ami-0123456789abcdef0",
        MinCount=1,
        MaxCount=1,
        InstanceMarketOptions={
            "MarketType": "spot",
            "SpotOptions": {"SpotInstanceType": "persistent"},
        },
        TagSpecifications=[{"ResourceType": "spot-instances-request", "Tags": name}],
    )
    (instance,) = launched["Instances"]
    done = standing.run("./destroy.sh", "--yes", "--dry-run", check=False)
    assert done.returncode == 1
    assert f"the job on {instance['InstanceId']} runs: wait, or stop it with" in done.stderr
    (command,) = re.findall(r"aws ec2 cancel-spot-instance-requests .*", done.stderr)
    assert command.count(f"--region {REGION} ") == 2, "the operator's own may be another"
    standing.run("bash", "-c", command)
    assert ec2.describe_spot_instance_requests()["SpotInstanceRequests"] == []
    assert instances(standing) == []


def test_the_job_may_read_no_parameters_of_the_account(standing: Deployment) -> None:
    """The role is the container's too; AWS's own policy for the session manager grants them."""
    iam = standing.client("iam")
    (role,) = (role for role in iam.list_roles()["Roles"] if role["RoleName"].endswith("-task"))
    name = role["RoleName"]
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
    actions: set[str] = set()
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for statement in document["Statement"]:
            given = statement["Action"]
            actions |= {given} if isinstance(given, str) else set(given)
    assert {action for action in actions if action.startswith("ssm:")} == {
        "ssm:UpdateInstanceInformation"
    }
    assert not {action for action in actions if "*" in action}


def run_instance(deployment: Deployment, instance_id: str, folder: Path) -> str:
    """Does what the instance would: run-job.sh as the user data holds it, with its settings, to its
    end. Returns the log."""
    folder.mkdir()
    for path, content in written(deployment, instance_id).items():
        (folder / Path(path).name).write_bytes(content)
    container = f"{folder.parent.name}-{folder.name}"
    with MetadataServer(instance_id) as metadata:
        environment = {
            **deployment.environment,
            "CONFIG_DIR": str(folder),
            "LOG_FILE": str(folder / "csv-processor.log"),
            "STARTED_FILE": str(folder / "started"),
            "METADATA_URL": metadata.url,
            "CONTAINER": container,
            "WATCH_SECONDS": "0.2",
            "LINGER_SECONDS": "0",
        }
        try:
            done = subprocess.run(["bash", str(folder / "run-job.sh")], env=environment)
        finally:
            docker = [deployment.environment["REAL_DOCKER"], "rm", "--force", container]
            subprocess.run(docker, check=True, capture_output=True)
    log = (folder / "csv-processor.log").read_text()
    assert done.returncode == 0, log
    return log


def test_what_was_launched_loads_the_file_and_ends_itself(
    deploy: Deploy, stack: Stack, real_docker: dict[str, str], tmp_path: Path
) -> None:
    """A file; then a set, by three processes in the image that was built."""
    job = Loading(stack)
    deployment = deploy(OPTION, more=IMAGE_ID, job=job, environment=real_docker)
    ec2, files = deployment.client("ec2"), deployment.files(stack, job.topic)
    files.put("exports/data.csv", preset("nasty", 2_000))
    for number in range(9):
        files.put(f"exports/day/{number}.csv", preset("nasty", 300 + number, seed=number))
    as_set = ("--s3-key", "exports/day/", "--job-id", "day", "--workers", "3")
    for name, options in {"one": (), "set": as_set}.items():
        deployment.run("./launch-spot.sh", *options)
        launched = [each["InstanceId"] for each in instances(deployment)]
        log = run_instance(deployment, launched[-1], tmp_path / name)
        # A persistent request that outlives the job would start the next instance.
        assert ec2.describe_spot_instance_requests()["SpotInstanceRequests"] == [], log
        assert (tmp_path / "home" / "shutdown").read_text() == "-h now\n"
        (tmp_path / "home" / "shutdown").unlink()
        ec2.terminate_instances(InstanceIds=launched[-1:])
    files.assert_once("exports/data.csv", "csv-job-1")
    files.assert_set_once("exports/day/", "day")
    assert any(call.endswith(" load --workers 3") for call in deployment.docker_calls())
