"""A restart point as an item of its own beside the job's: how it is written down, and read back.

It stands apart because DynamoDB charges each write by the size of the whole item, and a point holds
up to 32 KB of content. It is worth nothing but time. So what is stored says of which object it is,
and carries a digest of all that it says; whatever does not fit is not used.
"""

from __future__ import annotations

import base64
import hashlib
import zlib

from csvkafka.interfaces import Item
from csvkafka.model import RestartPoint, SourceIdentity

NUMBER = "point_number"
"""Grows by one with each write; each write's condition is the one before."""

MARK = "#restart-point"
"""Stands in the key of such an item, after the job's id, and in no job's id."""

_PLACE = ("stored_bits", "content_bytes", "checksum", "member_bytes")


def point_item_id(job_id: str) -> str:
    """The key of the item beside that of the job."""
    return f"{job_id}{MARK}"


def point_item(source: SourceIdentity, point: RestartPoint, number: int) -> Item:
    """The item of `point`, a place of `source`."""
    item: Item = {
        NUMBER: number,
        "source": _source_text(source),
        "window": base64.b85encode(zlib.compress(point.window)).decode("ascii"),
        **{name: getattr(point, name) for name in _PLACE},
    }
    return item | {"digest": _digest(item)}


def point_of(item: Item, source: SourceIdentity) -> RestartPoint:
    """The point that the item holds. Raises ValueError, which says why it is not to be used."""
    if item.get("digest") != _digest(item):
        raise ValueError("what is stored is damaged")
    if item["source"] != _source_text(source):
        raise ValueError(f"it is of {item['source']}, this is {_source_text(source)}")
    window = zlib.decompress(base64.b85decode(str(item["window"])))
    return RestartPoint(window=window, **{name: _number(item, name) for name in _PLACE})


def number_of(item: Item) -> int:
    """The number of the item's last write. Raises ValueError if it holds no point of ours."""
    return _number(item, NUMBER)


def _source_text(source: SourceIdentity) -> str:
    return f"{source.uri}, ETag {source.etag}, {source.size} bytes, {source.compression}"


def _number(item: Item, name: str) -> int:
    value = item.get(name)
    if not isinstance(value, int):
        raise ValueError(f"its {name} is no number")
    return value


def _digest(item: Item) -> str:
    said = [str(item.get(name)) for name in ("source", "window", *_PLACE)]
    return hashlib.blake2b("\n".join(said).encode(), digest_size=16).hexdigest()
