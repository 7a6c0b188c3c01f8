"""The declared table of `CSV_COLUMNS`, and the schema beside it: each a file of this host, or an
object that a URI names, as a source may be."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from csvkafka.config.secrets import hash_key
from csvkafka.config.source_place import FILE, FORMS, S3, bucket_and_key, file_path
from csvkafka.errors import ConfigError, SourceNotFoundError
from csvkafka.remote.place import SCHEMES, WEB, RemotePlace

if TYPE_CHECKING:
    from csvkafka.aws.s3_source import S3Source
    from csvkafka.remote.remote_source import RemoteSource
    from csvkafka.schema.table import RecordTable

MOST_BYTES = 1 << 20
"""A table is no longer; so many are held at once."""


def declared_table(
    named: str | None, key: str | None, source: object, values: Mapping[str, str]
) -> RecordTable | None:
    """The table that `named` names, with the secret of hashes that `key` is or names; None: there
    is none. `source` is where the CSV is: SOURCE_AUTHORIZATION is for the same server alone.

    Raises ConfigError, and as the source of a load does where one is asked."""
    if named is None:
        if key is not None:
            raise ConfigError("CSV_HASH_KEY is set and CSV_COLUMNS is not; set both or neither")
        return None
    from csvkafka.schema.declaration import read_table

    def beside(name: str) -> str:
        return _text(_beside(named, name), source, values)

    try:
        text = _text(named, source, values)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"CSV_COLUMNS: cannot read {_shown(named)!r} ({error}); name a file in TOML"
        ) from error
    return read_table(text, _shown(named), b"" if key is None else hash_key(key), beside)


def _beside(table: str, name: str) -> str:
    """The path or URI of a file that a table names, from the place of the table. Raises ValueError
    for a file of this host, if the table is none: whoever wrote it may not have it read."""
    is_elsewhere = "://" in table and not table.startswith(FILE)
    if "://" in name or Path(name).is_absolute():
        if is_elsewhere and ("://" not in name or name.startswith(FILE)):
            raise ValueError("the table is of another host, and this a file of this one")
        return name
    if "://" in table:
        return f"{_shown(table).rpartition('/')[0]}/{name}"
    return str(Path(table).parent / name)


def _shown(named: str) -> str:
    """Without a query, in which signatures stand."""
    return named.partition("?")[0] if named.partition("://")[0] in WEB else named


def _text(named: str, source: object, values: Mapping[str, str]) -> str:
    """Raises OSError where there is no such file, UnicodeDecodeError for what is no text."""
    scheme, mark, _ = named.partition("://")
    try:
        if not mark or scheme == FILE.removesuffix("://"):
            return file_path(named).read_text("utf-8-sig")
        content = _content(_opened(named, source, values), _shown(named))
    except ConfigError as error:
        raise ConfigError(re.sub(r"\bSOURCE\b", "CSV_COLUMNS", str(error))) from error
    return content.decode("utf-8-sig")


def _opened(named: str, source: object, values: Mapping[str, str]) -> S3Source | RemoteSource:
    if named.startswith(S3):
        from csvkafka.aws.s3_source import S3Source

        payer = values.get("S3_REQUEST_PAYER") or None
        return S3Source(*bucket_and_key(named), request_payer=payer)
    scheme = named.partition("://")[0]
    if scheme not in SCHEMES:
        raise ConfigError(f"CSV_COLUMNS must be {FORMS}, not one by {scheme}://")
    from csvkafka.config.secrets import authorization
    from csvkafka.remote.opened import remote_object
    from csvkafka.remote.remote_source import RemoteSource

    place = RemotePlace.parse(named)
    is_same_server = isinstance(source, RemotePlace) and (
        (source.scheme, source.host) == (place.scheme, place.host)
    )
    header = authorization(values.get("SOURCE_AUTHORIZATION") or None) if is_same_server else None
    return RemoteSource(place, remote_object(place, header, os.environ))


def _content(opened: S3Source | RemoteSource, shown: str) -> bytes:
    """All bytes of a small object. Raises FileNotFoundError, and as the source does."""
    try:
        opened.identify()
        with closing(_generator(opened.read(0))) as chunks:
            content = bytearray()
            for chunk in chunks:
                content += chunk
                if len(content) > MOST_BYTES:
                    raise ConfigError(
                        f"CSV_COLUMNS: {shown!r} has more than {MOST_BYTES} bytes, which no table "
                        "has: name a file in TOML"
                    )
    except SourceNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), shown) from error
    return bytes(content)


def _generator(chunks: Iterator[bytes]) -> Generator[bytes, None, None]:
    yield from chunks
