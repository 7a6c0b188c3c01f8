"""One file of a web server: pinned by its strong ETag, read by ranges.

A server that gives no strong ETag, or no ranges, is refused: what it sends after a break may be of
another file, or begin anew each time. Every request is a GET of a range under If-Match, the first
one too, as a signed URL is good for GET alone.
"""

from __future__ import annotations

import http.client
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import closing
from email.message import Message
from http import HTTPStatus
from typing import IO

from csvkafka.errors import ConfigError, SourceReadError
from csvkafka.remote.faults import PassingFault, changed, is_passing, refused
from csvkafka.remote.place import RemotePlace
from csvkafka.remote.remote_source import Facts

ANSWER_SECONDS = 6.0
"""So long the next byte is waited for."""

_CHUNK_BYTES = 131_072

_RIGHTS = (
    "set SOURCE_AUTHORIZATION to what the server's Authorization header needs, or take a URL whose "
    "signature is still good"
)


class WebObject:
    """Implements `remote_source.RemoteObject`. Proxies (`HTTPS_PROXY`, `NO_PROXY`) and certificates
    (`SSL_CERT_FILE`) are those of the environment."""

    pinned_by = "ETag"

    def __init__(
        self,
        place: RemotePlace,
        authorization: str | None = None,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        """`authorization` is the text of that header; no other host gets it."""
        self._place = place
        self._authorization = authorization
        self._answer_seconds = answer_seconds
        self._opener = urllib.request.build_opener(_StillSafe())

    def facts(self) -> Facts:
        """See `RemoteObject`."""
        with closing(self._ask({"Range": "bytes=0-0"})) as answer:
            status, headers = answer.status, answer.headers
        match status:
            case HTTPStatus.PARTIAL_CONTENT:
                size = _extent(status, headers)[1]
            case HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE if _is_empty(headers):
                size = 0
            case HTTPStatus.OK if headers.get("Content-Length") == "0":
                size = 0
            case _:
                raise ConfigError(
                    f"the server of {self._place.uri} gives no ranges (it answered {status} to "
                    "one), so a load could not go on from where it stopped: write the file to a "
                    "disk or to S3, and load that"
                )
        return Facts(self._strong_etag(headers), size, headers.get("Content-Encoding", ""))

    def chunks(self, pinned: Facts, first: int) -> Generator[bytes, None, None]:
        """See `RemoteObject`. A server that gives all of the file instead is borne: what is before
        `first` is dropped."""
        wanted = {"Range": f"bytes={first}-{pinned.size - 1}", "If-Match": pinned.pin}
        with closing(self._ask(wanted)) as answer:
            status = answer.status or 0
            if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise refused(self._place.uri, status, "it ends before", _RIGHTS)
            starts_at, size = _extent(status, answer.headers)
            found = answer.headers.get("ETag", "none")
            if (found, size) != (pinned.pin, pinned.size):
                raise changed(
                    self._place.uri,
                    f"it is now ETag {found} of {size} bytes, and was {pinned.pin} of "
                    f"{pinned.size}",
                )
            if starts_at not in (0, first):
                raise _wrong(f"asked from byte {first}, it answered from byte {starts_at}")
            yield from _body(answer, first - starts_at, pinned.size - first)

    def _strong_etag(self, headers: Message) -> str:
        etag = headers.get("ETag", "")
        if re.fullmatch(r'"[^"]*"', etag):
            return etag
        what = f"only the weak ETag {etag}" if etag else "no ETag"
        raise ConfigError(
            f"the server of {self._place.uri} gives {what}, so nothing tells whether the file is "
            "still the same when a load goes on: write the file to a disk or to S3, and load that"
        )

    def _ask(self, headers: dict[str, str]) -> http.client.HTTPResponse | urllib.error.HTTPError:
        """The answer to a GET: 2xx, or 416 with its headers."""
        place = self._place
        url = place.uri + (f"?{place.query}" if place.query else "")
        request = urllib.request.Request(url, headers={"Accept-Encoding": "identity", **headers})
        if self._authorization is not None:
            request.add_unredirected_header("Authorization", self._authorization)
        try:
            answer: http.client.HTTPResponse = self._opener.open(
                request, timeout=self._answer_seconds
            )
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return error
            error.close()
            told = f"{error.code} {error.reason}"
            if is_passing(error.code):
                raise PassingFault(told, has_answered=True) from None
            raise refused(place.uri, error.code, told, _RIGHTS) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._unreached(getattr(error, "reason", error)) from error
        return answer

    def _unreached(self, reason: object) -> Exception:
        if isinstance(reason, ssl.SSLCertVerificationError):
            return SourceReadError(
                f"the certificate of {self._place.uri} is not trusted ({reason.verify_message}): "
                "check SOURCE, or name the file of the authority that signed it by SSL_CERT_FILE"
            )
        told = str(reason) or type(reason).__name__
        return PassingFault(f"{told}{self._by_proxy()}", has_answered=False)

    def _by_proxy(self) -> str:
        """Which variable names the proxy, if one is asked; what it holds may be secret."""
        place = self._place
        if place.scheme not in urllib.request.getproxies():
            return ""
        bypassed = urllib.request.proxy_bypass(place.host)
        return "" if bypassed else f", by {place.scheme.upper()}_PROXY"


class _StillSafe(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to what is not encrypted."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not newurl.lower().startswith(f"{req.type}://") and not newurl.startswith("https://"):
            raise SourceReadError(
                f"host '{req.host}' redirects SOURCE to {newurl.partition(':')[0]}://, where "
                "nothing protects its bytes: check SOURCE"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _extent(status: int, headers: Message) -> tuple[int, int]:
    """First byte of the answer's body, and size of the whole file."""
    said = headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", said)
    if status == HTTPStatus.PARTIAL_CONTENT and match is not None:
        return int(match[1]), int(match[2])
    length = headers.get("Content-Length", "")
    if status == HTTPStatus.OK and length.isdecimal():
        return 0, int(length)
    raise _wrong(f"status {status}, Content-Range {said!r}, Content-Length {length!r}")


def _is_empty(headers: Message) -> bool:
    return headers.get("Content-Range", "").replace(" ", "") == "bytes*/0"


def _body(
    answer: http.client.HTTPResponse | urllib.error.HTTPError, skip: int, remaining: int
) -> Generator[bytes, None, None]:
    """Up to `remaining` bytes after the first `skip`."""
    while remaining > 0:
        try:
            chunk = answer.read1(min(_CHUNK_BYTES, skip + remaining))
        except (OSError, http.client.HTTPException) as error:
            raise PassingFault(str(error) or type(error).__name__, has_answered=True) from error
        if not chunk:
            return
        kept = chunk[skip:]
        skip -= len(chunk) - len(kept)
        if kept:
            remaining -= len(kept)
            yield kept


def _wrong(what: str) -> PassingFault:
    return PassingFault(f"a wrong answer: {what}", has_answered=True)
