"""Blocks are whole rows, whatever the bytes are and however they arrive."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from csvkafka.encode.encoder import encode_block
from csvkafka.errors import (
    ConfigError,
    MalformedRowError,
    RecordTooLargeError,
    SourceCorruptError,
    SourceReadError,
)
from csvkafka.model import START, BadRows, Block, Dialect, EncodePlan, Position
from csvkafka.rows.blocks import _plain_row_end, cut_blocks, read_header
from csvkafka.rows.csv_rows import row_ends, source_codec
from csvkafka.testing.inputs.strategies import (
    CsvFile,
    chunkings,
    csv_bytes,
    csv_files,
    hostile_csvs,
)
from tests.refusals import refusal
from tests.unit.encode.encoded import values_of, whole
from tests.unit.rows import csv_oracle

URI = "s3://bucket/key.csv"
REFUSED_ENCODINGS = [
    *("utf-16", "utf-32-le", "utf-7", "shift_jis", "cp932", "gbk", "gb18030", "big5", "cp037"),
    *("cp864", "iso2022_jp", "hz", "unicode_escape", "raw_unicode_escape", "idna", "punycode"),
    *("rot13", "hex", "no-such-encoding"),
]


def plan_for(data: bytes, dialect: Dialect = csv_oracle.DEFAULT, **settings: object) -> EncodePlan:
    header = read_header([data] if data else [], dialect, URI)
    plan = EncodePlan(header.names, URI, dialect, compression="none", bad_rows=BadRows.KEEP)
    return dataclasses.replace(plan, **settings)  # type: ignore[arg-type]


def blocks_of(data: bytes, **settings: Any) -> list[Block]:
    return list(cut_blocks([data] if data else [], START, plan_for(data, **settings)))


def rows_from(
    data: bytes, plan: EncodePlan, start: Position = START, chunks: Sequence[bytes] | None = None
) -> list[bytes]:
    source = [data[start.byte_offset :]] if chunks is None else chunks
    blocks = cut_blocks([chunk for chunk in source if chunk], start, plan)
    return [value for block in blocks for value in values_of(whole(encode_block(block, plan)))]


# -- the rows ----------------------------------------------------------------------------------


@given(data=csv_bytes(), block_bytes=st.integers(1, 80), more=st.data())
@settings(max_examples=400)
def test_blocks_hold_the_rows_of_dictreader(
    data: bytes, block_bytes: int, more: st.DataObject
) -> None:
    assume(not csv_oracle.quote_is_open_at_end(data))
    plan = plan_for(data, block_bytes=block_bytes)
    assert plan.header == csv_oracle.header_names(data)
    assert rows_from(data, plan, chunks=more.draw(chunkings(data))) == csv_oracle.row_values(
        data, URI
    )


@given(data=csv_bytes(), block_bytes=st.integers(1, 80), more=st.data())
def test_where_blocks_end_does_not_depend_on_chunks(
    data: bytes, block_bytes: int, more: st.DataObject
) -> None:
    assume(not csv_oracle.quote_is_open_at_end(data))
    plan = plan_for(data, block_bytes=block_bytes)
    whole = list(cut_blocks([data] if data else [], START, plan))
    assert list(cut_blocks(more.draw(chunkings(data)), START, plan)) == whole
    one_by_one = [data[i : i + 1] for i in range(len(data))]
    assert list(cut_blocks(one_by_one, START, plan)) == whole


@given(data=csv_bytes(), block_bytes=st.integers(1, 80))
@pytest.mark.fault("F91")
def test_resume_at_a_block_s_end_cuts_exactly_the_rest(data: bytes, block_bytes: int) -> None:
    assume(not csv_oracle.quote_is_open_at_end(data))
    plan = plan_for(data, block_bytes=block_bytes)
    blocks = list(cut_blocks([data] if data else [], START, plan))
    for index, block in enumerate(blocks):
        rest = data[block.end.byte_offset :]
        assert list(cut_blocks([rest] if rest else [], block.end, plan)) == blocks[index + 1 :]
        assert block.data == data[block.start.byte_offset : block.end.byte_offset]
        assert block.row_count >= 1


@given(data=hostile_csvs().filter(csv_oracle.quote_is_open_at_end), block_bytes=st.integers(1, 80))
@settings(suppress_health_check=[HealthCheck.filter_too_much])
def test_a_quote_open_to_the_end_is_an_error_after_all_rows_before_it(
    data: bytes, block_bytes: int
) -> None:
    rows: list[bytes] = []
    with pytest.raises(MalformedRowError, match="not closed before the end of the file"):
        plan = plan_for(data, block_bytes=block_bytes)
        for block in cut_blocks([data], START, plan):
            rows += values_of(encode_block(block, plan))
    # DictReader ends the open row at the end of the file: all before it are the same.
    assert rows == csv_oracle.row_values(data, URI)[:-1]


@given(file=csv_files(), block_bytes=st.integers(1, 200))
def test_a_written_table_is_read_back(file: CsvFile, block_bytes: int) -> None:
    # A first character that is a byte order mark is one, whatever the writer meant.
    assume(not file.names[0].startswith("\ufeff"))
    plan = plan_for(file.data, block_bytes=block_bytes)
    assert plan.header == file.names
    read = [tuple(json.loads(value).values())[:-2] for value in rows_from(file.data, plan)]
    assert read == list(file.rows)


def test_every_short_text_that_looks_fully_quoted_is_read_as_dictreader_does() -> None:
    middles = ("".join(m) for size in range(7) for m in itertools.product('",\na', repeat=size))
    for middle in middles:
        data = f'a\n"{middle}"\n'.encode()
        plan = EncodePlan(("a",), URI, compression="none", bad_rows=BadRows.KEEP)
        blocks = cut_blocks([data], START, plan)
        if csv_oracle.quote_is_open_at_end(data):
            with pytest.raises(MalformedRowError):
                list(blocks)
        else:
            read = [json.loads(value) for b in blocks for value in values_of(encode_block(b, plan))]
            assert read == [json.loads(value) for value in csv_oracle.row_values(data, URI)]


@pytest.mark.parametrize(
    "dialect",
    [
        Dialect(),
        Dialect(quotechar=""),
        Dialect(quotechar="'", delimiter=";"),
        Dialect(escapechar="\\"),
        Dialect(comment="#"),
        Dialect(trailing_delimiter=True, doublequote=False),
    ],
    ids=str,
)
def test_a_line_that_is_called_a_row_at_once_is_one(dialect: Dialect) -> None:
    """Whatever comes behind it; and lines that hold nothing special are."""
    count = 0
    for size in range(7):
        for text in itertools.product(b"\"'\n\ra#\\", repeat=size):
            data = bytes(text)
            end = _plain_row_end(data, dialect)
            if end:
                count += 1
                assert end == next(row_ends(data, dialect))[0], data
    assert (count > 1_000) is not bool(dialect.escapechar or dialect.comment)
    assert _plain_row_end(b"a,b\r\nc", Dialect()) == 5
    assert _plain_row_end(b"a,b", Dialect()) == 0


def test_every_short_text_of_two_columns_is_read_as_dictreader_does() -> None:
    for newline in ("\n", "\r\n"):
        texts = ("".join(t) for size in range(7) for t in itertools.product('",\na', repeat=size))
        for text in texts:
            data = f"a,b\n{text}\n".replace("\n", newline).encode()
            if csv_oracle.quote_is_open_at_end(data):
                continue
            plan = EncodePlan(("a", "b"), URI, compression="none", bad_rows=BadRows.KEEP)
            blocks = list(cut_blocks([data], START, plan))
            read = [value for block in blocks for value in values_of(encode_block(block, plan))]
            assert read == csv_oracle.row_values(data, URI), data


def test_other_quote_character_leaves_double_quotes_to_json() -> None:
    dialect = Dialect(quotechar="'")
    data = b"a,b\n'1,1',x\"y\n"
    plan = plan_for(data, dialect)
    assert rows_from(data, plan) == csv_oracle.row_values(data, URI, dialect)


# -- sizes -------------------------------------------------------------------------------------


def test_blocks_stay_below_the_batch_limit_when_encoded() -> None:
    names = b",".join(b"a_column_with_a_long_name_%d" % i for i in range(50))
    data = names + b"\n" + b"".join(b",".join([b"1"] * 50) + b"\n" for _ in range(3000))
    plan = plan_for(data, max_batch_bytes=100_000)
    blocks = list(cut_blocks([data], START, plan))
    sizes = [len(b"".join(values_of(encode_block(block, plan)))) for block in blocks]
    assert max(sizes) < 100_000
    assert min(sizes[:-1]) > 80_000
    assert all(len(encode_block(block, plan).batches) == 1 for block in blocks)


@pytest.mark.parametrize("quote", [b"", b'"'])
def test_a_row_longer_than_a_block_is_a_block(quote: bytes) -> None:
    huge = quote + b"x" * 1_000_000 + quote
    data = b"a\n1\n" + huge + b"\n2\n3\n"
    blocks = blocks_of(data, block_bytes=1000)
    assert [block.row_count for block in blocks] == [1, 1, 2]
    assert blocks[1].data == huge + b"\n"


def test_a_field_of_many_megabytes_is_read() -> None:
    csv.field_size_limit(131_072)  # as a fresh process has it
    value = b"x" * 5_000_000
    data = b'a,b\n1,"' + value + b'"\n'
    plan = plan_for(data, max_batch_bytes=6_000_000)
    (row,) = rows_from(data, plan)
    assert json.loads(row)["b"] == value.decode()


def test_a_thousand_columns() -> None:
    names = ",".join(f"c{i}" for i in range(1000))
    data = (names + "\n" + "\n".join(",".join(map(str, range(1000))) for _ in range(50))).encode()
    plan = plan_for(data)
    assert rows_from(data, plan) == csv_oracle.row_values(data, URI)


def endless(first: bytes, chunk: bytes, taken: list[int]) -> Iterator[bytes]:
    yield first
    while True:
        taken[0] += len(chunk)
        yield chunk


def test_an_unclosed_quote_stops_at_the_row_limit_and_says_where() -> None:
    taken = [0]
    plan = EncodePlan(("a",), URI, block_bytes=1000)
    blocks = cut_blocks(endless(b'a\n1\n2\n"', b"x\n" * 500, taken), START, plan, 100_000)
    assert next(blocks).row_count == 2
    message = f"row 3 at byte 6 of {URI} has a quote that is not closed within 100000 bytes"
    with pytest.raises(MalformedRowError, match=message):
        next(blocks)
    assert taken[0] < 120_000


def test_an_endless_line_stops_at_the_row_limit() -> None:
    plan = EncodePlan(("a",), URI, block_bytes=1000)
    blocks = cut_blocks(endless(b"a\n", b"x" * 1000, [0]), START, plan, 100_000)
    with pytest.raises(RecordTooLargeError, match=r"row 1 at byte 2 .*is the object a CSV file"):
        next(blocks)


@given(data=csv_bytes(), block_bytes=st.integers(1, 80), more=st.data())
def test_where_the_source_fails_all_whole_rows_before_it_come_first(
    data: bytes, block_bytes: int, more: st.DataObject
) -> None:
    assume(not csv_oracle.quote_is_open_at_end(data))
    plan = plan_for(data, block_bytes=block_bytes)
    size = more.draw(st.integers(0, len(data)))

    def failing() -> Iterator[bytes]:
        yield from more.draw(chunkings(data[:size]))
        raise SourceReadError("S3 is gone")

    rows: list[bytes] = []
    with pytest.raises(SourceReadError, match="S3 is gone"):
        for block in cut_blocks(failing(), START, plan):
            rows += values_of(encode_block(block, plan))
    ends = [
        block.start.byte_offset + end
        for block in cut_blocks([data] if data else [], START, plan)
        for end, is_row in row_ends(block.data, plan.dialect)
        if is_row
    ]
    # A row without its line end may still go on; of CRLF, the CR is one.
    count = sum(end <= size and data[end - 1] in b"\r\n" for end in ends)
    assert count <= len(rows) <= count + data[:size].endswith(b"\r")
    assert rows == csv_oracle.row_values(data, URI)[: len(rows)]


# -- the header --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "names", "byte_offset"),
    [
        (b"", (), 0),
        (b"\xef\xbb\xbf", (), 3),
        (b"a,b", ("a", "b"), 3),
        (b"a,b\n1,2\n", ("a", "b"), 4),
        (b"a,b\r\n1,2\r\n", ("a", "b"), 5),
        (b"a,b\r1,2\r", ("a", "b"), 4),
        (b'\xef\xbb\xbf"a","b"\n1,2\n', ("a", "b"), 11),
        (b'"a\nx",b\n1,2\n', ("a\nx", "b"), 8),
        (b"\na,b\n", (), 1),
    ],
)
def test_header(data: bytes, names: tuple[str, ...], byte_offset: int) -> None:
    header = read_header([data] if data else [], Dialect())
    # Of CRLF, the LF may be left over as a blank line, which is no row.
    assert (header.names, header.byte_offset) == (names, byte_offset)
    one_by_one = read_header([data[i : i + 1] for i in range(len(data))], Dialect())
    assert one_by_one == header


def test_header_reads_no_more_than_needed() -> None:
    taken = [0]
    assert read_header(endless(b"a,b\n", b"1,2\n" * 1000, taken), Dialect()).names == ("a", "b")
    assert taken[0] < 200_000


def test_a_header_whose_quote_is_never_closed_says_so() -> None:
    with pytest.raises(MalformedRowError, match="the header row at byte 0 of s3://b/k has a quote"):
        read_header([b'a,"b\n1,2\n'], Dialect(), "s3://b/k")


def test_an_empty_object_has_no_blocks() -> None:
    assert blocks_of(b"") == blocks_of(b"a,b") == blocks_of(b"a,b\r\n\r\n\n") == []


# -- encodings and dialects --------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "euc_jp", "koi8-r", "ascii", "utf-8"])
def test_encodings_that_leave_ascii_alone_are_read(encoding: str) -> None:
    word = {"cp1252": "€ü", "latin-1": "ü", "euc_jp": "日本", "koi8-r": "Ж"}.get(encoding, "x")
    dialect = Dialect(encoding=encoding)
    text = f'a,b{word}\n{word},2\n{word},4\n"{word}\n{word}",6'
    data = text.encode(encoding)
    for block_bytes in (1, 12, 1000):
        plan = plan_for(data, dialect, block_bytes=block_bytes)
        assert rows_from(data, plan) == csv_oracle.row_values(data, URI, dialect)


@pytest.mark.parametrize(
    "encoding",
    REFUSED_ENCODINGS,
)
def test_encodings_that_hide_ascii_bytes_are_refused(encoding: str) -> None:
    with pytest.raises(ConfigError, match="CSV_ENCODING"):
        source_codec(encoding)


def test_invalid_utf8_is_refused_with_its_byte() -> None:
    data = b"a\n" + b"1\n" * 500 + b"x\xff\n"
    plan = plan_for(data, block_bytes=100)
    said = rf"row 501 at byte 1002 of {URI} is not valid utf-8: column 1 \('a'\), byte 1003: ff"
    with refusal(SourceCorruptError, match=said) as caught:
        rows_from(data, plan)
    assert "set CSV_ENCODING" in str(caught.value)
    assert "another JOB_ID" in str(caught.value)


@pytest.mark.parametrize(
    "dialect",
    [
        Dialect(delimiter=";;"),
        Dialect(delimiter="§"),
        Dialect(delimiter="\n"),
        Dialect(quotechar="''"),
        Dialect(delimiter='"'),
    ],
)
def test_impossible_dialects_are_refused(dialect: Dialect) -> None:
    with pytest.raises(ConfigError, match=r"CSV_DELIMITER|CSV_QUOTECHAR"):
        read_header([b"a,b\n"], dialect)


@given(data=csv_bytes(), block_bytes=st.integers(1, 60))
def test_other_dialects_read_the_same(data: bytes, block_bytes: int) -> None:
    other = data.translate(bytes.maketrans(b",\"';", b";'\","))
    dialect = Dialect(delimiter=";", quotechar="'")
    assume(not csv_oracle.quote_is_open_at_end(other, dialect))
    plan = plan_for(other, dialect, block_bytes=block_bytes)
    assert rows_from(other, plan) == csv_oracle.row_values(other, URI, dialect)


@given(data=csv_bytes(), block_bytes=st.integers(1, 60))
def test_without_quotes_the_same_bytes_are_read_as_quote_none_reads_them(
    data: bytes, block_bytes: int
) -> None:
    dialect = Dialect(quotechar="")
    plan = plan_for(data, dialect, block_bytes=block_bytes)
    assert plan.header == csv_oracle.header_names(data, dialect)
    assert rows_from(data, plan) == csv_oracle.row_values(data, URI, dialect)


@given(data=csv_bytes(), block_bytes=st.integers(1, 60), skipped_lines=st.integers(0, 4))
def test_lines_before_the_header_are_skipped_as_readline_counts_them(
    data: bytes, block_bytes: int, skipped_lines: int
) -> None:
    dialect = Dialect(skipped_lines=skipped_lines)
    assume(not csv_oracle.quote_is_open_at_end(data, dialect))
    plan = plan_for(data, dialect, block_bytes=block_bytes)
    assert plan.header == csv_oracle.header_names(data, dialect)
    assert rows_from(data, plan) == csv_oracle.row_values(data, URI, dialect)
    one_by_one = [data[i : i + 1] for i in range(len(data))]
    assert rows_from(data, plan, chunks=one_by_one) == csv_oracle.row_values(data, URI, dialect)
