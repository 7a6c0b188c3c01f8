"""What `.ci/run` does in two halves is what `tox` does in one, on containers it does what `nox`
does, and the order of files is of files that are there."""

from __future__ import annotations

import re
from configparser import RawConfigParser
from pathlib import Path

from tests.longest_files import LONGEST_FIRST

ROOT = Path(__file__).resolve().parents[3]
GATE = (ROOT / ".ci" / "run").read_text()
NOX = (ROOT / "noxfile.py").read_text()


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


def test_the_gate_runs_on_containers_what_nox_does() -> None:
    there = " ".join(re.findall(r"^on_containers\+?='(.*)'$", GATE, re.MULTILINE)).split()
    assert '".venv/bin/tox exec -e embedded -- pytest $on_containers"' in GATE
    session = NOX.split("def on_containers(")[1].split("@nox.session")[0]
    named = re.findall(r'"([^"]+)",\n', session)
    at_once = re.findall(r'"([^"]+)"', NOX.split("AT_ONCE = (")[1].split(")")[0])
    assert named
    assert there == [
        *named,
        *("2" if word.isdecimal() else word for word in at_once),
        *re.findall(r'FAULT_RESULTS = "(.*)"', NOX),
        "tests/containers",
    ]


def test_each_file_that_is_to_come_first_is_there() -> None:
    folders = [ROOT / "tests" / name for name in ("integration", "recovery", "containers")]
    there = {path.name for folder in folders for path in folder.glob("test_*.py")}
    assert set(LONGEST_FIRST) - there == set()
