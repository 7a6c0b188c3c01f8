"""The checker names every anomaly that is planted, with its place, and calls nothing else wrong."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from csvkafka.testing.checker.checker import check
from csvkafka.testing.checker.documented import (
    TopicRecord,
    documented_record,
    documented_row,
    read_rows,
)
from csvkafka.testing.checker.expectation import Expectation, IdentifyBy
from csvkafka.testing.checker.row_ledger import Fields, SourceRow
from csvkafka.testing.checker.verdict import (
    Anomaly,
    AnomalyKind,
    CheckpointObservation,
    Place,
    Verdict,
)

URI = "s3://bucket/key.csv"
ROW_COUNT = 20

LOST, DUPLICATE, REORDERED = (
    AnomalyKind.LOST_ROW,
    AnomalyKind.DUPLICATE_ROW,
    AnomalyKind.REORDERED_ROW,
)
TORN, PHANTOM = AnomalyKind.TORN_ROW, AnomalyKind.PHANTOM_ROW
AHEAD, REGRESSED = AnomalyKind.CHECKPOINT_AHEAD, AnomalyKind.CHECKPOINT_REGRESSED
MISCOUNTED = AnomalyKind.CHECKPOINT_MISCOUNTED

Values = list[bytes]
"""The values of one partition, at Kafka offsets 0, 1, 2, ..."""


def source_rows(row_count: int = ROW_COUNT) -> list[SourceRow]:
    return [{"id": str(line), "group": f"g{line % 3}"} for line in range(1, row_count + 1)]


def value(line: int, **changed: object) -> bytes:
    row: SourceRow = source_rows(line)[-1] if line > 0 else {"id": str(line), "group": "g"}
    record: SourceRow = {**row, "_source_line": line, "_source_file": URI}
    return json.dumps({**record, **changed}).encode()


def correct(row_count: int = ROW_COUNT) -> Values:
    return [value(line) for line in range(1, row_count + 1)]


def records(values: Sequence[bytes | None], key: bytes | None = None) -> list[TopicRecord]:
    return [TopicRecord(kafka_offset, key, value) for kafka_offset, value in enumerate(values)]


def judge(values: Sequence[bytes | None], expectation: Expectation | None = None) -> Verdict:
    return check(source_rows(), {0: records(values)}, expectation)


def found(verdict: Verdict) -> dict[AnomalyKind, int]:
    return {anomaly.kind: anomaly.count for anomaly in verdict.anomalies}


def place(verdict: Verdict, kind: AnomalyKind) -> tuple[int | None, int | None, int | None]:
    anomaly = verdict.anomaly(kind)
    assert anomaly is not None
    return anomaly.first.partition, anomaly.first.kafka_offset, anomaly.first.source_line


def test_a_correct_topic_is_clean() -> None:
    verdict = judge(correct())
    assert verdict.is_clean
    assert (verdict.row_count, verdict.record_count, verdict.rows_found) == (20, 20, 20)
    assert str(verdict) == "clean: 20 records, 20 of 20 rows"


def test_an_empty_source_and_an_empty_topic_are_clean() -> None:
    assert check([], {0: []}).is_clean


# -- each anomaly alone --------------------------------------------------------------------------


def test_a_lost_row_is_named_with_its_line() -> None:
    values = correct()
    del values[6]
    verdict = judge(values)
    assert found(verdict) == {LOST: 1}
    assert place(verdict, LOST) == (None, None, 7)


def test_rows_lost_at_the_end_are_counted() -> None:
    verdict = judge(correct()[:15])
    assert found(verdict) == {LOST: 5}
    assert place(verdict, LOST) == (None, None, 16)


def test_an_empty_topic_has_lost_all_rows() -> None:
    assert found(judge([])) == {LOST: 20}
    assert found(check(source_rows(), {})) == {LOST: 20}


def test_a_replay_after_a_kill_is_duplicates_and_not_reordering() -> None:
    verdict = judge(correct()[:10] + correct()[5:])
    assert found(verdict) == {DUPLICATE: 5}
    assert place(verdict, DUPLICATE) == (0, 10, 6)


def test_a_row_that_comes_late_is_reordered_and_not_lost() -> None:
    values = correct()
    values.insert(12, values.pop(3))
    verdict = judge(values)
    assert found(verdict) == {REORDERED: 1}
    assert place(verdict, REORDERED) == (0, 12, 4)


def test_a_batch_appended_late_is_reordered() -> None:
    values = correct()
    verdict = judge(values[:5] + values[10:15] + values[5:10] + values[15:])
    assert found(verdict) == {REORDERED: 5}
    assert place(verdict, REORDERED) == (0, 10, 6)


@pytest.mark.parametrize(
    "torn",
    [
        value(9, id="8"),
        value(9, id=9),
        value(9, surplus=""),
        value(9).replace(b'"id": "9", ', b""),
        value(9, group=None),
    ],
)
def test_another_content_is_a_torn_row(torn: bytes) -> None:
    values = correct()
    values[8] = torn
    verdict = judge(values)
    assert found(verdict) == {TORN: 1}
    assert place(verdict, TORN) == (0, 8, 9)


@pytest.mark.parametrize(
    "broken", [b"", b"{", value(9)[:-4], b"\xff", b"[1]", b"[" * 300 + b"]" * 300, b"9", None]
)
def test_a_value_that_is_no_json_object_is_a_torn_row_and_the_row_is_lost(
    broken: bytes | None,
) -> None:
    values: list[bytes | None] = [*correct()]
    values[8] = broken
    verdict = judge(values)
    assert found(verdict) == {TORN: 1, LOST: 1}
    assert place(verdict, TORN) == (0, 8, None)
    assert place(verdict, LOST) == (None, None, 9)


def test_a_late_row_with_another_content_is_reordered_and_torn() -> None:
    values = correct()
    del values[3]
    verdict = judge([*values, value(4, id="x")])
    assert found(verdict) == {REORDERED: 1, TORN: 1}
    assert place(verdict, TORN) == (0, 19, 4)


def test_a_late_row_with_its_content_is_not_torn_whatever_the_order_of_its_fields() -> None:
    values = correct()
    del values[3]
    late = json.loads(value(4))
    turned = json.dumps(dict(reversed(late.items()))).encode()
    assert found(judge([*values, turned])) == {REORDERED: 1}


@pytest.mark.parametrize("line", [-1, 0, 21, 10**9])
def test_a_line_that_the_source_does_not_have_is_a_phantom_row(line: int) -> None:
    values = correct()
    values.insert(4, json.dumps({"_source_line": line, "_source_file": URI}).encode())
    verdict = judge(values)
    assert found(verdict) == {PHANTOM: 1}
    assert place(verdict, PHANTOM) == (0, 4, line)


FOREIGN = [
    b'{"id":"1","group":"g1"}',
    value(1).replace(b"key.csv", b"other.csv"),
    value(1, _source_line="1"),
    value(1, _source_line=True),
    b'{"deep": ' + b"[" * 300 + b"]" * 300 + b"}",
]


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_record_of_another_writer_is_a_phantom_row_or_ignored_on_request(foreign: bytes) -> None:
    values = [*correct()[:7], foreign, *correct()[7:]]
    verdict = judge(values, Expectation(documented_record(URI)))
    assert found(verdict) == {PHANTOM: 1}
    assert place(verdict, PHANTOM) == (0, 7, None)
    ignored = judge(values, Expectation(documented_record(URI), ignore_foreign=True))
    assert ignored.is_clean
    assert ignored.foreign_count == 1


def test_what_another_producer_sent_for_a_row_without_a_record_is_left_alone() -> None:
    """A row that was set aside, and replayed."""
    values = correct()
    del values[2]

    def judged(first_of_another: int, *more: int) -> dict[AnomalyKind, int]:
        expectation = Expectation(
            documented_record(URI),
            fields_of=lambda row, line: None if line == 3 else documented_row(row, line),
            ignore_foreign=True,
            is_of_another=lambda _, kafka_offset: kafka_offset >= first_of_another,
        )
        return found(judge([*values, *map(value, more)], expectation))

    assert judged(19, 3) == {}
    assert judged(20, 3) == {PHANTOM: 1}, "the job itself set the row aside, and sent it too"
    assert judged(19, 3, 4) == {DUPLICATE: 1}, "a row that the job sent is not another's"


# -- combinations --------------------------------------------------------------------------------


def test_all_anomalies_at_once_are_each_counted() -> None:
    values = correct()
    mixed = [
        *values[:4],
        values[2],  # duplicate
        values[5],  # row 5 is lost
        values[7],
        values[6],  # reordered
        value(9, id="x"),  # torn
        value(99),  # phantom
        *values[9:],
        values[19],  # duplicate
        values[8],  # a duplicate of the torn row
    ]
    verdict = judge(mixed)
    assert found(verdict) == {LOST: 1, DUPLICATE: 3, REORDERED: 1, TORN: 1, PHANTOM: 1}
    assert place(verdict, LOST) == (None, None, 5)
    assert place(verdict, DUPLICATE) == (0, 4, 3)
    assert place(verdict, REORDERED) == (0, 7, 7)
    assert place(verdict, TORN) == (0, 8, 9)
    assert place(verdict, PHANTOM) == (0, 9, 99)
    assert "lost-row x 1, first at source line 5" in str(verdict)
    assert json.loads(json.dumps(verdict.to_json()))["is_clean"] is False


def test_a_whole_file_sent_twice_is_duplicates_only() -> None:
    assert found(judge(correct() + correct())) == {DUPLICATE: 20}


def test_places_are_limited_and_the_count_goes_on() -> None:
    verdict = check(source_rows(1000), {0: []})
    (anomaly,) = verdict.anomalies
    assert anomaly.count == 1000
    assert [place.source_line for place in anomaly.places] == list(range(1, 11))


# -- several partitions --------------------------------------------------------------------------


def key_of(row: SourceRow) -> bytes:
    return str(row["group"]).encode()


def partition_of(key: bytes | None) -> int:
    return 1 if key == b"g1" else 0


KEYED = Expectation(key_of=key_of)
PLACED = Expectation(key_of=key_of, partition_of=partition_of)
Topic = dict[int, list[TopicRecord]]


def keyed_topic(row_count: int = ROW_COUNT) -> Topic:
    topic: Topic = {0: [], 1: [], 2: []}
    for line, row in enumerate(source_rows(row_count), 1):
        log = topic[partition_of(key_of(row))]
        log.append(TopicRecord(len(log), key_of(row), value(line)))
    return topic


@pytest.mark.parametrize("expectation", [None, KEYED, PLACED])
def test_a_correct_keyed_topic_is_clean(expectation: Expectation | None) -> None:
    assert check(source_rows(), keyed_topic(), expectation).is_clean


def test_partitions_that_interleave_in_any_way_are_clean() -> None:
    values = correct()
    topic = {0: records(values[10:]), 1: records(values[:10])}
    assert check(source_rows(), topic).is_clean


def test_a_duplicate_in_another_partition_is_found() -> None:
    topic = keyed_topic()
    topic[2].append(TopicRecord(0, b"g1", value(4)))
    verdict = check(source_rows(), topic)
    assert found(verdict) == {DUPLICATE: 1}
    assert place(verdict, DUPLICATE) == (2, 0, 4)


def test_a_late_row_in_one_of_several_partitions_is_reordered() -> None:
    topic = keyed_topic()
    topic[0].insert(9, topic[0].pop(1))
    verdict = check(source_rows(), topic, KEYED)
    assert found(verdict) == {REORDERED: 1}
    assert place(verdict, REORDERED)[::2] == (0, 3)


def test_a_key_in_two_partitions_is_reordered() -> None:
    topic = keyed_topic()
    topic[2].append(topic[1].pop())
    verdict = check(source_rows(), topic, KEYED)
    assert found(verdict) == {REORDERED: 1}
    assert place(verdict, REORDERED) == (2, 6, 19)
    assert check(source_rows(), topic).is_clean  # without keys nothing says where it belongs


def test_a_row_in_another_partition_than_its_rule_says_is_reordered() -> None:
    topic = {partition + 1: log for partition, log in keyed_topic().items()}
    verdict = check(source_rows(), topic, PLACED)
    assert found(verdict) == {REORDERED: 20}


def test_another_key_is_a_torn_row() -> None:
    topic = keyed_topic()
    topic[0][2] = topic[0][2]._replace(key=b"g0x")
    assert found(check(source_rows(), topic, KEYED)) == {TORN: 1}
    late = topic[0].pop(2)
    topic[0].append(late)
    assert found(check(source_rows(), topic, KEYED)) == {TORN: 1, REORDERED: 1}


# -- a load that still goes on -------------------------------------------------------------------


def test_a_prefix_is_clean_while_the_load_goes_on_and_a_gap_is_not() -> None:
    going_on = Expectation(complete=False)
    assert judge(correct()[:12], going_on).is_clean
    assert judge([], going_on).is_clean
    verdict = judge(correct()[:5] + correct()[6:12], going_on)
    assert found(verdict) == {LOST: 1}
    assert place(verdict, LOST) == (None, None, 6)


def test_each_partition_holds_a_prefix_while_the_load_goes_on() -> None:
    going_on = Expectation(key_of=key_of, partition_of=partition_of, complete=False)
    topic = keyed_topic()
    del topic[0][8:], topic[1][2:]
    assert check(source_rows(), topic, going_on).is_clean
    del topic[0][5]
    verdict = check(source_rows(), topic, going_on)
    assert found(verdict) == {LOST: 1}
    assert place(verdict, LOST) == (0, None, 9)


# -- other records -------------------------------------------------------------------------------


def test_a_transform_and_rows_that_go_elsewhere() -> None:
    def fields_of(row: SourceRow, line: int) -> Fields | None:
        return None if line % 5 == 0 else {"number": line, "id": row["id"]}

    lines = [line for line in range(1, 21) if line % 5]
    values = [
        json.dumps({"number": n, "id": str(n), "_source_line": n, "_source_file": URI}).encode()
        for n in lines
    ]
    expectation = Expectation(fields_of=fields_of)
    verdict = judge(values, expectation)
    assert verdict.is_clean
    assert verdict.row_count == 16
    for after in (3, 8):
        surplus = json.dumps({"number": 5, "_source_line": 5, "_source_file": URI}).encode()
        verdict = judge([*values[:after], surplus, *values[after:]], expectation)
        assert found(verdict) == {PHANTOM: 1}


def csv_line(record: TopicRecord) -> tuple[int | None, Mapping[str, object] | None]:
    fields = (record.value or b"").decode().split(",")
    return None, dict(zip(("id", "group"), fields, strict=False)) if len(fields) == 2 else None


BY_CONTENT = Expectation(csv_line, identify_by=IdentifyBy.CONTENT)
RAW = [f"{row['id']},{row['group']}".encode() for row in source_rows()]


def replaced(values: Sequence[bytes], index: int, new: bytes) -> Values:
    return [*values[:index], new, *values[index + 1 :]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (RAW, {}),
        (RAW[:4] + RAW[5:], {LOST: 1}),
        (RAW[:10] + RAW[5:], {DUPLICATE: 5}),
        (RAW[:3] + RAW[4:12] + RAW[3:4] + RAW[12:], {REORDERED: 1}),
        (replaced(RAW, 6, b"7,no"), {PHANTOM: 1, LOST: 1}),
        (replaced(RAW, 6, b"7"), {TORN: 1, LOST: 1}),
    ],
)
def test_rows_are_known_by_their_content(values: Values, expected: dict[AnomalyKind, int]) -> None:
    assert found(judge(values, BY_CONTENT)) == expected


def test_equal_rows_are_told_apart_by_their_order() -> None:
    rows: list[SourceRow] = [{"id": name, "group": ""} for name in "abacabaaa"]
    raw = [f"{row['id']},".encode() for row in rows]

    def judged(values: Values) -> dict[AnomalyKind, int]:
        return found(check(rows, {0: records(values)}, BY_CONTENT))

    assert judged(raw) == {}
    assert judged(raw[:2] + raw[:2] + raw[2:])[DUPLICATE] == 2
    assert judged([*raw, raw[0]]) == {DUPLICATE: 1}
    assert judged(raw[1:]) == {LOST: 1}
    assert judged(raw[:-1]) == {LOST: 1}
    assert judged(raw[:3] + raw[4:] + raw[3:4]) == {REORDERED: 1}


def test_rows_known_by_content_in_several_partitions() -> None:
    topic = {0: records(RAW[::2]), 1: records(RAW[1::2])}
    assert check(source_rows(), topic, BY_CONTENT).is_clean
    topic[1].append(TopicRecord(99, None, RAW[4]))
    verdict = check(source_rows(), topic, BY_CONTENT)
    assert found(verdict) == {DUPLICATE: 1}
    assert place(verdict, DUPLICATE) == (1, 99, 5)


# -- checkpoints ---------------------------------------------------------------------------------


def seen(*observations: tuple[int, int]) -> list[CheckpointObservation]:
    """(last_line, end offset of partition 0)."""
    return [CheckpointObservation(line, {0: end}) for line, end in observations]


def checkpoint_anomalies(
    observations: list[CheckpointObservation], values: Values | None = None
) -> dict[AnomalyKind, Place]:
    topic = {0: records(correct() if values is None else values)}
    verdict = check(source_rows(), topic, None, observations)
    return {
        anomaly.kind: anomaly.first
        for anomaly in verdict.anomalies
        if anomaly.kind in (AHEAD, REGRESSED)
    }


def test_checkpoints_at_or_behind_the_topic_are_clean() -> None:
    assert checkpoint_anomalies(seen((0, 0), (5, 5), (5, 9), (20, 20))) == {}


def test_a_checkpoint_ahead_of_the_topic_is_named_with_the_row_that_it_covers_too_early() -> None:
    anomalies = checkpoint_anomalies(seen((5, 5), (8, 7), (20, 20)))
    assert anomalies.keys() == {AHEAD}
    assert (anomalies[AHEAD].partition, anomalies[AHEAD].source_line) == (0, 8)


def test_duplicates_do_not_hide_a_checkpoint_that_is_ahead() -> None:
    values = correct()[:5] + correct()[:5] + correct()[5:]
    anomalies = checkpoint_anomalies(seen((8, 10)), values)
    assert anomalies[AHEAD].source_line == 6


def test_a_checkpoint_over_a_row_that_never_came_is_ahead() -> None:
    values = correct()
    del values[3]
    assert checkpoint_anomalies(seen((3, 3)), values) == {}
    anomalies = checkpoint_anomalies(seen((4, 19)), values)
    assert (anomalies[AHEAD].partition, anomalies[AHEAD].source_line) == (None, 4)


def test_a_checkpoint_that_goes_back_is_regressed() -> None:
    anomalies = checkpoint_anomalies(seen((5, 5), (12, 12), (9, 13), (10, 14), (20, 20)))
    assert anomalies.keys() == {REGRESSED}
    assert anomalies[REGRESSED].source_line == 9
    assert "covered 12 before" in anomalies[REGRESSED].detail


def test_checkpoints_are_judged_in_each_partition() -> None:
    topic = keyed_topic()
    rows, expectation = source_rows(), PLACED
    fine = [CheckpointObservation(6, {0: 4, 1: 2, 2: 0})]
    ahead = [CheckpointObservation(7, {0: 4, 1: 2, 2: 0})]
    assert check(rows, topic, expectation, fine).is_clean
    verdict = check(rows, topic, expectation, ahead)
    assert found(verdict) == {AHEAD: 1}
    assert place(verdict, AHEAD) == (1, None, 7)


@pytest.mark.parametrize("identify_by", IdentifyBy)
def test_a_checkpoint_counts_the_records_of_the_rows_that_it_covers(
    identify_by: IdentifyBy,
) -> None:
    def is_dropped(row: SourceRow) -> bool:
        return row["id"] in {"1", "6", "7", "20"}

    def fields_of(row: SourceRow, line: int) -> Fields | None:
        is_bad = row["id"] == "9"
        return None if is_bad or is_dropped(row) else documented_row(row, line)

    expectation = replace(
        Expectation(), fields_of=fields_of, is_dropped=is_dropped, identify_by=identify_by
    )
    values = [value(line) for line in range(1, 21) if line not in {1, 6, 7, 9, 20}]

    def judged(*counted: tuple[int, int | None]) -> Verdict:
        observations = [
            CheckpointObservation(line, {0: 20}, total_sent=sent) for line, sent in counted
        ]
        return check(source_rows(), {0: records(values)}, expectation, observations)

    # The ninth row is a dead letter, which is a record too.
    verdict = judged((0, 0), (1, 0), (6, 4), (7, 4), (9, 6), (12, None), (20, 16))
    assert verdict.is_clean, verdict
    assert (verdict.row_count, verdict.dropped) == (15, 4)
    for line, due in ((1, 0), (6, 4), (7, 4), (20, 16)):
        for sent in (due - 1, due + 1):
            assert found(judged((line, sent))) == {MISCOUNTED: 1}
    anomaly = judged((7, 4), (20, 20)).anomaly(MISCOUNTED)
    assert anomaly is not None
    assert str(anomaly.first) == "source line 20: says 20 records sent of 20 rows, due: 16"


# -- reading the source --------------------------------------------------------------------------


def test_the_source_is_what_dict_reader_says() -> None:
    data = '\ufeffa,"b\n1"\r\n\r\n1,"x\r\ny"\r\n2,3,4,5\r\n6\r\n'.encode() + b'7,"' + b"x" * 200_000
    rows = list(read_rows(io.BytesIO(data + b'"')))
    assert rows == [
        {"a": "1", "b\n1": "x\r\ny"},
        {"a": "2", "b\n1": "3", None: ["4", "5"]},
        {"a": "6", "b\n1": None},
        {"a": "7", "b\n1": "x" * 200_000},
    ]


def test_surplus_and_missing_fields_and_metadata_columns_are_as_documented() -> None:
    rows = read_rows(io.BytesIO(b"a,_source_line\n1,2,3\n4\n"))
    values = [
        b'{"a":"1","_source_line":1,"null":["3"],"_source_file":"s3://b/k"}',
        b'{"a":"4","_source_line":2,"_source_file":"s3://b/k"}',
    ]
    assert check(rows, {0: records(values)}).is_clean


# -- any mutation of any topic -------------------------------------------------------------------

Mutation = Callable[[Topic, st.DataObject], tuple[AnomalyKind, int]]
"""Damages the topic; the anomaly that must be named, and its source line."""


def any_place(topic: Topic, data: st.DataObject) -> tuple[int, int]:
    places = [(partition, index) for partition in topic for index in range(len(topic[partition]))]
    assume(places)
    return data.draw(st.sampled_from(places))


def line_of(record: TopicRecord) -> int:
    line = json.loads(record.value or b"")["_source_line"]
    assert isinstance(line, int)
    return line


def lose(topic: Topic, data: st.DataObject) -> tuple[AnomalyKind, int]:
    partition, index = any_place(topic, data)
    return LOST, line_of(topic[partition].pop(index))


def duplicate(topic: Topic, data: st.DataObject) -> tuple[AnomalyKind, int]:
    partition, index = any_place(topic, data)
    record = topic[partition][index]
    other = data.draw(st.sampled_from(sorted(topic)))
    topic[other].insert(data.draw(st.integers(0, len(topic[other]))), record)
    return DUPLICATE, line_of(record)


def reorder(topic: Topic, data: st.DataObject) -> tuple[AnomalyKind, int]:
    partition, index = any_place(topic, data)
    log = topic[partition]
    assume(index + 1 < len(log))
    record = log.pop(index)
    log.insert(data.draw(st.integers(index + 1, len(log))), record)
    return REORDERED, line_of(record)


def misplace(topic: Topic, data: st.DataObject) -> tuple[AnomalyKind, int]:
    partition, index = any_place(topic, data)
    record = topic[partition].pop(index)
    other = data.draw(st.sampled_from([p for p in topic if p != partition]))
    rank = sum(line_of(there) < line_of(record) for there in topic[other])
    topic[other].insert(rank, record)
    return REORDERED, line_of(record)


def tear(topic: Topic, data: st.DataObject) -> tuple[AnomalyKind, int]:
    partition, index = any_place(topic, data)
    record = topic[partition][index]
    fields = json.loads(record.value or b"")
    fields[data.draw(st.sampled_from(["id", "group"]))] = data.draw(
        st.sampled_from(["torn", None, 1, ""])
    )
    topic[partition][index] = record._replace(value=json.dumps(fields).encode())
    return TORN, line_of(record)


def invent(topic: Topic, data: st.DataObject) -> tuple[AnomalyKind, int]:
    row_count = sum(map(len, topic.values()))
    line = data.draw(st.one_of(st.integers(-5, 0), st.integers(row_count + 1, row_count + 50)))
    partition = data.draw(st.sampled_from(sorted(topic)))
    log = topic[partition]
    record = TopicRecord(0, None, value(line))
    log.insert(data.draw(st.integers(0, len(log))), record)
    return PHANTOM, line


@pytest.mark.parametrize("mutation", [lose, duplicate, reorder, misplace, tear, invent])
@given(row_count=st.integers(1, 30), data=st.data())
def test_no_damaged_topic_is_clean_and_the_damage_is_named(
    mutation: Mutation, row_count: int, data: st.DataObject
) -> None:
    topic = keyed_topic(row_count)
    kind, line = mutation(topic, data)
    topic = {
        partition: [record._replace(kafka_offset=place) for place, record in enumerate(log)]
        for partition, log in topic.items()
    }
    verdict = check(source_rows(row_count), topic, PLACED)
    anomaly = verdict.anomaly(kind)
    assert anomaly is not None, str(verdict)
    assert line in [place.source_line for place in anomaly.places] or kind is DUPLICATE
    assert_counts_add_up(verdict, topic)


def assert_counts_add_up(verdict: Verdict, topic: Topic) -> None:
    record_count = sum(map(len, topic.values()))
    surplus = verdict.count(DUPLICATE) + verdict.count(PHANTOM)
    assert verdict.record_count == record_count == verdict.rows_found + surplus
    assert verdict.rows_found + verdict.count(LOST) == verdict.row_count


@given(data=st.data(), row_count=st.integers(1, 12))
def test_any_records_in_any_order_are_counted_like_a_multiset(
    data: st.DataObject, row_count: int
) -> None:
    lines = data.draw(st.lists(st.tuples(st.integers(0, 2), st.integers(-1, row_count + 2))))
    topic: Topic = {0: [], 1: [], 2: []}
    for partition, line in lines:
        topic[partition].append(TopicRecord(len(topic[partition]), None, value(line)))
    verdict = check(source_rows(row_count), topic)
    copies = Counter(line for _, line in lines if 1 <= line <= row_count)
    assert verdict.count(PHANTOM) == len(lines) - copies.total()
    assert verdict.count(DUPLICATE) == copies.total() - len(copies)
    assert verdict.count(LOST) == row_count - len(copies)
    assert verdict.count(TORN) == 0
    assert_counts_add_up(verdict, topic)


def test_an_anomaly_says_where_it_is() -> None:
    anomaly = Anomaly(DUPLICATE, 2, (Place(1, 17, 4), Place(1, 18, 5, "so")))
    assert str(anomaly) == "duplicate-row x 2, first at partition 1, Kafka offset 17, source line 4"


def test_a_record_with_a_key_twice_is_torn_whichever_value_a_parser_keeps() -> None:
    rows = read_rows(io.BytesIO(b"id,null\n1,a,extra\n2,b\n3,c\n"))
    values = [
        b'{"id":"1","null":"a","null":["extra"],"_source_line":1,"_source_file":"s3://b/k"}',
        b'{"id":"9", "id": "2", "null": "b", "_source_line": 2, "_source_file": "s3://b/k"}',
        b'{"id": "3", "null": "c", "_source_line": 3, "_source_file": "s3://b/k"}',
    ]
    verdict = check(rows, {0: records(values)})
    assert found(verdict) == {AnomalyKind.TORN_ROW: 2}


def test_surplus_fields_stand_under_a_name_that_no_column_has() -> None:
    rows = read_rows(io.BytesIO(b"null,null_2\n1,a,extra\n"))
    value = (
        b'{"null":"1","null_2":"a","null_3":["extra"],"_source_line":1,"_source_file":"s3://b/k"}'
    )
    assert check(rows, {0: records([value])}).is_clean


def test_a_source_without_quotes_after_skipped_lines() -> None:
    data = b'# made by x\rid,name\n1,"open\n2,b"c\n'
    rows = list(read_rows(io.BytesIO(data), quotechar="", skipped_lines=1))
    assert [row["name"] for row in rows] == ['"open', 'b"c']


def in_streams_of_five(**more: Any) -> Expectation:
    return Expectation(
        decode=documented_record(URI), stream_of=lambda line: (line - 1) // 5, **more
    )


INTERLEAVED = [6, 1, 11, 7, 2, 16, 17, 3, 12, 4, 5, 8, 9, 18, 10, 13, 14, 19, 15, 20]


def test_order_within_streams_allows_streams_that_interleave() -> None:
    values = [value(line) for line in INTERLEAVED]
    assert judge(values, in_streams_of_five()).is_clean
    assert {each.kind for each in judge(values).anomalies} == {REORDERED}


@pytest.mark.parametrize(
    ("lines", "kind", "line"),
    [
        ([6, 1, 11, 7, 3, 16, 17, 2, *INTERLEAVED[8:]], REORDERED, 2),
        ([line for line in INTERLEAVED if line != 8], LOST, 8),
        ([*INTERLEAVED, 12], DUPLICATE, 12),
    ],
)
def test_each_anomaly_is_found_within_streams(
    lines: list[int], kind: AnomalyKind, line: int
) -> None:
    verdict = judge([value(each) for each in lines], in_streams_of_five())
    (anomaly,) = verdict.anomalies
    assert (anomaly.kind, anomaly.places[0].source_line) == (kind, line)


def test_of_an_unfinished_load_only_rows_before_the_last_of_their_stream_are_lost() -> None:
    values = [value(line) for line in INTERLEAVED[:8] if line != 6]
    (anomaly,) = judge(values, in_streams_of_five(complete=False)).anomalies
    assert (anomaly.kind, anomaly.places[0].source_line) == (LOST, 6)


def test_streams_of_rows_told_by_content_are_not_judged_by_order() -> None:
    values = [value(line) for line in INTERLEAVED]
    verdict = judge(values, in_streams_of_five(identify_by=IdentifyBy.CONTENT))
    assert verdict.is_clean
    assert "order was not judged" in str(verdict.notes)
