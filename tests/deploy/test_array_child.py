"""What gives a job of AWS Batch its file: in option 2's image on an engine, and as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest

from csvkafka.local.base import Stack
from csvkafka.local.processes import wait_until
from csvkafka.testing.inputs.csv_files import preset
from csvkafka.testing.stacks.images import JOB
from tests.deploy.files import Files
from tests.deploy.folders import DEPLOY, run_options
from tests.deploy.slow_source import LASTING, slow_source

OPTION = DEPLOY / "option2-aws-batch"
MANIFEST = "exports/csvkafka-manifests/0123.txt"


@pytest.fixture
def files(stack: Stack) -> Files:
    """Bucket, table and topic of the test alone."""
    name = uuid4().hex[:12]
    made = Files(stack.client, stack.bootstrap_servers, f"rows-{name}", f"data-{name}", name)
    stack.create_bucket(made.bucket)
    stack.create_table(made.table)
    stack.create_topic(made.topic)
    return made


@pytest.fixture
def image(docker_command: str) -> Iterator[tuple[str, str]]:
    """A docker command, and the image of option 2's Dockerfile on the job's image."""
    name = f"csvkafka-array-child:{uuid4().hex[:12]}"
    command = [docker_command, "build", "--build-arg", f"JOB_IMAGE={JOB.name}", "--tag", name]
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    done = subprocess.run([*command, str(OPTION)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    yield docker_command, name
    subprocess.run([docker_command, "rmi", "--force", name], check=True, capture_output=True)


@dataclass
class Children:
    """Starts children; `image` None: as processes."""

    stack: Stack
    files: Files
    image: tuple[str, str] | None

    def start(
        self, key: str, job_id: str, manifest: str, index: int | None = None, **more: str
    ) -> subprocess.Popen[str]:
        """`more` are further variables."""
        given = {
            **self.stack.environment(),
            "S3_BUCKET": self.files.bucket,
            "KAFKA_TOPIC": self.files.topic,
            "DYNAMODB_TABLE": self.files.table,
            "CHECKPOINT_INTERVAL": "500",
            **more,
        }
        if index is not None:
            given["AWS_BATCH_JOB_ARRAY_INDEX"] = str(index)
        if self.image is None:
            command = [sys.executable, "-P", str(OPTION / "array_child.py")]
        else:
            docker, name = self.image
            command = [docker, "run", "--rm", *run_options(), "--read-only"]
            for variable, value in given.items():
                command += ["--env", f"{variable}={value}"]
            command.append(name)
        return subprocess.Popen(
            [*command, key, job_id, manifest],
            env={**os.environ, **given},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ends(self, child: subprocess.Popen[str], code: int) -> str:
        """Waits for its end, which must have that code; returns what it said."""
        said, _ = child.communicate(timeout=120)
        assert child.returncode == code, said
        return said


@pytest.fixture(params=["image", "process"])
def children(request: pytest.FixtureRequest, stack: Stack, files: Files) -> Children:
    image = request.getfixturevalue("image") if request.param == "image" else None
    return Children(stack, files, image)


def test_each_child_loads_the_file_of_its_line(children: Children, files: Files) -> None:
    keys = [f'exports/{number}, "ä".csv' for number in range(2)]
    for number, key in enumerate(keys):
        files.put(key, preset("nasty", 800 + number, seed=number))
    body = "".join(f"{key}\n" for key in keys).encode()
    files.client("s3").put_object(Bucket=files.bucket, Key=MANIFEST, Body=body)
    for _ in range(2):
        both = [children.start("-", "job", MANIFEST, index) for index in range(2)]
        for child in both:
            children.ends(child, 0)
        for key in keys:
            files.assert_once(key, key)
    said = children.ends(children.start("-", "job", MANIFEST, 2), 78)
    assert said == f"s3://{files.bucket}/{MANIFEST} has 2 lines, none of index 2\n"


def test_a_job_of_its_own_loads_the_file_of_its_parameters(
    children: Children, files: Files
) -> None:
    files.put("exports/one.csv", preset("nasty", 900))
    children.ends(children.start("exports/one.csv", "night-1", "-"), 0)
    files.assert_once("exports/one.csv", "night-1")
    said = children.ends(children.start("-", "night-2", "-"), 78)
    assert said == "no key: submit the job with --parameters key=...,job_id=...\n"


def test_a_key_that_ends_in_a_slash_is_a_set(children: Children, files: Files) -> None:
    for number in range(3):
        files.put(f"exports/night/{number}.csv", preset("nasty", 300 + number, seed=number))
    for _ in range(2):
        children.ends(children.start("exports/night/", "night", "-"), 0)
    item = files.item("night")
    assert item["status"] == {"S": "COMPLETED"}
    assert item["last_line"] == {"N": str(300 + 301 + 302)}


def test_sigterm_reaches_the_loader_and_the_next_attempt_resumes(
    image: tuple[str, str], stack: Stack, files: Files
) -> None:
    """143 is what the job definition retries."""
    children = Children(stack, files, image)
    files.put("exports/large.csv", LASTING)
    with slow_source(stack.aws_endpoint_url) as slow:
        child = children.start("exports/large.csv", "large", "-", None, **slow)
        assert wait_until(lambda: files.last_line("large") > 0, 60)
        child.terminate()
        said = children.ends(child, 143)
    assert files.item("large")["status"] == {"S": "IN_PROGRESS"}, said
    said = children.ends(children.start("exports/large.csv", "large", "-"), 0)
    assert "Starting from line 0" not in said
    files.assert_once("exports/large.csv", "large")
