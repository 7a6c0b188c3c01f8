"""launch-spot.sh --workers, without an account: terraform and aws are answered by stand-ins, which
keep what the instance would be started with."""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.deploy.folders import DEPLOY, script_environment

JOB_ENV = "S3_BUCKET=data\nS3_KEY=exports/data.csv\nJOB_ID=csv-job-1\nORDER=set\nKAFKA_TOPIC=rows"
USER_DATA = """#cloud-config
write_files:
  - path: /etc/csv-to-kafka/job.env
    encoding: b64
    content: bm9uZQ== # job.env
"""
OUTPUTS = {
    "job_env": JOB_ENV,
    "user_data": USER_DATA,
    "region": "eu-west-1",
    "subnet_ids": "subnet-01",
    "bucket": "data",
    "s3_key": "exports/data.csv",
    "max_days": "2",
    "max_price": "",
    "no_progress_minutes": "15",
    "launch_template": "lt-01:1",
    **dict.fromkeys(
        (
            *("name", "tags", "security_group_id", "assign_public_ip", "alarm_topic_arn"),
            *("log_group_name", "table_name"),
        ),
        "x",
    ),
}
AWS = """#!/usr/bin/env bash
case "$1 $2" in
  "ec2 describe-spot-instance-requests") echo "None" ;;
  "ec2 run-instances")
    while [[ "$1" != --user-data ]]; do shift; done
    cp "${2#file://}" "$HOME/user-data.yaml"
    echo "i-01	sir-01"
    ;;
  "s3api list-objects-v2") echo "exports/day/a.csv" ;;
  "s3api head-object") ;;
esac
"""


NO_KEY = {"s3_key": "", "job_env": "S3_BUCKET=data\nORDER=set\nKAFKA_TOPIC=rows"}
"""What differs where terraform.tfvars names no key: then it names no job either."""


def launch(
    folder: Path, *arguments: str, outputs: Mapping[str, str] = OUTPUTS
) -> subprocess.CompletedProcess[str]:
    environment = script_environment(folder)
    stand_ins = folder / "bin"
    stand_ins.mkdir()
    put_out = json.dumps({name: {"value": said} for name, said in outputs.items()}, indent=2)
    asked = f'[[ "$1" == state ]] && echo module.shared || printf %s {shlex.quote(put_out)}\n'
    for name, text in (("terraform", f"#!/usr/bin/env bash\n{asked}"), ("aws", AWS)):
        (stand_ins / name).write_text(text)
        (stand_ins / name).chmod(0o755)
    environment["PATH"] = f"{stand_ins}:{environment['PATH']}"
    script = DEPLOY / "option3-ec2-spot" / "launch-spot.sh"
    return subprocess.run(
        ["bash", str(script), *arguments], env=environment, capture_output=True, text=True
    )


def job_env(folder: Path) -> list[str]:
    """The lines that the instance's user data write as its settings."""
    (entry,) = yaml.safe_load((folder / "user-data.yaml").read_text())["write_files"]
    return base64.b64decode(entry["content"]).decode().splitlines()


def test_one_worker_leaves_the_order_of_a_set_as_it_is(tmp_path: Path) -> None:
    done = launch(tmp_path, "--s3-key", "exports/day/", "--job-id", "day", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "ORDER=set" in job_env(tmp_path)
    assert not [line for line in job_env(tmp_path) if line.startswith("WORKERS=")]


def test_workers_share_the_files_of_a_set(tmp_path: Path) -> None:
    done = launch(tmp_path, "--s3-key", "exports/day/", "--job-id", "day", "--workers", "3")
    assert done.returncode == 0, done.stderr
    assert sorted(job_env(tmp_path)) == [
        "JOB_ID=day",
        "KAFKA_TOPIC=rows",
        "ORDER=object",
        "S3_BUCKET=data",
        "S3_PREFIX=exports/day/",
        "WORKERS=3",
    ]


def test_workers_may_stand_in_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "spot.conf"
    config.write_text('S3_KEY="exports/day/"\nJOB_ID="day"\nWORKERS="2"\n')
    done = launch(tmp_path, "--config", str(config))
    assert done.returncode == 0, done.stderr
    assert {"ORDER=object", "WORKERS=2"} < set(job_env(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "job"),
    [
        ([], "csv-job-1"),
        (["--s3-key", "exports/data.csv"], "csv-job-1"),
        (["--s3-key", "exports/day/"], "exports/day/"),
        (["--s3-key", "exports/day/", "--job-id", "day"], "day"),
        (["--job-id", "day"], "day"),
    ],
)
def test_another_key_than_the_configured_one_has_a_job_of_its_own(
    tmp_path: Path, arguments: list[str], job: str
) -> None:
    """The configured job would refuse it, by its item, once an instance had started."""
    done = launch(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    assert f"JOB_ID={job}" in job_env(tmp_path)


@pytest.mark.parametrize(("more", "job"), [([], "exports/data.csv"), (["--job-id", "day"], "day")])
def test_where_no_key_is_configured_each_has_a_job_of_its_own(
    tmp_path: Path, more: list[str], job: str
) -> None:
    key = ("--s3-key", "exports/data.csv")
    done = launch(tmp_path, *key, *more, outputs={**OUTPUTS, **NO_KEY})
    assert done.returncode == 0, done.stderr
    assert {f"JOB_ID={job}", "S3_KEY=exports/data.csv"} < set(job_env(tmp_path))


def test_without_workers_a_set_is_loaded_as_the_settings_say(tmp_path: Path) -> None:
    done = launch(tmp_path, "--s3-key", "exports/day/", "--job-id", "day")
    assert done.returncode == 0, done.stderr
    settings = job_env(tmp_path)
    assert "ORDER=set" in settings
    assert not [line for line in settings if line.startswith("WORKERS=")]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--workers", "2"], "--workers is for a set: end the key in /"),
        (["--s3-key", "exports/day/", "--workers", "many"], "--workers needs a number, 1 to 99"),
        (["--workers"], "--workers needs a number"),
        (["--s3-key", "exports/a b.csv"], "--job-id may hold letters, digits and"),
    ],
)
def test_workers_that_cannot_be_are_refused_before_anything_is_launched(
    tmp_path: Path, arguments: list[str], says: str
) -> None:
    done = launch(tmp_path, *arguments)
    assert done.returncode == 1
    assert says in done.stderr
    assert not (tmp_path / "user-data.yaml").exists()
