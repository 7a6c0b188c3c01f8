"""What a correct topic looks like: the rows of the source, and how a record shows its row.

The default is csvkafka's documented record. Other loaders are judged by an `Expectation` of their
own, which is all that the checker knows of them.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO, NamedTuple

import orjson

from csvkafka.testing.checker.row_ledger import Fields

SourceRow = dict[str | None, object]
"""A row as `csv.DictReader` gives it: surplus fields are a list under None."""


class TopicRecord(NamedTuple):
    """A record as a consumer sees it."""

    kafka_offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


class IdentifyBy(StrEnum):
    """How a record tells which row it is."""

    LINE = "line"  # it carries its source line
    CONTENT = "content"  # by its content alone: a torn row then shows as a phantom and a lost row


Decoder = Callable[[TopicRecord], tuple[int | None, Fields | None]]
"""(source_line or None, fields or None): without fields the record could not be decoded; without a
line it is not one of the loader's, unless rows are identified by content."""


def documented_record(source_uri: str | None = None) -> Decoder:
    """Decodes the documented record: a JSON object with `_source_line` and `_source_file`. With
    `source_uri`, records of other files are not the loader's."""

    def decode(record: TopicRecord) -> tuple[int | None, Fields | None]:
        try:
            fields = orjson.loads(record.value or b"")
        except orjson.JSONDecodeError:
            return None, None
        if not isinstance(fields, dict):
            return None, None
        line = fields.pop("_source_line", None)
        file = fields.pop("_source_file", None)
        ours = type(line) is int and file is not None and source_uri in (None, file)
        return (line if ours else None), fields

    return decode


def documented_row(row: SourceRow, _: int) -> Fields:
    """The fields of the documented record of a row; surplus fields stand under "null"."""
    if None in row:
        row["null"] = row.pop(None)
    row.pop("_source_line", None)
    row.pop("_source_file", None)
    return row  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a correct topic looks like. The default is the documented record, any partition.

    `decode` reads a record. `fields_of(row, source_line)` says what its fields should be (a
    transform goes here), or None: no record in this topic (rows for a dead-letter topic).
    `key_of(row)` is the record key that is due; None: keys are not judged. `partition_of(key)` is
    where a record belongs; None: anywhere, but equal keys in one partition if `key_of` is given.
    `ignore_foreign`: records that are not the loader's are no phantom rows. `complete` False: the
    load is still to go on, so only rows with a later row behind them in their partition are lost
    (with several partitions that takes `partition_of`)."""

    decode: Decoder = field(default_factory=documented_record)
    fields_of: Callable[[SourceRow, int], Fields | None] = documented_row
    identify_by: IdentifyBy = IdentifyBy.LINE
    key_of: Callable[[SourceRow], bytes | None] | None = None
    partition_of: Callable[[bytes | None], int] | None = None
    ignore_foreign: bool = False
    complete: bool = True


def read_rows(
    stream: BinaryIO, *, encoding: str = "utf-8-sig", delimiter: str = ",", quotechar: str = '"'
) -> Iterator[SourceRow]:
    """The rows of a CSV, by definition. Lifts the `csv` module's field size limit, which is the
    process's."""
    csv.field_size_limit(sys.maxsize)
    text = io.TextIOWrapper(stream, encoding=encoding, newline="")
    return iter(csv.DictReader(text, delimiter=delimiter, quotechar=quotechar))
