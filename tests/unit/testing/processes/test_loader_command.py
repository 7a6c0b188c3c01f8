"""The command line of a loader that is not ours: what is filled in, inherited and refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from csvkafka.errors import ConfigError
from csvkafka.testing.processes.loader_command import LoaderCommand, placeholder_values

DOCUMENTED = {
    "S3_BUCKET": "b",
    "S3_KEY": "k.csv",
    "KAFKA_BOOTSTRAP_SERVERS": "h:9092",
    "KAFKA_TOPIC": "t",
    "DYNAMODB_TABLE": "d",
    "JOB_ID": "j",
    "AWS_ENDPOINT_URL": "http://h:5000",
}


def test_placeholders_are_filled_in_arguments_and_variables() -> None:
    command = LoaderCommand.parse(
        "cat s3://{bucket}/{key} {bootstrap_servers} {topic} {table} {job_id} {endpoint_url}",
        ["STATE={folder}/state"],
        Path("/tmp"),
    )
    values = placeholder_values(DOCUMENTED, Path("/kept"))
    assert (values["columns"], values["registry"], values["prefix"]) == ("", "", "")
    more = {"CSV_COLUMNS": "/c.toml", "SCHEMA_REGISTRY_URL": "http://r"}
    declared = placeholder_values({**DOCUMENTED, **more}, Path("/kept"))
    assert (declared["columns"], declared["registry"]) == ("/c.toml", "http://r")
    assert command.argv(values)[-8:] == (
        ["/tmp", "cat", "s3://b/k.csv", "h:9092", "t", "d", "j", "http://h:5000"]
    )
    assert command.environment(DOCUMENTED, values)["STATE"] == "/kept/state"


def test_what_this_python_runs_is_told_from_other_programs() -> None:
    values = {"topic": "rows"}
    mine = LoaderCommand.parse(f"{sys.executable} -P -m my.loader {{topic}}")
    assert mine.python_program(values) == ["-m", "my.loader", "rows"]
    script = LoaderCommand.parse(f"{sys.executable} -P loader.py --once")
    assert script.python_program(values) == ["loader.py", "--once"]
    others = ["sh -P loader", *(f"{sys.executable} {rest}" for rest in ("loader.py", "-c -P"))]
    others += [f"{sys.executable} -P{rest}" for rest in ("", " -c pass", " -u loader.py", " -")]
    for other in others:
        assert LoaderCommand.parse(other).python_program(values) is None


def test_braces_that_are_no_placeholder_stay() -> None:
    command = LoaderCommand.parse("""cat '{"a": 1}' '${X}{}'""", working_folder=Path("/tmp"))
    assert command.argv({"topic": "t"})[-2:] == ['{"a": 1}', "${X}{}"]


def test_this_machines_own_access_does_not_reach_the_loader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("KEY_COLUMN", "id")
    monkeypatch.setenv("MY_OWN", "stays")
    environment = LoaderCommand.parse("cat").environment(DOCUMENTED, {})
    assert "AWS_PROFILE" not in environment
    assert "KEY_COLUMN" not in environment
    assert environment["MY_OWN"] == "stays"
    assert environment["JOB_ID"] == "j"


@pytest.mark.parametrize(
    ("command", "variables", "message"),
    [
        ("", [], "empty"),
        ("cat 'open", [], "cannot be read"),
        ("cat {bukket}", [], r"no placeholder \{bukket\}"),
        ("no-such-program-anywhere x", [], "no program 'no-such-program-anywhere'"),
        ("./no-such-file", [], "no program './no-such-file'"),
        ("cat", ["NAME"], "NAME=VALUE"),
        ("cat", ["=x"], "NAME=VALUE"),
    ],
)
def test_what_cannot_be_run_is_refused(command: str, variables: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LoaderCommand.parse(command, variables, Path("/tmp"))
