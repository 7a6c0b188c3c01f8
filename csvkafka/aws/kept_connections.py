"""Requests on connections that the SDK holds open, past the HTTP layers above them.

These take a quarter of the processor time of a small object's GET. What is sent and received is the
same. Only connections that the SDK has opened are used, as it has set them up: TLS, addresses and
time-outs are its own. A connection of which anything is not as expected is closed, and the caller
lets the SDK send the request: it says what is wrong, if anything is. So whatever goes wrong here
costs time alone; and only once, where urllib3 lacks what is used of it.
"""

from __future__ import annotations

import io
import logging
import re
import weakref
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

log = logging.getLogger(__name__)

AT_MOST_BYTES = 256 * 1024
"""A longer answer is not for this way: it is held as a whole, and where it breaks off, all of it is
asked for again."""

_RECEIVED_BYTES = 64 * 1024
"""How much is received at once; and the longest head of an answer."""

_HEAD_END = b"\r\n\r\n"
_STATUS = re.compile(r"HTTP/1\.1 (?!204|304)([2-5][0-9][0-9])( |$)")  # these have no body
_LENGTH = re.compile(r"[0-9]{1,18}")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
"""An answer that is read here says in these ways what it is; `http.client` reads all others."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_OF_THE_CONNECTION = frozenset(
    ("accept-encoding", "content-length", "expect", "host", "transfer-encoding")
)
"""Headers that are said here, or that announce a body."""


class KeptBody(io.BytesIO):
    """The body of an answer, as the SDK reads one."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A whole answer; the names of its headers in small letters."""

    status_code: int
    headers: dict[str, str]
    raw: KeptBody


class AskedFor:
    """A GET that was sent, and whose answer nobody has waited for yet. It has its connection for
    itself; if the answer is not taken, that is closed."""

    def __init__(self, kept: KeptConnections, pool: Any, connection: Any, head: bytes) -> None:
        self._kept = kept
        self._pool = pool
        self._connection = connection
        self._outages = kept.outages
        self._is_reusable = False
        connection.sock.settimeout(pool.timeout.read_timeout)
        connection.sock.sendall(head)

    def take(self) -> KeptAnswer | None:
        """The answer; None if there is no whole one. Waits for it."""
        try:
            with closing(self):
                return self._taken()
        except Exception as error:  # noqa: BLE001 - the SDK asks again
            self._kept.note(error)
            return None

    def _taken(self) -> KeptAnswer | None:
        # Each of many that were lost in one outage would be waited for in its turn.
        if self._outages != self._kept.outages:
            return None
        answer, self._is_reusable = _answer_of(self._connection.sock)
        return answer

    def close(self) -> None:
        """Gives the connection back, closed if it cannot be used again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if not self._is_reusable:
                connection.close()
            self._pool._put_conn(connection)

    def __del__(self) -> None:
        # Without its pool, which makes another: this may run anywhere, within the pool's lock too.
        with suppress(Exception):
            self._connection.close()


class KeptConnections:
    """The connections of one urllib3 pool; to be used by many threads at once."""

    @classmethod
    def of(cls, body: Any, url: str) -> KeptConnections | None:
        """Those by which `body`, a body of the SDK's that `url` was answered with, has come. None
        if it does not tell, or if they lead to a proxy."""
        pool = getattr(getattr(body, "_raw_stream", None), "_pool", None)
        usable = all(callable(getattr(pool, name, None)) for name in ("_get_conn", "_put_conn"))
        if not usable or getattr(pool, "proxy", None) is not None:
            return None
        return cls(pool, url)

    def __init__(self, pool: Any, url: str) -> None:
        parts = urlsplit(url)
        # Weakly: once the SDK has given the pool up, its connections are closed.
        self._pool = weakref.ref(pool)
        self._is_given_up = False
        self.outages = 0
        self._origin = f"{parts.scheme}://{parts.netloc}"
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        is_default = parts.port in (None, _DEFAULT_PORTS.get(parts.scheme))
        self._host = host if is_default else f"{host}:{parts.port}"

    def get(self, url: str, headers: Mapping[str, str]) -> KeptAnswer | None:
        """The answer to a GET that is signed; None if the SDK is to send it: there is no open
        connection, or it did not bring a whole answer."""
        asked = self.ask(url, headers)
        return None if asked is None else asked.take()

    def ask(self, url: str, headers: Mapping[str, str]) -> AskedFor | None:
        """Sends the GET, and does not wait for its answer; None if there is no open connection."""
        pool = None if self._is_given_up else self._pool()
        if pool is None:
            return None
        try:
            head = self._head(url, headers)
            return None if head is None else self._sent(pool, head)
        except Exception as error:  # noqa: BLE001 - the SDK asks
            self.note(error)
            return None

    def note(self, error: Exception) -> None:
        """Notes what failed; what no connection does is the last time that one is tried."""
        if isinstance(error, TimeoutError):
            self.outages += 1
        if not isinstance(error, (OSError, HTTPException, ValueError)):
            self._is_given_up = True
        log.debug("the SDK asks in the place of a kept connection", exc_info=error)

    def _sent(self, pool: Any, head: bytes) -> AskedFor | None:
        connection = pool._get_conn()
        if connection.sock is None:
            pool._put_conn(connection)
            return None
        return AskedFor(self, pool, connection, head)

    def _head(self, url: str, headers: Mapping[str, str]) -> bytes | None:
        """The request as it is sent; None if a header would make it another one."""
        target = url.removeprefix(self._origin)
        lines = [
            f"GET {target} HTTP/1.1",
            f"Host: {self._host}",
            "Accept-Encoding: identity",
            *(f"{name}: {value}" for name, value in headers.items()),
            "",
            "",
        ]
        text = "\r\n".join(lines)
        is_one_request = (
            target.startswith("/")
            and text.isascii()
            and text.count("\n") == text.count("\r") == len(lines) - 1
            and _OF_THE_CONNECTION.isdisjoint(map(str.lower, headers))
        )
        return text.encode("ascii") if is_one_request else None


def _answer_of(sock: Any) -> tuple[KeptAnswer | None, bool]:
    """The answer that comes next, if it is whole and not too long; and whether the connection can
    be used again. Raises OSError, HTTPException, ValueError."""
    received = bytearray(sock.recv(_RECEIVED_BYTES))
    while (end := received.find(_HEAD_END)) < 0:
        if b"\n\n" in received:
            return _unusual_answer_of(sock, bytes(received))
        more = sock.recv(_RECEIVED_BYTES)
        if not more or len(received) > _RECEIVED_BYTES:
            raise HTTPException("no whole head")
        received += more
    usual = _usual_head(bytes(received[:end]))
    if usual is None:
        return _unusual_answer_of(sock, bytes(received))
    status_code, headers, length = usual
    if length > AT_MOST_BYTES:
        return None, False
    del received[: end + len(_HEAD_END)]
    while len(received) < length:
        more = sock.recv(min(_RECEIVED_BYTES, length - len(received)))
        if not more:
            return None, False
        received += more
    is_reusable = len(received) == length and headers.get("connection", "").lower() != "close"
    return KeptAnswer(status_code, headers, KeptBody(received[:length])), is_reusable


def _usual_head(head: bytes) -> tuple[int, dict[str, str], int] | None:
    """Status, headers and length of an answer; None if it is one that is read in another way, or
    could be understood in two."""
    first, *lines = head.decode("latin-1").split("\r\n")
    status = _STATUS.match(first)
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip(" \t")
    length = headers.get("content-length", "")
    if (
        status is None
        or not len(headers) == len(lines) == head.count(b"\n") == head.count(b"\r")
        or "transfer-encoding" in headers
        or not _LENGTH.fullmatch(length)
        or not all(map(_NAME.fullmatch, headers))
    ):
        return None
    return int(status[1]), headers, int(length)


class _Received(io.RawIOBase):
    """What was received already, and then what comes."""

    def __init__(self, received: bytes, sock: Any) -> None:
        self._received = io.BytesIO(received)
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._received.readinto(buffer)
        return count or int(self._sock.recv_into(buffer))

    def makefile(self, *_: Any) -> io.BufferedReader:
        """As a socket's."""
        return io.BufferedReader(self)


def _unusual_answer_of(sock: Any, received: bytes) -> tuple[KeptAnswer | None, bool]:
    """As `_answer_of`, of which so much was received."""
    response = HTTPResponse(_Received(received, sock), method="GET")  # type: ignore[arg-type]
    try:
        response.begin()
        body = response.read(AT_MOST_BYTES + 1)
        # What is left of a length is 0 after all of it.
        is_whole = response.isclosed() and (response.chunked or response.length == 0)
        if len(body) > AT_MOST_BYTES or not is_whole or response.status < 200:
            return None, False
        headers = {name.lower(): value for name, value in response.headers.items()}
        return KeptAnswer(response.status, headers, KeptBody(body)), not response.will_close
    finally:
        response.close()
