"""Reads the declared table from TOML. All mistakes are said at once, each with line and column.

Whether the table fits the columns of a file is for `fitting` to say.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from csvkafka.errors import ConfigError
from csvkafka.schema.formats import LOCAL
from csvkafka.schema.table import (
    Ambiguous,
    Column,
    Drop,
    KeyFormat,
    Kind,
    Metadata,
    RecordFormat,
    RecordTable,
    Route,
    SubjectBy,
    Test,
    Undeclared,
)
from csvkafka.schema.toml_reader import KeyPath, TomlReader
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
_ROUTE_KEYS = ("topic", "column", "equals", "in")
_NUMBERS = (Kind.INT, Kind.LONG, Kind.FLOAT, Kind.DOUBLE, Kind.DECIMAL)
_HASHES = ("blake2b",)


def read_table(
    text: str, name: str, hash_key: bytes = b"", beside: Callable[[str], str] | None = None
) -> RecordTable:
    """The table that the TOML `text` declares; `name` is what messages call it. `beside` gives the
    text of a schema that the table names; without it, a path is one from where the program runs.

    Raises ConfigError that lists all mistakes, each with its line and column."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name} is no TOML: {error}; repair it (CSV_COLUMNS)") from error
    reader = _Reader(document, text, beside or (lambda path: Path(path).read_text("utf-8")))
    table = reader.table()
    if not reader.mistakes and any(column.is_hashed for column in table.columns) and not hash_key:
        reader.mistakes.append(
            "a column is hashed, and CSV_HASH_KEY is not set: without a key, a hash of a short "
            "value is undone by trying all values"
        )
    if reader.mistakes:
        raise ConfigError(f"{name}: {'; '.join(reader.mistakes)}; repair the table (CSV_COLUMNS)")
    return replace(table, hash_key=hash_key)


class _Reader(TomlReader):
    """One reading; gathers `mistakes`."""

    def __init__(
        self, document: Mapping[str, object], text: str, beside: Callable[[str], str]
    ) -> None:
        super().__init__(document, text)
        self._beside = beside

    def table(self) -> RecordTable:
        self._check_names((), self._document, ("record", "columns", "drop", "route"))
        record = self._section("record")
        self._check_names(("record",), record, _RECORD_KEYS)
        record_format = RecordFormat(
            self._choice(("record", "format"), record, RecordFormat, "json")
        )
        key = record.get("key", [])
        names = (key,) if isinstance(key, str) else self._texts(("record", "key"), record)
        for column in sorted({column for column in names if names.count(column) > 1}):
            self._note(("record", "key"), f"names {column!r} twice")
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
            routes=self._routes(record),
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
        named = self._text(("record", "schema"), record)
        try:
            text = self._beside(named)
            json.loads(text)
        except (OSError, ValueError) as error:
            self._note(("record", "schema"), f"{named!r} is no file of JSON ({error})")
            return ""
        return text

    def _drops(self) -> Iterator[Drop]:
        for path, declared in self._array("drop", 'column = "state" equals = "void"'):
            drop = self._drop(path, declared)
            if drop is not None:
                yield drop

    def _drop(self, path: KeyPath, declared: Mapping[str, object]) -> Drop | None:
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
            case "equals" | "in":
                texts = self._given_texts(place, declared)
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

    def _routes(self, record: Mapping[str, object]) -> tuple[Route, ...]:
        """By topic, as their order says nothing."""
        routes: dict[str, Route] = {}
        topics: dict[str, str] = {}  # by text
        example = 'topic = "orders-de" column = "country" equals = "DE"'
        for path, declared in self._array("route", example):
            route = self._route(path, declared)
            if route is None:
                continue
            first = next(iter(routes.values()), route)
            if route.column != first.column:
                self._note(
                    (*path, "column"),
                    f"is {route.column!r}, and another route's is {first.column!r}: all routes "
                    "look at one column, so that a row has one topic",
                )
            if route.topic in routes:
                self._note((*path, "topic"), f"{route.topic!r} has a route already")
            texts = (*path, "in" if "in" in declared else "equals")
            for text in sorted({text for text in route.texts if route.texts.count(text) > 1}):
                self._note(texts, f"names {text!r} twice")
            for text in dict.fromkeys(route.texts):
                if text in topics:
                    self._note(texts, f"{text!r} goes to topic {topics[text]!r} already")
                topics.setdefault(text, route.topic)
            routes.setdefault(route.topic, route)
        needs_id = record.get("format", "json") != "json" or record.get("key_format") == "avro"
        if routes and needs_id and record.get("subject", "topic") == "topic":
            self._note(
                ("record",),
                'needs subject = "record", and a name: with [[route]] records of one schema go to '
                "several topics",
            )
        return tuple(routes[topic] for topic in sorted(routes))

    def _route(self, path: KeyPath, declared: Mapping[str, object]) -> Route | None:
        self._check_names(path, declared, _ROUTE_KEYS)
        for name in ("topic", "column"):
            if name not in declared:
                self._note(path, f"names no {name}")
                return None
        given = [name for name in ("equals", "in") if name in declared]
        if len(given) != 1:
            self._note(path, f"needs one of equals, in, and has {len(given)}")
            return None
        (name,) = given
        texts = self._given_texts((*path, name), declared)
        topic, column = (self._text((*path, each), declared) for each in ("topic", "column"))
        return Route(topic, column, texts) if topic and column else None

    def _given_texts(self, path: KeyPath, declared: Mapping[str, object]) -> tuple[str, ...]:
        """Those of `equals` and `in`, and of what is not these."""
        given = declared[path[-1]]
        if path[-1].endswith("in"):
            if given == []:
                self._note(path, "is empty; name at least one text")
            return self._texts(path, declared)
        if not isinstance(given, str):
            self._note(path, f"must be text, not {given!r}")
            return ()
        return (given,)

    def _pattern(self, path: KeyPath, declared: Mapping[str, object]) -> str:
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

    def _column(self, path: KeyPath, name: str, declared: Mapping[str, object]) -> Column:
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
        if "constant" in declared and "type" in declared:
            self._note((*path, "type"), "is that of the constant itself: leave it out")
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
        in_zone = kind is Kind.TIMESTAMP and column.type.zone not in ("", LOCAL)
        if "ambiguous" in declared and not in_zone:
            self._note((*path, "ambiguous"), "is for a timestamp in a zone")
        if "mask" in declared:
            column = self._masked(path, column, declared["mask"])
        return self._boolean(path, column, declared)

    def _constant(
        self, path: KeyPath, declared: Mapping[str, object]
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

    def _masked(self, path: KeyPath, column: Column, mask: object) -> Column:
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

    def _boolean(self, path: KeyPath, column: Column, declared: Mapping[str, object]) -> Column:
        given = [option for option in ("true", "false") if option in declared]
        for option in given:
            if column.type.kind is not Kind.BOOLEAN:
                self._note((*path, option), "is for a boolean")
            if declared[option] == []:
                self._note((*path, option), "is empty; name at least one text")
        trues = self._texts((*path, "true"), declared) if "true" in given else column.trues
        falses = self._texts((*path, "false"), declared) if "false" in given else column.falses
        if twice := set(trues) & set(falses):
            self._note(path, f"{min(twice)!r} is declared as true and as false")
        if column.type.kind is Kind.BOOLEAN:
            for text in sorted({*trues, *falses} & set(column.nulls or ())):
                self._note((*path, "null"), f"{text!r} is declared as null and as true or false")
        return replace(column, trues=trues, falses=falses)
