"""Where a block of deflate data begins, found from the middle; and reading from there on.

Deflate (RFC 1951) has blocks that begin at any bit and say nowhere that they do, and no library for
Python tells where. So places that look like the beginning of a block are tried: what is decoded
from there must be what the stream's own decoder gave out, in one place of it and in no other. A
place that is not certain (because the content repeats itself) is left out. Pure.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from functools import cache

WINDOW_BYTES = 32_768
"""How far back deflate data can refer."""

STUDY_BYTES = 16_384
"""How many stored bytes after a place are tried."""

_RAW = -15  # zlib's way to say: deflate without a frame
_LEAST_COMPARED_BYTES = 4_096
_SEARCH_BYTES = 8_192
_TOLD_BYTES = 256
_DECODED_BYTES = 65_536
_LATE_BYTES = 600
"""ISA-L gives out a symbol, of up to 258 bytes, only when it has the bits after it too."""

_FLUSHED = b"\0\0\xff\xff"
"""An empty stored block ends in these; so a flush, and whatever is written next begins behind."""


def primed(bit: int, data: bytes) -> bytes:
    """The deflate data that begins at bit `bit` (0 to 7) of `data`, as data that begins with a
    byte: empty blocks that end at that bit of their last byte, then the data as it is."""
    if bit == 0:
        return data
    value, width = _ODD_BLOCK if bit % 2 else (0, 0)
    while width % 8 != bit:
        value |= _FIXED_BLOCK[0] << width
        width += _FIXED_BLOCK[1]
    value |= (data[0] >> bit) << width
    return value.to_bytes(width // 8 + 1, "little") + data[1:]


def likely_block(data: bytes) -> int | None:
    """The first bit of `data`, after its first byte, at which a block may begin and after which
    there are `STUDY_BYTES`. None: there is no such bit."""
    end = len(data) - STUDY_BYTES
    for begin in range(1, max(1, end), _SEARCH_BYTES):
        for bit in _looking_like_blocks(data[begin : min(begin + _SEARCH_BYTES, end)]):
            place = 8 * begin + bit
            if _decoded(place % 8, data[place // 8 :][:STUDY_BYTES], _ZEROS, 1):
                return place
    return None


def content_before(bit: int, stored: bytes, window: bytes, content: bytes) -> int | None:
    """How many bytes of `content` come before the block at bit `bit` of `stored`, if a block begins
    there. None: it does not, or that cannot be told.

    `content` is what a decoder gave out, beginning with the first byte that it had not given out
    when it had read the byte before the block's first whole one; `window` is what came before."""
    known = window + content
    zeros, ones = (_decoded(bit, stored, filler, _DECODED_BYTES) for filler in (_ZEROS, _ONES))
    # Where both agree, it is no copy of what stands before the block.
    told = [i for i, (zero, one) in enumerate(zip(zeros, ones, strict=False)) if zero == one]
    told = told[:_TOLD_BYTES]
    places = [
        place
        for place in range(len(window), len(window) + min(_LATE_BYTES, len(content)) + 1)
        if all(known[place + i : place + i + 1] == zeros[i : i + 1] for i in told)
    ]
    fitting = [place for place in places[:2] if _fits(bit, stored, known, place)]
    return fitting[0] - len(window) if len(places) == 1 and fitting else None


def _fits(bit: int, stored: bytes, known: bytes, place: int) -> bool:
    """What is decoded with the window before `place` is what stands there."""
    window = known[max(0, place - WINDOW_BYTES) : place]
    decoded = _decoded(bit, stored, window, _DECODED_BYTES)
    size = min(len(decoded), len(known) - place)
    return size >= _LEAST_COMPARED_BYTES and decoded[:size] == known[place : place + size]


def _decoded(bit: int, stored: bytes, window: bytes, limit: int) -> bytes:
    """The first `limit` bytes of content; empty if this is no deflate data."""
    try:
        return zlib.decompressobj(_RAW, zdict=window).decompress(primed(bit, stored), limit)
    except zlib.error:
        return b""


def _looking_like_blocks(data: bytes) -> Iterator[int]:
    """Bits of `data` that begin like a block: behind a flush; a stored one behind another; a
    dynamic one (section 3.2.7) whose code lengths can be."""
    for flushed in re.finditer(_FLUSHED, data):
        if flushed.end() < len(data):
            yield 8 * flushed.end()
    for stored in _STORED.finditer(data):
        size, complement = (int.from_bytes(half, "little") for half in stored.groups())
        if size ^ complement == 0xFFFF:
            yield 8 * stored.start()
    bits, dynamic, shares = int.from_bytes(data, "little"), _dynamic(), _shares()
    for bit in range(8):
        shifted = (bits >> bit).to_bytes(len(data), "little")
        for found in dynamic.finditer(shifted):
            begin = found.start()
            header = int.from_bytes(shifted[begin : begin + 10], "little") >> 13
            lengths = header >> 4 & ((1 << 3 * ((header & 15) + 4)) - 1)
            share = 0
            while lengths:
                share += shares[lengths & 4095]
                lengths >>= 12
            if share == _WHOLE:
                yield 8 * begin + bit


@cache
def _shares() -> list[int]:
    """What four code lengths (3 bits each) take of all codes that there are (`_WHOLE`): Kraft's
    sum."""
    return [
        sum(_WHOLE >> length for shift in (0, 3, 6, 9) if (length := group >> shift & 7))
        for group in range(4096)
    ]


@cache
def _dynamic() -> re.Pattern[bytes]:
    """Not the last block, a dynamic one, of at most 286 literals and lengths and 30 distances."""
    first = (number << 3 | 0b100 for number in range(30))
    second = (number for number in range(256) if number & 31 < 30)
    classes = (b"".join(rb"\x%02x" % number for number in numbers) for numbers in (first, second))
    return re.compile(b"(?=[%b][%b])" % tuple(classes), re.DOTALL)


def _code(number: int, width: int) -> tuple[int, int]:
    """A Huffman code as it stands in the stream: its first bit is its highest."""
    return int(f"{number:0{width}b}"[::-1], 2), width


def _joined(*fields: tuple[int, int]) -> tuple[int, int]:
    value = width = 0
    for number, bits in fields:
        value |= number << width
        width += bits
    return value, width


_STORED = re.compile(rb"(?=\0(..)(..))", re.DOTALL)
_WHOLE = 128

_ZEROS, _ONES = bytes(WINDOW_BYTES), b"\1" * WINDOW_BYTES

_FIXED_BLOCK = _joined((0, 1), (1, 2), (0, 7))
"""An empty block of 10 bits: not the last one, fixed codes, end of block."""

_ODD_BLOCK = _joined(
    *((0, 1), (2, 2), (0, 5), (0, 5), (14, 4)),
    # The lengths of the codes for code lengths, in their order: 18 and 0 have 2 bits, 1 has one.
    *((length, 3) for length in (0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)),
    # 138 and 118 symbols without a code, one (the end of block) with a code of 1 bit; no distance.
    *(_code(3, 2), (138 - 11, 7), _code(3, 2), (118 - 11, 7), _code(0, 1), _code(2, 2)),
    (0, 1),
)
"""An empty block of 93 bits, with codes of its own."""
