"""The JSON Schema of a table's records, and whether one that is given fits the columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from csvkafka.schema.avro import may_be_null
from csvkafka.schema.fitting import columns_of
from csvkafka.schema.table import OWN_FIELDS, Column, Kind, Metadata, RecordTable

Json = Mapping[str, object]

DRAFT = "http://json-schema.org/draft-07/schema#"
"""What Confluent's tools take where a schema names no other."""

_TYPES: Mapping[Kind, Json] = {
    Kind.STRING: {"type": "string"},
    Kind.INT: {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    Kind.LONG: {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    Kind.FLOAT: {"type": "number"},
    Kind.DOUBLE: {"type": "number"},
    Kind.DECIMAL: {"type": "number"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.DATE: {"type": "string", "format": "date"},
    Kind.TIMESTAMP: {"type": "string", "format": "date-time"},
    Kind.JSON: {},
}
_TEXT: Json = {"type": "string"}

_RESTRICTS = {
    "type", "enum", "const", "multipleOf", "divisibleBy", "maximum", "exclusiveMaximum", "minimum",
    "exclusiveMinimum", "maxLength", "minLength", "pattern", "format", "contentEncoding",
    "contentMediaType", "contentSchema", "items", "prefixItems", "additionalItems",
    "unevaluatedItems", "contains", "maxContains", "minContains", "maxItems", "minItems",
    "uniqueItems", "properties", "patternProperties", "additionalProperties",
    "unevaluatedProperties", "propertyNames", "maxProperties", "minProperties", "required",
    "dependencies", "dependentRequired", "dependentSchemas", "allOf", "anyOf", "oneOf", "not",
    "if", "then", "else", "extends", "disallow", "$id", "$schema", "$ref", "$dynamicRef",
    "$recursiveRef",
}  # fmt: skip
"""Keywords by which a schema of any draft may refuse a value, or which change what others mean. No
other one refuses any: titles, and what no vocabulary defines, such as Kafka Connect's
`connect.index`."""


def json_schema(table: RecordTable, names: Sequence[str], name: str) -> Json:
    """The schema of the values of a file with these columns; `name` is its title."""
    properties: dict[str, Json] = {}
    for column in columns_of(table, names):
        if not column.is_dropped:
            properties[column.field] = _property(table, column)
    if table.metadata is Metadata.VALUE:
        line, file = OWN_FIELDS
        properties |= {line: {"type": "integer"}, file: _TEXT}
    return {
        "$schema": DRAFT,
        "title": name,
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _property(table: RecordTable, column: Column) -> Json:
    kind = _type(column)
    # What JSON stands in a field may be null by itself.
    if may_be_null(table, column) and kind:
        return {"oneOf": [{"type": "null"}, kind]}
    return kind


def _type(column: Column) -> Json:
    constant = column.constant
    if constant is not None:
        return {"const": constant}
    if column.is_hashed or column.is_masked or column.as_text:
        return _TEXT
    if column.type.kind is Kind.TIMESTAMP and column.type.zone == "local":
        return _TEXT  # a date-time has an offset
    return _TYPES[column.type.kind]


def misfits(made: Json, given: object) -> Iterator[str]:
    """Why records of the schema that the columns make might be refused by the one that is given.

    It may say of a field what the columns make, or less. Each other restriction is named, as
    nothing promises that the rows keep it."""
    if not isinstance(given, dict) or given.get("type") != "object":
        yield "it is no object"
        return
    known = ("$schema", "$id", "type", "properties", "required", "additionalProperties")
    for keyword in _spoken(given):
        if keyword in known:
            continue
        yield f"it restricts records by {keyword!r}, which no column promises"
    ours, theirs = made["properties"], given.get("properties", {})
    assert isinstance(ours, dict)
    if not isinstance(theirs, dict) or not isinstance(given.get("required", []), list):
        yield "its properties are no object, or what it requires is no list"
        return
    takes_more = given.get("additionalProperties", True) is True
    for name, wanted in ours.items():
        if name not in theirs:
            if not takes_more:
                yield f"it has no property for column {name!r}: add it, or declare drop = true"
        elif reason := _misfit(wanted, theirs[name]):
            yield f"column {name!r} {reason}"
    for name in given.get("required", ()):
        if name not in ours:
            yield f"it requires {name!r}, and no column makes it"


def _misfit(wanted: Json, given: object) -> str:
    """Why a column does not fit; empty: it does."""
    if given is True or _is_equal(given, wanted):
        return ""
    if not isinstance(given, dict):
        return f"takes nothing there, as its schema is {given!r}"
    takes_null, branch = _without_null(given)
    if branch is None:
        if beside := _beside_branches(given):
            return f"has {beside} there"
        return "has several types there; only null and one type can be told apart"
    is_nullable, told_apart = _without_null(wanted)
    assert told_apart is not None
    says = _spoken(branch)
    if is_nullable and not takes_null and says:
        return f"may be null, and is {says.get('type')} there: declare null = []"
    promised = {"type": _type_of(told_apart), **told_apart}
    for keyword, value in says.items():
        if told_apart and keyword in promised and _is_equal(promised[keyword], value):
            continue
        if (keyword, value, promised["type"]) == ("type", "number", "integer"):
            continue
        return f"is {promised['type']}, and {keyword} is {value!r} there"
    return ""


def _spoken(kind: Json) -> Json:
    """What of a schema may refuse a value."""
    return {keyword: value for keyword, value in kind.items() if keyword in _RESTRICTS}


def _beside_branches(kind: Json) -> str:
    """What else restricts a value beside `oneOf` or `anyOf`, for people; empty: nothing does."""
    first, *more = sorted(_spoken(kind), key=lambda keyword: keyword not in ("oneOf", "anyOf"))
    return f"{', '.join(more)} beside {first}" if more and first in ("oneOf", "anyOf") else ""


def _is_equal(one: object, other: object) -> bool:
    """As JSON: 1 is not true."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _type_of(kind: Json) -> object:
    if "const" not in kind:
        return kind.get("type", "any JSON")
    constant = kind["const"]
    if isinstance(constant, bool):
        return "boolean"
    if isinstance(constant, int):
        return "integer"
    return "number" if isinstance(constant, float) else "string"


def _without_null(kind: Json) -> tuple[bool, Json | None]:
    """Whether it takes null, and what else; None if that cannot be told apart."""
    spoken = list(_spoken(kind))
    if "oneOf" in kind or "anyOf" in kind:
        if len(spoken) > 1:
            return False, None  # what stands beside the branches counts too
        branches = kind[spoken[0]]
        if not isinstance(branches, list) or not all(isinstance(b, dict) for b in branches):
            return False, None
        others = [branch for branch in branches if _spoken(branch) != {"type": "null"}]
        nulls = len(branches) - len(others)
        if len(others) != 1 or nulls > 1:
            return False, None
        # Where the other one takes null too, "one of" refuses it.
        if nulls and spoken[0] == "oneOf" and not {"type", "const"} & others[0].keys():
            return False, None
        return nulls > 0, others[0]
    types = kind.get("type")
    if isinstance(types, list):
        others = [name for name in types if name != "null"]
        rest = {**kind, "type": others[0] if len(others) == 1 else types}
        return len(others) < len(types), rest
    return False, kind
