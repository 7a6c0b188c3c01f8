"""Planted bugs: small replacements of csvkafka's own functions, each a mistake that loaders make.

Nothing here is reachable from the product. `planted(names)` replaces for the length of a `with`;
`planted_worker.py` replaces for the life of a worker process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

Patch = Callable[[], None]

_PATCHES: dict[str, Patch] = {}
_REPLACED: list[tuple[Any, str, Any]] = []
_MODULES = (
    *("core", "epochs", "ledger", "reading", "records", "routes", "rows", "set_files", "sets"),
    "sizes",
)


def patch(name: str) -> Callable[[Patch], Patch]:
    """Registers the function that plants the bug (or fault) of that name."""

    def register(function: Patch) -> Patch:
        assert name not in _PATCHES, name
        _PATCHES[name] = function
        return function

    return register


def replace(owner: Any, name: str, new: Any) -> None:
    """Puts `new` in the place of an attribute that must be there."""
    _REPLACED.append((owner, name, vars(owner)[name]))
    setattr(owner, name, new)


def names() -> set[str]:
    """All that can be planted."""
    for module in _MODULES:
        import_module(f"{__name__}.{module}")
    return set(_PATCHES)


def plant(chosen: str) -> None:
    """Plants them, separated by commas, for good."""
    known = names()
    for name in filter(None, chosen.split(",")):
        assert name in known, f"there is no planted bug {name!r}"
        _PATCHES[name]()


@contextmanager
def planted(chosen: str) -> Iterator[None]:
    """Plants them inside the `with`."""
    plant(chosen)
    try:
        yield
    finally:
        while _REPLACED:
            owner, name, before = _REPLACED.pop()
            setattr(owner, name, before)
