"""The compiled reading of records agrees with what the slow one calls the same, with nothing else;
and the checker's verdict is the same with it and without it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from csvkafka.compiled import compiled_module
from csvkafka.testing.checker import agreement
from csvkafka.testing.checker.agreement import Agreement
from csvkafka.testing.checker.batch_records import PlainBatch
from csvkafka.testing.checker.checker import check
from csvkafka.testing.checker.documented import (
    ColumnKey,
    DocumentedRecord,
    TopicRecord,
    documented_record,
    documented_row_that_is_good,
    read_rows,
)
from csvkafka.testing.checker.expectation import Expectation, IdentifyBy
from csvkafka.testing.checker.record_sizes import DocumentedSizes
from csvkafka.testing.checker.records_ahead import RecordsAhead
from csvkafka.testing.checker.size_limit import SizeLimit, record_size
from csvkafka.testing.checker.verdict import AnomalyKind, CheckpointObservation, Verdict
from tests.unit.testing.checker.agreement_case import check_bytes, check_value, framed, said_by

compiled = compiled_module()
if compiled is None:
    pytest.skip("nothing is compiled, or it is not to be used", allow_module_level=True)

URI = "s3://bucket/key ü.csv"
Rows = list[list[str]]
Topic = dict[int, list[TopicRecord]]

STYLES: dict[str, Callable[[object], bytes]] = {
    "orjson": orjson.dumps,
    "json": lambda record: json.dumps(record).encode(),
    "not escaped": lambda record: json.dumps(record, ensure_ascii=False).encode(),
    "indented": lambda record: json.dumps(record, indent="\t", separators=(" ,", " : ")).encode(),
    "escaped": lambda record: "".join(
        f"\\u{ord(c):04X}" if c in "ilos/" else c for c in json.dumps(record, ensure_ascii=False)
    ).encode(),
}
"""Ways to write the same JSON; the last one escapes letters that no escape of JSON has."""


def record_of(names: Sequence[str], row: Sequence[str], line: int) -> dict[str, object]:
    return {**dict(zip(names, row, strict=True)), "_source_line": line, "_source_file": URI}


def agree(
    value: bytes | None, names: Sequence[str], row: Sequence[str], line: int, **more: object
) -> bool:
    assert compiled is not None
    key = more.get("key")
    section = framed([(key, value)])  # type: ignore[list-item]
    index = more.get("index", -1)
    assert isinstance(index, int)
    return bool(compiled.agreeing(section, 0, [row], [line], tuple(names), URI, index))


# -- one record ----------------------------------------------------------------------------------

TEXTS = st.text(max_size=12) | st.text('"\\/\b\f\n\r\t\x00\x1f aeu€😀', max_size=12)
NAMES = st.lists(
    TEXTS.filter(lambda name: not name.startswith("_source")), min_size=1, max_size=5, unique=True
)
TABLES = NAMES.flatmap(
    lambda names: st.tuples(
        st.just(names), st.lists(TEXTS, min_size=len(names), max_size=len(names))
    )
)


@pytest.mark.parametrize("style", STYLES)
@given(table=TABLES, line=st.integers(1, 2**63))
def test_a_record_agrees_with_its_row_however_it_is_written(
    style: str, table: tuple[list[str], list[str]], line: int
) -> None:
    names, row = table
    value = STYLES[style](record_of(names, row, line))
    assert agree(value, names, row, line)


PIECES = st.sampled_from(
    [
        *(bytes([c]) for c in b'"\\{}:, \t\n0123456789aeu_'),
        b"\\u00",
        b"\\ud83d",
        b"\xc3\xa4",
        b"null",
    ]
)


@given(
    table=TABLES,
    line=st.integers(1, 1000),
    style=st.sampled_from(sorted(STYLES)),
    data=st.data(),
)
def test_what_agrees_is_what_other_parsers_read(
    table: tuple[list[str], list[str]], line: int, style: str, data: st.DataObject
) -> None:
    names, row = table
    value = bytearray(STYLES[style](record_of(names, row, line)))
    for _ in range(data.draw(st.integers(1, 3))):
        begin = data.draw(st.integers(0, len(value)))
        end = data.draw(st.integers(begin, min(len(value), begin + 3)))
        value[begin:end] = data.draw(PIECES | st.binary(max_size=2))
    if agree(bytes(value), names, row, line):
        found = documented_record(URI)(TopicRecord(0, None, bytes(value)))
        assert found == (line, dict(zip(names, row, strict=True)))


@given(TABLES, st.integers(0, 2**64 - 1), st.sampled_from(sorted(STYLES)))
def test_a_record_says_what_an_own_parser_reads_and_nothing_else(
    table: tuple[list[str], list[str]], line: int, style: str
) -> None:
    names, row = table
    value = STYLES[style](record_of(names, row, line))
    said = said_by(value)
    assert said is not None
    assert (said.names, said.row, said.line, said.file) == (tuple(names), row, line, URI)
    check_value(value)


@given(st.integers(0, 7), st.binary(max_size=40))
def test_any_bytes_are_read_as_slow_parsers_read_them(kind: int, data: bytes) -> None:
    check_bytes(bytes([kind]) + data)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{}",
        b'{"a":"1","b":"2","_source_line":7}',
        b'{"a":"1","b":"2","_source_line":7,"_source_file":"s3://bucket/key"}',
        b'{"a":"1","b":"2","_source_line":07,"_source_file":"FILE"}',
        b'{"a":"1","b":"2","_source_line":70,"_source_file":"FILE"}',
        b'{"a":"1","b":"2","_source_line":7.0,"_source_file":"FILE"}',
        b'{"a":"1","b":"2","_source_line":"7","_source_file":"FILE"}',
        b'{"a":"1","b":2,"_source_line":7,"_source_file":"FILE"}',
        b'{"a":"1","b":"2","b":"2","_source_line":7,"_source_file":"FILE"}',
        b'{"a":"1","b":"2","c":"","_source_line":7,"_source_file":"FILE"}',
        b'{"a":"1","_source_line":7,"_source_file":"FILE"}',
        b'{"a":"1","b":"2","_source_line":7,"_source_file":"FILE"} x',
        b'{"a":"1","b":"2","_source_line":7,"_source_file":"FILE"',
        b'["a","1","b","2"]',
        b'{"a":"1","b":"2\\ud800","_source_line":7,"_source_file":"FILE"}',
        b'{"a":"1","b":"\xff","_source_line":7,"_source_file":"FILE"}',
    ],
)
def test_another_record_does_not_agree(value: bytes | None) -> None:
    value = None if value is None else value.replace(b"FILE", URI.encode())
    assert not agree(value, ("a", "b"), ["1", "2"], 7)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("x\ny", b"x\ny"),  # a control character as it stands
        ("\U00011841", b"\\ud83d\\u0041"),  # what half a pair and a letter would make
        ("A", b"\\u41"),
        ("'", b"\\'"),
    ],
)
def test_what_is_no_json_does_not_agree(field: str, text: bytes) -> None:
    value = orjson.dumps(record_of(("a", "b"), ("1", "FIELD"), 7)).replace(b"FIELD", text)
    assert not agree(value, ("a", "b"), ["1", field], 7)


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\\", "a\nb", "a\x1f"])
def test_a_name_that_stands_there_without_its_escapes_does_not_agree(name: str) -> None:
    value = orjson.dumps(record_of((name,), ("1",), 7))
    assert agree(value, (name,), ["1"], 7)
    torn = value.replace(orjson.dumps(name), f'"{name}"'.encode())
    assert torn != value
    assert not agree(torn, (name,), ["1"], 7)


@pytest.mark.parametrize("row", [[], ["1"], ["1", "2", "3"], ["1", "\ud800"]])
def test_a_row_of_another_width_or_with_half_a_character_agrees_with_nothing(
    row: list[str],
) -> None:
    value = orjson.dumps(record_of(("a", "b"), ("1", "2"), 7))
    assert not agree(value, ("a", "b"), row, 7)


def test_a_key_must_be_the_field() -> None:
    value = orjson.dumps(record_of(("a", "b"), ("1", "ü"), 7))
    for key, same in (("ü".encode(), True), (b"\xc3", False), (b"1", False), (None, False)):
        assert agree(value, ("a", "b"), ["1", "ü"], 7, key=key, index=1) is same
        assert agree(value, ("a", "b"), ["1", "ü"], 7, key=key)


@pytest.mark.parametrize("arguments", [(2,), (-2,)])
def test_a_key_that_no_row_has_is_refused(arguments: tuple[int]) -> None:
    with pytest.raises(IndexError):
        agree(b"{}", ("a", "b"), ["1", "2"], 7, index=arguments[0])


# -- a topic -------------------------------------------------------------------------------------


def partition_of(key: bytes | None) -> int:
    return len(key or b"") % 2


def csv_of(rows: Rows) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([["id", "group"], *rows])
    return text.getvalue().encode()


def topic_of(rows: Rows, style: str, partitions: int) -> Topic:
    topic: Topic = {partition: [] for partition in range(partitions)}
    for line, row in enumerate(rows, 1):
        key = row[1].encode()
        log = topic[partition_of(key) if partitions > 1 else 0]
        log.append(TopicRecord(0, key, STYLES[style](record_of(("id", "group"), row, line))))
    return topic


def in_batches(log: Sequence[TopicRecord], size: int) -> RecordsAhead:
    """The records as a topic has them, `size` to a batch, and an empty batch now and then."""
    assert compiled is not None
    batches: list[Sequence[TopicRecord]] = []
    for place in range(0, len(log), size):
        records = log[place : place + size]
        section = framed([(record.key, record.value) for record in records])
        batch = PlainBatch.of(compiled, section, len(records), records[0].kafka_offset)
        assert batch is not None
        batches += [batch, []] if place % 3 else [batch]
    return RecordsAhead(batches)


def verdicts(
    rows: Rows,
    topic: Topic,
    expectation: Expectation,
    checkpoints: Sequence[CheckpointObservation] = (),
    batch_size: int = 400,
) -> tuple[Verdict, Verdict]:
    """With the compiled reading, and without it."""
    source = read_rows(io.BytesIO(csv_of(rows)))
    batches = {partition: in_batches(log, batch_size) for partition, log in topic.items()}
    assert Agreement.of(source, batches, expectation) is not None
    slow_rows = list(read_rows(io.BytesIO(csv_of(rows))))
    return (
        check(source, batches, expectation, checkpoints),
        check(slow_rows, topic, expectation, checkpoints),
    )


GROUPS = st.sampled_from(["x", "yy", "zzz", "ü"])
STEPS = st.sampled_from(
    ["lose", "repeat", "move", "tear", "other key", "foreign", "phantom", "broken", "misplace"]
)


def damage(topic: Topic, step: str, data: st.DataObject) -> None:
    """One fault, at a drawn place."""
    log = topic[data.draw(st.sampled_from(sorted(topic)))]
    if not log:
        return
    index = data.draw(st.integers(0, len(log) - 1))
    record, place = log[index], data.draw(st.integers(0, len(log)))
    value = record.value or b""
    if step in ("lose", "move", "misplace"):
        del log[index]
    if step in ("repeat", "move"):
        log.insert(min(place, len(log)), record)
    elif step == "misplace":
        other = topic[data.draw(st.sampled_from(sorted(topic)))]
        other.insert(min(place, len(other)), record)
    elif step == "tear":
        log[index] = record._replace(value=value.replace(b"i", b"j", 1))
    elif step == "other key":
        log[index] = record._replace(key=b"another")
    elif step in ("foreign", "phantom", "broken"):
        made = {
            "foreign": b'{"a": 1}',
            "phantom": orjson.dumps(record_of(("id", "group"), ("0", "x"), 10_000)),
            "broken": b"{",
        }[step]
        log.insert(place, TopicRecord(0, None, made))


@example(
    row_count=1100, partitions=1, style="orjson", steps=[], first=16, size=400, most=None, data=None
)
@example(
    row_count=1100, partitions=2, style="orjson", steps=[], first=16, size=400, most=95, data=None
)
@given(
    row_count=st.integers(0, 40),
    partitions=st.sampled_from([1, 2]),
    style=st.sampled_from(sorted(STYLES)),
    steps=st.lists(STEPS, max_size=4),
    first=st.sampled_from([1, 3, 16]),
    size=st.sampled_from([1, 2, 7, 40]),
    most=st.none() | st.integers(85, 130),
    data=st.data(),
)
def test_the_verdict_is_the_same_with_the_compiled_reading_and_without_it(
    row_count: int,
    partitions: int,
    style: str,
    steps: list[str],
    first: int,
    size: int,
    most: int | None,
    data: st.DataObject | None,
) -> None:
    """The topic holds rows above the limit too, where there is one (`most` bytes)."""
    groups = ("x", "yy", "zzz", "ü")
    rows = [[f"i{n}", data.draw(GROUPS) if data else groups[n % 4]] for n in range(row_count)]
    topic = topic_of(rows, style, partitions)
    checkpoints = []
    if data is not None:
        for step in steps:
            damage(topic, step, data)
        for _ in range(data.draw(st.integers(0, 3))):
            ends = {p: data.draw(st.integers(0, len(log))) for p, log in topic.items()}
            line = data.draw(st.integers(0, row_count))
            checkpoints.append(CheckpointObservation(line, ends))
    topic = {
        partition: [record._replace(kafka_offset=place) for place, record in enumerate(log)]
        for partition, log in topic.items()
    }
    expectation = Expectation(
        decode=documented_record(URI),
        key_of=ColumnKey("group"),
        partition_of=partition_of if partitions > 1 else None,
        ignore_foreign=data is not None and data.draw(st.booleans()),
        complete=data is None or data.draw(st.booleans()),
        size_limit=limit(most),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agreement, "_FIRST_ROWS", first)
        fast, slow = verdicts(rows, topic, expectation, checkpoints, size)
    assert fast.is_clean or steps or checkpoints or most
    if partitions == 1:
        assert fast.to_json() == slow.to_json()
        return
    # Of a row's copies in several partitions, the other one may be met first.
    assert fast.is_clean == slow.is_clean
    assert facts(fast) == facts(slow)


def limit(most_bytes: int | None) -> SizeLimit | None:
    sizes = DocumentedSizes(lambda line: (URI, line), [URI])
    return None if most_bytes is None else SizeLimit(most_bytes, sizes.size_of, sizes.bound_of)


@pytest.mark.parametrize("above", [0, 1])
@pytest.mark.parametrize("batch_size", [1, 40, 400])
def test_a_row_above_the_limit_is_found_among_many(above: int, batch_size: int) -> None:
    rows = [[f"{n:03}" + "x" * 20 * (n in (0, 170, 399)), "group"] for n in range(400)]
    topic = topic_of(rows, "orjson", 1)
    most_bytes = record_size(topic[0][170]) - above
    expectation = Expectation(decode=documented_record(URI), key_of=ColumnKey("group"))
    expectation = replace(expectation, size_limit=limit(most_bytes))
    topic = {0: [record._replace(kafka_offset=n) for n, record in enumerate(topic[0])]}
    fast, slow = verdicts(rows, topic, expectation, batch_size=batch_size)
    assert fast.to_json() == slow.to_json()
    # Its line has two digits less.
    assert (fast.too_large, fast.count(AnomalyKind.PHANTOM_ROW)) == (2 * above, 2 * above)
    assert fast.row_count == 400 - 2 * above


def test_rows_far_below_a_limit_are_not_read_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    def size_of(*_: object) -> int:
        raise AssertionError("measured")

    monkeypatch.setattr(DocumentedSizes, "size_of", size_of)
    monkeypatch.setattr(DocumentedSizes, "bound_of", size_of)
    rows = [[str(n), "x"] for n in range(3_000)]
    source = read_rows(io.BytesIO(csv_of(rows)))
    expectation = Expectation(documented_record(URI), size_limit=limit(1_000))
    batches = {0: in_batches(topic_of(rows, "json", 1)[0], 1_000)}
    assert check(source, batches, expectation).is_clean


def facts(verdict: Verdict) -> tuple[int, ...]:
    """What does not depend on which partition is read first."""
    kinds = (AnomalyKind.LOST_ROW, AnomalyKind.DUPLICATE_ROW, AnomalyKind.PHANTOM_ROW)
    totals = (verdict.row_count, verdict.record_count, verdict.foreign_count, verdict.rows_found)
    return (*totals, verdict.too_large, *map(verdict.count, kinds))


def test_the_slow_reading_is_left_for_what_disagrees(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [[str(n), "x"] for n in range(3_000)]
    topic = topic_of(rows, "json", 1)
    del topic[0][1_500]
    decode, read = DocumentedRecord.__call__, []
    monkeypatch.setattr(
        DocumentedRecord,
        "__call__",
        lambda self, record: read.append(record) or decode(self, record),  # type: ignore[func-returns-value]
    )
    batches = {0: in_batches(topic[0], 1_000)}
    source = read_rows(io.BytesIO(csv_of(rows)))
    verdict = check(source, batches, Expectation(documented_record(URI)))
    assert verdict.count(AnomalyKind.LOST_ROW) == 1
    assert 0 < len(read) < agreement.MOST_ROWS + 2


@pytest.mark.parametrize("bad", [b"2", b"2,z,surplus", b"2,\xff", b"\xff,z"])
def test_rows_for_the_dead_letter_topic_are_left_out(bad: bytes) -> None:
    data = b"id,group\n1,x\n" + bad + b"\n3,y\n"
    values = [orjson.dumps(record_of(("id", "group"), row, line))
              for row, line in ((("1", "x"), 1), (("3", "y"), 3))]  # fmt: skip
    expectation = Expectation(
        decode=documented_record(URI),
        fields_of=documented_row_that_is_good,
        key_of=ColumnKey("id"),
        partition_of=lambda _: 0,
    )
    keys = (b"1", b"3")
    log = [TopicRecord(n, key, values[n]) for n, key in enumerate(keys)]
    topic = {0: in_batches(log, 2)}
    verdict = check(read_rows(io.BytesIO(data), errors="surrogateescape"), topic, expectation)
    assert (verdict.is_clean, verdict.row_count) == (True, 2)


@pytest.mark.parametrize(
    ("header", "expectation"),
    [
        (b"a,a", Expectation(documented_record(URI))),
        (b"a,_source_line", Expectation(documented_record(URI))),
        (b"a,b", Expectation(documented_record())),
        (b"a,b", Expectation(documented_record(URI), key_of=ColumnKey("c"))),
        (b"a,b", Expectation(documented_record(URI), fields_of=lambda row, _: {"c": len(row)})),
        (b"a,b", Expectation(documented_record(URI), identify_by=IdentifyBy.CONTENT)),
    ],
)
def test_where_records_are_others_the_slow_reading_reads_all(
    header: bytes, expectation: Expectation
) -> None:
    rows = read_rows(io.BytesIO(header + b"\n1,2\n"))
    assert Agreement.of(rows, {0: RecordsAhead([])}, expectation) is None
    by_key = replace(expectation, partition_of=None)
    assert Agreement.of(rows, {0: RecordsAhead([]), 1: RecordsAhead([])}, by_key) is None
