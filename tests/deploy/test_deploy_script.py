"""deploy.sh: which image it takes or builds, and what it looks at before anything costs money."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.deployment import BUCKET, NEEDS_PROVIDER, TABLE, Deployment, deployed
from tests.deploy.folders import DEPLOY

pytestmark = NEEDS_PROVIDER
NAME = "csv-to-kafka-ecs"


@pytest.fixture(scope="module")
def option1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Deployed once, with its image in the registry: the tests change none of it."""
    folder = tmp_path_factory.mktemp("option1")
    with deployed("option1-ecs-fargate", folder) as deployment:
        put_image(deployment, deployment.image.rpartition(":")[2])
        yield deployment


def put_image(deployment: Deployment, tag: str) -> None:
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    digest = f"sha256:{tag}"
    manifest = {"schemaVersion": 2, "mediaType": kind, "layers": [], "config": {"digest": digest}}
    deployment.client("ecr").put_image(
        repositoryName=NAME, imageTag=tag, imageManifest=json.dumps(manifest)
    )


def would_build(deployment: Deployment, *options: str, **more: Any) -> str | None:
    """The tag that would be built, with its platform; None: the registry has it."""
    done = deployment.run("./deploy.sh", "--dry-run", *options, **more)
    said = done.stdout + done.stderr
    if "is in the registry" in said:
        return None
    (built,) = set(re.findall(r"docker build .*--platform (\S+) .*--tag csvkafka:(\S+)", said))
    return " ".join(built)


def revisions(deployment: Deployment) -> list[str]:
    found: list[str] = deployment.client("ecs").list_task_definitions()["taskDefinitionArns"]
    return found


def test_an_image_that_is_there_is_not_built(option1: Deployment) -> None:
    calls = [call for call in option1.docker_calls() if call.startswith("build ")]
    said = option1.run("./deploy.sh", "--yes")
    tag = option1.image.rpartition(":")[2]
    assert f"{NAME}:{tag} is in the registry" in said.stderr
    assert "aws ecs run-task" in said.stdout
    assert [call for call in option1.docker_calls() if call.startswith("build ")] == calls


def test_the_tag_follows_from_all_that_goes_into_the_image(option1: Deployment) -> None:
    assert would_build(option1) is None
    base = would_build(option1, BASE_IMAGE=f"python@sha256:{64 * '1'}")
    platform = would_build(option1, TF_VAR_cpu_architecture="ARM64")
    options = would_build(option1, BUILD_OPTIONS="--build-arg A=1")
    assert base is not None
    assert platform is not None
    assert options is not None
    assert base.startswith("linux/amd64 src-")
    assert platform.startswith("linux/arm64 src-"), "the image would not start on ARM64"
    assert len({value.split()[1] for value in (base, platform, options)}) == 3


def test_the_base_image_is_built_upon_as_it_was_looked_at(option1: Deployment) -> None:
    done = option1.run("./deploy.sh", "--dry-run", "--rebuild")
    assert f"--build-arg PYTHON_IMAGE=python@sha256:{64 * '0'}" in done.stderr


def test_a_platform_of_its_own_is_refused(option1: Deployment) -> None:
    more = {"BUILD_OPTIONS": "--platform linux/arm64"}
    done = option1.run("./deploy.sh", "--dry-run", check=False, **more)
    assert done.returncode == 1
    assert "set cpu_architecture in terraform.tfvars instead" in done.stderr


def test_rebuild_makes_another_tag_which_the_next_deploy_keeps(option1: Deployment) -> None:
    tag = option1.image.rpartition(":")[2]
    built = would_build(option1, "--rebuild")
    assert built is not None
    again = built.split()[1]
    assert re.fullmatch(rf"{tag}-\d{{14}}", again)
    put_image(option1, again)
    said = option1.run("./deploy.sh", "--dry-run").stderr
    assert f"{NAME}:{again} is in the registry" in said


def test_a_mistyped_tag_is_refused_before_anything_is_applied(option1: Deployment) -> None:
    before = revisions(option1)
    done = option1.run("./deploy.sh", "--yes", "--image-tag", "typo", check=False)
    assert done.returncode == 1
    assert f"there is no image typo in {NAME}" in done.stderr
    assert revisions(option1) == before


def test_a_bucket_that_is_not_there_is_named_before_anything_is_applied(
    option1: Deployment,
) -> None:
    tfvars = option1.place / "terraform.tfvars"
    right = tfvars.read_text()
    tfvars.write_text(right.replace(f'"s3_bucket": "{BUCKET}"', '"s3_bucket": "no-such-bucket"'))
    try:
        done = option1.run("./deploy.sh", "--yes", check=False)
    finally:
        tfvars.write_text(right)
    assert done.returncode == 1
    assert "there is no bucket no-such-bucket: see s3_bucket" in done.stderr
    assert "terraform apply" not in done.stderr


def test_a_key_that_is_not_there_yet_is_said(option1: Deployment) -> None:
    done = option1.run("./deploy.sh", "--dry-run")
    before, applies, _ = done.stderr.partition("2. terraform apply")
    assert applies
    assert "there is no s3://data/exports/data.csv yet" in before


def test_a_second_deployment_stands_beside_the_first(option1: Deployment) -> None:
    names = {"name": "second", "log_group_name": "/ecs/second", "table_name": "second"}
    given = [f"-var={name}={value}" for name, value in {"image_tag": "a", **names}.items()]
    apply = ("terraform", "apply", "-auto-approve", "-input=false", "-state=second.tfstate")
    option1.run(*apply, *given)
    groups = option1.client("logs").describe_log_groups()["logGroups"]
    assert {group["logGroupName"] for group in groups} >= {"/ecs/csv-to-kafka", "/ecs/second"}
    assert set(option1.client("dynamodb").list_tables()["TableNames"]) == {TABLE, "second"}


def test_no_script_puts_a_host_of_aws_together() -> None:
    """They end differently in each partition; terraform's outputs name them."""
    for script in DEPLOY.glob("**/*.sh"):
        assert "amazonaws.com" not in script.read_text(), script
