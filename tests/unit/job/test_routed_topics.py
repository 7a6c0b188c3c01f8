"""A job whose table has routes: its lanes, what its item remembers of them, what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from csvkafka.errors import ConfigError, TopicChangedError
from csvkafka.job.definition import JobSpec, Membership, define
from csvkafka.job.preflight import missing_topic
from csvkafka.job.same_job import changes, check_same_job
from csvkafka.ledger.item import (
    JobDefinition,
    StoredJob,
    decode,
    definition_attributes,
    new_item,
)
from csvkafka.model import BadRows, FileOrder, Lane, SourceIdentity, TopicFacts
from csvkafka.schema.declaration import read_table
from tests.refusals import refusal, refusal_in

SOURCE = SourceIdentity("bucket", "key.csv", '"etag"', 1000)
HEADER = ("id", "country")
TABLE = read_table(
    """
[record]
undeclared = "string"
key = "id"
[[route]]
topic = "south"
column = "country"
equals = "IT"
[[route]]
topic = "middle"
column = "country"
in = ["DE", "AT"]
""",
    "columns.toml",
)
SPEC = JobSpec("job", "rows", table=TABLE, bad_rows=BadRows.DEAD_LETTER, dead_letter_topic="dead")
COUNTS = {"rows": 2, "middle": 3, "south": 1, "dead": 5}


def facts(**counts: int) -> dict[str, TopicFacts]:
    of_all = {**COUNTS, **counts}
    return {
        topic: TopicFacts("cluster", f"id of {topic}", count, 3, {})
        for topic, count in of_all.items()
    }


def begun(spec: JobSpec = SPEC, **counts: int) -> JobDefinition:
    return define(spec, SOURCE, HEADER, facts(**counts), {**COUNTS, **counts}["rows"])


def stored(of: JobDefinition | None = None) -> StoredJob:
    return decode(new_item("job", of or begun(), 10.0, 1_700_000_000))


def resumed(item: StoredJob, **counts: int) -> JobDefinition:
    described = facts(**counts)
    return define(SPEC, SOURCE, HEADER, described, item.partition_count, item.routed_partitions)


def test_each_topic_has_lanes_of_its_own_and_dead_letters_the_last() -> None:
    lanes = begun().lanes
    assert lanes == (
        *(Lane("rows", 0), Lane("rows", 1)),
        *(Lane("middle", 0), Lane("middle", 1), Lane("middle", 2)),
        *(Lane("south", 0), Lane("dead", 0)),
    )
    plan = SPEC.plan(HEADER, SOURCE.uri, lanes, 1_000_000)
    assert (plan.lane_count, plan.routed_lanes) == (2, (3, 1))
    assert set(begun().topic_ids) == set(COUNTS)


def test_without_keys_each_topic_has_one_lane() -> None:
    spec = replace(SPEC, table=replace(TABLE, key=()), partition=2)
    lanes = begun(spec).lanes
    assert lanes == (Lane("rows", 2), Lane("middle", 2), Lane("south", 2), Lane("dead", 0))
    plan = spec.plan(HEADER, SOURCE.uri, lanes, 1_000_000)
    assert (plan.lane_count, plan.routed_lanes) == (1, (1, 1))


def test_a_resume_keeps_the_numbers_of_partitions_of_each_topic() -> None:
    item = stored()
    assert item.routed_partitions == {"middle": 3, "south": 1}
    now = resumed(item, middle=7)
    assert now.lanes == begun().lanes
    (warning,) = check_same_job(item, now, facts(middle=7), HEADER)
    assert "topic middle has 7 partitions now; job job goes on with the 3" in warning
    described = facts(middle=2)
    with refusal(
        TopicChangedError, match="topic middle has 2 partitions, job job was begun with 3"
    ):
        check_same_job(item, resumed(item, middle=2), described, HEADER)


def test_the_job_of_a_sets_file_has_the_sets_numbers_of_partitions() -> None:
    of_set = begun(replace(SPEC, order=FileOrder.OBJECT))
    membership = Membership("s3://b/1", HEADER, of_set.partition_count, of_set.routed_partitions)
    spec = SPEC.of_file("job#file/1/0", membership)
    more = facts(rows=9, middle=9, south=9)
    of_file = define(spec, SOURCE, HEADER, more, spec.routing_partitions(more["rows"]))
    assert of_file.lanes == begun().lanes


def test_before_the_first_row_another_number_of_partitions_is_taken_and_said() -> None:
    assert changes(stored(), begun()) == []
    assert changes(stored(), begun(south=4)) == ["4 partitions of topic south"]


def test_an_item_that_tells_of_topics_that_the_job_has_no_more_does_no_harm() -> None:
    """It was written anew before the first row; attributes that are not written stay."""
    without = replace(SPEC, table=replace(TABLE, routes=()))
    changed = begun(without)
    assert "routed_partitions" not in definition_attributes(changed)
    item = decode(
        {**new_item("job", begun(), 10.0, 1_700_000_000), **definition_attributes(changed)}
    )
    counts = item.partition_count, item.routed_partitions
    now = define(without, SOURCE, HEADER, facts(), *counts)
    assert now.lanes == changed.lanes
    only = {topic: facts()[topic] for topic in ("rows", "dead")}
    assert check_same_job(item, now, only, HEADER) == []


def test_a_topic_of_a_route_that_was_made_anew_is_refused() -> None:
    item = stored()
    described = facts()
    described["south"] = replace(described["south"], topic_id="another")
    now = define(SPEC, SOURCE, HEADER, described, 2, item.routed_partitions)
    with refusal(TopicChangedError, match="topic south was deleted and created again"):
        check_same_job(item, now, described, HEADER)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"topic": "south"}, r"topic south has a \[\[route\]\] in CSV_COLUMNS, and is KAFKA_TOPIC"),
        ({"dead_letter_topic": "middle"}, "topic middle has .* and is DEAD_LETTER_TOPIC"),
    ],
)
def test_a_routes_topic_is_neither_that_of_other_rows_nor_that_of_dead_letters(
    settings: dict[str, str], message: str
) -> None:
    with refusal(ConfigError, match=message):
        replace(SPEC, **settings)  # type: ignore[arg-type]


def test_a_topic_that_is_missing_is_named_with_what_names_it() -> None:
    for topic, named in (
        ("rows", "check KAFKA_TOPIC and"),
        ("dead", "check DEAD_LETTER_TOPIC and"),
        ("south", r"check [[route]] in CSV_COLUMNS and"),
    ):
        message = str(missing_topic(topic, SPEC))
        assert f"topic {topic} does not exist" in message
        assert named in message
        refusal_in(ConfigError, message)
