"""Taking over from another program: where its rows end, and at which byte the next one begins."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csvkafka.errors import CheckpointError, TailDeletedError
from csvkafka.job.adoption import position_after, rows_in_topic
from csvkafka.model import (
    START,
    EncodePlan,
    Lane,
    LaneTail,
    Position,
    ProducerIdentity,
    TopicFacts,
)
from csvkafka.testing.inputs.strategies import CsvFile, csv_files

URI = "s3://bucket/data.csv"
LANE = Lane("rows", 0)


class Log:
    """A partition that holds just values; the other questions are not asked."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self._values = values

    def last_values(self, lane: Lane, record_count: int) -> Sequence[bytes]:
        assert lane == LANE
        return self._values[-record_count:]

    def describe_topic(self, topic: str) -> TopicFacts | None:
        raise AssertionError(topic)

    def knows_producer(self, lanes: Sequence[Lane], producer_id: int) -> Sequence[bool | None]:
        raise AssertionError(lanes, producer_id)

    def new_producer_identity(self) -> ProducerIdentity:
        raise AssertionError

    def end_offset(self, lane: Lane) -> int:
        raise AssertionError(lane)

    def read_tail(self, lane: Lane, kafka_offset: int) -> LaneTail:
        raise AssertionError(lane, kafka_offset)


def ours(line: int) -> bytes:
    return json.dumps({"a": "1", "_source_line": line, "_source_file": URI}).encode()


def found(values: Sequence[bytes], last_line: int, accept_deleted_tail: bool = False) -> int:
    return rows_in_topic(Log(values), LANE, URI, last_line, accept_deleted_tail=accept_deleted_tail)


def test_the_last_record_tells_more_than_the_checkpoint() -> None:
    assert found([ours(line) for line in range(1, 24)], last_line=20) == 23


def test_the_topic_decides_where_the_checkpoint_ran_ahead() -> None:
    assert found([ours(line) for line in range(1, 18)], last_line=20) == 17


def test_records_of_others_are_passed_over() -> None:
    foreign = [b"not json", b"[1]", b'{"_source_line": 99, "_source_file": "s3://b/other"}', b"{}"]
    assert found([ours(7), *foreign * 500], last_line=7) == 7


def test_a_job_that_never_began_starts_at_the_first_row() -> None:
    assert found([], last_line=0) == 0


def test_without_a_record_of_ours_the_operator_decides() -> None:
    with pytest.raises(TailDeletedError, match="ACCEPT_DELETED_TAIL=true"):
        found([b"{}"], last_line=20)
    assert found([b"{}"], last_line=20, accept_deleted_tail=True) == 20


def test_a_position_beyond_the_last_row_is_refused() -> None:
    plan = EncodePlan(("a",), URI)
    with pytest.raises(CheckpointError, match="has 2"):
        position_after([b"a\n1\n2\n"], 3, plan)


@given(file=csv_files(), block_bytes=st.integers(16, 400))
def test_rows_after_a_position_are_the_rest_of_the_file(file: CsvFile, block_bytes: int) -> None:
    data = file.data
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")
    rows = list(csv.reader(text))
    rows = [row for row in rows[1:] if row]
    plan = EncodePlan(("a",), URI, block_bytes=block_bytes)
    for row_count in range(len(rows) + 1):
        position = position_after([data], row_count, plan)
        assert position.row_count == row_count
        if row_count == 0:
            assert position == START == Position(0, 0)
            continue
        rest = io.TextIOWrapper(
            io.BytesIO(data[position.byte_offset :]), encoding="utf-8", newline=""
        )
        assert [row for row in csv.reader(rest) if row] == rows[row_count:]
