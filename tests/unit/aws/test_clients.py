"""What an error of the AWS SDK means: which ones are worth another try; where clients send to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import exceptions, handlers
from botocore.loaders import JSONFileLoader, Loader
from botocore.utils import parse_timestamp

from csvkafka.aws import clients as aws
from csvkafka.aws.clients import FailureKind, failure_kind
from csvkafka.errors import ConfigError
from tests.refusals import refusal
from tests.unit.aws.aws_environment import set_aws_environment


def answer(code: str, http_status: int) -> exceptions.ClientError:
    return exceptions.ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": http_status}},  # type: ignore[typeddict-item]
        "GetObject",
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (exceptions.EndpointConnectionError(endpoint_url="http://s3"), FailureKind.TRANSIENT),
        (exceptions.ConnectTimeoutError(endpoint_url="http://s3"), FailureKind.TRANSIENT),
        (exceptions.ReadTimeoutError(endpoint_url="http://s3"), FailureKind.TRANSIENT),
        (exceptions.ConnectionClosedError(endpoint_url="http://s3"), FailureKind.TRANSIENT),
        (ConnectionResetError(), FailureKind.TRANSIENT),
        (answer("SlowDown", 503), FailureKind.TRANSIENT),
        (answer("AnythingElse", 500), FailureKind.TRANSIENT),
        (answer("ThrottlingException", 400), FailureKind.TRANSIENT),
        (answer("AccessDenied", 403), FailureKind.DENIED),
        (answer("ExpiredToken", 400), FailureKind.CREDENTIALS),
        (answer("NoSuchKey", 404), FailureKind.NOT_FOUND),
        (answer("PreconditionFailed", 412), FailureKind.CHANGED),
        (answer("InvalidObjectState", 403), FailureKind.OTHER),
        (exceptions.NoCredentialsError(), FailureKind.CREDENTIALS),
        (exceptions.UnauthorizedSSOTokenError(), FailureKind.CREDENTIALS),
        (RuntimeError("anything else"), FailureKind.OTHER),
        (exceptions.ParamValidationError(report="bad"), FailureKind.OTHER),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_failure_kind(error: Exception, kind: FailureKind) -> None:
    assert failure_kind(error) is kind


REGIONS = ("us-east-1", "eu-central-2", "ap-southeast-5", "cn-north-1", "us-gov-west-1", "xx-new-1")


@pytest.mark.parametrize("fips", ["false", "true"])
@pytest.mark.parametrize("region", REGIONS)
def test_where_requests_go_and_who_they_are_signed_for_is_as_boto3_has_it(
    monkeypatch: pytest.MonkeyPatch, region: str, fips: str
) -> None:
    set_aws_environment(monkeypatch)
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", fips)
    plain = boto3.session.Session(region_name=region)
    ours = [aws.s3_client(region_name=region), aws.dynamodb_client(region_name=region)]
    theirs = [plain.client("s3"), plain.client("dynamodb")]

    assert list(map(destination, ours)) == list(map(destination, theirs))


class Destination(Exception):
    """Raised instead of sending; its arguments are the URL and the scope of the signature."""


def destination(client: Any) -> str:
    """Where a request of the client goes, and the region and service that it is signed for; or why
    there is no such place."""

    def stop(request: Any, **_: Any) -> None:
        # AWS4-HMAC-SHA256 Credential=<key>/<day>/<region>/<service>/aws4_request, …
        credential = bytes(request.headers["Authorization"]).split(b",")[0]
        raise Destination(request.url, credential.split(b"/", 2)[2])

    client.meta.events.register("before-send", stop)
    with pytest.raises((Destination, exceptions.EndpointResolutionError)) as stopped:
        if client.meta.service_model.service_name == "s3":
            client.head_object(Bucket="bucket", Key="key")
        else:
            client.get_item(TableName="table", Key={"job_id": {"S": "job"}})
    return repr(stopped.value)


@pytest.mark.parametrize("style", ["", "auto", "path", "virtual"])
@pytest.mark.parametrize("is_argument", [False, True])
def test_another_endpoint_than_amazon_s_is_called_by_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, style: str, is_argument: bool
) -> None:
    set_aws_environment(monkeypatch)
    endpoint = "http://minio.example:9000"
    if not is_argument:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    profile = tmp_path / "config"
    profile.write_text(f"[default]\ns3 =\n  addressing_style = {style}\n" if style else "")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(profile))
    client = aws.s3_client(endpoint_url=endpoint if is_argument else None)
    assert f"{endpoint}/bucket/key" in destination(client)


def test_the_region_of_a_task_on_ecs_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    set_aws_environment(monkeypatch)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-central-2")
    assert aws.s3_client().meta.region_name == "eu-central-2"
    assert aws.dynamodb_client().meta.region_name == "eu-central-2"
    assert aws.s3_client(region_name="eu-west-1").meta.region_name == "eu-west-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    assert aws.s3_client().meta.region_name == "eu-west-3"


@pytest.mark.parametrize("service", ["s3/2006-03-01", "dynamodb/2012-08-10"])
@pytest.mark.parametrize("name", ["service-2", "endpoint-rule-set-1"])
def test_the_services_are_described_as_botocore_reads_it(service: str, name: str) -> None:
    path = f"{Loader.BUILTIN_DATA_PATH}/{service}/{name}"
    files = aws._service_descriptions().file_loader

    assert files.exists(path)
    assert files.load_file(path) == JSONFileLoader().load_file(path)
    assert not files.exists(path + "-nothing")
    assert files.load_file(path + "-nothing") is None


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-28T17:30:05.000Z",
        "2026-11-28T17:30:05.123Z",
        "2026-02-28T00:00:00Z",
        "2026-11-28T17:30:05+02:00",
        "Sat, 28 Nov 2026 17:30:05 GMT",
        "20261128T173005Z",
        "1700000000.5",
        1_700_000_000,
    ],
)
def test_a_time_is_the_one_that_botocore_reads(text: Any) -> None:
    assert aws._moment(text) == parse_timestamp(text)
    assert aws._moment(text).utcoffset() == parse_timestamp(text).utcoffset()


@pytest.mark.parametrize("text", ["2026-13-01T00:00:00Z", "2026-11-28T17:30:05.000Z\n", "x", ""])
def test_a_time_that_botocore_refuses_is_refused(text: str) -> None:
    try:
        expected = parse_timestamp(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            aws._moment(text)
    else:
        assert aws._moment(text) == expected


def test_a_listing_has_the_times_that_are_read_so(monkeypatch: pytest.MonkeyPatch) -> None:
    set_aws_environment(monkeypatch)
    parsers = aws._new_session("eu-west-1")._session.get_component("response_parser_factory")
    assert parsers.create_parser("rest-xml")._timestamp_parser is aws._moment


def test_what_listens_to_one_session_hears_nothing_of_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_aws_environment(monkeypatch)
    first, second = (aws._new_session("eu-west-1") for _ in range(2))
    heard: list[str] = []
    first.events.register("provide-client-params.s3", lambda **_: heard.append("first"))
    for session in (second, aws._new_session("eu-west-1"), first):
        client = session.client("s3", aws_access_key_id="key", aws_secret_access_key="secret")
        with pytest.raises(exceptions.ParamValidationError):
            client.head_object(Bucket="bucket")
        assert heard == (["first"] if session is first else [])


def test_a_session_does_at_each_event_what_boto3_s_own_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_aws_environment(monkeypatch)
    own_and_ours = [
        session._session.get_component("event_emitter")._emitter._handlers
        for session in (aws._new_session("eu-west-1"), boto3.session.Session("eu-west-1"))
    ]
    events = [str(spec[0]) for spec in handlers.BUILTIN_HANDLERS]
    count = 0
    for event in (*events, "creating-client-class.s3", "creating-resource-class.dynamodb.Table"):
        place = event.replace("*", "x")
        ours, own = ([name_of(it) for it in found.prefix_search(place)] for found in own_and_ours)
        assert ours == own
        count += len(ours)
    assert count > len(events)


def test_a_session_has_what_was_added_to_the_sdks_list_since_the_last_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As moto adds to it when it is imported."""
    set_aws_environment(monkeypatch)
    aws._new_session("eu-west-1")
    heard: list[str] = []
    added = ("provide-client-params.s3", lambda **_: heard.append("added"))
    monkeypatch.setattr(handlers, "BUILTIN_HANDLERS", [*handlers.BUILTIN_HANDLERS, added])
    session = aws._new_session("eu-west-1")
    client = session.client("s3", aws_access_key_id="key", aws_secret_access_key="secret")
    with pytest.raises(exceptions.ParamValidationError):
        client.head_object(Bucket="bucket")
    assert heard == ["added"]


def name_of(handler: Any) -> str:
    return getattr(handler, "__qualname__", type(handler).__qualname__)


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
@pytest.mark.parametrize("text", ["127.0.0.1:9000", "localhost:9000", "minio"])
def test_an_endpoint_without_its_scheme_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    set_aws_environment(monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv(variable, text)
    with refusal(ConfigError, f"^{variable} must be a URL, with http:// .* not '{text}'"):
        aws.s3_client()
