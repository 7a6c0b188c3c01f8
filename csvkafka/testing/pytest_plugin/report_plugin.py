"""pytest: one HTML page of all recovery cases of a session, by `--csvkafka-report FILE`.

Where pytest-xdist runs the tests in several processes, each hands over what its cases left behind,
and the first process writes the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from csvkafka.testing.history import History, parse_history

if TYPE_CHECKING:
    from csvkafka.testing.judging.recovery_case import RecoveryCase

OPTION = "--csvkafka-report"


@dataclass(frozen=True, slots=True)
class _Told:
    """What a case left behind. `node_id` is its test's."""

    node_id: str
    history: History
    row_count: int


_TOLD = pytest.StashKey[list[_Told]]()


def add_option(group: pytest.OptionGroup) -> None:
    """Adds `--csvkafka-report`."""
    group.addoption(
        OPTION,
        type=Path,
        metavar="FILE",
        default=None,
        help="write an HTML page that shows each recovery case: rows, kills, faults over time",
    )


def remember(request: pytest.FixtureRequest, case: RecoveryCase) -> None:
    """Puts the case on the page, if there is to be one."""
    if request.config.getoption(OPTION) is not None:
        told = _Told(request.node.nodeid, case.history, case.row_count)
        request.config.stash.setdefault(_TOLD, []).append(told)


_HANDED_OVER = "csvkafka report"


def hand_over(config: pytest.Config) -> None:
    """In a process of pytest-xdist, at its end: its cases go to the first process."""
    output: dict[str, Any] = config.workeroutput  # type: ignore[attr-defined]
    output[_HANDED_OVER] = [
        (told.node_id, list(told.history.lines()), told.row_count)
        for told in config.stash.get(_TOLD, [])
    ]


def take_over(config: pytest.Config, output: dict[str, Any]) -> None:
    """In the first process, when another has ended: `output` is what that one handed over."""
    config.stash.setdefault(_TOLD, []).extend(
        _Told(node_id, History(parse_history(lines)), row_count)
        for node_id, lines, row_count in output.get(_HANDED_OVER, [])
    )


def write_report(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Writes the page once every outcome is known."""
    path: Path | None = config.getoption(OPTION, default=None)
    if path is None:
        return
    from csvkafka.testing.report.report import Run, runs_page, write_page

    outcomes = _outcomes(terminalreporter)
    runs = [
        Run(
            told.node_id.rpartition("/")[2],
            outcomes.get(told.node_id, "not run to its end"),
            # Its own time: a test may have many cases.
            max((event.seconds for event in told.history.events()), default=0.0),
            told.history,
            told.row_count,
        )
        for told in config.stash.get(_TOLD, [])
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_page(path, runs_page("Recovery tests", "every load that was harmed, and its end", runs))
    terminalreporter.write_line(f"csvkafka report: {path}")


def _outcomes(terminalreporter: pytest.TerminalReporter) -> dict[str, str]:
    """How each test ended, set-up and tear-down included."""
    outcomes: dict[str, str] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                node = report.nodeid
                if report.failed or (report.when == "call" and node not in outcomes):
                    outcomes[node] = report.outcome
    return outcomes
