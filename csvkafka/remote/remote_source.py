"""One object behind a server as a stream of bytes that begins anywhere and is never a mix of two.

What differs from server to server is in a `RemoteObject`, which asks once, and says what came. Here
is what is the same: the object is pinned, asked for again with patience, and after each fault read
on at the exact next byte. Memory: the chunks that the `RemoteObject` gives, one at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from csvkafka.clock import Clock, SystemClock
from csvkafka.errors import SourceReadError
from csvkafka.interfaces import RestartPoints
from csvkafka.model import SourceIdentity
from csvkafka.remote.faults import PassingFault, changed
from csvkafka.remote.place import RemotePlace
from csvkafka.retry import ANSWERING_SECONDS, UNREACHED_SECONDS, Patience
from csvkafka.rows.packed_content import check_reached, packed_content
from csvkafka.rows.stored_as import StoredAs, content_encodings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the server says of the object now. `pin` tells one content from any other: a strong ETag
    (with its quotes) or a generation. `size` in stored bytes."""

    pin: str
    size: int
    content_encoding: str = ""


class RemoteObject(Protocol):
    """One object and the way to it. Each method asks once; both raise PassingFault for what may be
    over soon, and errors of `csvkafka.errors` for what is not."""

    @property
    def pinned_by(self) -> str:
        """What `Facts.pin` is called there: `ETag`, `generation`."""

    def facts(self) -> Facts:
        """Of the object as it is now."""

    def chunks(self, pinned: Facts, first: int) -> Generator[bytes, None, None]:
        """Bytes from `first` on of what `pinned` says and of nothing else; `first` is less than its
        size. They may end early, but must not go on after its end."""


class RemoteSource:
    """Reads one object; implements `interfaces.Source`. Not thread-safe; one reader at a time.

    `byte_offset` counts bytes of the decompressed stream; `SourceIdentity.size` stored bytes.
    """

    def __init__(
        self,
        place: RemotePlace,
        remote: RemoteObject,
        *,
        pinned: SourceIdentity | None = None,
        compression: str = "auto",
        points: RestartPoints | None = None,
        clock: Clock | None = None,
        give_up_seconds: float = ANSWERING_SECONDS,
    ) -> None:
        """`pinned` is the identity that the object must still have; `compression` is
        `SOURCE_COMPRESSION`; `points` and `give_up_seconds` are as for `S3Source`."""
        self._place = place
        self._remote = remote
        self._pinned = pinned
        self._compression = compression
        self._points = points
        self._clock = clock or SystemClock()
        self._give_up_seconds = give_up_seconds
        self._stored_as = StoredAs.unknown()

    @property
    def stored_as(self) -> StoredAs:
        """How the object is stored, and what says so; after `identify`."""
        return self._stored_as

    @property
    def pinned_by(self) -> str:
        """What pins the object, in words."""
        return self._remote.pinned_by

    def identify(self) -> SourceIdentity:
        """The object's identity now.

        Raises SourceNotFoundError, SourceReadError; SourceChangedError if it is not `pinned`;
        ConfigError where it cannot be pinned, or there are no credentials."""
        facts = self._facts()
        self._stored_as = self._find_out(facts)
        identity = SourceIdentity(
            bucket=self._place.host,
            key=self._place.key,
            etag=facts.pin,
            size=facts.size,
            compression=self._stored_as.compression,
            scheme=self._place.scheme,
        )
        before = self._pinned or identity
        if (identity.etag, identity.size) != (before.etag, before.size):
            pin = self._remote.pinned_by
            raise changed(
                identity.uri,
                f"it is now {pin} {identity.etag} of {identity.size} bytes, and was {before.etag} "
                f"of {before.size}",
            )
        self._pinned = identity
        return identity

    def read(self, byte_offset: int) -> Generator[bytes, None, None]:
        """The (decompressed) bytes from `byte_offset` to the end, in chunks; none is empty.

        Pins the object as `identify` does. A compressed object is read from a restart point, as one
        in S3 is. Raises as `identify`, and SourceCorruptError."""
        identity = self.identify()
        stored = partial(self._stored, identity)
        if identity.is_compressed:
            yield from packed_content(identity, byte_offset, stored, self._stored_as, self._points)
            return
        yield from stored(byte_offset)
        check_reached(identity, byte_offset, identity.size)

    def _facts(self) -> Facts:
        patience = Patience(self._clock, self._give_up_seconds)
        has_answered = False
        while True:
            try:
                return self._remote.facts()
            except PassingFault as fault:
                has_answered = has_answered or fault.has_answered
                if not patience.wait(None if has_answered else UNREACHED_SECONDS):
                    raise self._given_up(fault) from fault
                log.warning("%s is asked for again after: %s", self._place.uri, fault)

    def _find_out(self, facts: Facts) -> StoredAs:
        given = self._compression
        if given != "auto" or facts.size == 0:
            return StoredAs.as_given(given, facts.size)
        return StoredAs.by_name(self._place.key, content_encodings(facts.content_encoding))

    def _stored(self, identity: SourceIdentity, byte_offset: int) -> Iterator[bytes]:
        chunks = self._chunks(identity, byte_offset)
        return chunks if byte_offset else self._stored_as.checked(chunks, identity.uri)

    def _chunks(self, identity: SourceIdentity, byte_offset: int) -> Iterator[bytes]:
        pinned = Facts(identity.etag, identity.size)
        patience = Patience(self._clock, self._give_up_seconds)
        position = byte_offset
        while position < identity.size:
            try:
                with closing(self._remote.chunks(pinned, position)) as chunks:
                    for chunk in chunks:
                        position += len(chunk)
                        patience.progressed()
                        yield chunk
                if position < identity.size:
                    raise PassingFault("the answer ended early", has_answered=True)
            except PassingFault as fault:
                if not patience.wait():
                    raise self._given_up(fault, f" from byte {position} on") from fault
                log.warning("%s goes on at byte %d after: %s", identity.uri, position, fault)

    def _given_up(self, fault: PassingFault, where: str = "") -> SourceReadError:
        return SourceReadError(
            f"{self._place.uri} cannot be read{where} ({fault}): look at the server and the way to "
            "it, and run the same command again"
        )
