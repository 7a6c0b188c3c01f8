"""An S3 server that misbehaves as a test says, for faults that no emulator has.

It serves HEAD and GET of objects put into it, over real sockets on loopback, and answers the next
requests with the faults that a test scripts: refusals, bodies cut by FIN or RST, silence, ignored
or wrong ranges. It obeys If-Match, Range and versionId unless a fault says otherwise.

    with FakeS3() as s3:
        s3.put("bucket", "data.csv", b"a,b\\n1,2\\n")
        s3.script("GET", CutBody(after_bytes=3), Refuse(503, "SlowDown"))
        ...  # read with a client whose endpoint is s3.endpoint_url
        assert [request.range for request in s3.requests] == [...]
"""

from __future__ import annotations

import hashlib
import re
import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answers with an error: `Refuse(503, "SlowDown")`. The answer to a GET is S3's XML, in which
    `details` are the elements after code and message; the answer to a HEAD has no body. Both have
    `headers`."""

    http_status: int
    code: str
    message: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CutBody:
    """Promises the whole body, sends `after_bytes` of it, and ends the connection by FIN, with
    `reset` by RST."""

    after_bytes: int
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Stall:
    """Sends `after_bytes` of the body, then nothing more, until `FakeS3.close`."""

    after_bytes: int


@dataclass(frozen=True, slots=True)
class IgnoreRange:
    """Answers 200 with the whole body, whatever range was asked for. If `cut_after_bytes` is given,
    only so many bytes of it are sent, and then FIN."""

    cut_after_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ShiftRange:
    """Answers 206 with a range that begins `by_bytes` later than the one asked for."""

    by_bytes: int


@dataclass(frozen=True, slots=True)
class OtherTotal:
    """Answers 206 with the bytes asked for, but another total size in Content-Range."""

    total: int


@dataclass(frozen=True, slots=True)
class FlipByte:
    """Flips one bit of the byte at `byte_offset` of the object."""

    byte_offset: int


Fault = Refuse | CutBody | Stall | IgnoreRange | ShiftRange | OtherTotal | FlipByte


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object as the server holds it; `etag` with its quotes."""

    body: bytes
    etag: str
    version_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class S3Request:
    """One request as it arrived; empty strings where a header was not sent."""

    method: str
    bucket: str
    key: str
    range: str
    if_match: str
    version_id: str
    request_payer: str = ""
    customer_key: str = ""


class FakeS3:
    """The server. It listens on a free port of loopback, from its construction to `close`, which
    the end of a `with` block calls."""

    def __init__(self) -> None:
        self.requests: list[S3Request] = []
        """Each request since the start, in order."""
        self._objects: dict[tuple[str, str, str], StoredObject] = {}
        self._scripted: dict[str, deque[Fault | None]] = {"GET": deque(), "HEAD": deque()}
        self._always: dict[str, Fault | None] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler, self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def __enter__(self) -> FakeS3:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def endpoint_url(self) -> str:
        """For a client's `endpoint_url`; path-style addressing only."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def put(
        self,
        bucket: str,
        key: str,
        body: bytes,
        *,
        version_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Stores an object, and replaces the one of that key. Older versions stay readable by their
        version id. Returns the ETag."""
        etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        stored = StoredObject(body, etag, version_id, headers or {})
        with self._lock:
            self._objects[bucket, key, ""] = stored
            if version_id is not None:
                self._objects[bucket, key, version_id] = stored
        return etag

    def delete(self, bucket: str, key: str) -> None:
        """Removes the object and its versions."""
        with self._lock:
            for place in [place for place in self._objects if place[:2] == (bucket, key)]:
                del self._objects[place]

    def script(self, method: str, *faults: Fault | None) -> None:
        """The next requests of `method` meet these faults, one each; None: no fault."""
        with self._lock:
            self._scripted[method].extend(faults)

    def always(self, method: str, fault: Fault | None) -> None:
        """Each request of `method` after the scripted ones meets this fault; None ends that."""
        with self._lock:
            self._always[method] = fault

    def reset(self) -> None:
        """Forgets objects, requests and faults."""
        with self._lock:
            self.requests.clear()
            self._objects.clear()
            self._always.clear()
            for scripted in self._scripted.values():
                scripted.clear()

    def close(self) -> None:
        """Ends the server and all its connections."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, request: S3Request) -> tuple[StoredObject | None, Fault | None]:
        with self._lock:
            self.requests.append(request)
            stored = self._objects.get((request.bucket, request.key, request.version_id))
            scripted = self._scripted[request.method]
            fault = scripted.popleft() if scripted else self._always.get(request.method)
        return stored, fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], fake: FakeS3
    ) -> None:
        super().__init__(address, handler)
        self.fake = fake

    def handle_error(self, request: Any, client_address: Any) -> None:
        """As usual, but says nothing of clients that left: they may."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test reads `FakeS3.requests`."""

    def _answer(self) -> None:
        url = urlsplit(self.path)
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        request = S3Request(
            method=self.command,
            bucket=bucket,
            key=key,
            range=self.headers.get("Range", ""),
            if_match=self.headers.get("If-Match", ""),
            version_id=parse_qs(url.query).get("versionId", [""])[0],
            request_payer=self.headers.get("x-amz-request-payer", ""),
            customer_key=self.headers.get("x-amz-server-side-encryption-customer-key", ""),
        )
        stored, fault = self.server.fake._take(request)
        if isinstance(fault, Refuse):
            self._refuse(fault)
        elif stored is None:
            self._refuse(Refuse(404, "NoSuchVersion" if request.version_id else "NoSuchKey"))
        elif request.if_match and request.if_match != stored.etag:
            self._refuse(Refuse(412, "PreconditionFailed"))
        else:
            self._serve(stored, request.range, fault)

    def _refuse(self, refusal: Refuse) -> None:
        message = refusal.message or f"{refusal.code}, as scripted"
        elements = {"Code": refusal.code, "Message": message, **refusal.details}
        content = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in elements.items())
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{content}</Error>'.encode()
        if refusal.http_status == HTTPStatus.NOT_MODIFIED:
            body = b""  # by HTTP it has none: a client would read it as the next answer
        self.send_response(refusal.http_status)
        self.send_header("x-amz-request-id", "0A49CE4060975EAC")
        for name, value in refusal.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _serve(self, stored: StoredObject, wanted: str, fault: Fault | None) -> None:
        size = len(stored.body)
        first, last = 0, size - 1
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
        ranged = match is not None and not isinstance(fault, IgnoreRange)
        if match is not None and ranged:
            first = int(match[1]) + (fault.by_bytes if isinstance(fault, ShiftRange) else 0)
            last = min(int(match[2] or last), last)
            if first > last:
                self._refuse(Refuse(416, "InvalidRange"))
                return
        body = stored.body[first : last + 1]
        if isinstance(fault, FlipByte) and first <= fault.byte_offset <= last:
            place = fault.byte_offset - first
            body = body[:place] + bytes((body[place] ^ 1,)) + body[place + 1 :]
        self.send_response(206 if ranged else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", stored.etag)
        self.send_header("Accept-Ranges", "bytes")
        if stored.version_id is not None:
            self.send_header("x-amz-version-id", stored.version_id)
        for name, value in stored.headers.items():
            self.send_header(name, value)
        if ranged:
            total = fault.total if isinstance(fault, OtherTotal) else size
            self.send_header("Content-Range", f"bytes {first}-{last}/{total}")
        self.end_headers()
        if self.command == "GET":
            self._send_body(body, fault)

    def _send_body(self, body: bytes, fault: Fault | None) -> None:
        match fault:
            case CutBody(after_bytes, reset):
                self._cut(body[:after_bytes], reset)
            case IgnoreRange(int(after_bytes)):
                self._cut(body[:after_bytes], reset=False)
            case Stall(after_bytes):
                self.wfile.write(body[:after_bytes])
                self.server.fake._closing.wait()
                self.close_connection = True
            case _:
                self.wfile.write(body)

    def _cut(self, body: bytes, reset: bool) -> None:
        self.wfile.write(body)
        self.close_connection = True
        if reset:
            # Lingering for zero seconds makes the last close, that of `rfile`, send RST.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
