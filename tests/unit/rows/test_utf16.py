"""UTF-16: the rows of its text, at positions of its bytes, wherever a resume begins."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from csvkafka.encode.encoder import encode_block
from csvkafka.errors import ConfigError, SourceCorruptError
from csvkafka.model import START, BadRows, Block, Dialect, EncodePlan
from csvkafka.rows.blocks import cut_blocks, read_header
from csvkafka.rows.csv_rows import source_codec
from csvkafka.rows.preview import preview
from csvkafka.rows.samples import Sampler
from csvkafka.rows.utf16 import as_utf8, stored
from csvkafka.testing.inputs.strategies import chunkings
from tests.refusals import refusal
from tests.unit.encode.encoded import records_of, values_of, whole
from tests.unit.rows import csv_oracle
from tests.unit.rows.hostile_dialects import dialects, hostile

URI = "s3://bucket/key.csv"
CODECS = st.sampled_from(["utf-16-le", "utf-16-be"])


def plan_for(data: bytes, dialect: Dialect, **settings: object) -> EncodePlan:
    header = read_header([data] if data else [], dialect, URI)
    plan = EncodePlan(header.names, URI, dialect, compression="none", bad_rows=BadRows.KEEP)
    return dataclasses.replace(plan, **settings)  # type: ignore[arg-type]


def cut(data: bytes, plan: EncodePlan) -> list[Block]:
    return list(cut_blocks([data] if data else [], START, plan))


@given(
    data=hostile().filter(bool),
    dialect=dialects(),
    codec=CODECS,
    block_bytes=st.integers(1, 80),
    more=st.data(),
)
@settings(max_examples=400)
def test_rows_and_resumes_are_those_of_the_same_text_in_utf_8(
    data: bytes, dialect: Dialect, codec: str, block_bytes: int, more: st.DataObject
) -> None:
    assume(not csv_oracle.quote_is_open_at_end(data, dialect))
    wide = data.decode().encode(codec)
    dialect = dataclasses.replace(dialect, encoding=codec)
    plan = plan_for(wide, dialect, block_bytes=block_bytes)
    blocks = cut(wide, plan)
    due = csv_oracle.row_values(data, URI, dataclasses.replace(dialect, encoding="utf-8"))
    assert [v for block in blocks for v in values_of(whole(encode_block(block, plan)))] == due
    for index, block in enumerate(blocks):
        place = slice(block.start.byte_offset, block.end.byte_offset)
        assert wide[place] == stored(block.data, dialect)
        rest = more.draw(chunkings(wide[block.end.byte_offset :]))
        again = cut_blocks([chunk for chunk in rest if chunk], block.end, plan)
        assert list(again) == blocks[index + 1 :]


@given(text=st.text(st.characters(codec=None)), codec=CODECS, more=st.data())
def test_half_pairs_go_both_ways_unchanged(text: str, codec: str, more: st.DataObject) -> None:
    data = text.encode(codec, "surrogatepass")
    chunks = [chunk for chunk in more.draw(chunkings(data)) if chunk]
    assert stored(b"".join(as_utf8(chunks, codec, 0, URI)), Dialect(encoding=codec)) == data


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_a_row_with_half_of_a_pair_is_set_aside_as_it_stands(codec: str) -> None:
    bad = "2,x\ud800é".encode(codec, "surrogatepass")
    data = "\ufeffa,b\n1,😀\n".encode(codec) + bad + "\r\n3,y\n4\n".encode(codec)
    dialect = Dialect(encoding=codec)
    plan = plan_for(data, dialect, bad_rows=BadRows.DEAD_LETTER)
    (block,) = cut(data, plan)
    encoded = encode_block(block, plan)
    records = [record for batch in encoded.batches for record in records_of(batch)]
    values = [record.value for record in records if not record.headers]
    assert [json.loads(value or b"")["b"] for value in values] == ["😀", "y"]
    letters = [record for record in records if record.headers]
    assert [letter.value for letter in letters] == [bad, "4".encode(codec)]
    offset = len("\ufeffa,b\n1,😀\n".encode(codec))
    headers = [dict(letter.headers) for letter in letters]
    assert [int(each["_source_byte"] or b"") for each in headers] == [
        offset,
        data.index("4\n".encode(codec), offset + len(bad)),
    ]
    reason = (headers[0]["reason"] or b"").decode()
    half = "\ud800".encode(codec, "surrogatepass").hex(" ")
    assert f"not valid {codec}: column 2 ('b'), byte {offset + 6}: {half}" in reason


def test_a_file_that_ends_in_half_of_a_character_gives_its_rows_first() -> None:
    data = "a,b\n1,2\n3,4".encode("utf-16-le") + b"5"
    plan = plan_for(data, Dialect(encoding="utf-16-le"), block_bytes=10)
    rows = []
    with refusal(SourceCorruptError, match=f"ends at byte {len(data)} with half of a character"):
        for block in cut_blocks([data], START, plan):
            rows += values_of(encode_block(block, plan))
    assert [json.loads(row)["a"] for row in rows] == ["1"]


@pytest.mark.parametrize(
    ("data", "encoding", "said"),
    [
        ("a,b\n1,2\n".encode("utf-16"), "utf-8", "set CSV_ENCODING=utf-16-le, or convert .*iconv"),
        ("a,b\n1,2\n".encode("utf-16-be"), "cp1252", "set CSV_ENCODING=utf-16-be"),
        ("a,b\n1,2\n".encode("utf-16"), "utf-16-be", "by its byte order mark, not utf-16-be"),
        (b"a,b\n1,2\n", "utf-16-le", "is no utf-16-le text"),
    ],
)
def test_an_encoding_that_the_first_bytes_are_not_is_refused(
    data: bytes, encoding: str, said: str
) -> None:
    with refusal(SourceCorruptError, match=said):
        preview(iter([data]), Dialect(encoding=encoding), URI)


def test_the_byte_order_must_be_named() -> None:
    with refusal(ConfigError, match="set utf-16-le or utf-16-be"):
        source_codec("UTF-16")
    assert source_codec("UTF_16LE") == "utf-8"


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_preview_and_samples_show_its_text(mark: str) -> None:
    rows = "".join(f"{n},näme {n}\r\n" for n in range(200_000))
    data = f"{mark}id,name\r\n{rows}".encode("utf-16-be")
    dialect = Dialect(encoding="utf-16-be")
    look = preview(iter([data]), dialect, URI)
    assert look.header.names == ("id", "name")
    assert (look.rows[1].fields, look.line_end, look.is_text) == (("1", "näme 1"), "CRLF", True)
    assert look.encoding == "utf-16-be" + (" with a byte order mark" if mark else "")
    sampler = Sampler(
        lambda at: (data[n : n + 99_999] for n in range(at, len(data), 99_999)),
        len(data),
        look.header,
        dialect,
    )
    found = list(sampler.rows())
    assert len(found) > 10_000
    assert all(name == f"näme {number}" for number, name in found)
