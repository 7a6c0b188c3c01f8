"""ECS Fargate, and what all options share, applied to moto by its own deploy.sh."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.loaders import Loader

from tests.deploy.deployment import NEEDS_PROVIDER, TABLE, Deployment, deployed
from tests.deploy.folders import ACCOUNT, REGION, ROOT

pytestmark = NEEDS_PROVIDER
NAME = "csv-to-kafka-ecs"


@pytest.fixture(scope="module")
def option1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Deployed once: the tests that take it leave it as it is."""
    folder = tmp_path_factory.mktemp("option1")
    more = 'alarm_email = "data@example.com"'
    with deployed("option1-ecs-fargate", folder, more=more) as deployment:
        yield deployment


def container_of(deployment: Deployment) -> tuple[dict[str, Any], dict[str, Any]]:
    answer = deployment.client("ecs").describe_task_definition(taskDefinition=NAME)
    task = answer["taskDefinition"]
    (container,) = task["containerDefinitions"]
    return task, container


def test_it_does_not_drift(option1: Deployment) -> None:
    option1.assert_no_drift()


def test_the_task_is_the_image_as_it_was_built(option1: Deployment) -> None:
    task, container = container_of(option1)
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
    assert container["image"] == option1.image


def test_the_printed_command_starts_the_task(option1: Deployment) -> None:
    command = option1.output("run_command")
    done = subprocess.run(
        ["bash", "-c", command], env=option1.environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (task,) = json.loads(done.stdout)["tasks"]
    assert task["taskDefinitionArn"].endswith(f"task-definition/{NAME}:1")
    (overrides,) = task["overrides"]["containerOverrides"]
    assert overrides["name"] == container_of(option1)[1]["name"]
    assert {"name": "S3_KEY", "value": "exports/data.csv"} in overrides["environment"]
    # What runs would be in destroy.sh's way.
    option1.client("ecs").stop_task(cluster=NAME, task=task["taskArn"])


def test_the_printed_command_names_no_revision(option1: Deployment) -> None:
    """The next deploy takes the revision of today away."""
    assert f"--task-definition {NAME} " in option1.output("run_command")


@pytest.mark.parametrize(("minutes", "code"), [(600, 0), (1440, 0), (1445, 1), (7, 1)])
def test_a_load_may_take_longer_than_two_hours(
    option1: Deployment, minutes: int, code: int
) -> None:
    plan = ("terraform", "plan", "-no-color", "-input=false", "-var", "image_tag=a")
    done = option1.run(*plan, f"-var=no_progress_minutes={minutes}", check=False)
    assert done.returncode == code, done.stderr
    # CloudWatch looks back no further than a day.
    periods = [int(text) for text in re.findall(r"evaluation_periods +.*-> (\d+)", done.stdout)]
    assert code or (periods == [minutes // 5] and minutes <= 1440)


def test_a_key_of_ones_own_decrypts_the_secret_through_secrets_manager_alone(
    option1: Deployment,
) -> None:
    """MSK's SCRAM secrets have one: without it no task starts."""
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/01234567-89ab-cdef-0123-456789abcdef"
    policies = option1.planned("aws_iam_role_policy", f"-var=kafka_secret_kms_key_arn={key}")
    (policy,) = (each for each in policies if each["name"] == "kafka-credentials")
    assert policy["role"] == f"{NAME}-execution"
    (statement,) = (
        each
        for each in json.loads(policy["policy"])["Statement"]
        if "kms:Decrypt" in each["Action"]
    )
    assert statement["Resource"] == key
    service = {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": service}


def test_the_table_is_as_documented_and_protected(option1: Deployment) -> None:
    dynamodb = option1.client("dynamodb")
    table = dynamodb.describe_table(TableName=TABLE)["Table"]
    assert table["KeySchema"] == [{"AttributeName": "job_id", "KeyType": "HASH"}]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["DeletionProtectionEnabled"] is True
    assert table["SSEDescription"]["Status"] == "ENABLED"
    backups = dynamodb.describe_continuous_backups(TableName=TABLE)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    assert recovery == "ENABLED"


def test_alarms_tell_the_address(option1: Deployment) -> None:
    alarms = option1.client("cloudwatch").describe_alarms()["MetricAlarms"]
    kinds = ("failure", "no-progress", "ReadThrottleEvents", "WriteThrottleEvents")
    starts = ("not-started-execution", "not-started-delivery", "interrupted-not-invoked")
    expected = {f"{NAME}-{kind}" for kind in kinds + starts}
    assert {alarm["AlarmName"] for alarm in alarms} == expected
    (topic,) = {action for alarm in alarms for action in alarm["AlarmActions"]}
    (subscription,) = option1.client("sns").list_subscriptions()["Subscriptions"]
    assert (subscription["TopicArn"], subscription["Endpoint"]) == (topic, "data@example.com")
    # What the alarms of the log count is what the filters give.
    filters = option1.client("logs").describe_metric_filters()["metricFilters"]
    given = {entry["metricTransformations"][0]["metricName"] for entry in filters}
    counted = {alarm.get("MetricName") for alarm in alarms} | {
        query["MetricStat"]["Metric"]["MetricName"]
        for alarm in alarms
        for query in alarm.get("Metrics", [])
        if "MetricStat" in query
    }
    assert given <= counted


def test_the_log_is_kept_for_a_while(option1: Deployment) -> None:
    groups = option1.client("logs").describe_log_groups()["logGroups"]
    kept = {group["logGroupName"]: group.get("retentionInDays") for group in groups}
    assert kept["/ecs/csv-to-kafka"] == 30


def test_nobody_reaches_the_job(option1: Deployment) -> None:
    (group,) = option1.client("ec2").describe_security_groups(
        Filters=[{"Name": "group-name", "Values": [NAME]}]
    )["SecurityGroups"]
    assert group["IpPermissions"] == []
    assert [rule["IpProtocol"] for rule in group["IpPermissionsEgress"]] == ["-1"]


def test_images_are_scanned_and_their_tags_never_moved(option1: Deployment) -> None:
    (repository,) = option1.client("ecr").describe_repositories()["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository["imageScanningConfiguration"]["scanOnPush"] is True


def test_everything_bears_the_tags(option1: Deployment) -> None:
    client = option1.client("resourcegroupstaggingapi")
    tagged = client.get_resources(TagFilters=[{"Key": "Project", "Values": ["csv-to-kafka"]}])
    kinds = {entry["ResourceARN"].split(":")[2] for entry in tagged["ResourceTagMappingList"]}
    assert {"dynamodb", "ecs", "logs", "sns"} <= kinds


def test_rules_name_stop_codes_of_ecs(option1: Deployment) -> None:
    known = Loader().load_service_model("ecs", "service-2")["shapes"]["TaskStopCode"]["enum"]
    rules = option1.client("events").list_rules()["Rules"]
    named = re.findall(r'"stopCode":\s*\[(.*?)\]', " ".join(rule["EventPattern"] for rule in rules))
    codes = {code for some in named for code in json.loads(f"[{some}]")}
    assert {"SpotInterruption", "TaskFailedToStart"} <= codes <= set(known)


def test_dry_run_changes_nothing(option1: Deployment) -> None:
    """It looks which base image there is."""

    def changes() -> list[str]:
        calls = option1.docker_calls()
        return [call for call in calls if not call.startswith("image inspect ")]

    before = changes()
    for script in ("./deploy.sh", "./destroy.sh"):
        said = option1.run(script, "--dry-run")
        assert "would run: terraform" in said.stdout + said.stderr
    assert changes() == before
    option1.assert_no_drift()
