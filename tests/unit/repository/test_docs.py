"""What the documentation names is there: files that it links to, commands and their options."""

from __future__ import annotations

import functools
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from csvkafka.config.settings import SETTINGS
from tests.unit.repository.markdown import CODE, anchors, blocks, documents, links, name_of, prose
from tests.unit.repository.sessions import NOX_SESSIONS, tox_environments

CSVKAFKA = "from csvkafka.cli.program import main; main()"
OPTION = re.compile(r"--[a-z][a-z0-9-]*")
TO_A_HEADING = re.compile(r"\]\(([^)#\s]*)#([^)\s]+)\)")
VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
VARIABLES = {setting.variable for setting in SETTINGS}
BEGINNINGS = {variable.partition("_")[0] for variable in VARIABLES if "_" in variable}
NO_SETTINGS = {
    "CHECKPOINT_BEGINS",  # a step
    "CSV_DELIMTER",  # mistyped, as an example
}
CALLED = re.compile(r"(?:^|[ /])csvkafka ")


def commands(document: Path) -> Iterator[list[str]]:
    """The words after `csvkafka` of each command line in the document: in shell blocks, and
    between backticks in a sentence."""
    for block in blocks(document, "sh", "bash", "console", "shell"):
        for line in block.text.replace("\\\n", " ").splitlines():
            if "csvkafka" in line:
                yield from commands_in(line.removeprefix("$ "))
    for code in CODE.findall(prose(document)):
        if CALLED.search(code):
            yield from commands_in(code)


def commands_in(line: str) -> Iterator[list[str]]:
    for part in re.split(r"&&|\|\||[;|&]", line):
        words = shlex.split(part, comments=True)
        places = [i for i, word in enumerate(words) if Path(word).name == "csvkafka"]
        if places and all("=" in word for word in words[: places[0]]):
            yield words[places[0] + 1 :]


@functools.cache
def help_of(*command: str) -> str:
    return subprocess.run(
        [sys.executable, "-P", "-c", CSVKAFKA, *command, "--help"],
        env={"COLUMNS": "200", "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_links_between_files_lead_somewhere(document: Path) -> None:
    missing = [target for target in links(document) if not (document.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_links_to_a_heading_lead_to_one(document: Path) -> None:
    for path, anchor in TO_A_HEADING.findall(prose(document)):
        target = document.parent / path if path else document
        assert anchor in anchors(target), f"{path}#{anchor}"


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_sessions_and_environments_that_are_named_exist(document: Path) -> None:
    text = document.read_text("utf-8")
    assert set(re.findall(r"nox -s (\w+)", text)) <= NOX_SESSIONS
    assert set(re.findall(r"tox -e ([\w-]+)", text)) <= tox_environments()


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_what_is_spelled_as_a_setting_is_one(document: Path) -> None:
    named = set(VARIABLE.findall(document.read_text("utf-8"))) - NO_SETTINGS
    like_ours = {name for name in named if name.partition("_")[0] in BEGINNINGS}
    assert like_ours <= VARIABLES


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_commands_and_options_exist(document: Path) -> None:
    for words in commands(document):
        subcommand = [word for word in words[:1] if not word.startswith("-")]
        known = set(OPTION.findall(help_of(*subcommand)))
        used = {word.split("=", 1)[0] for word in words if OPTION.match(word)}
        assert used <= known, f"csvkafka {shlex.join(words)}"


def test_command_lines_are_found_in_every_spelling(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(
        "```sh\nS3_KEY=a .venv/bin/csvkafka load --json \\\n  --table x && csvkafka demo  # why\n"
        "pip install csvkafka\n```\n```console\n$ csvkafka status JOB | jq .\n```\n"
        "Or `S3_KEY=a csvkafka verify --so-far`, for csvkafka itself as well: `csvkafka`.\n"
    )
    assert list(commands(document)) == [
        ["load", "--json", "--table", "x"],
        ["demo"],
        ["status", "JOB"],
        ["verify", "--so-far"],
    ]


def test_a_heading_is_named_as_github_names_it(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("# Who's `judge`d, by [whom](a.md)?\n```sh\n# a comment\n```\n")
    assert anchors(document) == {"whos-judged-by-whom"}


def test_the_page_says_of_each_pinned_version_what_is_needed_instead() -> None:
    """The specification's pins, and the releases that pyproject.toml asks for."""
    page = (Path(__file__).parents[3] / "docs" / "specification.md").read_text("utf-8")
    needs = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))[
        "project"
    ]["dependencies"]
    for name, pinned in (("boto3", "1.34.34"), ("kafka-python", "2.0.2"), ("smart-open", "6.4.0")):
        (needed,) = (n for n in needs if re.match(rf"{name}(\[|>)", n))
        least = re.findall(r">=([\d.]+)", needed)[0]
        assert re.search(
            rf"^\| {name} {pinned} \| {least} or newer.* \| .+ \|$", page, re.MULTILINE
        )
