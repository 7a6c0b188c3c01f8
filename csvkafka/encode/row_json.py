"""Makes the JSON values and the keys of a block's rows, row by row: the reference way.

It is `csv` and `orjson`: `{**row, "_source_line": …, "_source_file": …}` for each row of a
`csv.DictReader`. It takes any block. Most blocks go the faster way of `plain_rows`, which makes the
same bytes.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from csvkafka.encode.bad_row import BadRow, text_of
from csvkafka.encode.dead_letter import (
    Fault,
    FaultCode,
    Letter,
    RowBytes,
    RowFault,
    fault_of,
    letter,
    size_fault,
)
from csvkafka.encode.partitioning import ChooseLane
from csvkafka.errors import (
    ANOTHER_JOB,
    ConfigError,
    MalformedRowError,
    UserFunctionError,
    counted,
)
from csvkafka.model import SOURCE_FILE, SOURCE_LINE, BadRows, Block, EncodePlan, Transform
from csvkafka.records.record_batch import RecordHeaders, record_size
from csvkafka.rows.columns import rest_key
from csvkafka.rows.csv_rows import parse_rows

if TYPE_CHECKING:
    from csvkafka.encode.declared_rows import Declared


@dataclass(frozen=True, slots=True)
class RowRecords:
    """Values of consecutive rows; `keys` is None if all keys are null, `headers` if no record has
    any. `letters` has, by place in `values`, each row that goes to the dead-letter topic; `dropped`
    are the places of rows that make no record. `topics` has the number of each row's topic (0 is
    KAFKA_TOPIC, k that of the table's k-th route); None: all go to KAFKA_TOPIC."""

    values: list[bytes]
    keys: list[bytes | None] | None = None
    letters: Mapping[int, Letter] = field(default_factory=dict)
    headers: list[RecordHeaders] | None = None
    dropped: frozenset[int] = frozenset()
    topics: list[int] | None = None

    def headers_of(self, indexes: Sequence[int]) -> list[RecordHeaders] | None:
        """The headers of some of the rows."""
        return None if self.headers is None else [self.headers[index] for index in indexes]

    def lane(self, index: int, choose_lane: ChooseLane, letters_lane: int) -> int | None:
        """Which lane a row goes to; None if to none."""
        if index in self.dropped:
            return None
        if index in self.letters:
            return letters_lane
        topic = self.topics[index] if self.topics else 0
        return choose_lane(topic, self.keys[index] if self.keys else None)


def key_index_of(plan: EncodePlan) -> int | None:
    """Which field of a row is its record's key; None if keys are null.

    Raises ConfigError for a key column that is not in the header."""
    if plan.key_column is None:
        return None
    if not plan.header:
        raise ConfigError(
            f"{plan.source_uri} has no header row, it is empty: so it has no key column "
            f"{plan.key_column!r} (KEY_COLUMN)"
        )
    if plan.key_column not in plan.header:
        alike = [name for name in plan.header if name.strip().lower() == plan.key_column.lower()]
        meant = f"; is {alike[0]!r} meant?" if alike else "; set it to one of them"
        raise ConfigError(
            f"key column {plan.key_column!r} (KEY_COLUMN) is not in the header of "
            f"{plan.source_uri}: {', '.join(plan.header)}{meant}"
        )
    # Of columns with the same name, the last one counts, as in the record.
    return len(plan.header) - 1 - plan.header[::-1].index(plan.key_column)


class RowEncoder:
    """Makes the records of a plan's rows. Raises ConfigError as `key_index_of` does."""

    def __init__(self, plan: EncodePlan) -> None:
        self._plan = plan
        self._names = plan.header
        self._key_index = key_index_of(plan)
        self._rest_key = rest_key(plan.header)
        self._declared: Declared | None = None
        if plan.table is not None:
            # Not at the top: most loads declare nothing, and their start should not pay for it.
            from csvkafka.encode.declared_rows import Declared

            self._declared = Declared(plan, plan.table)
        # What writes records that are no plain JSON.
        self._write = None if self._declared is None else self._declared.dump
        self._is_dropped = None if self._declared is None else self._declared.is_dropped
        self._topic_of = None if self._declared is None else self._declared.topic_of
        self.drops_rows = self._is_dropped is not None
        self.has_keys = self._key_index is not None or bool(plan.table and plan.table.key)
        self._repair = "the file" if plan.table is None else "the file or the table (CSV_COLUMNS)"
        # Its text, not the enum, which is the table's: see above.
        self._metadata = "value" if plan.table is None else plan.table.metadata.value

    def encode(self, block: Block, first: int = 0) -> RowRecords:
        """The records of the block's rows from its row `first` (0 is the first) on; `first` is 0
        where rows may be dropped.

        Raises BadRow with SourceCorruptError for bytes that are no text and, unless bad rows become
        dead letters, MalformedRowError, and UserFunctionError where `plan.transform` raises, or
        returns what is no JSON."""
        values: list[bytes] = []
        keys: list[bytes | None] = []
        letters: dict[int, Letter] = {}
        dropped: list[int] = []
        is_dropped, topic_of, width = self._is_dropped, self._topic_of, len(self._names)
        topics: list[int] = []
        headers: list[RecordHeaders] = []
        text = text_of(block, self._plan)
        row_bytes: RowBytes | None = None
        reader = parse_rows(text, self._plan.dialect)
        count = 0
        rows_before, places = block.start.row_count, block.places
        lines_before = 0
        for row in reader:
            if row:
                count += 1
                if is_dropped is not None and len(row) == width and is_dropped(row):
                    dropped.append(len(values))
                    values.append(b"")
                    keys.append(None)
                    if self._metadata == "headers":
                        headers.append(())
                    if topic_of is not None:
                        topics.append(0)
                elif count > first:
                    number = places[count - 1].source_line if places else rows_before + count
                    try:
                        value, key = self._fitting(row, number)
                    except (RowFault, UserFunctionError) as error:
                        row_bytes = row_bytes or RowBytes(block, self._plan.dialect)
                        lines = slice(lines_before, reader.line_num)
                        found = self._set_aside(error, count - 1, row_bytes, lines, block)
                        letters[len(values)] = found
                        value, key = found.value, None
                    except Exception as error:
                        raise BadRow(count - 1, error) from error
                    values.append(value)
                    keys.append(key)
                    if self._metadata == "headers":
                        headers.append(self._headers(number))
                    if topic_of is not None:
                        topics.append(topic_of(row) if len(row) == width else 0)
            lines_before = reader.line_num
        self._check_row_count(block, count)
        return RowRecords(
            values,
            keys if self.has_keys else None,
            letters,
            headers or None,
            frozenset(dropped),
            topics or None,
        )

    def _fitting(self, row: list[str], number: int) -> tuple[bytes, bytes | None]:
        """Value and key of one row. Raises RowFault, also for its record's size, and
        UserFunctionError."""
        record = value, key = self._record(row, number)
        limit = self._plan.set_aside_above_bytes
        if limit is not None:
            headers = self._headers(number) if self._metadata == "headers" else ()
            if (size := record_size(key, value, headers)) > limit:
                raise RowFault(size_fault(size, limit))
        return record

    def _record(self, row: list[str], number: int) -> tuple[bytes, bytes | None]:
        """Value and key of one row. Raises RowFault, UserFunctionError."""
        names, key_index = self._names, self._key_index
        key = None
        if len(row) != len(names):
            if self._plan.bad_rows is not BadRows.KEEP:
                reason = f"row has {counted(len(row), 'field')}, the header has {len(names)}"
                raise RowFault(Fault(FaultCode.WIDTH, reason))
            record = self._kept(row)
        elif self._declared is None:
            record = dict(zip(names, row, strict=True))
        else:
            record, key = self._declared.record(row)
        if key_index is not None and key_index < len(row):
            key = row[key_index].encode()
        if self._metadata == "value":
            record[SOURCE_LINE] = number
            record[SOURCE_FILE] = self._plan.source_uri
        return self._dump(record, number), key

    def _headers(self, number: int) -> RecordHeaders:
        return ((SOURCE_LINE, b"%d" % number), (SOURCE_FILE, self._plan.source_uri.encode()))

    def _set_aside(
        self,
        error: RowFault | UserFunctionError,
        row_index: int,
        row_bytes: RowBytes,
        lines: slice,
        block: Block,
    ) -> Letter:
        """The dead letter of a row, of which these are the lines in the block. Raises BadRow where
        such a row stops the load."""
        plan, number = self._plan, block.source_line(row_index)
        fault = error.fault if isinstance(error, RowFault) else fault_of(error)
        assert fault is not None
        byte_offset = (
            block.places[row_index].byte_offset if block.places else row_bytes.byte_offset(lines)
        )
        if plan.bad_rows is BadRows.DEAD_LETTER:
            value = row_bytes.of(lines)
            return letter(value, plan.source_uri, number, byte_offset, fault)
        stop: Exception = error
        if isinstance(error, RowFault):
            stop = MalformedRowError(
                f"row {number} at byte {byte_offset} of {plan.source_uri} "
                f"{fault.reason.removeprefix('row ')}; repair {self._repair}, or set ON_BAD_ROW, "
                f"{ANOTHER_JOB}"
            )
        raise BadRow(row_index, stop) from error

    def _dump(self, record: dict[str, object], number: int) -> bytes:
        if self._plan.transform is None:
            if self._write is not None:
                return self._write(record)
            # Not every key is a string: the surplus of a row that is kept may stand under None.
            return _compact(orjson.dumps(record, option=orjson.OPT_NON_STR_KEYS))
        row = f"row {number} of {self._plan.source_uri}"
        try:
            result = self._plan.transform(record, number)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it may be anything
            name = transform_name(self._plan.transform)
            raise UserFunctionError.of(f"the transform {name}", row, error) from None
        try:
            return _compact(_json_object(dict(result)))
        except (TypeError, ValueError) as error:
            # It may be anything, whatever its type says.
            why = error if hasattr(result, "keys") else f"it is of type {type(result).__name__}"
            name = transform_name(self._plan.transform)
            raise UserFunctionError.no_object(f"the transform {name}", row, why) from None

    def _kept(self, row: list[str]) -> dict[str, object]:
        """The record of a row wider or narrower than the header, as csv.DictReader has it."""
        names = self._names
        record: dict[str | None, object] = dict(zip(names, row, strict=False))
        if len(row) > len(names):
            record[self._rest_key] = row[len(names) :]
        record.update(dict.fromkeys(names[len(row) :]))
        return record  # type: ignore[return-value]

    def _check_row_count(self, block: Block, count: int) -> None:
        if count != block.row_count:
            raise MalformedRowError(
                f"the block at byte {block.start.byte_offset} of {self._plan.source_uri} was cut "
                f"as {counted(block.row_count, 'row')} and reads as {count}; this is a defect of "
                "csvkafka: please report it. Nothing of the block was sent."
            )


def transform_name(transform: Transform) -> str:
    """`module:function`."""
    module = getattr(transform, "__module__", "")
    name = getattr(transform, "__qualname__", type(transform).__qualname__)
    return f"{module}:{name}"


def check_transform(transform: Transform) -> None:
    """Raises ConfigError for a function that cannot be called as each row will call it."""
    name = f"the transform {transform_name(transform)}"
    if inspect.iscoroutinefunction(transform) or inspect.isgeneratorfunction(transform):
        raise ConfigError(f"{name} must return the record: make it a plain function (TRANSFORM)")
    try:
        inspect.signature(transform).bind({}, 1)
    except TypeError as error:
        raise ConfigError(
            f"{name} must take two arguments, a row and its line ({error}); see TRANSFORM"
        ) from error
    except ValueError:
        return  # a function in C may not tell


def _json_object(fields: dict[str, object]) -> bytes:
    """Raises TypeError or ValueError for what is no JSON object, or has a key twice."""
    try:
        return orjson.dumps(fields)
    except TypeError:
        text = orjson.dumps(fields, option=orjson.OPT_NON_STR_KEYS)
    # Keys of other types than str may be written alike: None and "null", 1 and "1".
    json.loads(text, object_pairs_hook=_refuse_equal_keys)
    return text


def _refuse_equal_keys(pairs: list[tuple[str, object]]) -> None:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"it has the key {name!r} twice")


def _compact(text: bytes) -> bytes:
    """A copy that takes no more memory than it needs: orjson's own keeps some KB of room."""
    return b"%b" % text
