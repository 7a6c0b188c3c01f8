"""Makes the JSON values and the keys of a block's rows, row by row: the reference way.

It is `csv` and `orjson`: `{**row, "_source_line": …, "_source_file": …}` for each row of a
`csv.DictReader`. It takes any block; most go the faster way of `plain_rows`, to the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from csvkafka.errors import ANOTHER_JOB, ConfigError, MalformedRowError, UserFunctionError
from csvkafka.model import BadRows, Block, EncodePlan, Transform
from csvkafka.records.record_batch import RecordHeaders
from csvkafka.rows.csv_rows import decode, parse_rows

SOURCE_LINE = "_source_line"
SOURCE_FILE = "_source_file"
REASON = "reason"
"""Header of a dead letter: what is wrong with its row."""


@dataclass(frozen=True, slots=True)
class RowRecords:
    """Values of consecutive rows; `keys` is None if all keys are null. `dead_letters` has, by place
    in `values`, the record headers of each row that goes to the dead-letter topic."""

    values: list[bytes]
    keys: list[bytes | None] | None = None
    dead_letters: Mapping[int, RecordHeaders] = field(default_factory=dict)


def key_index_of(plan: EncodePlan) -> int | None:
    """Which field of a row is its record's key; None if keys are null.

    Raises ConfigError for a key column that is not in the header."""
    if plan.key_column is None:
        return None
    if plan.key_column not in plan.header:
        raise ConfigError(
            f"key column {plan.key_column!r} is not in the header of {plan.source_uri}: "
            + ", ".join(plan.header)
        )
    # Of columns with the same name, the last one counts, as in the record.
    return len(plan.header) - 1 - plan.header[::-1].index(plan.key_column)


class RowEncoder:
    """Makes the records of a plan's rows. Raises ConfigError as `key_index_of` does."""

    def __init__(self, plan: EncodePlan) -> None:
        self._plan = plan
        self._names = plan.header
        self._key_index = key_index_of(plan)

    def encode(self, block: Block, first: int = 0) -> RowRecords:
        """The records of the block's rows from its row `first` (0 is the first) on.

        Raises MalformedRowError, SourceCorruptError, and UserFunctionError where `plan.transform`
        raises, or returns what is no JSON."""
        plan, names, key_index = self._plan, self._names, self._key_index
        width = len(names)
        uri = plan.source_uri
        values: list[bytes] = []
        keys: list[bytes | None] = []
        dead_letters: dict[int, RecordHeaders] = {}
        text = decode(block.data, plan.dialect, block.start.byte_offset, uri)
        reader = parse_rows(text, plan.dialect)
        number = block.start.row_count
        skipped_until = number + first
        lines_before = 0
        for row in reader:
            if row:
                number += 1
                if number > skipped_until:
                    record: dict[str, object] | None
                    if len(row) == width:
                        record = dict(zip(names, row, strict=True))
                    else:
                        lines = slice(lines_before, reader.line_num)
                        record = self._ragged(row, number, block, lines, values, dead_letters)
                    key = None
                    if record is not None:
                        if key_index is not None and key_index < len(row):
                            key = row[key_index].encode()
                        record[SOURCE_LINE] = number
                        record[SOURCE_FILE] = uri
                        values.append(self._dump(record, number))
                    keys.append(key)
            lines_before = reader.line_num
        self._check_row_count(block, number - block.start.row_count)
        return RowRecords(values, None if key_index is None else keys, dead_letters)

    def _dump(self, record: dict[str, object], number: int) -> bytes:
        if self._plan.transform is None:
            # Not every key is a string: the surplus of a row that is kept stands under None.
            return _compact(orjson.dumps(record, option=orjson.OPT_NON_STR_KEYS))
        row = f"row {number} of {self._plan.source_uri}"
        try:
            result = self._plan.transform(record, number)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it may be anything
            name = transform_name(self._plan.transform)
            raise UserFunctionError.of(f"the transform {name}", row, error) from None
        try:
            return _compact(orjson.dumps(dict(result), option=orjson.OPT_NON_STR_KEYS))
        except (TypeError, ValueError) as error:
            name = transform_name(self._plan.transform)
            raise UserFunctionError(
                f"the transform {name} returned no JSON object for {row} ({error}): repair the "
                "function, and run the same command again"
            ) from None

    def _ragged(
        self,
        row: list[str],
        number: int,
        block: Block,
        lines: slice,
        values: list[bytes],
        dead_letters: dict[int, RecordHeaders],
    ) -> dict[str, object] | None:
        """What becomes of a row wider or narrower than the header: the record of one that is kept,
        None for one that was added as a dead letter. `lines` are its lines in the block."""
        names = self._names
        reason = f"{_count(len(row), 'field')}, the header has {len(names)}"
        if self._plan.bad_rows is BadRows.KEEP:
            record: dict[str | None, object] = dict(zip(names, row, strict=False))
            if len(row) > len(names):
                record[None] = row[len(names) :]
            record.update(dict.fromkeys(names[len(row) :]))
            return record  # type: ignore[return-value]
        physical_lines = block.data.splitlines(keepends=True)
        if self._plan.bad_rows is BadRows.STOP:
            byte_offset = block.start.byte_offset + sum(map(len, physical_lines[: lines.start]))
            raise MalformedRowError(
                f"row {number} at byte {byte_offset} of {self._plan.source_uri} has {reason}; "
                f"repair the file, or set ON_BAD_ROW, {ANOTHER_JOB}"
            )
        dead_letters[len(values)] = (
            (SOURCE_LINE, b"%d" % number),
            (SOURCE_FILE, self._plan.source_uri.encode()),
            (REASON, f"row has {reason}".encode()),
        )
        values.append(b"".join(physical_lines[lines]).rstrip(b"\r\n"))
        return None

    def _check_row_count(self, block: Block, count: int) -> None:
        if count != block.row_count:
            raise MalformedRowError(
                f"the block at byte {block.start.byte_offset} of {self._plan.source_uri} was cut "
                f"as {_count(block.row_count, 'row')} and reads as {count}; this is a defect of "
                "csvkafka: please report it. Nothing of the block was sent."
            )


def transform_name(transform: Transform) -> str:
    """`module:function`."""
    module = getattr(transform, "__module__", "")
    name = getattr(transform, "__qualname__", type(transform).__qualname__)
    return f"{module}:{name}"


def _compact(json: bytes) -> bytes:
    """A copy that takes no more memory than it needs: orjson's own keeps some KB of room."""
    return b"%b" % json


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
