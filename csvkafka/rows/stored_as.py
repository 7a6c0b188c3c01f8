"""How an object is stored, what says so, and whether its first bytes agree. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from csvkafka.errors import ANOTHER_JOB, SourceCorruptError
from csvkafka.rows.source_kind import Kind, has_control_characters, kind_of, remedy

_GZIP = ("gzip", "x-gzip")
_NO_COMPRESSION = ("", "identity", "aws-chunked")
"""What S3 may say of bytes that are stored as they are; aws-chunked was only the upload's way."""

_SET = "set SOURCE_COMPRESSION={0}"


def content_encodings(header: str) -> tuple[str, ...]:
    """The compressions that a Content-Encoding header names, in the order of their application."""
    named = (name.strip().lower() for name in header.split(","))
    return tuple(name for name in named if name not in _NO_COMPRESSION)


@dataclass(frozen=True, slots=True)
class StoredAs:
    """What an object is taken for. `reason` says why, for a message; `unread` is a compression that
    its Content-Encoding names and that we do not read."""

    is_gzip: bool
    reason: str
    unread: str = ""

    @classmethod
    def unknown(cls) -> StoredAs:
        return cls(False, "nothing is known of it")

    @classmethod
    def as_given(cls, is_gzip: bool, compression: str) -> StoredAs:
        """As the user says."""
        return cls(is_gzip, f"SOURCE_COMPRESSION is {compression}")

    @classmethod
    def by_name(cls, key: str, encodings: tuple[str, ...]) -> StoredAs:
        """As the object's key and its Content-Encoding say."""
        unread = next((name for name in encodings if name not in _GZIP), "")
        if encodings and not unread:
            return cls(True, f"its Content-Encoding is {encodings[0]}")
        if key.lower().endswith(".gz"):
            return cls(True, "its key ends in .gz", unread)
        says = f"its Content-Encoding is {unread}" if unread else "it has no Content-Encoding"
        return cls(False, f"its key does not end in .gz and {says}", unread)

    def check(self, first: bytes, source_uri: str) -> None:
        """Raises SourceCorruptError unless the first bytes, if any could be read, are what they are
        taken for."""
        kind = kind_of(first)
        if kind is Kind.EMPTY:
            return
        if self.is_gzip and kind is not Kind.GZIP:
            is_text = kind in (Kind.TEXT, Kind.UTF_16)
            advice = _SET.format("none") if is_text else remedy(kind)
            raise SourceCorruptError(
                f"{source_uri} is no gzip file, though {self.reason}: by its first bytes it is "
                f"{kind}; {advice}"
            )
        if self.is_gzip:
            return
        if kind is Kind.GZIP:
            raise SourceCorruptError(
                f"{source_uri} is a gzip file by its first bytes, but {self.reason}; "
                + _SET.format("gzip")
            )
        _refuse_unless_text(kind, f"{source_uri} is {kind} by its first bytes")
        if self.unread and has_control_characters(first):
            raise SourceCorruptError(
                f"{source_uri} is compressed: its Content-Encoding is {self.unread}, and its first "
                f"bytes are no text; store it unpacked, or as gzip, {ANOTHER_JOB}"
            )

    def check_content(self, first: bytes, source_uri: str) -> None:
        """Raises SourceCorruptError unless what was in the gzip file begins as text."""
        kind = kind_of(first)
        if kind is Kind.GZIP:
            raise SourceCorruptError(
                f"{source_uri} is gzip in gzip: it was compressed twice; unpack it once "
                f"(`gzip -dc`), store it so, {ANOTHER_JOB}"
            )
        _refuse_unless_text(kind, f"{source_uri} is {kind} inside of gzip")


def _refuse_unless_text(kind: Kind, what: str) -> None:
    # Whether UTF-16 is what is due, the dialect says, to whom reads the header.
    if kind not in (Kind.TEXT, Kind.EMPTY, Kind.UTF_16):
        raise SourceCorruptError(f"{what}; {remedy(kind)}")
