"""Records by a declared table: values, keys, lanes, headers, and rows that do not fit."""

from __future__ import annotations

import json
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from csvkafka.encode.encoder import check_plan, encode_block
from csvkafka.errors import ConfigError, MalformedRowError
from csvkafka.model import START, BadRows, EncodePlan, Routing
from csvkafka.rows.blocks import cut_blocks
from csvkafka.schema.declaration import read_table
from csvkafka.testing.checker.declared import DeclaredRows, declared_record
from csvkafka.testing.checker.documented import TopicRecord
from tests.refusals import refusal_in
from tests.unit.encode.encoded import records_of, whole

URI = "s3://bucket/key.csv"
HEADER = ("id", "name", "price")
DATA = b"id,name,price\n1,ada,1.5\n2,,20\n3,bob,-0.25\n"
TABLE = """
[record]
null = [""]
[columns]
id = "int"
name = { type = "string", rename = "who" }
price = "decimal(6,2)"
origin = { constant = "web" }
"""
SECRET = b"0123456789abcdef"


def plan(text: str = TABLE, **settings: Any) -> EncodePlan:
    settings.setdefault("compression", "none")
    return EncodePlan(HEADER, URI, table=read_table(text, "columns.toml", SECRET), **settings)


def records(of: EncodePlan, data: bytes = DATA, lane: int = 0) -> list[Any]:
    rows = data.partition(b"\n")[2]
    (block,) = cut_blocks([data[: len(data) - len(rows)], rows], START, of)
    encoded = whole(encode_block(block, of))
    return [
        record for batch in encoded.batches if batch.lane == lane for record in records_of(batch)
    ]


def test_each_field_is_of_its_type() -> None:
    found = records(plan())
    assert found[0].value == (
        b'{"id":1,"who":"ada","price":1.50,"origin":"web",'
        b'"_source_line":1,"_source_file":"s3://bucket/key.csv"}'
    )
    assert json.loads(found[1].value)["who"] is None
    assert [record.key for record in found] == [None] * 3


def test_an_encode_worker_makes_the_same_records() -> None:
    declared = plan(TABLE.replace("[record]", '[record]\nkey = "id"'))
    assert pickle.loads(pickle.dumps(declared)) == declared
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as workers:
        (block,) = cut_blocks([DATA], START, declared)
        assert workers.submit(encode_block, block, declared).result() == encode_block(
            block, declared
        )


def test_dropped_columns_are_not_in_the_record_but_may_be_its_key() -> None:
    text = 'record.key = "id"\nrecord.undeclared = "string"\ncolumns.id = {type="int", drop=true}'
    found = records(plan(text))
    assert "id" not in json.loads(found[0].value)
    assert [record.key for record in found] == [b"1", b"2", b"3"]


def test_a_text_key_is_the_columns_text_and_null_where_that_is_null() -> None:
    found = records(plan(TABLE.replace("[record]", '[record]\nkey = "name"')))
    assert [record.key for record in found] == [b"ada", None, b"bob"]


def test_a_key_of_several_columns_is_an_object_of_their_values() -> None:
    keyed = TABLE.replace("[record]", '[record]\nkey = ["price", "id"]\nkey_format = "json"')
    assert [record.key for record in records(plan(keyed))] == [
        b'{"price":1.50,"id":1}',
        b'{"price":20.00,"id":2}',
        b'{"price":-0.25,"id":3}',
    ]


def test_a_key_is_the_same_bytes_whatever_the_order_of_a_files_columns() -> None:
    keyed = TABLE.replace("[record]", '[record]\nkey = ["price", "id"]\nkey_format = "json"')
    other = replace(plan(keyed), header=("price", "id", "name"))
    found = records(other, b"price,id,name\n1.5,1,ada\n")
    assert [record.key for record in found] == [b'{"price":1.50,"id":1}']


@pytest.mark.parametrize("hidden", ['hash = "blake2b"', 'mask = "all"'])
def test_what_is_hidden_in_the_value_is_hidden_in_the_key(hidden: str) -> None:
    text = f'record.key = "name"\nrecord.undeclared = "string"\ncolumns.name = {{{hidden}}}'
    found = records(plan(text))
    assert found[0].key == json.loads(found[0].value)["name"].encode()
    assert b"ada" not in found[0].key + found[0].value


def test_metadata_in_headers_or_nowhere() -> None:
    in_headers = records(plan(TABLE.replace("[record]", '[record]\nmetadata = "headers"')))
    assert in_headers[1].headers == [("_source_line", b"2"), ("_source_file", URI.encode())]
    assert "_source_line" not in json.loads(in_headers[1].value)
    nowhere = records(plan(TABLE.replace("[record]", '[record]\nmetadata = "none"')))
    assert nowhere[1].headers == []
    assert json.loads(nowhere[1].value) == {"id": 2, "who": None, "price": 20, "origin": "web"}


def test_keys_choose_lanes() -> None:
    keyed = TABLE.replace("[record]", '[record]\nkey = "id"\nmetadata = "headers"')
    declared = plan(keyed, lane_count=4, routing=Routing.KEY_CRC32)
    lanes = [records(declared, lane=lane) for lane in range(4)]
    assert sorted(record.key for lane in lanes for record in lane) == [b"1", b"2", b"3"]
    for record in (record for lane in lanes for record in lane):
        assert dict(record.headers)["_source_line"] == record.key
    with pytest.raises(ConfigError, match="needs a key column"):
        check_plan(plan(lane_count=4, routing=Routing.KEY_CRC32))


BAD = b"id,name,price\n1,ada,1.5\n2,bob,cheap\n3,cid,1\n"


def test_a_field_of_another_type_stops_the_load_where_it_stands() -> None:
    declared = plan()
    (block,) = cut_blocks([BAD[:14], BAD[14:]], START, declared)
    encoded = encode_block(block, declared)
    assert encoded.rows_by_lane == (1,)
    assert isinstance(encoded.failure, MalformedRowError)
    text = str(encoded.failure)
    refusal_in(MalformedRowError, text)
    assert text.startswith(f"row 2 at byte {encoded.end.byte_offset} of {URI} is no decimal(6,2)")
    assert "column 'price': it has 'c' as character 1 of 5" in text
    assert "cheap" not in text
    assert "CSV_COLUMNS" in text


def test_a_field_of_another_type_goes_to_the_dead_letters_as_it_stands() -> None:
    declared = plan(bad_rows=BadRows.DEAD_LETTER)
    assert [json.loads(record.value)["id"] for record in records(declared, BAD)] == [1, 3]
    (letter,) = records(declared, BAD, lane=1)
    assert letter.value == b"2,bob,cheap"
    assert dict(letter.headers)["_source_line"] == b"2"
    assert b"is no decimal(6,2) in column 'price'" in dict(letter.headers)["reason"]


def test_rows_of_another_width_and_of_another_type_end_alike() -> None:
    declared = plan(bad_rows=BadRows.DEAD_LETTER)
    data = b"id,name,price\n1,ada\n2,bob,1\nx,cid,1\n"
    assert [json.loads(record.value)["id"] for record in records(declared, data)] == [2]
    letters = records(declared, data, lane=1)
    assert [letter.value for letter in letters] == [b"1,ada", b"x,cid,1"]


def test_a_table_that_does_not_fit_the_header_is_refused_before_the_first_row() -> None:
    with pytest.raises(ConfigError, match="'nmae' is no column of the file; is 'name' meant"):
        check_plan(plan('record.undeclared = "drop"\ncolumns.nmae = "string"'))


@pytest.mark.parametrize("metadata", ["value", "headers", "none"])
@pytest.mark.parametrize("key", ['"name"', '["price", "id"]\nkey_format = "json"'])
def test_the_checker_expects_what_is_sent(metadata: str, key: str) -> None:
    text = TABLE.replace("[record]", f'[record]\nmetadata = "{metadata}"\nkey = {key}')
    declared = plan(text)
    assert declared.table is not None
    rows, decode = DeclaredRows(declared.table), declared_record(declared.table, URI)
    texts = [line.split(",") for line in DATA.decode().splitlines()[1:]]
    for line, (row, record) in enumerate(zip(texts, records(declared), strict=True), 1):
        fields = dict(zip(HEADER, row, strict=True))
        sent = TopicRecord(0, record.key, record.value, record.headers)
        told = None if metadata == "none" else line
        assert decode(sent) == (told, rows.fields_of(fields, line))  # type: ignore[arg-type]
        assert record.key == rows.key_of(fields)  # type: ignore[arg-type]
