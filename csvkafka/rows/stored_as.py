"""How an object is stored, what says so, and whether its first bytes agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from csvkafka.errors import ANOTHER_JOB, SourceCorruptError
from csvkafka.rows.source_kind import FIRST_BYTES, Kind, has_control_characters, kind_of, remedy
from csvkafka.rows.window import begun

_BY_ENCODING = {"gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd", "bzip2": "bzip2"}
_BY_END = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd", ".bz2": "bzip2"}
_KINDS = {"gzip": Kind.GZIP, "zstd": Kind.ZSTD, "bzip2": Kind.BZIP2}
_UNPACK = {"gzip": "gzip -dc", "zstd": "zstd -dc", "bzip2": "bzip2 -dc"}
_NO_COMPRESSION = ("", "identity", "aws-chunked")
"""What S3 may say of bytes that are stored as they are; aws-chunked was only the upload's way."""

_SET = "set SOURCE_COMPRESSION={0}"


def content_encodings(header: str) -> tuple[str, ...]:
    """The compressions that a Content-Encoding header names, in the order of their application."""
    named = (name.strip().lower() for name in header.split(","))
    return tuple(name for name in named if name not in _NO_COMPRESSION)


def is_read_as_compressed(key: str, compression: str) -> bool:
    """Whether an object is, of which only the key or URI is known; `compression` is as the user
    says, or "auto"."""
    return compression in _KINDS if compression != "auto" else _end_of(key) != ""


def _end_of(name: str) -> str:
    """What tells that an object of this name is compressed; empty if it is not."""
    return next((end for end in _BY_END if name.lower().endswith(end)), "")


@dataclass(frozen=True, slots=True)
class StoredAs:
    """What an object is taken for: `compression` is as in `SourceIdentity`. `reason` says why, for
    a message; `unread` is a compression that its Content-Encoding names and that we do not read."""

    compression: str
    reason: str
    unread: str = ""

    @classmethod
    def unknown(cls) -> StoredAs:
        return cls("none", "nothing is known of it")

    @classmethod
    def as_given(cls, compression: str, size: int) -> StoredAs:
        """As the user says; an empty object is taken as it is."""
        taken = compression if size and compression in _KINDS else "none"
        return cls(taken, f"SOURCE_COMPRESSION is {compression}")

    @classmethod
    def by_name(cls, name: str, encodings: tuple[str, ...], what: str = "key") -> StoredAs:
        """As the end of its name says, which messages call `what`, and its Content-Encoding."""
        unread = next((each for each in encodings if each not in _BY_ENCODING), "")
        if encodings and not unread:
            # The last one was applied last.
            return cls(_BY_ENCODING[encodings[-1]], f"its Content-Encoding is {encodings[-1]}")
        end = _end_of(name)
        if end:
            return cls(_BY_END[end], f"its {what} ends in {end}", unread)
        reason = f"its {what} does not end in {', '.join(_BY_END)}"
        if what == "key":
            says = f"its Content-Encoding is {unread}" if unread else "it has no Content-Encoding"
            reason = f"{reason} and {says}"
        return cls("none", reason, unread)

    @property
    def is_compressed(self) -> bool:
        return self.compression != "none"

    def checked(self, chunks: Iterator[bytes], source_uri: str) -> Iterator[bytes]:
        """The chunks of what is stored, from its first byte on; none is empty. Raises as `check`,
        before any is given out."""
        first, rest = begun(chunks, FIRST_BYTES)
        self.check(first, source_uri)
        if first:
            yield first
        yield from rest

    def check(self, first: bytes, source_uri: str) -> None:
        """Raises SourceCorruptError unless the first bytes, if any could be read, are what they are
        taken for."""
        kind = kind_of(first)
        if kind is Kind.EMPTY:
            return
        if self.is_compressed and kind is not _KINDS[self.compression]:
            is_text = kind in (Kind.TEXT, Kind.UTF_16)
            is_read = is_text or kind in _KINDS.values()
            advice = _SET.format("none" if is_text else kind) if is_read else remedy(kind)
            raise SourceCorruptError(
                f"{source_uri} is no {self.compression} file, though {self.reason}: by its first "
                f"bytes it is {kind}; {advice}"
            )
        if self.is_compressed:
            return
        if kind in _KINDS.values():
            raise SourceCorruptError(
                f"{source_uri} is a {kind} file by its first bytes, but {self.reason}; "
                + _SET.format(kind)
            )
        _refuse_unless_text(kind, f"{source_uri} is {kind} by its first bytes")
        if self.unread and has_control_characters(first):
            raise SourceCorruptError(
                f"{source_uri} is compressed: its Content-Encoding is {self.unread}, and its first "
                f"bytes are no text; store it unpacked, or as gzip, {ANOTHER_JOB}"
            )

    def check_content(self, first: bytes, source_uri: str) -> None:
        """Raises SourceCorruptError unless what was in the compressed file begins as text."""
        kind = kind_of(first)
        if kind in _KINDS.values():
            raise SourceCorruptError(
                f"{source_uri} is {kind} in {self.compression}: it was compressed twice; unpack it "
                f"once (`{_UNPACK[self.compression]}`), store it so, {ANOTHER_JOB}"
            )
        _refuse_unless_text(kind, f"{source_uri} is {kind} inside of {self.compression}")


def _refuse_unless_text(kind: Kind, what: str) -> None:
    # Whether UTF-16 is what is due, the dialect says, to whom reads the header.
    if kind not in (Kind.TEXT, Kind.EMPTY, Kind.UTF_16):
        raise SourceCorruptError(f"{what}; {remedy(kind)}")
