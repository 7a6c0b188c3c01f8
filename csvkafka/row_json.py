"""Makes the JSON values and the keys of a block's rows: two ways, the same bytes.

The reference is `csv` and `orjson`, row by row: `{**row, "_source_line": …, "_source_file": …}` for
each row of a `csv.DictReader`. A plain block is split into lines and fields by `bytes.split`, and
one bytes template is filled with them; a block that it does not fit (with a row of another width,
say) goes the reference way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from csvkafka.csv_rows import decode, parse_rows, quotes_around_fields
from csvkafka.errors import ConfigError, MalformedRowError
from csvkafka.model import BadRows, Block, EncodePlan
from csvkafka.record_batch import RecordHeaders

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


class RowEncoder:
    """Makes the records of a plan's rows.

    Raises ConfigError for a key column that is not in the header."""

    def __init__(self, plan: EncodePlan) -> None:
        self._plan = plan
        self._names = plan.header
        self._key_index: int | None = None
        if plan.key_column is not None:
            if plan.key_column not in plan.header:
                raise ConfigError(
                    f"key column {plan.key_column!r} is not in the header of {plan.source_uri}: "
                    + ", ".join(plan.header)
                )
            # Of columns with the same name, the last one counts, as in the record.
            self._key_index = len(plan.header) - 1 - plan.header[::-1].index(plan.key_column)
        self._template = self._make_template()
        self._quote = plan.dialect.quotechar.encode()
        self._delimiter = plan.dialect.delimiter.encode()
        self._no_delimiter_in_quotes = quotes_around_fields(plan.dialect, delimiters_inside=False)

    def encode(self, block: Block, first: int = 0) -> RowRecords:
        """The records of the block's rows from its row `first` (0 is the first) on.

        Raises MalformedRowError, SourceCorruptError, and ConfigError for what `plan.transform`
        returns if that is no JSON; what it raises gets a note of the row's place."""
        records = self.encode_plain(block, first) if block.plain else None
        return self.encode_reference(block, first) if records is None else records

    # -- the plain way -------------------------------------------------------------------------

    def _make_template(self) -> bytes | None:
        """A record's value with %b for each field and %d for the row's number; None where a value
        does not follow from the fields in their order."""
        names = self._names
        if (
            self._plan.transform is not None
            or len(set(names)) < len(names)
            or not {SOURCE_LINE, SOURCE_FILE}.isdisjoint(names)
        ):
            return None
        members = [_escaped(orjson.dumps(name)) + b':"%b"' for name in names]
        members.append(orjson.dumps(SOURCE_LINE) + b":%d")
        uri = _escaped(orjson.dumps(self._plan.source_uri))
        members.append(orjson.dumps(SOURCE_FILE) + b":" + uri)
        return b"{" + b",".join(members) + b"}"

    def encode_plain(self, block: Block, first: int = 0) -> RowRecords | None:
        """As `encode`, for a plain block; None if the plain way does not fit it."""
        template, key_index = self._template, self._key_index
        if template is None:
            return None
        lines, between_fields = self._split_lines(block)
        if len(lines) != block.row_count:
            return None
        del lines[:first]
        first_number = block.start.row_count + first + 1
        # A row of another width than the header's does not fit the template: TypeError.
        try:
            if key_index is None:
                return RowRecords(
                    [
                        template % (*line.split(between_fields), number)
                        for number, line in enumerate(lines, first_number)
                    ]
                )
            values: list[bytes] = []
            keys: list[bytes | None] = []
            for number, line in enumerate(lines, first_number):
                fields = line.split(between_fields)
                values.append(template % (*fields, number))
                keys.append(fields[key_index])
        except TypeError:
            return None
        return RowRecords(values, keys)

    def _split_lines(self, block: Block) -> tuple[list[bytes], bytes]:
        """The lines of a plain block in UTF-8, and what stands between their fields; a split there
        gives fields without quotes, if each line has as many fields as the header."""
        data = block.data
        if not data.isascii():
            text = decode(data, self._plan.dialect, block.start.byte_offset, self._plan.source_uri)
            data = text.encode()
        newline = b"\r\n" if data.endswith(b"\r\n") else b"\n"
        quote, delimiter = self._quote, self._delimiter
        bare = data.translate(None, quote)
        quote_count = len(data) - len(bare)
        if (
            quote_count == 2 * len(self._names) * block.row_count
            and data.startswith(quote)
            and data.endswith(quote + newline)
        ):
            # If there are as many lines and fields as there should be, every quote is used up.
            lines = data[1 : -1 - len(newline)].split(quote + newline + quote)
            delimiter = quote + delimiter + quote
        else:
            if quote_count and not self._no_delimiter_in_quotes.fullmatch(data):
                bare, delimiter = self._redelimited(data)
            lines = bare[: -len(newline)].split(newline)
        return lines, delimiter

    def _redelimited(self, data: bytes) -> tuple[bytes, bytes]:
        """`data` without its quotes, and a control character in the place of each delimiter that
        stands outside of them; a plain block holds no other control characters."""
        delimiter = b"\x1f" if self._delimiter != b"\x1f" else b"\x1e"
        pieces = data.split(self._quote)  # by turns outside of quotes and inside
        outside = b"\0".join(pieces[::2]).replace(self._delimiter, delimiter)
        pieces[::2] = outside.split(b"\0")
        return b"".join(pieces), delimiter

    # -- the reference way ---------------------------------------------------------------------

    def encode_reference(self, block: Block, first: int = 0) -> RowRecords:
        """As `encode`, for any block."""
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
            return orjson.dumps(record, option=orjson.OPT_NON_STR_KEYS)
        row = f"row {number} of {self._plan.source_uri}"
        try:
            result = self._plan.transform(record, number)
        except Exception as error:
            error.add_note(f"while csvkafka's transform was called with {row}")
            raise
        try:
            return orjson.dumps(dict(result), option=orjson.OPT_NON_STR_KEYS)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"transform returned no JSON object for {row}: {error}") from error

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
                "see --on-bad-row"
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


def _escaped(json: bytes) -> bytes:
    return json.replace(b"%", b"%%")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
