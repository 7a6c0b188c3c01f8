"""Tests with servers of their own are known as such: `-m stack_dependent` leaves none out."""

from __future__ import annotations

import re
from pathlib import Path

from tests.own_servers import OTHER_PROPERTIES, OWN_SERVERS

TESTS = Path(__file__).parents[2]
TAKES_A_NEW_STACK = re.compile(r"^@pytest\.fixture.*\ndef (\w+)\([^)]*\bnew_stack\b", re.MULTILINE)
MARKED = re.compile(
    r"^@pytest\.mark\.stack_dependent\n(?:@.*\n)*def test_\w+\(([^)]*)", re.MULTILINE
)


def texts() -> list[str]:
    suites = ("integration", "recovery")
    paths = [path for suite in suites for path in (TESTS / suite).rglob("*.py")]
    return [path.read_text() for path in (TESTS / "conftest.py", *paths)]


def test_each_fixture_that_starts_a_stack_is_listed() -> None:
    starting = {name for text in texts() for name in TAKES_A_NEW_STACK.findall(text)}
    assert starting
    others = {"harmed_stack", "kafka_proxy", "forgetful_proxy", "only_on_containers"}
    assert starting | others == OWN_SERVERS | OTHER_PROPERTIES


def test_properties_are_seen_to_arrive_on_each_stack() -> None:
    marked = [parameters for text in texts() for parameters in MARKED.findall(text)]
    for fixture in OTHER_PROPERTIES:
        assert any(fixture in parameters for parameters in marked), fixture
