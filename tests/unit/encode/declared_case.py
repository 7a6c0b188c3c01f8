"""One comparison of the compiled way with the reference way by a declared table, for any bytes: for
Hypothesis, and for the coverage-guided fuzzer of `tests/fuzz`."""

from __future__ import annotations

from functools import cache

from csvkafka.encode.bad_row import BadRow
from csvkafka.encode.compiled_table import compiled_table
from csvkafka.encode.encoder import encode_compiled, encode_reference
from csvkafka.encode.left_rows import FEW
from csvkafka.model import BadRows, Block, EncodedBlock, EncodePlan, Position, Routing
from csvkafka.rows.csv_rows import row_ends
from csvkafka.schema.declaration import read_table
from csvkafka.schema.subjects import schemas_of
from csvkafka.schema.table import RecordTable
from tests.unit.encode.compiled_case import Way

SECRET = b"0123456789abcdef"

TYPES = (
    "string",
    "int",
    "long",
    "float",
    "double",
    "decimal(6,2)",
    "decimal(4,4)",
    "decimal(20,0)",
    "boolean",
    "date",
    "timestamp(iso)",
    "timestamp(iso, UTC)",
    "timestamp(iso, local)",
    "timestamp(iso, Europe/Berlin)",
)
"""All that the compiled way knows."""

OPTIONS = {
    "": TYPES,
    "leading_zeros = true": TYPES[1:8],
    "as_text = true": ("int", "long", "decimal(6,2)"),
    'null = ["", "NA", "é\\"\\n"]': TYPES,
    'rename = "a\\"b\\\\"': ("string", "int"),
    'mask = "all"': ("string",),
    'mask = "first 2"': ("string",),
    'mask = "last 1"': ("string",),
    'true = ["1", "ja"], false = ["0", "n\\"n"]': ("boolean",),
    "drop = true": ("int",),
}

COLUMNS = tuple(
    f'{{ type = "{kind}"{", " + option if option else ""} }}'
    for option, kinds in OPTIONS.items()
    for kind in kinds
)
"""Each type, with each option that it has."""

AVRO = (
    'format = "avro"',
    'format = "avro"\nmetadata = "headers"\nkey = "a"',
    'format = "avro"\nmetadata = "none"',
    'format = "avro"\nkey = ["b", "a"]\nkey_format = "json"',
    'format = "avro"\nkey = "b"\nkey_format = "avro"',
)

RECORDS = (
    *AVRO,
    'format = "json-schema"',
    "",
    'metadata = "headers"',
    'metadata = "none"',
    'key = "a"',
    'key = ["b", "a"]\nkey_format = "json"',
    'key = "b"\nmetadata = "headers"',
)

DROPS = (
    "",
    'column = "a"\nequals = "1"',
    'column = "b"\nequals = "é\\"\\n"',
    'column = "a"\nnot_equals = "true"',
    'column = "a"\nin = ["", "0", "n\\"n", "no date"]',
    'column = "b"\nin = ["1", "NA", "x,\\"", "ja"]',
    'column = "b"\nnot_in = ["1", "", "2024-02-29"]',
    'column = "a"\nempty = true',
    'column = "b"\nnot_empty = true',
    'column = "a"\nmatches = "[0-9]+|é.*|"',
    'column = "b"\nnot_matches = "(?i)(TRUE|\\\\W*|[a-z]).*"',
    f'column = "b"\nin = ["1", "{"x" * 129}"]',
    f'column = "a"\nnot_in = {["", "1", *map(str, range(100, 200))]}',
)
"""Conditions: those that compiled code looks at; two patterns, a long text and many for Python."""


@cache
def table_of(
    record: str, a: str, b: str, *, has_constant: bool = False, drops: tuple[str, ...] = ()
) -> RecordTable:
    """The table of a file with the columns a and b; where both are renamed, to other names."""
    b = b.replace('rename = "a', 'rename = "b')
    constant = 'c = { constant = "é\\"" }\n' if has_constant else ""
    if "avro" in record:  # which names fields by letters
        a, b = (column.replace('a\\"b\\\\', "a_").replace('b\\"b\\\\', "b_") for column in (a, b))
    text = f"[record]\n{record}\n[columns]\na = {a}\nb = {b}\n{constant}"
    text += "".join(f"[[drop]]\n{drop}\n" for drop in drops if drop)
    return read_table(text, "columns.toml", SECRET)


def plan_of(
    table: RecordTable,
    lane_count: int = 1,
    bad_rows: BadRows = BadRows.STOP,
    above: int | None = None,
) -> EncodePlan:
    schemas = None
    if table.needs_registry:
        made = schemas_of(table, ("a", "b"), "rows")
        schemas = made.mapped(lambda schema: schema.with_id(7))
    routing = Routing.KEY_MURMUR2 if table.key and lane_count > 1 else Routing.ONE_PARTITION
    return EncodePlan(
        ("a", "b"),
        "s3://bucket/key",
        lane_count=lane_count if routing is Routing.KEY_MURMUR2 else 1,
        routing=routing,
        compression="none",
        table=table,
        schemas=schemas,
        bad_rows=bad_rows,
        set_aside_above_bytes=above if bad_rows is BadRows.DEAD_LETTER else None,
    )


def block_of(plan: EncodePlan, data: bytes, rows_before: int = 0) -> Block:
    """The whole rows of the data."""
    end = rows = 0
    for row_end, is_row in row_ends(data, plan.dialect):
        end, rows = row_end, rows + is_row
    begin = Position(0, rows_before)
    return Block(data[:end], begin, Position(end, rows_before + rows), False)


def both_ways(
    plan: EncodePlan, data: bytes, rows_before: int = 0, skip: tuple[int, ...] = ()
) -> tuple[EncodedBlock | str | None, EncodedBlock | str]:
    """The whole rows of the data by the compiled way (None: not taken) and by the reference way; in
    its place, which row is bad and why."""
    block = block_of(plan, data, rows_before)

    def by(way: Way) -> EncodedBlock | str | None:
        try:
            return way(block, plan, skip)
        except BadRow as bad:
            return f"row {bad.row_index}: {type(bad.error).__name__}: {bad.error}"

    reference = by(encode_reference)
    assert reference is not None
    return by(encode_compiled), reference


def check_declared(
    plan: EncodePlan, data: bytes, rows_before: int = 0, skip: tuple[int, ...] = ()
) -> None:
    """Raises AssertionError where the compiled way makes something else of a block, or does not
    take one of few rows, though it knows the table."""
    compiled, reference = both_ways(plan, data, rows_before, skip)
    if compiled is None:
        is_known = compiled_table(plan, plan.table) is not None  # type: ignore[arg-type]
        few = block_of(plan, data).row_count <= FEW
        assert not (is_known and few), (plan.table, data)
    else:
        assert compiled == reference, (plan.table, data)


def declared_case_of(choices: bytes, data: bytes) -> None:
    """`check_declared` for any bytes: `choices` (8 bytes are looked at) decide the table."""
    a, b, c, d, e, f, g, h = (choices + bytes(8))[:8]
    table = table_of(
        RECORDS[c % len(RECORDS)],
        COLUMNS[a % len(COLUMNS)],
        COLUMNS[b % len(COLUMNS)],
        has_constant=bool(d & 1),
        drops=(DROPS[g % len(DROPS)], DROPS[g // len(DROPS) % len(DROPS)]),
    )
    skip = (e & 3, e >> 2 & 3, e >> 4 & 3, e >> 5 & 3) if e & 128 else ()
    above = (None, None, 8, 20, 40, 70)[h // 3 % 6]
    plan = plan_of(table, 1 + d % 3, tuple(BadRows)[h % 3], above)
    check_declared(plan, data, (0, 8, 97, 99_990)[f % 4], skip)
