"""What the user probably did not mean in a source, as its preview shows it.

A file with another delimiter, a preamble or two columns of one name would load without an error,
but wrongly. Some of this can be seen in the first rows. Then a job is not begun (`refusals`),
unless the user's settings say that it is meant so. What is only likely is a warning. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import islice

from csvkafka.errors import counted
from csvkafka.model import Dialect, DuplicateColumns
from csvkafka.rows.columns import OWN_FIELDS, clashes, numbered
from csvkafka.rows.preview import SAMPLE_ROWS, Preview, sample_rows, shown_names

DELIMITERS = (",", ";", "\t", "|")
"""What may stand between fields if it is not what the settings say."""

# Compiled where a name or a line might be one: at most starts, none is.
_SEP_LINE = r'"?sep=(.?)"?\s*'
_NUMBER = r"[+-]?(\d+([.,]\d+)*|[.,]\d+)([eE][+-]?\d+)?\s?[%€$£]?"
_DATE = r"\d{4}-\d\d?-\d\d?([T ].*)?|\d\d?[./]\d\d?[./](\d\d){1,2}([T ].*)?"
_BEGINNINGS = "0123456789+-.,"
_MARKUP = ("<", "{", "[")


def refusals(
    preview: Preview, duplicates: DuplicateColumns, given: Collection[str] = ()
) -> Iterator[str]:
    """Why no job should begin with this source. `given` are the variables that the user set: what
    they say is meant."""
    names = preview.header.names
    if not names:
        if preview.rows:
            yield _blank_first_line(preview)
        elif preview.is_whole and preview.dialect.skipped_lines and preview.sample:
            yield (
                f"{_skip(preview.dialect.skipped_lines)} leaves out all of {preview.source_uri}, "
                "its header too; set a smaller number"
            )
        elif preview.is_whole and preview.source_uri.endswith("/"):
            yield (
                f"{preview.source_uri} is an empty object whose key ends in '/': the mark of a "
                "folder, no file; set S3_KEY to the key of the file in it"
            )
        return
    first_lines = None
    if "CSV_SKIP_LINES" not in given:
        first_lines = _sep_line(preview)
    if first_lines is None and "CSV_DELIMITER" not in given:
        first_lines = _another_delimiter(preview)
    if first_lines is None and "CSV_SKIP_LINES" not in given:
        first_lines = _preamble(preview, may_divide_otherwise="CSV_DELIMITER" not in given)
    if first_lines is not None:
        yield first_lines
        return
    if duplicates is DuplicateColumns.REFUSE and clashes(names):
        yield (
            f"{_which_clash(preview)}, and a record holds one value of a name; set "
            "CSV_DUPLICATE_COLUMNS=last to send that of the last one, as csv.DictReader does, or "
            "CSV_DUPLICATE_COLUMNS=number to send all under names with a number"
        )


def warnings(preview: Preview, duplicates: DuplicateColumns) -> Iterator[str]:
    """What is worth a look before, or while, this source is loaded."""
    names, uri = preview.header.names, preview.source_uri
    if not names:
        if not preview.rows and preview.is_whole:
            yield (
                f"{uri} is empty: it has no header row and no rows, so its job is complete at "
                "once; load a file that takes its place under another JOB_ID"
            )
        return
    if preview.dialect.names is None and looks_like_data(names):
        yield (
            f"the first row of {uri} looks like data (numbers, dates), and it is taken for the "
            "header: has the file a header row? If not, set CSV_HEADER to the names, or to none"
        )
    if preview.header_text.lstrip().startswith(_MARKUP):
        yield f"the first line of {uri} begins as JSON or markup does: is it a CSV file?"
    if preview.dialect.names and preview.rows and preview.rows[0].fields == names:
        yield (
            f"the first row of {uri} is the names in CSV_HEADER: if it is the header, set "
            f"{_skip(preview.dialect.skipped_lines + 1)}; it is sent as a row now"
        )
    if clashes(names) and duplicates is DuplicateColumns.LAST:
        yield (
            f"{_which_clash(preview)}: of equal names the last one's value is sent, and "
            f"{' and '.join(OWN_FIELDS)} are csvkafka's own (CSV_DUPLICATE_COLUMNS=last)"
        )
    nameless = [str(place) for place, name in enumerate(names, 1) if not name]
    if len(nameless) == 1 and duplicates is not DuplicateColumns.NUMBER:
        yield f"column {nameless[0]} of {uri} has no name"
    if duplicates is DuplicateColumns.NUMBER and numbered(names) != names:
        renamed = [new for new, old in zip(numbered(names), names, strict=True) if new != old]
        yield f"columns of {uri} are sent under other names: {shown_names(renamed)}"


def looks_like_data(names: Collection[str]) -> bool:
    """Whether any of the names is a number or a date."""
    begin_so = (name for name in names if name[:1] in _BEGINNINGS and name)
    return any(re.fullmatch(f"{_NUMBER}|{_DATE}", name) for name in begin_so)


def _which_clash(preview: Preview) -> str:
    names = preview.header.names
    parts = []
    is_data = looks_like_data(names)
    for name in clashes(names):
        places = [str(place) for place, other in enumerate(names, 1) if other == name]
        called = f"are called {name!r}" if name else "have no name"
        if is_data:
            called = (
                "have the same name; it looks like data: has the file a header row (CSV_HEADER)?"
            )
        if name in OWN_FIELDS:
            called = f"is called {name!r}, as a field of csvkafka's own"
        which = "column" if len(places) == 1 else "columns"
        parts.append(f"{which} {' and '.join(places)} {called}")
    return f"in the header of {preview.source_uri}, " + "; ".join(parts)


def _blank_first_line(preview: Preview) -> str:
    lines = preview.lines_before_rows + preview.rows[0].lines_before
    which = "first line" if lines == 1 else f"first {lines} lines"
    blank = "is" if lines == 1 else "are"
    return (
        f"the {which} of {preview.source_uri} {blank} blank, so the columns have no names; set "
        f"{_skip(lines)}"
    )


def _sep_line(preview: Preview) -> str | None:
    line = preview.header_text.rstrip("\r\n")
    if "sep=" not in line[:5].lower():
        return None
    match = re.fullmatch(_SEP_LINE, line, re.IGNORECASE)
    if match is None:
        return None
    return (
        f"the first line of {preview.source_uri} is Excel's word for the delimiter ({line!r}), not "
        f"the header; set {_skip(preview.dialect.skipped_lines + 1)}"
        + (f" and {_set_delimiter(match[1])}" if match[1] else "")
    )


def _another_delimiter(preview: Preview) -> str | None:
    """A header of one column that another delimiter divides, and the rows as it does the header."""
    ours = preview.dialect.delimiter
    if len(preview.header.names) != 1:
        return None
    for dialect in _other_dialects(preview.dialect):
        rows = islice(sample_rows(preview.header_text + preview.text, dialect), SAMPLE_ROWS)
        widths = [len(row.fields) for row in rows]
        if len(widths) > 1 and widths[0] > 1 and len(set(widths)) == 1:
            rows_after = counted(len(widths) - 1, "row")
            return (
                f"the header of {preview.source_uri} is one column by CSV_DELIMITER={ours!r}, the "
                f"default, but {dialect.delimiter!r} divides it and the {rows_after} "
                f"after it into {widths[0]} fields each; "
                f"set {_set_delimiter(dialect.delimiter)}, or {_set_delimiter(ours)} if one column "
                "is what you mean"
            )
    return None


def _preamble(preview: Preview, *, may_divide_otherwise: bool) -> str | None:
    """A first line of one field, and rows after it that are a table of their own."""
    if len(preview.header.names) != 1:
        return None
    dialects = [preview.dialect]
    # A name is a header; only prose before a table of another delimiter is certainly none.
    if may_divide_otherwise and not preview.header.names[0].isidentifier():
        dialects += _other_dialects(preview.dialect)
    for dialect in dialects:
        table = list(islice(sample_rows(preview.text, dialect), SAMPLE_ROWS))
        width = len(table[-1].fields) if table else 0
        while table and len(table[0].fields) != width:
            table = table[1:]
        if width < 2 or len(table) < 2 or any(len(row.fields) != width for row in table):
            continue
        lines = preview.lines_before_rows + table[0].lines_before
        if preview.dialect.names:
            return (
                f"CSV_HEADER names one column, but the {len(table)} rows of {preview.source_uri} "
                f"that were looked at from line {lines + 1} on have {width} each; name them all in "
                "it, divided by commas"
            )
        other = "" if dialect is preview.dialect else f" and {_set_delimiter(dialect.delimiter)}"
        return (
            f"{preview.source_uri} begins with a line of one field, but the {len(table)} rows that "
            f"were looked at from line {lines + 1} on have {width} each: if what stands before is "
            f"no header, set {_skip(lines)}{other}; if it is, "
            f"{_skip(preview.dialect.skipped_lines)}"
        )
    return None


def _other_dialects(dialect: Dialect) -> list[Dialect]:
    taken = (dialect.delimiter, dialect.quotechar)
    return [replace(dialect, delimiter=other) for other in DELIMITERS if other not in taken]


def _set_delimiter(delimiter: str) -> str:
    text = "\\t" if delimiter == "\t" else delimiter
    return f"CSV_DELIMITER='{text}'"


def _skip(lines: int) -> str:
    return f"CSV_SKIP_LINES={lines}"
