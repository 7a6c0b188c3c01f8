"""A copy of the checkout's `deploy/`, deployed by its own scripts into an account of moto's.

Needs the AWS provider: CSVKAFKA_TERRAFORM_PROVIDER is its binary, or `registry` where terraform may
fetch it. A binary of version 5 does too: the name that version 6 changed is put as it knows
it. What moto lacks is said in docs/deploy.md.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
import requests

from csvkafka.local.base import Stack
from csvkafka.local.ports import ReservedPort
from csvkafka.local.processes import Guardian, wait_until
from tests.deploy.event_patterns import fits
from tests.deploy.files import Files
from tests.deploy.folders import ACCOUNT, REGION, ROOT, needs, script_environment
from tests.deploy.moto_additions import ASKED_VARIABLE
from tests.deploy.operator_policy import not_granted

PROVIDER_VARIABLE = "CSVKAFKA_TERRAFORM_PROVIDER"
NEEDS_PROVIDER = [
    pytest.mark.applied,
    pytest.mark.timeout(1200),
    needs("terraform", "aws", packages=["cbor2", "jsonata"]),
    pytest.mark.skipif(
        PROVIDER_VARIABLE not in os.environ,
        reason=f"no AWS provider of terraform: {PROVIDER_VARIABLE} is its binary, or `registry`",
    ),
]
CREDENTIALS: dict[str, Any] = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
BATCH_ROLE = f"arn:aws:iam::{ACCOUNT}:role/batch"
ASKED = "asked"
TABLE = "csv-kafka-checkpoint"
BUCKET = "data"
_MIRRORED_VERSION = "6.999.0"
_NAMES_OF_VERSION_5 = {"  name_prefix ": "  compute_environment_name_prefix "}
_SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:kafka-AbCdEf"
_JOB: Mapping[str, object] = {
    "s3_bucket": BUCKET,
    "s3_prefix": "exports/",
    "s3_key": "exports/data.csv",
    "kafka_bootstrap_servers": "b-1.example.com:9096",
    "kafka_topic": "rows",
    "kafka_authentication": "scram",
    "kafka_secret_arn": _SECRET,
}


@contextlib.contextmanager
def moto_account(folder: Path) -> Iterator[str]:
    """The URL of a moto server with an account that is empty but for the default VPC."""
    port = ReservedPort()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        # AWS's own policies, such as AmazonSSMManagedInstanceCore, are there too.
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
        # What its Batch runs reaches the servers on loopback.
        "MOTO_DOCKER_NETWORK_MODE": "host",
        ASKED_VARIABLE: str(folder / ASKED),
    }
    command = [sys.executable, "-m", "tests.deploy.moto_server", str(port.number)]
    guardian = Guardian()
    log = folder / "moto.log"
    guardian.spawn(command, log, environment)
    url = f"http://127.0.0.1:{port.number}"

    def answers() -> bool:
        try:
            return requests.get(f"{url}/moto-api/", timeout=5).ok
        except requests.ConnectionError:
            return False

    try:
        assert wait_until(answers, 60), log.read_text()
        # Batch's service-linked role, which AWS makes by itself and moto does not.
        iam = boto3.client("iam", REGION, endpoint_url=url, **CREDENTIALS)
        iam.create_role(RoleName="batch", AssumeRolePolicyDocument="{}")
        yield url
    finally:
        guardian.close()


def provider_environment(folder: Path) -> dict[str, str]:
    """Variables with which terraform takes the AWS provider at hand, or fetches it only once.

    Raises KeyError if the environment does not say which."""
    provider = os.environ[PROVIDER_VARIABLE]
    if provider == "registry":
        cache = Path.home() / ".terraform.d" / "plugin-cache"
        cache.mkdir(parents=True, exist_ok=True)
        return {
            "TF_PLUGIN_CACHE_DIR": str(cache),
            # There is no lock file yet: without this the cache would be passed by.
            "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE": "true",
        }
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    place = folder / f"registry.terraform.io/hashicorp/aws/{_MIRRORED_VERSION}/linux_{machine}"
    place.mkdir(parents=True)
    (place / f"terraform-provider-aws_v{_MIRRORED_VERSION}").symlink_to(provider)
    configuration = folder / "terraformrc"
    configuration.write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{folder}"\n  }}\n}}\n'
    )
    return {"TF_CLI_CONFIG_FILE": str(configuration)}


def _put_names_of_version_5(deploy: Path) -> None:
    for path in deploy.glob("**/*.tf"):
        text = path.read_text()
        for name, former in _NAMES_OF_VERSION_5.items():
            text = text.replace(name, former)
        path.write_text(text)


@dataclass
class Deployment:
    """One option in a folder of its own. `job` gives attributes of its variable `job` for moto's
    URL, in place of those of `_JOB`; `more` are further lines of its terraform.tfvars;
    `environment` are variables of its scripts."""

    option: str
    folder: Path
    endpoint_url: str
    more: str = ""
    job: Callable[[str], Mapping[str, object]] = lambda _: {}
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checkout = self.folder / "checkout"
        ignore = shutil.ignore_patterns("__pycache__", ".terraform*", "*.tfstate*", "*.tfvars")
        for name in ("compiled", "csvkafka", "deploy", "docker"):
            shutil.copytree(ROOT / name, checkout / name, ignore=ignore)
        for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".dockerignore"):
            shutil.copy(ROOT / name, checkout / name)
        if "_v5." in Path(os.environ[PROVIDER_VARIABLE]).name:
            _put_names_of_version_5(checkout / "deploy")
        self.place = checkout / "deploy" / self.option
        self.environment = {
            **script_environment(self.folder / "home", self.endpoint_url),
            # A quarter less processor time of terraform and its provider, for more memory.
            "GOGC": "400",
            **self.environment,
        }
        # moto's Batch would ask the image's registry for one that was not built.
        runs = {"batch": {"use_docker": "REAL_DOCKER" in self.environment}}
        requests.post(f"{self.endpoint_url}/moto-api/config", json=runs, timeout=10)
        (self.folder / "provider").mkdir()
        self.environment |= provider_environment(self.folder / "provider")
        self._write_variables()
        place = {"LocationConstraint": REGION}
        self.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)

    def client(self, service: str) -> Any:
        """A client of boto3's for the account."""
        return boto3.client(
            service, region_name=REGION, endpoint_url=self.endpoint_url, **CREDENTIALS
        )

    def _write_variables(self) -> None:
        ec2 = self.client("ec2")
        (vpc,) = (vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if vpc["IsDefault"])
        subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
        ids = ", ".join(f'"{subnet["SubnetId"]}"' for subnet in subnets[:2])
        # JSON is HCL too.
        job = json.dumps({**_JOB, **self.job(self.endpoint_url)})
        (self.place / "terraform.tfvars").write_text(
            f'region = "{REGION}"\nvpc_id = "{vpc}"\nsubnet_ids = [{ids}]\n'
            f"job = {job}\n{self.more}\n"
        )

    def files(self, stack: Stack, topic: str) -> Files:
        """The files that jobs here load into the topic."""
        return Files(self.client, stack.bootstrap_servers, topic, BUCKET, TABLE)

    def run(
        self, *command: str, check: bool = True, answer: str = "", **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in the option's folder; `more` are further variables."""
        done = subprocess.run(
            command,
            cwd=self.place,
            env=self.environment | more,
            input=answer,
            capture_output=True,
            text=True,
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def path_with_answer(self, folder: Path, command: str, answer: str) -> str:
        """A PATH whose `aws` gives one command this answer, and is the real one else."""
        (folder / "answer").write_text(f"{answer}\n")
        aws = folder / "aws"
        aws.write_text(
            f'#!/bin/sh\ncase "$*" in "{command}"*) exec cat "{folder}/answer" ;; esac\n'
            f'exec {shutil.which("aws")} "$@"\n'
        )
        aws.chmod(0o755)
        return f"{folder}:{self.environment['PATH']}"

    def docker_calls(self) -> list[str]:
        """What docker was asked for so far."""
        calls = self.folder / "home" / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    @property
    def image(self) -> str:
        """The image that was pushed last."""
        pushed = [call for call in self.docker_calls() if call.startswith("push ")]
        return pushed[-1].removeprefix("push ")

    def output(self, name: str) -> str:
        """An output of the option."""
        return self.run("terraform", "output", "-raw", name).stdout

    def assert_no_drift(self) -> None:
        """A second plan changes nothing."""
        tag = self.image.rpartition(":")[2]
        plan = ("terraform", "plan", "-no-color", "-input=false", "-var", f"image_tag={tag}")
        said = self.run(*plan).stdout
        changed = re.findall(r"^  # (\S+) (?:will|must) be", said, re.M)
        assert changed == [], said

    def planned(self, kind: str, *options: str) -> list[dict[str, Any]]:
        """The resources of that type as a plan with these options would leave them."""
        plan = ("terraform", "plan", "-no-color", "-input=false", "-var", "image_tag=a")
        self.run(*plan, "-out=planned", *options)
        shown = json.loads(self.run("terraform", "show", "-json", "planned").stdout)
        changes = shown["resource_changes"]
        return [each["change"]["after"] for each in changes if each["type"] == kind]

    def matching_rules(self, event: Mapping[str, Any]) -> set[str]:
        """The rules of EventBridge that the event fits."""
        found = self.client("events").list_rules()["Rules"]
        return {rule["Name"] for rule in found if fits(json.loads(rule["EventPattern"]), event)}

    def remaining(self) -> list[str]:
        """The addresses in terraform's state."""
        return self.run("terraform", "state", "list").stdout.splitlines()

    def remove_images(self) -> None:
        """Removes from a real engine what deploy.sh has built there."""
        real = self.environment.get("REAL_DOCKER")
        tag = "[^ ]+:src-[0-9a-f]{12}"
        names = set(re.findall(tag, " ".join(self.docker_calls()).replace("JOB_IMAGE=", "")))
        if real is not None and names:
            subprocess.run([real, "rmi", "--force", *names], check=True, capture_output=True)


@contextlib.contextmanager
def deployed(option: str, folder: Path, **given: Any) -> Iterator[Deployment]:
    """The option, deployed by its deploy.sh in an account of its own; `given` goes to the class."""
    with moto_account(folder) as url:
        deployment = Deployment(option, folder, url, **given)
        try:
            deployment.run("./deploy.sh", "--yes")
            yield deployment
            lacking = not_granted(folder / ASKED)
            assert lacking == set(), "deploy/operator-policy.json does not grant them"
        finally:
            deployment.remove_images()


class Loading:
    """Attributes of `job` with which jobs load into a topic of their own, from moto's bucket."""

    def __init__(self, stack: Stack) -> None:
        self.topic = f"rows-{uuid4().hex[:12]}"
        self._brokers = stack.bootstrap_servers
        stack.create_topic(self.topic)

    def __call__(self, endpoint_url: str) -> Mapping[str, object]:
        return {
            "kafka_bootstrap_servers": self._brokers,
            "kafka_topic": self.topic,
            "kafka_authentication": "none",
            "settings": {
                "AWS_ENDPOINT_URL": endpoint_url,
                "AWS_ACCESS_KEY_ID": "key",
                "AWS_SECRET_ACCESS_KEY": "secret",
                "CHECKPOINT_INTERVAL": "500",
            },
        }
