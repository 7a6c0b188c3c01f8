"""EC2 Spot applied to moto by its own deploy.sh, and what its instance would do, done here."""

from __future__ import annotations

import base64
import gzip
import subprocess
from pathlib import Path
from typing import Any

import yaml

from csvkafka.local.base import Stack
from csvkafka.testing.inputs.csv_files import preset
from tests.deploy.conftest import Deploy
from tests.deploy.deployment import NEEDS_PROVIDER, Deployment, Loading
from tests.deploy.metadata_server import MetadataServer

pytestmark = NEEDS_PROVIDER
OPTION = "option3-ec2-spot"
IMAGE_ID = 'image_id = "ami-0123456789abcdef0"\ntags = { CostCentre = "data" }'


def instances(deployment: Deployment) -> list[dict[str, Any]]:
    reservations = deployment.client("ec2").describe_instances()["Reservations"]
    return [instance for reservation in reservations for instance in reservation["Instances"]]


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
    assert f"cancel-spot-instance-requests --spot-instance-request-ids {request}" in refused.stderr
    # The printed commands stop it.
    commands = said[said.index("Stop:") :].removeprefix("Stop:")
    subprocess.run(["bash", "-ec", commands], env=deployment.environment, check=True)
    assert ec2.describe_spot_instance_requests()["SpotInstanceRequests"] == []
    deployment.run("./destroy.sh", "--yes", "--delete-table")
    assert deployment.remaining() == []


def test_what_was_launched_loads_the_file_and_ends_itself(
    deploy: Deploy, stack: Stack, real_docker: dict[str, str], tmp_path: Path
) -> None:
    """run-job.sh as the user data holds it, with its settings, and the image that was built."""
    job = Loading(stack)
    deployment = deploy(OPTION, more=IMAGE_ID, job=job, environment=real_docker)
    files = deployment.files(stack, job.topic)
    files.put("exports/data.csv", preset("nasty", 2_000))
    deployment.run("./launch-spot.sh")
    (instance,) = instances(deployment)
    for path, content in written(deployment, instance["InstanceId"]).items():
        (tmp_path / Path(path).name).write_bytes(content)
    with MetadataServer(instance["InstanceId"]) as metadata:
        environment = {
            **deployment.environment,
            "CONFIG_DIR": str(tmp_path),
            "LOG_FILE": str(tmp_path / "csv-processor.log"),
            "STARTED_FILE": str(tmp_path / "started"),
            "METADATA_URL": metadata.url,
            "CONTAINER": tmp_path.name,
            "WATCH_SECONDS": "0.2",
            "LINGER_SECONDS": "0",
        }
        try:
            done = subprocess.run(["bash", str(tmp_path / "run-job.sh")], env=environment)
        finally:
            docker = [real_docker["REAL_DOCKER"], "rm", "--force", tmp_path.name]
            subprocess.run(docker, check=True, capture_output=True)
    log = (tmp_path / "csv-processor.log").read_text()
    assert done.returncode == 0, log
    files.assert_once("exports/data.csv", "csv-job-1")
    # A persistent request that outlives the job would start the next instance.
    requests = deployment.client("ec2").describe_spot_instance_requests()
    assert requests["SpotInstanceRequests"] == [], log
    assert (tmp_path / "home" / "shutdown").read_text() == "-h now\n"
