"""A small model of EventBridge's patterns, as its documentation says: what deploy/ uses of them.

A pattern fits an event if each of its fields does: a field that is an object fits by its own
fields, one that is a list if any of its rules fits. Where the event holds a list, any of its
elements may be the one that fits. EventBridge itself has not run.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

_MISSING = object()


def fits(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether a rule with the pattern gets the event."""
    return all(_field_fits(name, wanted, event) for name, wanted in pattern.items())


def _field_fits(name: str, wanted: Any, event: Mapping[str, Any]) -> bool:
    if name == "$or":
        return any(fits(each, event) for each in wanted)
    value = event.get(name, _MISSING)
    found = value if isinstance(value, list) and value else [value]
    if isinstance(wanted, dict):
        # What is missing has no fields, which `exists: false` may want.
        inner = [{} if each is _MISSING else each for each in found]
        return any(isinstance(each, Mapping) and fits(wanted, each) for each in inner)
    return any(_value_fits(rule, each) for rule in wanted for each in found)


def _value_fits(rule: Any, value: Any) -> bool:
    if not isinstance(rule, dict):
        return bool(rule == value)
    ((kind, wanted),) = rule.items()
    if kind == "exists":
        return (value is not _MISSING) == wanted
    if value is _MISSING:
        return False
    if kind == "anything-but":
        return value not in (wanted if isinstance(wanted, list) else [wanted])
    if kind == "prefix":
        return isinstance(value, str) and value.startswith(wanted)
    if kind == "wildcard":
        # Only a star is one.
        escaped = wanted.replace("[", "[[]").replace("?", "[?]")
        return isinstance(value, str) and fnmatchcase(value, escaped)
    raise NotImplementedError(kind)
