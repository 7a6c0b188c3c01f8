"""One planted bug: what shows it, and what must be found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.planted.scenarios import Found, Ground

Scenario = Callable[[Ground], Found]


@dataclass(frozen=True, slots=True)
class Plant:
    """A bug by the name of its patch. One of `must` has to be found, and nothing that is neither
    in `must` nor in `may`: else it was seen for another reason than its own."""

    name: str
    what: str
    scenario: Scenario
    must: frozenset[str]
    may: frozenset[str] = frozenset()


def plant(name: str, what: str, scenario: Scenario, must: str, *may: str) -> Plant:
    """`must` is one name, or several with "or" between."""
    return Plant(name, what, scenario, frozenset(must.split(" or ")), frozenset(may))
