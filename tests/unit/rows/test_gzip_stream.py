"""All of a gzip file before its end or its damage, and where that is."""

from __future__ import annotations

import gzip
import io
import random
import zlib
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import isal_zlib

from csvkafka.errors import SourceCorruptError
from csvkafka.model import RestartPoint
from csvkafka.rows.gzip_stream import GzipStream
from tests.unit.rows.points import Points

URI = "s3://bucket/rows.csv.gz"
TEXT = b"".join(b"%d,row %d\n" % (n, n * 7919 % 1009) for n in range(6_000))
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


# -- restart points --------------------------------------------------------------------------------

LINES = b"".join(b"%d,%s,%d\n" % (n, b"abc" * (n % 5), n * 7919 % 1_000_003) for n in range(80_000))


def pieces(stored: bytes, begin: int = 0, size: int = 262_144) -> list[bytes]:
    return [stored[place : place + size] for place in range(begin, len(stored), size)]


def points_of(stored: bytes, spacing_bytes: int, size: int = 262_144) -> list[RestartPoint]:
    """The points that are found while all is read."""
    points = Points(spacing_bytes)
    stream = GzipStream(pieces(stored, size=size), URI, points=points)
    assert zlib.crc32(b"".join(stream.read())) == zlib.crc32(unpacked(stored))
    return points.all


def unpacked(stored: bytes) -> bytes:
    return gzip.decompress(stored)


def read_from(stored: bytes, point: RestartPoint) -> bytes:
    chunks = pieces(stored, point.stored_bits // 8, 65_536)
    return b"".join(GzipStream(chunks, URI, start=point).read())


def isal_packed(text: bytes, level: int) -> bytes:
    compressor = isal_zlib.compressobj(level, isal_zlib.DEFLATED, 31)
    return bytes(compressor.compress(text) + compressor.flush())


@st.composite
def gzip_files(draw: st.DrawFn) -> bytes:
    """Members of all kinds: levels, strategies and writers; flushes; empty ones, zeros after."""
    stored = bytearray()
    seed = draw(st.integers(0, 1000))
    for number in range(draw(st.integers(1, 4))):
        rng = random.Random(seed + number)
        size = rng.choice([0, 10, 50_000, 400_000, 900_000])
        begin = rng.randrange(len(LINES) - 1)
        text = (LINES[begin:] + LINES)[:size]
        if draw(st.booleans()):  # what is hard to compress, and what repeats itself
            text += rng.randbytes(rng.choice([1_000, 200_000])) + text[-1_000:] * 50
        writer = draw(st.sampled_from(["zlib", "isal", "fixed", "huffman"]))
        if writer == "isal":
            stored += isal_packed(text, draw(st.integers(0, 3)))
            continue
        strategies = {"zlib": 0, "fixed": zlib.Z_FIXED, "huffman": zlib.Z_HUFFMAN_ONLY}
        level = draw(st.integers(0, 9))
        memory = draw(st.sampled_from([1, 8, 9]))
        compressor = zlib.compressobj(level, zlib.DEFLATED, 31, memory, strategies[writer])
        flush = draw(st.sampled_from([zlib.Z_NO_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH]))
        step = rng.choice([997, 40_000, 300_000])
        for place in range(0, len(text), step):
            stored += compressor.compress(text[place : place + step]) + compressor.flush(flush)
        stored += compressor.flush()
        stored += bytes(rng.choice([0, 0, 3]))
    return bytes(stored)


@settings(max_examples=15, deadline=None)
@given(
    stored=gzip_files(),
    spacing=st.sampled_from([50_000, 300_000]),
    size=st.sampled_from([70_001, 262_144]),
)
def test_from_each_point_the_same_bytes_come(stored: bytes, spacing: int, size: int) -> None:
    content = unpacked(stored)
    points = points_of(stored, spacing, size)
    for point in random.Random(1).sample(points, min(12, len(points))):
        assert read_from(stored, point) == content[point.content_bytes :]


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda: gzip.compress(LINES, 1, mtime=0), id="level-1"),
        pytest.param(lambda: gzip.compress(LINES, 6, mtime=0), id="level-6"),
        pytest.param(lambda: gzip.compress(LINES, 9, mtime=0), id="level-9"),
        pytest.param(lambda: gzip.compress(LINES, 0, mtime=0), id="stored"),
        pytest.param(lambda: isal_packed(LINES, 1), id="ISA-L"),
        pytest.param(lambda: gzip.compress(LINES, mtime=0) * 2, id="members"),
    ],
)
def test_points_are_found_in_what_writers_make(write: Callable[[], bytes]) -> None:
    stored = write()
    points = points_of(stored, 300_000)
    assert len(points) >= len(unpacked(stored)) // 300_000 // 3
    assert [p.content_bytes for p in points] == sorted(p.content_bytes for p in points)
    for point in points:
        assert read_from(stored, point) == unpacked(stored)[point.content_bytes :]


def test_a_point_is_found_no_more_often_than_asked() -> None:
    places = [0, *(point.content_bytes for point in points_of(gzip.compress(LINES, 6), 400_000))]
    assert min(after - before for before, after in pairwise(places)) >= 400_000


def test_from_a_point_on_the_checksum_still_counts() -> None:
    stored = bytearray(gzip.compress(LINES, mtime=0))
    point = points_of(bytes(stored), 500_000)[0]
    stored[-8] ^= 1
    content = b""
    with pytest.raises(SourceCorruptError, match=f"byte {len(LINES)} of its content: its checksum"):
        for chunk in GzipStream(
            pieces(bytes(stored), point.stored_bits // 8), URI, start=point
        ).read():
            content += chunk
    assert content == LINES[point.content_bytes :]


def test_from_a_point_on_a_cut_has_the_same_place() -> None:
    stored = gzip.compress(LINES, mtime=0)
    point = points_of(stored, 500_000)[0]
    cut = stored[: len(stored) - 5_000]
    said = []
    for begin, start in ((0, None), (point.stored_bits // 8, point)):
        with pytest.raises(SourceCorruptError) as refused:
            list(GzipStream(pieces(cut, begin), URI, start=start).read())
        said.append(str(refused.value))
    assert said[0] == said[1]
    assert f"after byte {len(cut)} as stored" in said[0]


def test_a_wrong_window_is_noticed_at_the_member_s_end() -> None:
    stored = gzip.compress(LINES, mtime=0)
    point = points_of(stored, 500_000)[0]
    wrong = replace(point, window=bytes(reversed(point.window)))
    with pytest.raises(SourceCorruptError, match="its checksum is"):
        read_from(stored, wrong)


def test_members_are_points_where_nothing_else_is() -> None:
    """Also where a search inside of one was in vain a moment before."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, 31, 9, zlib.Z_FIXED)
    member = compressor.compress(LINES[:700_000]) + compressor.flush()
    points = points_of(member * 6, 500_000)
    assert [point.stored_bits for point in points] == [8 * n * len(member) for n in range(1, 6)]
