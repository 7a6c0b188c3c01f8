"""What is in the file: nothing loads wrongly in silence; all before a fault is sent and stored."""

from __future__ import annotations

import gzip
import logging
from typing import Any

import pytest

from csvkafka.checkpoint import CheckpointManager
from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import (
    ConfigChangedError,
    ConfigError,
    CsvKafkaError,
    MalformedRowError,
    SourceCorruptError,
)
from csvkafka.model import JobStatus
from csvkafka.processor import CSVToKafkaProcessor
from csvkafka.testing.checker.verdict import AnomalyKind, Verdict
from csvkafka.testing.checker.verify import verify_job
from tests.integration.kafka_rows import values_in
from tests.integration.loads import LoadPlace, refused

ROWS = b"".join(b"%d,name %d\n" % (row, row) for row in range(1, 3_001))


def verdict_of(place: LoadPlace, **settings: str) -> Verdict:
    return verify_job(LoadConfig.from_settings(place.settings(**settings))).verdict


# -- all before a fault is sent and stored -----------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "kind", "settings", "words"),
    [
        (b"3001\n", MalformedRowError, {}, ["has 1 field"]),
        (b'3001,"open\n', MalformedRowError, {}, ["not closed"]),
        (b"3001,caf\xe9\n", SourceCorruptError, {}, ["column 2 ('name')", "e9", "cp1252 ('é')"]),
        (b"7,seven\n", Exception, {"TRANSFORM": "tests.integration.transforms:refuse_seven"}, []),
    ],
    ids=["width", "quote", "not text", "transform"],
)
def test_all_rows_before_a_bad_one_are_in_the_topic_and_in_the_checkpoint(
    place: LoadPlace,
    bad: bytes,
    kind: type[Exception],
    settings: dict[str, str],
    words: list[str],
) -> None:
    before = b"id,name\n" + ROWS.replace(b"7,name 7\n", b"1007,name 7\n", 1)
    place.put(before + bad + (b"" if b"open" in bad else ROWS))
    with pytest.raises(kind) as caught:
        place.load(**settings)
    for word in words:
        assert word in str(caught.value)
    item = place.item()
    assert item is not None
    assert (item["status"], item["last_line"], item["byte_offset"]) == (
        JobStatus.IN_PROGRESS,
        3_000,
        len(before),
    )
    assert place.lines() == list(range(1, 3_001))


@pytest.mark.parametrize("lost", [-1, 4, 4_000], ids=["checksum", "in its end", "in its data"])
def test_all_whole_rows_before_a_gzip_file_s_fault_are_sent_and_stored(
    place: LoadPlace, lost: int
) -> None:
    place.key = "exports/data.csv.gz"
    packed = gzip.compress(b"id,name\n" + ROWS)
    stored = packed[:-1] + bytes([packed[-1] ^ 1]) if lost < 0 else packed[:-lost]
    place.put(stored)
    refused(place.load, SourceCorruptError, "of its content", "as stored")
    lines = place.lines()
    item = place.item()
    assert item is not None
    assert item["last_line"] == len(lines)
    assert lines == list(range(1, len(lines) + 1))
    assert len(lines) == 3_000 if lost < 100 else 1_000 < len(lines) < 3_000


def test_a_subclass_is_given_all_rows_before_bytes_that_are_no_text(place: LoadPlace) -> None:
    given: list[tuple[str, int]] = []

    class Sender(CSVToKafkaProcessor):
        def _send_to_kafka(self, row: dict[Any, Any], line_number: int, _: int = 5) -> bool:
            given.append((row["name"], line_number))
            return True

    place.put(b"id,name\n1,a\n2,b\n3,caf\xe9\n4,d\n")
    sender = Sender(
        place.bucket,
        place.key,
        place.stack.bootstrap_servers,
        place.topic,
        CheckpointManager(place.table, place.job_id),
    )
    refused(sender.process, SourceCorruptError, "row 3 at byte 16", "column 2 ('name')", "e9")
    assert given == [("a", 1), ("b", 2)]
    item = place.item()
    assert item is not None
    assert (item["last_line"], item["byte_offset"]) == (2, 16)


# -- what would load wrongly -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "wrong", "right"),
    [
        (b"id;name\n1;a\n", "CSV_DELIMITER=';'", {"CSV_DELIMITER": ";"}),
        (
            b"sep=;\r\nid;name\r\n1;a\r\n",
            "CSV_SKIP_LINES=1",
            {"CSV_DELIMITER": ";", "CSV_SKIP_LINES": "1"},
        ),
        (b"# made by x\nid,name\n1,a\n", "CSV_SKIP_LINES=1", {"CSV_SKIP_LINES": "1"}),
        (b"\nid,name\n1,a\n", "first line of", {"CSV_SKIP_LINES": "1"}),
    ],
)
def test_a_header_that_is_none_is_refused_and_what_is_said_to_be_set_loads_it(
    place: LoadPlace, body: bytes, wrong: str, right: dict[str, str]
) -> None:
    place.put(body)
    refused(place.load, ConfigError, wrong)
    assert place.item() is None, "nothing was begun, so the same job may begin with other settings"
    place.load(**right)
    assert [(record["id"], record["name"]) for record in place.records()] == [("1", "a")]
    assert verdict_of(place, **right).is_clean


def test_columns_of_one_name_are_refused_or_kept_by_a_setting(place: LoadPlace) -> None:
    place.put(b"id,name,name,_source_line\n1,a,b,c\n")
    refused(place.load, ConfigError, "are called 'name'", "called '_source_line'", "=number")
    assert place.item() is None
    place.load(CSV_DUPLICATE_COLUMNS="number")
    (record,) = place.records()
    assert record == {
        "id": "1",
        "name": "a",
        "name_2": "b",
        "_source_line_2": "c",
        "_source_line": 1,
        "_source_file": f"s3://{place.bucket}/{place.key}",
    }
    assert verdict_of(place).is_clean, "the job knows how its names were chosen"


@pytest.mark.parametrize("begun_with", ["last", "number"])
def test_a_job_that_was_begun_keeps_its_columns_without_the_setting(
    place: LoadPlace, begun_with: str
) -> None:
    place.put(b"id,name,name\n1,a,b\n2\n")
    load = lambda: place.load(CSV_DUPLICATE_COLUMNS=begun_with)  # noqa: E731
    refused(load, MalformedRowError, "row 2")
    refused(place.load, MalformedRowError, "row 2")
    other = "last" if begun_with == "number" else "number"
    load = lambda: place.load(CSV_DUPLICATE_COLUMNS=other)  # noqa: E731
    refused(load, ConfigChangedError, "CSV_DUPLICATE_COLUMNS")
    (record,) = place.records()
    assert record["name"] == ("b" if begun_with == "last" else "a")


def test_a_job_that_was_begun_is_not_asked_about_its_delimiter(place: LoadPlace) -> None:
    place.put(b"id;name\n1;a\n2,b\n3;c\n")
    refused(lambda: place.load(CSV_DELIMITER=","), MalformedRowError, "row 2")
    refused(place.load, MalformedRowError, "row 2")


def test_surplus_fields_beside_a_column_called_null(place: LoadPlace) -> None:
    place.put(b"id,null\n1,a,extra\n")
    place.load(ON_BAD_ROW="keep")
    (value,) = values_in(place.stack.bootstrap_servers, place.topic)
    assert '"null":"a","null_2":["extra"]' in value
    assert verdict_of(place, ON_BAD_ROW="keep").is_clean


def test_a_record_with_a_key_twice_is_torn(place: LoadPlace) -> None:
    from kafka import KafkaProducer

    place.put(b"id,name\n1,a\n")
    uri = f"s3://{place.bucket}/{place.key}"
    producer = KafkaProducer(bootstrap_servers=place.stack.bootstrap_servers)
    value = f'{{"id":"9","id":"1","name":"a","_source_line":1,"_source_file":"{uri}"}}'
    producer.send(place.topic, value=value.encode(), partition=0).get(timeout=120)
    producer.close()
    (anomaly,) = verdict_of(place).anomalies
    assert anomaly.kind is AnomalyKind.TORN_ROW


def test_nothing_is_quoted_if_the_quote_character_is_empty(place: LoadPlace) -> None:
    settings = {"CSV_DELIMITER": "\\t", "CSV_QUOTECHAR": ""}
    place.put(b'id\tname\n1\t"open\n2\tb"c\n')
    place.load(**settings)
    assert [record["name"] for record in place.records()] == ['"open', 'b"c']
    assert verdict_of(place, **settings).is_clean


@pytest.mark.parametrize(
    "wrong",
    [b"id,name\n1\n", b'id,"name\n1,a\n', b"id,name\n1,caf\xe9\n", b"\xfd7zXZ\0\0\4"],
    ids=["width", "quote", "not text", "xz"],
)
def test_before_a_row_is_sent_the_remedy_is_the_same_job_and_works(
    place: LoadPlace, wrong: bytes
) -> None:
    place.put(wrong)
    with pytest.raises(CsvKafkaError) as caught:
        place.load()
    assert "and run again" in str(caught.value)
    assert "JOB_ID" not in str(caught.value)
    place.put(b"id,name\n1,a\n2\n")
    refused(place.load, MalformedRowError, "another JOB_ID")
    place.put(wrong)
    with pytest.raises(CsvKafkaError) as after_a_row:
        place.load()
    assert "JOB_ID" in str(after_a_row.value), "a row was sent"


def test_the_mark_of_a_folder_uses_up_no_job(place: LoadPlace) -> None:
    place.key = "exports/"
    place.put(b"")
    refused(place.load, ConfigError, "/exports/ is an empty object", "S3_KEY")
    assert place.item() is None


def test_utf_16_without_a_mark_sends_nothing(place: LoadPlace) -> None:
    place.put("id,name\n1,a\n2,b\n".encode("utf-16-le"))
    refused(place.load, SourceCorruptError, "UTF-16", "iconv")
    assert place.lines() == []


def test_the_load_begins_with_a_line_that_shows_names_and_no_data(
    place: LoadPlace, caplog: pytest.LogCaptureFixture
) -> None:
    place.put(b"id,name\n1,Ada Lovelace\n")
    with caplog.at_level(logging.INFO, "csvkafka"):
        place.load()
    first = next(r.getMessage() for r in caplog.records if r.levelno == logging.INFO)
    assert "delimiter ','" in first
    assert "2 columns: id, name" in first
    assert "2 fields, of 1, 12 characters" in first
    assert "Ada" not in caplog.text


def test_a_header_that_looks_like_data_is_a_warning_that_shows_none(
    place: LoadPlace, caplog: pytest.LogCaptureFixture
) -> None:
    place.put(b"1,ada\n2,bob\n")
    with caplog.at_level(logging.INFO, "csvkafka"):
        place.load()
    assert any("looks like data" in r.message for r in caplog.records if r.levelname == "WARNING")
    assert "ada" not in caplog.text


# -- a large row -------------------------------------------------------------------------------


def test_a_field_of_3_mb_loads_where_the_topic_takes_it(place: LoadPlace) -> None:
    place = LoadPlace(place.stack, topic_config={"max.message.bytes": "10000000"})
    field = b"x" * 3_000_000
    place.put(b"id,name\n1,a\n2," + field + b"\n3,c\n")
    place.load(KAFKA_COMPRESSION_TYPE="none")
    assert [len(record["name"]) for record in place.records()] == [1, len(field), 1]
    assert verdict_of(place).is_clean


def test_a_job_that_a_row_was_too_large_for_goes_on_with_a_larger_limit(place: LoadPlace) -> None:
    place = LoadPlace(place.stack, topic_config={"max.message.bytes": "10000000"})
    place.put(b"id,name\n1,a\n2," + b"x" * 3_000_000 + b"\n3,c\n")
    small = {"KAFKA_COMPRESSION_TYPE": "none", "MAX_RECORD_BYTES": "2000000"}
    with pytest.raises(CsvKafkaError, match="raise MAX_RECORD_BYTES, and run again"):
        place.load(**small)
    assert place.lines() == [1]
    place.load(KAFKA_COMPRESSION_TYPE="none")
    assert place.lines() == [1, 2, 3]
