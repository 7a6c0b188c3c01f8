"""Hypothesis strategies for CSV files: tables written in every way that csv writers know, and bytes
that no writer would write but a reader must still read in one defined way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import strategies as st

HOSTILE_PIECES = (
    *(",", '"', "\n", "\r", "\r\n", "a", "b7", "é", "😀", "\ufeff", " ", "\\", "\t", "\0", "\x85"),
    *('""', '","', '"\n"', '"\r\n"', '"a"', '\n",', ',"\n', "\n\n", "a,b\n", '"a","b"\n'),
    *("%", "\u2028", '"a,b"', ',"b"', '"b",'),
)
"""What the bytes of `hostile_csvs` are made of: all that a cutter of rows may stumble over."""


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A table and its bytes as a CSV in UTF-8. Each of `rows` is as wide as `names`."""

    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    data: bytes


def fields() -> st.SearchStrategy[str]:
    """Texts of all kinds: numbers, words, empty, and those that need quotes."""
    return st.one_of(
        st.integers(-(10**6), 10**6).map(str),
        st.text("abcXYZ 0123", max_size=8),
        st.text(st.characters(codec="utf-8"), max_size=6),
        st.sampled_from(
            ["", '"', ",", "\n", "\r\n", "a\nb", "\\", 'say ""', "é😀", "\ufeff", "\0"]
        ),
    )


@st.composite
def csv_files(draw: st.DrawFn, max_columns: int = 6, max_rows: int = 40) -> CsvFile:
    """A table with unique column names, in one of the ways to write it: quotes where needed or
    everywhere, any line end, with or without a byte order mark and a final line end."""
    plain = draw(st.booleans())
    field = st.text("abc 0123é", min_size=1, max_size=8) if plain else fields()
    width = draw(st.integers(1, max_columns))
    names = tuple(draw(st.lists(field, min_size=width, max_size=width, unique=True)))
    rows = draw(st.lists(st.tuples(*[field] * width), max_size=max_rows))
    line_end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    quote_all = draw(st.booleans())
    whole = "".join(_line(row, quote_all) + line_end for row in [names, *rows])
    if draw(st.booleans()):
        whole = whole.removesuffix(line_end)
    mark = b"\xef\xbb\xbf" if draw(st.booleans()) else b""
    return CsvFile(names, tuple(rows), mark + whole.encode())


def _line(row: Sequence[str], quote_all: bool) -> str:
    """One row as RFC 4180 writes it; a lone empty field is quoted, or it would be a blank line."""
    return ",".join(
        '"' + field.replace('"', '""') + '"'
        if quote_all or any(character in field for character in ',"\r\n') or row == ("",)
        else field
        for field in map(str, row)
    )


def hostile_csvs(max_pieces: int = 60) -> st.SearchStrategy[bytes]:
    """Any sequence of `HOSTILE_PIECES`, in UTF-8; `csv.DictReader` says what it means."""
    return st.lists(st.sampled_from(HOSTILE_PIECES), max_size=max_pieces).map(
        lambda pieces: "".join(pieces).encode()
    )


def csv_bytes() -> st.SearchStrategy[bytes]:
    """The bytes of any CSV: written by a writer, or hostile."""
    return st.one_of(csv_files().map(lambda file: file.data), hostile_csvs())


@st.composite
def chunkings(draw: st.DrawFn, data: bytes) -> Sequence[bytes]:
    """`data` in chunks of any sizes, none empty."""
    cuts = draw(st.lists(st.integers(0, len(data)), max_size=8))
    edges = sorted({0, len(data), *cuts})
    return [data[start:end] for start, end in pairwise(edges)]
