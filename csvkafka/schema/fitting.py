"""Whether a declared table fits the columns of a file, and what it then makes of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from csvkafka.errors import ConfigError
from csvkafka.schema.table import OWN_FIELDS, Column, Drop, Metadata, RecordTable, Route, Undeclared


def check_columns(table: RecordTable, names: Sequence[str], source_uri: str) -> None:
    """Raises ConfigError that lists what in the table does not fit a source with these columns."""
    mistakes = list(_misfits(table, names))
    if mistakes:
        raise ConfigError(
            f"CSV_COLUMNS does not fit {source_uri}: {'; '.join(mistakes)}; repair the table"
        )


def _misfits(table: RecordTable, names: Sequence[str]) -> Iterator[str]:
    declared = {column.name for column in table.columns}
    for column in table.columns:
        if column.name not in names and column.constant is None:
            yield unknown(column.name, names, "column of the file")
    if table.undeclared is Undeclared.REFUSE and (
        missing := [n for n in names if n not in declared]
    ):
        yield (
            f"{', '.join(map(repr, missing))} stands in the file and not in the table: declare it, "
            'or set undeclared = "string" or "drop"'
        )
    for name in table.key:
        if name not in names:
            yield "key (by KEY_COLUMN, or in the table): " + unknown(
                name, names, "column of the file"
            )
    for name in dict.fromkeys(drop.column for drop in table.drops):
        if name not in names:
            yield "[[drop]]: " + unknown(name, names, "column of the file")
    for name in dict.fromkeys(route.column for route in table.routes):
        if name not in names:
            yield "[[route]]: " + unknown(name, names, "column of the file")
    key_fields = [column.field for column in columns_of(table, names) if column.name in table.key]
    for field in sorted({field for field in key_fields if key_fields.count(field) > 1}):
        yield f"the key would have {field!r} twice"
    fields: dict[str, str] = {}
    if table.metadata is Metadata.VALUE:
        fields |= dict.fromkeys(OWN_FIELDS, "csvkafka's own field")
    for column in columns_of(table, names):
        if column.is_dropped:
            continue
        if other := fields.get(column.field):
            yield f"{column.name!r} and {other} would both be called {column.field!r}"
        fields[column.field] = repr(column.name)


def columns_of(table: RecordTable, names: Sequence[str]) -> list[Column]:
    """What becomes of each column of a file, in the file's order; then the table's constants for
    which the file has no column."""
    is_dropped = table.undeclared is Undeclared.DROP
    return [
        *(table.named(name) or Column(name, is_dropped=is_dropped) for name in names),
        *(column for column in table.columns if column.name not in names),
    ]


def summary(table: RecordTable, names: Sequence[str]) -> str:
    """What the table means for a file of these columns, as one short text to store: a digest of
    all, then one of the record, of each column of the file, of the other constants together, and,
    where there are any, of [[drop]] and [[route]].

    Two texts differ where a record might; `differences` names where. The secret of hashes counts,
    comments and the order of declarations do not."""
    columns = columns_of(table, names)
    secret = hashlib.blake2b(b"csvkafka", key=table.hash_key).hexdigest() if table.hash_key else ""
    parts = [
        repr((table.key, str(table.key_format), str(table.metadata), table.nulls, secret)),
        *(repr(_options(column)) for column in columns[: len(names)]),
        repr([(column.name, *_options(column)) for column in columns[len(names) :]]),
    ]
    drops = sorted({repr(_told(drop)) for drop in table.drops})
    routes = sorted(repr(_told_route(route)) for route in table.routes)
    # A place says whose digest it is, so none stands without those before it.
    parts += [repr(rules) for rules in ([drops, routes] if routes else [drops] if drops else [])]
    return " ".join([_digest("\0".join(parts), 16), *(_digest(part, 4) for part in parts)])


def differences(stored: str, now: str, names: Sequence[str]) -> str:
    """Which declarations two summaries of a file with these columns differ in, for people."""
    if not (stored and now):
        return "the table"
    labels = ["[record]", *names, "constants", "[[drop]]", "[[route]]"]
    none = _digest(repr([]), 4)
    digests = zip_longest(stored.split()[1:], now.split()[1:], fillvalue=none)
    # A job of fewer or more columns is refused by their names.
    found = [label for label, (then, today) in zip(labels, digests, strict=False) if then != today]
    return ", ".join(found) or "the table"


def _options(column: Column) -> tuple[tuple[str, str], ...]:
    """What is declared of the column, the defaults left out: a new option changes no old digest."""
    default = Column(column.name)
    options = ((name, getattr(column, name)) for name in Column.__dataclass_fields__)
    return tuple(
        (name, f"{type(value).__name__} {value}")
        for name, value in options
        if value != getattr(default, name)
    )


def _told(drop: Drop) -> tuple[str, ...]:
    test = f"not {drop.test}" if drop.is_negated else str(drop.test)
    return (drop.column, test, drop.pattern, *sorted(set(drop.texts)))


def _told_route(route: Route) -> tuple[str, ...]:
    return (route.topic, route.column, *sorted(set(route.texts)))


def _digest(text: str, size: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:size]


def unknown(name: str, known: Iterable[str], noun: str) -> str:
    """The sentence on a name that is none of `known`, with the nearest one."""
    import difflib

    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    meant = f"; is {nearest[0]!r} meant?" if nearest else f"; there are {', '.join(known)}"
    return f"{name!r} is no {noun}{meant}"
