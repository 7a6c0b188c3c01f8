"""A dialect as the `csv` module is told of it, and what of it that module does not know.

Each setting is a parameter of `csv.reader` by its name (`delimiter`, `quotechar`, `escapechar`,
`doublequote`), or said here: a line that begins with `comment` where a row could begin is none, and
with `trailing_delimiter` the last field of a row is left out if it is empty and not the only one.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, Protocol

from csvkafka.errors import ConfigError
from csvkafka.model import Dialect

NO_HEADER = "none"
"""The text of CSV_HEADER that says that the columns have no names."""


class CsvRows(Protocol):
    """What `csv.reader` returns."""

    @property
    def line_num(self) -> int: ...

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...


def reader_of(lines: Iterable[str], dialect: Dialect) -> CsvRows:
    """The rows of these lines; one that is blank, or a comment, as an empty list."""
    # The limit is one per process, 128 KiB by default; fields of many MB are legitimate.
    csv.field_size_limit(sys.maxsize)
    if dialect.comment or dialect.trailing_delimiter:
        return _DialectRows(lines, dialect)
    return csv.reader(lines, **_options(dialect))


def _options(dialect: Dialect) -> dict[str, Any]:
    options: dict[str, Any] = {"delimiter": dialect.delimiter, "doublequote": dialect.doublequote}
    if dialect.quotechar:
        options["quotechar"] = dialect.quotechar
    else:
        options["quoting"] = csv.QUOTE_NONE
    if dialect.escapechar:
        options["escapechar"] = dialect.escapechar
    return options


class _DialectRows:
    """A `csv.reader` and what it does not know."""

    def __init__(self, lines: Iterable[str], dialect: Dialect) -> None:
        self._lines = iter(lines)
        self._comment = dialect.comment
        self._trims = dialect.trailing_delimiter
        self._row_begins = False
        self._reader = csv.reader(self._without_comments(), **_options(dialect))

    @property
    def line_num(self) -> int:
        return self._reader.line_num

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        self._row_begins = True
        row = next(self._reader)
        if self._trims and len(row) > 1 and not row[-1]:
            row.pop()
        return row

    def _without_comments(self) -> Iterator[str]:
        for line in self._lines:
            is_comment = self._row_begins and self._comment and line.startswith(self._comment)
            self._row_begins = False
            # A blank line in its place: so the reader's count of lines stays that of the file.
            yield "\n" if is_comment else line


@lru_cache(maxsize=64)
def plainness(dialect: Dialect) -> Callable[[bytes], bool] | None:
    """Tells of bytes that begin at a row whether they hold nothing for which it counts what the
    dialect has beside a delimiter and a quote character; then the fast ways, which know of these
    two alone, read them as the `csv` module does. None: it has nothing else, so that holds always.
    """
    if dialect.trailing_delimiter:
        return lambda _: False
    # A single byte is looked for at many times the speed of two.
    signs: list[tuple[bytes, tuple[bytes, ...]]] = []
    if dialect.escapechar:
        signs.append((dialect.escapechar.encode(), (b"",)))
    if dialect.quotechar and not dialect.doublequote:
        quote = dialect.quotechar.encode()
        signs.append((quote, (2 * quote,)))
    if dialect.comment:
        comment = dialect.comment.encode()
        signs.append((comment[:1], (b"\n" + comment, b"\r" + comment)))
    if not signs:
        return None
    return lambda data: (
        not any(byte in data and any(sign in data for sign in whole) for byte, whole in signs)
    )


def open_quote(row: bytes, dialect: Dialect) -> int | None:
    """Where in the bytes of a row, and what follows it, the quote stands that none closes; None:
    there is no such quote."""
    if not dialect.quotechar:
        return None
    quote, unquoted, quoted = _fields(dialect)
    at = 0
    while True:
        if row.startswith(quote, at):
            closed = quoted.match(row, at)
            if closed is None:
                return at
            at = closed.end()
        at = _end(unquoted, row, at) + 1  # behind the delimiter
        if at > len(row):
            return None


def _end(pattern: re.Pattern[bytes], data: bytes, begin: int) -> int:
    found = pattern.match(data, begin)
    assert found is not None  # it may match nothing
    return found.end()


@lru_cache(maxsize=64)
def _fields(dialect: Dialect) -> tuple[bytes, re.Pattern[bytes], re.Pattern[bytes]]:
    """The quote; what matches a field, or its rest, that is not quoted; what matches one that is,
    with both its quotes."""
    quote, escape = re.escape(dialect.quotechar.encode()), re.escape(dialect.escapechar.encode())
    escaped = escape + rb"(?s:.)" if escape else rb"(?!)"
    outside = rb"[^%b%b]*" % (re.escape(dialect.delimiter.encode()), escape)
    inside = rb"[^%b%b]*" % (quote, escape)
    # Of two quotes, none may be taken for the last one.
    doubled, last = (
        (2 * quote, quote + b"(?!%b)" % quote) if dialect.doublequote else (b"(?!)", quote)
    )
    unquoted = outside + b"(?:%b%b)*" % (escaped, outside)
    quoted = quote + inside + b"(?:(?:%b|%b)%b)*" % (doubled, escaped, inside) + last
    return dialect.quotechar.encode(), re.compile(unquoted), re.compile(quoted)


def given_names(text: str | None) -> tuple[str, ...] | None:
    """What the text of CSV_HEADER means, as `Dialect.names`."""
    if text is None or text == NO_HEADER:
        return None if text is None else ()
    return tuple(next(csv.reader([text])))


def settings_beyond_default(dialect: Dialect) -> dict[str, str]:
    """By their variables, those that say something new; without the delimiter, the quote character
    and the encoding."""
    default = Dialect()
    header = "given" if dialect.names else NO_HEADER  # which ones, the columns tell
    named = {
        "CSV_SKIP_LINES": (dialect.skipped_lines, default.skipped_lines),
        "CSV_ESCAPECHAR": (dialect.escapechar, default.escapechar),
        "CSV_DOUBLEQUOTE": (dialect.doublequote, default.doublequote),
        "CSV_COMMENT": (dialect.comment, default.comment),
        "CSV_TRAILING_DELIMITER": (dialect.trailing_delimiter, default.trailing_delimiter),
        "CSV_HEADER": (None if dialect.names is None else header, None),
    }
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, (value, usual) in named.items()
        if value != usual
    }


def check_characters(dialect: Dialect) -> None:
    """Raises ConfigError unless each character of the dialect is one of ASCII, no line end, and
    another than the others."""
    named = {
        "CSV_DELIMITER": dialect.delimiter,
        "CSV_QUOTECHAR": dialect.quotechar,
        "CSV_ESCAPECHAR": dialect.escapechar,
    }
    given = {name: text for name, text in named.items() if text or name == "CSV_DELIMITER"}
    for name, text in given.items():
        if len(text) != 1 or not text.isascii() or text in "\r\n\0":
            raise ConfigError(f"{name} must be one ASCII character and no line end, not {text!r}")
    for name, text in given.items():
        for other, other_text in given.items():
            if name < other and text == other_text:
                raise ConfigError(f"{name} and {other} are both {text!r}; set another one")
    _check_comment(dialect.comment, given)


def _check_comment(comment: str, given: dict[str, str]) -> None:
    if not comment:
        return
    if not comment.isascii() or re.search(r"[\r\n\0]", comment):
        raise ConfigError(
            f"CSV_COMMENT must be ASCII characters and no line end, such as '#', not {comment!r}"
        )
    for name, text in given.items():
        if comment.startswith(text):
            raise ConfigError(
                f"CSV_COMMENT {comment!r} begins with {name} ({text!r}), so a row could not be "
                "told from a comment; set another one"
            )
