"""What is asked by https:// goes through HTTPS_PROXY, unless NO_PROXY leaves its host out."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from csvkafka.aws import clients as aws
from csvkafka.aws.dynamodb_item import DynamoDbItem
from csvkafka.aws.s3_set import S3Set, SetPlace
from csvkafka.errors import CsvKafkaError, RegistryUnavailableError, SourceNotFoundError
from csvkafka.model import Piece
from csvkafka.registry.client import RegistryClient
from csvkafka.registry.settings import RegistrySettings
from csvkafka.remote.opened import remote_object
from csvkafka.remote.place import RemotePlace
from csvkafka.remote.remote_source import RemoteSource
from csvkafka.schema.subjects import AVRO, WireSchema
from csvkafka.testing.faults.faulty_s3 import FakeS3
from tests.integration.https_proxy import HttpsProxy, https_proxy
from tests.registries import SmallRegistry, small_registry
from tests.unit.aws.aws_environment import set_aws_environment

S3, DYNAMODB, REGISTRY, WEB, GOOGLE, AZURE = (f"localhost:{number}" for number in range(1, 7))
"""Nobody listens there."""

BODY = b"id\n1\n2\n"
SCHEMA = WireSchema("s-value", AVRO, '{"type":"record","name":"r","fields":[]}')


class Beyond:
    """The servers that the proxy asks."""

    def __init__(self, s3: FakeS3, registry: SmallRegistry) -> None:
        self.s3, self.registry = s3, registry


class EmptyTable(BaseHTTPRequestHandler):
    """DynamoDB's answer where there is no item; for all else, that it is not there."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, b"{}")

    def do_GET(self) -> None:
        self._answer(404, b"")

    do_HEAD = do_GET  # noqa: N815

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("x-amzn-requestid", "1")
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is written."""


@pytest.fixture
def beyond() -> Iterator[Beyond]:
    with FakeS3() as s3, small_registry() as registry:
        yield Beyond(s3, registry)


@pytest.fixture
def table_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), EmptyTable) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(
    beyond: Beyond, table_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HttpsProxy]:
    """It is the environment's."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    set_aws_environment(monkeypatch)
    servers = {S3: beyond.s3.endpoint_url, WEB: beyond.s3.endpoint_url}
    servers |= {REGISTRY: beyond.registry.url}
    servers |= dict.fromkeys((DYNAMODB, GOOGLE, AZURE), table_url)
    with https_proxy(tmp_path, servers) as running:
        monkeypatch.setenv("HTTPS_PROXY", running.url)
        for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            monkeypatch.setenv(name, str(running.ca_file))
        yield running


def read_set(s3: FakeS3) -> list[bytes]:
    """Three small objects: the second and third are asked for without the SDK, where that can
    be."""
    client = aws.s3_client(endpoint_url=f"https://{S3}")
    objects = S3Set(SetPlace("bucket", prefix=""), client=client)
    pieces = [Piece(key, s3.put("bucket", key, BODY), len(BODY)) for key in ("a", "b", "c")]
    return [b"".join(objects.open_piece(piece, 0)) for piece in pieces]


def ask_registry(proxy: HttpsProxy) -> WireSchema:
    settings = RegistrySettings(
        f"https://{REGISTRY}", auto_register=True, ca_file=str(proxy.ca_file)
    )
    return RegistryClient(settings).registered(SCHEMA)


def source_at(uri: str) -> RemoteSource:
    place = RemotePlace.parse(uri)
    return RemoteSource(place, remote_object(place, None, os.environ), give_up_seconds=0)


def test_objects_of_s3_come_through_the_proxy(proxy: HttpsProxy, beyond: Beyond) -> None:
    assert read_set(beyond.s3) == [BODY] * 3
    assert set(proxy.asked) == {S3}


def test_the_checkpoint_table_is_asked_through_the_proxy(proxy: HttpsProxy) -> None:
    client = aws.dynamodb_client(endpoint_url=f"https://{DYNAMODB}")
    assert DynamoDbItem("table", "job", client=client).get() is None
    assert proxy.asked == [DYNAMODB]


def test_the_registry_is_asked_through_the_proxy(proxy: HttpsProxy, beyond: Beyond) -> None:
    assert ask_registry(proxy).schema_id in beyond.registry.schemas
    assert set(proxy.asked) == {REGISTRY}


def test_a_file_of_a_web_server_comes_through_the_proxy(proxy: HttpsProxy, beyond: Beyond) -> None:
    beyond.s3.put("files", "data.csv", BODY)
    source = source_at(f"https://{WEB}/files/data.csv")
    assert source.identify().size == len(BODY)
    assert b"".join(source.read(3)) == BODY[3:]
    assert set(proxy.asked) == {WEB}


@pytest.mark.parametrize("uri", ["gs://bucket/data.csv", "azure://container/data.csv"])
def test_google_and_azure_are_asked_through_the_proxy(
    proxy: HttpsProxy, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"https://{GOOGLE}")
    key = base64.b64encode(b"key").decode()
    account = f"AccountName=a;AccountKey={key};BlobEndpoint=https://{AZURE}/a"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", account)
    with pytest.raises(SourceNotFoundError):
        source_at(uri).identify()
    assert set(proxy.asked) == {GOOGLE if uri.startswith("gs") else AZURE}


def test_no_proxy_leaves_a_host_out(proxy: HttpsProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost")
    client = aws.s3_client(endpoint_url=f"https://{S3}")
    with pytest.raises(Exception, match="Could not connect"):
        client.head_object(Bucket="bucket", Key="k")
    with pytest.raises(RegistryUnavailableError):
        ask_registry(proxy)
    with pytest.raises(CsvKafkaError):
        source_at(f"https://{WEB}/files/data.csv").identify()
    assert proxy.asked == []
