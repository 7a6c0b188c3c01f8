"""What the rows of a CSV are: `csv.DictReader` over the whole file, and nothing of csvkafka's."""

from __future__ import annotations

import csv
import io
import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from csvkafka.model import Dialect

DEFAULT = Dialect()


def _text(data: bytes, dialect: Dialect) -> io.TextIOWrapper:
    csv.field_size_limit(sys.maxsize)
    encoding = "utf-8-sig" if dialect.encoding == "utf-8" else dialect.encoding
    text = io.TextIOWrapper(io.BytesIO(data), encoding=encoding, newline="")
    for _ in range(dialect.skipped_lines):
        text.readline()
    return text


def _options(dialect: Dialect) -> dict[str, Any]:
    options: dict[str, Any] = {
        "delimiter": dialect.delimiter,
        "escapechar": dialect.escapechar or None,
        "doublequote": dialect.doublequote,
    }
    if not dialect.quotechar:
        return {**options, "quoting": csv.QUOTE_NONE}
    return {**options, "quotechar": dialect.quotechar}


def _rows(text: Iterable[str], dialect: Dialect) -> Iterator[list[str]]:
    """Blank lines are empty rows; what is a comment, a reader of its own for each row tells."""
    if not (dialect.comment or dialect.trailing_delimiter):
        yield from csv.reader(text, **_options(dialect))
        return
    lines = iter(text)
    for line in lines:
        if not (dialect.comment and line.startswith(dialect.comment)):
            row = next(csv.reader(itertools.chain([line], lines), **_options(dialect)))
            trimmed = dialect.trailing_delimiter and len(row) > 1 and row[-1] == ""
            yield row[:-1] if trimmed else row


def _names_and_rows(data: bytes, dialect: Dialect) -> tuple[list[str], list[list[str]]]:
    rows = list(_rows(_text(data, dialect), dialect))
    if dialect.names is None:
        return (rows[0], rows[1:]) if rows else ([], [])
    first = next(filter(None, rows), [])
    return list(dialect.names or (f"c{n + 1}" for n in range(len(first)))), rows


def header_names(data: bytes, dialect: Dialect = DEFAULT) -> tuple[str, ...]:
    return tuple(_names_and_rows(data, dialect)[0])


def row_values(data: bytes, source_uri: str, dialect: Dialect = DEFAULT) -> list[bytes]:
    """The record of each row as the documentation describes it."""
    names, rows = _names_and_rows(data, dialect)
    return [
        row_value(names, row, number, source_uri)
        for number, row in enumerate(filter(None, rows), 1)
    ]


def row_value(names: Sequence[str], row: list[str], number: int, source_uri: str) -> bytes:
    """The record of a row as csv.DictReader reads it."""
    fields: dict[str | None, object] = dict(zip(names, row, strict=False))
    if len(row) > len(names):
        fields[None] = row[len(names) :]
    fields |= dict.fromkeys(names[len(row) :])
    record = {**fields, "_source_line": number, "_source_file": source_uri}
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def quote_is_open_at_end(data: bytes, dialect: Dialect = DEFAULT) -> bool:
    """Whether one more line would belong to the last row."""

    def rows(whole: bytes) -> list[list[str]]:
        return list(_rows(_text(whole, dialect), dialect))

    line = b"X" if data.endswith((b"\n", b"\r")) else b"\nX"
    return rows(data + line) not in (
        [*rows(data), ["X"]],
        [*rows(data + b"\n"), ["X"]],
    )
