"""Reads TOML and gathers all that is wrong with it, each mistake with its line and column."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from csvkafka.schema.fitting import unknown
from csvkafka.schema.table import Kind

KeyPath = tuple[str, ...]
"""The names of the tables that a key stands in, and its own; of a table in an array, its number (1
is the first) after the array's name."""


class TomlReader:
    """One reading; gathers `mistakes`."""

    def __init__(self, document: Mapping[str, object], text: str) -> None:
        self._document = document
        self._places = _places(text)
        self.mistakes: list[str] = []

    def _section(self, name: str) -> Mapping[str, object]:
        section = self._document.get(name, {})
        if not isinstance(section, dict):
            self._note((name,), f"must be a table, [{name}]")
            return {}
        return section

    def _array(self, name: str, example: str) -> Iterator[tuple[KeyPath, Mapping[str, object]]]:
        """The tables of an array, such as [[drop]]."""
        declared = self._document.get(name, [])
        if not isinstance(declared, list) or not all(isinstance(each, dict) for each in declared):
            self._note((name,), f"must be tables, as in [[{name}]] {example}")
            return
        for number, each in enumerate(declared, 1):
            yield (name, str(number)), each

    def _check_names(
        self, path: KeyPath, declared: Mapping[str, object], known: Iterable[str]
    ) -> None:
        for name in declared:
            if name not in known:
                self._note((*path, name), unknown(name, known, "setting of a table"))

    def _choice(
        self, path: KeyPath, declared: Mapping[str, object], known: Iterable[str], default: str
    ) -> str:
        given = declared.get(path[-1], default)
        names = [str(name) for name in known]
        if given not in names:
            self._note(path, f"must be one of {', '.join(names)}, not {given!r}")
            return default
        return str(given)

    def _flag(
        self,
        path: KeyPath,
        declared: Mapping[str, object],
        kind: Kind | None = None,
        kinds: Sequence[Kind] = (),
    ) -> bool:
        given = declared.get(path[-1], False)
        if not isinstance(given, bool):
            self._note(path, f"must be true or false, not {given!r}")
            return False
        if given and kinds and kind not in kinds:
            self._note(path, f"is for {', '.join(kinds)}")
        return given

    def _text(self, path: KeyPath, declared: Mapping[str, object]) -> str:
        given = declared[path[-1]]
        if not isinstance(given, str) or not given:
            self._note(path, f"must be text that is not empty, not {given!r}")
            return ""
        return given

    def _texts(self, path: KeyPath, declared: Mapping[str, object]) -> tuple[str, ...]:
        given = declared.get(path[-1], [])
        if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
            self._note(path, f'must be a list of texts, such as ["", "NULL"], not {given!r}')
            return ()
        return tuple(given)

    def _note(self, path: KeyPath, mistake: str) -> None:
        while path and path not in self._places:
            path = path[:-1]
        line, column = self._places.get(path, (1, 1))
        where = ".".join(path)
        self.mistakes.append(
            f"line {line}, column {column}: {where + ' ' if where else ''}{mistake}"
        )


def _places(text: str) -> dict[KeyPath, tuple[int, int]]:
    """Where each table and each key stands first: line and column, 1 is the first of both."""
    places: dict[KeyPath, tuple[int, int]] = {}
    section: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if element := re.match(r"\s*\[(\[[^\[].*?\])\]\s*(#.*)?$", line):
            array = _path_of(element[1])
            counts[array] = counts.get(array, 0) + 1
            path = section = (*array, str(counts[array]))
        elif header := re.match(r"\s*(\[[^\[].*?\])\s*(#.*)?$", line):
            path = section = _path_of(header[1])
        elif key := re.match(r"""\s*((?:[\w.-]+|"[^"]*"|'[^']*')+)\s*=""", line):
            path = (*section, *_path_of(f"{key[1]} = 0"))
        else:
            continue
        for depth in range(1, len(path) + 1):
            places.setdefault(path[:depth], (number, len(line) - len(line.lstrip()) + 1))
    return places


def _path_of(statement: str) -> KeyPath:
    """The path of one table header or key; () for what is none."""
    try:
        found: object = tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return ()
    path = []
    while isinstance(found, dict) and found:
        name, found = next(iter(found.items()))
        path.append(name)
    return tuple(path)
