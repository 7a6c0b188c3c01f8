"""Points: the named places of a fake where a test may do something to its caller, or to its answer.

Each call of a fake meets a point (`table-write`, `produce`, ...). What is met there is decided by
the caller of the fake: nothing, an action by its name (the fake says which it knows), or anything
that raises (the caller dies).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

Meet = Callable[[str], str]
"""(name of a point) -> the action that is met there, "" for none; may block or raise."""


def nothing(_: str) -> str:
    """Meets no action anywhere."""
    return ""


class Script:
    """Meets the actions of a list: `Script({"table-write#2": "throttle"})`; counts from 1.

    `met` holds all points that were met, in order."""

    def __init__(self, actions: Mapping[str, str] | None = None) -> None:
        self.actions = dict(actions or {})
        self.met: list[str] = []
        self._counts: Counter[str] = Counter()

    def __call__(self, point: str) -> str:
        self._counts[point] += 1
        name = f"{point}#{self._counts[point]}"
        self.met.append(name)
        return self.actions.get(name, "")


class OnTheirWay:
    """What a client has sent and the server has not yet taken: when the client dies, someone must
    say what becomes of it."""

    def __init__(self) -> None:
        self._effects: dict[int, Callable[[], object]] = {}
        self._number = 0
        self.changes = 0
        """How often something was added or removed."""

    def add(self, effect: Callable[[], object]) -> int:
        """The client has sent something; `effect` is what it does once the server takes it."""
        self._number += 1
        self.changes += 1
        self._effects[self._number] = effect
        return self._number

    def done(self, number: int) -> None:
        """The server has taken it, or never will."""
        self.changes += 1
        self._effects.pop(number, None)

    def pending(self, number: int) -> bool:
        """Nobody has taken or dropped it yet."""
        return number in self._effects

    @property
    def any(self) -> bool:
        """Something is on its way."""
        return bool(self._effects)

    def abandon(self) -> list[Callable[[], object]]:
        """The client is dead: hands over what is on its way, in order, to be done by hand."""
        self.changes += 1
        effects = list(self._effects.values())
        self._effects.clear()
        return effects
