"""A manifest: the objects of a set by name, in one of three forms. Pure.

- One key, or one URI `s3://bucket/key`, a line; blank lines count for nothing.
- A CSV as S3 Inventory writes it: quoted fields, the first two of which are the bucket and the key,
  URL-encoded; what else an inventory may hold is asked of S3 itself.
- A JSON array of keys, URIs, or objects such as {"key": "a.csv", "version_id": "…"}.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from csvkafka.errors import ConfigError

SCHEME = "s3://"


@dataclass(frozen=True, slots=True)
class Entry:
    """One object that the manifest names, at `place` of it (`line 7`)."""

    key: str
    place: str
    version_id: str | None = None


def read_manifest(content: bytes, uri: str, bucket: str) -> list[Entry]:
    """The entries by rising key. `uri` names the manifest in messages; its objects must be in
    `bucket`.

    Raises ConfigError that names the first line or entry that is wrong: text that cannot be read,
    another bucket, a key that stands twice."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _wrong(uri, f"byte {error.start}", "is no UTF-8", "write it as UTF-8") from error
    entries = _entries(text, uri, bucket)
    by_key: dict[str, Entry] = {}
    for entry in entries:
        first = by_key.setdefault(entry.key, entry)
        if first is not entry:
            raise _wrong(
                uri,
                entry.place,
                f"names {entry.key}, as {first.place} does",
                "name each object once",
            )
    return [by_key[key] for key in sorted(by_key)]


def _entries(text: str, uri: str, bucket: str) -> Iterator[Entry]:
    start = text.lstrip()[:1]
    if start in ("[", "{"):
        return _of_json(text, uri, bucket)
    return _of_inventory(text, uri, bucket) if start == '"' else _of_lines(text, uri, bucket)


def _of_lines(text: str, uri: str, bucket: str) -> Iterator[Entry]:
    # A key may hold blanks, and characters that divide lines elsewhere.
    for number, line in enumerate(text.split("\n"), 1):
        if name := line.removesuffix("\r"):
            yield Entry(_key(name, uri, f"line {number}", bucket), f"line {number}")


def _of_inventory(text: str, uri: str, bucket: str) -> Iterator[Entry]:
    reader = csv.reader(io.StringIO(text, newline=""))
    for row in reader:
        if not row:
            continue
        place = f"line {reader.line_num}"
        if len(row) < 2:
            remedy = "give an S3 Inventory in CSV, whose first two fields are bucket and key"
            raise _wrong(uri, place, "has one field", remedy)
        if row[0] != bucket:
            raise _another_bucket(uri, place, row[0], bucket)
        yield Entry(unquote_plus(row[1]), place)


def _of_json(text: str, uri: str, bucket: str) -> Iterator[Entry]:
    form = 'give an array of keys, URIs or objects such as {"key": "a.csv", "version_id": "…"}'
    try:
        content: Any = json.loads(text)
    except ValueError as error:
        raise _wrong(uri, "its text", f"is no JSON ({error})", form) from error
    if not isinstance(content, list):
        raise _wrong(uri, "its JSON", "is no array", form)
    for number, entry in enumerate(content, 1):
        place = f"entry {number}"
        named = {"key": entry} if isinstance(entry, str) else entry
        if not isinstance(named, dict) or not isinstance(named.get("key"), str):
            raise _wrong(uri, place, "names no key", form)
        version_id = named.get("version_id")
        if version_id is not None and not isinstance(version_id, str):
            raise _wrong(uri, place, "has a version_id that is no text", form)
        yield Entry(_key(named["key"], uri, place, bucket), place, version_id)


def _key(name: str, uri: str, place: str, bucket: str) -> str:
    """The key that a key or a URI names."""
    if not name.startswith(SCHEME):
        return name
    named_bucket, _, key = name.removeprefix(SCHEME).partition("/")
    if named_bucket != bucket:
        raise _another_bucket(uri, place, named_bucket, bucket)
    return key


def _another_bucket(uri: str, place: str, named: str, bucket: str) -> ConfigError:
    return _wrong(
        uri,
        place,
        f"names bucket {named}, S3_BUCKET is {bucket}",
        "give each bucket's objects a manifest and a JOB_ID of their own",
    )


def _wrong(uri: str, place: str, what: str, remedy: str) -> ConfigError:
    return ConfigError(f"manifest {uri} (S3_MANIFEST): {place} {what}; repair it: {remedy}")
