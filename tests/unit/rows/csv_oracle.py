"""What the rows of a CSV are: `csv.DictReader` over the whole file, and nothing of csvkafka's."""

from __future__ import annotations

import csv
import io
import json
import sys
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
    if not dialect.quotechar:
        return {"delimiter": dialect.delimiter, "quoting": csv.QUOTE_NONE}
    return {"delimiter": dialect.delimiter, "quotechar": dialect.quotechar}


def header_names(data: bytes, dialect: Dialect = DEFAULT) -> tuple[str, ...]:
    return tuple(csv.DictReader(_text(data, dialect), **_options(dialect)).fieldnames or ())


def row_values(data: bytes, source_uri: str, dialect: Dialect = DEFAULT) -> list[bytes]:
    """The record of each row as the documentation describes it."""
    rows = csv.DictReader(_text(data, dialect), **_options(dialect))
    return [
        json.dumps(
            {**row, "_source_line": number, "_source_file": source_uri},
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
        for number, row in enumerate(rows, 1)
    ]


def quote_is_open_at_end(data: bytes, dialect: Dialect = DEFAULT) -> bool:
    """Whether one more line would belong to the last row."""

    def rows(whole: bytes) -> list[list[str]]:
        return list(csv.reader(_text(whole, dialect), **_options(dialect)))

    return rows(data + b"\nX") not in (
        [*rows(data), ["X"]],
        [*rows(data + b"\n"), ["X"]],
    )
