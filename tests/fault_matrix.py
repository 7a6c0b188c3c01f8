"""Which fault was injected by which test, how often, where, and what came of it.

As a pytest plugin (`tests/conftest.py`) it writes the outcomes of a session's fault tests into the
folder that `--fault-results` names, a file for each suite and stack (recovery-embedded.json). As a
program it makes docs/fault-matrix.md of such files:

    python -m tests.fault_matrix reports/faults/*.json > docs/fault-matrix.md
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FAULTS = Path(__file__).with_name("faults.toml")
FAULT = "fault"
"""The property of a test's report that says which faults it stands for."""

_ID_IN_NAME = re.compile(r"(?<![a-z])f(\d+)(?=_|$|\[)")

HEAD = """# Fault matrix

Each fault that a load must survive, and what came of it when the suites ran. Made by
`nox -s faults` from `tests/faults.toml`, which explains the words for outcomes, and the outcomes of
the tests that are named after the faults. *Ran*: `model` is the rules alone, `simulator` the real
loop on fakes and virtual time, `embedded` and `containers` are real processes and real brokers.
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the list."""

    fault_id: str
    section: str
    text: str
    expected: str
    untested: str


def faults() -> list[Fault]:
    """The list, in its order."""
    listed = tomllib.loads(FAULTS.read_text(encoding="utf-8"))
    untested = listed.pop("untested")
    return [
        Fault(fault_id, section["title"], value[0], value[1], untested.get(fault_id, ""))
        for section in listed.values()
        for fault_id, value in section.items()
        if fault_id != "title"
    ]


def faults_of(item: pytest.Item) -> set[str]:
    """The faults that a test stands for: `test_f54_f55_...`, `@pytest.mark.fault("F19")`."""
    named = {f"F{number}" for number in _ID_IN_NAME.findall(item.name.removeprefix("test_"))}
    return named.union(*(mark.args for mark in item.iter_markers("fault")))


def where(item: pytest.Item, stack: str) -> str:
    """On what the test ran."""
    path = item.path.as_posix()
    if "/containers/" in path:
        return "containers"
    if "simulat" in item.path.name:
        return "simulator"
    if "/unit/" in path:
        return "model"
    return stack


class Recorder:
    """Notes the outcome of each fault test of a session, and writes them at its end.

    What a test stands for goes along with its report: where pytest-xdist runs the tests in other
    processes, the first one sees the reports alone, and writes what all of them did."""

    def __init__(self, folder: Path, stack: str) -> None:
        self._folder = folder
        self._stack = stack
        self._outcomes: dict[str, list[dict[str, object]]] = defaultdict(list)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if ids := sorted(faults_of(item)):
                suite = item.path.relative_to(FAULTS.parent).parts[0]
                about = {"faults": ids, "where": where(item, self._stack), "suite": suite}
                item.user_properties.append((FAULT, about))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        about: Any = dict(report.user_properties).get(FAULT)
        if about is not None and (report.when == "call" or not report.passed):
            outcome = {"outcome": report.outcome, "test": report.nodeid}
            self._outcomes[about["suite"]].append(
                {"faults": about["faults"], "where": about["where"], **outcome}
            )

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            return
        for suite, outcomes in self._outcomes.items():
            self._folder.mkdir(parents=True, exist_ok=True)
            target = self._folder / f"{suite}-{self._stack}.json"
            target.write_text(json.dumps(outcomes, indent=1), encoding="utf-8")


def page(results: Iterable[Mapping[str, object]]) -> str:
    """The document."""
    runs: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for result in results:
        for fault_id in result["faults"]:  # type: ignore[attr-defined]
            runs[fault_id][str(result["where"])][str(result["outcome"])] += 1
    lines = [HEAD]
    section = ""
    for fault in faults():
        if fault.section != section:
            section = fault.section
            lines += [
                "",
                f"## {section}",
                "",
                "| id | fault | must end as | ran |",
                "|---|---|---|---|",
            ]
        ran = runs.get(fault.fault_id)
        shown = (
            "; ".join(_ran(place, counts) for place, counts in sorted(ran.items())) if ran else ""
        )
        lines.append(
            f"| {fault.fault_id} | {fault.text} | {fault.expected} | "
            f"{shown or 'not run: ' + (fault.untested or 'no result was given')} |"
        )
    return "\n".join(lines) + "\n"


def _ran(place: str, counts: Counter[str]) -> str:
    times = ", ".join(f"{outcome} {count}" for outcome, count in sorted(counts.items()))
    return f"{place}: {times}"


def main(paths: Iterable[str]) -> None:
    """Prints the page of the given files."""
    results = [result for path in paths for result in json.loads(Path(path).read_text())]
    print(page(results), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
