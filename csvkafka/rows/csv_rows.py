"""What a row of a CSV is, in bytes: the one place that knows how Python's `csv` reads the source.

The rows of an object are, by definition, those of

    csv.DictReader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""), ...)

with the module's field size limit lifted. So a physical line ends with LF, CRLF or a lone CR, a
line without any character is no row, and a quoted field may hold line ends. Row ends are found in
bytes: that is right in every encoding in which an ASCII byte always stands for its ASCII character,
and `source_codec` refuses the others.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, chain

from csvkafka.errors import ANOTHER_JOB, ConfigError, SourceCorruptError
from csvkafka.model import Dialect
from csvkafka.rows.dialects import CsvRows, check_characters, reader_of
from csvkafka.rows.text_encodings import is_mostly, possible_encodings
from csvkafka.rows.utf16 import CODECS, stored, utf16_codec

BYTE_ORDER_MARK = codecs.BOM_UTF8
_SURROGATE_BYTES = 3
"""Of half of a surrogate pair, where UTF-8 is made to hold it."""


@lru_cache(maxsize=64)
def source_codec(encoding: str) -> str:
    """Python's name of the codec that decodes the bytes of blocks: UTF-8 for UTF-16 (see `utf16`).

    Raises ConfigError for a name that Python does not know, and for another encoding in which an
    ASCII byte can be part of another character (Shift JIS, GBK, ...): a newline byte would not
    always be a newline there, and no position in the file could be told."""
    try:
        info = codecs.lookup(encoding)
    except LookupError as error:
        raise ConfigError(
            f"CSV_ENCODING is {encoding!r}, which Python does not know; give a "
            "name such as utf-8 or cp1252"
        ) from error
    if info.name in ("utf-8", "utf-8-sig", *CODECS):
        return "utf-8"
    if info.name == "utf-16":
        raise ConfigError(
            f"CSV_ENCODING {encoding!r} leaves the byte order to a mark, which a resume does not "
            f"see; set {' or '.join(CODECS)} (a mark is dropped)"
        )
    if not _leaves_ascii_alone(info.name):
        raise ConfigError(
            f"CSV_ENCODING {encoding!r} is not supported: in that encoding a "
            "byte below 128 does not always stand for its ASCII character, so line ends cannot be "
            "told; convert the file to UTF-8"
        )
    return info.name


def stored_codec(encoding: str) -> str:
    """Python's name of the codec that decodes the bytes of the source as they are stored. Raises as
    `source_codec`."""
    return utf16_codec(encoding) or source_codec(encoding)


# Plain ASCII that ISO 2022 and IDNA read as something else.
_ESCAPE_SEQUENCES = ("\x1b$B0!\x1b(B", "xn--bcher-kva")


def _leaves_ascii_alone(codec: str) -> bool:
    """Whether ASCII bytes decode to themselves wherever they stand, and nothing else to ASCII."""
    if codec.replace("_", "-").endswith("unicode-escape"):
        return False  # needs no further look, and would warn at the next one
    if _decoded(bytes(range(128)), codec) != "".join(map(chr, range(128))):
        return False
    if any(_decoded(probe.encode(), codec) != probe for probe in _ESCAPE_SEQUENCES):
        return False
    for lead in range(128, 256):
        alone = _decoded(bytes([lead]), codec)
        if alone is not None and any(character < "\x80" for character in alone):
            return False
        for ascii_byte in range(128):
            pair = _decoded(bytes([lead, ascii_byte]), codec)
            if pair is not None and (len(pair) < 2 or pair[-1] != chr(ascii_byte)):
                return False
    return True


def _decoded(data: bytes, codec: str) -> str | None:
    """`data` as text; None if it is none in that codec, or the codec is no text encoding."""
    try:
        return data.decode(codec)
    except (UnicodeError, LookupError):
        return None


@lru_cache(maxsize=64)
def check_dialect(dialect: Dialect) -> None:
    """Raises ConfigError unless the dialect's characters are different ones of ASCII that can be
    told from line ends, and the encoding is one that `source_codec` takes."""
    source_codec(dialect.encoding)
    check_characters(dialect)


def decode_row(
    row: bytes,
    what: str,
    byte_offset: int,
    dialect: Dialect,
    source_uri: str,
    *,
    names: Sequence[str] = (),
    sample: bytes = b"",
) -> str:
    """The text of a row that begins at `byte_offset` of the source; messages call it `what` ("row
    7").

    Raises SourceCorruptError for bytes that the encoding does not have: with their place, the
    column (by `names`), and the encodings in which `sample`, rows around it, would be text (without
    a sample, those of the row). Of the row it shows these bytes alone."""
    codec = source_codec(dialect.encoding)
    try:
        return row.decode(codec)
    except UnicodeDecodeError as error:
        fields = next(parse_rows(row[: error.start].decode("latin-1"), dialect), [])
        index = max(0, len(fields) - 1)
        column = f"column {index + 1}" + (f" ({names[index]!r})" if index < len(names) else "")
        place = byte_offset + len(stored(row[: error.start], dialect))
        wrong, reason = row[error.start : error.end], error.reason
        if utf16_codec(dialect.encoding):
            wrong = stored(row[error.start : error.start + _SURROGATE_BYTES], dialect)
            reason = "half of a surrogate pair"
            remedy = f"repair the file, or set another CSV_ENCODING, {ANOTHER_JOB}"
        else:
            remedy = _remedy(row, sample, error.start, codec)
        raise SourceCorruptError(
            f"{what} at byte {byte_offset} of {source_uri} is not valid "
            f"{stored_codec(dialect.encoding)}: {column}, byte {place}: {wrong.hex(' ')} "
            f"({reason}); {remedy}"
        ) from error


def _remedy(row: bytes, sample: bytes, begin: int, codec: str) -> str:
    """What to do about the bytes of `row` from `begin` on."""
    judged = sample or row
    if is_mostly(judged, codec):
        others = "the rows around it are" if sample else "the rest of it is"
        return f"{others} {codec}, so repair the file {ANOTHER_JOB}"
    possible = possible_encodings(judged, judged.find(row) + begin, but_not=codec)
    if not possible:
        return f"repair the file, or set CSV_ENCODING, {ANOTHER_JOB}"
    shown = ", ".join(f"{name} ({character!r})" for name, character in possible)
    return (
        f"{'the rows around it' if sample else 'it'} would be text in {shown}: set CSV_ENCODING, "
        f"or repair the file, {ANOTHER_JOB}"
    )


def parse_rows(text: str, dialect: Dialect) -> CsvRows:
    """An iterator over the rows of `text`, blank lines and comments as empty lists; `line_num` is
    the number of physical lines read so far. A quoted field that is open at the end is closed
    there."""
    return reader_of(io.StringIO(text, newline=""), dialect)


@lru_cache(maxsize=64)
def quotes_around_fields(dialect: Dialect, *, delimiters_inside: bool) -> re.Pattern[bytes]:
    """Matches lines, each with its line end, whose quotes all stand around whole fields; those
    fields hold neither quotes nor line ends, and delimiters only if `delimiters_inside`.

    As the first quote opens a field, and each later one is seen from outside of quotes, that is how
    the csv module reads them too. Takes linear time: a line can be matched in one way only. Without
    a quote character nothing matches."""
    if not dialect.quotechar:
        return re.compile(rb"(?!)")
    quote = re.escape(dialect.quotechar.encode())
    delimiter = re.escape(dialect.delimiter.encode())
    inside = rb"[^%b\n]" % quote if delimiters_inside else rb"[^%b\n%b]" % (quote, delimiter)
    # The group's own repeat is not possessive: such a one matches too much in Debian 12's Python.
    return re.compile(
        rb"(?:[^%b]*+(?<![^%b\n])%b%b*+%b(?=%b|\r?\n))*[^%b]*+"
        % (quote, delimiter, quote, inside, quote, delimiter, quote)
    )


def row_ends(data: bytes, dialect: Dialect) -> Iterator[tuple[int, bool]]:
    """For each complete row and each blank line or comment of `data`, which begins at a row's
    start: the number of bytes up to its end, and whether it is a row.

    A row whose quote is open at the end of `data` is left out; a last row without a line end
    counts as complete."""
    line_ends = list(accumulate(map(len, data.splitlines(keepends=True))))
    # latin-1 maps each byte to one character, so this cannot fail and keeps ASCII what it is.
    text = data.decode("latin-1")
    if dialect.escapechar and not text.endswith(("\n", "\r")):
        text += "\n"  # in a field with an escaped line end, csv.reader takes no other end for one
    lines = io.StringIO(text, newline="")
    # If a quote is open at the end, or its line end is escaped, the row takes the extra line too,
    # and gives itself away.
    reader = reader_of(chain(lines, ("\n",)), dialect)
    line_count = len(line_ends)
    for row in reader:
        if reader.line_num > line_count:
            return
        yield line_ends[reader.line_num - 1], bool(row)
