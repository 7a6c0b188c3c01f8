"""The task of ECS Fargate, run by a real engine as its definition says: interrupted, resumed."""

from __future__ import annotations

import json
import subprocess
from typing import Any
from uuid import uuid4

from csvkafka.local.base import Stack
from csvkafka.local.processes import wait_until
from tests.deploy.conftest import Deploy
from tests.deploy.deployment import NEEDS_PROVIDER, Deployment, Loading
from tests.deploy.folders import run_options
from tests.deploy.slow_source import LASTING, slow_source

pytestmark = NEEDS_PROVIDER
KEY = "exports/data.csv"


class Task:
    """A task of the deployment, which moto only notes down, as a container of the engine."""

    def __init__(self, docker: str, deployment: Deployment, overrides: dict[str, Any]) -> None:
        self._docker = docker
        self._name = f"task-{uuid4().hex[:12]}"
        ecs = deployment.client("ecs")
        family = ecs.list_task_definitions()["taskDefinitionArns"][-1]
        definition = ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]
        (self._container,) = definition["containerDefinitions"]
        (self._overrides,) = overrides["containerOverrides"]
        assert self._overrides["name"] == self._container["name"]

    def start(self, **more: str) -> None:
        """`more` are further variables."""
        given = self._container["environment"] + self._overrides["environment"]
        given += [{"name": name, "value": value} for name, value in more.items()]
        command = ["run", "--detach", "--name", self._name, *run_options()]
        if self._container["readonlyRootFilesystem"]:
            command.append("--read-only")
        for capability in self._container["linuxParameters"]["capabilities"]["drop"]:
            command += ["--cap-drop", capability]
        for entry in given:
            command += ["--env", f"{entry['name']}={entry['value']}"]
        self._run(*command, self._container["image"])

    def stop(self) -> int:
        """As ECS stops a task; returns the exit code."""
        self._run("stop", "-t", str(self._container["stopTimeout"]), self._name)
        return self.wait()

    def wait(self) -> int:
        """The exit code, at its end."""
        return int(self._run("wait", self._name))

    def log(self) -> str:
        return self._run("logs", self._name)

    def remove(self) -> None:
        self._run("rm", "--force", self._name)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self._docker, *arguments], check=True, stdout=subprocess.PIPE, text=True, timeout=240
        )
        return done.stdout


def test_a_spot_interruption_costs_no_row(
    deploy: Deploy, stack: Stack, real_docker: dict[str, str]
) -> None:
    """What EventBridge starts after it is the same task with the same overrides."""
    job, more = Loading(stack), "fargate_spot = true"
    option1 = deploy("option1-ecs-fargate", more=more, job=job, environment=real_docker)
    files = option1.files(stack, job.topic)
    files.put(KEY, LASTING)
    printed = ["bash", "-c", option1.output("run_command")]
    done = subprocess.run(printed, env=option1.environment, check=True, stdout=subprocess.PIPE)
    (started,) = json.loads(done.stdout)["tasks"]
    docker = real_docker["REAL_DOCKER"]
    first = Task(docker, option1, started["overrides"])
    second = Task(docker, option1, started["overrides"])
    try:
        with slow_source(option1.endpoint_url) as slow:
            first.start(**slow)
            assert wait_until(lambda: files.last_line("csv-job-1") > 0, 60), first.log()
            assert first.stop() == 143, first.log()
        assert files.item("csv-job-1")["status"] == {"S": "IN_PROGRESS"}, "it was not midway"
        line = files.last_line("csv-job-1")
        second.start()
        assert second.wait() == 0, second.log()
        assert f"Starting from line {line}" in second.log()
    finally:
        first.remove()
        second.remove()
    files.assert_once(KEY, "csv-job-1")
