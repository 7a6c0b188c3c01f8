"""Both encoders are tested where both may matter: what the run by the Python encoder leaves out
reaches neither."""

from __future__ import annotations

import ast
from configparser import RawConfigParser
from pathlib import Path

import pytest

from tests.unit.repository.rooms import ROOT, imports_of

CHOICE = ROOT / "csvkafka" / "compiled.py"
"""Whoever may encode by either asks this module."""


def named_in_noxfile(name: str) -> list[str]:
    for node in ast.parse((ROOT / "noxfile.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return list(ast.literal_eval(node.value))
    raise KeyError(name)


def file_of(module: str, name: str) -> Path | None:
    """The file that `from module import name` reads: of the name, if that is a module."""
    for dotted in (f"{module}.{name}", module):
        path = ROOT.joinpath(*dotted.split("."))
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.exists():
                return file
    return None


def reached_from(path: Path) -> set[Path]:
    """All files of ours that it imports, and they import, at any time."""
    reached: set[Path] = set()
    to_read = [path]
    while to_read:
        path = to_read.pop()
        if path not in reached:
            reached.add(path)
            to_read += filter(None, (file_of(*imported) for imported in imports_of(path)))
    return reached


@pytest.mark.parametrize("file", named_in_noxfile("OF_NO_ENCODER"))
def test_what_is_left_out_reaches_no_encoder(file: str) -> None:
    assert CHOICE not in reached_from(ROOT / file), f"{file} belongs into the run by each encoder"


def test_what_reaches_an_encoder_is_seen() -> None:
    assert CHOICE in reached_from(ROOT / "tests/unit/encode/test_encoder.py")
    assert CHOICE in reached_from(ROOT / "tests/unit/rows/test_blocks.py")


def test_tox_and_nox_leave_out_the_same() -> None:
    tox = RawConfigParser()
    tox.read(ROOT / "tox.ini")
    words = tox["encoders"]["commands"].split()
    left_out = [word.removeprefix("--ignore=") for word in words if word.startswith("--ignore=")]
    assert left_out == named_in_noxfile("OF_NO_ENCODER")
    folders = [word for word in words if word.startswith("tests/")]
    assert sorted(folders) == sorted(named_in_noxfile("OF_ENCODERS"))
