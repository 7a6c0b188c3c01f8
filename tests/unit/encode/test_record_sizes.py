"""A row whose record has more bytes than the plan's limit is set aside, by whatever way it is made:
one of just as many bytes is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from csvkafka.compiled import compiled_module
from csvkafka.encode.encoder import (
    encode_block,
    encode_compiled,
    encode_plain,
    encode_reference,
    lane_total,
)
from csvkafka.encode.left_rows import FEW
from csvkafka.errors import RecordTooLargeError
from csvkafka.model import BadRows, Block, Dialect, EncodedBlock, EncodePlan, Position, Routing
from csvkafka.records.record_batch import BATCH_OVERHEAD_BYTES, record_size
from csvkafka.schema.declaration import read_table
from csvkafka.schema.subjects import schemas_of
from tests.refusals import refusal
from tests.unit.encode.encoded import records_of, whole

HEADER = ("id", "name")
URI = "s3://bucket/folder/key.csv"
SIZE = 3_000


def shout(row: Mapping[str, object], _: int) -> Mapping[str, object]:
    return {**row, "shout": str(row["name"]) * 3}


COLUMNS = '[record]\n{record}\n[columns]\nid = "int"\nname = "string"\n'
ROUTES = '[[route]]\ntopic = "seven"\ncolumn = "id"\nequals = "7"\n'


@dataclass(frozen=True)
class Kind:
    """A way in which records are declared. `large` is the name in the large row, as in the file."""

    plan: Mapping[str, Any] = field(default_factory=dict)
    record: str | None = None
    more: str = ""
    large: str = "x" * SIZE
    row: str = "7,{name}\n"

    def made(self, limit: int | None) -> EncodePlan:
        table = schemas = None
        if self.record is not None:
            table = read_table(COLUMNS.format(record=self.record) + self.more, "columns.toml")
            if table.needs_registry:
                schemas = schemas_of(table, HEADER, "rows").mapped(lambda each: each.with_id(7))
        return replace(
            EncodePlan(HEADER, URI, compression="none", bad_rows=BadRows.DEAD_LETTER),
            **self.plan,
            routed_lanes=(1,) if self.more == ROUTES else (),
            table=table,
            schemas=schemas,
            set_aside_above_bytes=limit,
        )

    def block(self, more: int = 0) -> Block:
        """Rows of which the third is large; it is number 12 of the file. So many small ones `more`
        stand behind them."""
        dialect = self.made(None).dialect
        rows = ["5,a\n", "6,\n", self.row.format(name=self.large), *["8,c\n"] * (1 + more)]
        data = "".join(rows).encode(dialect.encoding)
        plain = not set(self.large) & set('"\x01') and "\r" not in self.row
        end = Position(100 + len(data), 9 + len(rows))
        return Block(data, Position(100, 9), end, plain=plain)


KEYED = {"key_column": "name", "lane_count": 3, "routing": Routing.KEY_MURMUR2}

KINDS = {
    "default": Kind(),
    "key": Kind({"key_column": "name"}),
    "keys in several lanes": Kind(KEYED),
    "escapes": Kind(large='"' + "\x01\\" * SIZE + '"'),
    "quotes": Kind(KEYED, large='"' + 'x""' * SIZE + '"'),
    "every field quoted": Kind(row='"7","{name}"\n'),
    "not ascii": Kind(large="é😀" * SIZE),
    "latin-1": Kind({"dialect": Dialect(encoding="latin-1")}, large="é" * SIZE),
    "crlf": Kind(row="7,{name}\r\n"),
    "transform": Kind({"transform": shout}),
    "table": Kind(record=""),
    "table, headers": Kind(record='metadata = "headers"'),
    "table, no metadata": Kind(record='metadata = "none"'),
    "table, text key": Kind(KEYED | {"key_column": None}, record='key = "name"'),
    "table, json key": Kind(
        KEYED | {"key_column": None},
        record='key = ["name", "id"]\nkey_format = "json"\nmetadata = "headers"',
    ),
    "avro": Kind(record='format = "avro"'),
    "avro, key, headers": Kind(record='format = "avro"\nkey = "name"\nmetadata = "headers"'),
    "avro key": Kind(record='format = "avro"\nkey = "name"\nkey_format = "avro"'),
    "json schema": Kind(record='format = "json-schema"'),
    "routes": Kind(record="", more=ROUTES),
}
"""Each kind of record."""

Way = Callable[[Block, EncodePlan, Sequence[int]], EncodedBlock | None]
WAYS: Mapping[str, Way] = {
    "reference": encode_reference,
    "plain": encode_plain,
    "compiled": encode_compiled,
    "block": encode_block,
}

each_kind = pytest.mark.parametrize("kind", KINDS)


def size_of(record: Any) -> int:
    """By what a reader of the topic sees."""
    in_headers = sum(len(name.encode()) + len(value) for name, value in record.headers)
    return len(record.key or b"") + len(record.value) + in_headers


def large_record(kind: Kind) -> Any:
    """The largest of the block, where nothing limits it."""
    encoded = whole(encode_reference(kind.block(), kind.made(None)))
    return max((r for batch in encoded.batches for r in records_of(batch)), key=size_of)


@each_kind
@pytest.mark.parametrize("way", WAYS)
def test_one_byte_more_than_the_limit_is_set_aside(kind: str, way: str) -> None:
    of_kind, encode = KINDS[kind], WAYS[way]
    block, size = of_kind.block(), size_of(large_record(of_kind))
    reached, exceeded = of_kind.made(size), of_kind.made(size - 1)
    in_full = encode(block, reached, ())
    set_aside = encode(block, exceeded, ())
    if way in ("reference", "block"):
        assert in_full is not None
        assert set_aside is not None
    if in_full is not None:
        assert in_full.set_aside == ()
        assert in_full.rows_by_lane[-1] == 0
        assert in_full == encode_reference(block, replace(reached, set_aside_above_bytes=None))
    if set_aside is not None:
        assert set_aside.rows_by_lane[-1] == 1
        assert set_aside == encode_reference(block, exceeded)
        letters = [b for b in set_aside.batches if b.lane == lane_total(exceeded) - 1]
        ((letter,),) = map(records_of, letters)
        check_letter(letter, of_kind, size)


def check_letter(letter: Any, kind: Kind, size: int) -> None:
    headers = {name: value.decode() for name, value in letter.headers}
    row = kind.row.format(name=kind.large).rstrip("\r\n")
    assert letter.value == row.encode(kind.made(None).dialect.encoding)
    assert letter.key is None
    reason = f"row makes a record of {size} bytes, the limit is {size - 1} "
    assert headers == {
        "_source_line": "12",
        "_source_file": URI,
        "_source_byte": "107",
        "code": "size",
        "reason": f"{reason}(DEAD_LETTER_ABOVE_BYTES)",
        "__connect.errors.stage": "KAFKA_PRODUCE",
        "__connect.errors.exception.class.name": "RecordTooLargeError",
        "__connect.errors.exception.message": f"{reason}(DEAD_LETTER_ABOVE_BYTES)",
    }


@pytest.mark.skipif(compiled_module() is None, reason="the compiled encoder is not in use")
@each_kind
def test_the_compiled_way_leaves_the_large_row_alone(kind: str) -> None:
    """It takes the block wherever it would without a limit, with more small rows than it leaves."""
    of_kind = KINDS[kind]
    block, size = of_kind.block(more=10 * FEW), size_of(large_record(of_kind))
    takes = encode_compiled(block, of_kind.made(None)) is not None
    assert takes == (kind not in ("transform", "avro key", "routes"))
    for limit in (size, size - 1):
        assert (encode_compiled(block, of_kind.made(limit)) is not None) == takes


PLAIN = ("default", "key", "keys in several lanes", "not ascii", "latin-1")


@pytest.mark.parametrize("kind", PLAIN)
def test_the_plain_way_leaves_a_block_whose_longest_row_may_make_too_large_a_record(
    kind: str,
) -> None:
    of_kind = KINDS[kind]
    block, size = of_kind.block(), size_of(large_record(of_kind))
    far_enough = of_kind.made(size + 40)
    assert encode_plain(block, far_enough) == encode_reference(block, far_enough)
    for limit in (size - 1, size // 2, 100):
        assert encode_plain(block, of_kind.made(limit)) is None


@each_kind
def test_a_resume_at_any_place_of_a_lane_sets_the_same_row_aside(kind: str) -> None:
    of_kind = KINDS[kind]
    plan = of_kind.made(size_of(large_record(of_kind)) - 1)
    block, lanes = of_kind.block(), lane_total(plan)
    at_once = whole(encode_block(block, plan))
    due = by_lane(at_once, lanes)
    for lane in range(lanes):
        for count in range(at_once.rows_by_lane[lane] + 1):
            resumed = whole(encode_block(block, plan, [0] * lane + [count]))
            assert resumed.rows_by_lane == at_once.rows_by_lane
            assert resumed.set_aside == at_once.set_aside
            expected = [of[count:] if at == lane else of for at, of in enumerate(due)]
            assert by_lane(resumed, lanes) == expected


def by_lane(encoded: EncodedBlock, lanes: int) -> list[list[Any]]:
    found: list[list[Any]] = [[] for _ in range(lanes)]
    for batch in encoded.batches:
        found[batch.lane] += [(r.key, r.value, r.headers) for r in records_of(batch)]
    return found


@pytest.mark.parametrize("way", [encode_reference, encode_compiled, encode_block])
def test_a_row_that_is_dropped_is_not_measured(way: Way) -> None:
    drops = '[[drop]]\ncolumn = "id"\nequals = "7"\n'
    kind = Kind(record="", more=drops)
    encoded = way(kind.block(), kind.made(500), ())
    if encoded is not None:
        assert (encoded.rows_by_lane, encoded.set_aside) == ((3, 0), ())


def test_the_bytes_of_a_record_are_those_of_key_value_and_headers() -> None:
    assert record_size(None, b"12") == 2
    assert record_size(b"123", b"12") == 5
    assert record_size(b"", b"12", (("é", b"1"), ("n", None))) == 6


def test_many_large_rows_are_each_set_aside() -> None:
    """More of them than the compiled way leaves."""
    large = b"%d," + b"x" * 900
    data = b"".join((large % n if n % 2 else b"%d,a" % n) + b"\n" for n in range(1, 201))
    block = Block(data, Position(0, 0), Position(len(data), 200), plain=True)
    encoded = whole(encode_block(block, Kind().made(500)))
    assert encoded.rows_by_lane == (100, 100)
    assert encoded == encode_reference(block, Kind().made(500))


def test_a_limit_below_what_any_record_takes_sets_all_aside() -> None:
    """Between what a record has in any case, and what the least one has."""
    for limit in (1, 60, 90):
        for kind in (Kind(), Kind(KEYED), Kind(record="")):
            block = kind.block()
            encoded = whole(encode_block(block, kind.made(limit)))
            assert encoded.rows_by_lane == encode_reference(block, kind.made(limit)).rows_by_lane


# -- dead letters have a limit of their own --------------------------------------------------------

LETTER_ROW = Kind(large="x" * SIZE, row="7,{name},surplus\n")


def test_a_letter_may_be_larger_than_a_record() -> None:
    plan = replace(LETTER_ROW.made(None), max_batch_bytes=2_000, max_record_bytes=2_000)
    for way in (encode_block, encode_reference):
        encoded = way(LETTER_ROW.block(), plan)
        assert whole(encoded).rows_by_lane == (3, 1)


def test_a_letter_that_is_too_large_stops_the_load_and_names_its_own_limit() -> None:
    plan = replace(LETTER_ROW.made(None), letter_limit="max.message.bytes of topic dead")
    encoded = whole(encode_block(LETTER_ROW.block(), plan))
    (letters,) = (batch for batch in encoded.batches if batch.lane == 1)
    size = BATCH_OVERHEAD_BYTES + len(letters.records)
    assert whole(encode_block(LETTER_ROW.block(), replace(plan, max_letter_bytes=size))) == encoded
    stopped = encode_block(LETTER_ROW.block(), replace(plan, max_letter_bytes=size - 1))
    assert stopped.rows_by_lane == (2, 0)
    with refusal(RecordTooLargeError) as caught:
        whole(stopped)
    assert str(caught.value) == (
        f"row 12 at byte 107 of {URI} is to be set aside, and its dead letter makes a batch of "
        f"{size} bytes, the limit is {size - 1}: raise max.message.bytes of topic dead, and run "
        "again"
    )


def test_a_letter_of_a_row_that_is_no_text_has_that_limit_too() -> None:
    data = b"5,a\n6," + b"\xff" * SIZE + b"\n7,c\n"
    block = Block(data, Position(0, 0), Position(len(data), 3), plain=False)
    stopped = encode_block(block, replace(Kind().made(None), max_letter_bytes=2_000))
    with refusal(RecordTooLargeError, match="its dead letter makes a batch of"):
        whole(stopped)
    assert stopped.rows_by_lane == (1, 0)


def test_a_batch_of_letters_is_no_larger_than_their_topic_takes() -> None:
    data = b"".join(b"%d,a,surplus\n" % n for n in range(1, 101))
    block = Block(data, Position(0, 0), Position(len(data), 100), plain=False)
    plan = replace(Kind().made(None), max_letter_bytes=2_000)
    encoded = whole(encode_block(block, plan))
    sizes = [BATCH_OVERHEAD_BYTES + len(batch.records) for batch in encoded.batches]
    assert encoded.rows_by_lane == (0, 100)
    assert len(sizes) > 1
    assert max(sizes) <= 2_000


def test_a_record_that_fits_the_limit_and_not_the_topic_stops_the_load() -> None:
    kind = Kind()
    size = size_of(large_record(kind))
    plan = replace(kind.made(size), max_batch_bytes=2_000, max_record_bytes=size)
    stopped = encode_block(kind.block(), plan)
    assert stopped.rows_by_lane == (2, 0)
    with refusal(RecordTooLargeError, match=r"row 12 .* makes a batch of \d+ bytes"):
        whole(stopped)
