"""Declared records by the compiled way: the same bytes as by the reference way, or not taken."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from csvkafka.compiled import compiled_module
from csvkafka.encode.compiled_table import compiled_table
from csvkafka.encode.encoder import encode_compiled, encode_plain
from csvkafka.model import START, BadRows, EncodedBlock, EncodePlan
from csvkafka.rows.blocks import cut_blocks
from csvkafka.testing.inputs.strategies import hostile_csvs
from tests.unit.encode.declared_case import (
    AVRO,
    COLUMNS,
    DROPS,
    RECORDS,
    both_ways,
    check_declared,
    declared_case_of,
    plan_of,
    table_of,
)

if compiled_module() is None:
    pytest.skip("the compiled encoder is not in use", allow_module_level=True)

CHOICES = st.binary(min_size=8, max_size=8)

NUMBERS = st.one_of(
    st.from_regex(r"[+-]?[0-9]{0,20}(\.[0-9]{0,20})?([eE][0-9])?", fullmatch=True),
    st.integers(-(2**64), 2**64).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-1e6, 1e6).map(lambda number: f"{number:.3f}"),
    st.floats(-1e-3, 1e-3).map(lambda number: f"{number:.9f}"),
    st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str),
)
TIMES = st.one_of(
    st.datetimes().map(str),
    st.datetimes().map(lambda moment: moment.isoformat()[:16]),
    st.dates().map(str),
    st.from_regex(
        r"(0001|9999|2024|1900|2023)-(01|02|12)-(01|28|29|30|31|32)"
        r"[T ](00|23|24):(00|59|60)(:(00|59|60)(\.[0-9]{1,7})?)?"
        r"(Z|[+-](00|01|14|23|24):(00|30|59|60)|z)?",
        fullmatch=True,
    ),
)
TEXTS = st.one_of(
    NUMBERS,
    TIMES,
    st.sampled_from(["", "NA", 'é""\n', "true", "false", "1", "0", "ja", 'n""n', "nn"]),
    st.text('aé"\\\n,\x01😀', max_size=6).map(lambda text: text.replace('"', '""')),
)
ROWS = st.lists(st.tuples(TEXTS, TEXTS, st.booleans(), st.booleans()), min_size=1, max_size=4).map(
    lambda rows: "".join(
        (f'"{a}"' if quote_a or not a.isalnum() else a)
        + ","
        + (f'"{b}"' if quote_b or not b.isalnum() else b)
        + "\n"
        for a, b, quote_a, quote_b in rows
    ).encode()
)


@given(choices=CHOICES, data=ROWS)
@example(bytes([13, 1, 4, 0, 0, 0, 0, 0]), b"0001-01-01T00:00:00+00:01,-0\n")
def test_rows_of_what_types_take_are_encoded_alike(choices: bytes, data: bytes) -> None:
    declared_case_of(choices, data)


@given(choices=CHOICES, data=hostile_csvs())
def test_hostile_bytes_are_encoded_alike(choices: bytes, data: bytes) -> None:
    declared_case_of(choices, data)


@pytest.mark.parametrize("column", COLUMNS)
@given(text=TEXTS, record=st.sampled_from(RECORDS))
def test_each_type_takes_each_text_alike(column: str, text: str, record: str) -> None:
    plan = plan_of(table_of(record, column, '"string"'), lane_count=3)
    check_declared(plan, f'"{text}",x\n'.encode())


PLAIN = {
    "int": ["0", "-0", "+7", "-2147483648", "2147483647"],
    "long": ["-9223372036854775808", "9223372036854775807", "1"],
    "double": ["0", "-0", "-0.0", "1.5", "123456789012345", "0.00001", ".5", "5.", "1.50", "0.1"],
    "float": ["3.25", "-1"],
    "decimal(6,2)": ["1", "1.5", "-0", "-0.01", "+9999.99", "1.500", ".5", "7."],
    "decimal(4,4)": ["0", "0.1234", "-.1"],
    "boolean": ["true", "false"],
    "date": ["2024-02-29", "0001-01-01", "9999-12-31"],
    "timestamp(iso)": [
        "2024-02-29T23:59:59.5-00:30",
        "2024-03-01 00:00+23:59",
        "1970-01-01T00:00Z",
    ],
    "timestamp(iso, UTC)": ["2024-02-29T23:59:59.123456", "2023-12-31 23:59:59-00:01"],
    "timestamp(iso, local)": ["2024-02-29T23:59", "2024-02-29 23:59:00.000"],
    "timestamp(iso, Europe/Berlin)": ["2024-02-29T23:59+01:00"],
    "string": ["", 'a""b', "é"],
}


@pytest.mark.parametrize("record", ["", AVRO[0], AVRO[1], 'format = "json-schema"'])
@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind in PLAIN for text in PLAIN[kind]])
def test_what_is_plainly_of_its_type_is_taken(kind: str, text: str, record: str) -> None:
    nullable = f'{{ type = "{kind}", null = ["NA"] }}'
    plan = plan_of(table_of(record, f'"{kind}"', nullable))
    compiled, reference = both_ways(plan, f'"{text}","{text}"\n"{text}",NA\n'.encode())
    assert compiled == reference
    assert compiled is not None


@pytest.mark.parametrize(
    "kind", ["int", "long", "decimal(18,4)", "decimal(18,0)", "decimal(30,2)", "double", "float"]
)
def test_numbers_of_every_size_in_avro(kind: str) -> None:
    plan = plan_of(table_of(AVRO[0], f'"{kind}"', '"string"'))
    for bits in range(64):
        for number in (2**bits - 1, 2**bits, -(2**bits), -(2**bits) - 1):
            check_declared(plan, f"{number},x\n".encode())
            check_declared(plan, f"{number // 10_000}.{abs(number) % 10_000:04},x\n".encode())


def test_every_day_in_avro() -> None:
    plan = plan_of(table_of(AVRO[0], '"date"', '"timestamp(iso, local)"'))
    days = [date.fromordinal(number) for number in range(1, date.max.toordinal(), 997)]
    years = [
        date(year, month, 1) for year in (1, 4, 100, 400, 1900, 2000, 9999) for month in (2, 3)
    ]
    rows = "".join(f"{day},{day}T00:00\n" for day in [*days, *years, date(1969, 12, 31), date.max])
    compiled, reference = both_ways(plan, rows.encode())
    assert compiled == reference
    assert compiled is not None


def test_an_avro_schema_of_another_order_or_type() -> None:
    plan = plan_of(table_of(AVRO[0], '"int"', '"string"'))
    assert plan.schemas is not None
    assert plan.schemas.value is not None
    schema = json.loads(plan.schemas.value.text)
    a, b, line, file = schema["fields"]
    for fields, is_taken in (
        ([b, a, line, file], True),
        ([line, a, b, file], False),
        ([{**a, "type": "long"}, b, line, file], False),
        ([a, b, line, file, {"name": "more", "type": "int", "default": 1}], False),
    ):
        text = json.dumps({**schema, "fields": fields})
        changed = plan.schemas.mapped(lambda made, text=text: replace(made, text=text))  # type: ignore[misc]
        compiled, reference = both_ways(replace(plan, schemas=changed), b"1,x\n2,\n")
        assert compiled == (reference if is_taken else None)


def test_doubles_whose_shortest_text_has_an_exponent_or_other_digits() -> None:
    plan = plan_of(table_of("", '"double"', '"string"'))
    for zeros in range(20):
        for digits in ("1", "12", "9" * 15, "9" * 16, "9" * 17, "10000000000000001"):
            for text in (f"0.{'0' * zeros}{digits}", f"{digits}{'0' * zeros}", f"{digits}.{zeros}"):
                check_declared(plan, f"{text},x\n".encode())


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("int", "007"),
        ("int", "2147483648"),
        ("long", "9223372036854775808"),
        ("long", "1e5"),
        ("long", ""),
        ("double", "NaN"),
        ("double", "1e400"),
        ("decimal(6,2)", "10000"),
        ("decimal(6,2)", "1.005"),
        ("boolean", "True"),
        ("date", "2023-02-29"),
        ("timestamp(iso)", "2024-02-29T23:59"),
        ("timestamp(iso, UTC)", "2024-02-29T23:60"),
        ("timestamp(iso, UTC)", "9999-12-31T23:59-00:01"),
        ("timestamp(iso, local)", "2024-02-29T23:59Z"),
    ],
)
def test_what_a_type_refuses_is_refused_alike(kind: str, text: str) -> None:
    plan = plan_of(table_of("", f'"{kind}"', '"string"'))
    compiled, reference = both_ways(plan, f'"{text}",x\n'.encode())
    assert compiled == reference
    assert str(compiled).startswith("row 0: MalformedRowError: row 1 at byte 0 ")


@pytest.mark.parametrize("size", [15, 16, 17, 128, 129, 300, 5_000])
def test_fields_of_every_size(size: int) -> None:
    for column in COLUMNS:
        plan = plan_of(table_of(RECORDS[-2], column, '"string"'), lane_count=2)
        for text in ("1" * size, "é" * size, '""' * size, "0" * size + "1", "." + "0" * size):
            check_declared(plan, f'"{text}","{text}"\n'.encode())


# -- rows that are dropped, and rows that are left -----------------------------------------------

MIXED = b"".join(
    (
        b"1,live\n",
        b'"2","li""ve"\r\n',
        b"no int,live\n",
        b"\n\r\n3,live\n",
        b"4\n",
        b"void,no boolean\n",
        b'5,"a""b",surplus,\n',
        b"no int,void\n",
        b"6,void\n",
        b"\n7,live,\n",
        b"8,live\n",
        b'9,"no\ntwo"" lines",""\n',
        b"10,\xc3\xa9",
    )
)
"""Good rows, rows of other widths, rows that their types refuse, and rows that are dropped."""
KEPT = MIXED.replace(b"no int", b"0").replace(b"void,", b"0,")
"""Without the rows that their types refuse."""
DROPPED = 'column = "b"\nequals = "void"'


RECORDS_OF_MIXED = ('key = "a"', 'metadata = "headers"\nkey = "b"', "", AVRO[0])


@pytest.mark.parametrize(
    ("bad_rows", "data", "record"),
    [
        *((BadRows.DEAD_LETTER, MIXED, record) for record in RECORDS_OF_MIXED),
        # Not in Avro, which has no surplus fields.
        *((BadRows.KEEP, KEPT, record) for record in RECORDS_OF_MIXED[:3]),
    ],
)
@pytest.mark.parametrize("lane_count", [1, 3])
@pytest.mark.parametrize("drops", [(), (DROPPED,)])
def test_rows_that_are_left_and_dropped_at_every_place_to_go_on(
    bad_rows: BadRows, data: bytes, record: str, lane_count: int, drops: tuple[str, ...]
) -> None:
    plan = plan_of(table_of(record, '"int"', '"string"', drops=drops), lane_count, bad_rows)
    compiled, reference = both_ways(plan, data)
    assert isinstance(reference, EncodedBlock)
    assert compiled == reference
    for first in range(13):
        for skip in ((first,), (first, 2, 1, 3), (0, 1, first, 4), (1, 0, 2, first)):
            check_declared(plan, data, 9_995, skip)


@pytest.mark.parametrize("drop", [drop for drop in DROPS if drop])
def test_tables_that_drop_rows_take_the_compiled_way(drop: str) -> None:
    rows = [f"{text},{text}" for text in ("1", "", "NA", '"é""\n"', "true", "ja", '"n""n"', "x")]
    data = ("\n".join(rows) + "\n").encode()
    plan = plan_of(table_of("", '"string"', '{null = ["NA"]}', drops=(drop,)))
    compiled, reference = both_ways(plan, data)
    assert isinstance(compiled, EncodedBlock)
    assert compiled == reference
    assert 0 < compiled.rows_by_lane[0] < len(rows)


def test_texts_that_say_what_is_dropped_of_every_size() -> None:
    for size in (0, 1, 127, 128, 129, 255, 256, 257, 1000):
        for text in ("x" * size, "é" * (size // 2)):
            for test in ("equals", "not_equals"):
                drop = f'column = "b"\n{test} = "{text}"'
                plan = plan_of(table_of("", '"int"', '"string"', drops=(drop,)))
                fields = (text, text[:-1], text + "x", f'"{text}"', f'"{text}"x', f'"{text[:-1]}"x')
                check_declared(plan, "".join(f"1,{field}\n" for field in fields).encode())


@pytest.mark.parametrize(("count", "is_compiled"), [(64, True), (65, False), (5_000, False)])
def test_many_texts_are_looked_up_and_not_compared_one_by_one(
    count: int, is_compiled: bool
) -> None:
    texts = [f"x{number}" for number in range(count)]
    drop = f'column = "b"\nin = {texts}'
    table = table_of("", '"int"', '"string"', drops=(drop,))
    found = compiled_table(plan_of(table), table)
    assert found is not None
    assert (len(found[1][-1]), len(found[2])) == ((1, 0) if is_compiled else (0, 1))
    check_declared(plan_of(table), b"1,x0\n2,x\n3,x63\n4,x64\n5,x4999\n")


@pytest.mark.parametrize(("every", "is_taken"), [(100, True), (8, True), (2, False)])
@pytest.mark.parametrize("lane_count", [1, 3])
def test_a_block_of_many_bad_rows_is_for_the_reference_way(
    every: int, is_taken: bool, lane_count: int
) -> None:
    table = table_of('key = "a"', '"int"', '"string"')
    plan = plan_of(table, lane_count, BadRows.DEAD_LETTER)
    rows = "".join(f"{n},x\n" if n % every else "no,x\n" for n in range(1, 301))
    compiled, reference = both_ways(plan, rows.encode(), skip=(7, 3, 2))
    assert compiled == (reference if is_taken else None)


@pytest.mark.parametrize(
    "column", ['{hash = "blake2b"}', '"json"', '"date(%d.%m.%Y)"', f'{{null = ["{"x" * 129}"]}}']
)
def test_other_tables_are_left_to_the_reference_way(column: str) -> None:
    plan: EncodePlan = plan_of(table_of("", column, '"string"'))
    (block,) = cut_blocks([b"a,b\n", b'"1",2\n'], START, plan)
    assert encode_compiled(block, plan) is None
    assert encode_plain(block, plan) is None
