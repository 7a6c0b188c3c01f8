"""What a user gets wrong, or finds broken: one clear error with place and remedy, nothing lost."""

from __future__ import annotations

import gzip
import socket
from typing import Any

import pytest

from csvkafka.errors import (
    CheckpointError,
    ConfigChangedError,
    ConfigError,
    ItemUnusableError,
    MalformedRowError,
    RecordTooLargeError,
    SinkUnavailableError,
    SourceChangedError,
    SourceCorruptError,
    SourceNotFoundError,
    TopicChangedError,
)
from csvkafka.model import JobStatus
from tests.integration.loads import LoadPlace, refused

MANY = b"".join(b"%d,name %d\n" % (row, row) for row in range(1, 50_001))


def test_bytes_that_are_not_utf_8(place: LoadPlace) -> None:
    place.put(b"id,name\n1,caf\xe9\n")
    refused(place.load, SourceCorruptError, "row 1 at byte 8", "byte 13: e9", "CSV_ENCODING")
    place.put(b"id,name\n1,caf\xe9\n")
    place.job_id += "-latin"
    place.load(CSV_ENCODING="latin-1")
    assert [record["name"] for record in place.records()] == ["café"]


@pytest.mark.parametrize(("row", "width"), [(b"7\n", 1), (b"7,b,c\n", 3)])
def test_a_row_narrower_or_wider_than_the_header_stops_after_the_rows_before_it(
    place: LoadPlace, row: bytes, width: int
) -> None:
    body = b"id,name\n" + MANY + row + MANY
    place.put(body)
    byte_offset = len(b"id,name\n" + MANY)
    refused(
        place.load,
        MalformedRowError,
        f"row 50001 at byte {byte_offset}",
        f"has {width} field",
        "the header has 2",
        "set ON_BAD_ROW",
    )
    item = place.item()
    assert item is not None
    assert item["status"] == JobStatus.IN_PROGRESS
    assert "lease_owner" not in item
    lines = place.lines()
    assert lines == list(range(1, len(lines) + 1))
    assert item["last_line"] == len(lines) == 50_000, "all rows before it, of its own block too"
    assert item["byte_offset"] == byte_offset
    refused(place.load, MalformedRowError, "row 50001")
    assert place.lines() == lines, "the next run finds the same and sends nothing"


def test_on_bad_row_keep_is_what_dictreader_gives(place: LoadPlace) -> None:
    place.put(b"id,name\n1\n2,b,c,d\n3,e\n")
    place.load(ON_BAD_ROW="keep")
    shown = [(record["id"], record["name"], record.get("null")) for record in place.records()]
    assert shown == [("1", None, None), ("2", "b", ["c", "d"]), ("3", "e", None)]


def test_on_bad_row_dead_letter_sends_it_elsewhere(place: LoadPlace) -> None:
    dead_letters = place.topic + "-dead"
    place.stack.create_topic(dead_letters)
    place.put(b"id,name\n1,a\n2\n3,c\n")
    result = place.load(ON_BAD_ROW="dead-letter", DEAD_LETTER_TOPIC=dead_letters)
    assert place.lines() == [1, 3]
    assert result.total_sent == 3
    from tests.integration.kafka_rows import values_in

    assert values_in(place.stack.bootstrap_servers, dead_letters) == ["2"]


def test_a_quote_that_is_never_closed(place: LoadPlace) -> None:
    place.put(b'id,name\n1,a\n2,"open\n3,c\n')
    refused(place.load, MalformedRowError, "row 2 at byte 12", "not closed")


def test_a_missing_object(place: LoadPlace) -> None:
    refused(place.load, SourceNotFoundError, f"s3://{place.bucket}/{place.key}")
    assert place.item() is None


def test_a_missing_bucket(place: LoadPlace) -> None:
    refused(lambda: place.load(S3_BUCKET="no-such-bucket"), SourceNotFoundError, "no-such-bucket")


def test_a_missing_table_is_never_taken_for_a_new_job(place: LoadPlace) -> None:
    place.put(b"id\n1\n")
    load = lambda: place.load(DYNAMODB_TABLE="no-such-table")  # noqa: E731
    refused(load, CheckpointError, "no-such-table", "CREATE_TABLE=true")
    assert place.lines() == []


def test_the_table_is_created_on_request(place: LoadPlace) -> None:
    place.put(b"id\n1\n")
    place.table += "-new"
    place.load(CREATE_TABLE="true")
    item = place.item()
    assert item is not None
    assert item["status"] == JobStatus.COMPLETED


def test_a_missing_topic_is_not_created(place: LoadPlace) -> None:
    place.put(b"id\n1\n")
    load = lambda: place.load(KAFKA_TOPIC="no-such-topic")  # noqa: E731
    refused(load, ConfigError, "no-such-topic", "or create it")
    refused(load, ConfigError, "no-such-topic")
    assert place.item() is None


def test_a_missing_partition(place: LoadPlace) -> None:
    place.put(b"id\n1\n")
    refused(lambda: place.load(KAFKA_PARTITION="3"), ConfigError, "1 partition (0)", "partition 3")
    assert place.item() is None


def test_an_unreachable_broker(place: LoadPlace) -> None:
    place.put(b"id\n1\n")
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{taken.getsockname()[1]}"
        load = lambda: place.load(KAFKA_BOOTSTRAP_SERVERS=server)  # noqa: E731
        refused(load, SinkUnavailableError, server)


def test_a_row_larger_than_the_topic_takes(place: LoadPlace) -> None:
    place = LoadPlace(place.stack, topic_config={"max.message.bytes": "200000"})
    place.put(b"id,name\n1,a\n2," + b"x" * 300_000 + b"\n3,c\n")
    load = lambda: place.load(KAFKA_COMPRESSION_TYPE="none")  # noqa: E731
    refused(load, RecordTooLargeError, "row 2", "byte 12", "raise the topic's max.message.bytes")


def test_a_row_larger_than_csvkafka_s_own_limit(place: LoadPlace) -> None:
    # It must not shrink below the limit when it is compressed.
    noise = bytes(range(35, 92)).hex().encode()
    row = b"2," + b"".join(noise[n % 97 :] + noise[: n * 7 % 89] for n in range(60_000))
    place.put(b"id,name\n1,a\n" + row + b"\n3,c\n")
    load = lambda: place.load(KAFKA_COMPRESSION_TYPE="none", MAX_RECORD_BYTES="1000000")  # noqa: E731
    refused(load, RecordTooLargeError, "row 2", "byte 12", "1000000", "MAX_RECORD_BYTES")
    assert place.lines() == [1], "the row before it, of the same block, is in"


def test_an_object_that_changed_since_the_job_began(place: LoadPlace) -> None:
    place.put(b"id,name\n" + MANY + b"bad\n")
    refused(place.load, MalformedRowError)
    before = place.item()
    place.put(b"id,name\n" + MANY + b"50001,good\n")
    refused(place.load, SourceChangedError, "changed since job", "another JOB_ID")
    assert place.item() == before


def test_a_complete_job_whose_object_changed_is_refused(place: LoadPlace) -> None:
    place.put(b"id\n1\n")
    place.load()
    place.put(b"id\n1\n2\n")
    refused(place.load, SourceChangedError, "ETag")
    assert place.lines() == [1]


def test_a_job_id_used_for_another_file(place: LoadPlace) -> None:
    place.put(b"id\n1\n")
    place.load()
    place.key = "exports/other.csv"
    place.put(b"id\n1\n")
    refused(place.load, SourceChangedError, "exports/data.csv", "another JOB_ID")


@pytest.mark.parametrize(
    "changed",
    [
        {"CSV_DELIMITER": ";"},
        {"CSV_QUOTECHAR": "'"},
        {"KEY_COLUMN": "id"},
        {"KAFKA_PARTITION": "0"},
        {"ON_BAD_ROW": "keep"},
    ],
)
def test_other_settings_for_a_job_that_was_begun(place: LoadPlace, changed: Any) -> None:
    place.put(b"id,name\n1,a\n2\n")
    refused(place.load, MalformedRowError)
    (name,) = changed
    refused(lambda: place.load(**changed), ConfigChangedError, name, "then", "now")


def test_the_codec_may_change_in_the_middle_of_a_load(place: LoadPlace) -> None:
    place.put(b"id,name\n" + MANY + b"50001,a,b\n")
    refused(place.load, MalformedRowError)
    refused(lambda: place.load(KAFKA_COMPRESSION_TYPE="zstd"), MalformedRowError)


def test_a_topic_that_was_deleted_and_created_again(place: LoadPlace) -> None:
    from tests.integration.kafka_rows import admin, eventually

    place.put(b"id\n1\n")
    place.load()
    with admin(place.stack.bootstrap_servers) as client:
        client.delete_topics([place.topic])
        eventually(lambda: place.topic not in client.list_topics())
    place.stack.create_topic(place.topic)
    refused(place.load, TopicChangedError, place.topic, "created again")


def test_a_compacted_topic(place: LoadPlace) -> None:
    compacted = LoadPlace(place.stack, topic_config={"cleanup.policy": "compact"})
    compacted.put(b"id\n1\n")
    refused(compacted.load, ConfigError, "cleanup.policy=compact")
    assert compacted.item() is None


def test_a_key_column_that_the_header_lacks(place: LoadPlace) -> None:
    place.put(b"id,name\n1,a\n")
    refused(lambda: place.load(KEY_COLUMN="uid"), ConfigError, "uid")
    assert place.item() is None


def test_gzip_under_a_name_that_does_not_say_so(place: LoadPlace) -> None:
    place.put(gzip.compress(b"id\n1\n"))
    refused(place.load, SourceCorruptError, "gzip", "SOURCE_COMPRESSION=gzip")
    place.load(SOURCE_COMPRESSION="gzip")
    assert place.lines() == [1]


def test_an_item_with_a_position_beyond_the_end(place: LoadPlace) -> None:
    from csvkafka.aws.dynamodb_item import DynamoDbItem
    from csvkafka.interfaces import ItemChange

    place.put(b"id,name\n1,a\n2\n")
    refused(place.load, MalformedRowError)
    item = DynamoDbItem(place.table, place.job_id)
    assert item.update(ItemChange(set={"byte_offset": 1 << 40})) is None
    refused(place.load, ItemUnusableError, "byte 1099511627776", "damaged")


@pytest.mark.parametrize("body", [b"", b"id,name\n", b"id,name", b"\xef\xbb\xbfid,name\r\n\r\n"])
def test_an_object_without_rows_is_complete_at_once(place: LoadPlace, body: bytes) -> None:
    place.put(body)
    result = place.load()
    assert (result.row_count, result.total_sent) == (0, 0)
    item = place.item()
    assert item is not None
    assert item["status"] == JobStatus.COMPLETED
    assert place.lines() == []
