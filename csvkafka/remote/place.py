"""What a URI names: `https://host/path`, `gs://bucket/object`, `azure://container/blob`."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import SplitResult, quote, urlsplit

from csvkafka.errors import ConfigError

WEB = ("https", "http")
SCHEMES = (*WEB, "gs", "azure")

_AS_IT_IS = "/%:@!$&'()*+,;=~"
"""What a path may hold beside letters, digits, `-`, `.` and `_`."""


@dataclass(frozen=True, slots=True)
class RemotePlace:
    """`host` is a web server with its port, a bucket or a container; `key` the path in it without
    the first slash, percent-encoded if the scheme is a web server's. `query` goes with each request
    and into no name: it is where signatures stand, which are secret and change."""

    scheme: str
    host: str
    key: str
    query: str = field(default="", repr=False)

    @property
    def uri(self) -> str:
        """As `SourceIdentity.uri`, so without the query."""
        return f"{self.scheme}://{self.host}/{self.key}"

    @classmethod
    def parse(cls, source: str) -> RemotePlace:
        """Raises ConfigError, which shows no query and no password."""
        scheme, _, rest = source.partition("://")
        if scheme in WEB:
            return cls._on_the_web(source)
        host, _, key = rest.partition("/")
        if not host or not key:
            what = "BUCKET/OBJECT" if scheme == "gs" else "CONTAINER/BLOB"
            raise ConfigError(f"SOURCE must be {scheme}://{what}, not {source!r}")
        return cls(scheme, host, key)

    @classmethod
    def _on_the_web(cls, source: str) -> RemotePlace:
        url = _split(source)
        shown = f"'{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}'"
        if "@" in url.netloc:
            raise ConfigError(
                f"SOURCE {shown} has a user or password before its host, which every record would "
                "show: leave them out, and set SOURCE_AUTHORIZATION"
            )
        if url.fragment:
            raise ConfigError(
                f"SOURCE {shown} goes on after a #, which no server is told: write %23 for it"
            )
        if not url.hostname or url.path in ("", "/"):
            raise ConfigError(f"SOURCE {shown} names no file: it must be https://HOST/PATH")
        if url.scheme == "http" and not _is_this_host(url.hostname):
            raise ConfigError(
                f"SOURCE {shown} is read over a network where nothing protects its bytes, and "
                "damaged ones would be loaded: use https:// (http:// is for this host alone)"
            )
        key = quote(url.path.removeprefix("/"), safe=_AS_IT_IS)
        return cls(url.scheme, url.netloc.lower(), key, quote(url.query, safe=_AS_IT_IS + "?"))


def _split(source: str) -> SplitResult:
    try:
        url = urlsplit(source)
        _ = url.port  # the only part that is looked at late
    except ValueError as error:
        raise ConfigError(f"SOURCE is no URL ({error}): it must be https://HOST/PATH") from None
    return url


def _is_this_host(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
