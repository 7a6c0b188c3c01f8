"""Bugs that other loaders of CSV files have had, each as a file that ours reads right.

Each file is cut at every possible block size and resumed at every block's end; `csv.DictReader`
over the whole file says what must come out.
"""

from __future__ import annotations

import dataclasses

import pytest

from csvkafka.encode.encoder import encode_block
from csvkafka.errors import MalformedRowError, RecordTooLargeError
from csvkafka.model import START, BadRows, Dialect, EncodePlan
from csvkafka.rows.blocks import cut_blocks, read_header
from tests.unit.encode.encoded import values_of, whole
from tests.unit.rows import csv_oracle

URI = "s3://bucket/key.csv"
UTF8 = Dialect()
WINDOWS = Dialect(delimiter=";", encoding="cp1252")

FILES = {
    "B1 header and resume in mid-file": (b"a,b\n1,2\n3,4\n5,6\n", UTF8),
    "B2 positions of non-ASCII text": ("a,é\nä,ö\nü,ß\n日本,x\n".encode(), UTF8),
    "B3 emoji before a resume": ("a,b\n😀,1\n😀😀,2\n👩‍👩‍👧,3\nx,4\n".encode(), UTF8),
    "B4 no final newline": (b"a,b\n1,2\n3,4", UTF8),
    "B4 no final newline, quoted": (b'a,b\n1,2\n3,"4"', UTF8),
    "B5 newline in quotes": (b'a,b\n1,"x\ny"\n"\n",2\n"\r\n\r\n",3\n', UTF8),
    "B16 byte order mark": (b"\xef\xbb\xbfa,b\n1,2\n\xef\xbb\xbf3,4\n", UTF8),
    "B17 quoted header": (b'"a","b ""c"""\n1,2\n', UTF8),
    "B17 byte order mark before a quoted header": (b'\xef\xbb\xbf"a","b\n"\n1,2\n', UTF8),
    "B18 CRLF": (b"a,b\r\n1,2\r\n3,4\r\n", UTF8),
    "B18 CRLF in quotes and out": (b'a,b\r\n"1\r\n",2\r\n3,4\r\n', UTF8),
    "B18 blank lines": (b"a,b\n\n1,2\n\n\n3,4\n\n\n", UTF8),
    "B18 blank lines, CRLF": (b"a,b\r\n\r\n1,2\r\n\r\n3,4\r\n\r\n", UTF8),
    "B18 CR only": (b"a,b\r1,2\r\r3,4\r", UTF8),
    "B29 windows-1252, semicolons": ("a;b\n€ü;2\n“x”;é\n".encode("cp1252"), WINDOWS),
    "B29 NUL": (b"a,b\n\0,2\n3,\0\0\n", UTF8),
    "B29 separator 31": (b"a\x1fb\n1\x1f2\n3\x1f4\n", Dialect(delimiter="\x1f")),
}


@pytest.mark.parametrize("name", FILES)
def test_rows_come_out_right_from_every_resume(name: str) -> None:
    data, dialect = FILES[name]
    names = read_header([data], dialect, URI).names
    expected = csv_oracle.row_values(data, URI, dialect)
    assert names == csv_oracle.header_names(data, dialect)
    assert len(expected) > 0
    for block_bytes in range(1, len(data) + 1):
        plan = EncodePlan(names, URI, dialect, compression="none", block_bytes=block_bytes)
        position = START
        values: list[bytes] = []
        # A new start for each block, as if the loader were killed after each.
        while block := next(cut_blocks([data[position.byte_offset :]], position, plan), None):
            values += values_of(encode_block(block, plan))
            position = block.end
            if position.byte_offset == len(data):
                break
        assert values == expected


def test_b19_one_unterminated_quote_stops_with_its_place_and_loses_no_row_before_it() -> None:
    data = b'a,b\n1,2\n3,4\n5,"6\n' + b"7,8\n" * 100
    plan = EncodePlan(("a", "b"), URI, compression="none", block_bytes=20)
    values: list[bytes] = []
    with pytest.raises(MalformedRowError, match=f"row 3 at byte 12 of {URI} has a quote"):
        for block in cut_blocks([data], START, plan):
            values += values_of(encode_block(block, plan))
    assert values == csv_oracle.row_values(data, URI)[:2]


def test_b20_one_oversized_row_stops_after_its_neighbours() -> None:
    data = b"a\n1\n" + b"x" * 5000 + b"\n2\n"
    plan = EncodePlan(("a",), URI, compression="none", max_batch_bytes=1000)
    plan = dataclasses.replace(plan, max_record_bytes=1000)
    values: list[bytes] = []
    with pytest.raises(RecordTooLargeError, match=f"row 2 at byte 4 of {URI}"):
        for block in cut_blocks([data], START, plan):
            encoded = encode_block(block, plan)
            values += values_of(encoded)
            whole(encoded)
    assert values == csv_oracle.row_values(data, URI)[:1]


@pytest.mark.parametrize("bad_rows", [BadRows.STOP, BadRows.DEAD_LETTER])
def test_b30_ragged_rows_never_shift_fields(bad_rows: BadRows) -> None:
    data = b"a,b,c\n1,2,3\n4,5\n6,7,8,9\n"
    plan = EncodePlan(("a", "b", "c"), URI, compression="none", bad_rows=bad_rows)
    (block,) = cut_blocks([data], START, plan)
    if bad_rows is BadRows.STOP:
        with pytest.raises(MalformedRowError, match=f"row 2 at byte 12 of {URI} has 2 fields"):
            whole(encode_block(block, plan))
    else:
        encoded = encode_block(block, plan)
        assert values_of(encoded, 0) == csv_oracle.row_values(b"a,b,c\n1,2,3\n", URI)
        assert values_of(encoded, 1) == [b"4,5", b"6,7,8,9"]
