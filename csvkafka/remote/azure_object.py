"""One blob in Azure Blob Storage: pinned by its ETag, which each write changes.

It is read by the client that smart_open uses too, without smart_open: that reads under no
condition, so it would mix two contents of one blob.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from csvkafka.errors import ConfigError
from csvkafka.remote.extras import missing_extra
from csvkafka.remote.faults import PassingFault, is_passing, refused
from csvkafka.remote.place import RemotePlace
from csvkafka.remote.remote_source import Facts

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, BlobServiceClient

REQUEST_BYTES = 8 << 20
"""What one request asks for, and holds in memory."""

_RIGHTS = "give the account the role Storage Blob Data Reader, or renew AZURE_STORAGE_SAS_TOKEN"

_ONCE = {
    "retry_total": 0,
    "connection_timeout": 3,
    "read_timeout": 6,
    "max_single_get_size": REQUEST_BYTES,
}
"""One try of one request: the patience is `RemoteSource`'s."""

Answer = TypeVar("Answer")


class AzureObject:
    """Implements `remote_source.RemoteObject`. The account is named as the `az` tool takes it:
    AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY,
    AZURE_STORAGE_SAS_TOKEN, or neither, and then the machine's own identity is asked."""

    pinned_by = "ETag"

    def __init__(self, place: RemotePlace, environment: Mapping[str, str]) -> None:
        self._place = place
        self._environment = environment
        self._blob: BlobClient | None = None

    def facts(self) -> Facts:
        """See `RemoteObject`."""
        found = self._asked(lambda: self._client().get_blob_properties())
        return Facts(found.etag, found.size, found.content_settings.content_encoding or "")

    def chunks(self, pinned: Facts, first: int) -> Generator[bytes, None, None]:
        """See `RemoteObject`."""
        while first < pinned.size:
            size = min(REQUEST_BYTES, pinned.size - first)
            chunk = self._asked(partial(self._range, pinned, first, size))
            yield chunk
            first += len(chunk)

    def _range(self, pinned: Facts, first: int, size: int) -> bytes:
        from azure.core import MatchConditions

        chunk: bytes = (
            self._client()
            .download_blob(
                offset=first,
                length=size,
                etag=pinned.pin,
                match_condition=MatchConditions.IfNotModified,
                decompress=False,  # as it is stored
            )
            .readall()
        )
        if len(chunk) != size:
            raise PassingFault(
                f"a wrong answer: {len(chunk)} bytes for {size} from byte {first} on",
                has_answered=True,
            )
        return chunk

    def _client(self) -> BlobClient:
        if self._blob is None:
            service = _service(self._environment, self._place.uri)
            self._blob = service.get_blob_client(self._place.host, self._place.key)
        return self._blob

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        try:
            from azure.core.exceptions import (
                AzureError,
                ClientAuthenticationError,
                HttpResponseError,
            )
        except ImportError as error:
            raise missing_extra(self._place.uri, "azure", error) from error
        try:
            return ask()
        except HttpResponseError as error:
            status = error.status_code
            told = f"{status} {error.reason or error.message}".splitlines()[0]
            if status is None and isinstance(error, ClientAuthenticationError):
                raise ConfigError(
                    f"no credentials of Azure for {self._place.uri} ({_first_line(error)}): set "
                    "AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or run where the machine has an "
                    "identity"
                ) from error
            if status is None or is_passing(status):
                raise PassingFault(told, has_answered=status is not None) from error
            raise refused(self._place.uri, status, told, _RIGHTS) from error
        except AzureError as error:
            raise PassingFault(_first_line(error), has_answered=False) from error
        except ValueError as error:  # of an answer that is not what was asked for
            raise PassingFault(
                f"a wrong answer: {_first_line(error)}", has_answered=True
            ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _service(environment: Mapping[str, str], uri: str) -> BlobServiceClient:
    """Raises ConfigError."""
    try:
        from azure.storage.blob import BlobServiceClient
    except ImportError as error:
        raise missing_extra(uri, "azure", error) from error
    connection = environment.get("AZURE_STORAGE_CONNECTION_STRING")
    account = environment.get("AZURE_STORAGE_ACCOUNT")
    if not connection and not account:
        raise ConfigError(
            f"{uri} names no account: set AZURE_STORAGE_ACCOUNT (and AZURE_STORAGE_KEY or "
            "AZURE_STORAGE_SAS_TOKEN), or AZURE_STORAGE_CONNECTION_STRING"
        )
    try:
        if connection:
            return BlobServiceClient.from_connection_string(connection, **_ONCE)
        return BlobServiceClient(
            f"https://{account}.blob.core.windows.net",
            credential=_credential(environment, uri),
            **_ONCE,
        )
    except ValueError as error:
        raise ConfigError(
            f"the account of {uri} cannot be used ({error}): check AZURE_STORAGE_ACCOUNT and "
            "AZURE_STORAGE_CONNECTION_STRING"
        ) from error


def _credential(environment: Mapping[str, str], uri: str) -> Any:
    from azure.core.credentials import AzureSasCredential

    key = environment.get("AZURE_STORAGE_KEY")
    if key:
        return key
    token = environment.get("AZURE_STORAGE_SAS_TOKEN")
    if token:
        return AzureSasCredential(token)
    try:
        from azure.identity import DefaultAzureCredential
    except ImportError as error:
        raise missing_extra(uri, "azure", error) from error
    return DefaultAzureCredential()
