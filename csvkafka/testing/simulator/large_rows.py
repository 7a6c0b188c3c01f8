"""Rows that make too large a record: those of a simulated source, and what must become of them.

Each life of the worker has another MAX_RECORD_BYTES than the one before. The job's item pins the
limit by that of the life that began the job, so every life must set aside the same rows. Which rows
these are is read here from the source, as the checker reads it: nothing of the loader's is asked.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from csvkafka.testing.checker.checker import check
from csvkafka.testing.checker.documented import (
    Decoder,
    LinesOf,
    TopicRecord,
    documented_row,
    line_in_set,
)
from csvkafka.testing.checker.expectation import Expectation
from csvkafka.testing.checker.record_sizes import DocumentedSizes
from csvkafka.testing.checker.row_ledger import Fields, SourceRow
from csvkafka.testing.checker.size_limit import SizeLimit
from csvkafka.testing.checker.verdict import Verdict

if TYPE_CHECKING:
    from csvkafka.testing.simulator.simulation import Simulation

DEAD_LETTERS = "dead-letters"
"""The topic of rows that are set aside."""

RECORD_BYTES = (1_500, 3_000, 1_200)
"""MAX_RECORD_BYTES of the first life, of the second, and so on. What is compressed is far below."""

USUAL_LIMIT = 1_244
"""What the first one means for DEAD_LETTER_ABOVE_BYTES: 256 bytes less."""

URI = "s3://bucket/rows.csv"


def large_value(row: int, key: str, uri: str, *, is_keyed: bool) -> str | None:
    """The value of each fourth row of a file: its record has just the usual limit's size, or a byte
    more, or far more; None for the others. (In a set, whose files count their lines anew, it may be
    a byte less.)"""
    if row % 4 != 1:
        return None
    value = f'{{"id":"{row}","key":"{key}","value":"","_source_line":{row + 1},'
    size = len(f'{value}"_source_file":"{uri}"}}') + len(key) * is_keyed
    return "x" * (USUAL_LIMIT - size + (1, 0, 500)[row // 4 % 3])


def size_limit(
    simulation: Simulation, place_of: Callable[[int], tuple[str, int]], uris: Sequence[str]
) -> SizeLimit | None:
    """What the job's item pins; None where no row is to be set aside."""
    if not simulation.schedule.large or not simulation.items:
        return None
    configuration = cast(Mapping[str, str], simulation.items[-1]["configuration"])
    sizes = DocumentedSizes(place_of, uris)
    limit = configuration.get("DEAD_LETTER_ABOVE_BYTES")
    return None if limit is None else SizeLimit(int(limit), sizes.size_of, sizes.bound_of)


def judge_letters(
    simulation: Simulation, rows: Iterable[SourceRow], due: Expectation, decode: Decoder
) -> Verdict:
    """Holds the topic of dead letters against the rows that `due` has above its limit."""
    limit, key_of = due.size_limit, due.key_of

    def fields_of(row: SourceRow, line: int) -> Fields | None:
        key = None if key_of is None else key_of(row)
        is_large = limit is not None and limit.size_above(row, line, key)
        return documented_row(row, line) if is_large else None

    return check(
        rows,
        {0: records_in(simulation)},
        Expectation(
            decode=decode,
            fields_of=fields_of,
            ignore_foreign=True,
            stream_of=due.stream_of,
        ),
        simulation.letter_observations,
    )


def records_in(simulation: Simulation) -> list[TopicRecord]:
    """What stands in the topic of dead letters."""
    assert simulation.letters_lane is not None
    return [
        TopicRecord(record.kafka_offset, record.key, record.value, record.headers)
        for record in simulation.kafka.log(simulation.letters_lane).records()
    ]


def letter_decoder(simulation: Simulation, files: Mapping[str, LinesOf] | None = None) -> Decoder:
    """Reads a dead letter: its row, by the columns of its file, and the line in its headers."""
    names: dict[str, list[str]] = {}

    def decode(record: TopicRecord) -> tuple[int | None, Fields | None]:
        said = {name: (value or b"").decode() for name, value in record.headers}
        uri, line = said.get("_source_file"), said.get("_source_line", "")
        if uri is None or not line.isdigit():
            return None, None
        if uri not in names:
            data = simulation.files.get(uri.removeprefix("s3://bucket/"), simulation.source)
            (names[uri],) = csv.reader([data.decode().splitlines()[0]])
        (row,) = csv.reader([(record.value or b"").decode()])
        number = int(line) if files is None else line_in_set(files, uri, int(line))
        return number, dict(zip(names[uri], row, strict=False))

    return decode
