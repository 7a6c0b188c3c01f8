"""GETs of one bucket, made and signed like one that the SDK has sent.

The SDK takes 0.5 ms of processor time to sign a request, for two of which only key, range, ETag,
time and number differ. So here these are put into what the SDK has sent, and only the signature is
made anew. What the SDK does is not guessed: a request is a pattern only if what is made of its own
key, range, ETag, time and number is that request, byte for byte, with its signature. If anything
else goes into a request, or the SDK signs in another way, there is no pattern.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[^/,]+/[0-9]{8}/([^/,]+)/([^/,]+)/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=[0-9a-f]{64}"
)
_TOKEN = "X-Amz-Security-Token"
_OF_EACH = {"Range", "If-Match", "X-Amz-Date", "amz-sdk-invocation-id", "Authorization"}
_OF_ALL = {"User-Agent", "X-Amz-Content-SHA256", _TOKEN, "amz-sdk-request"}
"""The headers of a request: their values differ, or are the same."""

_SIGNED = {name.lower() for name in _OF_EACH | _OF_ALL | {"host"}} - {"authorization"}

Credentials = Sequence[str | None]
"""Access key, secret key, token, as botocore's `get_frozen_credentials` gives them."""


class SignedGets:
    """GETs whose URL begins with `url`, signed by `credentials` alone. Many threads may use it."""

    @classmethod
    def like(
        cls, url: str, headers: Mapping[str, str | bytes], path: str, credentials: Credentials
    ) -> SignedGets | None:
        """Those like the request that was sent with these headers to `url`, which ends with `path`;
        None if that is no pattern."""
        plain = {
            name: value if isinstance(value, str) else value.decode("latin-1")
            for name, value in headers.items()
        }
        signed = _AUTHORIZATION.fullmatch(plain.get("Authorization", ""))
        parts = urlsplit(url)
        if (
            signed is None
            or not _SIGNED.issuperset(signed[3].split(";"))
            or plain.keys() | {_TOKEN} != _OF_EACH | _OF_ALL
            or plain.get(_TOKEN) != (credentials[2] or None)
            or not url.endswith(f"/{path}")
            or parts.query
            or parts.fragment
        ):
            return None
        pattern = cls(url.removesuffix(path), plain, signed, credentials)
        time, number = plain["X-Amz-Date"], plain["amz-sdk-invocation-id"]
        made = pattern.made(path, plain["Range"], plain["If-Match"], time, number)
        return pattern if made == (url, plain) else None

    def __init__(
        self, url: str, headers: dict[str, str], signed: re.Match[str], credentials: Credentials
    ) -> None:
        region, service, names = signed.groups()
        self.url = url
        self.credentials = credentials
        self._headers = headers
        self._scope = f"{region}/{service}/aws4_request"
        self._names = names
        self._keys: dict[str, bytes] = {}
        parts = urlsplit(url)
        own = {"host": _host(parts.scheme, parts.netloc)}
        own |= {name.lower(): _trimmed(headers[name]) for name in _OF_ALL & headers.keys()}
        own = {name: value.replace("%", "%%") for name, value in own.items()}
        lines = [
            "GET",
            parts.path.replace("%", "%%") + "%(path)s",
            "",
            *(f"{name}:{own.get(name, f'%({name})s')}" for name in names.split(";")),
            "",
            names,
            headers["X-Amz-Content-SHA256"],
        ]
        self._canonical = "\n".join(lines)

    def made(
        self, path: str, byte_range: str, etag: str, time: str, number: str
    ) -> tuple[str, dict[str, str]] | None:
        """URL and headers of the request for the key that is quoted as `path`, at `time`
        (20261128T153000Z), with the `number` that a request has; None if `etag` is not one that
        can be signed as it stands."""
        if not (etag.isascii() and etag.isprintable()) or " " in etag:
            return None
        canonical = self._canonical % {
            "path": path,
            "range": byte_range,
            "if-match": etag,
            "x-amz-date": time,
            "amz-sdk-invocation-id": number,
        }
        day = time[:8]
        digest = sha256(canonical.encode("ascii")).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{time}\n{day}/{self._scope}\n{digest}"
        signature = hmac.digest(self._key(day), text.encode("ascii"), "sha256").hex()
        return self.url + path, self._headers | {
            "Range": byte_range,
            "If-Match": etag,
            "X-Amz-Date": time,
            "amz-sdk-invocation-id": number,
            "Authorization": (
                f"AWS4-HMAC-SHA256 Credential={self.credentials[0]}/{day}/{self._scope}, "
                f"SignedHeaders={self._names}, Signature={signature}"
            ),
        }

    def _key(self, day: str) -> bytes:
        """What a day's requests are signed with."""
        key = self._keys.get(day)
        if key is None:
            key = f"AWS4{self.credentials[1]}".encode()
            for each in (day, *self._scope.split("/")):
                key = hmac.digest(key, each.encode(), "sha256")
            self._keys = {day: key}
        return key


def _host(scheme: str, netloc: str) -> str:
    """The host as the SDK signs it."""
    default = {"http": ":80", "https": ":443"}.get(scheme, "")
    return netloc.lower().removesuffix(default) if default else netloc.lower()


def _trimmed(value: Any) -> str:
    return " ".join(str(value).split())
