"""The workflows call what a person can call: sessions that the noxfile has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from csvkafka.local.releases import choose_release, known_releases
from tests.unit.repository.markdown import ROOT
from tests.unit.repository.sessions import NOX_SESSIONS

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_each_session_that_a_workflow_calls_is_there(workflow: Path) -> None:
    text = workflow.read_text()
    called = set(re.findall(r"\"\$NOX\" -s (\w+)", text))
    assert called, "the workflow calls no session"
    assert called - NOX_SESSIONS == set()
    steps = re.findall(r"run: (.+)", text)
    by_hand = ("pipx ", "docker ", "sudo apt-get ")
    others = [step for step in steps if not step.startswith(by_hand)]
    assert others == [], "a step that nobody can repeat by name"


def test_publishing_waits_for_every_other_job() -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    jobs = set(re.findall(r"^  (\w+):$", text.partition("\njobs:\n")[2], re.MULTILINE))
    (needs,) = re.findall(r"needs: \[(.+)\]", text)
    assert set(needs.split(", ")) == jobs - {"publish"}


def test_each_release_of_kafka_that_is_locked_is_tested_at_night() -> None:
    text = (ROOT / ".github" / "workflows" / "nightly.yml").read_text()
    (matrix,) = re.findall(r"kafka: \[(.+)\]", text)
    assert [choose_release(name) for name in re.findall(r'"(.+?)"', matrix)] == list(
        known_releases()
    )
