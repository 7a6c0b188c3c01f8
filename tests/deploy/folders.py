"""Where things are, and the environment in which the scripts of `deploy/` run in tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from csvkafka.testing.stacks.engine import labels

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
STAND_INS = Path(__file__).with_name("stand_ins")
OPTIONS = ("option1-ecs-fargate", "option2-aws-batch", "option3-ec2-spot")
ACCOUNT = "123456789012"  # moto's
REGION = "eu-west-1"


def script_environment(folder: Path, endpoint_url: str = "http://127.0.0.1:1") -> dict[str, str]:
    """What a script sees: the stand-ins first, AWS at the endpoint, nothing of the host's AWS."""
    folder.mkdir(exist_ok=True)
    return {
        "PATH": f"{STAND_INS}:{os.environ['PATH']}",
        "HOME": str(folder),
        "DOCKER_FOLDER": str(folder),
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": endpoint_url,
    }


def run_options() -> list[str]:
    """Of each `docker run` here: this host's network, and the label that leftovers are known by."""
    owner = [f"{name}={value}" for name, value in labels().items()]
    return ["--network", "host", *(part for label in owner for part in ("--label", label))]


def needs(*programs: str, packages: Sequence[str] = ()) -> pytest.MarkDecorator:
    """Skips a test, with the reason, where one of the programs is not on the path, or one of the
    packages, by the names they are imported by, is not there."""
    missing = [program for program in programs if shutil.which(program) is None]
    missing += [package for package in packages if find_spec(package) is None]
    reason = f"not on the path, or not installed: {', '.join(missing)} (see nox -s deploy)"
    return pytest.mark.skipif(bool(missing), reason=reason)
