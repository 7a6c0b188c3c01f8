"""All of a gzip file before its end or its damage, and where that is."""

from __future__ import annotations

import gzip
import io
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csvkafka.errors import SourceCorruptError
from csvkafka.rows.gzip_stream import GzipStream

URI = "s3://bucket/rows.csv.gz"
TEXT = b"".join(b"%d,row %d\n" % (n, n * 7919 % 1009) for n in range(20_000))
PACKED = gzip.compress(TEXT, mtime=0)


def read(stored: bytes, size: int = 65_536) -> tuple[bytes, str]:
    """The content, and what is said of it."""
    content = b""
    try:
        pieces = [stored[begin : begin + size] for begin in range(0, len(stored), size)]
        for chunk in GzipStream(pieces, URI).read():
            assert chunk
            content += chunk
    except SourceCorruptError as error:
        return content, str(error)
    return content, ""


def with_header(flags: int, extra: bytes) -> bytes:
    """The packed text with an optional header field."""
    return PACKED[:3] + bytes([flags]) + PACKED[4:10] + extra + PACKED[10:]


@pytest.mark.parametrize(
    "stored",
    [
        PACKED,
        gzip.compress(TEXT[:1000], mtime=0)
        + gzip.compress(b"", mtime=0)
        + gzip.compress(TEXT[1000:], mtime=0),
        PACKED + bytes(1000),
        gzip.compress(TEXT[:1000], mtime=0) + bytes(5) + gzip.compress(TEXT[1000:], mtime=0),
        gzip.compress(TEXT, 0, mtime=0),
        with_header(8, b"rows.csv\0"),
        with_header(4, b"\5\0extra"),
        with_header(16 + 2, b"a comment\0" + b"\0\0"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 65_536])
def test_all_members_are_read_however_they_arrive(stored: bytes, size: int) -> None:
    assert read(stored, size) == (TEXT, "")


def test_what_other_writers_made_is_read() -> None:
    packed = io.BytesIO()
    with gzip.GzipFile("a name.csv", "wb", fileobj=packed) as file:
        file.write(TEXT)
    assert read(packed.getvalue()) == (TEXT, "")


@given(cut=st.integers(1, len(PACKED) - 1), size=st.sampled_from([3, 1000, 65_536]))
def test_all_before_a_cut_is_given_and_the_place_is_exact(cut: int, size: int) -> None:
    content, said = read(PACKED[:cut], size)
    due = zlib.decompressobj(31).decompress(PACKED[:cut])
    # ISA-L decodes a symbol only when the bits after it are there too; a symbol of deflate stands
    # for up to 258 bytes.
    assert due.startswith(content)
    assert len(due) - len(content) <= 258
    assert f"byte {len(content)} of its content: it is cut off" in said
    if 10 < cut < len(PACKED) - 8:
        assert f"after byte {cut} as stored" in said


def test_all_before_a_wrong_checksum_is_given() -> None:
    for place in (-8, -1):
        damaged = bytearray(PACKED)
        damaged[place] ^= 1
        content, said = read(bytes(damaged))
        assert content == TEXT
        assert f"after byte {len(PACKED) - 8} as stored, byte {len(TEXT)} of its content" in said
        assert "checksum" in said
        assert said.endswith("store it again, and load under another JOB_ID into a clean topic")


def test_damaged_data_is_told_to_within_a_small_piece() -> None:
    rng = random.Random(5)
    noise = b"".join(b"%d,%d\n" % (n, rng.getrandbits(60)) for n in range(20_000))
    damaged = bytearray(gzip.compress(noise, mtime=0))
    damaged[100_000:100_040] = b"\xff" * 40
    content, said = read(bytes(damaged))
    assert noise.startswith(content[:100_000])
    assert len(content) > 100_000
    assert "its data is damaged" in said or "checksum" in said


@pytest.mark.parametrize("rest", [b"x", b"garbage that is longer than a header"])
def test_other_bytes_after_the_data_are_named(rest: bytes) -> None:
    content, said = read(PACKED + rest)
    assert content == TEXT
    assert "other bytes stand after its data" in said


def test_one_step_never_makes_more_than_its_limit() -> None:
    bomb = gzip.compress(bytes(30_000_000))
    assert max(map(len, GzipStream([bomb], URI).read())) <= 262_144
