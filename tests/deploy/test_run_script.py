"""run.sh of options 1 and 2: it starts a job once, shows its log, and ends as the job does. moto's
jobs say one line and end as their key tells (`moto_additions.py`)."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.deploy.deployment import (
    BATCH_ROLE,
    BUCKET,
    NEEDS_PROVIDER,
    TABLE,
    Deployment,
    deployed,
)

pytestmark = NEEDS_PROVIDER
KEYS = (
    "exports/data.csv",
    'exports/a, "b" & c.csv',
    "exports/bad-exit-75.csv",
    "exports/lasting.csv",
)


def option(option: str, folder: Path, more: str = "") -> Iterator[Deployment]:
    with deployed(option, folder, more=more) as deployment:
        deployment.environment["POLL_SECONDS"] = "0"
        for key in KEYS:
            deployment.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"a\n1\n")
        yield deployment


@pytest.fixture(scope="module")
def option1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    yield from option("option1-ecs-fargate", tmp_path_factory.mktemp("option1"))


@pytest.fixture(scope="module")
def option2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    more = f'compute = "FARGATE_SPOT"\nservice_role_arn = "{BATCH_ROLE}"'
    yield from option("option2-aws-batch", tmp_path_factory.mktemp("option2"), more)


@pytest.fixture(params=["option1", "option2"])
def either(request: pytest.FixtureRequest) -> Deployment:
    deployment: Deployment = request.getfixturevalue(request.param)
    return deployment


@pytest.fixture(autouse=True)
def tasks_end(request: pytest.FixtureRequest) -> None:
    """Each look at a task of moto's takes it one state on."""
    if "option1" in request.node.name:
        set_tasks(request.getfixturevalue("option1"), {"progression": "manual", "times": 1})


def set_tasks(deployment: Deployment, transition: dict[str, object]) -> None:
    body = {"model_name": "ecs::task", "transition": transition}
    url = f"{deployment.endpoint_url}/moto-api/state-manager/set-transition"
    assert requests.post(url, json=body, timeout=10).ok


def started(deployment: Deployment) -> int:
    """How many tasks and jobs were started so far."""
    streams = 0
    for group in deployment.client("logs").describe_log_groups()["logGroups"]:
        found = deployment.client("logs").describe_log_streams(logGroupName=group["logGroupName"])
        streams += len(found["logStreams"])
    return streams


def run(deployment: Deployment, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = deployment.run("./run.sh", *arguments, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_a_job_is_started_followed_and_its_end_is_said(either: Deployment) -> None:
    item = {"job_id": {"S": KEYS[1]}, "status": {"S": "COMPLETED"}, "last_line": {"N": "1"}}
    either.client("dynamodb").put_item(TableName=TABLE, Item=item)
    done = run(either, KEYS[1], "--set", "CHECKPOINT_INTERVAL=500")
    assert done.stdout.startswith("load {"), "the log is shown, and nothing else is on stdout"
    assert done.stdout.count("\n") == 1
    assert KEYS[1] in json.loads(done.stdout.removeprefix("load ")).values()
    assert f"its checkpoint in {TABLE}: COMPLETED, line 1" in done.stderr
    assert done.stderr.splitlines()[-1] == "done: exit code 0"


def test_the_key_and_job_of_tfvars_are_taken_where_none_is_given(either: Deployment) -> None:
    said = run(either).stdout
    assert {"exports/data.csv", "csv-job-1"} <= set(json.loads(said.removeprefix("load ")).values())


def test_it_ends_with_the_exit_code_of_the_job(either: Deployment) -> None:
    done = run(either, KEYS[2], code=75)
    assert "exit code 75" in done.stderr.splitlines()[-1]
    assert "run it again" in done.stderr.splitlines()[-1]


def test_settings_of_one_run_reach_it(option1: Deployment) -> None:
    said = run(option1, "--job-id", "try-1", "--set", "KAFKA_TOPIC=scratch").stdout
    given = json.loads(said.removeprefix("load "))
    assert given == {"S3_KEY": KEYS[0], "JOB_ID": "try-1", "KAFKA_TOPIC": "scratch"}


def test_a_key_that_ends_in_a_slash_is_a_set(option1: Deployment) -> None:
    """Of terraform.tfvars' own key, an object's, nothing is left."""
    given = json.loads(run(option1, "exports/").stdout.removeprefix("load "))
    assert given == {"S3_PREFIX": "exports/", "JOB_ID": "exports/", "S3_KEY": ""}
    missing = run(option1, "exports/none/", code=1)
    assert "there is no s3://data/exports/none/" in missing.stderr


def test_workers_share_the_files_of_a_set(either: Deployment) -> None:
    said = run(either, "exports/", "--workers", "4", "--dry-run").stdout
    assert re.search(r"--count 4 |--array-properties size=4 ", said)
    assert '"name":"ORDER","value":"object"' in said.replace("\\", "")


@pytest.mark.parametrize("command", [["doctor"], ["verify", "--isolation", "both"]])
def test_a_command_runs_as_a_task_in_the_vpc(option1: Deployment, command: list[str]) -> None:
    assert run(option1, "--", *command).stdout.startswith(" ".join(command))


def test_a_command_runs_as_a_job_of_batch(option2: Deployment) -> None:
    """array_child.py takes what comes after `--`."""
    assert run(option2, KEYS[1], "--", "doctor", "--json").stdout.startswith("-- doctor --json ")


def test_a_job_that_runs_is_not_started_again(either: Deployment) -> None:
    if either.option.startswith("option1"):
        set_tasks(either, {"progression": "immediate"})
        set_tasks(either, {"progression": "manual", "times": 1_000})
    first = run(either, KEYS[3], "--detach")
    assert "aws logs tail" in first.stderr
    count = started(either)
    again = run(either, KEYS[3], "--detach")
    assert f"the job {KEYS[3]} runs already" in again.stderr
    assert started(either) == count
    assert first.stderr.splitlines()[0] == again.stderr.splitlines()[1], "another job is followed"


def test_a_dry_run_starts_nothing(either: Deployment) -> None:
    count = started(either)
    done = run(either, KEYS[1], "--dry-run")
    assert re.match(r"would run: aws (ecs run-task|batch submit-job) ", done.stdout)
    assert started(either) == count


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["other/a.csv"], "the job may read what begins with exports/ alone"),
        (["exports/missing.csv"], "there is no s3://data/exports/missing.csv"),
        (["exports/data.csv", "exports/b.csv"], "one key at a time"),
        (["--set", "kafka_topic"], "--set needs NAME=VALUE"),
        (["--set", "KAFKA_SASL_PLAIN_PASSWORD=a"], "use kafka_secret_arn"),
        (["--"], "which command?"),
        (["exports/data.csv", "--workers", "2"], "--workers is for a set: end KEY in /"),
        (["--workers", "many"], "--workers needs a number"),
    ],
)
def test_what_cannot_go_well_is_refused_before_it_costs_money(
    option1: Deployment, arguments: list[str], says: str
) -> None:
    count = started(option1)
    done = run(option1, *arguments, code=1)
    assert says in done.stderr
    assert started(option1) == count


def test_a_task_that_never_started_has_no_exit_code(option1: Deployment, tmp_path: Path) -> None:
    """No image, no network: ECS gives a reason in its place."""
    reason = "CannotPullContainerError: no route"
    answer = ["STOPPED", "TaskFailedToStart", "None", "csv-to-kafka", reason]
    path = option1.path_with_answer(tmp_path, "ecs describe-tasks", "\t".join(answer))
    done = option1.run("./run.sh", "--job-id", "never", check=False, PATH=path)
    assert done.returncode == 1
    assert f"ended without an exit code: {reason}" in done.stderr


def test_where_there_is_no_capacity_it_is_said(option1: Deployment, tmp_path: Path) -> None:
    """RunTask answers with success then, and failures in it."""
    answer = "None\tCapacity is unavailable at this time."
    path = option1.path_with_answer(tmp_path, "ecs run-task", answer)
    done = option1.run("./run.sh", "--job-id", "full", check=False, PATH=path)
    assert done.returncode == 1
    assert "ECS started nothing: Capacity is unavailable at this time." in done.stderr
