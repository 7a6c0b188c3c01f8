"""Which rows a declared table drops: a question to each row's fields, as they stand in the file.

What is constant is prepared once: a row costs one look-up or one match for each condition.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from csvkafka.schema.table import Column, Drop, RecordTable, Test

IsDropped = Callable[[Sequence[str]], bool]
"""Whether a row of the header's width is dropped."""


def dropping(table: RecordTable, names: Sequence[str]) -> IsDropped | None:
    """What says it of rows with these columns, all of which `fitting` has found; None: the table
    drops none. Of columns with the same name, the last one counts, as in the record."""
    if not table.drops:
        return None
    asked = [
        (len(names) - 1 - names[::-1].index(drop.column), _test(drop, table), drop.is_negated)
        for drop in table.drops
    ]

    def is_dropped(row: Sequence[str]) -> bool:
        for place, passes, is_negated in asked:  # noqa: SIM110 - `any` is slower
            if passes(row[place]) is not is_negated:
                return True
        return False

    return is_dropped


def texts_of(drop: Drop, table: RecordTable) -> tuple[str, ...]:
    """The texts of a field that pass the test, which is no MATCHES."""
    if drop.test is Test.EMPTY:
        return ("", *table.nulls_of(table.named(drop.column) or Column(drop.column)))
    return drop.texts


def _test(drop: Drop, table: RecordTable) -> Callable[[str], bool]:
    if drop.test is Test.MATCHES:
        fullmatch = re.compile(drop.pattern).fullmatch
        return lambda text: fullmatch(text) is not None
    return frozenset(texts_of(drop, table)).__contains__
