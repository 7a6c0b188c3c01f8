"""Which rows a declared table drops. The conditions look at a row's fields as the file has them.

What is the same for all rows is prepared once. A row then costs one look-up or one match for each
condition.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from csvkafka.schema.table import Column, Drop, RecordTable, Test

IsDropped = Callable[[Sequence[str]], bool]
"""Whether a row of the header's width is dropped."""


@dataclass(frozen=True, slots=True)
class Question:
    """A row is dropped if its field at `place` `passes`; if `is_negated`, if it does not."""

    place: int
    passes: Callable[[str], bool]
    is_negated: bool


def dropping(table: RecordTable, names: Sequence[str]) -> IsDropped | None:
    """The test for rows with the columns `names`; None: the table drops no row. `names` must hold
    the column of each condition, as `fitting` has checked. Of columns with the same name, the last
    one counts, as in the record."""
    if not table.drops:
        return None
    questions = [question(drop, table, names) for drop in table.drops]
    asked = [(each.place, each.passes, each.is_negated) for each in questions]

    def is_dropped(row: Sequence[str]) -> bool:
        for place, passes, is_negated in asked:  # noqa: SIM110 - `any` is slower
            if passes(row[place]) is not is_negated:
                return True
        return False

    return is_dropped


def question(drop: Drop, table: RecordTable, names: Sequence[str]) -> Question:
    """What a condition asks of rows with these columns."""
    place = len(names) - 1 - names[::-1].index(drop.column)
    return Question(place, _test(drop, table), drop.is_negated)


def texts_of(drop: Drop, table: RecordTable) -> tuple[str, ...] | None:
    """The texts of a field that pass the test; None where a pattern says it."""
    if drop.test is Test.MATCHES:
        return None
    if drop.test is Test.EMPTY:
        return ("", *table.nulls_of(table.named(drop.column) or Column(drop.column)))
    return drop.texts


def _test(drop: Drop, table: RecordTable) -> Callable[[str], bool]:
    texts = texts_of(drop, table)
    if texts is None:
        fullmatch = re.compile(drop.pattern).fullmatch
        return lambda text: fullmatch(text) is not None
    return frozenset(texts).__contains__
