"""What a correct topic looks like: how its records are read, and what they should say.

The default is csvkafka's documented record. Other loaders are judged by an `Expectation` of their
own, which is all that the checker knows of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from csvkafka.testing.checker.documented import (
    Decoder,
    documented_record,
    documented_row,
)
from csvkafka.testing.checker.row_ledger import Fields, SourceRow
from csvkafka.testing.checker.size_limit import SizeLimit

PER_TOPIC = 1 << 16
"""So many partitions a topic may have, where a load has several: their numbers go on after it."""


def number_of(topic: int, partition: int) -> int:
    """What the checker calls a partition of that topic: of the first one (0) its own number."""
    return topic * PER_TOPIC + partition


def any_of(topic: int) -> int:
    """What the checker calls a partition of that topic where it is not known which."""
    return -1 - topic


def partition_text(number: int, topics: Sequence[str]) -> str:
    """The partition of that number, for people."""
    if number < 0:
        return f"topic {topics[any_of(number)]}"
    topic, partition = divmod(number, PER_TOPIC)
    return f"partition {partition}" + (f" of topic {topics[topic]}" if len(topics) > 1 else "")


class IdentifyBy(StrEnum):
    """How a record tells which row it is."""

    LINE = "line"  # it carries its source line
    CONTENT = "content"  # by its content alone: a torn row then shows as a phantom and a lost row


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a correct topic looks like. The default is the documented record, any partition.

    `decode` reads a record. `fields_of(row, source_line)` says what its fields should be (a
    transform goes here), or None: no record in this topic (rows for a dead-letter topic).
    `key_of(row)` is the record key that is due; None: keys are not judged. `partition_of(key)` is
    where a record belongs; None: anywhere, but equal keys in one partition if `key_of` is given.
    With `ignore_foreign`, records that are not the loader's are no phantom rows; nor are those of
    which `is_of_another(partition, kafka_offset)` says so, for rows without a record. Without
    `complete`, the load is to go on later: then a row counts as lost only if a later row stands in
    its partition (with several partitions, `partition_of` must be given). `stream_of(line)` names
    what the row's order holds within, in each partition: a file of a set, for example; None: the
    whole source. Where a load has several `topics`, its partitions are those of all of them by
    `number_of`, and `number_for(row, key)` says, in the place of `partition_of`, where a row's
    record belongs; without it `topic_of(row)` says the topic alone, where it may stand in any
    partition, but equal keys in one of each topic. `is_dropped` says of a row whether it is to have
    no record anywhere, not as a dead letter either; None: no row is. `size_limit` says which rows
    have no record in this topic because it would be too large; None: none."""

    decode: Decoder = field(default_factory=documented_record)
    fields_of: Callable[[SourceRow, int], Fields | None] = documented_row
    identify_by: IdentifyBy = IdentifyBy.LINE
    key_of: Callable[[SourceRow], bytes | None] | None = None
    partition_of: Callable[[bytes | None], int] | None = None
    ignore_foreign: bool = False
    is_of_another: Callable[[int, int], bool] = lambda _partition, _kafka_offset: False
    complete: bool = True
    stream_of: Callable[[int], int] | None = None
    is_dropped: Callable[[SourceRow], bool] | None = None
    topics: Sequence[str] = ()
    number_for: Callable[[SourceRow, bytes | None], int] | None = None
    topic_of: Callable[[SourceRow], int] | None = None
    size_limit: SizeLimit | None = None
