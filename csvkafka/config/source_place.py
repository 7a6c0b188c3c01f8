"""Where the CSV is: an object in S3 by its bucket and key or, by `SOURCE`, a file of this host or
an object elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from csvkafka.config.settings import SETTINGS
from csvkafka.errors import ConfigError
from csvkafka.remote.place import SCHEMES, WEB, RemotePlace

S3, FILE = "s3://", "file://"

FORMS = (
    "s3://BUCKET/KEY, a path, file:///PATH, https://HOST/PATH, gs://BUCKET/OBJECT or "
    "azure://CONTAINER/BLOB"
)

_ACCESS_POINT = re.compile(r"arn:[^/]+?:(outpost[/:][^/:]+[/:])?accesspoint[/:][^/:]+")
"""What stands in a bucket's place, and has a slash of its own."""

STDIN = ("-", "/dev/stdin", "/dev/fd/0")


def with_source_spread(values: Mapping[str, str]) -> dict[str, str]:
    """The settings with a SOURCE in S3 as S3_BUCKET and S3_KEY. Raises ConfigError."""
    source = values.get("SOURCE", "")
    if not source.startswith(S3):
        return dict(values)
    bucket, key = bucket_and_key(source)
    spread = {"S3_BUCKET": bucket, "S3_KEY": key}
    for variable, text in spread.items():
        if values.get(variable, text) not in (text, ""):
            raise ConfigError(
                f"SOURCE is {source} and {variable} is {values[variable]}: set one of them"
            )
    return {**values, **spread}


def bucket_and_key(source: str) -> tuple[str, str]:
    """Of a URI by s3://. Raises ConfigError."""
    named = source.removeprefix(S3)
    point = _ACCESS_POINT.match(named)
    bucket = point[0] if point else named.partition("/")[0]
    key = named.removeprefix(bucket).removeprefix("/")
    if not bucket or not key:
        raise ConfigError(f"SOURCE must be {FORMS}, not {source!r}")
    return bucket, key


def place_by_source(values: Mapping[str, str]) -> Path | RemotePlace | None:
    """The whole path of the file, or the object, that SOURCE names; None: it is in S3, or there is
    none. Raises ConfigError."""
    source = values.get("SOURCE", "")
    scheme, mark, _ = source.partition("://")
    if values.get("SOURCE_AUTHORIZATION") and scheme not in WEB:
        raise ConfigError(
            "SOURCE_AUTHORIZATION is for a SOURCE by https://; leave it out, or name such a source"
        )
    if not source or source.startswith(S3):
        return None
    if source in STDIN:
        raise ConfigError(
            f"SOURCE {source!r} is standard input, which cannot be read again from where a load "
            "stopped, so it cannot be resumed: write it to a file, and load that"
        )
    remote = RemotePlace.parse(source) if mark and scheme in SCHEMES else None
    if remote is None and mark and not source.startswith(FILE):
        raise ConfigError(f"SOURCE must be {FORMS}, not one by {scheme}://")
    _alone(values, source if remote is None else remote.uri)
    return remote or file_path(source)


def _alone(values: Mapping[str, str], shown: str) -> None:
    names = (setting.variable for setting in SETTINGS)
    given = [name for name in names if name.startswith("S3_") and values.get(name)]
    if given:
        raise ConfigError(
            f"SOURCE {shown} and {' and '.join(given)} exclude each other; set one source, and "
            "leave out (or unset) what belongs to the other"
        )


def file_path(source: str) -> Path:
    """The whole path of a file of this host. Raises ConfigError."""
    if not source.startswith(FILE):
        return Path(source).expanduser().absolute()
    path = unquote(source.removeprefix(FILE).removeprefix("localhost"))
    if not path.startswith("/"):
        raise ConfigError(
            f"SOURCE {source!r} names no file of this host: give its whole path, file:///PATH"
        )
    return Path(path)
