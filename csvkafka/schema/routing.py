"""Which topic a row goes to by a declared table: a look at one of its fields, as it stands in the
file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from csvkafka.schema.table import RecordTable

TopicOf = Callable[[Sequence[str]], int]
"""The number of the topic of a row of the header's width: 0 is KAFKA_TOPIC, k that of the table's
k-th route."""


def routing(table: RecordTable, names: Sequence[str]) -> TopicOf | None:
    """What says it of rows with these columns, all of which `fitting` has found; None: all go to
    KAFKA_TOPIC. Of columns with the same name, the last one counts, as in the record."""
    if not table.routes:
        return None
    place = len(names) - 1 - names[::-1].index(table.routes[0].column)
    topics = {text: k for k, route in enumerate(table.routes, 1) for text in route.texts}
    return lambda row: topics.get(row[place], 0)
