"""All of a compressed file before its end or its damage, in each format that is read; what each
may be told apart by is in a test of its own beside it."""

from __future__ import annotations

import bz2
import io
import random
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import accumulate

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from csvkafka.errors import ConfigError, SourceChangedError, SourceCorruptError
from csvkafka.model import RestartPoint, SourceIdentity
from csvkafka.rows.packed_content import packed_content
from csvkafka.rows.packed_stream import OUT_BYTES
from csvkafka.rows.stored_as import StoredAs
from csvkafka.rows.zstd_stream import WINDOW_BYTES, ZstdStream
from tests.unit.rows.packed_files import FORMATS, Format, zstd
from tests.unit.rows.points import Points

URI = "s3://bucket/rows.csv"
TEXT = b"".join(b"%d,row %d\n" % (n, n * 7919 % 1009) for n in range(20_000))

each_format = pytest.mark.parametrize("format", FORMATS, ids=str)


def cut(stored: bytes, size: int = 65_536) -> list[bytes]:
    return [stored[begin : begin + size] for begin in range(0, len(stored), size)]


def read(format: Format, stored: bytes, size: int = 65_536) -> tuple[bytes, str]:
    """The content, and what is said of it."""
    content = b""
    try:
        for chunk in format.stream(cut(stored, size), URI).read():
            assert 0 < len(chunk) <= OUT_BYTES
            content += chunk
    except SourceCorruptError as error:
        return content, str(error)
    return content, ""


@each_format
@pytest.mark.parametrize("size", [1, 7, 65_536])
def test_all_parts_are_read_however_they_arrive(format: Format, size: int) -> None:
    parts = format.parts(TEXT, 90_000)
    stored = b"".join([parts[0], format.pack(b""), *parts[1:]])
    assert read(format, stored, size) == (TEXT, "")


@each_format
def test_nothing_is_nothing(format: Format) -> None:
    assert read(format, b"") == (b"", "")
    assert read(format, format.pack(b"")) == (b"", "")


@each_format
def test_of_a_cut_file_all_before_the_cut_is_given_out(format: Format) -> None:
    parts = format.parts(TEXT, 90_000)
    stored = b"".join(parts)
    for at in {1, 3, 6, 11, len(parts[0]) - 2, len(parts[0]) + 2, len(stored) - 1}:
        content, said = read(format, stored[:at])
        assert f"is not a sound {format} file" in said
        assert "it is cut off" in said
        assert TEXT.startswith(content)
        assert len(content) >= (90_000 if at > len(parts[0]) else 0)
        assert f"byte {len(content)} of its content" in said


@each_format
def test_what_stands_after_the_data_is_refused_after_the_data(format: Format) -> None:
    for more in (b"x", b"id,name\n1,a\n"):
        content, said = read(format, format.pack(TEXT) + more)
        assert content == TEXT
        assert "other bytes stand after its data" in said


@each_format
def test_a_flipped_bit_is_found_wherever_it_is(format: Format) -> None:
    stored = b"".join(format.parts(TEXT, 90_000))
    chance = random.Random(7)
    for _ in range(60):
        damaged = bytearray(stored)
        damaged[chance.randrange(12, len(stored))] ^= 1 << chance.randrange(8)
        content, said = read(format, bytes(damaged))
        # What is not found changes nothing: a bit of a header that nobody reads.
        assert said or content == TEXT


@each_format
def test_much_content_of_few_bytes_comes_in_small_chunks(format: Format) -> None:
    """A few hundred bytes may hold gigabytes: nothing of that is held in memory."""
    zeros = bytes(30_000_000)
    total = 0
    for chunk in format.stream(cut(format.pack(zeros)), URI).read():
        assert len(chunk) <= OUT_BYTES
        total += len(chunk)
    assert total == len(zeros)


# -- restart points --------------------------------------------------------------------------------


@each_format
def test_each_part_that_is_due_is_a_restart_point(format: Format) -> None:
    parts = format.parts(TEXT, 60_000)
    points = Points(100_000)
    b"".join(format.stream(cut(b"".join(parts), 1_000), URI, points=points).read())
    begins = [0, *accumulate(map(len, parts))]
    # Those of 60,000 are too close to the one before; gzip finds places inside of members, too.
    at_parts = {p for p in points.all if p.member_bytes == 0}
    assert at_parts <= {RestartPoint(8 * begin, 60_000 * n) for n, begin in enumerate(begins)}
    assert RestartPoint(8 * begins[2], 120_000) in at_parts


@each_format
def test_reading_goes_on_at_a_restart_point(format: Format) -> None:
    stored = b"".join(format.parts(TEXT, 60_000))
    points = Points(60_000)
    b"".join(format.stream(cut(stored, 1_000), URI, points=points).read())
    assert points.all
    for point in points.all:
        chunks = cut(stored[point.stored_bits // 8 :], 999)
        again = format.stream(chunks, URI, start=point)
        assert b"".join(again.read()) == TEXT[point.content_bytes :]
        assert (again.stored_bytes, again.content_bytes) == (len(stored), len(TEXT))


# -- the content from any byte on ------------------------------------------------------------------


class Stored:
    """A file that notes from where it was read."""

    def __init__(self, format: Format, stored: bytes) -> None:
        self.bytes = stored
        self.begun: list[int] = []
        name = f"rows.csv{format.end}"
        self.identity = SourceIdentity("bucket", name, '"e"', len(stored), None, str(format))
        self.stored_as = StoredAs.by_name(name, ())

    def open(self, byte_offset: int) -> Iterator[bytes]:
        self.begun.append(byte_offset)
        yield from cut(self.bytes[byte_offset:], 5_000)

    def content(self, byte_offset: int, points: Points | None) -> bytes:
        opened = partial(packed_content, self.identity, byte_offset, self.open, self.stored_as)
        return b"".join(opened(points))


@each_format
def test_the_content_is_read_from_any_byte(format: Format) -> None:
    file = Stored(format, b"".join(format.parts(TEXT, 60_000)))
    assert file.stored_as.compression == str(format)
    points = Points(60_000)
    assert file.content(0, points) == TEXT
    assert points.places[-1] == (len(TEXT), points.places[-1][1])
    assert 0.9 * len(file.bytes) < points.places[-1][1] <= len(file.bytes)
    points.start = points.all[1]
    for byte in (points.start.content_bytes, points.start.content_bytes + 7, len(TEXT)):
        assert file.content(byte, points) == TEXT[byte:]
        assert file.begun.pop() == points.start.stored_bits // 8
    assert file.content(8, None) == TEXT[8:]
    with pytest.raises(SourceChangedError, match=f"ends at byte {len(TEXT)}"):
        file.content(len(TEXT) + 1, None)


@each_format
def test_a_point_that_fits_nothing_leads_to_the_start(format: Format) -> None:
    file = Stored(format, b"".join(format.parts(TEXT, 60_000)))
    points = Points(60_000, start=RestartPoint(8 * 333, 5_000))
    assert file.content(100_000, points) == TEXT[100_000:]
    assert file.begun == [333, 0]


@each_format
@pytest.mark.parametrize("inside", FORMATS, ids=str)
def test_what_was_compressed_twice_is_refused(format: Format, inside: Format) -> None:
    file = Stored(format, format.pack(inside.pack(TEXT)))
    with pytest.raises(SourceCorruptError, match=f"is {inside} in {format}: it was compressed"):
        file.content(0, None)


# -- zstd ------------------------------------------------------------------------------------------

ZSTD = FORMATS[1]


def skippable(data: bytes) -> bytes:
    return b"\x5a\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data


@pytest.mark.parametrize("size", [1, 7, 65_536])
def test_zstd_frames_without_content_are_left_out(size: int) -> None:
    stored = skippable(b"") + zstd(TEXT[:9]) + skippable(bytes(90_000)) + zstd(TEXT[9:])
    assert read(ZSTD, stored, size) == (TEXT, "")
    content, said = read(ZSTD, stored[:50_000], size)
    assert content == TEXT[:9]
    assert "cut off, in a skippable frame" in said


@pytest.mark.parametrize("level", [-5, 1, 3, 12, 19])
@pytest.mark.parametrize("checksum", [False, True])
def test_zstd_frames_of_each_kind_of_header_are_read(level: int, checksum: bool) -> None:
    compressor = zstandard.ZstdCompressor(level=level, write_checksum=checksum)
    unknown = zstandard.ZstdCompressor(level=level, write_content_size=False)
    noise = random.Random(1).randbytes(200_000)
    for text in (b"a", TEXT[:200], TEXT[:300], TEXT, noise, bytes(300_000), TEXT + noise):
        for stored in (compressor.compress(text), streamed(compressor, text)):
            assert read(ZSTD, stored) == (text, "")
        assert read(ZSTD, streamed(unknown, text), 100) == (text, "")


def streamed(compressor: zstandard.ZstdCompressor, text: bytes) -> bytes:
    """A frame whose header does not tell its size."""
    packed = io.BytesIO()
    with compressor.stream_writer(packed, closefd=False) as writer:
        writer.write(text)
    return packed.getvalue()


def test_a_zstd_window_that_is_too_large_is_refused_by_its_size() -> None:
    settings = zstandard.ZstdCompressionParameters.from_level(1, window_log=28, enable_ldm=True)
    stored = streamed(zstandard.ZstdCompressor(compression_params=settings), TEXT)
    _, said = read(ZSTD, stored)
    assert f"needs a window of {2 * WINDOW_BYTES} bytes" in said
    assert "without --long, or with --long=27" in said
    settings = zstandard.ZstdCompressionParameters.from_level(1, window_log=27, enable_ldm=True)
    stored = streamed(zstandard.ZstdCompressor(compression_params=settings), TEXT)
    assert read(ZSTD, stored) == (TEXT, "")


def test_a_zstd_dictionary_is_refused() -> None:
    dictionary = zstandard.ZstdCompressionDict(TEXT[:5_000], zstandard.DICT_TYPE_RAWCONTENT)
    trained = zstandard.train_dictionary(2_000, [TEXT[n : n + 500] for n in range(0, 50_000, 500)])
    stored = zstandard.ZstdCompressor(dict_data=trained).compress(TEXT)
    assert "compressed with a dictionary" in read(ZSTD, stored)[1]
    # A dictionary without an id leaves no trace in the header.
    stored = zstandard.ZstdCompressor(dict_data=dictionary).compress(TEXT)
    assert "is not a sound zstd file" in read(ZSTD, stored)[1]


def test_zstd_without_its_library_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(ConfigError, match=re.escape("pip install 'csvkafka[zstd]'")):
        next(ZstdStream([zstd(TEXT)], URI).read())


ROWS = b"".join(b"%d,%d\n" % (n, n * n * 7919 % 100_003) for n in range(4_000))


def content_of(
    format: Format, stored: bytes, size: int = 65_536, start: RestartPoint | None = None
) -> bytes:
    """All that is given before a fault, from `start` on, if the file comes in pieces of a size."""
    identity = SourceIdentity("bucket", "k", '"1"', len(stored), compression=str(format))
    stored_as = StoredAs(str(format), "its name says so")
    begin = 0 if start is None else start.content_bytes
    content = b""
    with suppress(SourceCorruptError):
        for chunk in packed_content(
            identity, begin, lambda at: cut(stored[at:], size), stored_as, Points(1, start)
        ):
            content += chunk
    return content


@each_format
@settings(max_examples=30)
@given(at=st.floats(0, 1), bit=st.integers(-1, 7))
def test_how_far_a_damaged_file_is_read_follows_from_its_bytes_alone(
    format: Format, at: float, bit: int
) -> None:
    """Else a worker may have sent more of a skipped file than the one whose rows were counted, and
    the next file's rows would have the numbers of its rows."""
    stored = bytearray(format.pack(ROWS))
    place = 20 + int(at * (len(stored) - 40))
    if bit < 0:
        del stored[place:]
    else:
        stored[place] ^= 1 << bit
    sizes = (1 << 18, 1000, 777, 7)
    contents = [content_of(format, bytes(stored), size) for size in sizes]
    assert {len(content) for content in contents} == {len(contents[0])}
    if bit < 0 and str(format) == "gzip":
        whole = zlib.decompressobj(31).decompress(bytes(stored))
        assert contents[0] == whole


def test_of_several_blocks_of_bzip2_in_one_piece_all_before_the_damaged_one_are_given() -> None:
    packed = bz2.compress(b"1,2,3,abc\n" * 35_000, 1)
    assert len(packed) < 1_000
    for place in range(20, len(packed), 29):
        stored = bytearray(packed)
        stored[place] ^= 4
        contents = [content_of(FORMATS[2], bytes(stored), size) for size in (65_536, 101, 7)]
        assert {len(content) for content in contents} == {len(contents[0])}


@pytest.mark.parametrize("has_begun", [False, True], ids=["from the start", "from a point"])
def test_of_a_cut_member_all_is_given_to_the_last_symbol(has_begun: bool) -> None:
    gzip = FORMATS[0]
    first, second = gzip.pack(ROWS) + bytes(99), gzip.pack(ROWS)
    start = RestartPoint(8 * len(first), len(ROWS)) if has_begun else None
    for size in range(1_000, len(second), 97):
        expected = zlib.decompressobj(31).decompress(second[:size])
        content = content_of(gzip, first + second[:size], start=start)
        assert content == (expected if has_begun else ROWS + expected)
