"""Mypy reads whatever is Python here: a room of tests that it leaves out collects mistakes."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
# What it imports is there only where a wheel is built.
LEFT_OUT = {"hatch_build.py"}


def test_types_are_checked_wherever_there_is_python() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    shipped = tool["hatch"]["build"]["targets"]["sdist"]["include"]
    places = {name: ROOT / name for name in (place.lstrip("/") for place in shipped)}
    python = {
        name
        for name, place in places.items()
        if place.suffix == ".py" or next(place.rglob("*.py"), None) is not None
    }
    assert python - LEFT_OUT == set(tool["mypy"]["files"])
