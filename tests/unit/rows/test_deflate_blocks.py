"""A block of deflate data is found from the middle, and read from any bit on."""

from __future__ import annotations

import random
import zlib
from typing import Any

import pytest
from isal import isal_zlib

from csvkafka.rows.deflate_blocks import content_before, likely_block, primed

TEXT = b"".join(b"%d,%d,row\n" % (n, n * 7919 % 100_003) for n in range(60_000))
RAW = -15


def raw(text: bytes, level: int = 6) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, RAW)
    return compressor.compress(text) + compressor.flush()


def shifted(data: bytes, bit: int) -> bytes:
    """The same data from that bit of the first byte on; before it stands what is no matter."""
    before = random.Random(bit).getrandbits(bit)
    return (int.from_bytes(data, "little") << bit | before).to_bytes(len(data) + 1, "little")


@pytest.mark.parametrize("bit", range(8))
@pytest.mark.parametrize("library", [zlib, isal_zlib], ids=["zlib", "ISA-L"])
def test_data_is_read_from_any_bit_on(library: Any, bit: int) -> None:
    decoder = library.decompressobj(RAW, zdict=b"0,0,row\n" * 4096)
    assert decoder.decompress(primed(bit, shifted(raw(TEXT), bit))) == TEXT


@pytest.mark.parametrize("bit", range(8))
@pytest.mark.parametrize("library", [zlib, isal_zlib], ids=["zlib", "ISA-L"])
def test_a_stored_block_stays_where_its_bytes_are(library: Any, bit: int) -> None:
    size = 1000
    head = (1 << bit).to_bytes(2 if bit > 5 else 1, "little")
    stored = head + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + TEXT[:size]
    assert library.decompressobj(RAW).decompress(primed(bit, stored)) == TEXT[:size]


def test_what_begins_like_a_block_and_is_none_is_refused() -> None:
    data = raw(TEXT)
    window, content = TEXT[:50_000], TEXT[50_000:100_000]
    places = range(8 * 20_000, 8 * 20_100)
    found = [content_before(p % 8, data[p // 8 :], window, content) for p in places]
    assert not any(found)


def test_a_place_in_content_that_repeats_itself_is_not_told() -> None:
    """Whatever the block's place, its content is the same a few bytes further on."""
    same = b"1,the same\n" * 200_000
    compressor = zlib.compressobj(6, zlib.DEFLATED, RAW)
    before = compressor.compress(same[:50_000]) + compressor.flush(zlib.Z_SYNC_FLUSH)
    after = compressor.compress(same[50_000:]) + compressor.flush()
    assert before.endswith(b"\0\0\xff\xff")
    assert content_before(0, after, same[:50_000], same[50_000:150_000]) is None
    # But it is told where something else stands after it.
    other = random.Random(1).randbytes(10_000).hex().encode()
    compressor = zlib.compressobj(6, zlib.DEFLATED, RAW)
    compressor.compress(same[:50_000]) + compressor.flush(zlib.Z_SYNC_FLUSH)
    after = compressor.compress(other + same) + compressor.flush()
    assert content_before(0, after, same[:50_000], (other + same)[:50_000]) == 0


def test_nothing_is_found_where_nothing_is() -> None:
    assert likely_block(b"") is None
    assert likely_block(bytes(100_000)) is None
    assert likely_block(TEXT[:100_000]) is None
