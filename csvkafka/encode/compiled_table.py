"""A declared table as the compiled encoder takes it, where it knows each of its types.

It leaves a row with a field that is not plainly of its type: the reference way decides then.
Left to the reference way from the start: tables with hashes, JSON in a field, formats of
`strptime`, keys in Avro, and a schema of Avro that is given with other types than the columns make.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from json import loads
from typing import Any

import orjson

from csvkafka.compiled import CompiledColumn, CompiledDrop, CompiledTable
from csvkafka.model import SOURCE_FILE, SOURCE_LINE, EncodePlan
from csvkafka.records.record_batch import varint
from csvkafka.schema.dropping import Question, question, texts_of
from csvkafka.schema.fitting import columns_of
from csvkafka.schema.formats import ISO, LOCAL
from csvkafka.schema.table import (
    OWN_FIELDS,
    Column,
    KeyFormat,
    Kind,
    Metadata,
    RecordFormat,
    RecordTable,
)

# As compiled/columns.h and compiled/plan.h number them.
_STRING, _MASKED, _INTEGER, _FLOATING, _DECIMAL, _BOOLEAN, _DATE, _TIMESTAMP = range(8)
_LEADING_ZEROS, _AS_TEXT, _IS_LOCAL, _NEEDS_OFFSET, _IN_AVRO, _IN_32_BITS = 1, 2, 4, 8, 16, 32
_NO_NUMBER, _DIGITS, _VARINT = range(3)
_NULL_KEYS, _TEXT_KEYS, _MASKED_KEYS, _JSON_KEYS = range(4)

_SHORT = 128
"""Texts of null, true and false are no longer, in bytes."""

_FEW = 64
"""Compiled code compares a field with one text after the other. From about so many on, a look-up in
Python's hash takes less time: so it is asked of rows that a longer list means."""

_KINDS = {
    Kind.STRING: _STRING,
    Kind.INT: _INTEGER,
    Kind.LONG: _INTEGER,
    Kind.FLOAT: _FLOATING,
    Kind.DOUBLE: _FLOATING,
    Kind.DECIMAL: _DECIMAL,
    Kind.BOOLEAN: _BOOLEAN,
    Kind.DATE: _DATE,
    Kind.TIMESTAMP: _TIMESTAMP,
}
_BITS = {Kind.INT: 32, Kind.LONG: 64}


def compiled_table(
    plan: EncodePlan, table: RecordTable
) -> tuple[tuple[bytes, ...], CompiledTable, tuple[Question, ...]] | None:
    """The texts of a record, and the table, as `CompiledModule.Encoder` takes them, and what is to
    be asked of rows besides; None if the table has a type that it does not know."""
    names = plan.header
    is_strange = plan.transform is not None or bool(table.routes)
    if is_strange or not names or len(set(names)) < len(names):
        return None
    in_avro = table.format is RecordFormat.AVRO
    if table.key and (
        table.key_format is KeyFormat.AVRO or (in_avro and table.key_format is KeyFormat.JSON)
    ):
        return None
    columns = columns_of(table, names)
    of_file: list[CompiledColumn | None] = []
    for column in columns[: len(names)]:
        is_key = column.name in table.key
        is_read = is_key or not (column.is_dropped or column.constant is not None)
        compiled = _column(column, table) if is_read else None
        if is_read and (compiled is None or column.constant is not None):
            return None
        of_file.append(compiled)
    found = _avro_texts(plan, table, columns) if in_avro else _texts(plan, table, columns)
    if found is None:
        return None
    texts, fields = found
    has_number = table.metadata is Metadata.VALUE
    key = tuple(names.index(name) for name in table.key)
    drops, questions = _drops(table, names)
    declared = (
        tuple(of_file),
        fields,
        (_VARINT if in_avro else _DIGITS) if has_number else _NO_NUMBER,
        _headers(plan) if table.metadata is Metadata.HEADERS else (),
        _key_form(table),
        key,
        _key_names(columns[place] for place in key),
        drops,
    )
    return texts, declared, questions


def _drops(
    table: RecordTable, names: Sequence[str]
) -> tuple[tuple[CompiledDrop, ...], tuple[Question, ...]]:
    """The conditions that compiled code is to look at, and the others: patterns, long texts, many
    texts."""
    drops: list[CompiledDrop] = []
    questions: list[Question] = []
    for drop in table.drops:
        texts = texts_of(drop, table)
        short = None if texts is None or len(texts) > _FEW else _short(texts)
        if short is None:
            questions.append(question(drop, table, names))
        else:
            drops.append((names.index(drop.column), drop.is_negated, short))
    return tuple(drops), tuple(questions)


def _column(column: Column, table: RecordTable) -> CompiledColumn | None:
    in_avro = _IN_AVRO * (table.format is RecordFormat.AVRO)
    nulls = _short(table.nulls_of(column))
    trues = _short(text for text in column.trues if text not in column.falses)
    falses = _short(column.falses)
    kind, form = column.type.kind, column.type.format
    is_strange = column.is_hashed or kind not in _KINDS or form not in ("", ISO)
    if is_strange or nulls is None or trues is None or falses is None:
        return None
    if column.is_masked:
        return _MASKED, in_avro, column.shown_first, column.shown_last, nulls, (), ()
    options = _LEADING_ZEROS * column.leading_zeros + _AS_TEXT * column.as_text
    first = second = 0
    match kind:
        case Kind.INT | Kind.LONG:
            first = _BITS[kind]
        case Kind.DECIMAL:
            second = column.type.scale
            first = column.type.precision - second
        case Kind.FLOAT:
            options |= _IN_32_BITS
        case Kind.TIMESTAMP:
            zone = column.type.zone
            # Which offset another zone had at a time is for the reference way.
            options = {LOCAL: _IS_LOCAL, "UTC": 0}.get(zone, _NEEDS_OFFSET)
    return _KINDS[kind], options | in_avro, first, second, nulls, trues, falses


def _short(texts: Iterable[str]) -> tuple[bytes, ...] | None:
    found = tuple(text.encode() for text in texts)
    return found if all(len(text) <= _SHORT for text in found) else None


def _texts(
    plan: EncodePlan, table: RecordTable, columns: Sequence[Column]
) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
    """What stands before each field of the file that is in the record, before the row's number and
    at the end; and which fields these are."""
    texts: list[bytes] = []
    fields: list[int] = []
    text, comma = _prefix(plan) + b"{", b""
    for place, column in enumerate(columns):
        if column.is_dropped and place < len(plan.header):
            continue
        text += comma + orjson.dumps(column.field) + b":"
        comma = b","
        if column.constant is not None:
            text += orjson.dumps(column.constant)
        else:
            texts.append(text)
            fields.append(place)
            text = b""
    if table.metadata is not Metadata.VALUE:
        return (*texts, text, b"}"), tuple(fields)
    file = b"," + orjson.dumps(SOURCE_FILE) + b":" + orjson.dumps(plan.source_uri) + b"}"
    return (*texts, text + comma + orjson.dumps(SOURCE_LINE) + b":", file), tuple(fields)


def _avro_texts(
    plan: EncodePlan, table: RecordTable, columns: Sequence[Column]
) -> tuple[tuple[bytes, ...], tuple[int, ...]] | None:
    """As `_texts`, in the schema's order; None where its types are not those of the columns."""
    from csvkafka.schema.avro import value_schema

    assert plan.schemas is not None
    assert plan.schemas.value is not None
    made = {field["name"]: field["type"] for field in _fields(value_schema(table, plan.header, ""))}
    schema = {field["name"]: field["type"] for field in _fields(loads(plan.schemas.value.text))}
    own = OWN_FIELDS if table.metadata is Metadata.VALUE else ()
    if schema != made or tuple(schema)[len(schema) - len(own) :] != own:
        return None
    places = {column.field: place for place, column in enumerate(columns) if not column.is_dropped}
    texts: list[bytes] = []
    fields: list[int] = []
    text = _prefix(plan)
    for name, kind in schema.items():
        if name in own:
            continue
        constant = columns[places[name]].constant
        if constant is not None:
            text += _in_avro(kind, constant)
        else:
            texts.append(text)
            fields.append(places[name])
            text = b""
    file = _in_avro("string", plan.source_uri) if own else b""
    return (*texts, text, file), tuple(fields)


def _fields(schema: Any) -> Iterable[dict[str, Any]]:
    return schema["fields"]  # type: ignore[no-any-return]


def _in_avro(kind: object, value: object) -> bytes:
    from fastavro import schemaless_writer

    out = BytesIO()
    schemaless_writer(out, kind, value)
    return out.getvalue()


def _prefix(plan: EncodePlan) -> bytes:
    """What stands before the value of a record that names a schema."""
    if plan.schemas is None or plan.schemas.value is None:
        return b""
    from csvkafka.encode.wire import prefix

    return prefix(plan.schemas.value)


def _headers(plan: EncodePlan) -> tuple[bytes, bytes]:
    """The headers as framed, but for the size and the digits of the row's number."""

    def framed(text: bytes) -> bytes:
        return varint(len(text)) + text

    uri = framed(plan.source_uri.encode())
    return varint(2) + framed(SOURCE_LINE.encode()), framed(SOURCE_FILE.encode()) + uri


def _key_form(table: RecordTable) -> int:
    if not table.key:
        return _NULL_KEYS
    if table.key_format is KeyFormat.JSON:
        return _JSON_KEYS
    (name,) = table.key
    column = table.named(name)
    return _MASKED_KEYS if column is not None and column.is_masked else _TEXT_KEYS


def _key_names(columns: Iterable[Column]) -> tuple[bytes, ...]:
    names = [orjson.dumps(column.field) + b":" for column in columns]
    return (*((b"," if index else b"{") + name for index, name in enumerate(names)), b"}")
