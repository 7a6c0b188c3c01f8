"""Chunks of bytes as one file-like object, and where they are written to: a file, or S3."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import BinaryIO
from urllib.parse import urlsplit

from csvkafka.aws import clients as aws
from csvkafka.errors import ConfigError, StackError


def stream_of(chunks: Iterable[bytes]) -> BinaryIO:
    """The chunks as one binary stream; none must be empty."""
    return io.BufferedReader(_ChunkStream(iter(chunks)), 1 << 20)


class _ChunkStream(io.RawIOBase):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def upload(chunks: Iterable[bytes], uri: str) -> None:
    """Stores the chunks as the object `s3://bucket/key`, in parts; memory: a few 8 MiB parts.

    Raises ConfigError for a malformed URI or missing access, StackError if S3 refuses."""
    place = urlsplit(uri)
    bucket, key = place.netloc, place.path.removeprefix("/")
    if place.scheme != "s3" or not bucket or not key:
        raise ConfigError(f"{uri!r} is not s3://bucket/key")
    client = aws.s3_client(connect_timeout_seconds=10.0, read_timeout_seconds=60.0, max_attempts=5)
    from boto3.exceptions import Boto3Error

    refusals: tuple[type[Exception], ...] = (*aws.vendor_errors(), Boto3Error)
    try:
        client.upload_fileobj(stream_of(chunks), bucket, key)
    except refusals as error:
        raise StackError(
            f"cannot write {uri} at {aws.endpoint_of(client)}: {aws.describe(error)}"
        ) from error
