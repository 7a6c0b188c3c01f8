"""What an error of the AWS SDK means: which ones are worth another try."""

from __future__ import annotations

import pytest
from botocore import exceptions

from csvkafka.aws import FailureKind, failure_kind


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
        (exceptions.ParamValidationError(report="bad"), FailureKind.OTHER),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_failure_kind(error: Exception, kind: FailureKind) -> None:
    assert failure_kind(error) is kind
