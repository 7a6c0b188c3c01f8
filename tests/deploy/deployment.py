"""A copy of the checkout's `deploy/`, deployed by its own scripts into an account of moto's."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from tests.deploy.folders import REGION, ROOT, script_environment

PROVIDER_VARIABLE = "CSVKAFKA_TERRAFORM_PROVIDER"
_MIRRORED_VERSION = "6.999.0"


def provider_configuration(folder: Path) -> Path | None:
    """terraform's CLI configuration for the AWS provider at hand; None: it comes from its registry.

    Raises KeyError if the environment does not say which."""
    provider = os.environ[PROVIDER_VARIABLE]
    if provider == "registry":
        return None
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    place = folder / f"registry.terraform.io/hashicorp/aws/{_MIRRORED_VERSION}/linux_{machine}"
    place.mkdir(parents=True)
    (place / f"terraform-provider-aws_v{_MIRRORED_VERSION}").symlink_to(provider)
    configuration = folder / "terraformrc"
    configuration.write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{folder}"\n  }}\n}}\n'
    )
    return configuration


@dataclass
class Deployment:
    """One option in a folder of its own."""

    option: str
    folder: Path
    endpoint_url: str
    provider: Path | None
    more: str = ""
    job: str = ""
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        checkout = self.folder / "checkout"
        ignore = shutil.ignore_patterns("__pycache__", ".terraform*", "*.tfstate*", "*.tfvars")
        for name in ("csvkafka", "deploy", "docker"):
            shutil.copytree(ROOT / name, checkout / name, ignore=ignore)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, checkout / name)
        self.place = checkout / "deploy" / self.option
        self.environment = script_environment(self.folder / "home", self.endpoint_url)
        if self.provider is not None:
            self.environment["TF_CLI_CONFIG_FILE"] = str(self.provider)
        self._write_variables()

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint_url,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )

    def _write_variables(self) -> None:
        ec2 = self.client("ec2")
        (vpc,) = (vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if vpc["IsDefault"])
        subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
        ids = ", ".join(f'"{subnet["SubnetId"]}"' for subnet in subnets[:2])
        (self.place / "terraform.tfvars").write_text(
            f"""
region     = "{REGION}"
vpc_id     = "{vpc}"
subnet_ids = [{ids}]
job = {{
  s3_bucket               = "data"
  s3_prefix               = "exports/"
  s3_key                  = "exports/data.csv"
  kafka_bootstrap_servers = "b-1.example.com:9096"
  kafka_topic             = "rows"
  kafka_authentication    = "scram"
  kafka_secret_arn        = "arn:aws:secretsmanager:{REGION}:123456789012:secret:kafka-AbCdEf"
  {self.job}
}}
{self.more}
"""
        )

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a command in the option's folder."""
        done = subprocess.run(
            command, cwd=self.place, env=self.environment, capture_output=True, text=True
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def docker_calls(self) -> list[str]:
        """What docker was asked for so far."""
        calls = self.folder / "home" / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def output(self, name: str) -> str:
        return self.run("terraform", "output", "-raw", name).stdout

    def assert_no_drift(self) -> None:
        """A second plan changes nothing."""
        tag = self.docker_calls()[-1].rpartition(":")[2]
        plan = ("terraform", "plan", "-no-color", "-input=false", "-var", f"image_tag={tag}")
        said = self.run(*plan).stdout
        changed = re.findall(r"^  # (\S+) (?:will|must) be", said, re.M)
        assert changed == [], said
