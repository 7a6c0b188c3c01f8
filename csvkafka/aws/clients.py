"""AWS clients with every setting said out loud, and what an AWS error means.

Promises: no call through these clients waits without a limit; a missing region or missing
credentials is one clear ConfigError; boto3 is imported only when a client is made, because it is
most of the program's start-up time.
"""

from __future__ import annotations

import gzip
import os
import re
from copy import copy
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakSet

import orjson

from csvkafka.aws.strangers import refuse_strangers
from csvkafka.errors import ConfigError

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.config import Config
    from botocore.hooks import BaseEventHooks
    from botocore.loaders import JSONFileLoader
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3.client import S3Client


class FailureKind(StrEnum):
    """What an error of the AWS SDK means to us."""

    TRANSIENT = "transient"  # throttled, unreachable, timed out, or the service's own fault
    NOT_FOUND = "not found"
    DENIED = "denied"
    CREDENTIALS = "credentials"  # expired, unknown or missing
    CHANGED = "changed"  # a precondition failed
    OTHER = "other"


MAX_CONNECTIONS = 49
"""Connections of one client: for the objects fetched ahead of a set, and the one before them."""

_CREDENTIAL_CODES = frozenset(
    (
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
    )
)
_TRANSIENT_CODES = frozenset(
    (
        "InternalError",
        "InternalServerError",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TransactionInProgressException",
    )
)
_KIND_BY_HTTP_STATUS = {
    403: FailureKind.DENIED,
    404: FailureKind.NOT_FOUND,
    405: FailureKind.NOT_FOUND,  # S3: the version asked for is a delete marker
    408: FailureKind.TRANSIENT,
    412: FailureKind.CHANGED,
    416: FailureKind.CHANGED,
    429: FailureKind.TRANSIENT,
}
_KIND_BY_CODE = {
    **dict.fromkeys(_CREDENTIAL_CODES, FailureKind.CREDENTIALS),
    **dict.fromkeys(_TRANSIENT_CODES, FailureKind.TRANSIENT),
    "AccessDeniedException": FailureKind.DENIED,
    "InvalidObjectState": FailureKind.OTHER,  # archived, although the status is 403
    "ResourceNotFoundException": FailureKind.NOT_FOUND,
}


def vendor_errors() -> tuple[type[Exception], ...]:
    """All that a call of an AWS client, or a read of a response's body, may raise."""
    from botocore.exceptions import BotoCoreError, ClientError
    from urllib3.exceptions import HTTPError

    return (ClientError, BotoCoreError, HTTPError, OSError, RuntimeError)


_EXPIRED_HERE = "refreshed credentials are still expired"
"""What botocore says, as a RuntimeError, of credentials whose known end has passed."""


def failure_kind(error: Exception) -> FailureKind:
    """What `error`, one of `vendor_errors`, means."""
    from botocore import exceptions
    from urllib3.exceptions import HTTPError

    if isinstance(error, exceptions.ClientError):
        kind = _KIND_BY_CODE.get(error_code(error))
        if kind is None:
            http_status = http_status_of(error)
            at_fault = FailureKind.TRANSIENT if http_status >= 500 else FailureKind.OTHER
            kind = _KIND_BY_HTTP_STATUS.get(http_status, at_fault)
        return kind
    missing = (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.SSOError,  # its session has ended, or was never begun
        getattr(exceptions, "LoginError", exceptions.SSOError),  # as new as `aws login`
        exceptions.TokenRetrievalError,
    )
    if isinstance(error, missing) or _EXPIRED_HERE in str(error):
        return FailureKind.CREDENTIALS
    transient = (
        exceptions.HTTPClientError,
        exceptions.ConnectionError,  # no name, no route, refused
        exceptions.CredentialRetrievalError,
        exceptions.MetadataRetrievalError,
        exceptions.IncompleteReadError,
        exceptions.ResponseStreamingError,
        HTTPError,
        OSError,
    )
    return FailureKind.TRANSIENT if isinstance(error, transient) else FailureKind.OTHER


def error_code(error: Exception) -> str:
    """AWS's code of the error, such as `SlowDown`; empty if the error did not come from AWS."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def is_from_aws(error: Exception) -> bool:
    """Whether AWS itself answered with this error: it has a code (if the answer has none, the SDK
    takes the HTTP status for it), or the number that AWS gives each request."""
    code = error_code(error)
    response: dict[str, Any] = getattr(error, "response", None) or {}
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    has_code = code != "" and not code.isdecimal()
    return has_code or not headers.keys().isdisjoint(("x-amz-request-id", "x-amzn-requestid"))


def http_status_of(error: Exception) -> int:
    """The HTTP status of AWS's answer; 0 if there was none."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def describe(error: Exception) -> str:
    """The cause in a few words: code, HTTP status and AWS's message, or the exception."""
    code = error_code(error)
    if not code:
        return " ".join(f"{type(error).__name__}: {error}".split())
    response: dict[str, Any] = getattr(error, "response", {})
    message = response["Error"].get("Message", "")
    return " ".join(f"{code} (HTTP {http_status_of(error)}) {message}".split())


def endpoint_of(client: S3Client | DynamoDBClient) -> str:
    """Where the client sends its requests, for messages: `https://… (region eu-west-1)`."""
    return f"{client.meta.endpoint_url} (region {client.meta.region_name})"


def s3_client(
    *,
    endpoint_url: str | None = None,
    region_name: str | None = None,
    connect_timeout_seconds: float = 3.0,
    read_timeout_seconds: float = 6.0,
    max_attempts: int = 1,
) -> S3Client:
    """A client for S3, path-style where the endpoint is not Amazon's own.

    Endpoint, region and credentials that are not given come from the usual places of boto3
    (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION, profiles, roles).
    `read_timeout_seconds` bounds the wait for the next byte. `max_attempts` counts the first try,
    too: a caller that reads tries again by itself, and logs each try. Raises ConfigError if region
    or credentials are missing.
    """
    # Ranges carry no checksum of their own; asking for one only invites a false alarm.
    settings = _settings(
        connect_timeout_seconds,
        read_timeout_seconds,
        max_attempts,
        response_checksum_validation="when_required",
        max_pool_connections=MAX_CONNECTIONS,
    )
    session = _session("s3", region_name)
    client: S3Client = _client(session, "s3", settings, endpoint_url)
    if _is_called_by_host(client):
        from botocore.config import Config

        settings = settings.merge(Config(s3={"addressing_style": "path"}))
        client = _client(session, "s3", settings, endpoint_url)
    refuse_strangers(client)
    _own_clients.add(client)
    return client


_own_clients: WeakSet[Any] = WeakSet()


def is_own_client(client: S3Client) -> bool:
    """Whether `s3_client` made it, so that its settings are known."""
    return client in _own_clients


def _is_called_by_host(client: S3Client) -> bool:
    """Whether a bucket would be a part of the host's name, though the endpoint is not Amazon's own.
    The SDK does that only where a profile asks for it; to make a client again takes long."""
    host = urlsplit(client.meta.endpoint_url).hostname or ""
    options: dict[str, str] = getattr(client.meta.config, "s3", None) or {}
    return "amazonaws.com" not in host and options.get("addressing_style") == "virtual"


def dynamodb_client(
    *,
    endpoint_url: str | None = None,
    region_name: str | None = None,
    call_seconds: float = 9.0,
) -> DynamoDBClient:
    """A client for DynamoDB whose calls end after about `call_seconds`, retries included.

    There are two tries. The SDK sleeps at most 1 s between them, and they share the rest of the
    time. Endpoint, region and credentials come from the same places as for `s3_client`
    (AWS_ENDPOINT_URL_DYNAMODB). Raises ConfigError if region or credentials are missing.
    """
    attempts = 2
    try_seconds = max(call_seconds - 1.0, 0.2) / attempts
    settings = _settings(try_seconds / 3, try_seconds * 2 / 3, attempts)
    session = _session("dynamodb", region_name)
    client: DynamoDBClient = _client(session, "dynamodb", settings, endpoint_url)
    refuse_strangers(client)
    return client


def _settings(
    connect_timeout_seconds: float, read_timeout_seconds: float, max_attempts: int, **more: Any
) -> Config:
    from botocore.config import Config

    return Config(
        connect_timeout=connect_timeout_seconds,
        read_timeout=read_timeout_seconds,
        retries={"mode": "standard", "total_max_attempts": max_attempts},
        tcp_keepalive=True,
        **more,
    )


_ISO_8601 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", re.ASCII)

_KNOWN_SERVICES = frozenset(("dynamodb", "s3", "sts", "oidc", "portal.sso", "signin"))
"""Endpoints that are called, by the loader or for its credentials."""


class _DescriptionFiles:
    """Reads JSON files for botocore's loader as its own `JSONFileLoader` does, but by orjson into
    plain dicts, and without the endpoints of three hundred other services: less than half of the
    time, and 9 of 14 MB less."""

    def __init__(self, files: JSONFileLoader) -> None:
        self.exists = files.exists

    def load_file(self, file_path: str) -> Any:
        """What is in the file (`file_path` lacks its extension); None if there is none."""
        plain, packed = Path(f"{file_path}.json"), Path(f"{file_path}.json.gz")
        if plain.is_file():
            content = orjson.loads(plain.read_bytes())
        elif packed.is_file():
            content = orjson.loads(gzip.decompress(packed.read_bytes()))
        else:
            return None
        if plain.stem == "endpoints":
            for partition in content["partitions"]:
                known = partition["services"]
                named = _KNOWN_SERVICES & known.keys()
                partition["services"] = {name: known[name] for name in named}
        return content


@lru_cache(maxsize=1)
def _service_descriptions() -> Any:
    """What the SDK knows of the services: JSON that takes long to read, and several MB to keep.
    Read once for all clients."""
    from botocore.session import Session as CoreSession

    descriptions = CoreSession(include_builtin_handlers=False).get_component("data_loader")
    descriptions.file_loader = _DescriptionFiles(descriptions.file_loader)
    return descriptions


@lru_cache(maxsize=1)
def _handlers_of_a_session(_: tuple[object, ...]) -> BaseEventHooks:
    """What the SDK itself does at its events, as long as its list of that is the same (moto adds to
    it). A copy takes a fifth of the time of registering it anew, which is most of a session's."""
    from botocore.hooks import HierarchicalEmitter
    from botocore.session import Session as CoreSession

    handlers = HierarchicalEmitter()
    CoreSession(event_hooks=handlers)
    return handlers


def _moment(value: Any) -> datetime:
    """A timestamp of an answer. The SDK's parser takes any form, and two thirds of the time of a
    listing; this one takes S3's."""
    if isinstance(value, str) and _ISO_8601.fullmatch(value):
        return datetime.fromisoformat(value)
    from botocore.utils import parse_timestamp

    return parse_timestamp(value)


def _new_session(region_name: str | None) -> Session:
    import boto3
    from botocore import handlers
    from botocore.session import Session as CoreSession

    descriptions = _service_descriptions()
    paths = list(descriptions.search_paths)
    hooks = copy(_handlers_of_a_session(tuple(handlers.BUILTIN_HANDLERS)))
    core = CoreSession(event_hooks=hooks, include_builtin_handlers=False)
    core.register_component("data_loader", descriptions)
    parsers = core.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=_moment)
    if region_name is None and core.get_config_variable("region") is None:
        # ECS sets AWS_REGION, which boto3 does not read.
        region_name = os.environ.get("AWS_REGION")
    session = boto3.session.Session(botocore_session=core, region_name=region_name)
    # Each session adds boto3's own path.
    descriptions.search_paths[:] = dict.fromkeys([*paths, *descriptions.search_paths])
    return session


def _session(service: str, region_name: str | None) -> Session:
    from botocore.exceptions import BotoCoreError

    try:
        session = _new_session(region_name)
        has_credentials = session.get_credentials() is not None
    except BotoCoreError as error:
        raise ConfigError(f"cannot set up AWS access for {service}: {error}") from error
    if not session.region_name:
        raise ConfigError(
            f"no AWS region for {service}: set AWS_REGION, or `region` in the AWS profile"
        )
    if not has_credentials:
        raise ConfigError(
            f"no AWS credentials for {service}: give the task or instance a role, or set "
            "AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    return session


def _client(session: Session, service: str, settings: Config, endpoint_url: str | None) -> Any:
    from botocore.exceptions import BotoCoreError

    make_client: Any = session.client
    try:
        return make_client(service, endpoint_url=endpoint_url, config=settings)
    except (BotoCoreError, ValueError) as error:
        where = _endpoint_without_scheme(service) if endpoint_url is None else None
        raise ConfigError(
            where
            or f"cannot make an AWS client for {service}: {error}; check AWS_REGION and "
            "AWS_ENDPOINT_URL (no blanks, no quotation marks)"
        ) from error


def _endpoint_without_scheme(service: str) -> str | None:
    """What to set, if the endpoint that the environment gives is no URL."""
    for variable in (f"AWS_ENDPOINT_URL_{service.upper()}", "AWS_ENDPOINT_URL"):
        if text := os.environ.get(variable):
            if "://" in text:
                return None
            return (
                f"{variable} must be a URL, with http:// or https:// before the host, not {text!r}"
            )
    return None
