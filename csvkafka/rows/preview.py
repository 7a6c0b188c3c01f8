"""What a source looks like from its first bytes: its header, its line ends, its first rows.

The load's first line shows it, `csvkafka doctor` more of it, and `doubts` says what of it is
probably not meant. It reads until it has the header, and at least `SAMPLE_BYTES`, if the source has
so many.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple

from csvkafka.errors import CsvKafkaError, counted
from csvkafka.model import Dialect
from csvkafka.rows.blocks import Header, read_header
from csvkafka.rows.csv_rows import BYTE_ORDER_MARK, parse_rows, stored_codec
from csvkafka.rows.utf16 import CODECS, check_first
from csvkafka.rows.window import begun

SAMPLE_BYTES = 64 * 1024

SAMPLE_ROWS = 20
"""How many rows are looked at; people are shown three of them."""

_NAMES_SHOWN = 20
_NAME_CHARACTERS = 40


class SampleRow(NamedTuple):
    """A row of the sample. `lines_before` counts the physical lines of the sample before it."""

    fields: tuple[str, ...]
    lines_before: int


@dataclass(frozen=True, slots=True)
class Preview:
    """`rows` are the first ones after the header, as the dialect divides them; `header_text` and
    `text` are the header and what the sample has after it, undivided; `sample` holds its bytes from
    the beginning. `is_whole`: the sample is all of the source; `failure`: the source fails after
    it; `is_text`: all bytes of the sample are text in the encoding."""

    source_uri: str
    dialect: Dialect
    header: Header
    rows: tuple[SampleRow, ...]
    header_text: str
    text: str
    line_end: str
    is_text: bool
    is_whole: bool
    sample: bytes
    failure: CsvKafkaError | None

    @property
    def encoding(self) -> str:
        """The encoding as people are told of it."""
        codec = stored_codec(self.dialect.encoding)
        marks = {"utf-8": BYTE_ORDER_MARK, **{wide: "\ufeff".encode(wide) for wide in CODECS}}
        if codec in marks and self.sample.startswith(marks[codec]):
            return f"{codec} with a byte order mark"
        is_ascii = codec not in CODECS and self.sample.isascii()
        return f"{codec} (all ASCII so far)" if is_ascii else codec

    @property
    def lines_before_rows(self) -> int:
        """The physical lines before `text`: those that are skipped, and the header's."""
        header_lines = io.StringIO(self.header_text, newline="").readlines()
        return self.dialect.skipped_lines + len(header_lines)

    def summary(self, *, show_names: bool, of_letters: bool = False) -> str:
        """One line for the log: it names the columns, unless they are not to be shown, and tells
        only the shape of the first record, for a log is no place for what rows hold. `of_letters`:
        the source is a header alone, as the rows are dead letters."""
        names = self.header.names
        quotes = f"quotes {self.dialect.quotechar!r}" if self.dialect.quotechar else "no quotes"
        if self.dialect.names is not None:
            quotes += ", no header row"
        columns = counted(len(names), "column")
        if show_names and names:
            columns += f": {shown_names(names)}"
        if of_letters:
            codec = stored_codec(self.dialect.encoding)
            read = f"is read as {codec}, delimiter {self.dialect.delimiter!r}"
            return f"{self.source_uri} {read}, {quotes}; {columns}"
        return (
            f"{self.source_uri} is {self.encoding}, lines end in {self.line_end}, delimiter "
            f"{self.dialect.delimiter!r}, {quotes}; {columns}; {self._first_record()}"
        )

    def _first_record(self) -> str:
        if not self.rows:
            return "no record in sight"
        fields = self.rows[0].fields
        sizes = ", ".join(str(len(field)) for field in fields[:_NAMES_SHOWN])
        more = ", …" if len(fields) > _NAMES_SHOWN else ""
        return f"the first record has {counted(len(fields), 'field')}, of {sizes}{more} characters"


def shown_names(names: Sequence[str]) -> str:
    """Names for a line of text: not too many, none too long, nothing that moves the cursor."""
    shown = [
        repr(name)[1:-1][:_NAME_CHARACTERS] if name else "(no name)"
        for name in names[:_NAMES_SHOWN]
    ]
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(shown) + more


def preview(chunks: Iterator[bytes], dialect: Dialect, source_uri: str) -> Preview:
    """A look at a source, given its bytes from the very beginning. Raises as `read_header`, and
    SourceCorruptError for UTF-16 that the dialect does not name, or the other way round."""
    sample, rest = begun(chunks, SAMPLE_BYTES)
    check_first(sample, dialect, source_uri)
    header = read_header(chain((sample,) if sample else (), rest), dialect, source_uri)
    failure = _failure(rest) if len(sample) < SAMPLE_BYTES else None
    is_whole = len(sample) < SAMPLE_BYTES and failure is None
    codec = stored_codec(dialect.encoding)
    text = sample[header.byte_offset :].decode(codec, "replace")
    if not is_whole:
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1]
    lines = sample[: header.byte_offset].decode(codec, "replace").lstrip("\ufeff")
    header_text = "".join(io.StringIO(lines, newline="").readlines()[dialect.skipped_lines :])
    return Preview(
        source_uri=source_uri,
        dialect=dialect,
        header=header,
        rows=tuple(islice(sample_rows(text, dialect), SAMPLE_ROWS)),
        header_text=header_text,
        text=text,
        line_end=_line_end(sample.decode(codec, "replace")),
        is_text=_is_text(sample, codec),
        is_whole=is_whole,
        sample=sample,
        failure=failure,
    )


def _is_text(sample: bytes, codec: str) -> bool:
    try:
        codecs.getincrementaldecoder(codec)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _failure(rest: Iterator[bytes]) -> CsvKafkaError | None:
    """Why there is nothing more; None if the source has ended."""
    try:
        next(rest, None)
    except CsvKafkaError as error:
        return error
    return None


def sample_rows(text: str, dialect: Dialect) -> Iterator[SampleRow]:
    """The rows of a text as a dialect divides it; blank lines are none."""
    reader = parse_rows(text, dialect)
    lines_before = 0
    for fields in reader:
        if fields:
            yield SampleRow(tuple(fields), lines_before)
        lines_before = reader.line_num


def _line_end(sample: str) -> str:
    windows = sample.count("\r\n")
    kinds = {
        "CRLF": windows,
        "LF": sample.count("\n") - windows,
        "CR": sample.count("\r") - windows,
    }
    found = [kind for kind, count in kinds.items() if count]
    return " and ".join(found) if found else "nothing yet"
