"""The checker's own reading of a record's size is that of the record which the loader makes, in
each form of records."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from csvkafka.encode.encoder import encode_block
from csvkafka.model import START, EncodePlan
from csvkafka.rows.blocks import cut_blocks
from csvkafka.schema.declaration import read_table
from csvkafka.schema.table import RecordTable
from csvkafka.testing.checker.declared import DeclaredRows
from csvkafka.testing.checker.documented import ColumnKey, TopicRecord
from csvkafka.testing.checker.record_sizes import DeclaredSizes, DocumentedSizes
from csvkafka.testing.checker.row_ledger import SourceRow
from csvkafka.testing.checker.size_limit import SizeLimit, record_size
from tests.unit.encode.encoded import records_of, whole

URI = 's3://bucket/key "ü".csv'
SECRET = b"0123456789abcdef"
CHARACTERS = some.characters(exclude_categories=["Cs"], exclude_characters="\r\n")
TEXTS = some.text(CHARACTERS, max_size=12) | some.text('"\\/\b\f\t\x00\x1f\x7f aeu€😀', max_size=12)
KINDS = {
    "int": ("-2147483648", "+7", "0"),
    "long": ("9223372036854775807", "-0"),
    "float": ("0.1", "1e38", "-0.0", "3", "16777217"),
    "double": ("1e300", "1E16", "1e15", "1e-7", "5e-324", "-0.0", "123456789.125", ".5", "5."),
    "decimal(9,2)": ("-1.5", "+7", "-0", "-0.00", "9999999.99", ".5"),
    "decimal(38,30)": ("1", "0.000000000000000000000000000001"),
    "decimal(5,0)": ("7", "-7.0"),
    "boolean": ("true", "false"),
    "date(%d.%m.%Y)": ("1.2.2026",),
    "timestamp(iso, Europe/Berlin)": ("2026-01-02T03:04", "2026-01-02 03:04:05.000006"),
    "timestamp(iso, local)": ("0999-12-31T23:59:59",),
    "json": ('{"a": [1] }', " null ", '"\\u00e4"', "1.50"),
    "string": ("", "null", "\x01\x1f\x7f", "😀"),
}
HEADER = ("id", "sé\n", "more")


def made_by_the_loader(plan: EncodePlan, *rows: tuple[str, ...]) -> list[TopicRecord]:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([plan.header, *rows])
    content = io.StringIO(text.getvalue())
    next(csv.reader(content))
    rest = content.read()
    header = text.getvalue()[: len(text.getvalue()) - len(rest)]
    (block,) = cut_blocks([header.encode(), rest.encode()], START, plan)
    batches = whole(encode_block(block, plan)).batches
    found = [record for batch in batches if not batch.lane for record in records_of(batch)]
    return [TopicRecord(n, r.key, r.value, r.headers) for n, r in enumerate(found)]


def place_of(line: int) -> tuple[str, int]:
    return URI, line


def sizes_agree(plan: EncodePlan, *rows: tuple[str, ...]) -> None:
    """The size, and a bound that is no less, of each row; which must make a record."""
    records = made_by_the_loader(plan, *rows)
    sizes: DocumentedSizes | DeclaredSizes = DocumentedSizes(place_of, [URI])
    key_of: Any = None if plan.key_column is None else ColumnKey(plan.key_column)
    if plan.table is not None:
        of_table = DeclaredRows(plan.table)
        sizes = DeclaredSizes(of_table, place_of, [URI])
        key_of = of_table.key_of if plan.table.key else None
    named: list[SourceRow] = [dict(zip(plan.header, row, strict=True)) for row in rows]
    for line, (row, record) in enumerate(zip(named, records, strict=True), 1):
        key = None if key_of is None else key_of(row)
        assert key == record.key
        assert sizes.size_of(row, line, key) == record_size(record), record
        assert sizes.bound_of(row) >= record_size(record)


@pytest.mark.parametrize("key", [None, "sé\n"])
@given(some.lists(some.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=12))
def test_a_documented_record_is_as_large_as_the_loaders(
    key: str | None, rows: list[tuple[str, ...]]
) -> None:
    sizes_agree(EncodePlan(HEADER, URI, key_column=key, compression="none"), *rows)


def table(text: str) -> RecordTable:
    return read_table(text, "columns.toml", SECRET)


@pytest.mark.parametrize("metadata", ["value", "headers", "none"])
@pytest.mark.parametrize("more", ["", ", null = ['', 'NULL']"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_declared_record_is_as_large_as_the_loaders(kind: str, more: str, metadata: str) -> None:
    text = f'[record]\nmetadata = "{metadata}"\n[columns]\n"ä" = {{ type = "{kind}"{more} }}\n'
    declared = table(text + 'id = { type = "int", rename = "№" }')
    texts = (*KINDS[kind], *(("", "NULL") if more else ()))
    plan = EncodePlan(("ä", "id"), URI, table=declared, compression="none")
    sizes_agree(plan, *((text, str(place)) for place, text in enumerate(texts)))


@pytest.mark.parametrize(
    "column",
    [
        '{ hash = "blake2b" }',
        '{ mask = "last 2" }',
        "{ drop = true }",
        '{ constant = "\\u0001é" }',
        "{ constant = 1e16 }",
        "{ constant = true }",
        '{ type = "int", as_text = true, leading_zeros = true }',
        '{ type = "decimal(20,2)", as_text = true, leading_zeros = true }',
    ],
)
@pytest.mark.parametrize("key", ['"x"', '["x", "y"]\nkey_format = "json"'])
def test_each_way_to_declare_a_column_is_measured(column: str, key: str) -> None:
    text = f'[record]\nundeclared = "string"\nnull = ["-"]\nkey = {key}\n[columns]\nx = {column}\n'
    declared = table(f"{text}beside = {{ constant = 7 }}")
    plan = EncodePlan(("x", "y"), URI, table=declared, compression="none")
    sizes_agree(plan, ("0071", "é"), ("12345", "-"), ("-", "\x01"), ("-", "-"))


@pytest.mark.parametrize(
    "key", ['"x"', '"x"\nkey_format = "json"', '["x", "y"]\nkey_format = "json"']
)
def test_json_stands_in_a_key_as_the_file_has_it(key: str) -> None:
    text = f'[record]\nnull = ["-"]\nkey = {key}\n[columns]\nx = "json"\ny = "string"\n'
    plan = EncodePlan(("x", "y"), URI, table=table(text), compression="none")
    sizes_agree(plan, (" null ", "-"), ('{"b": 1.50, "a": [ ]}', "é"), ("-", "-"), ('"-"', "y"))


@given(some.lists(TEXTS, min_size=1, max_size=8))
def test_what_a_mask_leaves_and_undeclared_columns_are_measured(texts: list[str]) -> None:
    text = '[record]\nundeclared = "string"\nkey = "y"\n[columns]\nx = { mask = "first 2" }'
    plan = EncodePlan(("x", "y"), URI, table=table(text), compression="none")
    sizes_agree(plan, *((text, text) for text in texts))


@settings(max_examples=300)
@given(some.floats(allow_nan=False, allow_infinity=False))
def test_each_double_is_measured(number: float) -> None:
    plan = EncodePlan(("x",), URI, table=table('columns.x = "double"'), compression="none")
    sizes_agree(plan, (repr(number),))


def test_a_limit_takes_a_record_of_its_size_and_none_that_is_larger() -> None:
    sizes = DocumentedSizes(place_of, [URI])
    row: SourceRow = {"a": "x" * 1000, "b": "\x01"}
    size = sizes.size_of(row, 7, b"key")
    for bound_of in (sizes.bound_of, None):
        assert SizeLimit(size, sizes.size_of, bound_of).size_above(row, 7, b"key") == 0
        assert SizeLimit(size - 1, sizes.size_of, bound_of).size_above(row, 7, b"key") == size


def test_a_row_far_below_a_limit_is_not_measured() -> None:
    def size_of(*_: object) -> int:
        raise AssertionError("measured")

    bound_of = DocumentedSizes(place_of, [URI]).bound_of
    assert SizeLimit(10_000, size_of, bound_of).size_above({"a": "x" * 100}, 1, None) == 0
    with pytest.raises(AssertionError, match="measured"):
        SizeLimit(10_000, size_of, bound_of).size_above({"a": "x" * 1000}, 1, None)


LONG = "n" * 3_000
NAMES = ("a", "b", *(f"x{number}" for number in range(30)))


@pytest.mark.parametrize("key", [None, LONG, "b"])
@pytest.mark.parametrize("text", ["", "\x01" * 3_000, "😀" * 3_000])
def test_a_bound_holds_for_each_part_of_a_documented_record(key: str | None, text: str) -> None:
    short, long = ("a", "b"), (LONG, "b")
    for names, uri in ((short, "s3://b/k"), (long, "s3://b/k"), (short, f"s3://b/{LONG}")):
        sizes = DocumentedSizes(lambda line, uri=uri: (uri, line), [uri])  # type: ignore[misc]
        row: SourceRow = {**dict.fromkeys(names, text)}
        key_bytes = text.encode() if key in names else None
        assert sizes.bound_of(row) >= sizes.size_of(row, 10**19, key_bytes)


@pytest.mark.parametrize("metadata", ["value", "headers", "none"])
@pytest.mark.parametrize("key", ["", 'key = ["a", "b"]\nkey_format = "json"\n', 'key = "a"\n'])
@pytest.mark.parametrize(
    ("column", "text"),
    [
        ('{ hash = "blake2b" }', ""),
        (f"{{ constant = 'x{LONG}' }}", ""),
        ('"decimal(38,37)"', "1"),
        ('"decimal(38,37)"', "-1"),
        ('"timestamp(%Y, UTC)"', "2026"),
        ('"double"', "5e-324"),
        ('"string"', "\x01" * 3_000),
        ('{ mask = "all" }', "😀" * 3_000),
    ],
)
def test_a_bound_holds_for_each_part_of_a_declared_record(
    column: str, text: str, key: str, metadata: str
) -> None:
    of = f'[record]\n{key}metadata = "{metadata}"\n[columns]\n'
    columns = "".join(f"{name} = {column}\n" for name in NAMES)
    for renamed, uri in (("c", "s3://b/k"), (LONG, "s3://b/k"), ("c", f"s3://b/{LONG}")):
        rows = DeclaredRows(table(f'{of}{columns}e = {{ rename = "{renamed}{renamed}" }}'))
        sizes = DeclaredSizes(rows, lambda line, uri=uri: (uri, line), [uri])  # type: ignore[misc]
        row: SourceRow = {**dict.fromkeys(NAMES, text), "e": ""}
        key_bytes = rows.key_of(row) if key else None
        assert sizes.bound_of(row) >= sizes.size_of(row, 10**19, key_bytes)


def test_headers_count_in_a_records_size() -> None:
    headers = (("é", b"12"), ("b", None))
    assert record_size(TopicRecord(0, b"k", b"val", headers)) == 1 + 3 + 2 + 2 + 1
    assert record_size(TopicRecord(0, None, None)) == 0


def test_the_files_of_a_set_have_their_columns_in_any_order() -> None:
    sizes = DocumentedSizes(lambda line: ("s3://b/long name.csv", line), ["s", "s3://b/long name"])
    for row in ({"a": "1", "b": "2"}, {"b": "2", "a": "1"}):
        assert sizes.bound_of(row) >= sizes.size_of(row, 10**19, None)  # type: ignore[arg-type]
