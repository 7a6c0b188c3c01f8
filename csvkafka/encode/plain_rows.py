"""The plain way from a block to the records of its batches, without a parser and without an object
for each record.

A plain block is split into lines and fields by `split`. The fields are put between the parts of a
framed record that are always the same, and all is joined. All text here is latin-1: each character
stands for one byte (of UTF-8, where it is not ASCII), because Python joins text faster than bytes.
What does not fit, such as a row of another width than the header's, is left to the reference way
(`row_json` and `record_batch.frame_records`). Both ways make the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson

from csvkafka.encode.bad_row import text_of
from csvkafka.encode.partitioning import LaneOf
from csvkafka.encode.row_json import key_index_of
from csvkafka.model import SOURCE_FILE, SOURCE_LINE, Block, EncodePlan
from csvkafka.records.record_batch import varint
from csvkafka.rows.csv_rows import quotes_around_fields

_Place = tuple[int, str, int]
"""A key's lane, the framed key, and its part of a number that `_KeyedFrames` looks up."""

_VALUE_SIZE_BITS = 32

PIECE_BYTES = 128 * 1024
"""About so many bytes of records are joined, and compressed, while they are still in the
processor's cache."""

_MOST_DIGITS = 20
"""No row has a longer number."""

KEYS_REMEMBERED = 32_768
"""How many keys' places are remembered: about 10 MB for keys of 50 bytes."""

REMEMBERED = 1 << 14
"""How many sizes a table remembers: about 3 MB each."""


@dataclass(frozen=True, slots=True)
class PlainLines:
    """Rows of a plain block, each as text that `delimiter` splits into its fields. `number` is the
    first one's `source_line`."""

    lines: Sequence[str]
    delimiter: str
    number: int

    def part(self, begin: int, end: int) -> PlainLines:
        return PlainLines(self.lines[begin:end], self.delimiter, self.number + begin)


class PlainRows:
    """Encodes the plain blocks of a plan for which `fits` holds."""

    @staticmethod
    def fits(plan: EncodePlan) -> bool:
        """Whether a record follows from the fields of its row in their order."""
        names = plan.header
        return (
            plan.transform is None
            and plan.table is None
            and 0 < len(names) == len(set(names))
            and {SOURCE_LINE, SOURCE_FILE}.isdisjoint(names)
        )

    def __init__(self, plan: EncodePlan) -> None:
        self._plan = plan
        self._width = width = len(plan.header)
        self._key_index = key_index_of(plan)
        self._places: dict[str, _Place] = {}
        self._quote = plan.dialect.quotechar.encode()
        self._delimiter = plan.dialect.delimiter.encode()
        self._no_delimiter_in_quotes = quotes_around_fields(plan.dialect, delimiters_inside=False)
        names = [_json(name) for name in plan.header]
        texts = [
            "{" + names[0] + ':"',
            *('",' + name + ':"' for name in names[1:]),
            f'",{_json(SOURCE_LINE)}:',
            f",{_json(SOURCE_FILE)}:{_json(plan.source_uri)}}}",
        ]
        self._fixed_size = sum(map(len, texts))
        self._most_besides = self._fixed_size + _MOST_DIGITS
        # A framed record: what stands before the offset delta, the delta, what stands between it
        # and the value; then by turns a text and a field, the row's number and the last text.
        self._record = ["", "", "", *[""] * (2 * width + 3)]
        self._record[3::2] = texts
        self._record[-1] += "\0"  # no headers
        self._fields = slice(4, 4 + 2 * width, 2)
        self._number = 4 + 2 * width

    def lines(self, block: Block, first: int = 0) -> PlainLines | None:
        """The block's rows from its row `first` (0 is the first) on; None if they do not fit."""
        split = self._split_lines(block)
        if split is None or len(split[0]) != block.row_count:
            return None
        lines, delimiter = split
        return PlainLines(lines, delimiter, block.start.row_count + 1).part(first, len(lines))

    def may_be_set_aside(self, rows: PlainLines) -> bool:
        """Whether one of the rows may make a record of more bytes than the plan sends to the topic
        of rows: the longest one, with a key that is all of it."""
        limit = self._plan.set_aside_above_bytes
        if limit is None:
            return False
        keyed = 1 if self._key_index is None else 2
        return keyed * max(map(len, rows.lines), default=0) + self._most_besides > limit

    def frame(self, rows: PlainLines) -> Iterator[bytes]:
        """The records section of a batch of these rows without keys, as `frame_records` makes it,
        in pieces.

        Raises ValueError for a row of another width than the header's."""
        record, fields, number = self._record.copy(), self._fields, self._number
        delimiter, join = rows.delimiter, "".join
        other = self._fixed_size - len(delimiter) * (self._width - 1)
        piece_rows = 1 + PIECE_BYTES // (len(rows.lines[0]) + other)
        stretches = _stretches(len(rows.lines), rows.number, piece_rows)
        for begin, end, delta_bytes, number_size in stretches:
            frames = _FRAMES[delta_bytes]
            overhead = other + number_size
            records: list[str] = []
            for delta, line in enumerate(rows.lines[begin:end], begin):
                record[0], record[2] = frames[len(line) + overhead]
                record[1] = _VARINTS[delta]
                # Refused (ValueError) unless there are as many fields as places for them.
                record[fields] = line.split(delimiter)
                record[number] = str(rows.number + delta)
                records.append(join(record))
            yield join(records).encode("latin-1")

    def frame_keyed(
        self, rows: PlainLines, lane_of: LaneOf | None, lane_count: int
    ) -> Iterator[tuple[int, bytes]]:
        """As `frame`, with keys: each lane's number of records, and its records section in one
        piece. All rows go to lane 0 if there is no `lane_of`."""
        lanes: list[list[str]] = [[] for _ in range(lane_count)]
        # The key takes a place of its own, before the value's size.
        record = [*self._record[:2], "", *self._record[2:]]
        fields = slice(self._fields.start + 1, self._fields.stop + 1, 2)
        number = self._number + 1
        delimiter, join, key_index = rows.delimiter, "".join, self._key_index or 0
        places = self._places
        other = self._fixed_size - len(delimiter) * (self._width - 1)
        for source_line, line in enumerate(rows.lines, rows.number):
            row = line.split(delimiter)
            # Refused (ValueError) unless there are as many fields as places for them.
            record[fields] = row
            record[number] = number_text = str(source_line)
            key = row[key_index]
            lane, record[2], key_part = places.get(key) or self._place(key, lane_of, lane_count)
            records = lanes[lane]
            record[1] = delta = _VARINTS[len(records)]
            value_size = len(line) + other + len(number_text)
            record[0], record[3] = _KEYED_FRAMES[len(delta)][key_part + value_size]
            records.append(join(record))
        for records in lanes:
            yield len(records), join(records).encode("latin-1")
            records.clear()

    def _place(self, key: str, lane_of: LaneOf | None, lane_count: int) -> _Place:
        """The key's place, remembered for the next row that has it."""
        lane = 0 if lane_of is None else lane_of(key.encode("latin-1"), lane_count)
        framed = _VARINTS[len(key)] + key
        place = lane, framed, len(framed) << _VALUE_SIZE_BITS
        if len(self._places) < KEYS_REMEMBERED:
            self._places[key] = place
        return place

    def _split_lines(self, block: Block) -> tuple[list[str], str] | None:
        """The lines of a plain block, and what stands between their fields: a split there gives
        fields without quotes, if each line has as many fields as the header."""
        data = block.data
        if not data.isascii():
            data = text_of(block, self._plan).encode()
        newline = b"\r\n" if data.endswith(b"\r\n") else b"\n"
        quote, delimiter = self._quote, self._delimiter
        bare = data.translate(None, quote) if quote and quote in data else data
        quote_count = len(data) - len(bare)
        if quote_count == 2 * self._width * block.row_count:
            # Every field is quoted: if there are as many lines and fields as there should be, every
            # quote is used up by the separators.
            if not (data.startswith(quote) and data.endswith(quote + newline)):
                return None
            bare = data[1 : -1 - len(newline)]
            newline = quote + newline + quote
            delimiter = quote + delimiter + quote
        else:
            if quote_count and not self._no_delimiter_in_quotes.fullmatch(data):
                bare, delimiter = self._redelimited(data)
            bare = bare[: -len(newline)]
        lines = bare.decode("latin-1").split(newline.decode("latin-1"))
        return lines, delimiter.decode("latin-1")

    def _redelimited(self, data: bytes) -> tuple[bytes, bytes]:
        """`data` without its quotes, and a control character in the place of each delimiter that
        stands outside of them; a plain block holds no other control characters."""
        delimiter = b"\x1f" if self._delimiter != b"\x1f" else b"\x1e"
        pieces = data.split(self._quote)  # by turns outside of quotes and inside
        outside = b"\0".join(pieces[::2]).replace(self._delimiter, delimiter)
        pieces[::2] = outside.split(b"\0")
        return b"".join(pieces), delimiter


def _json(text: str) -> str:
    return orjson.dumps(text).decode("latin-1")


def _stretches(
    row_count: int, first_number: int, longest: int
) -> Iterator[tuple[int, int, int, int]]:
    """At most `longest` rows, from one to before another, in which the offset delta's varint and
    the number have one size each: both ends and both sizes."""
    begin = 0
    while begin < row_count:
        delta_bytes = len(varint(begin))
        number_size = len(str(first_number + begin))
        end = min(
            row_count,
            begin + longest,
            1 << (7 * delta_bytes - 1),
            10**number_size - first_number,
        )
        yield begin, end, delta_bytes, number_size
        begin = end


class _Varints(dict[int, str]):
    """A number -> its varint, as text."""

    def __missing__(self, number: int) -> str:
        text = varint(number).decode("latin-1")
        if len(self) < REMEMBERED:
            self[number] = text
        return text


class _Frames(dict[int, tuple[str, str]]):
    """Size of a value -> what stands before its offset delta, and between that and the value, in a
    record without key and headers. `delta_bytes` is the size of the offset delta's varint."""

    def __init__(self, delta_bytes: int) -> None:
        super().__init__()
        self._delta_bytes = delta_bytes

    def __missing__(self, value_size: int) -> tuple[str, str]:
        size = varint(value_size)
        # Attributes, timestamp delta, null key and header count take a byte each.
        record_size = 4 + self._delta_bytes + len(size) + value_size
        before, between = varint(record_size) + b"\0\0", b"\1" + size
        frame = before.decode("latin-1"), between.decode("latin-1")
        if len(self) < REMEMBERED:
            self[value_size] = frame
        return frame


class _KeyedFrames(dict[int, tuple[str, str]]):
    """Sizes of a framed key and a value, as one number -> what stands before a record's offset
    delta, and between its key and the value, in a record without headers."""

    def __init__(self, delta_bytes: int) -> None:
        super().__init__()
        self._delta_bytes = delta_bytes

    def __missing__(self, sizes: int) -> tuple[str, str]:
        key_size, value_size = divmod(sizes, 1 << _VALUE_SIZE_BITS)
        size = varint(value_size)
        # Attributes, timestamp delta and header count take a byte each.
        record_size = 3 + self._delta_bytes + key_size + len(size) + value_size
        before = varint(record_size) + b"\0\0"
        frame = before.decode("latin-1"), size.decode("latin-1")
        if len(self) < REMEMBERED:
            self[sizes] = frame
        return frame


_VARINTS = _Varints()
_KEYED_FRAMES = [_KeyedFrames(delta_bytes) for delta_bytes in range(6)]
_FRAMES = [_Frames(delta_bytes) for delta_bytes in range(6)]
