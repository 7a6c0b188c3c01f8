"""Bugs of rows that go to several topics: to the wrong one, to two, to none, or at a resume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from csvkafka.encode import declared_rows, encoder
from csvkafka.encode.row_json import RowRecords
from csvkafka.job import beginning
from csvkafka.job.definition import define
from csvkafka.model import EncodePlan
from csvkafka.pipeline.progress import Progress
from csvkafka.schema import routing
from csvkafka.schema.table import RecordTable

from . import patch, replace


@patch("route-by-a-part-of-the-text")
def a_text_need_not_be_the_whole_field() -> None:
    def by_beginning(table: RecordTable, names: Sequence[str]) -> routing.TopicOf | None:
        topic_of = routing.routing(table, names)
        if topic_of is None:
            return None
        place = names.index(table.routes[0].column)
        return lambda row: topic_of([*row[:place], row[place][:2], *row[place + 1 :]])

    replace(declared_rows, "routing", by_beginning)


@patch("route-and-the-topic-of-others")
def a_routed_row_goes_to_the_topic_of_other_rows_too() -> None:
    routed = encoder._routed

    def to_both(rows: RowRecords, prepared: Any, skip: Sequence[int]) -> Any:
        def taken(lane: int) -> Any:
            # All data rows of the block, in their order.
            numbers = sorted(number for of_lane in indexes[:-1] for number in of_lane)
            sent = numbers[skip[lane] :] if skip else numbers
            values = [rows.values[number] for number in sent]
            return numbers, encoder._framed(lane, values, None, None, sent)

        indexes, lanes = routed(rows, prepared, skip)
        numbers, lane = taken(0)
        return [numbers, *indexes[1:]], [lane, *lanes[1:]]

    replace(encoder, "_routed", to_both)


@patch("route-to-none")
def the_rows_of_the_last_route_are_left_out() -> None:
    begin = declared_rows.Declared.__init__

    def beginning_without(self: Any, *arguments: Any) -> None:
        begin(self, *arguments)
        self.is_dropped = lambda row: row[1] == "IT"

    replace(declared_rows.Declared, "__init__", beginning_without)


@patch("route-with-the-partitions-of-others")
def a_key_chooses_as_in_the_topic_of_other_rows() -> None:
    chooser = encoder.lane_chooser

    def of_others(plan: EncodePlan) -> Any:
        lane_of = chooser(plan)
        firsts = [plan.lane_count + sum(plan.routed_lanes[:k]) for k in range(3)]
        counts = plan.routed_lanes

        def chosen(topic: int, key: bytes | None) -> int:
            if topic == 0:
                return lane_of(0, key)
            return firsts[topic - 1] + lane_of(0, key) % counts[topic - 1]

        return chosen

    replace(encoder, "lane_chooser", of_others)


@patch("route-forgotten-at-a-resume")
def only_rows_of_the_first_lane_are_known_again() -> None:
    skip = Progress.skip.fget
    first_alone = property(lambda self: tuple(n * (at == 0) for at, n in enumerate(skip(self))))
    replace(Progress, "skip", first_alone)


@patch("route-by-the-partitions-of-today")
def a_resume_takes_the_numbers_of_partitions_that_the_topics_have_now() -> None:
    def of_today(
        spec: Any, source: Any, header: Any, facts: Any, count: int, _: Mapping[str, int] = {}
    ) -> Any:
        return define(spec, source, header, facts, count)

    replace(beginning, "define", of_today)
