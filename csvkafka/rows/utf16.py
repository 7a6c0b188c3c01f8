"""UTF-16 for an engine that reads bytes: as UTF-8, while positions are those of what is stored.

In UTF-16 a newline byte is not always a newline, so rows are looked for in the text, as UTF-8. How
many bytes of it are stored in how many, the text tells. What is no text, half of a surrogate pair,
goes both ways unchanged, so that a row that has one is found by the encoder as in any encoding.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from functools import lru_cache

from csvkafka.errors import ANOTHER_JOB, SourceCorruptError
from csvkafka.model import Dialect
from csvkafka.rows.source_kind import FIRST_BYTES, Kind, kind_of, remedy

_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
CODECS = tuple(_MARKS.values())
"""The byte order is part of the name: a resume begins where there is no mark."""


@lru_cache(maxsize=64)
def utf16_codec(encoding: str) -> str | None:
    """Python's name of the encoding if it is one of `CODECS`."""
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        return None
    return name if name in CODECS else None


def as_utf8(
    chunks: Iterable[bytes], codec: str, byte_offset: int, source_uri: str
) -> Iterator[bytes]:
    """The content of these chunks, the first of which is at `byte_offset`; none is empty. Raises
    SourceCorruptError at the end for half of a character."""
    decoder = codecs.getincrementaldecoder(codec)("surrogatepass")
    for chunk in chunks:
        byte_offset += len(chunk)
        if text := decoder.decode(chunk):
            yield text.encode("utf-8", "surrogatepass")
    rest, _ = decoder.getstate()
    if len(rest) % 2:
        raise SourceCorruptError(
            f"{source_uri} ends at byte {byte_offset} with half of a character of {codec}: it is "
            f"cut off, or another encoding; repair the file, or set CSV_ENCODING, {ANOTHER_JOB}"
        )
    if text := decoder.decode(b"", final=True):
        yield text.encode("utf-8", "surrogatepass")


def stored(data: bytes, dialect: Dialect) -> bytes:
    """Bytes of a block as they are stored in its source."""
    codec = utf16_codec(dialect.encoding)
    if codec is None:
        return data
    return data.decode("utf-8", "surrogatepass").encode(codec, "surrogatepass")


def check_first(first: bytes, dialect: Dialect, source_uri: str) -> None:
    """Raises SourceCorruptError where the first bytes of a source are UTF-16 and the dialect does
    not say so, or the other way round."""
    first = first[:FIRST_BYTES]
    if not first:
        return
    codec, marked = utf16_codec(dialect.encoding), _MARKS.get(first[:2])
    if codec is None:
        if kind_of(first) is Kind.UTF_16:
            raise SourceCorruptError(
                f"{source_uri} is UTF-16 text by its first bytes: set CSV_ENCODING="
                f"{marked or _likely_order(first)}, or {remedy(Kind.UTF_16)}"
            )
    elif marked not in (None, codec):
        raise SourceCorruptError(
            f"{source_uri} is {marked} by its byte order mark, not {codec}; set "
            f"CSV_ENCODING={marked}, {ANOTHER_JOB}"
        )
    elif b"\0" not in first and marked is None:
        # A delimiter, a line end, a digit: each has a NUL in UTF-16.
        raise SourceCorruptError(
            f"{source_uri} is no {codec} text by its first bytes, which have no NUL among them; "
            f"set another CSV_ENCODING, {ANOTHER_JOB}"
        )


def _likely_order(first: bytes) -> str:
    zeros_second = first[1::2].count(0) >= first[::2].count(0)
    return "utf-16-le" if zeros_second else "utf-16-be"
