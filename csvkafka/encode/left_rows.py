"""The rows of a block that the compiled way leaves, made by the reference way one at a time.

Such a row has another width than the header, a field that is not plainly of its type, or perhaps
too large a record. Where a block has many of them it is given up: the reference way makes all of it
in less time.
"""

from __future__ import annotations

from csvkafka.encode.bad_row import BadRow, row_starts
from csvkafka.encode.row_json import RowEncoder, RowRecords
from csvkafka.model import Block, Dialect, Position
from csvkafka.records.record_batch import frame_records
from csvkafka.rows.utf16 import stored

FEW = 16
"""So many rows of a block are made alone, whatever share of it they are."""

LARGE_SHARE = 1 / 4
"""More than `FEW` rows are made alone only while they are no larger share of those that were read.
A row that is made alone takes up to three times as long as one of many."""


class LeftRows:
    """Makes rows of one block, in their order. `data` is the block's, in UTF-8."""

    def __init__(self, block: Block, data: bytes, dialect: Dialect, rows: RowEncoder) -> None:
        self._block = block
        self._data = data
        self._dialect = dialect
        self._rows = rows
        self._made = 0
        self._begin = self._stored_size = 0  # of the row that was made last
        self._starts: list[int] = []

    def records(self, row_index: int, begin: int, end: int) -> RowRecords:
        """The record of row `row_index`, which is `data[begin:end]`.

        Raises BadRow as the reference way does, and ValueError if the block has too many rows that
        are left."""
        self._made += 1
        if self._made > FEW and self._made > LARGE_SHARE * (row_index + 1):
            raise ValueError("too many rows are left")
        try:
            return self._rows.encode(self._alone(row_index, begin, end))
        except BadRow as bad:
            raise BadRow(row_index, bad.error) from bad.error

    def _alone(self, row_index: int, begin: int, end: int) -> Block:
        block = self._block
        if self._data is block.data:
            data = block.data[begin:end]
            self._stored_size += len(stored(block.data[self._begin : begin], self._dialect))
            self._begin = begin
        else:  # of another encoding than UTF-8: places in `data` are not those in the block
            self._starts = self._starts or row_starts(block, self._dialect)
            starts = [*self._starts[row_index : row_index + 2], len(block.data)]
            data = block.data[starts[0] : starts[1]]
            self._stored_size = starts[0]
        number = block.start.row_count + row_index
        byte_offset = block.start.byte_offset + self._stored_size
        start = Position(byte_offset, number)
        end_position = Position(byte_offset + len(stored(data, self._dialect)), number + 1)
        return Block(data, start, end_position, plain=False)


def framed(records: RowRecords, delta: int) -> bytes:
    """The record of one row as part of a records section, at the place `delta`."""
    letter = records.letters.get(0)
    headers = records.headers_of([0]) if letter is None else [letter.headers]
    return frame_records(records.values, records.keys, headers, delta)
