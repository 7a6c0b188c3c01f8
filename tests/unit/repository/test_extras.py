"""The extra `testing` brings all that the harness imports; `tests` is what only our tests need."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import packages_distributions, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

USE_EVERYTHING = """
import importlib, pkgutil, sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"{name} does not come with the extra", name=name)

sys.meta_path.insert(0, Refusing())
import csvkafka.testing as face
for name in face.__all__:
    getattr(face, name)
for module in pkgutil.walk_packages(face.__path__, face.__name__ + "."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


def brought_by(extra: str) -> set[str]:
    """The distributions that `csvkafka[extra]` installs, by their canonical names."""
    open_ends = [("csvkafka", frozenset({extra}))]
    brought: set[tuple[str, frozenset[str]]] = set()
    while open_ends:
        name, extras = open_ends.pop()
        if (name, extras) in brought:
            continue
        brought.add((name, extras))
        for text in requires(name) or ():
            needed = Requirement(text)
            wanted = (needed.marker is None, *(_holds(needed, of) for of in ("", *extras)))
            if any(wanted):
                open_ends.append((canonicalize_name(needed.name), frozenset(needed.extras)))
    return {name for name, _ in brought}


def _holds(needed: Requirement, extra: str) -> bool:
    return needed.marker is not None and needed.marker.evaluate({"extra": extra})


def not_brought_by(extra: str) -> set[str]:
    """Top-level modules that are installed here, but not by `csvkafka[extra]`."""
    brought = brought_by(extra)
    return {
        module
        for module, distributions in packages_distributions().items()
        if brought.isdisjoint(map(canonicalize_name, distributions))
    }


def test_the_harness_works_with_its_own_extra_alone() -> None:
    refused = not_brought_by("testing")
    assert {"pyarrow", "confluent_kafka", "gcp_storage_emulator"} <= refused
    code = f"REFUSED = {refused!r}\n{USE_EVERYTHING}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_our_own_tests_have_an_extra_that_holds_the_harness_too() -> None:
    assert brought_by("testing") < brought_by("tests")
