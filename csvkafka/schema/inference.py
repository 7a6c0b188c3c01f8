"""Proposes a declared table from rows that were seen; for a person to look at, never for a load.

Of each column it says which is the strictest type that all texts fit, and what spoke against
stricter ones. It knows what it saw and no more: a text further on may be another.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from csvkafka.errors import counted
from csvkafka.schema.table import Column, ColumnType, Kind
from csvkafka.schema.types import converter

NULLS = ("", "NULL", "null", "NA", "N/A", "NaN", "nan", "None", "\\N", "-")
"""Texts that are taken for null where all others of a column fit a stricter type than string."""

_BOOLEANS = (("true", "false"), ("True", "False"), ("TRUE", "FALSE"), ("t", "f"), ("yes", "no"))
_DATES = ("iso", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d")
_DECIMAL = re.compile(r"[+-]?([0-9]*)(?:\.([0-9]+))?", re.ASCII)
_SHOWN = 40
_MOST_DIGITS = 38
"""Of a decimal, as most stores have it."""


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a column is not of a stricter type: how many of its rows are none, and one of them."""

    type: ColumnType
    row_count: int
    example: str
    reason: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """What was seen of a column: `null_count` rows have a text that is taken for null, `distinct`
    texts are different. Where `readings` are several, all texts fit each of them, and none is
    chosen."""

    column: Column
    row_count: int
    null_count: int
    distinct: int
    objections: tuple[Objection, ...]
    readings: tuple[ColumnType, ...] = ()


def propose(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[Proposal]:
    """A proposal for each column, from rows that all have as many fields as there are names.

    Memory: each different text of a column once."""
    seen = [Counter[str]() for _ in names]
    for row in rows:
        for texts, text in zip(seen, row, strict=True):
            texts[text] += 1
    return [_proposal(name, texts) for name, texts in zip(names, seen, strict=True)]


def _proposal(name: str, seen: Counter[str]) -> Proposal:
    values = {text: count for text, count in seen.items() if text not in NULLS}
    objections: list[Objection] = []
    for column in _candidates(name, values):
        refused = list(_refused(column, values))
        if not refused and column.type.kind is Kind.DATE:
            dates = [Column(name, ColumnType(Kind.DATE, format=form)) for form in _DATES]
            readings = tuple(each.type for each in dates if not any(_refused(each, values)))
            if len(readings) > 1:  # such as 01/02/2026
                return replace(_accepted(Column(name), seen, ()), readings=readings)
        if not refused:
            return _accepted(column, seen, objections)
        row_count = sum(count for _, count, _ in refused)
        text, _, reason = max(refused, key=lambda found: found[1])
        objections.append(Objection(column.type, row_count, text, reason))
    # The nearest miss is worth a word, not each type that is far off.
    objections.sort(key=lambda objection: objection.row_count)
    near = [each for each in objections[:1] if 2 * each.row_count < sum(values.values())]
    return _accepted(Column(name), seen, near)


def _accepted(column: Column, seen: Counter[str], objections: Sequence[Objection]) -> Proposal:
    is_string = column.type.kind is Kind.STRING
    nulls = () if is_string else tuple(text for text in NULLS if text in seen)
    return Proposal(
        replace(column, nulls=nulls or None),
        sum(seen.values()),
        sum(seen[text] for text in nulls),
        len(seen),
        tuple(objections),
    )


def _candidates(name: str, values: dict[str, int]) -> Iterator[Column]:
    """Stricter types first; none for a column without a value."""
    if not values:
        return
    for true, false in _BOOLEANS:
        if set(values) <= {true, false}:
            yield Column(name, ColumnType(Kind.BOOLEAN), trues=(true,), falses=(false,))
            return
    yield Column(name, ColumnType(Kind.INT))
    yield Column(name, ColumnType(Kind.LONG))
    if decimal := _decimal(values):
        yield Column(name, decimal)
    yield Column(name, ColumnType(Kind.DOUBLE))
    for form in _DATES:
        yield Column(name, ColumnType(Kind.DATE, format=form))
    yield Column(name, ColumnType(Kind.TIMESTAMP, format="iso"))
    yield Column(name, ColumnType(Kind.TIMESTAMP, format="iso", zone="local"))
    if all(text[0] in "{[" for text in values):
        yield Column(name, ColumnType(Kind.JSON))


def _decimal(values: dict[str, int]) -> ColumnType | None:
    """With room for each text that has digits and no exponent; None if there is none."""
    found = [match for text in values if (match := _DECIMAL.fullmatch(text))]
    if not found:
        return None
    scale = max(len(match[2] or "") for match in found)
    whole = max(len(match[1]) or 1 for match in found)
    if scale + whole > _MOST_DIGITS:
        return None
    return ColumnType(Kind.DECIMAL, precision=scale + whole, scale=scale)


def _refused(column: Column, values: dict[str, int]) -> Iterator[tuple[str, int, str]]:
    convert = converter(column, (), b"")
    for text, count in values.items():
        try:
            convert(text)
        except ValueError as error:
            yield text, count, str(error)


def as_toml(proposals: Iterable[Proposal], heading: Iterable[str], *, show_values: bool) -> str:
    """The proposals as a table to be read by `declaration`, with what was seen as comments; texts
    of the file are masked in them unless `show_values`."""
    lines = [f"# {line}".rstrip() for line in heading]
    for proposal in proposals:
        lines += ["", f"[columns.{_key(proposal.column.name)}]", *_body(proposal, show_values)]
    return "\n".join(lines) + "\n"


def _body(proposal: Proposal, show_values: bool) -> Iterator[str]:
    column = proposal.column
    distinct = counted(proposal.distinct, "different text")
    yield f"# {counted(proposal.row_count, 'row')}, {distinct}"
    for objection in proposal.objections:
        example = objection.example if show_values else masked(objection.example)
        yield (
            f"# not {objection.type}: {counted(objection.row_count, 'row')}, such as "
            f"{_text(example)} ({objection.reason})"
        )
    if proposal.readings:
        yield (
            f"# all fit {' and '.join(map(str, proposal.readings))}: declare the one that is meant"
        )
    yield f"type = {_text(str(column.type))}"
    if column.type.kind is Kind.BOOLEAN:
        yield f"true = {_texts(column.trues)}"
        yield f"false = {_texts(column.falses)}"
    if column.nulls is not None:
        yield f"null = {_texts(column.nulls)}  # {counted(proposal.null_count, 'row')}"


def masked(text: str) -> str:
    """The text for eyes that should not see it: 9 for digits, a for letters."""
    hidden = re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "9", text))
    return hidden if len(hidden) <= _SHOWN else hidden[: _SHOWN - 3] + "..."


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _texts(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, texts))}]"


def _text(text: str) -> str:
    """As TOML: JSON's way of quoting, with no surrogates, and DEL written as a number too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
