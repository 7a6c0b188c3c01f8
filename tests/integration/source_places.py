"""Each kind of source with a server behind it, for tests that hold for all of them."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from csvkafka.config.load_config import LoadConfig
from csvkafka.local.ports import ReservedPort
from csvkafka.local.processes import wait_until
from csvkafka.testing.faults.faulty_s3 import FakeS3, Refuse
from tests.integration import azurite
from tests.integration.patient_clients import patient_s3

KINDS = ("file", "s3", "http", "gs", "azure")


class SourcePlace(ABC):
    """A folder, bucket or container of one test."""

    encodes: bool = True
    """Whether Content-Encoding can be told there."""
    asks_often: bool = False
    """Whether one reading is many requests, or looks again after each chunk."""

    def environment(self) -> Mapping[str, str]:
        """What a load from here needs in its environment, beside SOURCE."""
        return {}

    @abstractmethod
    def uri(self, name: str) -> str:
        """As SOURCE names it."""

    @abstractmethod
    def put(self, name: str, body: bytes, content_encoding: str | None = None) -> None:
        """Stores it, over what may be there."""

    @abstractmethod
    def delete(self, name: str) -> None: ...

    def config(self, name: str, **more: str) -> LoadConfig:
        return LoadConfig.of_source({"SOURCE": self.uri(name), **more})


@dataclass
class Folder(SourcePlace):
    folder: Path
    encodes = False
    asks_often = True

    def uri(self, name: str) -> str:
        return f"file://{quote(str(self.folder / name))}"

    def put(self, name: str, body: bytes, content_encoding: str | None = None) -> None:
        assert content_encoding is None
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(body)

    def delete(self, name: str) -> None:
        (self.folder / name).unlink()


class S3Bucket(SourcePlace):
    def __init__(self, endpoint_url: str) -> None:
        self._client = patient_s3(endpoint_url)
        self._bucket = f"sources-{uuid4()}"
        where = {"LocationConstraint": "eu-west-1"}
        self._client.create_bucket(Bucket=self._bucket, CreateBucketConfiguration=where)

    def uri(self, name: str) -> str:
        return f"s3://{self._bucket}/{name}"

    def put(self, name: str, body: bytes, content_encoding: str | None = None) -> None:
        more: dict[str, Any] = {"ContentEncoding": content_encoding} if content_encoding else {}
        self._client.put_object(Bucket=self._bucket, Key=name, Body=body, **more)

    def delete(self, name: str) -> None:
        self._client.delete_object(Bucket=self._bucket, Key=name)


@dataclass
class WebServer(SourcePlace):
    """What FakeS3 gives is what any web server with ETags and ranges gives."""

    server: FakeS3

    def uri(self, name: str) -> str:
        return f"{self.server.endpoint_url}/files/{quote(name)}"

    def put(self, name: str, body: bytes, content_encoding: str | None = None) -> None:
        headers = {"Content-Encoding": content_encoding} if content_encoding else {}
        self.server.put("files", name, body, headers=headers)
        empty = Refuse(416, "InvalidRange", headers={"Content-Range": "bytes */0", "ETag": '"0"'})
        self.server.always("GET", None if body else empty)

    def delete(self, name: str) -> None:
        self.server.delete("files", name)


class GcsBucket(SourcePlace):
    asks_often = True

    def __init__(self, url: str) -> None:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.storage import Client

        self._url = url
        client = Client("test", AnonymousCredentials(), client_options={"api_endpoint": url})
        self._bucket = client.create_bucket(f"sources-{uuid4()}")

    def environment(self) -> Mapping[str, str]:
        return {"STORAGE_EMULATOR_HOST": self._url}

    def uri(self, name: str) -> str:
        return f"gs://{self._bucket.name}/{name}"

    def put(self, name: str, body: bytes, content_encoding: str | None = None) -> None:
        blob = self._bucket.blob(name)
        blob.content_encoding = content_encoding
        blob.upload_from_string(body, "text/csv")

    def delete(self, name: str) -> None:
        self._bucket.blob(name).delete()


class AzureContainer(SourcePlace):
    asks_often = True

    def __init__(self, connection: str) -> None:
        from azure.storage.blob import BlobServiceClient

        self._connection = connection
        service = BlobServiceClient.from_connection_string(connection)
        self._container = service.create_container(f"sources-{uuid4()}")

    def environment(self) -> Mapping[str, str]:
        return {"AZURE_STORAGE_CONNECTION_STRING": self._connection}

    def uri(self, name: str) -> str:
        return f"azure://{self._container.container_name}/{name}"

    def put(self, name: str, body: bytes, content_encoding: str | None = None) -> None:
        from azure.storage.blob import ContentSettings

        settings = ContentSettings(content_encoding=content_encoding)
        self._container.upload_blob(name, body, overwrite=True, content_settings=settings)

    def delete(self, name: str) -> None:
        self._container.delete_blob(name)


@contextmanager
def gcs_server() -> Iterator[str]:
    """Its URL."""
    with _server(lambda port: [sys.executable, "-m", "tests.integration.gcs_server", port]) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def azure_server() -> Iterator[str]:
    """Its connection string."""
    with _server(lambda port: azurite.command(int(port))) as port:
        yield azurite.connection_string(port)


@contextmanager
def web_place() -> Iterator[SourcePlace]:
    with FakeS3() as server:
        yield WebServer(server)


@contextmanager
def gcs_place() -> Iterator[SourcePlace]:
    with gcs_server() as url:
        yield GcsBucket(url)


@contextmanager
def azure_place() -> Iterator[SourcePlace]:
    with azure_server() as connection:
        yield AzureContainer(connection)


@contextmanager
def _server(command_of: Any) -> Iterator[int]:
    reserved = ReservedPort()
    command: Sequence[str] = command_of(str(reserved.number))
    with ExitStack() as ending:
        ending.callback(reserved.release)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ending.callback(process.wait)
        ending.callback(process.kill)
        assert wait_until(lambda: _answers(reserved.number) or process.poll() is not None, 120)
        assert process.poll() is None, f"{command} ended"
        yield reserved.number


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).close()
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        return False
    return True
