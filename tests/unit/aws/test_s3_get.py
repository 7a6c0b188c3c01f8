"""A GET that is made of the one before it: the same request, and what fails is the same error."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore import parsers
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from botocore.endpoint import convert_to_response_dict
from botocore.exceptions import ClientError, EndpointConnectionError

from csvkafka.aws import clients as aws
from csvkafka.aws import s3_get
from csvkafka.aws.s3_get import LONGEST_REUSE_SECONDS, SLOW_SECONDS, SimilarGets
from csvkafka.aws.s3_set import S3Set, SetPlace
from csvkafka.model import Piece
from csvkafka.testing.faults.faulty_s3 import FakeS3, Refuse
from tests.unit.aws.test_s3_places import ACCESS_POINT, DIRECTORY_BUCKET, Amazon

pytestmark = pytest.mark.usefixtures("aws_environment")

BODY = b"id\n1\n2\n"
KEYS = (
    "plain.csv",
    "a b/ü+%41?x#y~(1)'.csv",
    "/begins/with/a/slash",
    "two//slashes/../dots/./%2F",
    "s3://other/key",
    "日本/é.csv",
    "\u0065\u0301",
    "a&b=c;d,e:f@g$h!i*j",
    "tab\tand\\",
)


@pytest.fixture
def s3() -> Iterator[FakeS3]:
    with FakeS3() as server:
        yield server


def client_of(s3: FakeS3, max_attempts: int = 1) -> Any:
    return aws.s3_client(endpoint_url=s3.endpoint_url, max_attempts=max_attempts)


def get(gets: Any, key: str, etag: str, bucket: str = "bucket", **more: str) -> bytes:
    answer = gets.get_object(Bucket=bucket, Key=key, Range="bytes=1-6", IfMatch=etag, **more)
    body: bytes = answer["Body"].read()
    return body


def calls_of(client: Any) -> list[str]:
    """What goes the SDK's way from now on: the path of each request."""
    calls: list[str] = []

    def count(params: Any, **_: Any) -> None:
        calls.append(params["url_path"])

    client.meta.events.register("before-call.s3.GetObject", count)
    return calls


def test_the_second_get_and_those_after_it_are_made_of_the_first(s3: FakeS3) -> None:
    client = client_of(s3)
    calls, gets = calls_of(client), SimilarGets(client)
    for number in range(4):
        etag = s3.put("bucket", f"{number}.csv", BODY)
        answer = gets.get_object(
            Bucket="bucket", Key=f"{number}.csv", Range=f"bytes={number}-6", IfMatch=etag
        )
        assert answer["Body"].read() == BODY[number:]
        assert answer["ETag"] == etag
        assert answer["ContentRange"] == f"bytes {number}-6/7"
        assert answer["ContentLength"] == 7 - number
    assert calls == ["/0.csv"]
    assert [each.range for each in s3.requests] == [f"bytes={number}-6" for number in range(4)]


def test_a_sets_objects_are_read_so(s3: FakeS3) -> None:
    client = client_of(s3)
    calls = calls_of(client)
    objects = S3Set(SetPlace("bucket", prefix=""), client=client)
    for key in KEYS:
        piece = Piece(key, s3.put("bucket", key, BODY), len(BODY))
        assert b"".join(objects.open_piece(piece, 0)) == BODY
    assert len(calls) == 1
    assert [each.if_match for each in s3.requests] == [piece.etag] * len(KEYS)


def test_objects_that_are_opened_at_once_are_read_so_too(
    s3: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one `SimilarGets`, which is made when the first is opened."""
    client = client_of(s3)
    register, made = client.meta.events.register, []

    def slow(*given: Any) -> None:
        made.append(given)
        time.sleep(0.05)  # the others come meanwhile
        register(*given)

    monkeypatch.setattr(client.meta.events, "register", slow)
    objects = S3Set(SetPlace("bucket", prefix=""), client=client)
    piece = Piece("k", s3.put("bucket", "k", BODY), len(BODY))
    with ThreadPoolExecutor(8) as threads:
        read = [threads.submit(lambda: b"".join(objects.open_piece(piece, 0))) for _ in range(8)]
    assert [each.result() for each in read] == [BODY] * 8
    assert sorted(event for event, _ in made) == [
        "before-call.s3.GetObject",
        "before-send.s3.GetObject",
    ]


class SlowRenewal:
    """Gives the same credentials again, for so many seconds, and slowly; or fails to."""

    def __init__(self, life_seconds: float, fails: bool = False) -> None:
        self._life_seconds = life_seconds
        self._fails = fails
        self.count = 0

    def __call__(self) -> dict[str, str]:
        self.count += 1
        time.sleep(2 * SLOW_SECONDS)
        if self._fails:
            raise OSError("the service that gives credentials is out of order")
        return self.made()

    def made(self) -> dict[str, str]:
        ends = datetime.now(UTC) + timedelta(seconds=self._life_seconds)
        keys = {"access_key": "key", "secret_key": "secret", "token": "token"}
        return keys | {"expiry_time": ends.isoformat()}


def client_renewing(s3: FakeS3, renewal: SlowRenewal) -> Any:
    client = client_of(s3)
    client._request_signer._credentials = RefreshableCredentials.create_from_metadata(
        renewal.made(), renewal, "test"
    )
    return client


@pytest.mark.parametrize(
    ("life_seconds", "fails"), [(720, True), (300, False)], ids=["fails", "are the same"]
)
def test_credentials_that_renew_slowly_do_not_hold_up_each_object(
    s3: FakeS3, life_seconds: float, fails: bool
) -> None:
    """The SDK tries to renew them at each request, fifteen minutes before their end."""
    renewal = SlowRenewal(life_seconds, fails)
    gets, etag = SimilarGets(client_renewing(s3, renewal)), s3.put("bucket", "k", BODY)
    for _ in range(3):
        get(gets, "k", etag)
    asked_for_before = renewal.count
    for _ in range(10):
        get(gets, "k", etag)
        asked = gets.ask("bucket", "k", etag, len(BODY))
        assert asked is not None
        assert asked.take() == BODY
    # Once more, if all this took longer than they are kept: two seconds.
    assert renewal.count <= asked_for_before + 1


def test_credentials_that_end_soon_are_asked_for_each_time(s3: FakeS3) -> None:
    renewal = SlowRenewal(LONGEST_REUSE_SECONDS)
    gets, etag = SimilarGets(client_renewing(s3, renewal)), s3.put("bucket", "k", BODY)
    for _ in range(4):
        get(gets, "k", etag)
    assert renewal.count >= 4


def test_with_renewed_credentials_the_sdk_makes_the_next_request(s3: FakeS3) -> None:
    client = client_of(s3)
    gets, calls = SimilarGets(client), calls_of(client)
    etag = s3.put("bucket", "k", BODY)
    for name in ("access_key", "secret_key", "token"):
        calls.clear()
        for _ in range(3):
            get(gets, "k", etag)
        setattr(client._request_signer._credentials, name, "another")
        assert gets.ask("bucket", "k", etag, len(BODY)) is None
        for _ in range(3):
            get(gets, "k", etag)
        assert len(calls) == (2 if name == "access_key" else 1), name
        asked = gets.ask("bucket", "k", etag, len(BODY))
        assert asked is not None
        assert asked.take() == BODY


@pytest.mark.parametrize(
    "event", ["request-created", "before-sign", "before-send", "choose-signer"]
)
def test_where_others_listen_the_sdk_makes_all_requests(s3: FakeS3, event: str) -> None:
    client = client_of(s3)
    heard: list[str] = []
    client.meta.events.register(f"{event}.s3", lambda event_name, **_: heard.append(event_name))
    gets = SimilarGets(client)
    for _ in range(3):
        get(gets, "k", s3.put("bucket", "k", BODY))
    assert heard == [f"{event}.s3.GetObject"] * 3


@pytest.mark.parametrize(
    "fault",
    [
        Refuse(404, "NoSuchKey"),
        Refuse(403, "AccessDenied", "Access Denied"),
        Refuse(403, "InvalidObjectState", details={"StorageClass": "GLACIER"}),
        Refuse(412, "PreconditionFailed"),
        Refuse(416, "InvalidRange"),
        Refuse(503, "SlowDown"),
        Refuse(500, "InternalError"),
        Refuse(400, "ExpiredToken", "expired", {"Token-0": "x"}),
        Refuse(304, ""),
    ],
    ids=str,
)
def test_a_refusal_is_the_sdks_error_and_asked_once(s3: FakeS3, fault: Refuse) -> None:
    client = client_of(s3)
    gets = SimilarGets(client)
    etag = s3.put("bucket", "k", BODY)
    get(gets, "k", etag)
    errors = []
    for ways in (client, gets):
        s3.requests.clear()
        s3.script("GET", fault, fault)
        with pytest.raises(ClientError) as caught:
            get(ways, "k", etag)
        errors.append(caught.value)
        if ways is gets:
            assert len(s3.requests) == 1
        s3.reset()
        etag = s3.put("bucket", "k", BODY)
    by_sdk, ours = errors
    assert type(ours) is type(by_sdk)
    assert str(ours) == re.sub(r" \(reached max retries: \d\)", "", str(by_sdk))
    assert aws.failure_kind(ours) is aws.failure_kind(by_sdk)
    assert ours.response["Error"] == by_sdk.response["Error"]
    assert ours.response["ResponseMetadata"].keys() >= {"HTTPStatusCode", "HTTPHeaders"}


def test_after_a_failure_the_sdk_is_asked_again(s3: FakeS3) -> None:
    client = client_of(s3)
    gets, calls = SimilarGets(client), calls_of(client)
    etag = s3.put("bucket", "k", BODY)
    get(gets, "k", etag)
    s3.script("GET", Refuse(503, "SlowDown"))
    with pytest.raises(ClientError):
        get(gets, "k", etag)
    assert len(calls) == 1
    assert get(gets, "k", etag) == get(gets, "k", etag) == BODY[1:]
    assert len(calls) == 2


def test_a_server_that_is_gone_is_the_sdks_error(s3: FakeS3) -> None:
    client = client_of(s3)
    gets = SimilarGets(client)
    etag = s3.put("bucket", "k", BODY)
    get(gets, "k", etag)
    client._endpoint.http_session.close()
    s3.close()
    with pytest.raises(EndpointConnectionError):
        get(gets, "k", etag)


def test_further_arguments_go_the_sdks_way(s3: FakeS3) -> None:
    client = client_of(s3)
    gets, calls = SimilarGets(client), calls_of(client)
    etag = s3.put("bucket", "k", BODY, version_id="v1")
    for more in ({}, {"VersionId": "v1"}, {"RequestPayer": "requester"}, {}):
        get(gets, "k", etag, **more)
    assert len(calls) == 3
    assert [each.version_id for each in s3.requests] == ["", "v1", "", ""]
    assert [each.request_payer for each in s3.requests] == ["", "", "requester", ""]


@pytest.mark.parametrize("bucket", [ACCESS_POINT, DIRECTORY_BUCKET])
def test_access_points_and_directory_buckets_go_the_sdks_way(bucket: str) -> None:
    amazon = Amazon()
    gets, calls = SimilarGets(amazon.client), calls_of(amazon.client)
    for _ in range(3):
        get(gets, "k", '"1"', bucket)
    assert len(calls) == 3


def test_a_client_that_is_not_ours_or_tries_again_goes_the_sdks_way(s3: FakeS3) -> None:
    etag = s3.put("bucket", "k", BODY)
    settings = Config(
        retries={"total_max_attempts": 1},
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"},
    )
    theirs = boto3.client(
        "s3", endpoint_url=s3.endpoint_url, region_name="eu-west-1", config=settings
    )
    for client in (theirs, client_of(s3, max_attempts=2)):
        gets, calls = SimilarGets(client), calls_of(client)
        for _ in range(3):
            assert get(gets, "k", etag) == BODY[1:]
        assert len(calls) == 3


def test_a_request_that_was_sent_again_is_no_pattern(s3: FakeS3) -> None:
    client = client_of(s3)
    gets, calls = SimilarGets(client), calls_of(client)
    etag = s3.put("bucket", "k", BODY)
    moved = Refuse(301, "PermanentRedirect", headers={"x-amz-bucket-region": "eu-central-1"})
    s3.script("GET", moved)
    for _ in range(3):
        get(gets, "k", etag)
    assert len(calls) == 2, "the first was redirected, the second is the pattern"
    assert len(s3.requests) == 4


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_followed_by_the_sdk(s3: FakeS3, status: int) -> None:
    client = client_of(s3)
    gets, calls = SimilarGets(client), calls_of(client)
    etag = s3.put("bucket", "k", BODY)
    get(gets, "k", etag)
    elsewhere = Refuse(status, "Redirect", headers={"x-amz-bucket-region": "eu-central-1"})
    s3.script("GET", elsewhere, elsewhere)
    for _ in range(3):
        assert get(gets, "k", etag) == BODY[1:]
    assert len(calls) == 3, "the second was redirected, the third is the pattern"
    assert len(s3.requests) == 1 + 3 + 2


# -- what is used of botocore beyond its documented API --------------------------------------------


def test_the_client_has_what_is_used_of_it(s3: FakeS3) -> None:
    """If this fails after an upgrade, `SimilarGets` does nothing any more, and a small object takes
    1 ms more of processor time: read botocore's `Endpoint._send_request` and `RequestSigner.sign`
    before `s3_get`."""
    client = client_of(s3)
    assert callable(client._endpoint.http_session.send)
    assert callable(client._request_signer._credentials.get_frozen_credentials)
    assert callable(RefreshableCredentials.refresh_needed)
    listeners = client.meta.events._emitter._handlers.prefix_search("request-created.s3.GetObject")
    assert {each.__module__.partition(".")[0] for each in listeners} == {"botocore"}
    assert callable(parsers.create_parser)
    assert callable(convert_to_response_dict)


def test_another_botocore_costs_time_alone(s3: FakeS3) -> None:
    """One that has not what is used of it, whether that is met in a request or in the first."""
    client = client_of(s3)
    gets, calls = SimilarGets(client), calls_of(client)
    etag = s3.put("bucket", "k", BODY)
    get(gets, "k", etag)
    others: Any = object()
    gets._known["bucket"] = replace(gets._known["bucket"], signed=others)
    assert gets.ask("bucket", "k", etag, len(BODY)) is None
    for _ in range(3):
        assert get(gets, "k", etag) == BODY[1:]
    assert len(calls) == len(s3.requests) == 4

    second = SimilarGets(client)
    second._seen.call = s3_get._Seen({}, None, sent=others)
    second._learn("bucket", "k", io.BytesIO())
    for _ in range(3):
        assert get(second, "k", etag) == BODY[1:]
    assert len(calls) == len(s3.requests) == 7


def test_a_refusal_that_another_botocore_reads_otherwise_is_read_by_it(
    s3: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(s3)
    gets = SimilarGets(client)
    etag = s3.put("bucket", "k", BODY)
    get(gets, "k", etag)
    monkeypatch.delattr(parsers, "create_parser")
    s3.script("GET", Refuse(412, "PreconditionFailed"), Refuse(412, "PreconditionFailed"))
    with pytest.raises(ClientError, match="PreconditionFailed"):
        get(gets, "k", etag)
