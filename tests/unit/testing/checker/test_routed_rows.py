"""Rows in several topics are judged together: what is in the wrong one, in two, or in none."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from csvkafka.config.load_config import LoadConfig
from csvkafka.schema.declaration import read_table
from csvkafka.testing.checker.checker import check
from csvkafka.testing.checker.documented import TopicRecord
from csvkafka.testing.checker.expectation import PER_TOPIC, Expectation, IdentifyBy, number_of
from csvkafka.testing.checker.job_expectation import expectation_of
from csvkafka.testing.checker.row_ledger import SourceRow
from csvkafka.testing.checker.verdict import AnomalyKind, CheckpointObservation, Verdict
from tests.routes import ROUTES
from tests.unit.testing.checker.test_job_expectation import CONFIG

TABLE = """
[record]
undeclared = "string"

[columns]
country = { drop = true }
""" + ROUTES.format(middle="middle", south="south")
COUNTRIES = ("DE", "IT", "FR", "AT", "FR", "IT", "DE", "XX", "", "IT", "AT", "FR")
DUE = {"DE": 1, "AT": 1, "IT": 2}
LOST, DUPLICATE, REORDERED, AHEAD = (
    AnomalyKind.LOST_ROW,
    AnomalyKind.DUPLICATE_ROW,
    AnomalyKind.REORDERED_ROW,
    AnomalyKind.CHECKPOINT_AHEAD,
)

Topics = list[list[int]]
"""The rows in the one partition of each topic, by the topic's number."""


def config(table: str = TABLE) -> LoadConfig:
    declared = read_table(table, "columns.toml")
    return replace(CONFIG, spec=replace(CONFIG.spec, table=declared))


def source() -> list[SourceRow]:
    return [{"id": str(line), "country": text} for line, text in enumerate(COUNTRIES, 1)]


def correct() -> Topics:
    topics: Topics = [[], [], []]
    for line, country in enumerate(COUNTRIES, 1):
        topics[DUE.get(country, 0)].append(line)
    return topics


def record(kafka_offset: int, line: int) -> TopicRecord:
    fields = {"id": str(line), "_source_line": line, "_source_file": "s3://data/rows.csv"}
    return TopicRecord(kafka_offset, None, json.dumps(fields).encode())


def judged(
    topics: Topics,
    *observations: CheckpointObservation,
    complete: bool = True,
    by: IdentifyBy = IdentifyBy.LINE,
) -> Verdict:
    expectation = replace(
        expectation_of(config(), partition_count=1), complete=complete, identify_by=by
    )
    records = {
        number_of(topic, 0): [record(*each) for each in enumerate(lines)]
        for topic, lines in enumerate(topics)
    }
    return check(source(), records, expectation, observations)


def found(verdict: Verdict) -> dict[AnomalyKind, int]:
    return {anomaly.kind: anomaly.count for anomaly in verdict.anomalies}


def first(verdict: Verdict, kind: AnomalyKind) -> str:
    anomaly = verdict.anomaly(kind)
    assert anomaly is not None
    return str(anomaly.first)


def test_rows_that_are_in_their_topics_are_clean() -> None:
    ends = {number_of(topic, 0): len(lines) for topic, lines in enumerate(correct())}
    verdict = judged(correct(), CheckpointObservation(12, ends, total_sent=12))
    assert verdict.is_clean, verdict
    assert (verdict.row_count, verdict.rows_found) == (12, 12)


@pytest.mark.parametrize("line", [1, 4, 12])
def test_a_row_in_another_topic_than_its_own_is_named_with_both(line: int) -> None:
    topics = correct()
    names = ("rows", "middle", "south")
    (due,) = (topic for topic, lines in enumerate(topics) if line in lines)
    wrong = (due + 1) % 3
    topics[due].remove(line)
    topics[wrong] = sorted([*topics[wrong], line])
    verdict = judged(topics)
    assert found(verdict) == {REORDERED: 1}
    assert first(verdict, REORDERED) == (
        f"topic {names[wrong]}, partition 0, Kafka offset {topics[wrong].index(line)}, source line "
        f"{line}: belongs to partition 0 of topic {names[due]}"
    )


@pytest.mark.parametrize("line", [1, 6, 12])
@pytest.mark.parametrize("other", [1, 2])
def test_a_row_in_two_topics_is_there_twice(line: int, other: int) -> None:
    topics = correct()
    (due,) = (topic for topic, lines in enumerate(topics) if line in lines)
    wrong = (due + other) % 3
    topics[wrong] = sorted([*topics[wrong], line])
    assert found(judged(topics)).get(DUPLICATE) == 1


@pytest.mark.parametrize("line", range(1, 13))
def test_a_row_in_none_is_lost(line: int) -> None:
    topics = [[each for each in lines if each != line] for lines in correct()]
    verdict = judged(topics)
    assert found(verdict) == {LOST: 1}
    due = ("rows", "middle", "south")[DUE.get(COUNTRIES[line - 1], 0)]
    assert first(verdict, LOST) == f"topic {due}, partition 0, source line {line}"


def test_while_a_load_is_under_way_each_topic_may_end_where_it_does() -> None:
    topics = [lines[:-1] for lines in correct()]
    assert judged(topics, complete=False).is_clean
    topics[1] = topics[1][1:]
    assert found(judged(topics, complete=False)) == {LOST: 1}


def test_a_checkpoint_is_held_to_the_ends_of_all_topics() -> None:
    ends = {number_of(topic, 0): len(lines) for topic, lines in enumerate(correct())}
    early = {**ends, number_of(2, 0): 1}
    verdict = judged(correct(), CheckpointObservation(6, early), CheckpointObservation(12, ends))
    assert found(verdict) == {AHEAD: 1}
    assert first(verdict, AHEAD).startswith("topic south, partition 0, source line 6: covered 6")
    assert judged(correct(), CheckpointObservation(5, early)).is_clean


def test_order_holds_in_each_topic() -> None:
    topics = correct()
    topics[2].reverse()
    assert found(judged(topics)) == {REORDERED: 2}


def test_a_row_that_is_late_and_in_another_topic_is_both() -> None:
    topics = correct()
    topics[0].remove(3)
    topics[2].append(3)
    verdict = judged(topics)
    assert found(verdict) == {REORDERED: 2}
    anomaly = verdict.anomaly(REORDERED)
    assert anomaly is not None
    assert [place.detail for place in anomaly.places] == [
        "after 10",
        "belongs to partition 0 of topic rows",
    ]


def test_by_content_a_row_in_another_topic_is_named_too() -> None:
    topics = correct()
    topics[0].remove(3)
    topics[2] = sorted([*topics[2], 3])
    expectation = expectation_of(
        config(TABLE.replace("[record]", '[record]\nmetadata = "none"')), partition_count=1
    )
    assert expectation.identify_by is IdentifyBy.CONTENT
    records = {
        number_of(topic, 0): [
            TopicRecord(at, None, json.dumps({"id": str(line)}).encode())
            for at, line in enumerate(lines)
        ]
        for topic, lines in enumerate(topics)
    }
    verdict = check(source(), records, expectation)
    assert found(verdict) == {REORDERED: 1}
    assert "belongs to partition 0 of topic rows" in first(verdict, REORDERED)


def test_a_key_chooses_among_the_partitions_of_the_rows_own_topic() -> None:
    keyed = config(TABLE.replace("[record]", '[record]\nkey = "id"'))
    expectation = expectation_of(keyed, 2, routed_partitions={"middle": 7, "south": 3})
    assert expectation.number_for is not None
    rows: list[SourceRow] = [{"id": str(number), "country": "DE"} for number in range(200)]
    places = {expectation.number_for(dict(row), str(row["id"]).encode()) for row in rows}
    assert places == {PER_TOPIC + partition for partition in range(7)}


def where_only_topics_are_known(table: str = TABLE) -> Expectation:
    """As of a loader whose partitioner nobody knows."""
    expectation = expectation_of(config(table), partition_count=1)
    return replace(expectation, number_for=None, partition_of=None)


def in_partitions(lines: Topics, key: str | None = None) -> dict[int, list[TopicRecord]]:
    """Each topic's rows turn about in its two partitions; `key` is that of all rows."""
    records: dict[int, list[TopicRecord]] = {}
    for topic, of_topic in enumerate(lines):
        for partition in range(2):
            number = number_of(topic, partition)
            records[number] = [
                record(at, line)._replace(key=None if key is None else key.encode())
                for at, line in enumerate(of_topic[partition::2])
            ]
    return records


def test_where_only_topics_are_known_any_partition_of_the_rows_topic_will_do() -> None:
    assert check(source(), in_partitions(correct()), where_only_topics_are_known()).is_clean


@pytest.mark.parametrize("line", [1, 3, 12])
def test_where_only_topics_are_known_the_one_a_row_belongs_in_is_named(line: int) -> None:
    topics = correct()
    (due,) = (topic for topic, lines in enumerate(topics) if line in lines)
    wrong = (due + 1) % 3
    topics[due].remove(line)
    topics[wrong] = sorted([*topics[wrong], line])
    verdict = check(source(), in_partitions(topics), where_only_topics_are_known())
    assert found(verdict) == {REORDERED: 1}
    name = ("rows", "middle", "south")[due]
    assert first(verdict, REORDERED).endswith(f"source line {line}: belongs to topic {name}")


def test_where_only_topics_are_known_a_lost_row_is_one_of_its_topic() -> None:
    topics = correct()
    topics[2].remove(6)
    verdict = check(source(), in_partitions(topics), where_only_topics_are_known())
    assert found(verdict) == {LOST: 1}
    assert first(verdict, LOST) == "topic south, source line 6"


def test_equal_keys_belong_in_one_partition_of_each_topic() -> None:
    expectation = replace(where_only_topics_are_known(), key_of=lambda _: b"k")
    topics = correct()
    apart = check(source(), in_partitions(topics, "k"), expectation)
    assert found(apart) == {REORDERED: sum(len(lines) // 2 for lines in topics)}
    assert "source line 4: belongs to partition 0 of topic middle" in first(apart, REORDERED)
    together = {
        number_of(topic, topic): [
            record(at, line)._replace(key=b"k") for at, line in enumerate(lines)
        ]
        for topic, lines in enumerate(topics)
    }
    assert check(source(), together, expectation).is_clean


def of_no_line(topics: list[int], *, knows_partitions: bool) -> Verdict:
    """Rows 1 to 4 of those countries are equal without their country; so many records of each
    topic."""
    countries = ("IT", "XX", "DE", "XX")
    table = TABLE.replace("[record]", '[record]\nmetadata = "none"', 1)
    expectation = expectation_of(config(table), partition_count=1)
    if not knows_partitions:
        expectation = replace(expectation, partition_of=None, number_for=None)
    records = {
        number_of(topic, 0): [TopicRecord(n, None, b'{"id":"7"}') for n in range(count)]
        for topic, count in enumerate(topics)
    }
    rows: list[SourceRow] = [{"id": "7", "country": country} for country in countries]
    return check(rows, records, expectation)


@pytest.mark.parametrize("knows_partitions", [True, False])
def test_equal_records_of_rows_of_several_topics_are_told_apart_by_their_topics(
    *, knows_partitions: bool
) -> None:
    assert of_no_line([2, 1, 1], knows_partitions=knows_partitions).is_clean
    twice = of_no_line([3, 1, 1], knows_partitions=knows_partitions)
    assert [(a.kind, a.count) for a in twice.anomalies] == [(DUPLICATE, 1)]
    lost = of_no_line([1, 1, 1], knows_partitions=knows_partitions)
    assert [(a.kind, a.count) for a in lost.anomalies] == [(LOST, 1)]
    # It may as well be the row of its own topic, sent twice.
    misled = of_no_line([2, 0, 2], knows_partitions=knows_partitions)
    assert [(a.kind, a.count) for a in misled.anomalies] == [(LOST, 1), (DUPLICATE, 1)]
