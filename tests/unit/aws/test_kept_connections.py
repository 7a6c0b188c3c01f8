"""A GET on a connection that the SDK holds open: the bytes that the SDK would send, and the answer
that it would give; whatever is unusual is left to it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import HTTPError

from csvkafka.aws import clients as aws
from csvkafka.aws import kept_connections, s3_get
from csvkafka.aws.kept_connections import KeptConnections
from csvkafka.aws.s3_get import SimilarGets
from csvkafka.aws.s3_source import S3Source
from csvkafka.aws.strangers import StrangerError
from csvkafka.errors import SourceReadError
from csvkafka.model import SourceIdentity
from tests.certificates import certificate
from tests.unit.aws.aws_environment import set_aws_environment

ETAG = b'ETag: "1"\r\n'
RANGE = b"Content-Range: bytes 0-4/5\r\n"
OK = b"HTTP/1.1 206 Partial Content\r\n" + ETAG + RANGE
WHOLE = OK + b"Content-Length: 5\r\n\r\nabcde"
ERROR = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>slow</Message></Error>"


class RawServer:
    """Answers each request with the next of `answers` (the last one again and again), byte for
    byte, and closes the connection where one ends in `CLOSE`. With `tls` it speaks TLS."""

    CLOSE = b"(and closes)"

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.answers: list[bytes] = [WHOLE]
        self.heads: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, bare: socket.socket) -> None:
        received = b""
        with suppress(OSError), bare, self._speaking(bare) as connection:
            while some := connection.recv(65_536):
                received += some
                while b"\r\n\r\n" in received:
                    head, received = received.split(b"\r\n\r\n", 1)
                    self.heads.append(head)
                    answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
                    connection.sendall(answer.removesuffix(self.CLOSE))
                    if answer.endswith(self.CLOSE):
                        return

    def _speaking(self, bare: socket.socket) -> socket.socket:
        return bare if self._tls is None else self._tls.wrap_socket(bare, server_side=True)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(scope="module")
def certificate_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With its key."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_text("".join(certificate()))
    return path


@pytest.fixture(params=["http", "https"])
def server(
    request: pytest.FixtureRequest, certificate_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RawServer]:
    set_aws_environment(monkeypatch)
    tls = None
    if request.param == "https":
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate_file))
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate_file)
    raw = RawServer(tls)
    yield raw
    raw.close()


@pytest.fixture
def gets(server: RawServer) -> SimilarGets:
    """Whose next GET is on the connection that the SDK's first has opened."""
    gets = SimilarGets(aws.s3_client(endpoint_url=server.url, max_attempts=1))
    assert get(gets) == b"abcde"
    assert len(server.heads) == 1
    return gets


def get(gets: Any, byte_range: str = "bytes=0-4", key: str = "a b/é.csv") -> bytes:
    answer = gets.get_object(Bucket="bucket", Key=key, Range=byte_range, IfMatch='"1"')
    body: bytes = answer["Body"].read()
    answer["Body"].close()
    return body


def without_what_is_its_own(head: bytes) -> list[bytes]:
    """The lines of a request but for time, signature and number."""
    its_own = (b"x-amz-date", b"authorization", b"amz-sdk-invocation-id")
    first, *lines = head.split(b"\r\n")
    names = {line.partition(b":")[0].lower(): line.partition(b":")[2] for line in lines}
    assert names.keys() >= set(its_own)
    return [first, *sorted(n + b":" + v for n, v in names.items() if n not in its_own)]


def test_what_is_sent_is_what_the_sdk_sends_on_its_connection(
    server: RawServer, gets: SimilarGets
) -> None:
    for _ in range(3):
        assert get(gets) == b"abcde"
    assert server.connections == 1
    sdks, *ours = map(without_what_is_its_own, server.heads)
    assert ours == [sdks] * 3


def test_the_sdks_http_layers_are_not_asked(
    gets: SimilarGets, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("the session was asked")

    session = gets._client._endpoint.http_session  # type: ignore[attr-defined]
    monkeypatch.setattr(session, "send", refuse)
    assert get(gets) == b"abcde"


@pytest.mark.parametrize(
    "answer",
    [
        WHOLE,
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE,
        OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nabcde" + RawServer.CLOSE,
        OK + b"\r\nabcde" + RawServer.CLOSE,
        b"HTTP/1.0 200 OK\r\n" + ETAG + b"Content-Length: 5\r\n\r\nabcde" + RawServer.CLOSE,
        WHOLE.replace(b"\r\n", b"\n"),
        OK.replace(b"ETag: ", b"eTAG:") + b"X-Folded: a\r\n b\r\nContent-Length:5 \r\n\r\nabcde",
        OK + b"X: " + b"x" * 60_000 + b"\r\nContent-Length: 5\r\n\r\nabcde",
        OK + b"Set-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 5\r\n\r\nabcde",
        OK + b"X: a\nContent-Length: 5\r\nContent-Length: 3\r\n\r\nabcde",
    ],
    ids=[
        "usual",
        "chunked",
        "continue",
        "closes",
        "no length",
        "HTTP/1.0",
        "line feeds",
        "folded",
        "long",
        "twice",
        "one line feed",
    ],
)
def test_an_answer_in_any_form_is_read(server: RawServer, gets: SimilarGets, answer: bytes) -> None:
    server.answers = [answer]
    for _ in range(3):
        assert get(gets) == b"abcde"
    says_where_it_ends = b"ength:" in answer or b"chunked" in answer
    assert (len(server.heads) == 1 + 3) is says_where_it_ends


def test_all_of_an_object_in_chunks_and_of_no_known_size_is_no_answer(
    server: RawServer, gets: SimilarGets
) -> None:
    """A gateway that knows no ranges: what it gives cannot be checked against what is pinned."""
    server.answers = [
        b"HTTP/1.1 200 OK\r\n" + ETAG + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"
    ]
    pinned = SourceIdentity("bucket", "k", '"1"', 5)
    source = S3Source(
        "bucket", "k", client=gets._client, pinned=pinned, is_known=True, gets=gets,
        give_up_seconds=0.1,
    )  # fmt: skip
    with pytest.raises(SourceReadError, match="without the object's size"):
        list(source.read(0))
    server.answers = [server.answers[0], WHOLE]
    assert list(source.read(0)) == [b"abcde"]


@pytest.mark.parametrize(
    "torn",
    [
        RawServer.CLOSE,
        b"HTTP/1.1 20" + RawServer.CLOSE,
        b"no HTTP at all\r\n\r\n" + RawServer.CLOSE,
        OK + b"Content-Length: 5\r\n\r\nabc" + RawServer.CLOSE,
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc" + RawServer.CLOSE,
        OK + b"Content-Length: x\r\n\r\nabcde" + RawServer.CLOSE,
        OK + b"Content-Length: 5\r\n\r\n" + RawServer.CLOSE,
        OK + b"Content-Length: 5\r\n" + RawServer.CLOSE,
        OK + b"Content-Length: 5\r\nContent-Length: 3\r\n\r\nabc" + RawServer.CLOSE,
        b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + RawServer.CLOSE,
    ],
    ids=[
        "nothing", "half a line", "no HTTP", "short", "short chunk", "no number", "empty",
        "half a head", "two lengths", "hints",
    ],
)  # fmt: skip
def test_an_answer_that_is_not_whole_is_asked_for_again_the_sdks_way(
    server: RawServer, gets: SimilarGets, torn: bytes
) -> None:
    server.answers = [torn, WHOLE]
    assert get(gets) == b"abcde"
    assert len(server.heads) == 3
    assert get(gets) == b"abcde"


def test_an_answer_that_stalls_is_asked_for_again_the_sdks_way(server: RawServer) -> None:
    client = aws.s3_client(endpoint_url=server.url, read_timeout_seconds=0.2)
    gets = SimilarGets(client)
    server.answers = [WHOLE, OK + b"Content-Length: 5\r\n\r\nabc", WHOLE]
    assert get(gets) == get(gets) == b"abcde"
    assert len(server.heads) == 3
    assert server.connections == 2, "what comes late is an answer to nothing"


def test_what_stands_behind_an_answer_is_no_part_of_the_next(
    server: RawServer, gets: SimilarGets
) -> None:
    surplus = WHOLE.replace(b"abcde", b"wrong")
    server.answers = [WHOLE + surplus, WHOLE + b"garbage", WHOLE]
    assert [get(gets) for _ in range(3)] == [b"abcde"] * 3


def test_what_fails_for_the_sdk_too_is_its_error(server: RawServer, gets: SimilarGets) -> None:
    server.answers = [RawServer.CLOSE]
    with pytest.raises((BotoCoreError, HTTPError)):
        get(gets)


def test_a_connection_that_was_closed_meanwhile_is_not_used(
    server: RawServer, gets: SimilarGets
) -> None:
    server.answers = [WHOLE + RawServer.CLOSE, WHOLE]
    assert get(gets) == get(gets) == b"abcde"
    assert len(server.heads) == 3


def test_a_refusal_in_chunks_is_the_sdks_error(server: RawServer, gets: SimilarGets) -> None:
    size = b"%x" % len(ERROR)
    server.answers = [
        b"HTTP/1.1 503 Slow Down\r\nTransfer-Encoding: chunked\r\n\r\n"
        + size + b"\r\n" + ERROR + b"\r\n0\r\n\r\n"
    ]  # fmt: skip
    with pytest.raises(ClientError, match="SlowDown"):
        get(gets)
    assert len(server.heads) == 2


def test_an_answer_that_has_no_body_is_not_waited_for(server: RawServer, gets: SimilarGets) -> None:
    server.answers = [b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"]
    with pytest.raises(ClientError, match="304"):
        get(gets)
    assert len(server.heads) == 2


def test_a_page_of_a_stranger_is_refused(server: RawServer, gets: SimilarGets) -> None:
    page = b"<html><title>Log in</title></html>"
    server.answers = [
        b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s"
        % (len(page), page)
    ]
    with pytest.raises(StrangerError, match="'Log in'"):
        get(gets)
    assert len(server.heads) == 2


def test_a_long_answer_goes_the_sdks_way_in_pieces(
    server: RawServer, gets: SimilarGets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it was asked for, or the server does not know ranges."""
    monkeypatch.setattr(kept_connections, "AT_MOST_BYTES", 4)
    monkeypatch.setattr(s3_get, "AT_MOST_BYTES", 4)
    assert get(gets) == b"abcde"
    assert len(server.heads) == 2
    assert get(gets, "bytes=0-3") == b"abcde"
    assert len(server.heads) == 4


def test_connections_that_the_sdk_has_given_up_are_not_used(
    server: RawServer, gets: SimilarGets
) -> None:
    kept = gets._known["bucket"].kept
    assert kept is not None
    pool = kept._pool()
    assert pool is not None
    pool.close()
    assert kept.get(server.url + "/bucket/k", {}) is None
    del pool
    gets._client._endpoint.http_session.close()  # type: ignore[attr-defined]
    assert kept.get(server.url + "/bucket/k", {}) is None


def test_many_threads_share_the_connections(server: RawServer, gets: SimilarGets) -> None:
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.extend(get(gets) for _ in range(20)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b"abcde"] * 160
    assert server.connections <= 8


def test_a_header_that_would_be_another_request_is_not_sent(
    server: RawServer, gets: SimilarGets
) -> None:
    kept = gets._known["bucket"].kept
    assert kept is not None
    assert kept.get(server.url + "/bucket/k", {"If-Match": '"1"\r\nX: y'}) is None
    assert len(server.heads) == 1


@pytest.mark.parametrize("server", ["http"], indirect=True)
@pytest.mark.parametrize("name", ["Host", "accept-encoding", "Transfer-Encoding", "Content-Length"])
def test_a_header_that_is_set_already_or_announces_content_is_not_sent(
    server: RawServer, gets: SimilarGets, name: str
) -> None:
    kept = gets._known["bucket"].kept
    assert kept is not None
    assert kept.get(server.url + "/bucket/k", {name: "x"}) is None
    assert len(server.heads) == 1


@pytest.mark.parametrize("server", ["http"], indirect=True)
def test_a_proxy_is_spoken_to_by_the_sdk_alone(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    gets = SimilarGets(aws.s3_client(endpoint_url="http://s3.example:9000"))
    for _ in range(3):
        assert get(gets) == b"abcde"
    requests = [head.partition(b" HTTP/1.1")[0] for head in server.heads]
    assert requests == [b"GET http://s3.example:9000/bucket/a%20b/%C3%A9.csv"] * 3


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://[::1]:9000", "[::1]:9000"),
        ("http://[::1]", "[::1]"),
        ("http://S3.example:80", "s3.example"),
        ("https://bucket.s3.eu-west-1.amazonaws.com", "bucket.s3.eu-west-1.amazonaws.com"),
        ("https://s3.example:80", "s3.example:80"),
    ],
)
def test_the_host_is_named_as_it_is_signed(origin: str, host: str) -> None:
    kept = KeptConnections(HTTPConnectionPool("h"), origin + "/k")
    head = kept._head(origin + "/k", {})
    assert head is not None
    assert head.startswith(f"GET /k HTTP/1.1\r\nHost: {host}\r\n".encode())


@pytest.mark.parametrize("server", ["http"], indirect=True)
@pytest.mark.parametrize("missing", ["timeout", "_get_conn", "_put_conn"])
def test_another_urllib3_costs_time_alone(
    server: RawServer, gets: SimilarGets, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """One that has not what is used of it: the first such GET is the last that tries."""
    kept = gets._known["bucket"].kept
    assert kept is not None
    pool = kept._pool()
    with monkeypatch.context() as other:
        other.setattr(pool, missing, None)
        assert kept.get(server.url + "/bucket/k", {}) is None
    assert kept.get(server.url + "/bucket/k", {}) is None
    for _ in range(3):
        assert get(gets) == b"abcde"
    assert kept is gets._known["bucket"].kept
