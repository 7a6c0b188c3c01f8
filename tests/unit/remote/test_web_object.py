"""A file of a web server that misbehaves, over real sockets: read on at the exact next byte, never
mixed, and refused with the reason."""

from __future__ import annotations

import random
import socket
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from csvkafka.errors import (
    ConfigError,
    CsvKafkaError,
    SourceChangedError,
    SourceNotFoundError,
    SourceReadError,
)
from csvkafka.remote.faults import PassingFault
from csvkafka.remote.place import RemotePlace
from csvkafka.remote.remote_source import Facts, RemoteSource
from csvkafka.remote.web_object import WebObject
from csvkafka.testing.faults.faulty_s3 import (
    CutBody,
    FakeS3,
    Fault,
    IgnoreRange,
    OtherTotal,
    Refuse,
    ShiftRange,
    Stall,
)
from tests.certificates import certificate
from tests.refusals import refusal
from tests.unit.stepped_clock import SteppedClock

BODY = b"id\n" + random.Random(1).randbytes(400_003).replace(b"\x1f\x8b", b"ab")


@pytest.fixture(scope="module")
def server() -> Iterator[FakeS3]:
    with FakeS3() as server:
        yield server


@pytest.fixture
def web(server: FakeS3) -> FakeS3:
    server.reset()
    server.put("files", "data.csv", BODY)
    return server


def source_at(url: str, authorization: str | None = None, **options: Any) -> RemoteSource:
    place = RemotePlace.parse(url)
    web_object = WebObject(place, authorization, answer_seconds=0.3)
    options = {"clock": SteppedClock(), "give_up_seconds": 20, **options}
    return RemoteSource(place, web_object, **options)


def source(web: FakeS3, **options: Any) -> RemoteSource:
    return source_at(f"{web.endpoint_url}/files/data.csv", **options)


FAULTS = {
    "cut": CutBody(after_bytes=70_000),
    "reset": CutBody(after_bytes=70_000, reset=True),
    "cut at once": CutBody(after_bytes=0),
    "stall": Stall(after_bytes=70_000),
    "failing": Refuse(503, "ServiceUnavailable"),
    "throttled": Refuse(429, "TooManyRequests"),
    "range ignored": IgnoreRange(),
    "range ignored, and cut": IgnoreRange(cut_after_bytes=200_000),
    "another range": ShiftRange(by_bytes=1),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("byte_offset", [0, 123_457])
def test_it_goes_on_at_the_exact_next_byte(web: FakeS3, fault: Fault, byte_offset: int) -> None:
    web.script("GET", None, fault)  # the first request asks what it is
    reading = source(web)
    assert b"".join(reading.read(byte_offset)) == BODY[byte_offset:]
    assert {request.if_match for request in web.requests[1:]} == {reading.identify().etag}


def test_a_connection_that_breaks_every_few_bytes_still_gets_there(web: FakeS3) -> None:
    web.script("GET", None)
    web.always("GET", CutBody(after_bytes=20_000, reset=True))
    assert b"".join(source(web).read(0)) == BODY


def test_each_new_try_is_logged_with_its_cause(
    web: FakeS3, caplog: pytest.LogCaptureFixture
) -> None:
    web.script("GET", Refuse(503, "ServiceUnavailable"), None, CutBody(after_bytes=0))
    list(source(web).read(9))
    assert "data.csv is asked for again after: 503 " in caplog.text
    assert "data.csv goes on at byte 9 after: the answer ended early" in caplog.text


@pytest.mark.parametrize("fault", [Refuse(500, "InternalError"), CutBody(after_bytes=0)], ids=str)
def test_a_failure_without_end_is_raised_when_the_time_is_up(web: FakeS3, fault: Fault) -> None:
    web.script("GET", None)
    web.always("GET", fault)
    with refusal(SourceReadError, match="from byte 7 on .*run the same command again"):
        list(source(web).read(7))


def test_a_server_that_never_answered_is_given_up_soon() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    clock = SteppedClock()
    begun = clock.monotonic()
    with refusal(SourceReadError, match="Connection refused"):
        source_at(f"http://127.0.0.1:{port}/a.csv", clock=clock, give_up_seconds=300).identify()
    assert clock.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        (Refuse(401, "Unauthorized"), SourceReadError, "SOURCE_AUTHORIZATION"),
        (Refuse(403, "Forbidden"), SourceReadError, "signature"),
        (Refuse(404, "NotFound"), SourceNotFoundError, "check SOURCE"),
        (Refuse(410, "Gone"), SourceNotFoundError, "check SOURCE"),
        (Refuse(405, "NotAllowed"), SourceReadError, "405"),
        (IgnoreRange(), ConfigError, "gives no ranges"),
    ],
    ids=str,
)
def test_a_refusal_says_what_to_do(
    web: FakeS3, fault: Fault, error: type[CsvKafkaError], said: str
) -> None:
    web.script("GET", fault)
    with refusal(error, match=said):
        source(web).identify()


# -- what pins it ----------------------------------------------------------------------------------


def test_another_file_in_the_middle_is_refused(web: FakeS3) -> None:
    web.script("GET", None, CutBody(after_bytes=70_000))
    chunks = source(web).read(0)
    given = next(chunks)
    web.put("files", "data.csv", BODY[::-1])
    with refusal(SourceChangedError, match="412"):
        given += b"".join(chunks)
    assert given == BODY[: len(given)]


def test_a_server_that_ignores_if_match_is_told_by_the_etag() -> None:
    with Server(ONE_OF_FIVE | {"ETag": '"2"'}) as server:
        web_object = WebObject(RemotePlace.parse(server.url))
        with refusal(SourceChangedError, match='it is now ETag "2" of 5 bytes, and was "1"'):
            list(web_object.chunks(Facts('"1"', 5), 0))


def test_another_size_is_another_file(web: FakeS3) -> None:
    web.script("GET", None, OtherTotal(len(BODY) + 1))
    with refusal(SourceChangedError, match=f"of {len(BODY) + 1} bytes"):
        list(source(web).read(0))


def test_what_ends_before_is_another_file(web: FakeS3) -> None:
    pinned = source(web).identify()
    web.script("GET", None, Refuse(416, "InvalidRange"))
    with refusal(SourceChangedError, match="has changed"):
        list(source(web, pinned=pinned).read(9))


class Server:
    """Answers a range with the headers that a test sets."""

    def __init__(
        self, headers: dict[str, str], status: int = 206, tls: ssl.SSLContext | None = None
    ) -> None:
        self.authorizations: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.authorizations.append(self.headers.get("Authorization"))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"i")

            def log_message(self, format: str, *args: object) -> None:
                """Nothing is written."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}/data.csv"

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


ONE_OF_FIVE = {"Content-Range": "bytes 0-0/5", "Content-Length": "1"}


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"ETag": 'W/"1"'}, 'the weak ETag W/"1"'),
        ({"Last-Modified": "Fri, 27 Nov 2026 00:00:00 GMT"}, "gives no ETag"),
    ],
)
def test_a_file_without_a_strong_etag_is_refused(headers: dict[str, str], said: str) -> None:
    with Server(ONE_OF_FIVE | headers) as server, refusal(ConfigError, match=said):
        source_at(server.url).identify()


# -- who may read it -------------------------------------------------------------------------------


def test_the_authorization_goes_with_each_request_and_to_no_other_host() -> None:
    with Server(ONE_OF_FIVE | {"ETag": '"1"'}) as other:
        there = other.url.replace("127.0.0.1", "localhost")
        with Server({"Location": there, "Content-Length": "0"}, status=307) as first:
            assert source_at(first.url, "Bearer T").identify().size == 5
        assert first.authorizations == ["Bearer T"]
        assert other.authorizations == [None]


def test_a_redirect_to_where_nothing_is_protected_is_refused() -> None:
    with (
        Server({"Location": "ftp://h/a.csv", "Content-Length": "0"}, status=302) as server,
        refusal(SourceReadError, match="redirects SOURCE to ftp://"),
    ):
        source_at(server.url).identify()


def test_the_query_goes_with_each_request_and_into_no_name(web: FakeS3) -> None:
    web.put("files", "data.csv", b"id\n1\n", version_id="v1")
    web.put("files", "data.csv", b"id\n2\n")
    reading = source_at(f"{web.endpoint_url}/files/data.csv?versionId=v1")
    assert b"".join(reading.read(0)) == b"id\n1\n"
    assert reading.identify().uri == f"{web.endpoint_url}/files/data.csv"


def test_a_certificate_must_be_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    for path, text in zip((chain, key), certificate(), strict=True):
        path.write_text(text)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain, key)
    with Server(ONE_OF_FIVE | {"ETag": '"1"'}, tls=tls) as server:
        with refusal(SourceReadError, match="not trusted.*SSL_CERT_FILE"):
            source_at(server.url).identify()
        monkeypatch.setenv("SSL_CERT_FILE", str(chain))
        assert source_at(server.url).identify().uri == server.url


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_does_not_answer_is_told_without_its_password(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", "http://joe:secret@127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("no_proxy", "elsewhere.invalid")
    web_object = WebObject(RemotePlace(scheme, "files.invalid:8443", "data.csv"))
    with pytest.raises(PassingFault, match=f"refused, by {scheme.upper()}_PROXY$"):
        web_object.facts()
    web_object = WebObject(RemotePlace(scheme, "elsewhere.invalid", "data.csv"))
    with pytest.raises(PassingFault) as caught:
        web_object.facts()
    assert "PROXY" not in str(caught.value)


def test_the_proxy_of_the_environment_is_used(web: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", web.endpoint_url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    reading = source_at("http://localhost:1/files/data.csv")
    assert b"".join(reading.read(5)) == BODY[5:]
