"""Each refusal of S3 names its true cause, though HEAD's has no body; answers as S3 gives them."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from csvkafka.aws import clients as aws
from csvkafka.aws.s3_source import S3Source
from csvkafka.errors import (
    ConfigError,
    CsvKafkaError,
    SourceNotFoundError,
    SourceReadError,
)
from csvkafka.retry import ANSWERING_SECONDS, UNREACHED_SECONDS
from csvkafka.testing.faults.faulty_s3 import FakeS3, Refuse
from tests.refusals import refusal
from tests.unit.stepped_clock import SteppedClock

pytestmark = pytest.mark.usefixtures("aws_environment")

KEY = bytes(range(32))
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLETOKEN"
KMS_KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

EXPIRED = Refuse(
    400,
    "ExpiredToken",
    "The provided token has expired.",
    {"Token-0": TOKEN, "HostId": "x"},
    {"x-amz-bucket-region": "eu-west-1"},
)
INVALID_TOKEN = Refuse(
    400,
    "InvalidToken",
    "The provided token is malformed or otherwise invalid.",
    {"Token-0": TOKEN},
)
UNKNOWN_KEY = Refuse(
    403,
    "InvalidAccessKeyId",
    "The AWS Access Key Id you provided does not exist in our records.",
    {"AWSAccessKeyId": "AKIAIOSFODNN7EXAMPLE"},
)
WRONG_SECRET = Refuse(
    403,
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided. Check your key "
    "and signing method.",
    {"AWSAccessKeyId": "AKIAIOSFODNN7EXAMPLE", "StringToSign": "AWS4-HMAC-SHA256"},
)
SKEWED = Refuse(
    403,
    "RequestTimeTooSkewed",
    "The difference between the request time and the current time is too large.",
    {
        "RequestTime": "20261124T093000Z",
        "ServerTime": "2026-11-24T10:30:45Z",
        "MaxAllowedSkewMilliseconds": "900000",
    },
)
CUSTOMER_KEY = Refuse(
    400,
    "InvalidRequest",
    "The object was stored using a form of Server Side Encryption. The correct parameters must be "
    "provided to retrieve the object.",
)
NOT_APPLICABLE = Refuse(
    400, "InvalidRequest", "The encryption parameters are not applicable to this object."
)
DENIED = Refuse(403, "AccessDenied", "Access Denied")
KMS_DENIED = Refuse(
    403,
    "AccessDenied",
    "User: arn:aws:sts::111122223333:assumed-role/loader/task is not authorized to perform: "
    f"kms:Decrypt on resource: {KMS_KEY} because no identity-based policy allows the kms:Decrypt "
    "action",
)
KMS_DISABLED = Refuse(400, "KMS.DisabledException", f"{KMS_KEY} is disabled.")
MOVED = Refuse(
    301,
    "PermanentRedirect",
    "The bucket you are attempting to access must be addressed using the specified endpoint. "
    "Please send all future requests to this endpoint.",
    {"Endpoint": "bucket.s3-eu-central-1.amazonaws.com", "Bucket": "bucket"},
    {"x-amz-bucket-region": "eu-central-1"},
)
MALFORMED_REGION = Refuse(
    400,
    "AuthorizationHeaderMalformed",
    "The authorization header is malformed; the region 'eu-west-1' is wrong; expecting "
    "'eu-central-1'",
    {"Region": "eu-central-1"},
)
BAD_VERSION = Refuse(
    400,
    "InvalidArgument",
    "Invalid version id specified",
    {"ArgumentName": "versionId", "ArgumentValue": "v1"},
)
NO_BUCKET = Refuse(
    404, "NoSuchBucket", "The specified bucket does not exist", {"BucketName": "bucket"}
)
NO_KEY = Refuse(404, "NoSuchKey", "The specified key does not exist.", {"Key": "data.csv"})


@pytest.fixture(scope="module")
def server() -> Iterator[FakeS3]:
    with FakeS3() as server:
        yield server


@pytest.fixture
def s3(server: FakeS3) -> FakeS3:
    server.reset()
    server.put("bucket", "data.csv", b"id\n1\n")
    return server


def refuse(s3: FakeS3, refusal: Refuse) -> None:
    s3.always("HEAD", refusal)
    s3.always("GET", refusal)


def source(s3: FakeS3, clock: SteppedClock | None = None, **settings: Any) -> S3Source:
    client = aws.s3_client(endpoint_url=s3.endpoint_url, read_timeout_seconds=30)
    return S3Source("bucket", "data.csv", client=client, clock=clock or SteppedClock(), **settings)


@pytest.mark.parametrize(
    ("refusal", "error", "words"),
    [
        (EXPIRED, SourceReadError, r"credentials have expired \(before .* GMT, by AWS's clock\)"),
        (INVALID_TOKEN, SourceReadError, "AWS_SESSION_TOKEN"),
        (UNKNOWN_KEY, SourceReadError, "access key id is unknown.*AWS_ACCESS_KEY_ID"),
        (WRONG_SECRET, SourceReadError, "secret key does not belong.*AWS_SECRET_ACCESS_KEY"),
        (SKEWED, SourceReadError, r"clock.*here 20261124T093000Z, there 2026-11-24T10:30:45Z"),
        (CUSTOMER_KEY, ConfigError, r"SSE-C.*S3_SSE_CUSTOMER_KEY"),
        (DENIED, SourceReadError, "s3:GetObject .*s3:ListBucket.*S3_REQUEST_PAYER=requester"),
        (KMS_DENIED, SourceReadError, f"kms:Decrypt on key {KMS_KEY}"),
        (KMS_DISABLED, SourceReadError, f"key {KMS_KEY}.*enabled"),
        (MOVED, ConfigError, "region eu-central-1.*AWS_REGION=eu-central-1"),
        (MALFORMED_REGION, ConfigError, "AWS_REGION=eu-central-1"),
        (NO_BUCKET, SourceNotFoundError, "no bucket bucket .*S3_BUCKET"),
        (NO_KEY, SourceNotFoundError, r"no s3://bucket/data\.csv .*the bucket is there.*S3_KEY"),
    ],
    ids=lambda value: value.code if isinstance(value, Refuse) else "",
)
@pytest.mark.fault("F85", "F89")
def test_a_refusal_names_its_cause_and_remedy_at_once(
    s3: FakeS3, refusal: Refuse, error: type[CsvKafkaError], words: str
) -> None:
    refuse(s3, refusal)
    clock = SteppedClock()
    with pytest.raises(error, match=words) as raised:
        source(s3, clock).identify()
    assert type(raised.value) is error
    assert not clock.slept
    assert TOKEN not in str(raised.value), "a token is in the message"
    assert "AKIAIOSFODNN7EXAMPLE" not in str(raised.value)


def test_a_key_that_names_a_folder_is_told(s3: FakeS3) -> None:
    client = aws.s3_client(endpoint_url=s3.endpoint_url, read_timeout_seconds=30)
    folder = S3Source("bucket", "exports/", client=client, clock=SteppedClock())
    with refusal(SourceNotFoundError, "ends in '/' is at most the mark of a folder; set S3_KEY"):
        folder.identify()


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("s3://bucket/data.csv", r"S3_KEY begins with 's3://'; give the key alone"),
        ("/data.csv", r"S3_KEY begins with '/'; give the key alone"),
        ("data.csv\r", r"no 's3://bucket/data\.csv\\r' .*line ends"),
        ('"data.csv"', "quotation marks"),
    ],
)
def test_a_key_that_is_written_wrongly_is_told(s3: FakeS3, key: str, said: str) -> None:
    client = aws.s3_client(endpoint_url=s3.endpoint_url, read_timeout_seconds=30)
    with refusal(SourceNotFoundError, said):
        S3Source("bucket", key, client=client, clock=SteppedClock()).identify()


def test_a_bucket_that_cannot_be_is_one_line_with_its_setting(s3: FakeS3) -> None:
    client = aws.s3_client(endpoint_url=s3.endpoint_url, read_timeout_seconds=30)
    with refusal(ConfigError, "check S3_BUCKET and S3_KEY") as caught:
        S3Source('"bucket"', "k", client=client, clock=SteppedClock()).identify()
    assert "\n" not in str(caught.value)


def test_a_bare_refusal_costs_one_get_of_one_byte(s3: FakeS3) -> None:
    refuse(s3, EXPIRED)
    with pytest.raises(SourceReadError):
        source(s3).identify()
    assert [request.range for request in s3.requests if request.method == "GET"] == ["bytes=0-0"]


def test_a_load_that_may_read_asks_for_no_byte_more(s3: FakeS3) -> None:
    source(s3).identify()
    assert [request.method for request in s3.requests] == ["HEAD"]


def test_a_malformed_version_id_is_named(s3: FakeS3) -> None:
    refuse(s3, BAD_VERSION)
    with pytest.raises(ConfigError, match="S3_VERSION_ID 'v1' is not a version id"):
        source(s3, version_id="v1").identify()


def test_an_expiry_that_the_client_knows_is_told(s3: FakeS3) -> None:
    refuse(s3, EXPIRED)
    reading = source(s3)
    credentials = reading._connected()._request_signer._credentials  # type: ignore[attr-defined]
    credentials._expiry_time = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    with pytest.raises(SourceReadError, match="expired at 2026-11-24 10:00:00 UTC"):
        reading.identify()


def test_credentials_that_expired_by_their_own_word_are_told(
    s3: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """botocore raises a RuntimeError, before it sends anything."""
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2026-01-01T00:00:00Z")
    with pytest.raises(SourceReadError, match=r"expired at 2026-01-01 00:00:00 UTC.*renew"):
        source(s3).identify()


def test_who_pays_is_told_with_each_request(s3: FakeS3) -> None:
    assert b"".join(source(s3, request_payer="requester").read(0)) == b"id\n1\n"
    assert {request.request_payer for request in s3.requests} == {"requester"}


def test_the_customers_key_goes_with_each_request(s3: FakeS3) -> None:
    assert b"".join(source(s3, customer_key=KEY).read(0)) == b"id\n1\n"
    sent = base64.b64encode(KEY).decode()
    assert {request.customer_key for request in s3.requests} == {sent}


@pytest.mark.parametrize(
    ("refusal", "words"),
    [(NOT_APPLICABLE, "S3_SSE_CUSTOMER_KEY: it is not encrypted"), (DENIED, "S3_SSE_CUSTOMER_KEY")],
    ids=["not encrypted", "another key"],
)
def test_a_customers_key_that_does_not_fit_is_named(
    s3: FakeS3, refusal: Refuse, words: str
) -> None:
    refuse(s3, refusal)
    with pytest.raises(CsvKafkaError, match=words) as raised:
        source(s3, customer_key=KEY).identify()
    assert base64.b64encode(KEY).decode() not in str(raised.value)


def test_a_kms_key_that_only_reading_needs_is_named(s3: FakeS3) -> None:
    """HEAD needs no key, so it is the first GET that is refused."""
    s3.always("GET", KMS_DENIED)
    with pytest.raises(SourceReadError, match=f"kms:Decrypt on key {KMS_KEY}"):
        list(source(s3).read(0))


def test_an_endpoint_that_never_answers_is_given_up_soon() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        clock = SteppedClock()
        before = clock.now
        unreached = S3Source("bucket", "k", client=aws.s3_client(endpoint_url=url), clock=clock)
        said = f"{url} .*cannot be reached: check AWS_REGION, AWS_ENDPOINT_URL and the network"
        with refusal(SourceReadError, said) as caught:
            unreached.identify()
    assert "what was loaded" not in str(caught.value), "nothing was"
    assert 0 < clock.now - before <= UNREACHED_SECONDS


def test_s3_that_has_answered_once_is_borne_for_longer(s3: FakeS3) -> None:
    clock = SteppedClock()
    before = clock.now
    reading = source(s3, clock)
    s3.always("HEAD", Refuse(503, "SlowDown"))
    with pytest.raises(SourceReadError, match="when S3 answers"):
        reading.identify()
    assert clock.now - before == ANSWERING_SECONDS
