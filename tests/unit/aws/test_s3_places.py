"""Access points, directory buckets and odd keys: the requests as they would go to Amazon."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from csvkafka.aws import clients as aws
from csvkafka.aws.s3_source import S3Source
from tests.unit.aws.aws_environment import set_aws_environment

BODY = b"id\n1\n2\n"
ACCESS_POINT = "arn:aws:s3:eu-west-1:111122223333:accesspoint/exports"
DIRECTORY_BUCKET = "exports--euw1-az1--x-s3"


class Raw(io.BytesIO):
    """A body as urllib3 gives it."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


class Amazon:
    """Answers each request in the place of Amazon's servers, and keeps it."""

    def __init__(self) -> None:
        self.requests: list[AWSPreparedRequest] = []
        self.client = aws.s3_client()
        self.client.meta.events.register("before-send.s3", self._answer)

    def _answer(self, request: AWSPreparedRequest, **_: Any) -> Any:
        self.requests.append(request)
        headers: Any = {"ETag": '"1"', "Content-Length": str(len(BODY))}
        if "?session" in request.url:
            headers.clear()
            return AWSResponse(request.url, 200, headers, Raw(_session()))
        if request.method == "HEAD":
            return AWSResponse(request.url, 200, headers, Raw())
        first = int(_header(request, "Range").removeprefix("bytes=").partition("-")[0])
        headers["Content-Range"] = f"bytes {first}-{len(BODY) - 1}/{len(BODY)}"
        headers["Content-Length"] = str(len(BODY) - first)
        return AWSResponse(request.url, 206, headers, Raw(BODY[first:]))


def _session() -> bytes:
    expires = (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        "<CreateSessionResult><Credentials><AccessKeyId>session</AccessKeyId>"
        "<SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>"
        f"<Expiration>{expires}</Expiration></Credentials></CreateSessionResult>"
    ).encode()


def _header(request: AWSPreparedRequest, name: str) -> str:
    value = request.headers.get(name, "")
    return value.decode() if isinstance(value, bytes) else value


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Amazon:
    set_aws_environment(monkeypatch)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    return Amazon()


def read(amazon: Amazon, bucket: str, key: str) -> bytes:
    return b"".join(S3Source(bucket, key, client=amazon.client).read(3))


def test_an_access_point_is_asked_by_its_own_name(amazon: Amazon) -> None:
    assert read(amazon, ACCESS_POINT, "a b.csv") == BODY[3:]
    hosts = {urlsplit(request.url).netloc for request in amazon.requests}
    assert hosts == {"exports-111122223333.s3-accesspoint.eu-west-1.amazonaws.com"}
    assert {urlsplit(request.url).path for request in amazon.requests} == {"/a%20b.csv"}
    assert _header(amazon.requests[-1], "If-Match") == '"1"'


def test_a_directory_bucket_is_asked_in_a_session(amazon: Amazon) -> None:
    assert read(amazon, DIRECTORY_BUCKET, "a.csv") == BODY[3:]
    hosts = {urlsplit(request.url).netloc for request in amazon.requests}
    assert hosts == {f"{DIRECTORY_BUCKET}.s3express-euw1-az1.eu-west-1.amazonaws.com"}
    asking = [request for request in amazon.requests if "?session" not in request.url]
    assert len(asking) == len(amazon.requests) - 1
    assert {_header(request, "x-amz-s3session-token") for request in asking} == {"token"}


@pytest.mark.parametrize("key", ["a b.csv", "a+b.csv", "100%25.csv", "ä/日本.csv", "a&b=c?.csv"])
def test_a_key_goes_out_as_it_is(amazon: Amazon, key: str) -> None:
    assert read(amazon, "data", key) == BODY[3:]
    paths = {urlsplit(request.url).path for request in amazon.requests}
    assert {unquote(path) for path in paths} == {f"/{key}"}
    assert not any("+" in path for path in paths)
