"""Records in Confluent's wire format, read back by fastavro and by the checker."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fastavro import schemaless_reader
from hypothesis import given, settings
from hypothesis import strategies as some

from csvkafka.compiled import compiled_module
from csvkafka.encode.encoder import check_plan, encode_block, encode_compiled, encode_reference
from csvkafka.errors import ConfigError
from csvkafka.model import START, BadRows, EncodePlan, Routing
from csvkafka.rows.blocks import cut_blocks
from csvkafka.schema.declaration import read_table
from csvkafka.schema.subjects import WireSchema, WireSchemas, schemas_of
from csvkafka.schema.table import Metadata
from csvkafka.testing.checker.declared import DeclaredRows, declared_record
from csvkafka.testing.checker.declared_values import canonical
from csvkafka.testing.checker.documented import TopicRecord
from csvkafka.testing.checker.record_sizes import DeclaredSizes
from csvkafka.testing.checker.row_ledger import SourceRow
from csvkafka.testing.checker.size_limit import record_size
from csvkafka.testing.checker.wire import WireRecords
from tests.refusals import refusal
from tests.unit.encode.encoded import records_of, whole

URI = "s3://bucket/key.csv"
SECRET = b"0123456789abcdef"
COLUMNS = {
    "id": "int",
    "total": "decimal(9,2)",
    "share": "float",
    "ratio": "double",
    "count": "long",
    "day": "date",
    "seen": "timestamp(iso, Europe/Berlin)",
    "local": "timestamp(iso, local)",
    "ok": "boolean",
    "more": "json",
    "name": "string",
}
ROW = (
    "7", "-1.5", "0.1", "0.1", "-3", "1969-12-31", "2026-01-02T03:04:05.000006",
    "1969-12-31T23:59:59", "true", '{"a": [1]}', "Zoë",
)  # fmt: skip
FIRST_ID, KEY_ID = 7, 2**31 + 1


def declared(record: str, columns: dict[str, str] = COLUMNS) -> str:
    lines = [f'{name} = "{kind}"' for name, kind in columns.items()]
    return f'[record]\nnull = ["NULL"]\n{record}\n[columns]\n' + "\n".join(lines)


def plan(
    record: str,
    columns: dict[str, str] = COLUMNS,
    folder: Path | None = None,
    header: tuple[str, ...] = (),
    **settings: Any,
) -> EncodePlan:
    beside = None if folder is None else lambda name: (folder / name).read_text()
    table = read_table(declared(record, columns), "columns.toml", SECRET, beside)
    header = header or tuple(columns)
    schemas = schemas_of(table, header, "orders")
    schemas = WireSchemas(
        schemas.value and schemas.value.with_id(FIRST_ID),
        schemas.key and schemas.key.with_id(KEY_ID),
    )
    settings.setdefault("compression", "none")
    return EncodePlan(header, URI, table=table, schemas=schemas, **settings)


def records(of: EncodePlan, *rows: tuple[str, ...], lane: int = 0) -> list[Any]:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([of.header, *rows])
    header, _, rest = text.getvalue().encode().partition(b"\n")
    (block,) = cut_blocks([header + b"\n", rest], START, of)
    batches = whole(encode_block(block, of)).batches
    return [r for batch in batches if batch.lane == lane for r in records_of(batch)]


def parsed(schema: WireSchema | None) -> Any:
    assert schema is not None
    return json.loads(schema.text)


def read(value: bytes, schema: WireSchema | None) -> Any:
    content = io.BytesIO(value[5:])
    record = schemaless_reader(content, parsed(schema), None)
    assert not content.read()
    return record


def schemas_in(of: EncodePlan) -> WireSchemas:
    assert of.schemas is not None
    return of.schemas


def test_a_row_in_avro() -> None:
    avro = plan('format = "avro"')
    (record,) = records(avro, ROW)
    assert record.value[:5] == b"\0\0\0\0\7"
    assert read(record.value, schemas_in(avro).value) == {
        "id": 7,
        "total": Decimal("-1.50"),
        "share": pytest.approx(0.1, rel=1e-6),
        "ratio": 0.1,
        "count": -3,
        "day": date(1969, 12, 31),
        "seen": datetime(2026, 1, 2, 2, 4, 5, 6, tzinfo=UTC),
        "local": datetime(1969, 12, 31, 23, 59, 59),
        "ok": True,
        "more": '{"a": [1]}',
        "name": "Zoë",
        "_source_line": 1,
        "_source_file": URI,
    }


def test_nulls_in_avro_and_in_a_key() -> None:
    avro = plan('format = "avro"\nkey = ["id", "total"]\nkey_format = "avro"\nmetadata = "none"')
    one, none = records(avro, ("1", *["NULL"] * 10), ("NULL",) * 11)
    assert set(read(one.value, schemas_in(avro).value).values()) == {1, None}
    assert read(one.key, schemas_in(avro).key) == {"id": 1, "total": None}
    assert one.key[:5] == b"\0\x80\0\0\1"
    assert none.key is None


def test_headers_take_the_metadata_out_of_the_value() -> None:
    avro = plan('format = "avro"\nmetadata = "headers"')
    (record,) = records(avro, ROW)
    assert "_source_line" not in read(record.value, schemas_in(avro).value)
    assert dict(record.headers)["_source_line"] == b"1"


def test_a_row_by_a_json_schema_is_the_json_behind_the_id() -> None:
    (with_schema,) = records(plan('format = "json-schema"'), ROW)
    table = read_table(declared('format = "json"'), "columns.toml")
    bare = EncodePlan(tuple(COLUMNS), URI, table=table, compression="none")
    assert with_schema.value == b"\0\0\0\0\7" + records(bare, ROW)[0].value


@pytest.mark.parametrize("record", ['format = "json-schema"', 'format = "avro"'])
def test_records_by_a_schema_go_the_compiled_way_to_the_same_bytes(record: str) -> None:
    if compiled_module() is None:
        pytest.skip("the compiled encoder is not in use")
    columns = {"id": "int", "price": "decimal(9,2)", "name": "string"}
    of = plan(record, columns)
    (block,) = cut_blocks([b"id,price,name\n1,2.5,a\nNULL,0,\n"], START, of)
    made = encode_compiled(block, of)
    assert made is not None
    assert made == encode_reference(block, of)
    assert encode_compiled(block, plan('key="id"\nkey_format="avro"', columns)) is None


@pytest.mark.parametrize("value", ["json", "avro"])
@pytest.mark.parametrize("key", ["json", "avro"])
def test_key_and_value_have_a_format_each(value: str, key: str) -> None:
    mixed = plan(f'format = "{value}"\nkey = ["day", "more"]\nkey_format = "{key}"')
    (record,) = records(mixed, ROW)
    if key == "avro":
        found = read(record.key, schemas_in(mixed).key)
        assert found == {"day": date(1969, 12, 31), "more": '{"a": [1]}'}
    else:
        assert json.loads(record.key) == {"day": "1969-12-31", "more": {"a": [1]}}


def test_keys_in_avro_choose_the_partition() -> None:
    routed = plan('key = "id"\nkey_format = "avro"', lane_count=3, routing=Routing.KEY_MURMUR2)
    rows = [(str(number), *ROW[1:]) for number in range(50)]
    assert all(records(routed, *rows, lane=lane) for lane in range(3))


def test_a_row_that_does_not_fit_is_a_dead_letter_as_it_stands_in_the_file() -> None:
    lenient = plan('format = "avro"', bad_rows=BadRows.DEAD_LETTER)
    (letter,) = records(lenient, ROW, ("x", *ROW[1:]), lane=1)
    assert letter.value.startswith(b"x,-1.5,0.1,")
    assert dict(letter.headers)["column"] == b"id"


def test_a_schema_of_milliseconds_refuses_finer_times(tmp_path: Path) -> None:
    made = parsed(schemas_in(plan('format = "avro"')).value)
    text = json.dumps(made).replace("timestamp-micros", "timestamp-millis")
    (tmp_path / "given.avsc").write_text(text)
    millis = plan(
        'format = "avro"\nschema = "given.avsc"', folder=tmp_path, bad_rows=BadRows.DEAD_LETTER
    )
    coarse = (*ROW[:6], "2026-01-02T03:04:05.678", *ROW[7:])
    (good,) = records(millis, coarse, ROW)
    assert read(good.value, schemas_in(millis).value)["seen"].microsecond == 678_000
    (letter,) = records(millis, coarse, ROW, lane=1)
    headers = dict(letter.headers)
    assert (headers["code"], headers["column"]) == (b"schema", b"seen")
    assert headers["reason"] == (
        b"row does not fit its schema in column 'seen': it has parts of a millisecond, which the "
        b"schema does not hold"
    )
    assert agrees(millis, coarse, ROW)


def test_a_field_that_no_column_makes_has_its_default(tmp_path: Path) -> None:
    made = parsed(schemas_in(plan('format = "avro"')).value)
    made["fields"].insert(0, {"name": "channel", "type": "string", "default": "web"})
    (tmp_path / "given.avsc").write_text(json.dumps(made))
    more = plan('format = "avro"\nschema = "given.avsc"', folder=tmp_path)
    (record,) = records(more, ROW)
    assert read(record.value, schemas_in(more).value)["channel"] == "web"
    assert agrees(more, ROW)


@pytest.mark.parametrize("undeclared", ["refuse", "string", "drop"])
@pytest.mark.parametrize(
    ("kind", "default"),
    [
        ("string", "web"),
        (["null", "string"], None),
        ("double", 0.5),
        ({"type": "int", "logicalType": "date"}, 20_000),
        ({"type": "long", "logicalType": "timestamp-micros"}, 1),
    ],
)
def test_a_field_that_no_column_makes_beside_columns_that_are_not_declared(
    tmp_path: Path, undeclared: str, kind: object, default: object
) -> None:
    """`name` has no declaration, and a default that each row overrides."""
    columns = dict(COLUMNS)
    made = parsed(schemas_in(plan('format = "avro"')).value)
    made["fields"].insert(0, {"name": "channel", "type": kind, "default": default})
    if undeclared == "string":
        del columns["name"]
        (of_name,) = (field for field in made["fields"] if field["name"] == "name")
        of_name["default"] = None if isinstance(of_name["type"], list) else "nobody"
    (tmp_path / "given.avsc").write_text(json.dumps(made))
    record = f'format = "avro"\nschema = "given.avsc"\nundeclared = "{undeclared}"'
    more = plan(record, columns, tmp_path, header=tuple(COLUMNS))
    assert agrees(more, ROW)
    text = json.dumps(made).replace('"web"', '"shop"').replace("20000", "20001")
    other = replace(more, schemas=with_value_text(schemas_in(more), text))
    if undeclared == "string" and text != json.dumps(made):
        with pytest.raises(AssertionError):
            agrees(other, ROW)


def with_value_text(schemas: WireSchemas, text: str) -> WireSchemas:
    assert schemas.value is not None
    return replace(schemas, value=replace(schemas.value, text=text))


def test_a_default_of_a_field_that_a_column_makes_need_not_be_written(tmp_path: Path) -> None:
    columns = {"id": "int", "total": "decimal(9,2)"}
    made = parsed(schemas_in(plan('format = "avro"', columns)).value)
    _, total, _, file = made["fields"]
    total |= {"type": total["type"][::-1], "default": "\0"}
    file["default"] = "none"
    (tmp_path / "given.avsc").write_text(json.dumps(made))
    given = plan('format = "avro"\nschema = "given.avsc"', columns, folder=tmp_path)
    (found,) = records(given, ROW[:2])
    assert read(found.value, schemas_in(given).value)["total"] == Decimal("-1.50")
    assert agrees(given, ROW[:2])


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        ({"type": "enum", "name": "E", "symbols": ["web"]}, "shop"),
        ({"type": "fixed", "name": "F", "size": 2}, "abc"),
        ({"type": "array", "items": "int"}, ["a"]),
        ("bytes", "web"),
    ],
)
def test_a_default_that_no_row_could_be_given_is_refused_before_the_first(
    tmp_path: Path, kind: object, default: object
) -> None:
    made = parsed(schemas_in(plan('format = "avro"')).value)
    made["fields"].append({"name": "channel", "type": kind, "default": default})
    (tmp_path / "given.avsc").write_text(json.dumps(made))
    with refusal(ConfigError, match="no column makes, and whose default cannot be written"):
        check_plan(plan('format = "avro"\nschema = "given.avsc"', folder=tmp_path))


def test_a_file_of_a_set_with_its_columns_in_another_order_has_the_same_schema() -> None:
    one = plan('format = "avro"\nmetadata = "none"\nkey = ["id", "name"]\nkey_format = "avro"')
    other = replace(one, header=one.header[::-1])
    (first,), (second,) = records(one, ROW), records(other, ROW[::-1])
    assert (first.key, first.value) == (second.key, second.value)


def test_the_checker_sees_what_is_not_as_it_should_be() -> None:
    of = plan('format = "avro"\nkey = "id"\nkey_format = "avro"')
    (record,) = records(of, ROW)
    value, table = record.value, of.table
    assert table is not None
    texts = {s.schema_id or 0: s.text for s in schemas_in(of)}
    wire = WireRecords(table, texts.__getitem__, canonical, FIRST_ID)
    decode = declared_record(table, URI, wire=wire)
    due = DeclaredRows(table, KEY_ID)
    row: SourceRow = dict(zip(of.header, ROW, strict=True))
    for harmed in (
        value[1:],
        b"\1" + value[1:],
        b"\0\0\0\0\x08" + value[5:],
        value + b"\0",
        value[:-1],
        value.replace(b"Zo", b"Z0"),
        value[:6] + bytes([value[6] ^ 2]) + value[7:],
    ):
        assert decode(TopicRecord(0, record.key, harmed))[1] != due.fields_of(row, 1)
    assert decode(TopicRecord(0, record.key, value))[1] == due.fields_of(row, 1)
    assert due.key_of({**row, "id": "8"}) != record.key == due.key_of(row)


def test_an_encode_worker_makes_the_same_records() -> None:
    avro = plan('format = "avro"\nkey = "id"\nkey_format = "avro"')
    assert pickle.loads(pickle.dumps(avro)) == avro
    nulls = b",".join([b"NULL"] * len(COLUMNS))
    data = ",".join(COLUMNS).encode() + b"\n" + nulls + b"\n"
    (block,) = cut_blocks([data], START, avro)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as workers:
        assert workers.submit(encode_block, block, avro).result() == encode_block(block, avro)


def test_a_schema_whose_id_is_not_known_encodes_nothing() -> None:
    avro = plan('format = "avro"')
    unknown = replace(avro, schemas=schemas_of(avro.table, avro.header, "orders"))  # type: ignore[arg-type]
    with refusal(ConfigError, match="no id is known"):
        check_plan(unknown)


def test_what_is_no_schema_of_avro_is_refused() -> None:
    avro = plan('format = "avro"')
    broken = WireSchema("orders-value", "AVRO", '{"type":"record","fields":[]}', 7)
    with refusal(ConfigError, match="is none of Avro"):
        check_plan(replace(avro, schemas=WireSchemas(broken)))


@pytest.mark.parametrize("metadata", ["value", "headers", "none"])
def test_the_checker_measures_records_of_a_schema_that_is_wider(
    tmp_path: Path, metadata: str
) -> None:
    wider = {"int": "long", "float": "double"}
    made = parsed(schemas_in(plan(f'format = "avro"\nmetadata = "{metadata}"')).value)
    for field in made["fields"]:
        if isinstance(field["type"], list):
            null, kind = field["type"]
            field["type"] = [wider.get(str(kind), kind), null]
            del field["default"]
        else:
            field["type"] = ["null", field["type"]]
    items = {"type": "record", "name": "Item", "fields": [{"name": "a", "type": "string"}]}
    array = {"type": "array", "items": items}
    made["fields"].insert(0, {"name": "more_", "type": array, "default": [{"a": "x" * 99}] * 3})
    made["fields"].append({"name": "again", "type": "Item", "default": {"a": "y"}})
    text = json.dumps(made).replace("-micros", "-millis")
    (tmp_path / "given.avsc").write_text(text)
    record = f'format = "avro"\nschema = "given.avsc"\nmetadata = "{metadata}"'
    given = plan(record, folder=tmp_path)
    coarse = (*ROW[:6], "2026-01-02T03:04:05.678", *ROW[7:])
    assert agrees(given, coarse, ("NULL",) * len(ROW))


def agrees(of: EncodePlan, *rows: tuple[str, ...]) -> bool:
    """Whether the checker expects exactly what was made of these rows: records, keys, sizes and
    which of them are dead letters."""
    assert of.table is not None
    texts = {s.schema_id or 0: s.text for s in schemas_in(of)}
    value = schemas_in(of).value
    wire = None if value is None else WireRecords(of.table, texts.__getitem__, canonical, FIRST_ID)
    due = DeclaredRows(of.table, KEY_ID, None if wire is None else wire.given_defaults())
    decode = declared_record(of.table, URI, wire=wire)
    found = records(of, *rows)
    named: list[SourceRow] = [dict(zip(of.header, row, strict=True)) for row in rows]
    sizes = DeclaredSizes(due, lambda line: (URI, line), [URI])
    expected, least = [], []
    for line, row in enumerate(named, 1):
        fields = due.fields_of(row, line)
        if fields is not None:
            key = due.key_of(row) if of.table.key else None
            told = None if of.table.metadata is Metadata.NONE else line
            expected.append((told, fields, key, sizes.size_of(row, line, key)))
            least.append(sizes.bound_of(row))
    sent = [TopicRecord(n, r.key, r.value, r.headers) for n, r in enumerate(found)]
    seen = [(*decode(record), record.key, record_size(record)) for record in sent]
    assert seen == expected
    assert all(each <= bound for (*_, each), bound in zip(seen, least, strict=True))
    return True


OFFSETS = [timezone(timedelta(minutes=minutes)) for minutes in (0, 60, -210)]
digits = some.text("0123456789.-+eE", max_size=12)
TEXTS = {
    "int": some.integers(-(2**33), 2**33).map(str) | digits,
    "long": some.integers(-(2**65), 2**65).map(str) | digits,
    "float": some.floats(width=32).map(repr) | digits,
    "double": some.floats().map(repr) | digits,
    "decimal(9,2)": some.decimals(-(10**8), 10**8, places=2).map(str) | digits,
    "decimal(38,2)": some.integers(-(10**37), 10**37).map(lambda cents: f"{Decimal(cents):f}.25"),
    "boolean": some.sampled_from(("true", "false", "True", "1")),
    "date": some.dates().map(str) | some.text("0123456789-", min_size=10, max_size=10),
    "timestamp(iso, UTC)": some.datetimes().map(str) | digits,
    "timestamp(iso, Europe/Berlin)": some.datetimes().map(str)
    | some.datetimes(timezones=some.sampled_from(OFFSETS)).map(str),
    "timestamp(iso, local)": some.datetimes().map(str) | digits,
    "json": some.sampled_from(('{"a":1}', "[1, 2]", "null", "{", '{"a":1,"a":2}', "1e999")),
    "string": some.text("aé\U0001f600,;", max_size=5),
}


@pytest.mark.parametrize("record_format", ["avro", "json-schema"])
@pytest.mark.parametrize("kind", TEXTS)
def test_the_checker_reads_what_was_written(kind: str, record_format: str) -> None:
    keyed = f'format = "{record_format}"\nkey = ["a", "b"]\nkey_format = "avro"'
    of = plan(keyed, {"a": kind, "b": "string"}, bad_rows=BadRows.DEAD_LETTER)

    @settings(max_examples=40)
    @given(some.lists(some.just("NULL") | TEXTS[kind], min_size=1, max_size=8))
    def check(texts: list[str]) -> None:
        assert agrees(of, *((text, "b") for text in texts))

    check()
