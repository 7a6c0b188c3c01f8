"""tests/deploy/README.md names tests that are there; no row is without one or a reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "tests" / "deploy"
ROW = re.compile(r"^\| (?!what would hurt|-)(.+) \| (.+) \|$", re.M)
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
ROWS = ROW.findall((FOLDER / "README.md").read_text("utf-8"))


def is_there(file: str, test: str) -> bool:
    path = (ROOT if "/" in file else FOLDER) / file
    return path.exists() and f"\ndef {test}(" in path.read_text("utf-8")


def test_the_rows_are_found() -> None:
    assert len(ROWS) > 40


@pytest.mark.parametrize(("hurts", "seen_by"), ROWS, ids=[hurts[:60] for hurts, _ in ROWS])
def test_each_row_has_tests_that_are_there_or_a_reason(hurts: str, seen_by: str) -> None:
    named = NAMED.findall(seen_by)
    assert named or seen_by.startswith(("none possible", "every test")), hurts
    assert [name for name in named if not is_there(*name)] == []


def test_a_name_that_is_not_there_is_seen() -> None:
    assert not is_there("test_scripts.py", "test_of_nothing")
    assert not is_there("test_nothing.py", "test_shellcheck_is_content")
