"""The columns of a header: names that clash, and what records call them.

A record is a JSON object. So two columns of one name leave one value, and a field of ours
overwrites a column of the same name. This module finds such names, and decides which names are used
instead. Whether a load begins at all is for the caller to decide.
"""

from __future__ import annotations

from collections.abc import Sequence

from csvkafka.model import SOURCE_FILE, SOURCE_LINE

OWN_FIELDS = (SOURCE_LINE, SOURCE_FILE)

REST_KEY = "null"
"""What a record calls the fields of a row beyond the header: JSON's word for the `None` under which
csv.DictReader gives them."""


def clashes(names: Sequence[str]) -> list[str]:
    """The names that would lose a value in a record, each once: they are taken twice, or are fields
    of ours."""
    lost = {name for name in names if name in OWN_FIELDS}
    seen: set[str] = set()
    for name in names:
        if name in seen:
            lost.add(name)
        seen.add(name)
    return [name for name in dict.fromkeys(names) if name in lost]


def numbered(names: Sequence[str]) -> tuple[str, ...]:
    """The names, each made unique by a number behind it where it is taken before: `name`, `name_2`.

    A column without a name gets that of its place, `column_3`. A field of ours counts as taken. A
    name that stands in the header as such keeps to the column that it is the name of."""
    taken = {*OWN_FIELDS, *names}
    used = set(OWN_FIELDS)
    unique = []
    for place, name in enumerate(names, 1):
        wanted = name or f"column_{place}"
        chosen = wanted
        number = 2
        while chosen in used or (chosen != name and chosen in taken):
            chosen = f"{wanted}_{number}"
            number += 1
        used.add(chosen)
        unique.append(chosen)
    return tuple(unique)


def rest_key(names: Sequence[str]) -> str | None:
    """Under what a row keeps its fields beyond the header: None, as csv.DictReader does, which JSON
    writes as "null"; where a column has that name, the first of "null_2", "null_3", … that is
    free. So no record has a key twice."""
    if REST_KEY not in names:
        return None
    number = 2
    while f"{REST_KEY}_{number}" in names:
        number += 1
    return f"{REST_KEY}_{number}"
