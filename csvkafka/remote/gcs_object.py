"""One object in Google Cloud Storage: pinned by its generation, which no other content ever has.

It is read by the client that smart_open uses too, without smart_open: that asks for the object once
more, and reads whatever stands there then.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from csvkafka.errors import ConfigError, CsvKafkaError
from csvkafka.remote.extras import missing_extra
from csvkafka.remote.faults import PassingFault, is_passing, refused
from csvkafka.remote.place import RemotePlace
from csvkafka.remote.remote_source import Facts

if TYPE_CHECKING:
    from google.cloud.storage import Client

REQUEST_BYTES = 8 << 20
"""What one request asks for, and holds in memory."""

ANSWER_SECONDS = (3.0, 6.0)
"""So long a connection, and then each byte, is waited for."""

_RIGHTS = "give the account storage.objects.get on the bucket (Storage Object Viewer)"

Answer = TypeVar("Answer")


class GcsObject:
    """Implements `remote_source.RemoteObject`. Credentials are found as Google's clients do
    (`GOOGLE_APPLICATION_CREDENTIALS` and others); `STORAGE_EMULATOR_HOST` names an emulator."""

    pinned_by = "generation"

    def __init__(self, place: RemotePlace, client: Client | None = None) -> None:
        self._place = place
        self._client = client

    def facts(self) -> Facts:
        """See `RemoteObject`."""
        blob = self._asked(lambda: self._bucket().get_blob(self._place.key, **_once()))
        if blob is None:
            raise refused(self._place.uri, 404, "404 Not Found", _RIGHTS)
        return Facts(str(blob.generation), int(blob.size), blob.content_encoding or "")

    def chunks(self, pinned: Facts, first: int) -> Generator[bytes, None, None]:
        """See `RemoteObject`."""
        blob = self._bucket().blob(self._place.key)
        while first < pinned.size:
            last = min(first + REQUEST_BYTES, pinned.size) - 1
            chunk = self._asked(partial(self._range, blob, int(pinned.pin), first, last))
            yield chunk
            first += len(chunk)

    def _range(self, blob: Any, generation: int, first: int, last: int) -> bytes:
        chunk: bytes = blob.download_as_bytes(
            start=first,
            end=last,
            raw_download=True,  # as it is stored, else gzip would be undone on the way
            if_generation_match=generation,
            checksum=None,  # of the whole object, so it says nothing of a range
            **_once(),
        )
        if len(chunk) != last + 1 - first:
            raise PassingFault(
                f"a wrong answer: {len(chunk)} bytes for bytes {first} to {last}", has_answered=True
            )
        return chunk

    def _bucket(self) -> Any:
        if self._client is None:
            self._client = self._asked(_new_client)
        return self._client.bucket(self._place.host)

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        try:
            from google.api_core.exceptions import GoogleAPICallError
            from google.auth.exceptions import GoogleAuthError, TransportError
            from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
            from urllib3.exceptions import HTTPError
        except ImportError as error:
            raise missing_extra(self._place.uri, "gcs", error) from error
        try:
            return ask()
        except GoogleAPICallError as error:
            raise self._refusal(int(error.code or 0), error.message) from error
        except InvalidResponse as error:
            raise self._refusal(error.response.status_code, str(error)) from error
        except (OSError, HTTPError, DataCorruption, TransportError) as error:
            raise PassingFault(str(error), has_answered=False) from error
        except GoogleAuthError as error:
            raise ConfigError(
                f"no credentials of Google for {self._place.uri} ({error}): set "
                "GOOGLE_APPLICATION_CREDENTIALS, or run where the machine has an account"
            ) from error

    def _refusal(self, status: int, told: str) -> CsvKafkaError | PassingFault:
        told = f"{status} {told}".splitlines()[0]
        if is_passing(status):
            return PassingFault(told, has_answered=True)
        return refused(self._place.uri, status, told, _RIGHTS)


def _once() -> dict[str, Any]:
    """One try: the patience is `RemoteSource`'s."""
    return {"retry": None, "timeout": ANSWER_SECONDS}


def _new_client() -> Client:
    from google.cloud.storage import Client

    return Client()
