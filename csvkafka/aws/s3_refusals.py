"""What S3's refusal of one object means: an error that names the true cause and the remedy.

A refused HEAD has no body, so S3's code for it is lost. `in_own_words` asks once more, by a GET of
one byte: if that is refused, the answer has a body.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from csvkafka.aws import clients as aws
from csvkafka.aws.clients import FailureKind
from csvkafka.aws.credential_faults import credential_fault
from csvkafka.aws.strangers import StrangerError, unreached
from csvkafka.errors import (
    ConfigError,
    CsvKafkaError,
    SourceChangedError,
    SourceNotFoundError,
    SourceReadError,
)

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_ASKED_AGAIN = frozenset((301, 307, 400, 403, 404))
_ELSEWHERE = frozenset(
    (
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "PermanentRedirect",
        "TemporaryRedirect",
    )
)
_KMS_KEY = re.compile(r"arn:aws[\w-]*:kms:[\w:/-]+")
_REGION = re.compile(r"expecting '([\w-]+)'")


@dataclass(frozen=True, slots=True)
class ObjectRequest:
    """One object as each request names it; `more` holds further arguments of every HEAD and GET
    (version, payer, the customer's key)."""

    bucket: str
    key: str
    more: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The object as messages name it."""
        version_id = self.more.get("VersionId")
        uri = f"s3://{self.bucket}/{self.key}"
        if not uri.isprintable():
            uri = repr(uri)  # a line end, say, that a file of variables has brought in
        return uri if version_id is None else f"{uri} version {version_id}"


def in_own_words(client: S3Client, asked: ObjectRequest, error: Exception) -> Exception:
    """The refusal with S3's code, if `error` answered a HEAD and has none; else `error` itself."""
    code = aws.error_code(error)
    if not code.isdecimal() or aws.http_status_of(error) not in _ASKED_AGAIN:
        return error
    try:
        answer = client.get_object(
            Bucket=asked.bucket, Key=asked.key, Range="bytes=0-0", **asked.more
        )
    except StrangerError as stranger:
        return stranger
    except aws.vendor_errors() as told:
        if aws.error_code(told) and aws.failure_kind(told) is not FailureKind.TRANSIENT:
            return told
        return error
    answer["Body"].close()
    return error


def refusal(
    client: S3Client,
    asked: ObjectRequest,
    error: Exception,
    request: str,
    *,
    has_answered: bool = True,
) -> CsvKafkaError:
    """The error to raise for `error`, which answered `request` (such as `GET from byte 0`).
    `has_answered`: S3 has answered at least once, so the service is there."""
    from botocore.exceptions import NoCredentialsError, ParamValidationError

    name, cause = asked.name, aws.describe(error)
    where = f"at {aws.endpoint_of(client)}"
    kind = aws.failure_kind(error)
    if isinstance(error, NoCredentialsError | ParamValidationError):
        return ConfigError(f"cannot read {name} {where}: {cause}; check S3_BUCKET and S3_KEY")
    region = _other_region(client, error)
    if region is not None:
        return ConfigError(
            f"bucket {asked.bucket} is in region {region}, not where it was asked for, {where}: "
            f"set AWS_REGION={region} ({cause})"
        )
    special = _special(asked, error, cause)
    if special is not None:
        return special
    if kind is FailureKind.CHANGED:
        return SourceChangedError(
            f"{name} is no longer the object that the job was begun with ({request}: {cause})"
            "; put the old object back, name its version id, or load the new one under "
            "another JOB_ID"
        )
    if kind is FailureKind.NOT_FOUND:
        return SourceNotFoundError(_not_found(asked, error, where, cause))
    if kind is FailureKind.DENIED:
        return SourceReadError(_denied(asked, where, cause))
    if kind is FailureKind.CREDENTIALS:
        return SourceReadError(
            f"S3 does not accept the AWS credentials for {name} {where} ({cause}): "
            f"{credential_fault(error, client)}"
        )
    if kind is FailureKind.TRANSIENT and not has_answered:
        return SourceReadError(
            f"cannot read {name} {where}: {unreached('S3', error)} and the network ({request}: "
            f"{cause})"
        )
    remedy = "when S3 answers" if kind is FailureKind.TRANSIENT else "when that is put right"
    return SourceReadError(
        f"cannot read {name} {where}, {request}: {cause}; what was loaded is kept, run the "
        f"same command again {remedy}"
    )


def _other_region(client: S3Client, error: Exception) -> str | None:
    """The bucket's region, if that is why S3 refused; by its answer, or by the answer's header."""
    answer: dict[str, Any] = getattr(error, "response", None) or {}
    code, told = aws.error_code(error), answer.get("Error", {})
    if code not in _ELSEWHERE and not (code.isdecimal() and int(code) in (301, 307, 400)):
        return None
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    expected = _REGION.search(str(told.get("Message", "")))
    region = headers.get("x-amz-bucket-region") or told.get("Region")
    region = region or (expected[1] if expected else None)
    return None if region == client.meta.region_name else region


def _special(asked: ObjectRequest, error: Exception, cause: str) -> CsvKafkaError | None:
    """Refusals that a setting or a key cures; None: it is none of them."""
    answer: dict[str, Any] = getattr(error, "response", None) or {}
    code, told = aws.error_code(error), answer.get("Error", {})
    message = str(told.get("Message", ""))
    has_key = "SSECustomerKey" in asked.more
    if code == "InvalidObjectState":
        return SourceReadError(
            f"{asked.name} is archived: restore it (s3:RestoreObject), wait until it is there, and "
            f"run the same command again ({cause})"
        )
    if code.startswith("KMS.") or "kms:" in message or "ciphertext refers to" in message:
        key = _KMS_KEY.search(message)
        named = f"key {key[0]}" if key else "the KMS key of the object"
        return SourceReadError(
            f"{asked.name} is encrypted by KMS: the role needs kms:Decrypt on {named}, in its own "
            f"policy and in the key's, and the key must be enabled ({cause})"
        )
    if code == "InvalidRequest" and "Server Side Encryption" in message and not has_key:
        return ConfigError(
            f"{asked.name} is encrypted by a key that its owner keeps (SSE-C): give that key by "
            f"S3_SSE_CUSTOMER_KEY ({cause})"
        )
    if has_key and (code == "InvalidRequest" or "MD5 hash of the key" in message):
        return ConfigError(
            f"{asked.name} cannot be read with S3_SSE_CUSTOMER_KEY: it is not encrypted by a "
            f"customer's key, or by another one; check it, or unset it ({cause})"
        )
    about_version = told.get("ArgumentName") == "versionId" or "version id" in message.lower()
    if code == "InvalidArgument" and about_version:
        return ConfigError(
            f"S3_VERSION_ID {asked.more.get('VersionId')!r} is not a version id that S3 gives: "
            f"copy it from the bucket's list of versions, or leave it out for the newest ({cause})"
        )
    return None


def _not_found(asked: ObjectRequest, error: Exception, where: str, cause: str) -> str:
    match aws.error_code(error):
        case "NoSuchBucket":
            return (
                f"there is no bucket {asked.bucket} {where} ({cause}); check S3_BUCKET, region and "
                "endpoint"
            )
        case "NoSuchKey" if asked.key.endswith("/"):
            return (
                f"there is no {asked.name} {where} ({cause}): the bucket is there, but a key that "
                "ends in '/' is at most the mark of a folder; set S3_KEY to the key of one file, "
                "or S3_PREFIX in its place to load all under it"
            )
        case "NoSuchKey" if asked.key.startswith(("s3://", "/")):
            begins = "s3://" if asked.key.startswith("s3://") else "/"
            return (
                f"there is no {asked.name} {where} ({cause}): S3_KEY begins with {begins!r}; give "
                "the key alone, without that, and without the bucket's name"
            )
        case "NoSuchKey":
            return (
                f"there is no {asked.name} {where} ({cause}): the bucket is there; check S3_KEY "
                "(case, blanks, quotation marks, line ends), region and endpoint"
            )
        case "NoSuchVersion":
            return (
                f"there is no {asked.name} {where} ({cause}); check S3_VERSION_ID, or leave it out "
                "for the newest, and region and endpoint"
            )
    return f"there is no {asked.name} {where} ({cause}); check bucket, key, region and endpoint"


def _denied(asked: ObjectRequest, where: str, cause: str) -> str:
    action = "s3:GetObjectVersion" if "VersionId" in asked.more else "s3:GetObject"
    others = ["without s3:ListBucket, S3 says 403 for an object that does not exist too"]
    if "RequestPayer" not in asked.more:
        others.append(
            "a bucket whose requesters pay says 403 until you agree by S3_REQUEST_PAYER=requester"
        )
    if "SSECustomerKey" in asked.more:
        others.append("and so does one for another key than S3_SSE_CUSTOMER_KEY")
    return (
        f"not allowed to read {asked.name} {where} ({cause}): the role needs {action} on it; "
        f"{'; '.join(others)}"
    )
