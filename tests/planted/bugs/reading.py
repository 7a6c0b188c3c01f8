"""Bugs of reading the object: where it goes on, what an error means, which object it is."""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Iterator
from typing import Any

from csvkafka.aws import clients as aws
from csvkafka.aws import s3_source
from csvkafka.aws.s3_source import S3Source
from csvkafka.interfaces import Item
from csvkafka.ledger import point_item, restart_points
from csvkafka.model import RestartPoint, SourceIdentity
from csvkafka.rows.packed_content import OpenStored

from . import patch, replace

log = logging.getLogger(__name__)


def _body(self: Any, identity: SourceIdentity, byte_offset: int) -> Iterator[bytes]:
    """One plain GET, as loaders do it."""
    answer = self._connected().get_object(
        Bucket=identity.bucket, Key=identity.key, Range=f"bytes={byte_offset}-"
    )
    return iter(lambda: answer["Body"].read(65_536), b"")


def _unchecked(self: Any, byte_offset: int) -> Iterator[bytes]:
    """`S3Source.read` of what is not compressed, wherever that ends."""
    identity = self._known(self._pinned) if self._is_known else self.identify()
    yield from self._stored(identity, byte_offset)


@patch("B6")
def a_resume_reads_from_byte_0() -> None:
    read = S3Source.read

    def read_and_drop(self: Any, byte_offset: int) -> Iterator[bytes]:
        position = 0
        for chunk in read(self, 0):
            wanted = chunk[max(0, byte_offset - position) :]
            position += len(chunk)
            if wanted:
                yield wanted

    replace(S3Source, "read", read_and_drop)


@patch("B7")
def a_read_error_counts_as_the_end() -> None:
    def stored(self: Any, identity: SourceIdentity, byte_offset: int) -> Iterator[bytes]:
        try:
            yield from _body(self, identity, byte_offset)
        except aws.vendor_errors() as error:
            log.warning("Read error: %s", error)

    replace(S3Source, "_stored", stored)
    replace(S3Source, "read", _unchecked)


@patch("B22")
def a_reset_starts_again_from_the_beginning() -> None:
    def stored(self: Any, identity: SourceIdentity, byte_offset: int) -> Iterator[bytes]:
        while True:
            try:
                yield from _body(self, identity, byte_offset)
            except aws.vendor_errors() as error:
                log.warning("Connection lost, once more: %s", error)
                byte_offset = 0
            else:
                return

    replace(S3Source, "_stored", stored)
    replace(S3Source, "read", _unchecked)


@patch("no-if-match")
def gets_without_if_match() -> None:
    def unpinned(self: Any, first: int) -> dict[str, object]:
        size = self._identity.size
        answer = self._client.get_object(
            Bucket=self._identity.bucket,
            Key=self._identity.key,
            Range=f"bytes={first}-{size - 1}",
        )
        return {
            "ResponseMetadata": {"HTTPStatusCode": 206, "RetryAttempts": 0},
            "ContentRange": f"bytes {first}-{size - 1}/{size}",
            "Body": s3_source._Body(self, answer["Body"], skip=0, remaining=size - first),
        }

    replace(s3_source._PinnedObject, "_get", unpinned)


@patch("B15")
def a_shorter_object_is_skipped_through_for_ever() -> None:
    from csvkafka.job import beginning as job

    read = S3Source._stored

    def skipping(self: Any, identity: SourceIdentity, byte_offset: int) -> Iterator[bytes]:
        while byte_offset > identity.size:
            time.sleep(0.05)
        return read(self, identity, byte_offset)

    replace(job, "check_same_job", lambda *_: [])
    replace(S3Source, "_stored", skipping)


@patch("B23")
def the_whole_object_in_memory() -> None:
    read = S3Source.read

    def read_all(self: Any, byte_offset: int) -> Iterator[bytes]:
        whole = b"".join(read(self, byte_offset))
        for start in range(0, len(whole), 1 << 20):
            yield whole[start : start + (1 << 20)]

    replace(S3Source, "read", read_all)


@patch("B31")
def only_the_first_gzip_member() -> None:
    def first_member(
        _identity: SourceIdentity, byte_offset: int, open_stored: OpenStored, *_: object
    ) -> Iterator[bytes]:
        member = zlib.decompressobj(wbits=31)
        for chunk in open_stored(0):
            content = member.decompress(chunk)
            if data := content[byte_offset:]:
                yield data
            byte_offset = max(0, byte_offset - len(content))
            if member.eof:
                return

    replace(s3_source, "packed_content", first_member)


@patch("point-of-any-object")
@patch("set-point-of-another-piece")
def a_restart_point_is_used_whatever_object_it_is_of() -> None:
    def point_of(item: Item, source: SourceIdentity) -> RestartPoint:
        stated = {"source": item["source"]}
        replace(point_item, "_source_text", lambda _: stated["source"])
        return own(item, source)

    own = point_item.point_of
    replace(restart_points, "point_of", point_of)
