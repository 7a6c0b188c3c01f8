"""A GET that is made like one of the SDK's: with the bytes that the SDK sends for it."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.utils import percent_encode

from csvkafka.aws.signed_gets import SignedGets
from tests.unit.aws.aws_environment import set_aws_environment
from tests.unit.aws.test_s3_places import Amazon

KEYS = (
    "plain.csv",
    "a b/ü+%41?x#y~(1)'.csv",
    "/begins/with/a/slash",
    "two//slashes/../dots/./%2F%s%(path)s",
    "s3://other/key",
    "日本/é.csv",
    "\u0065\u0301",
    "a&b=c;d,e:f@g$h!i*j",
    "tab\tand\\",
)
ENDPOINTS = (
    "",
    "http://s3.example:9000/under/a%20path",
    "https://[::1]:443",
    "http://127.0.0.1:80",
)


def path_of(key: str) -> str:
    return str(percent_encode(key, safe="/~"))


@pytest.fixture(params=ENDPOINTS)
def amazon(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Amazon:
    set_aws_environment(monkeypatch)
    if request.param:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", request.param)
    return Amazon()


def sent(amazon: Amazon, key: str, etag: str = '"1"') -> AWSPreparedRequest:
    amazon.client.get_object(Bucket="data", Key=key, Range="bytes=1-6", IfMatch=etag)
    return amazon.requests[-1]


def plain(request: AWSPreparedRequest) -> dict[str, str]:
    return {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in request.headers.items()
    }


def credentials_of(amazon: Amazon) -> Any:
    return amazon.client._request_signer._credentials.get_frozen_credentials()  # type: ignore[attr-defined]


def pattern(amazon: Amazon, key: str = "plain.csv") -> SignedGets:
    request = sent(amazon, key)
    found = SignedGets.like(
        request.url, dict(request.headers.items()), path_of(key), credentials_of(amazon)
    )
    assert found is not None
    return found


@pytest.mark.parametrize("token", [None, "to+k/en=="])
def test_each_request_is_the_sdks_own_with_its_signature(amazon: Amazon, token: str | None) -> None:
    amazon.client._request_signer._credentials.token = token  # type: ignore[attr-defined]
    gets = pattern(amazon)
    for key in KEYS:
        request = sent(amazon, key, '"e-2%41"')
        headers = plain(request)
        assert ("X-Amz-Security-Token" in headers) is (token is not None)
        time, number = headers["X-Amz-Date"], headers["amz-sdk-invocation-id"]
        made = gets.made(path_of(key), "bytes=1-6", '"e-2%41"', time, number)
        assert made == (request.url, headers)


def test_each_of_odd_keys_is_a_pattern_for_the_others(amazon: Amazon) -> None:
    for key in KEYS:
        gets = pattern(amazon, key)
        request = sent(amazon, "a.csv")
        headers = plain(request)
        time, number = headers["X-Amz-Date"], headers["amz-sdk-invocation-id"]
        assert gets.made("a.csv", "bytes=1-6", '"1"', time, number) == (request.url, headers)


def test_a_new_day_has_a_key_of_its_own(amazon: Amazon) -> None:
    gets = pattern(amazon)
    days = ("20260102", "20260103", "20260102")
    first, next_day, again = [
        gets.made("k", "bytes=0-1", '"1"', f"{day}T000000Z", "n") for day in days
    ]
    assert first == again
    assert first is not None and next_day is not None
    assert "/20260103/" in next_day[1]["Authorization"]
    others = pattern(amazon)
    assert others.made("k", "bytes=0-1", '"1"', "20260103T000000Z", "n") == next_day


@pytest.mark.parametrize("etag", ['"a\r\nX: y"', '"a\n"', '" a"', '"é"', '"a\t"'])
def test_an_etag_that_would_not_be_signed_as_it_stands_is_not_for_it(
    amazon: Amazon, etag: str
) -> None:
    assert pattern(amazon).made("k", "bytes=0-1", etag, "20260102T000000Z", "n") is None


@pytest.mark.parametrize(
    "change",
    [
        {"x-amz-request-payer": "requester"},
        {"X-Amzn-Trace-Id": "Root=1"},
        {"Range": None},
        {"Range": "bytes=2-6"},
        {"If-Match": '"2"'},
        {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"},
        {"X-Amz-Security-Token": "token"},
        {"Authorization": None},
        {"Authorization": "AWS key:signature"},
        {"User-Agent": None},
    ],
    ids=str,
)
def test_what_is_not_wholly_understood_is_no_pattern(
    amazon: Amazon, change: dict[str, str | None]
) -> None:
    request = sent(amazon, "k")
    changed: dict[str, str | None] = {**plain(request), **change}
    headers = {name: value for name, value in changed.items() if value is not None}
    assert SignedGets.like(request.url, headers, "k", credentials_of(amazon)) is None


def test_another_signature_path_or_query_is_no_pattern(amazon: Amazon) -> None:
    request = sent(amazon, "k")
    headers, credentials = plain(request), credentials_of(amazon)
    signed = headers["Authorization"]
    assert SignedGets.like(request.url, headers, "k", credentials) is not None
    assert SignedGets.like(request.url, headers, "other", credentials) is None
    assert SignedGets.like(f"{request.url}?x=/k", headers, "k", credentials) is None
    assert SignedGets.like(request.url, headers, "k", ("key", "another", None)) is None
    for other in (
        signed.replace("HMAC-SHA256", "ECDSA-P256-SHA256"),
        signed.replace("SignedHeaders=", "SignedHeaders=accept;"),
        signed[:-1] + ("0" if signed[-1] != "0" else "1"),
    ):
        changed = {**headers, "Authorization": other}
        assert SignedGets.like(request.url, changed, "k", credentials) is None
