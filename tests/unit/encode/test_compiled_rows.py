"""The compiled way makes what the reference way makes, for any bytes, at every place to go on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from csvkafka.compiled import CompiledEncoder, compiled_module
from csvkafka.encode.encoder import encode_compiled
from csvkafka.model import BadRows, Block, Dialect, EncodePlan, Position, Routing
from csvkafka.testing.inputs.csv_files import PRESETS, column_names, preset, write_csv
from csvkafka.testing.inputs.strategies import CsvFile, csv_files, hostile_csvs
from tests.unit.encode.compiled_case import DIALECTS, Case, case_of, check, encoded_both_ways

compiled: Any = compiled_module()
if compiled is None:
    pytest.skip("the compiled encoder is not in use", allow_module_level=True)

CHOICES = st.binary(min_size=8, max_size=8)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@given(choices=CHOICES, data=hostile_csvs())
@example(bytes(8), b'"a""b",c\n')
@example(bytes(8), b'"a"b,"c\r\nd"\n')
@example(bytes(8), b'a"b,c"\n"",""""\n')
@example(bytes([0, 1, 2, 1, 4, 0, 0, 0]), b'"k""1",x\nk2,y\n')
def test_hostile_bytes_are_encoded_alike(choices: bytes, data: bytes) -> None:
    check(case_of(choices, data))


@given(choices=CHOICES, data=st.text("ab,;|\t\"'\\\n\r\x01\x1fé\0", max_size=40))
def test_short_texts_of_all_that_matters_are_encoded_alike(choices: bytes, data: str) -> None:
    check(case_of(choices, data.encode()))


@given(file=csv_files(), choices=CHOICES)
def test_tables_take_the_compiled_way(file: CsvFile, choices: bytes) -> None:
    data = file.data.removeprefix(BYTE_ORDER_MARK)
    case = Case(data, width=len(file.names), rows_before=choices[0])
    compiled, reference = encoded_both_ways(case)
    assert compiled == reference
    assert compiled is not None


@pytest.mark.parametrize("name", PRESETS)
def test_presets_take_the_compiled_way(name: str) -> None:
    table = preset(name, 300, seed=7)
    data = b"".join(write_csv(table)).removeprefix(BYTE_ORDER_MARK)
    width = len(column_names(table))
    for routing, lane_count in ((Routing.ONE_PARTITION, 1), (Routing.KEY_MURMUR2, 5)):
        case = Case(data, width=width, key=0, routing=routing, lane_count=lane_count)
        compiled, reference = encoded_both_ways(case)
        assert compiled == reference
        assert compiled is not None
        check(case)


@pytest.mark.parametrize("size", range(130))
def test_what_matters_is_found_at_each_place_of_a_window(size: int) -> None:
    for special in (b",", b'"', b"\\", b"\n", b"\r\n", b"\x1f", '"é'.encode()):
        check(Case(b"x" * size + special + b"y,z\nnext,row\n"))
        check(Case(b'"' + b"x" * size + special + b'y",z\nnext,row\n'))


@pytest.mark.parametrize("size", [15, 16, 17, 63, 64, 65, 5_000, 200_000])
def test_fields_of_every_size_are_copied_whole(size: int) -> None:
    check(Case(b"a" * size + b',"' + b"b" * size + b'"'))
    check(Case((b"\x01" * size) + b"," + b'"' + b'""' * size + b'"\n'))


def test_ten_thousand_columns() -> None:
    check(Case(b",".join(b"%d" % n for n in range(10_000)) + b"\n", width=10_000))


def test_deltas_and_row_numbers_of_every_size() -> None:
    rows = b"".join(b"%d,x\n" % n for n in range(9_000))
    for rows_before in (0, 5, 9_995, 10**9 - 5):
        check(Case(rows, rows_before=rows_before))
        check(Case(rows, rows_before=rows_before, skip=(8_190,)))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_place_to_go_on_in_every_dialect(dialect: object) -> None:
    d, q = dialect.delimiter, dialect.quotechar  # type: ignore[attr-defined]
    row = f"{q}a{d}\r\nb{q}{d}c\\" if q else f"a{d}c\x02\\"
    data = (f"{row}\n{row}é\r\n" * 20).encode(dialect.encoding)  # type: ignore[attr-defined]
    for routing in Routing:
        for rows in range(42):
            skip = (rows,) if routing is Routing.ONE_PARTITION else (rows, 3, 0)
            check(Case(data, dialect, key=1, routing=routing, lane_count=3, skip=skip))  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"1,2\n3,\xff\n", b"1,2\n3\n\xff,1\n", b"1,2\n" * 99 + b"\xc3"])
@pytest.mark.parametrize("bad_rows", BadRows)
def test_bytes_that_are_no_utf8_are_refused_with_the_same_place(
    data: bytes, bad_rows: BadRows
) -> None:
    compiled, reference = encoded_both_ways(Case(data, bad_rows=bad_rows))
    assert compiled == reference
    assert "is not valid utf-8" in str(compiled)


def test_a_row_that_makes_too_large_a_batch_is_refused_with_the_same_place() -> None:
    case = Case(b"1,2\n3," + b"x" * 300 + b"\n", max_batch_bytes=250)
    compiled, reference = encoded_both_ways(case)
    assert compiled == reference
    assert str(compiled).startswith("row 1: RecordTooLargeError: row 2 at byte 4 ")


LEFT = '1,é\n\n2\n3,4,5,\r\n6,é\n,7\n\r\n8,"a""\nb",9\n10,11,12\n13,14\n15'


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16-le"])
@pytest.mark.parametrize("bad_rows", BadRows)
@pytest.mark.parametrize("lane_count", [1, 3])
def test_rows_of_other_widths_at_every_place_to_go_on(
    encoding: str, bad_rows: BadRows, lane_count: int
) -> None:
    data = LEFT.encode("latin-1" if encoding == "latin-1" else "utf-8")
    routing = Routing.KEY_MURMUR2 if lane_count > 1 else Routing.ONE_PARTITION
    for first in range(11):
        for skip in ((), (first,), (0, 1, 0, first), (first, 2, 1, 2)):
            for limit in (1_000_000, 250):
                case = Case(
                    data,
                    Dialect(encoding=encoding),
                    key=0,
                    routing=routing,
                    lane_count=lane_count,
                    bad_rows=bad_rows,
                    max_batch_bytes=limit,
                    rows_before=8,
                    skip=skip,
                )
                check(case)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("lane_count", [1, 2])
def test_a_block_that_was_cut_as_another_number_of_rows_is_not_taken(
    rows: int, lane_count: int
) -> None:
    block = Block(b"1,2\n3,4\n", Position(0, 0), Position(8, rows), False)
    routing = Routing.KEY_CRC32 if lane_count > 1 else Routing.ONE_PARTITION
    plan = EncodePlan(
        ("a", "b"), "s3://bucket/key", key_column="a", routing=routing, lane_count=lane_count
    )
    assert encode_compiled(block, plan) is None


# -- UTF-8 -------------------------------------------------------------------------------------


def is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


LEADS = st.sampled_from(b"\x00\x7f\x80\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xed\xee\xef\xf0\xf1\xf4\xf5\xff")
FOLLOWERS = st.sampled_from(b"\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0")


@given(
    parts=st.lists(
        st.one_of(
            st.text(max_size=12).map(str.encode),
            st.builds(bytes, st.lists(st.one_of(LEADS, FOLLOWERS), max_size=5)),
            st.builds(lambda a, b: bytes([a, *b]), LEADS, st.lists(FOLLOWERS, max_size=4)),
        ),
        max_size=6,
    )
)
def test_what_is_utf8_is_what_the_decoder_takes(parts: list[bytes]) -> None:
    data = b"".join(parts)
    assert compiled.is_utf8(data) is is_text(data)


def test_every_start_of_a_character_is_utf8_or_not_as_the_decoder_says() -> None:
    for lead in range(256):
        for second in range(256):
            for rest in (b"", b"\x80", b"\xbf\xbf", b"\x80\x80x", b"\x80\x7f", b"\x80\xc0"):
                for before in (b"", b"seven b"):
                    data = before + bytes([lead, second]) + rest
                    assert compiled.is_utf8(data) is is_text(data), data


# -- what no caller does -----------------------------------------------------------------------


def encoder(**changes: object) -> CompiledEncoder:
    arguments = {
        "texts": (b"a", b"b", b"c"),
        "delimiter": 44,
        "quote": 34,
        "key": -1,
        "lane_count": 1,
        "routing": 0,
        "table": None,
        "most_bytes": -1,
        **changes,
    }
    made: CompiledEncoder = compiled.Encoder(*arguments.values())
    return made


@pytest.mark.parametrize(
    "changes",
    [
        *({"texts": (b"a", b"b")}, {"texts": ()}, {"delimiter": 300}, {"delimiter": -1}),
        *({"quote": 128}, {"key": 1}, {"key": -2}, {"lane_count": 0}, {"routing": 1}),
    ],
)
def test_impossible_plans_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"no such plan|at least one field"):
        encoder(**changes)


def test_texts_that_are_no_bytes_are_refused() -> None:
    with pytest.raises(TypeError):
        encoder(texts=(b"a", "b", b"c"))


@pytest.mark.parametrize("offset", [-1, 5])
def test_an_offset_outside_of_the_data_is_refused(offset: int) -> None:
    with pytest.raises(IndexError):
        encoder().frame(b"1\n2\n", offset, 1, 0, 2, 100)
    with pytest.raises(IndexError):
        encoder().frame_lanes(b"1\n2\n", offset, 1, [], [], b"")


@pytest.mark.parametrize("column", [-1, 1])
def test_texts_of_a_column_that_the_plan_lacks_are_refused(column: int) -> None:
    with pytest.raises(IndexError):
        encoder().texts(b"1\n2\n", column)


def test_texts_are_those_of_rows_as_wide_as_the_header() -> None:
    assert encoder().texts('1\n"2",3\n\n"é""\n"\n"a"b'.encode(), 0) == ["1", None, 'é"\n', "ab"]
    with pytest.raises(ValueError, match="a row does not fit"):
        encoder().texts(b'1\n"2\n', 0)


def test_skips_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(TypeError):
        encoder().frame_lanes(b"1\n", 0, 1, ["x"], [], b"")  # type: ignore[list-item]
    with pytest.raises(TypeError):
        encoder().frame_lanes(b"1\n", 0, 1, [], 3, b"")  # type: ignore[arg-type]
