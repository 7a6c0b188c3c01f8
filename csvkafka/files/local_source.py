"""One file of this machine as a stream of bytes that begins anywhere and is never a mix of two.

A file has no ETag. It is pinned by its size, the time of its last change, and a digest of its first
and last block, so a file that was copied anew or written again is another one. While it is read,
size and time are looked at after each block: what is given out was read before any change was seen.
(A file that is replaced by a rename goes on to be read as it was; the next start refuses it.)
Memory: one block.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from csvkafka.errors import (
    ANOTHER_JOB,
    ConfigError,
    SourceChangedError,
    SourceNotFoundError,
    SourceReadError,
)
from csvkafka.interfaces import RestartPoints
from csvkafka.model import SourceIdentity
from csvkafka.rows.packed_content import check_reached, packed_content
from csvkafka.rows.stored_as import StoredAs

CHUNK_BYTES = 262_144

DIGESTED_BYTES = 65_536
"""So much of the file's beginning and of its end goes into the digest."""


class LocalSource:
    """Reads one file; implements `interfaces.Source`. Not thread-safe; one reader at a time.

    `byte_offset` counts bytes of the decompressed stream; `SourceIdentity.size` stored bytes.
    """

    def __init__(
        self,
        path: Path,
        *,
        pinned: SourceIdentity | None = None,
        compression: str = "auto",
        points: RestartPoints | None = None,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        """`path` is absolute. `pinned` is the identity that the file must still have; `compression`
        is `SOURCE_COMPRESSION`; `points` are as for `S3Source`."""
        self._path = path
        self._pinned = pinned
        self._compression = compression
        self._points = points
        self._chunk_bytes = chunk_bytes
        self._stored_as = StoredAs.unknown()
        self._written_at = 0

    @property
    def stored_as(self) -> StoredAs:
        """How the file is stored, and what says so; after `identify`."""
        return self._stored_as

    def identify(self) -> SourceIdentity:
        """The file's identity now.

        Raises SourceNotFoundError, SourceReadError; SourceChangedError if it is not `pinned`;
        ConfigError for what is no file."""
        with self._opened() as descriptor:
            return self._identified(descriptor)

    def read(self, byte_offset: int) -> Generator[bytes, None, None]:
        """The (decompressed) bytes from `byte_offset` to the end, in chunks; none is empty.

        Pins the file as `identify` does. A compressed file is read from a restart point, as an
        object is (`S3Source.read`). Raises as `identify`, and SourceChangedError,
        SourceCorruptError."""
        with self._opened() as descriptor:
            identity = self._identified(descriptor)
            stored = partial(self._stored, descriptor, identity)
            if identity.is_compressed:
                yield from packed_content(
                    identity, byte_offset, stored, self._stored_as, self._points
                )
                return
            yield from stored(byte_offset)
            check_reached(identity, byte_offset, identity.size)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        # Not blocking: a pipe without a writer would be waited for, for ever.
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise SourceNotFoundError(
                f"file '{self._path}' does not exist: check SOURCE"
            ) from error
        except OSError as error:
            raise self._failed(error) from error
        try:
            yield descriptor
        except OSError as error:
            raise self._failed(error) from error
        finally:
            os.close(descriptor)

    def _identified(self, descriptor: int) -> SourceIdentity:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            if stat.S_ISDIR(facts.st_mode):
                raise ConfigError(
                    f"SOURCE '{self._path}' is a folder: name one file in it (sets of files are "
                    "loaded from S3, by S3_PREFIX)"
                )
            raise ConfigError(
                f"SOURCE '{self._path}' is a pipe or device, not a file: what cannot be read again "
                "from where it stopped cannot be resumed; write it to a file, and load that"
            )
        size, self._written_at = facts.st_size, facts.st_mtime_ns
        self._stored_as = self._find_out(size)
        identity = SourceIdentity(
            bucket="",
            key=str(self._path).removeprefix("/"),
            etag=f'"{facts.st_mtime_ns}-{self._digest(descriptor, size)}"',
            size=size,
            compression=self._stored_as.compression,
            scheme="file",
        )
        before = self._pinned or identity
        if (identity.etag, identity.size) != (before.etag, before.size):
            raise self._changed(f"it is now {identity.size} bytes, {identity.etag}", before)
        self._pinned = identity
        return identity

    def _find_out(self, size: int) -> StoredAs:
        if self._compression != "auto" or size == 0:
            return StoredAs.as_given(self._compression, size)
        return StoredAs.by_name(self._path.name, (), what="name")

    def _digest(self, descriptor: int, size: int) -> str:
        digest = hashlib.blake2b(digest_size=8)
        for start in (0, max(0, size - DIGESTED_BYTES)):
            digest.update(os.pread(descriptor, min(DIGESTED_BYTES, size), start))
        return digest.hexdigest()

    def _stored(
        self, descriptor: int, identity: SourceIdentity, byte_offset: int
    ) -> Iterator[bytes]:
        chunks = self._chunks(descriptor, identity, byte_offset)
        return chunks if byte_offset else self._stored_as.checked(chunks, identity.uri)

    def _chunks(
        self, descriptor: int, identity: SourceIdentity, byte_offset: int
    ) -> Iterator[bytes]:
        while byte_offset < identity.size:
            length = min(self._chunk_bytes, identity.size - byte_offset)
            try:
                chunk = os.pread(descriptor, length, byte_offset)
                facts = os.fstat(descriptor)
            except OSError as error:
                raise self._failed(error) from error
            found = (facts.st_size, facts.st_mtime_ns)
            if found != (identity.size, self._written_at) or not chunk:
                raise self._changed(
                    f"it was written while it was read, before byte {byte_offset + len(chunk)}, "
                    f"and has {facts.st_size} bytes",
                    identity,
                )
            yield chunk
            byte_offset += len(chunk)

    def _changed(self, what: str, before: SourceIdentity) -> SourceChangedError:
        return SourceChangedError(
            f"{before.uri} has changed: {what}; the job was begun with {before.size} bytes, "
            f"{before.etag}. Put the old file back, with its time (`cp -p`), or let it be as it is "
            f"{ANOTHER_JOB}"
        )

    def _failed(self, error: OSError) -> SourceReadError:
        return SourceReadError(
            f"file '{self._path}' cannot be read ({error.strerror}): give user {os.geteuid()} the "
            "right to read it, or look at its disk, and run the same command again"
        )
