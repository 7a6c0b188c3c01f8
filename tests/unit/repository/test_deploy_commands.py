"""The commands that docs/deploy.md tells to type are commands: those of AWS by botocore (service,
operation and options), the scripts by their help.

What `aws` itself adds to the API (`logs tail`, `s3 cp`, …) stands in a table here."""

from __future__ import annotations

import functools
import re
import shlex
import subprocess
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name
from botocore.model import ServiceModel

from tests.unit.repository.markdown import CODE, ROOT, blocks, prose

PAGE = ROOT / "docs" / "deploy.md"
SCRIPTS = sorted(
    str(each.relative_to(ROOT))
    for each in (ROOT / "deploy").glob("option*/*.sh")
    if each.name not in {"job.sh", "run-job.sh", "watchdog.sh"}  # these are no operator's
)
AWS = re.compile(r"(?:^|[;|(\s])aws (?=[a-z])")
ALL = {"--query", "--output", "--region"}
ADDED: dict[str, set[str]] = {
    "ec2 authorize-security-group-ingress": {"--protocol", "--port", "--source-group"},
    "logs tail": {"--follow", "--since"},
    "ssm start-session": {"--target"},
}
"""Operations, or options of one, that are not the API's."""


def commands(page: Path) -> list[list[str]]:
    """The words after `aws`, of each command with an operation."""
    texts = [block.text.replace("\\\n", " ") for block in blocks(page, "sh")]
    lines = [line for text in texts for line in text.splitlines()]
    lines += CODE.findall(prose(page).replace("\n   --", " --"))
    found = []
    for line in lines:
        for part in AWS.split(line)[1:]:
            words = words_of(part)
            if len(words) > 1 and not words[1].startswith("-"):
                found.append(words)
    return found


def words_of(text: str) -> list[str]:
    # A command inside of $( … ) ends in its parenthesis.
    parser = shlex.shlex(text, posix=True, punctuation_chars=";|)")
    parser.whitespace_split = True
    words: list[str] = []
    for word in parser:
        if word[0] in ";|)":
            break
        words.append(word)
    return words


@functools.cache
def model_of(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def unknown(words: list[str]) -> list[str]:
    """What is none: the operation, or options of it."""
    service, operation, *rest = words
    added = ADDED.get(f"{service} {operation}", set())
    model = model_of(service)
    known = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in known:
        return [] if added else [f"{service} {operation}"]
    shape = model.operation_model(known[operation]).input_shape
    members = {f"--{xform_name(name, '-')}" for name in (shape.members if shape else ())}
    return [word for word in rest if word.startswith("--") and word not in members | ALL | added]


COMMANDS = commands(PAGE)


def test_the_commands_are_found() -> None:
    found = {" ".join(words[:2]) for words in COMMANDS}
    assert {"iam create-policy", "kms create-key", "ec2 create-vpc-endpoint"} <= found
    assert {"logs tail", "batch terminate-job", "dynamodb create-table"} <= found


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_each_is_one_of_aws(words: list[str]) -> None:
    assert unknown(words) == []


def test_a_mistyped_one_is_seen() -> None:
    assert unknown(["ecs", "stop-tasks", "--cluster", "a"]) == ["ecs stop-tasks"]
    assert unknown(["ecs", "stop-task", "--clusters", "a"]) == ["--clusters"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_tells_its_help_from_the_clones_folder(script: str) -> None:
    """By a path from there, as a shell completes it: a script goes into its own folder."""
    done = subprocess.run(
        ["bash", script, "--help"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Usage: ./{Path(script).name}" in done.stdout
