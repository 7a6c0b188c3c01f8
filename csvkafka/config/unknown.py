"""Names that look like settings but are none. If a program gives one, it is refused. If one only
stands in the environment, which others use too, there is a warning.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from csvkafka.config.settings import SETTINGS
from csvkafka.config.spelling import ARGUMENTS
from csvkafka.errors import ConfigError

_ALSO_READ = ("AWS_REGION", "AWS_DEFAULT_REGION")

_KNOWN = {setting.variable for setting in SETTINGS}
_PREFIXES = {variable.partition("_")[0] for variable in _KNOWN}

REFUSED_LIKENESS, WARNED_LIKENESS = 0.6, 0.9
"""How alike (difflib's ratio) two names must be: the first, to propose a known name to a program;
the second, to take a variable of the environment for a known name that was mistyped (by one or two
letters)."""


def check_settings(settings: Mapping[str, str]) -> None:
    """Refuses names in a program's `settings` that no load reads. What the program took over from
    the environment, as in {**os.environ, "KEY_COLUMN": "id"}, may be anything.

    Raises ConfigError that names each, with what was probably meant."""
    given = [name for name, value in settings.items() if os.environ.get(name) != value]
    problems = []
    for name in given:
        if name in ARGUMENTS:
            problems.append(f"'{name}' is the argument {ARGUMENTS[name]}")
        elif name not in _KNOWN and name not in _ALSO_READ:
            meant = _nearest(name, _KNOWN - ARGUMENTS.keys(), REFUSED_LIKENESS)
            problems.append(f"'{name}' is no setting" + (f", is '{meant}' meant?" if meant else ""))
    if problems:
        raise ConfigError(
            f"settings: {'; '.join(problems)}; set only what csvkafka load --help lists"
        )


def misspelt_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each variable that begins like ours and is none of ours, but has nearly the
    name of one that is not set."""
    not_given = _KNOWN - {name for name, text in environment.items() if text}
    for name in environment:
        if name not in _KNOWN and name.partition("_")[0] in _PREFIXES:
            meant = _nearest(name, not_given, WARNED_LIKENESS)
            if meant is not None:
                yield f"{name} is set, which csvkafka does not read: is {meant} meant?"


def _nearest(name: str, known: Iterable[str], likeness: float) -> str | None:
    import difflib

    found = difflib.get_close_matches(name.upper(), known, n=1, cutoff=likeness)
    return found[0] if found else None
