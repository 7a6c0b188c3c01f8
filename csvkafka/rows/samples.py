"""Rows from many places of a source, for whoever wants to know what is in it without reading all.

A place in the middle of a file is seldom the beginning of a row. So of each range the first line
and the last are left out, and of the rest all rows that have another number of fields than the
header. What is left may still be no row of the file, where quoted fields hold newlines: a sample is
for a look, never for a load.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from csvkafka.model import Dialect
from csvkafka.rows.blocks import Header
from csvkafka.rows.csv_rows import stored_codec
from csvkafka.rows.preview import sample_rows
from csvkafka.rows.utf16 import utf16_codec
from csvkafka.rows.window import begun

RANGES = 20
_ALIGNMENT = 2
"""A character of UTF-16 begins at every other byte."""

RANGE_BYTES = 256 * 1024
"""So many ranges, each of so many bytes: 5 MB of any source; one of that size is read whole."""


class Stretch(NamedTuple):
    """Lines of a source, and where the first one begins. The range has so many bytes more of a line
    that began before it, and of one that does not end in it."""

    byte_offset: int
    data: bytes
    bytes_before: int = 0
    bytes_after: int = 0


@dataclass
class Sampler:
    """Reads a source of `size` bytes by `read(byte_offset)`; afterwards its counts say what it
    met."""

    read: Callable[[int], Any]
    size: int
    header: Header
    dialect: Dialect
    can_skip: bool = True
    """Whether reading may begin anywhere; if not, the beginning is all that is looked at."""
    most_ranges: int = RANGES
    sampled_bytes: int = field(default=0, init=False)
    ranges: int = field(default=0, init=False)
    other_widths: int = field(default=0, init=False)
    saw_all: bool = field(default=False, init=False)

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Rows as wide as the header. Raises as the source does."""
        width = len(self.header.names)
        for stretch in self.stretches():
            text = stretch.data.decode(stored_codec(self.dialect.encoding), "replace")
            for row in sample_rows(text, self.dialect):
                if len(row.fields) == width:
                    yield row.fields
                else:
                    self.other_widths += 1

    def stretches(self) -> Iterator[Stretch]:
        """The lines of each range. Raises as the source does."""
        begin, most_bytes = self.header.byte_offset, self.most_ranges * RANGE_BYTES
        if not self.can_skip or self.size - begin <= most_bytes:
            yield self._range(begin, most_bytes, is_first=True)
            return
        step = (self.size - begin) // self.most_ranges // _ALIGNMENT * _ALIGNMENT
        for number in range(self.most_ranges):
            yield self._range(begin + number * step, RANGE_BYTES, is_first=number == 0)

    def _range(self, byte_offset: int, wanted: int, *, is_first: bool) -> Stretch:
        with closing(self.read(byte_offset)) as chunks:
            data, rest = begun(chunks, wanted)
            is_whole = next(rest, None) is None
        self.ranges += 1
        self.sampled_bytes += len(data)
        self.saw_all = is_first and is_whole
        first, last = self._line_ends(data)
        if not first and not is_first:  # all of it is the middle of a long line, or its end
            return Stretch(byte_offset + len(data), b"", len(data))
        begin, end = 0 if is_first else first, len(data) if is_whole else last
        return Stretch(byte_offset + begin, data[begin:end], begin, len(data) - end)

    def _line_ends(self, data: bytes) -> tuple[int, int]:
        """Where the first line ends, and the last one that has an end."""
        codec = utf16_codec(self.dialect.encoding)
        if codec is None:
            return data.find(b"\n") + 1, data.rfind(b"\n") + 1
        text = data[: len(data) // 2 * 2].decode(codec, "surrogatepass")
        lines = text[: text.find("\n") + 1], text[: text.rfind("\n") + 1]
        first, last = (len(line.encode(codec, "surrogatepass")) for line in lines)
        return first, last
