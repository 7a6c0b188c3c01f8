"""The job's environment is what the loader takes, and its role may do what the loader does."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from moto.iam.access_control import IAMPolicyStatement, PermissionResult

from csvkafka.config.load_config import LoadConfig
from csvkafka.config.settings import SETTINGS
from csvkafka.local.base import Stack
from csvkafka.testing.judging.recovery_case import BUCKET, TABLE, RecoveryCase
from tests.deploy.folders import ACCOUNT, REGION, needs
from tests.deploy.job_module import JobModule, ModuleError, evaluate

pytestmark = needs("terraform")
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:kafka-AbCdEf"
CLUSTER = "arn:aws:kafka:eu-west-1:123456789012:cluster/main/01234567-89ab-cdef"
LOAD = ("-m", "csvkafka")
DOCTOR = ("-c", "from csvkafka.cli.program import main; main()", "doctor")
TABLES = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table"
TOPICS = "arn:aws:kafka:eu-west-1:123456789012:topic/main/01234567-89ab-cdef"


@pytest.mark.parametrize("authentication", ["none", "tls", "iam", "scram", "plain"])
def test_environment_is_what_the_loader_takes(tmp_path: Path, authentication: str) -> None:
    job = evaluate(
        tmp_path,
        kafka_authentication=authentication,
        kafka_secret_arn=SECRET,
        msk_cluster_arn=CLUSTER,
        s3_key="exports/data.csv",
        dead_letter_topic="bad",
        settings={"CHECKPOINT_INTERVAL": "500"},
    )
    # The version and stage stay open: "…:password::".
    assert set(job.secrets.values()) <= {f"{SECRET}:{key}::" for key in ("username", "password")}
    given = job.environment | dict.fromkeys(job.secrets, "from-the-secret")
    assert set(given) <= {setting.variable for setting in SETTINGS} | {"AWS_REGION"}
    config = LoadConfig.from_settings(given)
    assert config.s3_key == "exports/data.csv"
    assert config.checkpoint_interval == 500
    assert (config.kafka.sasl_plain_password is not None) == (authentication in ("scram", "plain"))


def test_a_key_that_ends_in_a_slash_is_a_set(tmp_path: Path) -> None:
    """Its listing is allowed below the prefix alone."""
    job = evaluate(tmp_path, s3_key="exports/2026-11-27/", settings={"S3_INCLUDE": "*.csv.gz"})
    assert "S3_KEY" not in job.environment
    config = LoadConfig.from_settings(job.environment)
    assert (config.s3_prefix, config.is_set) == ("exports/2026-11-27/", True)
    listing = statement(job.statements, "TellMissingFromForbidden")
    assert listing["Action"] == ["s3:ListBucket"]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["exports/*"]}}


def statement(statements: list[dict[str, Any]], sid: str) -> dict[str, Any]:
    return next(entry for entry in statements if entry["Sid"] == sid)


def test_policy_of_msk_names_the_cluster_and_the_topics_alone(tmp_path: Path) -> None:
    job = evaluate(
        tmp_path, kafka_authentication="iam", msk_cluster_arn=CLUSTER, dead_letter_topic="bad"
    )
    assert statement(job.statements, "KafkaCluster")["Resource"] == [CLUSTER]
    topics = statement(job.statements, "KafkaTopic")["Resource"]
    assert topics == [f"{TOPICS}/rows", f"{TOPICS}/bad"]
    # Each is needed for a request of the loader: see docs/deploy.md.
    assert job.actions("kafka-cluster:") == {
        "kafka-cluster:Connect",  # every connection
        "kafka-cluster:DescribeCluster",  # the cluster's id, in the checkpoint item
        "kafka-cluster:DescribeClusterDynamicConfiguration",  # DescribeConfigs of a broker
        "kafka-cluster:DescribeTopic",  # Metadata, ListOffsets
        "kafka-cluster:DescribeTopicDynamicConfiguration",  # DescribeConfigs
        "kafka-cluster:ReadData",  # Fetch of the tail
        "kafka-cluster:WriteData",  # Produce
        "kafka-cluster:WriteDataIdempotently",  # InitProducerId
    }


def test_a_scratch_topic_may_be_written_too(tmp_path: Path) -> None:
    job = evaluate(
        tmp_path, kafka_authentication="iam", msk_cluster_arn=CLUSTER, scratch_topic="try"
    )
    topics = statement(job.statements, "KafkaTopic")["Resource"]
    assert topics == [f"{TOPICS}/rows", f"{TOPICS}/try"]


def test_the_topics_of_a_tables_routes_may_be_written_too(tmp_path: Path) -> None:
    job = evaluate(
        tmp_path,
        kafka_authentication="iam",
        msk_cluster_arn=CLUSTER,
        dead_letter_topic="bad",
        routed_topics=["middle", "south"],
    )
    topics = statement(job.statements, "KafkaTopic")["Resource"]
    assert topics == [f"{TOPICS}/{name}" for name in ("rows", "bad", "middle", "south")]


def test_an_attribute_that_is_not_known_is_named(tmp_path: Path) -> None:
    """terraform itself would drop it in silence."""
    with pytest.raises(ModuleError, match=r"job has no attribute s3_prefiks; it has .*s3_prefix"):
        evaluate(tmp_path, s3_prefiks="exports/")


def test_full_access_is_a_choice(tmp_path: Path) -> None:
    job = evaluate(
        tmp_path, kafka_authentication="iam", msk_cluster_arn=CLUSTER, msk_full_access=True
    )
    assert job.actions("kafka-cluster:") == {"kafka-cluster:*"}


def test_without_iam_nothing_of_kafka_is_granted(tmp_path: Path) -> None:
    assert evaluate(tmp_path).actions("kafka") == set()


def called(endpoint_url: str) -> set[tuple[str, str]]:
    """The IAM actions of the calls that moto recorded, each with its resource."""
    recording = requests.get(f"{endpoint_url}/moto-api/recorder/download-recording", timeout=10)
    actions = set()
    for line in recording.text.splitlines():
        entry = json.loads(line)
        headers = {name.lower(): value for name, value in entry["headers"].items()}
        target = headers.get("x-amz-target", "")
        url = urlsplit(entry["url"])
        if target.startswith("DynamoDB_"):
            body = base64.b64decode(entry["body"]) if entry["body_encoded"] else entry["body"]
            table = json.loads(body)["TableName"]
            actions.add((f"dynamodb:{target.rpartition('.')[2]}", f"{TABLES}/{table}"))
        elif url.path.startswith(f"/{BUCKET}/") and entry["method"] in ("GET", "HEAD"):
            action = "s3:GetObjectVersion" if "versionId=" in url.query else "s3:GetObject"
            actions.add((action, f"arn:aws:s3:::{url.path[1:]}"))
        else:
            actions.add((f"unknown: {entry['method']} {entry['url']} {target}", ""))
    return actions


def is_permitted(job: JobModule, action: str, resource: str) -> bool:
    """Whether a statement of the policy allows it, as moto's IAM reads policies."""
    answers = {
        IAMPolicyStatement(entry).is_action_permitted(action, resource) for entry in job.statements
    }
    return PermissionResult.PERMITTED in answers


def test_policy_grants_the_calls_of_the_loader_and_no_other(
    tmp_path: Path, stack: Stack, recovery_case: Callable[..., RecoveryCase]
) -> None:
    """A load, one of a given version of the object, and the doctor, against what is granted."""
    case = recovery_case()
    environment = {**os.environ, **stack.environment(), **case.settings}
    head = stack.client("s3").head_object(Bucket=BUCKET, Key=case.key)
    a_version = {"S3_VERSION_ID": head["VersionId"], "JOB_ID": f"{case.job_id}-version"}
    requests.post(f"{stack.aws_endpoint_url}/moto-api/recorder/reset-recording", timeout=10)
    requests.post(f"{stack.aws_endpoint_url}/moto-api/recorder/start-recording", timeout=10)
    try:
        for arguments, more in ((LOAD, {}), (LOAD, a_version), (DOCTOR, {})):
            done = subprocess.run(
                [sys.executable, "-P", *arguments],
                env=environment | more,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stdout + done.stderr
    finally:
        requests.post(f"{stack.aws_endpoint_url}/moto-api/recorder/stop-recording", timeout=10)
    calls = called(stack.aws_endpoint_url)
    job = evaluate(tmp_path, s3_bucket=BUCKET, s3_prefix=case.key[:4], table_name=TABLE)
    granted = job.actions("s3:") | job.actions("dynamodb:")
    # Called by nobody: it makes S3 answer 404 instead of 403 where there is no such key.
    assert granted - {"s3:ListBucket"} == {action for action, _ in calls}
    assert [call for call in calls if not is_permitted(job, *call)] == []
    # The same calls for another bucket, key or table are not.
    for own, other in ((BUCKET, "other"), (f"/{case.key}", "/other.csv"), (TABLE, "other")):
        elsewhere = {(action, arn.replace(own, other)) for action, arn in calls} - calls
        assert elsewhere
        assert [call for call in elsewhere if is_permitted(job, *call)] == []
