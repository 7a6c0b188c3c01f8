"""Each fault of the list has a test, or says why not; each test names a fault of the list."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fault_matrix import Recorder, faults, page

TESTS = Path(__file__).parents[2]
NAMED = re.compile(r"def test_(f\d+(?:_f\d+)*)_")
MARKED = re.compile(r"pytest\.mark\.fault\(([^)]*)\)")


def faults_with_tests() -> set[str]:
    found: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        for names in NAMED.findall(text):
            found.update(name.upper() for name in names.split("_"))
        for arguments in MARKED.findall(text):
            found.update(re.findall(r"F\d+", arguments))
    return found


def test_each_number_stands_once_and_in_order() -> None:
    numbers = [int(fault.fault_id.removeprefix("F")) for fault in faults()]
    assert numbers == sorted(set(numbers))
    assert numbers[:119] == list(range(1, 120))


def test_each_fault_has_a_test_or_a_reason_and_not_both() -> None:
    untested = {fault.fault_id for fault in faults() if fault.untested}
    listed = {fault.fault_id for fault in faults()}
    assert faults_with_tests() == listed - untested


def test_the_page_counts_what_ran_where() -> None:
    text = page(
        [
            {"faults": ["F1", "F2"], "where": "embedded", "outcome": "passed"},
            {"faults": ["F1"], "where": "embedded", "outcome": "passed"},
            {"faults": ["F1"], "where": "model", "outcome": "failed"},
        ]
    )
    assert "| ONCE | embedded: passed 2; model: failed 1 |" in text
    assert re.search(r"^\| F2 \|.*\| embedded: passed 1 \|$", text, re.MULTILINE)
    assert re.search(r"^\| F3 \|.*\| not run: ", text, re.MULTILINE)


def session(**more: object) -> Any:
    return SimpleNamespace(config=SimpleNamespace(**more))


def test_outcomes_are_written_by_the_process_that_sees_all_reports(
    tmp_path: Path,
) -> None:
    there, here = Recorder(tmp_path, "embedded"), Recorder(tmp_path, "embedded")
    item: Any = SimpleNamespace(
        name="test_f5_f9_killed", path=Path(__file__), user_properties=[], iter_markers=lambda _: ()
    )
    other: Any = SimpleNamespace(**{**vars(item), "name": "test_other", "user_properties": []})
    there.pytest_collection_modifyitems([item, other])
    reports: Any = ((item, "setup"), (item, "call"), (other, "call"))
    for test, when in reports:
        properties = json.loads(json.dumps(test.user_properties))  # as they travel
        report = pytest.TestReport(
            test.name, ("", 0, ""), {}, "passed", None, when, user_properties=properties
        )
        for recorder in (there, here):
            recorder.pytest_runtest_logreport(report)
    there.pytest_sessionfinish(session(workeroutput={}))
    assert list(tmp_path.iterdir()) == []
    here.pytest_sessionfinish(session())
    (written,) = tmp_path.iterdir()
    assert written.name == "unit-embedded.json"
    (outcome,) = json.loads(written.read_text())
    assert outcome == {
        "faults": ["F5", "F9"],
        "where": "model",
        "outcome": "passed",
        "test": "test_f5_f9_killed",
    }
