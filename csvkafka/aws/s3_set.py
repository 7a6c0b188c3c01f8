"""A set of S3 objects, by prefix or by manifest: its pieces as they stand now, and a way into each.

Implements `interfaces.SetObjects`. ETag and size are those of the listing; only a version that a
manifest names is asked for by HEAD. A piece is read without one: each GET names the ETag.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from csvkafka.aws import clients as aws
from csvkafka.aws.s3_get import AskedObject, SimilarGets
from csvkafka.aws.s3_listing import S3Listing
from csvkafka.aws.s3_source import Compression, S3Source
from csvkafka.clock import Clock, SystemClock
from csvkafka.errors import ConfigError, SourceNotFoundError
from csvkafka.interfaces import RestartPoints
from csvkafka.model import Piece, SourceIdentity
from csvkafka.retry import ANSWERING_SECONDS
from csvkafka.sets.manifest import SCHEME, Entry, read_manifest
from csvkafka.sets.selection import Globs, LeftOut, ListedObject, never_without, select
from csvkafka.sets.some_keys import KEYS_SHOWN

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

MANIFEST_BYTES = 64 * 1024 * 1024
"""The largest manifest, in bytes; reading it takes about six times as much memory."""


@dataclass(frozen=True, slots=True)
class SetPlace:
    """Where a set's objects are found in `bucket`: under `prefix`, or named by the object
    `manifest`, a key of that bucket or a URI; one of the two. `globs` choose among them."""

    bucket: str
    prefix: str | None = None
    manifest: str | None = None
    globs: Globs = Globs()  # noqa: RUF009 - frozen


@dataclass(frozen=True, slots=True)
class Access:
    """What goes with each request; see `S3Source`."""

    request_payer: str | None = None
    customer_key: bytes | None = None
    compression: Compression = Compression.AUTO
    give_up_seconds: float = ANSWERING_SECONDS


class S3Set:
    """The objects of `place`. `left_out` says which objects the last call of `pieces` did not
    take."""

    def __init__(
        self,
        place: SetPlace,
        access: Access | None = None,
        *,
        client: S3Client | None = None,
        clock: Clock | None = None,
        keys_shown: int | None = KEYS_SHOWN,
        is_without: Callable[[str], bool] = never_without,
    ) -> None:
        """Without `client`, one is made by `aws.s3_client`. `keys_shown`: how many keys `left_out`
        names for each reason (None: all). `is_without` is asked of an object that is archived, or
        that a manifest names and that is gone: whether the set was begun, and goes on without
        it."""
        self._place = place
        self._access = access or Access()
        self._client = client
        self._gets: SimilarGets | None = None
        self._making = threading.Lock()  # pieces are opened in many threads at once
        self._clock = clock or SystemClock()
        self._keys_shown = keys_shown
        self._is_without = is_without
        self.left_out = LeftOut()

    @property
    def bucket(self) -> str:
        """The bucket that holds all objects."""
        return self._place.bucket

    @property
    def name(self) -> str:
        """The prefix, or the manifest's key."""
        place = self._place
        return place.prefix if place.prefix is not None else self._manifest()[1]

    def pieces(self) -> Iterator[Piece]:
        """See `interfaces.SetObjects`. Raises ConfigError too if there is no piece."""
        self.left_out = LeftOut(self._keys_shown)
        place = self._place
        if place.prefix is not None:
            listed = self._listing().under(place.prefix)
        else:
            listed = self._named(self._entries())
        pieces = select(listed, place.globs, self.left_out, place.bucket, self._is_without)
        first = next(pieces, None)
        if first is None:
            raise ConfigError(self._nothing())
        return chain((first,), pieces)

    def open_piece(
        self, piece: Piece, byte_offset: int, points: RestartPoints | None = None
    ) -> Generator[bytes, None, None]:
        """See `interfaces.SetObjects`."""
        place = self._place
        pinned = SourceIdentity(place.bucket, piece.key, piece.etag, piece.size, piece.version_id)
        return self._source(place.bucket, piece.key, pinned, points=points).read(byte_offset)

    def ask(
        self, piece: Piece, points: RestartPoints | None = None
    ) -> Callable[[], Generator[bytes, None, None]] | None:
        """See `interfaces.SetObjects`."""
        if self._access.request_payer or self._access.customer_key or piece.version_id:
            return None
        bucket = self._place.bucket
        asked = self._similar_gets().ask(bucket, piece.key, piece.etag, piece.size)
        if asked is None:
            return None
        pinned = SourceIdentity(bucket, piece.key, piece.etag, piece.size, piece.version_id)
        return partial(self._source(bucket, piece.key, pinned, points=points, asked=asked).read, 0)

    def is_compressed(self, piece: Piece) -> bool:
        """Whether the piece will be read as compressed."""
        return self._source(self.bucket, piece.key).stored_as_known(piece.size).is_compressed

    def source(self, piece: Piece, points: RestartPoints) -> S3Source:
        """See `interfaces.SetObjects`."""
        bucket = self._place.bucket
        pinned = SourceIdentity(bucket, piece.key, piece.etag, piece.size, piece.version_id)
        return self._source(bucket, piece.key, pinned, points=points)

    def _source(
        self,
        bucket: str,
        key: str,
        pinned: SourceIdentity | None = None,
        version: str | None = None,
        points: RestartPoints | None = None,
        asked: AskedObject | None = None,
    ) -> S3Source:
        return S3Source(
            bucket,
            key,
            client=self._connected(),
            version_id=version if pinned is None else pinned.version_id,
            request_payer=self._access.request_payer,
            customer_key=self._access.customer_key,
            pinned=pinned,
            is_known=pinned is not None,
            gets=None if pinned is None else self._similar_gets(),
            asked=asked,
            compression=self._access.compression,
            points=points,
            give_up_seconds=self._access.give_up_seconds,
            clock=self._clock,
        )

    def _listing(self) -> S3Listing:
        return S3Listing(
            self._connected(),
            self._place.bucket,
            self._clock,
            request_payer=self._access.request_payer,
            give_up_seconds=self._access.give_up_seconds,
        )

    def _connected(self) -> S3Client:
        with self._making:
            if self._client is None:
                self._client = aws.s3_client()
            return self._client

    def _similar_gets(self) -> SimilarGets:
        client = self._connected()
        with self._making:
            if self._gets is None:
                self._gets = SimilarGets(client)
            return self._gets

    # -- manifests -----------------------------------------------------------------------------

    def _manifest(self) -> tuple[str, str]:
        """The manifest's bucket and key."""
        text = self._place.manifest or ""
        if not text.startswith(SCHEME):
            return self._place.bucket, text
        bucket, _, key = text.removeprefix(SCHEME).partition("/")
        return bucket, key

    def _entries(self) -> list[Entry]:
        bucket, key = self._manifest()
        uri = f"{SCHEME}{bucket}/{key}"
        content = bytearray()
        source = S3Source(
            bucket,
            key,
            client=self._connected(),
            request_payer=self._access.request_payer,
            give_up_seconds=self._access.give_up_seconds,
            clock=self._clock,
        )
        with closing(_manifest_read(source)) as chunks:
            for chunk in chunks:
                content += chunk
                if len(content) > MANIFEST_BYTES:
                    raise ConfigError(
                        f"manifest {uri} (S3_MANIFEST) has more than {MANIFEST_BYTES} bytes; give "
                        "a list of keys, divided into several jobs"
                    )
        return read_manifest(bytes(content), uri, self._place.bucket)

    def _named(self, entries: list[Entry]) -> Iterator[ListedObject]:
        """The objects that the entries name, by rising key. Raises SourceNotFoundError for the
        first that is not there and that the set is not without."""
        listed = self._listing().named([each.key for each in entries if each.version_id is None])
        found = next(listed, None)
        for entry in entries:
            if entry.version_id is not None:
                version = self._version(entry)
                yield from () if version is None else (version,)
            elif found is not None and found.key == entry.key:
                yield found
                found = next(listed, None)
            elif not self._is_without(entry.key):
                bucket, key = self._manifest()
                raise SourceNotFoundError(
                    f"there is no {SCHEME}{self.bucket}/{entry.key}, which {entry.place} of the "
                    f"manifest {SCHEME}{bucket}/{key} (S3_MANIFEST) names; put it there, or leave "
                    "it out of the manifest"
                )

    def _version(self, entry: Entry) -> ListedObject | None:
        source = self._source(self.bucket, entry.key, version=entry.version_id)
        try:
            identity = source.identify()
        except SourceNotFoundError:
            if self._is_without(entry.key):
                return None
            raise
        return ListedObject(entry.key, identity.etag, identity.size, version_id=identity.version_id)

    def _nothing(self) -> str:
        """Why there is no piece."""
        place, left_out = self._place, self.left_out
        where = f"{SCHEME}{place.bucket}/{self.name}"
        setting = "S3_PREFIX" if place.manifest is None else "S3_MANIFEST"
        if place.prefix and not left_out.count and place.prefix.startswith((SCHEME, "/")):
            begins = SCHEME if self.name.startswith(SCHEME) else "/"
            return (
                f"there is no object under {where}: {setting} begins with {begins!r}; give what "
                "the keys begin with, without that, and without the bucket's name"
            )
        if not left_out.count:
            return f"there is no object under {where}; check {setting}, S3_BUCKET and region"
        return (
            f"no object of {where} is a file to load: {'; '.join(left_out.lines())}; check "
            f"{setting}, S3_INCLUDE and S3_EXCLUDE"
        )


def _manifest_read(source: S3Source) -> Generator[bytes, None, None]:
    """The manifest's bytes; one that is not there is told by the setting that names it."""
    try:
        yield from source.read(0)
    except SourceNotFoundError as error:
        raise SourceNotFoundError(str(error).replace("S3_KEY", "S3_MANIFEST")) from error
