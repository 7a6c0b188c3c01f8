"""One S3 object as a stream of bytes that begins anywhere and is never a mix of two objects.

Every GET is pinned (If-Match, and the version id where the caller named one) and asks for the exact
bytes that are still missing. smart_open reads ahead and asks again when a body ends early; the
client that it is given here, `_PinnedObject`, checks each answer before smart_open believes it. So
after a short body, a lost or stalled connection or an ignored Range, reading goes on at the exact
next byte. Anything that cannot be put right is raised. Memory: about 3 `chunk_bytes`, whatever the
size of the object.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from csvkafka.aws import clients as aws
from csvkafka.aws.clients import FailureKind
from csvkafka.aws.s3_get import AskedObject, SimilarGets
from csvkafka.aws.s3_refusals import ObjectRequest, in_own_words, refusal
from csvkafka.aws.smart_open_s3 import smart_open_s3
from csvkafka.clock import Clock, SystemClock
from csvkafka.errors import (
    CsvKafkaError,
    SourceChangedError,
    SourceReadError,
)
from csvkafka.interfaces import RestartPoints
from csvkafka.model import SourceIdentity
from csvkafka.retry import ANSWERING_SECONDS, UNREACHED_SECONDS, Patience
from csvkafka.rows.packed_content import check_reached, packed_content
from csvkafka.rows.stored_as import StoredAs, content_encodings

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

log = logging.getLogger(__name__)

_FIRST_PIECE_BYTES = 4_096
_PIECE_BYTES = 262_144
"""How many bytes one socket read asks for, the first one and the largest one: after each that
succeeds, the next may be twice as large. What a read had when its connection broke is fetched
again."""


class Compression(StrEnum):
    """How the object is stored. AUTO: as the end of its key or Content-Encoding says."""

    AUTO = "auto"
    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"
    BZIP2 = "bzip2"


class S3Source:
    """Reads one object; implements `interfaces.Source`. Not thread-safe; one reader at a time.

    `byte_offset` counts bytes of the decompressed stream; `SourceIdentity.size` stored bytes.
    """

    def __init__(
        self,
        bucket: str,
        key: str,
        *,
        client: S3Client | None = None,
        version_id: str | None = None,
        request_payer: str | None = None,
        customer_key: bytes | None = None,
        pinned: SourceIdentity | None = None,
        is_known: bool = False,
        gets: SimilarGets | None = None,
        asked: AskedObject | None = None,
        compression: Compression = Compression.AUTO,
        points: RestartPoints | None = None,
        chunk_bytes: int = 262_144,
        give_up_seconds: float = ANSWERING_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        """`version_id` names the version to read, and needs s3:GetObjectVersion; `request_payer` is
        "requester" where the one who asks pays; `customer_key` has the 32 bytes of an SSE-C key.
        `pinned` is the identity that the object must still have; `is_known`: that identity is from
        a listing, so no HEAD is sent before a read, and the key alone tells how the object is
        compressed; `gets` sends its GETs, as one of many, and `asked` is one that was sent.
        `points` says where reading of a compressed object may begin, and is told of further such
        places. `give_up_seconds` bounds the time without a new byte while S3 fails
        (`UNREACHED_SECONDS` until it has answered once). Without `client`, one is made by
        `aws.s3_client`."""
        self._bucket = bucket
        self._key = key
        self._client = client
        more: dict[str, Any] = {} if version_id is None else {"VersionId": version_id}
        if request_payer is not None:
            more["RequestPayer"] = request_payer
        if customer_key is not None:
            more |= {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": customer_key}
        self._asked = ObjectRequest(bucket, key, more)
        self._has_answered = False
        self._pinned = pinned
        self._is_known = is_known
        self._gets = gets
        self._asked_ahead = asked
        self._compression = Compression(compression)
        self._points = points
        self._chunk_bytes = chunk_bytes
        self._give_up_seconds = give_up_seconds
        self._clock = clock or SystemClock()
        self._stored_as = StoredAs.unknown()

    @property
    def stored_as(self) -> StoredAs:
        """How the object is stored, and what says so; after `identify`."""
        return self._stored_as

    def stored_as_known(self, size: int) -> StoredAs:
        """How an object of that size is stored, as far as is known without a HEAD."""
        return self._find_out(size, ())

    def identify(self) -> SourceIdentity:
        """The object's identity now, by HEAD, unless a listing gave it.

        Raises SourceNotFoundError, SourceReadError; SourceChangedError if it is not `pinned`;
        ConfigError if there are no credentials.
        """
        if self._is_known:
            return self._known(self._pinned)
        head = self._head(self._connected())
        version_id = head.get("VersionId")
        size = head["ContentLength"]
        self._stored_as = self._find_out(size, content_encodings(head.get("ContentEncoding", "")))
        identity = SourceIdentity(
            bucket=self._bucket,
            key=self._key,
            etag=head["ETag"],
            size=size,
            version_id=None if version_id == "null" else version_id,
            compression=self._stored_as.compression,
        )
        before = self._pinned or identity
        if (identity.etag, identity.size) != (before.etag, before.size):
            raise SourceChangedError(
                f"{identity.uri} is now ETag {identity.etag} of {identity.size} bytes, the job was "
                f"begun with ETag {before.etag} of {before.size} bytes; put the old object back, "
                "name its version id, or load the new one under another JOB_ID"
            )
        self._pinned = identity
        return identity

    def _head(self, client: S3Client) -> Any:
        patience = Patience(self._clock, self._give_up_seconds)
        while True:
            try:
                head = client.head_object(Bucket=self._bucket, Key=self._key, **self._asked.more)
            except aws.vendor_errors() as bare:
                error = in_own_words(client, self._asked, bare)
                self._has_answered = self._has_answered or aws.is_from_aws(error)
                limit = None if self._has_answered else UNREACHED_SECONDS
                transient = aws.failure_kind(error) is FailureKind.TRANSIENT
                if not transient or not patience.wait(limit):
                    has_answered = self._has_answered
                    raise refusal(
                        client, self._asked, error, "HEAD", has_answered=has_answered
                    ) from error
                log.warning("HEAD of %s again: %s", self._asked.name, aws.describe(error))
            else:
                self._has_answered = True
                return head

    def read(self, byte_offset: int) -> Generator[bytes, None, None]:
        """The (decompressed) bytes from `byte_offset` to the end, in chunks; none is empty.

        Pins the object as `identify` does. A compressed object is read from the last restart point
        that is known before `byte_offset`, or from its start, and what lies between is dropped.
        Raises as `identify`, and SourceChangedError, SourceCorruptError."""
        identity = self._known(self._pinned) if self._is_known else self.identify()
        if identity.is_compressed:
            yield from packed_content(
                identity,
                byte_offset,
                partial(self._stored, identity),
                self._stored_as,
                self._points,
            )
            return
        position = byte_offset
        for chunk in self._stored(identity, byte_offset):
            position += len(chunk)
            yield chunk
        check_reached(identity, byte_offset, identity.size)
        if position != identity.size:
            raise SourceReadError(
                f"{identity.uri} has {identity.size} bytes, but the stream ended at byte "
                f"{position}; what was loaded is kept, run the same command again"
            )

    def _known(self, pinned: SourceIdentity | None) -> SourceIdentity:
        assert pinned is not None
        self._stored_as = self.stored_as_known(pinned.size)
        return replace(pinned, compression=self._stored_as.compression)

    def _find_out(self, size: int, encodings: tuple[str, ...]) -> StoredAs:
        given = self._compression
        if given is not Compression.AUTO or size == 0:
            return StoredAs.as_given(given, size)
        return StoredAs.by_name(self._key, encodings)

    def _stored(self, identity: SourceIdentity, byte_offset: int) -> Iterator[bytes]:
        if byte_offset >= identity.size:
            return
        if self._gets is not None and identity.size - byte_offset <= self._chunk_bytes:
            chunks = self._at_once(identity, byte_offset)
            yield from chunks if byte_offset else self._stored_as.checked(chunks, identity.uri)
            return
        with self._open(identity, byte_offset) as stream:
            chunks = iter(lambda: stream.read(self._chunk_bytes), b"")
            yield from chunks if byte_offset else self._stored_as.checked(chunks, identity.uri)

    def _at_once(self, identity: SourceIdentity, byte_offset: int) -> Iterator[bytes]:
        """As one chunk, or as many as there are answers that end early. smart_open would do the
        same, for a third of the processor time that a small object costs."""
        asked, self._asked_ahead = self._asked_ahead, None
        data = None if asked is None or byte_offset else asked.take()
        if data is not None:
            yield data
            return
        pinned = self._pinned_object(identity)
        while byte_offset < identity.size:
            body = pinned.get_object(Range=f"bytes={byte_offset}-")["Body"]
            try:
                data = body.read_all()
            finally:
                body.close()
            byte_offset += len(data)
            if data:
                yield data

    def _open(self, identity: SourceIdentity, byte_offset: int) -> IO[bytes]:
        stream: IO[bytes] = smart_open_s3().open(
            self._bucket,
            self._key,
            "rb",
            client=self._pinned_object(identity),
            buffer_size=self._chunk_bytes,
            defer_seek=True,
        )
        stream.seek(byte_offset)
        return stream

    def _pinned_object(self, identity: SourceIdentity) -> _PinnedObject:
        return _PinnedObject(
            self._connected(),
            identity,
            self._asked,
            Patience(self._clock, self._give_up_seconds),
            self._gets,
        )

    def _connected(self) -> S3Client:
        if self._client is None:
            self._client = aws.s3_client()
        return self._client


class _PinnedObject:
    """What smart_open is given for a client: `get_object` of one version of one object.

    It answers with the bytes asked for or raises one of our errors, and its bodies end early rather
    than fail: then smart_open, whose own retries know no clock, asks here for the rest.
    """

    def __init__(
        self,
        client: S3Client,
        identity: SourceIdentity,
        asked: ObjectRequest,
        patience: Patience,
        gets: SimilarGets | None = None,
    ) -> None:
        self._client = client
        self._get_object: Callable[..., Any] = (gets or client).get_object
        self._identity = identity
        self._asked = asked
        self.patience = patience
        self.body_fault: Exception | None = None

    def get_object(self, **request: str) -> dict[str, Any]:
        """smart_open's call; `Range` is `bytes=<first>-`, the other arguments are known."""
        first = int(request["Range"].removeprefix("bytes=").removesuffix("-"))
        fault, self.body_fault = self.body_fault, None
        while True:
            if fault is not None:
                if not self.patience.wait():
                    raise self._refusal(fault, first) from fault
                uri, cause = self._identity.uri, aws.describe(fault)
                log.warning("%s goes on at byte %d after: %s", uri, first, cause)
            try:
                return self._get(first)
            except aws.vendor_errors() as error:
                # Credentials may be renewed while a load runs; at its start HEAD told of them.
                kind = aws.failure_kind(error)
                if kind not in (FailureKind.TRANSIENT, FailureKind.CREDENTIALS):
                    raise self._refusal(error, first) from error
                fault = error

    def _refusal(self, error: Exception, first: int) -> CsvKafkaError:
        return refusal(self._client, self._asked, error, f"GET from byte {first}")

    def _get(self, first: int) -> dict[str, Any]:
        size = self._identity.size
        answer = self._get_object(
            Bucket=self._identity.bucket,
            Key=self._identity.key,
            Range=f"bytes={first}-{size - 1}",
            IfMatch=self._identity.etag,
            **self._asked.more,
        )
        starts_at, total = _extent(answer)
        if answer["ETag"] != self._identity.etag or total != size:
            answer["Body"].close()
            raise SourceChangedError(
                f"{self._identity.uri} is answered as ETag {answer['ETag']} of {total} bytes, the "
                f"job was begun with ETag {self._identity.etag} of {size} bytes"
            )
        if starts_at not in (0, first):
            answer["Body"].close()
            raise WrongAnswer(f"asked from byte {first}, S3 answered from byte {starts_at}")
        body = _Body(self, answer["Body"], skip=first - starts_at, remaining=size - first)
        return {
            "ResponseMetadata": {"HTTPStatusCode": 206, "RetryAttempts": 0},
            "ContentRange": f"bytes {first}-{size - 1}/{size}",
            "Body": body,
        }


class WrongAnswer(OSError):
    """S3 answered something else than what it was asked for, or less than it announced."""


def _extent(answer: Any) -> tuple[int, int]:
    """First byte of the answer's body, and size of the whole object."""
    if answer["ResponseMetadata"]["HTTPStatusCode"] == 200:
        if "ContentLength" not in answer:
            raise WrongAnswer("S3 answered with all of it, and without the object's size")
        return 0, answer["ContentLength"]
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.get("ContentRange", ""))
    if match is None:
        raise WrongAnswer(f"S3 answered with Content-Range {answer.get('ContentRange')!r}")
    return int(match[1]), int(match[2])


class _Body:
    """The body of one GET from its first wanted byte on; a fault is noted and ends it."""

    def __init__(self, owner: _PinnedObject, stream: Any, skip: int, remaining: int) -> None:
        self._owner = owner
        self._stream = stream
        self._skip = skip
        self._remaining = remaining
        self._piece_bytes = _FIRST_PIECE_BYTES

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; b"": the object's end, or a fault."""
        try:
            while self._skip > 0:
                self._skip -= len(self._some(self._skip))
            if self._remaining == 0:
                return b""
            data = self._some(min(size, self._remaining))
        except aws.vendor_errors() as error:
            self._owner.body_fault = error
            return b""
        self._remaining -= len(data)
        self._owner.patience.progressed()
        return data

    def read_all(self) -> bytes:
        """All up to the object's end, or to a fault."""
        return b"".join(iter(lambda: self.read(self._remaining), b""))

    def _some(self, size: int) -> bytes:
        data: bytes = self._stream.read(min(size, self._piece_bytes))
        if not data:
            raise WrongAnswer("the body ended early")
        self._piece_bytes = min(2 * self._piece_bytes, _PIECE_BYTES)
        return data

    def close(self) -> None:
        """Gives the connection back, or drops it if the body was not read to its end."""
        self._stream.close()
