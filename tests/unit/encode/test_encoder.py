"""Encoding: the documented record, by two ways that give the same bytes, into the right lanes."""

from __future__ import annotations

import dataclasses
import json
import pickle
import random
import tracemalloc
import zlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2 as kafka_murmur2

from csvkafka.encode.bad_row import BadRow
from csvkafka.encode.encoder import (
    check_plan,
    encode_block,
    encode_plain,
    encode_reference,
    lane_total,
)
from csvkafka.encode.partitioning import murmur2
from csvkafka.encode.row_json import RowEncoder, check_transform
from csvkafka.errors import (
    ConfigError,
    MalformedRowError,
    RecordTooLargeError,
    SourceCorruptError,
    UserFunctionError,
)
from csvkafka.limits import MAX_BATCH_BYTES, RECORD_LIMIT_SETTING
from csvkafka.model import START, BadRows, Block, Dialect, EncodePlan, Position, Routing
from csvkafka.rows.blocks import cut_blocks, read_header
from csvkafka.rows.cutters import PythonCutter
from csvkafka.testing.inputs.strategies import csv_files, hostile_csvs
from tests.refusals import refusal
from tests.unit.encode.encoded import records_of, values_of, whole
from tests.unit.rows import csv_oracle

URI = "s3://bucket/key.csv"


def plan_for(data: bytes, **settings: Any) -> EncodePlan:
    settings.setdefault("compression", "none")
    dialect = settings.setdefault("dialect", csv_oracle.DEFAULT)
    return EncodePlan(read_header([data], dialect).names, URI, **settings)


def blocks_of(data: bytes, plan: EncodePlan) -> list[Block]:
    return list(cut_blocks([data], START, plan))


def blocks_by_python(data: bytes, plan: EncodePlan) -> list[Block]:
    """Only these may be called plain."""
    return list(cut_blocks([data], START, plan, cutter=PythonCutter(plan)))


def values(data: bytes, **settings: Any) -> list[bytes]:
    plan = plan_for(data, **settings)
    encoded = (whole(encode_block(block, plan)) for block in blocks_of(data, plan))
    return [value for block in encoded for value in values_of(block)]


# -- the record --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"a,b\n1,2\n3,4\n",
        b'a,b\n"1","2"\n"3",""\n',
        b'a,b\n1,"say ""x"""\n"2\n3",4',
        "a%,é\n😀,100%s\n".encode(),
        b"a,a,b\n1,2,3\n",
        b"_source_line,b,_source_file\n1,2,3\n",
        b"a\n\x7f\n\x01\\\n",
        b"a,b\r\n1,2\r\n\r\n3,4\r\n",
        b"a,b\r\n1,2\r\n3,4\rx\n5,6\r\n",
        b'a,b\r\n"1","2"\r\n"3","4"\rx\n',
        b"\n1,2\n",
        b"a,b\n1\n1,2,3\n\n1,2\n",
        b"a,b,a\n1\n",
    ],
)
def test_record_is_the_documented_json_object(data: bytes) -> None:
    assert values(data, bad_rows=BadRows.KEEP) == csv_oracle.row_values(data, URI)


def test_record_as_an_example() -> None:
    assert values(b"id,name\n7,x\n") == [
        b'{"id":"7","name":"x","_source_line":1,"_source_file":"s3://bucket/key.csv"}'
    ]


@given(
    data=st.one_of(csv_files().map(lambda file: file.data), hostile_csvs()),
    block_bytes=st.integers(1, 300),
    skip=st.lists(st.integers(0, 3), max_size=2),
    lanes=st.integers(0, 3),
    bad_rows=st.sampled_from(BadRows),
    max_batch_bytes=st.sampled_from((200, 400, 1_000_000)),
)
@example(b'a,b\n"1","2"\n"3","4"\n', 300, [1], 1, BadRows.KEEP, 1_000_000)
@example(b'a,b\n1,"2"\n"3,3",4\n', 300, [], 1, BadRows.KEEP, 1_000_000)
@example(b'a,b\n,"a","b"\n', 300, [], 0, BadRows.KEEP, 1_000_000)
@example(b'a,b\n"a","b",\n', 300, [], 0, BadRows.KEEP, 1_000_000)
@example(b'a\n"",\n""\n', 300, [], 0, BadRows.KEEP, 1_000_000)
@example(b'a,b\na"",""\n', 300, [], 0, BadRows.KEEP, 1_000_000)
@example(b"a,b\r\n1,2\r\n3,4\r\n", 300, [], 2, BadRows.DEAD_LETTER, 1_000_000)
@example(b"a,b\n" + b"1,2\n" * 70, 300, [2], 0, BadRows.STOP, 1_000_000)
@example(b"a,b\n" + b"1,2\n" * 12, 300, [], 3, BadRows.STOP, 200)
def test_plain_way_and_reference_way_are_equal(
    data: bytes,
    block_bytes: int,
    skip: list[int],
    lanes: int,
    bad_rows: BadRows,
    max_batch_bytes: int,
) -> None:
    """No `lanes`: without keys."""
    assume(not csv_oracle.quote_is_open_at_end(data))
    plan = plan_for(data, block_bytes=block_bytes, bad_rows=bad_rows)
    plan = dataclasses.replace(
        plan, max_batch_bytes=max_batch_bytes, max_record_bytes=max_batch_bytes
    )
    if lanes and plan.header:
        routing = Routing.KEY_MURMUR2 if lanes > 1 else Routing.ONE_PARTITION
        plan = dataclasses.replace(
            plan, key_column=plan.header[0], lane_count=lanes, routing=routing
        )
    skip = skip[: lane_total(plan)]
    for block in blocks_by_python(data, dataclasses.replace(plan, max_batch_bytes=1_000_000)):
        try:
            plain = encode_plain(block, plan, skip)
        except BadRow as bad:
            with pytest.raises(BadRow) as caught:
                encode_reference(block, plan, skip)
            assert (caught.value.row_index, str(caught.value.error)) == (
                bad.row_index,
                str(bad.error),
            )
            continue
        if plain is not None:
            assert plain == encode_reference(block, plan, skip)


def test_offset_deltas_and_row_numbers_of_every_size_are_framed_alike() -> None:
    data = b"a,b\n" + b"1,2\n" * 20_000
    for key_column in (None, "b"):
        plan = plan_for(data, key_column=key_column, block_bytes=1 << 20, max_batch_bytes=1 << 24)
        (block,) = blocks_by_python(data, plan)
        assert block.row_count == 20_000
        assert encode_plain(block, plan) == encode_reference(block, plan)


def test_plain_way_is_taken_for_plain_blocks() -> None:
    for data in (b"a,b\n1,2\n", b"a,b\r\n1,2\r\n", b'a,b\n"1","2"\n', b'a,b\n1,"2,2"\n3,4\n'):
        plan = plan_for(data)
        (block,) = blocks_by_python(data, plan)
        assert encode_plain(block, plan) is not None


def test_invalid_utf8_in_a_plain_block_is_refused_with_its_byte() -> None:
    with pytest.raises(SourceCorruptError, match=r"row 1 at byte 4 .*column 2 \('b'\), byte 6: ff"):
        values(b"a,b\n1,\xff\n")


def test_encoding_is_a_function_of_picklable_arguments() -> None:
    data = b"k,b\n" + b"".join(b"%d,2\n" % n for n in range(100))
    plan = plan_for(
        data, compression="gzip", key_column="k", lane_count=3, routing=Routing.KEY_CRC32
    )
    (block,) = blocks_of(data, plan)
    again = pickle.loads(pickle.dumps((block, plan)))
    assert encode_block(*again) == pickle.loads(pickle.dumps(encode_block(block, plan)))


def test_what_ended_a_block_comes_back_from_a_process() -> None:
    data = b"k,b\n1,2\n3\n"
    plan = plan_for(data)
    (block,) = blocks_of(data, plan)
    here = encode_block(block, plan)
    there = pickle.loads(pickle.dumps(here))
    assert type(there.failure) is type(here.failure) is MalformedRowError
    assert str(there.failure) == str(here.failure)


def test_a_block_that_reads_as_another_number_of_rows_is_refused() -> None:
    plan = plan_for(b"a\n")
    for plain in (True, False):
        wrong = Block(b"1\n2\n", Position(2, 0), Position(6, 3), plain)
        with pytest.raises(MalformedRowError, match="cut as 3 rows and reads as 2"):
            encode_block(wrong, plan)


# -- rows of another width ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "fields"), [(b"1,2,3\n", "3 fields"), (b"1\n", "1 field"), (b'"1"\n', "1 field")]
)
def test_a_ragged_row_stops_with_its_place(row: bytes, fields: str) -> None:
    data = b'a,b\n1,"x\ny"\n\n3,4\n' + row
    byte_offset = len(data) - len(row)
    with refusal(MalformedRowError) as caught:
        values(data)
    assert str(caught.value) == (
        f"row 3 at byte {byte_offset} of {URI} has {fields}, the header has 2; repair the file, or "
        "set ON_BAD_ROW, and load under another JOB_ID into a clean topic"
    )


def test_ragged_rows_go_to_the_dead_letter_lane_raw() -> None:
    data = b'a,b\n1,2\n1,"2\n2",3\r\n3,4\n5\n'
    plan = plan_for(data, bad_rows=BadRows.DEAD_LETTER, key_column="a")
    (block,) = blocks_of(data, plan)
    encoded = encode_block(block, plan)
    assert encoded.rows_by_lane == (2, 2)
    assert [json.loads(value)["_source_line"] for value in values_of(encoded)] == [1, 3]
    letters = [r for batch in encoded.batches if batch.lane == 1 for r in records_of(batch)]
    assert [(letter.key, letter.value) for letter in letters] == [
        (None, b'1,"2\n2",3'),
        (None, b"5"),
    ]
    reason = b"row has 3 fields, the header has 2"
    assert letters[0].headers == [
        ("_source_line", b"2"),
        ("_source_file", URI.encode()),
        ("_source_byte", b"8"),
        ("code", b"width"),
        ("reason", reason),
        ("__connect.errors.stage", b"VALUE_CONVERTER"),
        ("__connect.errors.exception.class.name", b"MalformedRowError"),
        ("__connect.errors.exception.message", reason),
    ]
    assert dict(letters[1].headers)["_source_byte"] == b"23"
    assert encoded.set_aside[0] == "row 2 (has 3 fields, the header has 2)"


@given(
    spoiled=st.integers(0, 60),
    what=st.sampled_from([b"1\n", b"\xff\xfe,2\n", b"x" * 900 + b",2\n", b'"\xe9\n",\r\n']),
    block_bytes=st.integers(1, 300),
    skip=st.integers(0, 3),
    key_column=st.sampled_from([None, "a"]),
)
def test_all_rows_before_a_bad_one_are_encoded_those_of_its_own_block_too(
    spoiled: int, what: bytes, block_bytes: int, skip: int, key_column: str | None
) -> None:
    assume(skip <= spoiled)
    rows = [b"%d,%d\n" % (n, n) if n % 3 else b'"%d","\n%d"\r\n' % (n, n) for n in range(spoiled)]
    before = b"a,b\n" + b"".join(rows)
    data = before + what + b"7,7\n"
    plan = plan_for(data, block_bytes=block_bytes, max_batch_bytes=400, max_record_bytes=800)
    plan = dataclasses.replace(plan, key_column=key_column)
    sent: list[bytes] = []
    left = skip
    for block in blocks_of(data, dataclasses.replace(plan, max_batch_bytes=1_000_000)):
        encoded = encode_block(block, plan, [left])
        assert sum(encoded.rows_by_lane) == encoded.end.row_count - block.start.row_count
        left = max(0, left - encoded.rows_by_lane[0])
        sent += values_of(encoded)
        if encoded.failure is not None:
            assert f"row {spoiled + 1} at byte {len(before)} of {URI}" in str(encoded.failure)
            assert encoded.end == Position(len(before), spoiled)
            break
    else:
        pytest.fail("the bad row was not met")
    assert sent == csv_oracle.row_values(before, URI)[skip:]


def test_of_several_bad_rows_in_a_block_the_first_is_named() -> None:
    data = b"a,b\n1,2\n3\n4,\xff\n5,6,7\n"
    plan = plan_for(data)
    (block,) = blocks_of(data, plan)
    encoded = encode_block(block, plan)
    assert "row 2 at byte 8" in str(encoded.failure)
    assert (encoded.end, len(values_of(encoded))) == (Position(8, 1), 1)


def test_bytes_that_are_no_text_are_shown_alone_with_what_they_would_be_elsewhere() -> None:
    with pytest.raises(SourceCorruptError) as caught:
        values("id,name\n1,Zoë\n2,secret café\n".encode("cp1252"))
    message = str(caught.value)
    assert "column 2 ('name'), byte 12: eb (invalid continuation byte)" in message
    assert "would be text in cp1252 ('ë'), cp1250 ('ë'), cp1251 ('л')" in message
    assert "secret" not in message


def test_damage_in_a_utf_8_file_is_not_taken_for_another_encoding() -> None:
    data = "id,name\n1,Zoë\n2,Zoë, Zoë\n".encode() + b"3,caf\xe9\n"
    with pytest.raises(SourceCorruptError, match="rows around it are utf-8, so repair the file"):
        values(data, bad_rows=BadRows.KEEP)


def test_surplus_fields_never_take_the_name_of_a_column() -> None:
    (value,) = values(b"null,null_2\n1,a,extra\n", bad_rows=BadRows.KEEP)
    pairs = json.loads(value, object_pairs_hook=list)
    assert pairs[:3] == [("null", "1"), ("null_2", "a"), ("null_3", ["extra"])]


def give_two_keys_that_are_written_alike(_row: dict[str, object], _line: int) -> Any:
    return {"a": [{None: 1, "null": 2}]}


def test_a_transform_cannot_make_a_record_with_a_key_twice() -> None:
    with pytest.raises(UserFunctionError, match=r"row 1 of .*the key 'null' twice"):
        values(b"a\n5\n", transform=give_two_keys_that_are_written_alike)


def test_nothing_is_quoted_without_a_quote_character() -> None:
    dialect = Dialect(delimiter="\t", quotechar="")
    data = b'id\tname\n1\t"open\n2\tb"c\n3\t"x"\n4\tplain\n'
    for block_bytes in (1, 8, 1000):
        read = values(data, dialect=dialect, block_bytes=block_bytes)
        assert read == csv_oracle.row_values(data, URI, dialect)
        assert [json.loads(value)["name"] for value in read] == ['"open', 'b"c', '"x"', "plain"]


# -- keys and lanes ----------------------------------------------------------------------------


def test_without_a_key_column_keys_are_null() -> None:
    data = b"a\n1\n"
    plan = plan_for(data)
    (batch,) = encode_block(blocks_of(data, plan)[0], plan).batches
    assert [record.key for record in records_of(batch)] == [None]


@pytest.mark.parametrize("routing", [Routing.KEY_CRC32, Routing.KEY_MURMUR2])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_key_decides_its_lane_and_rows_keep_their_order(routing: Routing, quote: str) -> None:
    names = [f"{quote}key {n % 17} é{quote}" for n in range(200)]
    data = (
        "k,b\n" + "".join(f"{name},{quote}{n}{quote}\n" for n, name in enumerate(names))
    ).encode()
    plan = plan_for(data, key_column="k", lane_count=5, routing=routing)
    (block,) = blocks_of(data, plan)
    encoded = encode_block(block, plan)
    seen = 0
    for batch in encoded.batches:
        records = records_of(batch)
        assert len(records) == encoded.rows_by_lane[batch.lane]
        lines = [json.loads(record.value)["_source_line"] for record in records]
        assert lines == sorted(lines)
        for record in records:
            assert record.key == json.loads(record.value)["k"].encode()
            crc = zlib.crc32(record.key) % 5
            java = (kafka_murmur2(record.key) & 0x7FFFFFFF) % 5
            assert batch.lane == (crc if routing is Routing.KEY_CRC32 else java)
        seen += len(records)
    assert seen == 200
    assert len({batch.lane for batch in encoded.batches}) > 1


@given(key=st.binary(max_size=40))
@example(key=b"21")
def test_murmur2_is_kafka_s(key: bytes) -> None:
    assert murmur2(key) == kafka_murmur2(key) & 0xFFFFFFFF


def test_murmur2_has_the_values_of_kafka_s_own_tests() -> None:
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    for key, signed in known.items():
        assert murmur2(key) == signed & 0xFFFFFFFF


def test_a_kept_row_without_its_key_field_goes_to_lane_0_with_a_null_key() -> None:
    data = b"a,k\n1\n"
    plan = plan_for(
        data, key_column="k", lane_count=9, routing=Routing.KEY_CRC32, bad_rows=BadRows.KEEP
    )
    (batch,) = encode_block(blocks_of(data, plan)[0], plan).batches
    assert (batch.lane, records_of(batch)[0].key) == (0, None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"key_column": "x"}, "key column 'x' .KEY_COLUMN. is not in the header of .*: a, b"),
        ({"routing": Routing.KEY_CRC32}, "routing by crc32 needs a key column"),
        ({"compression": "brotli"}, "'brotli' is unknown"),
    ],
)
def test_an_impossible_plan_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_plan(plan_for(b"a,b\n", **settings))


# -- rows that are in the topic already --------------------------------------------------------


@given(skip=st.lists(st.integers(0, 40), max_size=4), routed=st.booleans())
def test_skipped_rows_are_counted_and_not_sent(skip: list[int], routed: bool) -> None:
    data = b"k,b\n" + b"".join(b"%d,%d\n" % (n % 7, n) for n in range(30)) + b"1\n"
    keyed = {"key_column": "k", "lane_count": 3, "routing": Routing.KEY_CRC32}
    settings: dict[str, Any] = (
        {"bad_rows": BadRows.DEAD_LETTER, **keyed} if routed else {"bad_rows": BadRows.KEEP}
    )
    skip = skip if routed else skip[:1]
    plan = plan_for(data, **settings)
    (block,) = blocks_of(data, plan)
    whole, rest = encode_block(block, plan), encode_block(block, plan, skip)
    assert rest.rows_by_lane == whole.rows_by_lane
    assert sum(rest.rows_by_lane) == 31
    for lane in range(len(whole.rows_by_lane)):
        first = skip[lane] if lane < len(skip) else 0
        assert values_of(rest, lane) == values_of(whole, lane)[first:]


# -- transform ---------------------------------------------------------------------------------


def double(row: dict[str, object], source_line: int) -> Mapping[str, object]:
    return {"n": 2 * int(str(row["a"])), "line": [source_line, row["_source_line"]], **row}


def test_transform_gets_the_row_and_its_result_is_sent() -> None:
    assert values(b"a\n5\n6\n", transform=double)[1] == (
        b'{"n":12,"line":[2,2],"a":"6","_source_line":2,"_source_file":"s3://bucket/key.csv"}'
    )


def drop_all(row: dict[str, object], _: int) -> Mapping[str, object]:
    row.clear()
    return row


def test_the_key_is_that_of_the_row_before_transform() -> None:
    data = b"a\n5\n"
    plan = plan_for(data, transform=drop_all, key_column="a")
    (batch,) = encode_block(blocks_of(data, plan)[0], plan).batches
    assert [(r.key, r.value) for r in records_of(batch)] == [(b"5", b"{}")]


def give_a_set(_row: dict[str, object], _line: int) -> Mapping[str, object]:
    return {"a": {1, 2}}


def test_a_transform_that_returns_no_json_is_named_with_its_row() -> None:
    said = f"transform .*:give_a_set returned no JSON object for row 1 of {URI}"
    with refusal(UserFunctionError, match=said):
        values(b"a\n5\n", transform=give_a_set)


@pytest.mark.parametrize(
    ("result", "kind"), [(None, "NoneType"), ([1], "list"), ("text", "str"), (7, "int")]
)
def test_what_else_a_transform_returned_is_said_by_its_type(result: Any, kind: str) -> None:
    with refusal(UserFunctionError, match=rf"no JSON object for row 1 .*it is of type {kind}\)"):
        values(b"a\n5\n", transform=lambda _row, _line: result)


async def later(row: dict[str, object], _: int) -> Mapping[str, object]:
    return row


def one_by_one(row: dict[str, object], _: int) -> Any:
    yield row


def of_nothing() -> Mapping[str, object]:
    return {}


def of_the_row_alone(row: dict[str, object]) -> Mapping[str, object]:
    return row


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (later, "plain function"),
        (one_by_one, "plain function"),
        (of_the_row_alone, r"two arguments, a row and its line \(too many positional"),
        (of_nothing, "two arguments"),
    ],
)
def test_a_function_that_cannot_be_called_so_is_refused(function: Any, said: str) -> None:
    with refusal(ConfigError, match=said):
        check_transform(function)


@pytest.mark.parametrize("function", [double, dict, partial(double), lambda *_: {}])
def test_what_can_be_called_so_is_taken(function: Any) -> None:
    check_transform(function)


def test_a_key_column_that_is_nearly_one_is_proposed() -> None:
    with refusal(ConfigError, match="'ID' .*KEY_COLUMN.* is 'id' meant"):
        check_plan(plan_for(b"id,name\n", key_column="ID"))


def test_an_error_of_the_transform_s_own_says_for_which_row() -> None:
    said = f"transform .*:double raised ValueError for row 2 of {URI}"
    with refusal(UserFunctionError, match=said) as caught:
        values(b"a\n5\nx-ray\n", transform=double)
    again = pickle.loads(pickle.dumps(caught.value))
    for error in (caught.value, again):
        assert "int(str(row" in error.frames, "it survives the way out of an encode worker"
        assert "x-ray" not in str(error) + error.frames


# -- sizes -------------------------------------------------------------------------------------


def test_a_batch_that_is_too_large_is_halved() -> None:
    data = b"a\n" + b"".join(b"\x01" * 50 + b"\n" for _ in range(16))
    plan = plan_for(data, max_batch_bytes=1000)
    # Control characters grow sixfold, which the cutter does not expect.
    blocks = blocks_of(data, plan)
    encoded = [encode_block(block, plan) for block in blocks]
    assert max(len(e.batches) for e in encoded) > 1
    assert all(61 + len(b.records) <= 1000 for e in encoded for b in e.batches)
    assert [v for e in encoded for v in values_of(e)] == csv_oracle.row_values(data, URI)


def test_a_row_that_no_batch_can_hold_is_named() -> None:
    noise = random.Random(1).randbytes(450).hex().encode()
    data = b"a\n1\n2\n\n" + noise + b"\n3\n"
    plan = plan_for(data, max_batch_bytes=400, max_record_bytes=500, compression="gzip")
    with refusal(RecordTooLargeError) as caught:
        whole(encode_block(blocks_of(data, plan)[0], plan))
    message = str(caught.value)
    assert message.startswith(f"row 3 at byte 7 of {URI} makes a batch of ")
    assert message.endswith(f"the limit is 500: raise {RECORD_LIMIT_SETTING}, and run again")


@pytest.mark.parametrize("key_column", [None, "a"])
def test_one_row_may_make_a_batch_that_is_larger_than_one_of_several(key_column: Any) -> None:
    noise = random.Random(1).randbytes(MAX_BATCH_BYTES).hex().encode()
    data = b"a,b\n1,x\n2," + noise + b"\n3,y\n"
    plan = plan_for(data, compression="gzip", key_column=key_column)
    encoded = [whole(encode_block(block, plan)) for block in blocks_of(data, plan)]
    assert [v for block in encoded for v in values_of(block)] == csv_oracle.row_values(data, URI)
    sizes = [(b.record_count, len(b.records)) for block in encoded for b in block.batches]
    assert [count for count, size in sizes if size > MAX_BATCH_BYTES] == [1]


def test_rows_that_wait_to_be_framed_take_little_more_memory_than_their_bytes() -> None:
    data = b"a,b\n" + b'1,"say ""x"""\n' * 2000
    plan = plan_for(data)
    (block,) = blocks_of(data, plan)
    encoder = RowEncoder(plan)
    encoder.encode(block)
    tracemalloc.start()
    try:
        rows = encoder.encode(block)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 3 * sum(map(len, rows.values))
