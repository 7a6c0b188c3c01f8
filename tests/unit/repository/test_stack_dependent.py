"""Tests with servers of their own are known as such: `-m stack_dependent` leaves none out."""

from __future__ import annotations

import re
from pathlib import Path

from tests.own_servers import OWN_SERVERS

TESTS = Path(__file__).parents[2]
TAKES_A_NEW_STACK = re.compile(r"^@pytest\.fixture.*\ndef (\w+)\([^)]*\bnew_stack\b", re.MULTILINE)


def test_each_fixture_that_starts_a_stack_is_listed() -> None:
    suites = ("integration", "recovery")
    texts = [path.read_text() for suite in suites for path in (TESTS / suite).rglob("*.py")]
    starting = {name for text in texts for name in TAKES_A_NEW_STACK.findall(text)}
    assert starting
    assert starting | {"kafka_proxy", "only_on_containers"} == OWN_SERVERS
