"""A row that is set aside: its bytes as they stand in the file, and headers that say what is wrong.

The headers are ours (file, row, byte, column, code, reason), and those of Kafka Connect's that fit,
so that tools made for its dead letters show the cause too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

from csvkafka.errors import (
    MalformedRowError,
    RecordTooLargeError,
    SourceCorruptError,
    UserFunctionError,
    as_a_reason,
)
from csvkafka.limits import SIZE_LIMIT_SETTING
from csvkafka.model import SOURCE_FILE, SOURCE_LINE, Block, Dialect
from csvkafka.records.record_batch import RecordHeaders
from csvkafka.rows.csv_rows import row_ends
from csvkafka.rows.utf16 import stored

REASON = "reason"
"""Header of a dead letter: what is wrong with its row."""

SOURCE_BYTE = "_source_byte"
"""Header of a dead letter: where its row begins in the (decompressed) file, 0 is the first byte."""

_CONNECT = "__connect.errors."


class FaultCode(StrEnum):
    """What is wrong with a row.

    Only what follows from the row and the job's configuration, as a resume must set aside the same
    rows. So a record's size is that before its codec, and its limit stands in the job's item."""

    WIDTH = "width"  # another number of fields than the header has
    TYPE = "type"  # a field that its declared type does not hold
    SCHEMA = "schema"  # a field of its declared type, which the given schema cannot hold
    ENCODING = "encoding"  # bytes that are no text
    TRANSFORM = "transform"  # the user's function raised, or returned no object
    SIZE = "size"  # it makes a record of more bytes than the job sends to the topic of rows


_STAGES = {FaultCode.TRANSFORM: "TRANSFORMATION", FaultCode.SIZE: "KAFKA_PRODUCE"}
"""Kafka Connect's names of where each fault would be found, if not in its converter of values."""

_OF_ERRORS: dict[type[Exception], FaultCode] = {
    SourceCorruptError: FaultCode.ENCODING,
    UserFunctionError: FaultCode.TRANSFORM,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row is set aside. `reason` is a clause whose subject is the row; `column` is the one
    that is to blame, if it is one."""

    code: FaultCode
    reason: str
    column: str = ""
    error: type[Exception] = MalformedRowError


def size_fault(size: int, limit: int) -> Fault:
    """The fault of a row whose record has `size` bytes, more than the `limit`."""
    reason = f"row makes a record of {size} bytes, the limit is {limit} ({SIZE_LIMIT_SETTING})"
    return Fault(FaultCode.SIZE, reason, error=RecordTooLargeError)


class RowFault(Exception):
    """A row cannot become a record, for a reason that can be told without the others."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


def fault_of(error: Exception) -> Fault | None:
    """The fault that an error tells of; None if the error is not about a row."""
    code = _OF_ERRORS.get(type(error))
    return None if code is None else Fault(code, as_a_reason(str(error)), error=type(error))


@dataclass(frozen=True, slots=True)
class Letter:
    """The record that stands for a row that is set aside, but for its key, which is null."""

    value: bytes
    headers: RecordHeaders
    place: str
    """For people: which row, and why."""


class RowBytes:
    """The physical lines of a block, to find the bytes of a row by the lines that it has."""

    def __init__(self, block: Block, dialect: Dialect) -> None:
        self._dialect = dialect
        self._byte_offset = block.start.byte_offset
        self._lines = block.data.splitlines(keepends=True)
        sizes = (len(stored(line, dialect)) for line in self._lines)
        self._starts = list(accumulate(sizes, initial=0))

    def byte_offset(self, lines: slice) -> int:
        """Where they begin in the file."""
        return self._byte_offset + self._starts[int(lines.start)]

    def of(self, lines: slice) -> bytes:
        """What they hold, without the last one's end."""
        return stored(without_line_end(b"".join(self._lines[lines]), self._dialect), self._dialect)


def without_line_end(row: bytes, dialect: Dialect) -> bytes:
    """The bytes of a row without its line end, and with one that is escaped, which is the row's."""
    bare = row.rstrip(b"\r\n")
    escape = dialect.escapechar.encode()
    if escape and bare.endswith(escape):
        closed = bare + b"\n"
        if list(row_ends(closed, dialect)) != [(len(closed), True)]:
            return row[: len(bare) + 1]
    return bare


def row_alone(block: Block, dialect: Dialect) -> tuple[bytes, bytes]:
    """Of a block of one row, what stands before the row (blank lines, comments), and the row."""
    begin = 0
    for end, is_row in row_ends(block.data, dialect):
        if is_row:
            return block.data[:begin], without_line_end(block.data[begin:end], dialect)
        begin = end
    return b"", without_line_end(block.data, dialect)


def letter(value: bytes, uri: str, number: int, byte_offset: int, fault: Fault) -> Letter:
    """The dead letter of row `number` of the file."""
    stage = _STAGES.get(fault.code, "VALUE_CONVERTER")
    pairs: Sequence[tuple[str, str]] = (
        (SOURCE_LINE, str(number)),
        (SOURCE_FILE, uri),
        (SOURCE_BYTE, str(byte_offset)),
        ("code", fault.code.value),
        *([("column", fault.column)] if fault.column else ()),
        (REASON, fault.reason),
        (f"{_CONNECT}stage", stage),
        (f"{_CONNECT}exception.class.name", fault.error.__name__),
        (f"{_CONNECT}exception.message", fault.reason),
    )
    headers = tuple((name, text.encode("utf-8", "replace")) for name, text in pairs)
    why = fault.reason.removeprefix(f"row {number} ").removeprefix("row ")
    return Letter(value, headers, f"row {number} ({why})")
