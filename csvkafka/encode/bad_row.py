"""A row of a block that cannot become a record: where it is, and the rows before it.

The rows before it are sent, those of its own block too. So whoever finds such a row says which row
it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from csvkafka.errors import CsvKafkaError, RecordTooLargeError
from csvkafka.model import BadRows, Block, Dialect, EncodePlan, Position
from csvkafka.rows.csv_rows import decode_row, row_ends, source_codec
from csvkafka.rows.utf16 import stored


class BadRow(Exception):
    """Row `row_index` of a block (0 is the first) cannot become a record, because of `error`."""

    def __init__(self, row_index: int, error: Exception) -> None:
        super().__init__(row_index, error)
        self.row_index = row_index
        self.error = error


def first_rows(block: Block, count: int, dialect: Dialect) -> Block:
    """The first rows of a block that has more of them."""
    start = block.start
    size = row_starts(block, dialect)[count]
    data = block.data[:size]
    end = Position(start.byte_offset + len(stored(data, dialect)), start.row_count + count)
    return Block(data, start, end, block.plain, block.places[:count])


def byte_offset_of(block: Block, row_index: int, before: bytes, dialect: Dialect) -> int:
    """Where row `row_index` begins in its file; `before` is what the block holds before it."""
    if block.places:
        return block.places[row_index].byte_offset
    return block.start.byte_offset + len(stored(before, dialect))


def row_starts(block: Block, dialect: Dialect) -> list[int]:
    """Where each row begins in the block's data."""
    ends = list(row_ends(block.data, dialect))
    starts = [0, *(end for end, _ in ends)]
    return [start for start, (_, is_row) in zip(starts, ends, strict=False) if is_row]


def text_of(block: Block, plan: EncodePlan) -> str:
    """The block's text; of a comment that is none, what of it is ASCII.

    Raises BadRow with SourceCorruptError for the first row that is none."""
    try:
        return block.data.decode(source_codec(plan.dialect.encoding))
    except UnicodeDecodeError:
        return "".join(_texts(block, plan))


def _texts(block: Block, plan: EncodePlan) -> Iterator[str]:
    """The text of each row, and what of the other lines is ASCII."""
    begin = row_index = 0
    for end, is_row in row_ends(block.data, plan.dialect):
        data = block.data[begin:end]
        if is_row:
            yield _row_text(data, begin, row_index, block, plan)
            row_index += 1
        else:
            yield data.decode("ascii", "ignore")
        begin = end
    if begin < len(block.data):  # a quote is open at its end, which is for the reader to refuse
        yield _row_text(block.data[begin:], begin, row_index, block, plan)


def _row_text(row: bytes, begin: int, row_index: int, block: Block, plan: EncodePlan) -> str:
    """The text of row `row_index`, at byte `begin` of the block. Raises BadRow.

    A dead letter says what follows from its row alone, as a resume may cut other blocks. Who stops
    at the row learns more from those around it."""
    with suppress(UnicodeDecodeError):
        return row.decode(source_codec(plan.dialect.encoding))
    try:
        return decode_row(
            row,
            f"row {block.source_line(row_index)}",
            byte_offset_of(block, row_index, block.data[:begin], plan.dialect),
            plan.dialect,
            plan.source_uri,
            names=plan.header,
            sample=b"" if plan.bad_rows is BadRows.DEAD_LETTER else block.data,
        )
    except CsvKafkaError as not_text:
        raise BadRow(row_index, not_text) from not_text


def too_large(
    block: Block, plan: EncodePlan, row_index: int, size: int, *, is_letter: bool
) -> RecordTooLargeError:
    """What is wrong with a row that makes a batch of `size` bytes alone, as a record or, if
    `is_letter`, as a dead letter."""
    number = block.source_line(row_index)
    before = block.data[: row_starts(block, plan.dialect)[row_index]]
    byte_offset = byte_offset_of(block, row_index, before, plan.dialect)
    what, limit, setting = "makes", plan.max_record_bytes, plan.record_limit
    if is_letter:
        what = "is to be set aside, and its dead letter makes"
        limit, setting = plan.max_letter_bytes, plan.letter_limit
    return RecordTooLargeError(
        f"row {number} at byte {byte_offset} of {plan.source_uri} {what} a batch of {size} bytes, "
        f"the limit is {limit}: raise {setting}, and run again"
    )
