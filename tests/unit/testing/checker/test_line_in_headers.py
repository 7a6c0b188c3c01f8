"""Records that say their line and file in headers: each once, as the loader sends them."""

from __future__ import annotations

import pytest

from csvkafka.schema.declaration import read_table
from csvkafka.testing.checker.checker import check
from csvkafka.testing.checker.declared import DeclaredRows, declared_record
from csvkafka.testing.checker.documented import TopicRecord
from csvkafka.testing.checker.expectation import Expectation
from csvkafka.testing.checker.row_ledger import SourceRow
from csvkafka.testing.checker.verdict import AnomalyKind

URI = "s3://data/rows.csv"
TABLE = read_table('[record]\nmetadata = "headers"\n[columns]\nid = "int"\n', "columns.toml")
ROWS: list[SourceRow] = [{"id": str(line)} for line in (1, 2, 3)]

Headers = tuple[tuple[str, bytes | None], ...]


def headers(line: int) -> Headers:
    return ("_source_line", b"%d" % line), ("_source_file", URI.encode())


def found(of_the_second: Headers, *, ignore_foreign: bool = True) -> dict[AnomalyKind, int]:
    records = [
        TopicRecord(line - 1, None, b'{"id":%d}' % line, headers(line)) for line in (1, 2, 3)
    ]
    records[1] = TopicRecord(1, None, b'{"id":2}', of_the_second)
    expectation = Expectation(
        decode=declared_record(TABLE, URI),
        fields_of=DeclaredRows(TABLE).fields_of,
        ignore_foreign=ignore_foreign,
    )
    verdict = check(ROWS, {0: records}, expectation)
    return {anomaly.kind: anomaly.count for anomaly in verdict.anomalies}


def test_each_once_is_clean_and_others_besides_do_no_harm() -> None:
    assert found(headers(2)) == {}
    assert found((*headers(2), ("traceparent", b"00"), ("traceparent", b"00"))) == {}


@pytest.mark.parametrize(
    "more",
    [
        [("_source_line", b"2")],
        [("_source_line", b"1")],
        [("_source_line", None)],
        [("_source_file", URI.encode())],
        [("_source_file", b"s3://data/other.csv")],
    ],
)
def test_one_that_stands_twice_tears_the_record_of_the_line_that_comes_first(
    more: list[tuple[str, bytes | None]],
) -> None:
    """Readers take the first or the last, so it is no row's record."""
    assert found((*headers(2), *more)) == {AnomalyKind.TORN_ROW: 1}
