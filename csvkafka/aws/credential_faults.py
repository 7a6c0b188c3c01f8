"""Why AWS does not accept the credentials of a request, and what to do about it.

Pure, but for a look at what the client itself knows of its credentials. A message never holds a
key or a token: AWS may send both back in its answer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from csvkafka.aws import clients as aws

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3.client import S3Client

_EXPIRED = frozenset(("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"))
_UNKNOWN_KEY = frozenset(
    ("InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException")
)
_SIGNATURE = frozenset(("SignatureDoesNotMatch", "InvalidSignatureException"))
_CLOCK = frozenset(("RequestTimeTooSkewed", "RequestExpired"))
_SKEW = re.compile(r"Signature (?:expired|not yet current): (\S+) is .*? than (\S+)")

_RENEW = "renew them (a role's are renewed by itself; static keys and session tokens are not)"


def credential_fault(error: Exception, client: S3Client | DynamoDBClient) -> str:
    """The cause and the remedy, for an error of the kind CREDENTIALS."""
    code = aws.error_code(error)
    answer: dict[str, Any] = getattr(error, "response", None) or {}
    told: dict[str, Any] = answer.get("Error", {})
    skew = _SKEW.search(str(told.get("Message", "")))
    if code in _CLOCK or skew is not None:
        ours, theirs = skew.groups() if skew else (told.get("RequestTime"), told.get("ServerTime"))
        compared = f" (here {ours}, there {theirs})" if ours and theirs else ""
        return (
            f"this host's clock and AWS's differ by more than it allows{compared}: set the clock "
            "(NTP), and run the same command again"
        )
    if code in _EXPIRED or isinstance(error, RuntimeError):
        return f"the AWS credentials {_expired_at(answer, client)}: {_RENEW}, and run again"
    if code in _UNKNOWN_KEY:
        return (
            "the AWS access key id is unknown to AWS: it was deleted or mistyped, is of another "
            "partition, or comes without its session token; check AWS_ACCESS_KEY_ID and "
            "AWS_SESSION_TOKEN, or AWS_PROFILE"
        )
    if code == "InvalidToken":
        return (
            "the AWS session token does not belong to the access key, or is damaged: set "
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN from one and the same "
            "answer, or unset the token of a key that has none"
        )
    if code in _SIGNATURE:
        return (
            "the AWS secret key does not belong to the access key id: check AWS_SECRET_ACCESS_KEY "
            "(no quotes, no blank, all 40 characters) or AWS_PROFILE"
        )
    if not code:
        return "there are none that could be used: sign in again (aws sso login), or name others"
    return f"the AWS credentials are not accepted: {_RENEW}, and check the host's clock"


def _expired_at(answer: dict[str, Any], client: S3Client | DynamoDBClient) -> str:
    """`expired at …` if the client knows when; else before which time of AWS's own clock."""
    # The signer has no public way to its credentials; without one there is just less to say.
    credentials = getattr(getattr(client, "_request_signer", None), "_credentials", None)
    expiry = getattr(credentials, "_expiry_time", None)
    if expiry is not None:
        return f"expired at {expiry:%Y-%m-%d %H:%M:%S %Z}"
    now = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return "have expired" + (f" (before {now}, by AWS's clock)" if now else "")
