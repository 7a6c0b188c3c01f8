"""Reads the declared table from TOML. All mistakes are said at once, each with line and column.

Whether the table fits the columns of a file is for `fitting` to say.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from csvkafka.errors import ConfigError
from csvkafka.schema.fitting import unknown
from csvkafka.schema.table import (
    Ambiguous,
    Column,
    Drop,
    KeyFormat,
    Kind,
    Metadata,
    RecordFormat,
    RecordTable,
    SubjectBy,
    Test,
    Undeclared,
)
from csvkafka.schema.types import parse_type

_RECORD_KEYS = (
    "format",
    "key",
    "key_format",
    "metadata",
    "null",
    "undeclared",
    "subject",
    "name",
    "schema",
)
_COLUMN_KEYS = (
    "type",
    "null",
    "rename",
    "drop",
    "constant",
    "hash",
    "mask",
    "leading_zeros",
    "as_text",
    "ambiguous",
    "true",
    "false",
)
_TESTS = ("equals", "in", "matches", "empty")
_DROP_KEYS = ("column", *_TESTS, *(f"not_{test}" for test in _TESTS))
_NUMBERS = (Kind.INT, Kind.LONG, Kind.FLOAT, Kind.DOUBLE, Kind.DECIMAL)
_HASHES = ("blake2b",)

_Path = tuple[str, ...]


def read_table(
    text: str, name: str, hash_key: bytes = b"", folder: Path | None = None
) -> RecordTable:
    """The table that the TOML `text` declares; `name` is what messages call it. The path of a
    schema is one from `folder`, or from where the program runs.

    Raises ConfigError that lists all mistakes, each with its line and column."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name} is no TOML: {error}; repair it (CSV_COLUMNS)") from error
    reader = _Reader(document, text, folder or Path())
    table = reader.table()
    if not reader.mistakes and any(column.is_hashed for column in table.columns) and not hash_key:
        reader.mistakes.append(
            "a column is hashed, and CSV_HASH_KEY is not set: without a key, a hash of a short "
            "value is undone by trying all values"
        )
    if reader.mistakes:
        raise ConfigError(f"{name}: {'; '.join(reader.mistakes)}; repair the table (CSV_COLUMNS)")
    return replace(table, hash_key=hash_key)


class _Reader:
    """One reading; gathers `mistakes`."""

    def __init__(self, document: Mapping[str, object], text: str, folder: Path) -> None:
        self._document = document
        self._folder = folder
        self._places = _places(text)
        self.mistakes: list[str] = []

    def table(self) -> RecordTable:
        self._check_names((), self._document, ("record", "columns", "drop"))
        record = self._section("record")
        self._check_names(("record",), record, _RECORD_KEYS)
        record_format = RecordFormat(
            self._choice(("record", "format"), record, RecordFormat, "json")
        )
        key = record.get("key", [])
        names = (key,) if isinstance(key, str) else self._texts(("record", "key"), record)
        key_format = KeyFormat(self._choice(("record", "key_format"), record, KeyFormat, "text"))
        if key_format is KeyFormat.TEXT and len(names) > 1:
            self._note(
                ("record", "key"),
                'several columns make no text: set key_format = "json", or name one column',
            )
        self._check_schema_settings(record, record_format, key_format)
        return RecordTable(
            columns=tuple(self._columns()),
            key=names,
            key_format=key_format,
            metadata=Metadata(self._choice(("record", "metadata"), record, Metadata, "value")),
            nulls=self._texts(("record", "null"), record),
            undeclared=Undeclared(
                self._choice(("record", "undeclared"), record, Undeclared, "refuse")
            ),
            format=record_format,
            subject=SubjectBy(self._choice(("record", "subject"), record, SubjectBy, "topic")),
            name=self._text(("record", "name"), record) if "name" in record else "",
            given_schema=self._given_schema(record),
            drops=tuple(self._drops()),
        )

    def _check_schema_settings(
        self, record: Mapping[str, object], record_format: RecordFormat, key_format: KeyFormat
    ) -> None:
        is_json = record_format is RecordFormat.JSON
        for option in ("subject", "name"):
            if option in record and is_json and key_format is not KeyFormat.AVRO:
                self._note(("record", option), 'is for format = "avro" or "json-schema"')
        if "schema" in record and is_json:
            self._note(("record", "schema"), 'is for format = "avro" or "json-schema"')
        has_name = "name" in record or "schema" in record
        if record.get("subject") == "record" and not has_name:
            self._note(("record", "subject"), 'needs a name, such as name = "orders.Order"')

    def _given_schema(self, record: Mapping[str, object]) -> str:
        """The text of the schema that is named, beside the table."""
        if "schema" not in record:
            return ""
        path = self._folder / self._text(("record", "schema"), record)
        try:
            text = path.read_text("utf-8")
            json.loads(text)
        except (OSError, ValueError) as error:
            self._note(("record", "schema"), f"{str(path)!r} is no file of JSON ({error})")
            return ""
        return text

    def _drops(self) -> Iterator[Drop]:
        declared = self._document.get("drop", [])
        if not isinstance(declared, list) or not all(isinstance(each, dict) for each in declared):
            self._note(("drop",), 'must be tables, as in [[drop]] column = "state" equals = "void"')
            return
        for number, each in enumerate(declared, 1):
            drop = self._drop(("drop", str(number)), each)
            if drop is not None:
                yield drop

    def _drop(self, path: _Path, declared: Mapping[str, object]) -> Drop | None:
        self._check_names(path, declared, _DROP_KEYS)
        if "column" not in declared:
            self._note(path, "names no column")
            return None
        column = self._text((*path, "column"), declared)
        given = [name for name in declared if name in _DROP_KEYS and name != "column"]
        if len(given) != 1:
            self._note(path, f"needs one of {', '.join(_DROP_KEYS[1:])}, and has {len(given)}")
            return None
        (name,) = given
        place, is_negated = (*path, name), name.startswith("not_")
        match name.removeprefix("not_"):
            case "equals":
                text = declared[name]
                if not isinstance(text, str):
                    self._note(place, f"must be text, not {text!r}")
                    return None
                return Drop(column, Test.IN, (text,), is_negated=is_negated)
            case "in":
                texts = self._texts(place, declared)
                if declared[name] == []:
                    self._note(place, "is empty; name at least one text")
                return Drop(column, Test.IN, texts, is_negated=is_negated)
            case "matches":
                return Drop(
                    column,
                    Test.MATCHES,
                    pattern=self._pattern(place, declared),
                    is_negated=is_negated,
                )
        if declared[name] is not True:
            self._note(place, f"must be true, not {declared[name]!r}")
        return Drop(column, Test.EMPTY, is_negated=is_negated)

    def _pattern(self, path: _Path, declared: Mapping[str, object]) -> str:
        pattern = self._text(path, declared)
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            self._note(path, f"{pattern!r} is no regular expression ({error})")
        return pattern

    def _columns(self) -> Iterator[Column]:
        for name, declared in self._section("columns").items():
            path = ("columns", name)
            if isinstance(declared, str):
                declared = {"type": declared}
            if not isinstance(declared, dict):
                self._note(path, 'must be a type, as in price = "decimal(12,2)", or a table')
                continue
            self._check_names(path, declared, _COLUMN_KEYS)
            yield self._column(path, name, declared)

    def _column(self, path: _Path, name: str, declared: Mapping[str, object]) -> Column:
        column = Column(name)
        if "type" in declared:
            try:
                column = replace(column, type=parse_type(str(declared["type"])))
            except ValueError as error:
                self._note((*path, "type"), str(error))
        kind = column.type.kind
        if "null" in declared:
            column = replace(column, nulls=self._texts((*path, "null"), declared))
        if "rename" in declared:
            column = replace(column, rename=self._text((*path, "rename"), declared))
        if "hash" in declared:
            self._choice((*path, "hash"), declared, _HASHES, "blake2b")
        for option in ("hash", "mask"):
            if option in declared and ("type" in declared and kind is not Kind.STRING):
                self._note((*path, option), f"makes a string, so the type cannot be {kind}")
        if sum(option in declared for option in ("hash", "mask", "constant", "drop")) > 1:
            self._note(path, "hash, mask, constant and drop exclude each other")
        column = replace(
            column,
            is_dropped=self._flag((*path, "drop"), declared),
            constant=self._constant((*path, "constant"), declared),
            is_hashed="hash" in declared,
            leading_zeros=self._flag((*path, "leading_zeros"), declared, kind, _NUMBERS),
            as_text=self._flag(
                (*path, "as_text"), declared, kind, (Kind.INT, Kind.LONG, Kind.DECIMAL)
            ),
            ambiguous=Ambiguous(self._choice((*path, "ambiguous"), declared, Ambiguous, "refuse")),
        )
        if "mask" in declared:
            column = self._masked(path, column, declared["mask"])
        return self._boolean(path, column, declared)

    def _constant(
        self, path: _Path, declared: Mapping[str, object]
    ) -> str | int | float | bool | None:
        given = declared.get(path[-1])
        if given is None or isinstance(given, str | bool):
            return given
        if isinstance(given, float) and math.isfinite(given):
            return given
        if isinstance(given, int) and -(1 << 63) <= given < 1 << 63:
            return given
        self._note(path, "must be text, a number (finite, of 64 bits), true or false")
        return None

    def _masked(self, path: _Path, column: Column, mask: object) -> Column:
        found = re.fullmatch(r"all|(first|last) ([1-9][0-9]{0,2})", str(mask))
        if found is None:
            self._note((*path, "mask"), f'{mask!r} is no mask; give "all", "first 2" or "last 4"')
            return column
        shown = int(found[2] or 0)
        return replace(
            column,
            is_masked=True,
            shown_first=shown if found[1] == "first" else 0,
            shown_last=shown if found[1] == "last" else 0,
        )

    def _boolean(self, path: _Path, column: Column, declared: Mapping[str, object]) -> Column:
        given = [option for option in ("true", "false") if option in declared]
        for option in given:
            if column.type.kind is not Kind.BOOLEAN:
                self._note((*path, option), "is for a boolean")
        trues = self._texts((*path, "true"), declared) if "true" in given else column.trues
        falses = self._texts((*path, "false"), declared) if "false" in given else column.falses
        if twice := set(trues) & set(falses):
            self._note(path, f"{min(twice)!r} is declared as true and as false")
        return replace(column, trues=trues, falses=falses)

    def _section(self, name: str) -> Mapping[str, object]:
        section = self._document.get(name, {})
        if not isinstance(section, dict):
            self._note((name,), f"must be a table, [{name}]")
            return {}
        return section

    def _check_names(
        self, path: _Path, declared: Mapping[str, object], known: Iterable[str]
    ) -> None:
        for name in declared:
            if name not in known:
                self._note((*path, name), unknown(name, known, "setting of a table"))

    def _choice(
        self, path: _Path, declared: Mapping[str, object], known: Iterable[str], default: str
    ) -> str:
        given = declared.get(path[-1], default)
        names = [str(name) for name in known]
        if given not in names:
            self._note(path, f"must be one of {', '.join(names)}, not {given!r}")
            return default
        return str(given)

    def _flag(
        self,
        path: _Path,
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

    def _text(self, path: _Path, declared: Mapping[str, object]) -> str:
        given = declared[path[-1]]
        if not isinstance(given, str) or not given:
            self._note(path, f"must be text that is not empty, not {given!r}")
            return ""
        return given

    def _texts(self, path: _Path, declared: Mapping[str, object]) -> tuple[str, ...]:
        given = declared.get(path[-1], [])
        if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
            self._note(path, f'must be a list of texts, such as ["", "NULL"], not {given!r}')
            return ()
        return tuple(given)

    def _note(self, path: _Path, mistake: str) -> None:
        while path and path not in self._places:
            path = path[:-1]
        line, column = self._places.get(path, (1, 1))
        where = ".".join(path)
        self.mistakes.append(
            f"line {line}, column {column}: {where + ' ' if where else ''}{mistake}"
        )


def _places(text: str) -> dict[_Path, tuple[int, int]]:
    """Where each table and each key stands first: line and column, 1 is the first of both."""
    places: dict[_Path, tuple[int, int]] = {}
    section: _Path = ()
    counts: dict[_Path, int] = {}
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


def _path_of(statement: str) -> _Path:
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
