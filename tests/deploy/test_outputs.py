"""How the scripts of `deploy/` read terraform's outputs: once, and nothing is made up."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.deploy.folders import DEPLOY, needs, script_environment

TEXT = 'a "b" %s\\n \\u003c <a> & \t\r\n\n zä \\\\" { "value": "b" }'
"""What terraform escapes, and what looks as if it had."""
NO_OUTPUT = ["lib: there is no output name: run ./deploy.sh in this folder first"]


@needs("terraform")
@pytest.mark.parametrize(
    ("outputs", "says", "value"),
    [
        ({}, NO_OUTPUT, ""),
        ({"other": "a"}, NO_OUTPUT, ""),
        ({"name": "", "other": "a"}, [], ""),
        ({"name": TEXT, "other": "a"}, [], TEXT),
        ({"name": 15}, [], "15"),
        ({"name": False}, [], "false"),
    ],
    ids=["none at all", "not this one", "empty", "there", "a number", "a boolean"],
)
def test_an_output_that_is_not_there_is_no_value(
    tmp_path: Path, outputs: dict[str, object], says: list[str], value: str
) -> None:
    """Where there is none at all, terraform calls it a success: --dry-run before the first deploy,
    and all scripts after one that stopped half-way."""
    types = {str: "string", int: "number", bool: "bool"}
    state = {name: {"value": each, "type": types[type(each)]} for name, each in outputs.items()}
    (tmp_path / "terraform.tfstate").write_text(
        json.dumps({"version": 4, "terraform_version": "1.5.0", "serial": 1, "outputs": state})
    )
    script = f'source "{DEPLOY}/lib.sh"; read_outputs; output name'
    done = subprocess.run(
        ["bash", "-c", script, "lib"],
        cwd=tmp_path,
        env=script_environment(tmp_path / "home"),
        capture_output=True,
    )
    assert done.stdout.decode() == value
    assert done.stderr.decode().splitlines()[-1:] == says
    assert done.returncode == (1 if says else 0)


OUTPUTS = {
    **dict.fromkeys(("region", "name", "log_group_name", "table_name", "bucket", "prefix"), "x"),
    **dict.fromkeys(("s3_key", "job_id", "container", "capacity_provider", "network"), "x"),
    **dict.fromkeys(("job_queue", "job_definition", "manifest_prefix"), "x"),
    **dict.fromkeys(("launch_template", "subnet_ids", "max_price", "tags"), "x"),
    **dict.fromkeys(("security_group_id", "assign_public_ip", "alarm_topic_arn"), "x"),
    "job_env": "JOB_ID=x",
    "user_data": "x # job.env",
    "max_days": 2,
    "no_progress_minutes": 15,
}


@pytest.mark.parametrize(
    "script",
    [
        "option1-ecs-fargate/run.sh",
        "option2-aws-batch/run.sh",
        "option2-aws-batch/submit-files.sh",
        "option3-ec2-spot/launch-spot.sh",
    ],
)
def test_terraform_is_asked_for_its_outputs_once(script: str, tmp_path: Path) -> None:
    """Each question takes a second, with a state in S3 more: launch-spot.sh asked 17."""
    environment = script_environment(tmp_path / "home")
    said = json.dumps({name: {"value": value} for name, value in OUTPUTS.items()}, indent=2)
    stand_ins = {
        "aws": "",
        "terraform": f"""
            echo "$*" >>"$HOME/asked"
            if [ "$1" = state ]; then echo module.shared; else echo {shlex.quote(said)}; fi
        """,
    }
    for name, lines in stand_ins.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{lines}\n")
        (tmp_path / name).chmod(0o755)
    environment["PATH"] = f"{tmp_path}:{environment['PATH']}"
    (tmp_path / "files.txt").write_text("x/a.csv\nx/b.csv\n")
    more = [str(tmp_path / "files.txt")] if script.endswith("/submit-files.sh") else []
    done = subprocess.run(
        ["bash", str(DEPLOY / script), "--dry-run", *more],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "would run: aws" in done.stdout
    assert (tmp_path / "home" / "asked").read_text().splitlines() == [
        "state list",
        "output -no-color -json",
    ]
