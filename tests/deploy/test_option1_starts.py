"""What starts a task of ECS Fargate when nobody does: its rules against events as AWS documents
them, and its state machine by a model of Step Functions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from typing import Any

import pytest

from tests.deploy.deployment import BUCKET, NEEDS_PROVIDER, Deployment, deployed
from tests.deploy.folders import ACCOUNT, REGION
from tests.deploy.step_functions import Execution, TaskError

pytestmark = NEEDS_PROVIDER
NAME = "csv-to-kafka-ecs"
OVERRIDES = [
    {
        "name": "csv-to-kafka",
        "environment": [
            {"name": "S3_KEY", "value": "exports/b.csv"},
            {"name": "JOB_ID", "value": "b"},
        ],
    }
]
SPOT_IS_OUT = {"Failures": [{"Reason": "Capacity is unavailable at this time."}], "Tasks": []}
STARTED: dict[str, object] = {"Failures": [], "Tasks": [{}]}


@pytest.fixture(scope="module")
def option1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Deployed once: the tests that take it leave it as it is."""
    folder = tmp_path_factory.mktemp("option1")
    more = """
        fargate_spot = true
        schedule = "cron(0 2 * * ? *)"
        schedule_key = "exports/{date}/{hour}, \\"a\\".csv"
        schedule_key_hours = -24
        new_objects = "*.csv"
    """
    with deployed("option1-ecs-fargate", folder, more=more) as deployment:
        yield deployment


class Ecs:
    """RunTask: on Spot and on Fargate what the test says, on Fargate the last answer for ever."""

    def __init__(self, spot: list[Any], fargate: list[Any]) -> None:
        self._answers = {"FARGATE_SPOT": spot, "FARGATE": fargate}
        self.asked: list[tuple[str, dict[str, str]]] = []

    def __call__(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        (strategy,) = arguments["CapacityProviderStrategy"]
        provider = strategy["CapacityProvider"]
        (container,) = arguments["Overrides"]["ContainerOverrides"]
        assert container["Name"] == "csv-to-kafka"
        given = {each["Name"]: each["Value"] for each in container["Environment"]}
        self.asked.append((provider, given))
        answers = self._answers[provider]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


def started(option1: Deployment, given: Mapping[str, Any], ecs: Ecs) -> Execution:
    client = option1.client("stepfunctions")
    (machine,) = client.list_state_machines()["stateMachines"]
    described = client.describe_state_machine(stateMachineArn=machine["stateMachineArn"])
    execution = Execution(json.loads(described["definition"]), ecs)
    execution.start(given)
    return execution


INTERRUPTED = {"overrides": OVERRIDES, "stop_code": "SpotInterruption"}
AS_BEFORE = {"S3_KEY": "exports/b.csv", "JOB_ID": "b"}


def test_an_interrupted_task_goes_on_with_its_overrides(option1: Deployment) -> None:
    ecs = Ecs([STARTED], [STARTED])
    assert started(option1, INTERRUPTED, ecs).status == "SUCCEEDED"
    assert ecs.asked == [("FARGATE_SPOT", AS_BEFORE)]


@pytest.mark.parametrize("answer", [SPOT_IS_OUT, TaskError("ThrottlingException")])
def test_without_spot_capacity_it_goes_on_on_fargate(option1: Deployment, answer: Any) -> None:
    ecs = Ecs([answer], [STARTED])
    assert started(option1, INTERRUPTED, ecs).status == "SUCCEEDED"
    assert ecs.asked[-1] == ("FARGATE", AS_BEFORE)


def test_a_task_that_found_no_capacity_is_not_tried_on_spot_again(option1: Deployment) -> None:
    ecs = Ecs([SPOT_IS_OUT], [STARTED])
    given = {**INTERRUPTED, "stop_code": "TaskFailedToStart"}
    assert started(option1, given, ecs).status == "SUCCEEDED"
    assert ecs.asked == [("FARGATE", AS_BEFORE)]


@pytest.mark.parametrize("answer", [SPOT_IS_OUT, TaskError("AccessDeniedException")])
def test_what_cannot_be_started_at_all_fails_and_is_alarmed(
    option1: Deployment, answer: Any
) -> None:
    execution = started(option1, INTERRUPTED, Ecs([SPOT_IS_OUT], [answer]))
    assert execution.status == "FAILED"
    alarms = option1.client("cloudwatch").describe_alarms()["MetricAlarms"]
    watched = {alarm["MetricName"] for alarm in alarms if "MetricName" in alarm}
    assert {
        "ExecutionsFailed",
        "FailedInvocations",
        "ApproximateNumberOfMessagesVisible",
    } <= watched


def test_each_night_loads_the_key_of_its_date(option1: Deployment) -> None:
    ecs = Ecs([STARTED], [STARTED])
    for day in ("28", "29"):
        started(option1, {"time": f"2026-11-{day}T02:00:00Z"}, ecs)
    keys = [f'exports/2026-11-{day}/02, "a".csv' for day in ("27", "28")]
    assert [given for _, given in ecs.asked] == [{"S3_KEY": key, "JOB_ID": key} for key in keys]


def test_a_key_of_the_schedule_that_ends_in_a_slash_is_a_set(option1: Deployment) -> None:
    given = "-var=schedule_key=exports/{date}/"
    (machine,) = option1.planned("aws_sfn_state_machine", given)
    ecs = Ecs([STARTED], [STARTED])
    Execution(json.loads(machine["definition"]), ecs).start({"time": "2026-11-28T02:00:00Z"})
    # Of terraform.tfvars' own key, an object's, nothing is left.
    night = "exports/2026-11-27/"
    assert [given for _, given in ecs.asked] == [
        {"S3_PREFIX": night, "JOB_ID": night, "S3_KEY": ""}
    ]


def test_a_new_object_is_loaded_as_a_job_of_its_own(option1: Deployment) -> None:
    ecs = Ecs([STARTED], [STARTED])
    started(option1, {"key": "exports/c.csv"}, ecs)
    assert ecs.asked == [("FARGATE_SPOT", {"S3_KEY": "exports/c.csv", "JOB_ID": "exports/c.csv"})]


def test_the_schedule_hands_over_its_time(option1: Deployment) -> None:
    schedule = option1.client("scheduler").get_schedule(Name=NAME)
    target = schedule["Target"]
    assert json.loads(target["Input"]) == {"time": "<aws.scheduler.scheduled-time>"}
    assert target["DeadLetterConfig"]["Arn"].endswith(":csv-to-kafka-ecs-not-started")


@pytest.mark.parametrize("rule", ["interrupted", "new-object"])
def test_an_event_goes_to_the_starter_and_else_to_the_queue(option1: Deployment, rule: str) -> None:
    events = option1.client("events")
    (target,) = events.list_targets_by_rule(Rule=f"{NAME}-{rule}")["Targets"]
    assert target["Arn"].endswith(f":{NAME}-starter")
    assert target["DeadLetterConfig"]["Arn"].endswith(f":{NAME}-not-started")
    # The queue takes it from the deployment's rules.
    sqs = option1.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{NAME}-not-started")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
    (statement,) = json.loads(attributes["Policy"])["Statement"]
    (source,) = statement["Condition"]["ArnLike"].values()
    assert fnmatch(events.describe_rule(Name=f"{NAME}-{rule}")["Arn"], source)


def test_a_schedule_of_one_key_is_refused(option1: Deployment) -> None:
    plan = ("terraform", "plan", "-no-color", "-input=false", "-var", "image_tag=a")
    done = option1.run(*plan, "-var", "schedule_key=exports/data.csv", check=False)
    assert done.returncode == 1
    assert "schedule loads the same key each time" in done.stderr


# -- the rules, against events ---------------------------------------------------------------------


def matching(option1: Deployment, event: Mapping[str, Any]) -> set[str]:
    """The rules that the event fits, by what comes after the deployment's name."""
    return {name.removeprefix(f"{NAME}-") for name in option1.matching_rules(event)}


def stopped(option1: Deployment, code: str, reason: str, exit_code: int | None) -> dict[str, Any]:
    (cluster,) = option1.client("ecs").list_clusters()["clusterArns"]
    container = {} if exit_code is None else {"exitCode": exit_code}
    return {
        "version": "0",
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": ACCOUNT,
        "region": REGION,
        "resources": [f"{cluster.replace(':cluster/', ':task/')}/0123"],
        "detail": {
            "attachments": [{"type": "eni", "status": "DELETED", "details": []}],
            "clusterArn": cluster,
            "capacityProviderName": "FARGATE_SPOT",
            "desiredStatus": "STOPPED",
            "group": f"family:{NAME}",
            "lastStatus": "STOPPED",
            "launchType": "FARGATE",
            "stopCode": code,
            "stoppedReason": reason,
            "containers": [{"name": "csv-to-kafka", "lastStatus": "STOPPED", **container}],
            "overrides": {"containerOverrides": OVERRIDES},
        },
    }


NO_CAPACITY = "Capacity is unavailable at this time. Please try again later"


@pytest.mark.parametrize(
    ("code", "reason", "exit_code", "rules"),
    [
        ("SpotInterruption", "Your Spot Task was interrupted.", 143, {"interrupted"}),
        ("TerminationNotice", "The host is retired", 143, {"interrupted"}),
        ("TaskFailedToStart", NO_CAPACITY, None, {"interrupted", "failed"}),
        ("TaskFailedToStart", "CannotPullContainerError: no route", None, {"failed"}),
        ("EssentialContainerExited", "Essential container in task exited", 1, {"failed"}),
        ("EssentialContainerExited", "Essential container in task exited", 0, set()),
        ("UserInitiated", "Task stopped by user", 143, set()),
    ],
)
def test_which_end_of_a_task_does_what(
    option1: Deployment, code: str, reason: str, exit_code: int | None, rules: set[str]
) -> None:
    event = stopped(option1, code, reason, exit_code)
    assert matching(option1, event) == rules


@pytest.mark.parametrize(
    ("bucket", "key", "rules"),
    [
        (BUCKET, "exports/a/b.csv", {"new-object"}),
        (BUCKET, "exports/a/b.txt", set()),
        (BUCKET, "other/b.csv", set()),
        ("other", "exports/b.csv", set()),
    ],
)
def test_only_new_objects_of_the_prefix_are_loaded(
    option1: Deployment, bucket: str, key: str, rules: set[str]
) -> None:
    event = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": bucket}, "object": {"key": key, "size": 1}},
    }
    assert matching(option1, event) == rules
