"""What a command looks at of a source that it does not load: places all over it, or all over a set.

Nothing is written anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice

from csvkafka.config.load_config import LoadConfig
from csvkafka.job.estimate import Estimator
from csvkafka.job.file_set import FileSet
from csvkafka.ledger.list_chunks import ListChunks
from csvkafka.model import EncodePlan, FileOrder, Piece, RestartPoint, SourceIdentity
from csvkafka.rows.blocks import Header
from csvkafka.rows.pieces import Cut, many_objects, one_object
from csvkafka.rows.preview import Preview, preview
from csvkafka.rows.samples import RANGES, Sampler
from csvkafka.sources import job_set, open_source, set_objects
from csvkafka.stores import open_store

SET_FILES = 10
"""Of a set, so many files are looked at, evenly spread over it."""

POINT_SPACING_BYTES = 1 << 20
"""So often it is noted how much of a compressed file so much content was."""


class LookedAt:
    """The source of the settings: one object or file, or a set. `of_job` False: the settings name
    no checkpoint store, and no job that may have begun the set."""

    def __init__(self, config: LoadConfig, *, of_job: bool = True) -> None:
        self._config = config
        self._set: FileSet | None = None
        if config.is_set:
            # Only reads: the list is stored when a job begins.
            store = open_store(config.checkpoint)
            if of_job:
                self._set, _ = job_set(config, store)
            else:
                chunks = ListChunks(config.spec.job_id, store.item)
                self._set = FileSet(set_objects(config), chunks)
            self.identity = self._set.identify()
            pieces = self._set.frozen.pieces()
            self._first = LookedAtFile(config, next(pieces), self._most_ranges)
        else:
            self._first = LookedAtFile(config)
            self.identity = self._first.identity

    @property
    def file_count(self) -> int:
        """Of a set, how many files it has."""
        return 1 if self._set is None else self._set.frozen.count

    @property
    def _step(self) -> int:
        """Of a set, each file of so many is looked at."""
        return -(-self.file_count // SET_FILES)

    @property
    def _most_ranges(self) -> int:
        return RANGES // -(-self.file_count // self._step)

    def look(self) -> Preview:
        """At the first file."""
        return self._first.preview()

    def cut(self) -> Cut:
        """As a load cuts it."""
        if self._set is None:
            return one_object(self._first.source.read)
        return many_objects(self._set.open_pieces, self._config.spec.columns)

    def files_to_look_at(self) -> Iterator[LookedAtFile]:
        """The one file, or up to `SET_FILES` of a set."""
        yield self._first
        if self._set is not None:
            for piece in islice(self._set.frozen.pieces(), self._step, None, self._step):
                yield LookedAtFile(self._config, piece, self._most_ranges)


class LookedAtFile:
    """One file that is looked at: the source, or a piece of it."""

    def __init__(
        self, config: LoadConfig, piece: Piece | None = None, most_ranges: int = RANGES
    ) -> None:
        self._spec = config.spec
        self._most_ranges = most_ranges
        self._points = _Farthest()
        self._is_piece = piece is not None
        pinned = None
        if piece is not None:
            config = replace(config, s3_key=piece.key, s3_prefix=None, s3_manifest=None)
            bucket, version = config.s3_bucket, piece.version_id
            pinned = SourceIdentity(bucket, piece.key, piece.etag, piece.size, version)
        self.source = open_source(config, pinned=pinned, points=self._points)
        self.identity = self.source.identify()
        self._look: Preview | None = None

    def preview(self) -> Preview:
        """Its header and first rows."""
        if self._look is None:
            with closing(self.source.read(0)) as chunks:
                self._look = preview(chunks, self._spec.dialect, self.identity.uri)
        return self._look

    @property
    def names(self) -> tuple[str, ...]:
        """Its columns."""
        return self._spec.columns(self.preview().header.names)

    def sampler(self) -> Sampler:
        """What reads places of it."""
        return Sampler(
            self.source.read,
            self.identity.size,
            self.preview().header,
            self._spec.dialect,
            can_skip=not self.identity.is_compressed,
            most_ranges=self._most_ranges,
        )

    def look(self, estimator: Estimator, plan: EncodePlan) -> None:
        """Encodes samples of it by the plan of its own header."""
        sampler = self.sampler()
        plan = replace(plan, source_uri=self.identity.uri, header=self.names)
        estimator.look(
            sampler,
            plan,
            self._content_bytes(sampler, sampler.header),
            shares_batches=self._is_piece and self._spec.order is FileOrder.SET,
        )

    def _content_bytes(self, sampler: Sampler, header: Header) -> Callable[[], int | None]:
        """How many bytes follow the header, once the samples were read."""

        def content_bytes() -> int | None:
            if sampler.saw_all:
                return sampler.sampled_bytes
            if not self.identity.is_compressed:
                return self.identity.size - header.byte_offset
            if not self._points.stored_bytes:
                return None
            ratio = self._points.content_bytes / self._points.stored_bytes
            return round(self.identity.size * ratio) - header.byte_offset

        return content_bytes


class _Farthest:
    """How far a compressed source was read; implements `interfaces.RestartPoints`."""

    spacing_bytes = POINT_SPACING_BYTES

    def __init__(self) -> None:
        self.content_bytes = self.stored_bytes = 0

    def begin(self, source: SourceIdentity, byte_offset: int) -> None:
        """See `interfaces.RestartPoints`."""

    def found(self, point: RestartPoint) -> None:
        """See `interfaces.RestartPoints`."""

    def read_to(self, content_bytes: int, stored_bytes: int) -> None:
        """See `interfaces.RestartPoints`."""
        if content_bytes > self.content_bytes:
            self.content_bytes, self.stored_bytes = content_bytes, stored_bytes
