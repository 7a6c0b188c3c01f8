"""The Avro schema of a table's records, and whether one that is given fits the columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from csvkafka.schema.fitting import columns_of
from csvkafka.schema.table import OWN_FIELDS, Column, Kind, Metadata, RecordTable

Json = Mapping[str, object]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

_PLAIN = {
    Kind.STRING: "string",
    Kind.INT: "int",
    Kind.LONG: "long",
    Kind.FLOAT: "float",
    Kind.DOUBLE: "double",
    Kind.BOOLEAN: "boolean",
    Kind.JSON: "string",
}

_WIDER = {"int": ("long",), "float": ("double",)}
"""What a schema that is given may have in a type's place: every value is the same there."""

_OWN_TYPES = dict(zip(OWN_FIELDS, ("long", "string"), strict=True))


def value_schema(table: RecordTable, names: Sequence[str], name: str) -> Json:
    """The schema of the values of a file with these columns; `name` is the record's."""
    fields = [_field(table, column) for column in columns_of(table, names) if not column.is_dropped]
    if table.metadata is Metadata.VALUE:
        fields += [{"name": field, "type": _OWN_TYPES[field]} for field in OWN_FIELDS]
    return {"type": "record", "name": name, "fields": fields}


def key_schema(table: RecordTable, names: Sequence[str], name: str) -> Json:
    """The schema of the keys, a record of the key's columns in their declared order."""
    columns = {column.name: column for column in columns_of(table, names)}
    fields = [_field(table, columns[key]) for key in table.key if key in columns]
    return {"type": "record", "name": f"{name}Key", "fields": fields}


def avro_type(column: Column) -> str | Json:
    """What the column is in Avro, null left aside."""
    constant = column.constant
    if constant is not None:
        return _constant_type(constant)
    if column.is_hashed or column.is_masked or column.as_text:
        return "string"
    kind = column.type.kind
    match kind:
        case Kind.DECIMAL:
            return {
                "type": "bytes",
                "logicalType": "decimal",
                "precision": column.type.precision,
                "scale": column.type.scale,
            }
        case Kind.DATE:
            return {"type": "int", "logicalType": "date"}
        case Kind.TIMESTAMP:
            local = "local-" if column.type.zone == "local" else ""
            return {"type": "long", "logicalType": f"{local}timestamp-micros"}
    return _PLAIN[kind]


def _constant_type(constant: str | int | float | bool) -> str:
    if isinstance(constant, bool):
        return "boolean"
    if isinstance(constant, int):
        return "long"
    return "double" if isinstance(constant, float) else "string"


def may_be_null(table: RecordTable, column: Column) -> bool:
    """Whether a record may have null there."""
    return column.constant is None and bool(table.nulls_of(column))


def _field(table: RecordTable, column: Column) -> Json:
    kind = avro_type(column)
    if may_be_null(table, column):
        return {"name": column.field, "type": ["null", kind], "default": None}
    return {"name": column.field, "type": kind}


def name_mistakes(table: RecordTable, names: Sequence[str], name: str) -> Iterator[str]:
    """What Avro cannot name as the table does."""
    if not all(_NAME.fullmatch(part) for part in name.split(".")):
        yield f"{name!r} is no name of a record in Avro; set name, such as orders.Order"
    for column in columns_of(table, names):
        is_used = not column.is_dropped or column.name in table.key
        if is_used and not _NAME.fullmatch(column.field):
            proposed = re.sub(r"\W", "_", column.field, flags=re.ASCII)
            proposed = f"_{proposed}" if not proposed or proposed[0].isdigit() else proposed
            yield (
                f"{column.field!r} is no name of a field in Avro (letters, digits and _, no digit "
                f'first): declare rename = "{proposed}"'
            )


def misfits(made: Json, given: object) -> Iterator[str]:
    """Why records of the schema that the columns make cannot be written by the one that is given.

    Fields are found by their names. The schema may have others, if they have a default."""
    if not isinstance(given, dict) or given.get("type") != "record":
        yield "it is no record"
        return
    fields = given.get("fields")
    if not isinstance(fields, list) or not all(
        isinstance(field, dict) and isinstance(field.get("name"), str) and "type" in field
        for field in fields
    ):
        yield "its fields are no list of names and types"
        return
    theirs = {field["name"]: field for field in fields}
    ours = {str(field["name"]): field["type"] for field in _fields(made)}
    for name, wanted in ours.items():
        if name not in theirs:
            yield f"it has no field for column {name!r}: add it, or declare drop = true"
        elif reason := _misfit(wanted, theirs[name]["type"]):
            yield f"column {name!r} {reason}"
    for name, field in theirs.items():
        if name not in ours and "default" not in field:
            yield f"its field {name!r} has no default, and no column makes it"


def _fields(schema: Json) -> Iterable[Json]:
    fields = schema["fields"]
    assert isinstance(fields, list)
    return fields


def _misfit(wanted: object, given: object) -> str:
    """Why a column of the type `wanted` does not fit; empty: it does."""
    is_nullable, wanted = _without_null(wanted)
    takes_null, given = _without_null(given)
    if isinstance(given, list):
        return "is a union of several types there; only null and one type can be told apart"
    if is_nullable and not takes_null:
        return f"may be null, and is {_said(given)} there: declare null = []"
    if _is_same(wanted, given):
        return ""
    return f"is {_said(wanted)}, and is {_said(given)} there"


def _without_null(kind: object) -> tuple[bool, object]:
    if not isinstance(kind, list):
        return False, kind
    others = [branch for branch in kind if branch != "null"]
    return len(others) < len(kind), others[0] if len(others) == 1 else others


def _is_same(wanted: object, given: object) -> bool:
    if isinstance(given, dict) and "logicalType" not in given:
        given = given.get("type")
    if not isinstance(wanted, dict):
        return given == wanted or given in _WIDER.get(str(wanted), ())
    if not isinstance(given, dict) or given.get("type") != wanted["type"]:
        return False
    logical, theirs = str(wanted["logicalType"]), given["logicalType"]
    if logical != "decimal":
        return theirs in (logical, logical.replace("-micros", "-millis"))
    is_decimal = theirs == "decimal" and given.get("scale", 0) == wanted["scale"]
    return is_decimal and int(given.get("precision", 0)) >= int(wanted["precision"])


def _said(kind: object) -> str:
    if not isinstance(kind, dict):
        return str(kind)
    logical = kind.get("logicalType")
    if logical == "decimal":
        return f"decimal({kind.get('precision')},{kind.get('scale', 0)})"
    return str(logical or kind.get("type"))
