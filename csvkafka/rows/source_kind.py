"""What the first bytes of a source are: text, or something that has to be unpacked or converted.

Formats begin with bytes of their own (magic numbers), so there is no need to believe the object's
name. Text in UTF-16 or UTF-32 is known by its mark or, without one, by its NUL bytes. All other
text is TEXT here, because bytes alone do not tell its encoding. Pure.
"""

from __future__ import annotations

from enum import StrEnum

from csvkafka.errors import ANOTHER_JOB

FIRST_BYTES = 4_096
"""How many bytes tell the kind; fewer are enough if the source has no more."""


class Kind(StrEnum):
    """What bytes are; the value is how people call it."""

    EMPTY = "empty"
    TEXT = "text"
    GZIP = "gzip"
    ZSTD = "zstd"
    BZIP2 = "bzip2"
    XZ = "xz"
    LZ4 = "lz4"
    SNAPPY = "snappy"
    COMPRESS = "compress (.Z)"
    SEVEN_ZIP = "7-Zip"
    ZIP = "zip"
    TAR = "tar"
    EXCEL = "an old Excel workbook"
    PARQUET = "Parquet"
    ORC = "ORC"
    AVRO = "an Avro file"
    PDF = "PDF"
    UTF_16 = "UTF-16 text"
    UTF_32 = "UTF-32 text"


_MAGIC = (
    (b"\x1f\x8b", Kind.GZIP),
    (b"\x28\xb5\x2f\xfd", Kind.ZSTD),
    (b"\xfd7zXZ\0", Kind.XZ),
    (b"\x04\x22\x4d\x18", Kind.LZ4),
    (b"\xff\x06\0\0sNaPpY", Kind.SNAPPY),
    (b"\x82SNAPPY\0", Kind.SNAPPY),
    (b"\x1f\x9d", Kind.COMPRESS),
    (b"7z\xbc\xaf\x27\x1c", Kind.SEVEN_ZIP),
    (b"PK\x03\x04", Kind.ZIP),
    (b"PK\x05\x06", Kind.ZIP),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind.EXCEL),
    (b"Obj\x01", Kind.AVRO),
    # UTF-32's marks begin, or could be taken to begin, as those of UTF-16 do.
    (b"\xff\xfe\0\0", Kind.UTF_32),
    (b"\0\0\xfe\xff", Kind.UTF_32),
    (b"\xff\xfe", Kind.UTF_16),
    (b"\xfe\xff", Kind.UTF_16),
)
_ANY_MAGIC = tuple(magic for magic, _ in _MAGIC)
# Letters that a CSV may begin with too: then NULs, which text has none of, decide.
_MAGIC_OF_LETTERS = ((b"PAR1", Kind.PARQUET), (b"ORC", Kind.ORC), (b"%PDF-", Kind.PDF))
_BZIP2 = (b"\x31\x41\x59\x26\x53\x59", b"\x17\x72\x45\x38\x50\x90")
_TAR_AT, _TAR = 257, b"ustar"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"
_NOT_IN_TEXT = bytes(set(range(32)) - set(b"\t\n\r"))


_UNPACK = {
    Kind.XZ: "xz -dc",
    Kind.LZ4: "lz4 -dc",
    Kind.SNAPPY: "snzip -dc",
    Kind.COMPRESS: "gzip -dc",
    Kind.SEVEN_ZIP: "7z x -so",
    Kind.ZIP: "unzip -p",
    Kind.TAR: "tar -xO",
}


def kind_of(first: bytes) -> Kind:
    """What a source is whose first bytes are these (`FIRST_BYTES` of them, or all there are)."""
    if not first:
        return Kind.EMPTY
    if first.startswith(_ANY_MAGIC):
        return next(kind for magic, kind in _MAGIC if first.startswith(magic))
    if first[:3] == b"BZh" and first[4:10] in _BZIP2:
        return Kind.BZIP2
    if 0x50 <= first[0] <= 0x5F and first[1:4] == _ZSTD_SKIPPABLE:
        return Kind.ZSTD
    if first[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR and b"\0" in first[:_TAR_AT]:
        return Kind.TAR
    for magic, kind in _MAGIC_OF_LETTERS:
        if first.startswith(magic) and (b"\0" in first or kind is Kind.PDF):
            return kind
    return _wide_text(first) or Kind.TEXT


def _wide_text(first: bytes) -> Kind | None:
    """UTF-16 or UTF-32 without a mark: NULs in every other byte, or in three of four."""
    if b"\0" not in first:
        return None
    for width, kind in ((4, Kind.UTF_32), (2, Kind.UTF_16)):
        characters = len(first) // width
        if characters < 4:
            continue
        nulls = [first[place::width].count(0) for place in range(width)]
        # Letters of other scripts have no NUL, but delimiters, digits and line ends have.
        enough = max(3, characters // 10)
        for order in (slice(1, None), slice(None, -1)):
            high = nulls[order]
            low = sum(nulls) - sum(high)
            if min(high) >= enough and low * 20 <= min(high):
                return kind
    return None


def has_control_characters(first: bytes) -> bool:
    """Whether there are bytes that text seldom has: then it is none, or is compressed."""
    return len(first.translate(None, _NOT_IN_TEXT)) < len(first)


def remedy(kind: Kind) -> str:
    """What to do about a source of this kind, for the end of a message."""
    if kind in _UNPACK:
        store = f"store it unpacked (`{_UNPACK[kind]}`) or as gzip"
        if kind is Kind.ZIP:
            store += "; an Excel workbook (.xlsx) is a zip too: save its sheet as CSV"
        return f"{store}, {ANOTHER_JOB}"
    if kind in (Kind.UTF_16, Kind.UTF_32):
        codec = kind.value.partition(" ")[0]
        return f"convert it to UTF-8 (`iconv -f {codec} -t UTF-8`), {ANOTHER_JOB}"
    return f"store it as CSV text, {ANOTHER_JOB}"
