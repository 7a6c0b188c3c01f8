"""Which rows a declared table drops. The conditions look at a row's fields as the file has them.

What is the same for all rows is prepared once. A row then costs one look-up or one match for each
condition.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from csvkafka.schema.table import Column, Drop, RecordTable, Test

IsDropped = Callable[[Sequence[str]], bool]
"""Whether a row of the header's width is dropped."""


def dropping(table: RecordTable, names: Sequence[str]) -> IsDropped | None:
    """The test for rows with the columns `names`; None: the table drops no row. `names` must hold
    the column of each condition, as `fitting` has checked. Of columns with the same name, the last
    one counts, as in the record."""
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


def _test(drop: Drop, table: RecordTable) -> Callable[[str], bool]:
    if drop.test is Test.MATCHES:
        fullmatch = re.compile(drop.pattern).fullmatch
        return lambda text: fullmatch(text) is not None
    texts = drop.texts
    if drop.test is Test.EMPTY:
        texts = ("", *table.nulls_of(table.named(drop.column) or Column(drop.column)))
    return frozenset(texts).__contains__
