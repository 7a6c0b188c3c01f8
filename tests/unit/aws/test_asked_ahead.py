"""Small objects of a set are asked for before their turn; what is read of them is the same."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest

from csvkafka.aws import clients as aws
from csvkafka.aws.s3_get import ASKED_BYTES, SimilarGets
from csvkafka.aws.s3_set import Access, S3Set, SetPlace
from csvkafka.errors import CsvKafkaError, SourceCorruptError
from csvkafka.model import Piece
from csvkafka.testing.faults.faulty_s3 import (
    CutBody,
    FakeS3,
    IgnoreRange,
    OtherTotal,
    Refuse,
    ShiftRange,
    Stall,
)  # fmt: skip
from tests.unit.aws.test_kept_connections import OK, WHOLE, RawServer
from tests.unit.aws.test_s3_get import calls_of
from tests.unit.stepped_clock import SteppedClock

pytestmark = pytest.mark.usefixtures("aws_environment")

BODY = b"id\n1\n2\n"


@pytest.fixture
def s3() -> Iterator[FakeS3]:
    with FakeS3() as server:
        yield server


def set_of(url: str, **settings: Any) -> S3Set:
    client = aws.s3_client(endpoint_url=url, max_attempts=1, **settings)
    return S3Set(SetPlace("bucket", prefix=""), client=client, clock=SteppedClock())


def piece(s3: FakeS3, key: str, body: bytes = BODY) -> Piece:
    return Piece(key, s3.put("bucket", key, body), len(body))


def read(objects: S3Set, one: Piece) -> bytes:
    return b"".join(objects.open_piece(one, 0))


def known(s3: FakeS3, connections: int = 1) -> S3Set:
    """A set of which the SDK has read something, by so many connections."""
    objects = set_of(s3.endpoint_url)
    first = piece(s3, "first")
    with closing(objects.open_piece(first, 0)) as chunks:
        next(chunks)
    assert objects._client is not None
    held = [
        objects._client.get_object(Bucket="bucket", Key="first")["Body"] for _ in range(connections)
    ]
    for body in held:
        body.read()
    s3.requests.clear()
    return objects


def test_all_are_on_their_way_before_the_first_is_read(s3: FakeS3) -> None:
    objects = known(s3, connections=5)
    pieces = [piece(s3, f"{number}.csv", BODY + b"%d\n" % number) for number in range(5)]
    calls = calls_of(objects._client)
    asked = [objects.ask(each) for each in pieces]
    deadline = time.monotonic() + 60
    while len(s3.requests) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(each.key for each in s3.requests) == [each.key for each in pieces]
    for number, open_asked in enumerate(asked):
        assert open_asked is not None
        assert b"".join(open_asked()) == BODY + b"%d\n" % number
    assert len(s3.requests) == 5
    assert not calls


def test_a_compressed_piece_is_unpacked_in_its_turn(s3: FakeS3) -> None:
    objects = known(s3)
    packed = gzip.compress(BODY)
    for body, expected in ((packed, BODY), (packed[:-9], None), (BODY, None)):
        asked = objects.ask(piece(s3, "k.csv.gz", body))
        assert asked is not None
        if expected is not None:
            assert b"".join(asked()) == expected
        else:
            with pytest.raises(SourceCorruptError, match=r"s3://bucket/k\.csv\.gz"):
                list(asked())
    assert len(s3.requests) == 3 + 1, "what is damaged is read again"


def test_a_connection_is_used_again_once_its_answer_was_read(s3: FakeS3) -> None:
    objects = known(s3)
    for number in range(3):
        one = piece(s3, f"{number}.csv")
        asked = objects.ask(one)
        assert asked is not None
        assert objects.ask(one) is None, "no other connection is open"
        assert b"".join(asked()) == BODY


def test_what_was_not_seen_yet_or_has_no_open_connection_is_not_asked_for(s3: FakeS3) -> None:
    objects = set_of(s3.endpoint_url)
    one = piece(s3, "k")
    assert objects.ask(one) is None
    assert not s3.requests
    assert read(objects, one) == BODY
    first = objects.ask(one)
    assert first is not None
    assert objects.ask(one) is None


@pytest.mark.parametrize("size", [0, ASKED_BYTES + 1])
def test_empty_and_larger_pieces_are_read_in_their_turn(s3: FakeS3, size: int) -> None:
    objects = known(s3)
    assert objects.ask(piece(s3, "k", b"x" * size)) is None
    assert not s3.requests
    assert objects.ask(piece(s3, "k", b"x" * min(size + 1, ASKED_BYTES))) is not None


@pytest.mark.parametrize(
    ("access", "version"),
    [
        (Access(request_payer="requester"), None),
        (Access(customer_key=b"k" * 32), None),
        (Access(), "v1"),
    ],
)
def test_what_needs_further_arguments_is_not_asked_for(
    s3: FakeS3, access: Access, version: str | None
) -> None:
    learned = known(s3)
    objects = S3Set(SetPlace("bucket", prefix=""), access, client=learned._client)
    objects._gets = learned._gets
    etag = s3.put("bucket", "k", BODY, version_id="v1")
    assert objects.ask(Piece("k", etag, len(BODY), version)) is None
    assert not s3.requests
    assert learned.ask(Piece("k", etag, len(BODY))) is not None


@pytest.mark.parametrize(
    "fault",
    [
        Refuse(503, "SlowDown"), Refuse(500, "InternalError"), Refuse(403, "ExpiredToken"),
        Refuse(307, "Redirect"), CutBody(0), CutBody(3), CutBody(3, reset=True),
        IgnoreRange(cut_after_bytes=3), ShiftRange(2),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_as_expected_is_read_the_sdks_way(s3: FakeS3, fault: Any) -> None:
    objects = known(s3)
    one = piece(s3, "k")
    s3.script("GET", fault)
    asked = objects.ask(one)
    assert asked is not None
    assert b"".join(asked()) == BODY
    assert len(s3.requests) == 2
    assert read(objects, one) == BODY


def test_all_of_an_object_is_what_a_server_without_ranges_gives(s3: FakeS3) -> None:
    objects = known(s3)
    one = piece(s3, "k")
    s3.script("GET", IgnoreRange())
    asked = objects.ask(one)
    assert asked is not None
    assert b"".join(asked()) == BODY
    assert len(s3.requests) == 1


@pytest.mark.parametrize("fault", [OtherTotal(9), "replaced", "removed"], ids=str)
def test_another_object_is_told_as_ever(s3: FakeS3, fault: Any) -> None:
    """With the words and the error of an object that was not asked for ahead."""
    told = []
    for ahead in (False, True):
        objects = known(s3)
        one = piece(s3, "k")
        if fault == "replaced":
            s3.put("bucket", "k", b"other\n")
        elif fault == "removed":
            one = Piece("gone", one.etag, one.size)
        else:
            s3.script("GET", *[fault] * (1 + ahead))
        asked = objects.ask(one) if ahead else partial(objects.open_piece, one, 0)
        assert asked is not None
        with pytest.raises(CsvKafkaError) as caught:
            list(asked())
        told.append((type(caught.value), str(caught.value)))
        s3.reset()
    assert told[0] == told[1]


def test_what_was_lost_in_an_outage_is_waited_for_once(s3: FakeS3) -> None:
    """Not for each of those that were on their way."""
    objects = set_of(s3.endpoint_url, read_timeout_seconds=2.0)
    pieces = [piece(s3, f"{number}.csv") for number in range(5)]
    assert objects._client is not None
    assert read(objects, pieces[0]) == BODY
    held = [objects._client.get_object(Bucket="bucket", Key="0.csv")["Body"] for _ in range(5)]
    for body in held:
        body.read()
    s3.script("GET", *[Stall(0)] * 5)
    asked = [objects.ask(each) for each in pieces]
    begun = time.monotonic()
    for open_asked in asked:
        assert open_asked is not None
        assert b"".join(open_asked()) == BODY
    took = time.monotonic() - begun
    assert len(s3.requests) == 6 + 5 + 5
    assert 2.0 <= took < 5 * 2.0


def test_a_connection_whose_answer_nobody_took_is_closed() -> None:
    server = RawServer()
    try:
        gets = SimilarGets(aws.s3_client(endpoint_url=server.url, max_attempts=1))
        gets.get_object(Bucket="bucket", Key="k", Range="bytes=0-4", IfMatch='"1"')["Body"].read()
        asked = gets.ask("bucket", "k", '"1"', 5)
        assert asked is not None
        held: socket.socket = asked._asked._connection.sock
        del asked
        assert held.fileno() == -1
        server.answers = [WHOLE.replace(b"abcde", b"after")]
        answer = gets.get_object(Bucket="bucket", Key="k", Range="bytes=0-4", IfMatch='"1"')
        assert answer["Body"].read() == b"after"
    finally:
        server.close()


def test_an_answer_that_nobody_took_may_be_given_up_anywhere() -> None:
    """The collector of garbage may run while the pool's lock is held."""
    server = RawServer()
    try:
        gets = SimilarGets(aws.s3_client(endpoint_url=server.url, max_attempts=1))
        gets.get_object(Bucket="bucket", Key="k", Range="bytes=0-4", IfMatch='"1"')["Body"].read()
        asked = [gets.ask("bucket", "k", '"1"', 5)]
        assert asked[0] is not None
        pool = asked[0]._asked._pool
        with pool.pool.mutex:
            dropping = threading.Thread(target=asked.clear, daemon=True)
            dropping.start()
            dropping.join(5)
            assert not dropping.is_alive()
        again = gets.get_object(Bucket="bucket", Key="k", Range="bytes=0-4", IfMatch='"1"')
        assert again["Body"].read() == b"abcde"
        assert gets.ask("bucket", "k", '"1"', 5) is not None
    finally:
        server.close()


@pytest.mark.parametrize(
    "answer",
    [
        WHOLE.replace(b'"1"', b'"2"'),
        WHOLE.replace(b"ETag", b"X-Tag"),
        WHOLE.replace(b"0-4/5", b"1-5/6"),
        WHOLE.replace(b"206", b"200"),
        WHOLE.replace(b"206", b"203"),
        OK + b"Content-Length: 4\r\n\r\nabcd",
        OK + b"Content-Length: 6\r\n\r\nabcdef",
    ],
)
def test_an_answer_that_says_anything_else_is_not_taken(answer: bytes) -> None:
    server = RawServer()
    try:
        gets = SimilarGets(aws.s3_client(endpoint_url=server.url, max_attempts=1))
        gets.get_object(Bucket="bucket", Key="k", Range="bytes=0-4", IfMatch='"1"')["Body"].read()
        for expected, each in ((b"abcde", WHOLE), (None, answer), (b"abcde", WHOLE)):
            server.answers = [each]
            asked = gets.ask("bucket", "k", '"1"', 5)
            assert asked is not None
            assert asked.take() == expected
    finally:
        server.close()
