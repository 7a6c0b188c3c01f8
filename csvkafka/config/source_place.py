"""Where the CSV is: an object in S3 by its bucket and key or, by `SOURCE`, a file of this host."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from csvkafka.config.settings import SETTINGS
from csvkafka.errors import ConfigError

_S3, _FILE = "s3://", "file://"

STDIN = ("-", "/dev/stdin", "/dev/fd/0")


def with_source_spread(values: Mapping[str, str]) -> dict[str, str]:
    """The settings with a SOURCE in S3 as S3_BUCKET and S3_KEY. Raises ConfigError."""
    source = values.get("SOURCE", "")
    if not source.startswith(_S3):
        return dict(values)
    bucket, _, key = source.removeprefix(_S3).partition("/")
    if not bucket or not key:
        raise ConfigError(f"SOURCE must be s3://BUCKET/KEY, a path or file:///PATH, not {source!r}")
    spread = {"S3_BUCKET": bucket, "S3_KEY": key}
    for variable, text in spread.items():
        if values.get(variable, text) not in (text, ""):
            raise ConfigError(
                f"SOURCE is {source} and {variable} is {values[variable]}: set one of them"
            )
    return {**values, **spread}


def local_path(values: Mapping[str, str]) -> Path | None:
    """The whole path of the file that SOURCE names; None if it names none. Raises ConfigError."""
    source = values.get("SOURCE", "")
    if not source or source.startswith(_S3):
        return None
    if source in STDIN:
        raise ConfigError(
            f"SOURCE {source!r} is standard input, which cannot be read again from where a load "
            "stopped, so it cannot be resumed: write it to a file, and load that"
        )
    if "://" in source and not source.startswith(_FILE):
        raise ConfigError(f"SOURCE must be s3://BUCKET/KEY, a path or file:///PATH, not {source!r}")
    names = (setting.variable for setting in SETTINGS)
    given = [name for name in names if name.startswith("S3_") and values.get(name)]
    if given:
        raise ConfigError(
            f"SOURCE {source} and {' and '.join(given)} exclude each other; set one source, and "
            "leave out (or unset) what belongs to the other"
        )
    if not source.startswith(_FILE):
        return Path(source).expanduser().absolute()
    path = unquote(source.removeprefix(_FILE).removeprefix("localhost"))
    if not path.startswith("/"):
        raise ConfigError(
            f"SOURCE {source!r} names no file of this host: give its whole path, file:///PATH"
        )
    return Path(path)
