"""What `.ci/run` does in two halves is what `tox` does in one, and the order of files is of files
that are there."""

from __future__ import annotations

from configparser import RawConfigParser
from pathlib import Path

from tests.longest_files import LONGEST_FIRST

ROOT = Path(__file__).resolve().parents[3]
GATE = (ROOT / ".ci" / "run").read_text()


def test_the_halves_of_the_gate_leave_nothing_out() -> None:
    tox = RawConfigParser()
    tox.read(ROOT / "tox.ini")
    assert "servers" in tox["tox"]["env_list"]
    assert tox["testenv:servers"]["commands"].split() == [
        "{[testenv:embedded]commands}",
        "{[testenv:containers]commands}",
    ], "what else is in `servers` would not be run by .ci/run"
    assert 'first_half="${test_command#*&& } -e embedded"' in GATE
    assert "tox --skip-env '^servers$'" in GATE
    assert "-s on_containers -- tests/containers" in GATE


def test_each_file_that_is_to_come_first_is_there() -> None:
    folders = (ROOT / "tests" / "integration", ROOT / "tests" / "recovery")
    there = {path.name for folder in folders for path in folder.glob("test_*.py")}
    assert set(LONGEST_FIRST) - there == set()
