"""docs/model.md and the model's cases tell the same; and what the search prints is read rightly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from model.cases import CASES, HOLDS, REMOVED, SAVES_WORK, SHOWN, Breaks, Holds
from model.check import SOURCE, Searched, judged, missing_tools, verdict

PAGE = Path(__file__).resolve().parents[3] / "docs" / "model.md"
ENDED = "depth reached 9, errors: {}\n 7 states, stored\n 1.5\ttotal actual memory"
FOUND = Searched("assertion violated", True, 7, 2, 0.1, ("worker 1: takes the lease",))


def rows() -> list[list[str]]:
    """The cells of each row of the page's tables."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


def test_the_page_lists_the_cases_that_break_with_their_steps() -> None:
    told = [row for row in rows() if len(row) == 4 and row[1].startswith("`")]
    expected = [[c.why, f"`{c.name}`", c.what, str(c.steps)] for c in (*REMOVED, *SHOWN)]
    assert told == expected


def test_the_page_lists_what_was_searched_and_the_rules_that_save_work() -> None:
    first = [row[0] for row in rows()]
    for case in (*HOLDS, *SAVES_WORK):
        assert case.what in first


def test_each_case_has_a_name_of_its_own_and_defines_that_the_model_knows() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    known = set(re.findall(r"\b[A-Z][A-Z_]+\b", SOURCE.read_text()))
    used = {re.split("[=]", d)[0] for case in CASES for d in case.defines.replace("-D", "").split()}
    assert used <= known


@pytest.mark.parametrize(
    ("case", "searched", "why"),
    [
        (Holds("a", ""), Searched("", True, 7, 2, 0.1), ""),
        (Holds("a", ""), FOUND, "assertion violated"),
        (Holds("a", ""), Searched("", False, 7, 2, 0.1), "the search was not exhaustive"),
        (Breaks("a", "-DA", "b", 1), FOUND, ""),
        (Breaks("a", "-DA", "b", 2), FOUND, "goes wrong after 1 steps, the table says 2"),
        (Breaks("a", "-DA", "b", 1), Searched("", True, 7, 2, 0.1), "nothing goes wrong"),
    ],
)
def test_the_verdict(case: Holds | Breaks, searched: Searched, why: str) -> None:
    assert verdict(case, searched) == why


def test_a_search_that_ran_out_of_depth_or_memory_is_not_exhaustive() -> None:
    assert judged(ENDED.format(0), 1.0, "").exhaustive
    assert not judged("error: max search depth too small\n" + ENDED.format(0), 1.0, "").exhaustive
    assert not judged("pan: reached -DMEMLIM bound\n" + ENDED.format(0), 1.0, "").exhaustive


def test_an_error_is_never_read_as_none() -> None:
    assert judged(ENDED.format(1), 1.0, "").error
    named = judged("pan:1: assertion violated 0\n" + ENDED.format(1), 1.0, "")
    assert named.error == "assertion violated 0"


def test_what_is_missing_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert missing_tools().startswith("the model needs spin and cc: ")
    assert "\n" not in missing_tools()
