"""The rows of a set, and which of them a record is that names a file and a line there."""

from __future__ import annotations

import io
from functools import partial

import orjson
import pytest

from csvkafka.job.definition import JobSpec
from csvkafka.model import Dialect
from csvkafka.testing.checker.checker import check
from csvkafka.testing.checker.documented import TopicRecord, documented_record, read_rows
from csvkafka.testing.checker.expectation import Expectation
from csvkafka.testing.checker.set_files import SetFiles
from csvkafka.testing.checker.source_rows import source_rows
from csvkafka.testing.checker.verdict import AnomalyKind, Verdict

CONTENTS = {"a": b"id\n1\n2\n", "empty": b"id\n", "b": b"id\n3\n4\n5\n"}
RIGHT = [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("b", 3)]


def set_files() -> SetFiles:
    files = {uri: partial(io.BytesIO, data) for uri, data in CONTENTS.items()}
    return SetFiles(files, read_rows)


def judged(places: list[tuple[str, int]]) -> Verdict:
    """Of a topic that holds all rows, if its records named these files and lines."""
    files = set_files()
    records = [
        TopicRecord(
            kafka_offset,
            None,
            orjson.dumps({"id": str(kafka_offset + 1), "_source_line": line, "_source_file": uri}),
        )
        for kafka_offset, (uri, line) in enumerate(places)
    ]
    return check(files.rows(), {0: records}, Expectation(documented_record(files=files.lines)))


def test_lines_are_counted_in_each_file() -> None:
    assert judged(RIGHT).is_clean


@pytest.mark.parametrize("place", [("a", 3), ("empty", 1), ("a", 0), ("b", -1)])
def test_a_line_that_a_file_does_not_have_is_none_of_the_file_beside_it(
    place: tuple[str, int],
) -> None:
    verdict = judged([*RIGHT[:2], place, *RIGHT[3:]])
    assert verdict.count(AnomalyKind.PHANTOM_ROW) == verdict.count(AnomalyKind.LOST_ROW) == 1


def test_a_record_of_a_file_beside_the_set_shows_no_row() -> None:
    verdict = judged([*RIGHT[:2], ("c", 1), *RIGHT[3:]])
    assert verdict.count(AnomalyKind.PHANTOM_ROW) == verdict.count(AnomalyKind.LOST_ROW) == 1


def test_a_row_is_found_again_in_its_file() -> None:
    files = set_files()
    assert [files.place_of(line) for line in range(1, 6)] == RIGHT


def test_of_a_skipped_file_no_more_is_read_than_its_rows() -> None:
    """Behind them there may be anything, or the object may be gone."""
    opened: list[str] = []

    def open_file(uri: str, data: bytes) -> io.BytesIO:
        opened.append(uri)
        return io.BytesIO(data)

    broken = {"a": b"id\n1\n2\n", "gone": b"", "cut": b"id\n3\n4,5,6\n", "b": b"id\n7\n"}
    files = SetFiles(
        {uri: partial(open_file, uri, data) for uri, data in broken.items()},
        read_rows,
        {"gone": 0, "cut": 1},
    )
    assert [row["id"] for row in files.rows()] == ["1", "2", "3", "7"]
    assert [files.place_of(line) for line in (2, 3, 4)] == [("a", 2), ("cut", 1), ("b", 1)]
    assert "gone" not in opened


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16-le"])
def test_of_a_skipped_file_the_rows_before_what_is_no_text_are_read(encoding: str) -> None:
    """Text is decoded many rows at a time."""
    half = "\ud800".encode("utf-16-le", "surrogatepass") if encoding == "utf-16-le" else b"\x81"
    broken = "id,name\n1,a\n2,b\n3,".encode(encoding) + half + "\n4,d\n".encode(encoding)
    spec = JobSpec("job", "rows", dialect=Dialect(encoding=encoding))
    files = SetFiles({"cut": partial(io.BytesIO, broken)}, partial(source_rows, spec), {"cut": 2})
    assert [row["name"] for row in files.rows()] == ["a", "b"]


def test_a_row_that_is_no_text_is_lost_in_a_load_that_stops_there() -> None:
    spec = JobSpec("job", "rows")
    rows = source_rows(spec, io.BytesIO(b"id\n1\n\xff\n"))
    record = TopicRecord(0, None, b'{"id":"1","_source_line":1,"_source_file":"a"}')
    verdict = check(rows, {0: [record]}, Expectation(documented_record("a")))
    assert {each.kind: each.count for each in verdict.anomalies} == {AnomalyKind.LOST_ROW: 1}
