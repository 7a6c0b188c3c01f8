"""The source of a load, opened: an object in S3, a set of them, a file of this machine, or an
object elsewhere; and the header of one whose letters are replayed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache, partial
from typing import TYPE_CHECKING

from csvkafka.aws.s3_set import Access, S3Set, SetPlace
from csvkafka.aws.s3_source import Compression, S3Source
from csvkafka.clock import Clock
from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import CheckpointError, ConfigError, SourceChangedError
from csvkafka.files.local_source import LocalSource
from csvkafka.interfaces import ItemStore, RestartPoints
from csvkafka.job.begun_set import BegunSet
from csvkafka.job.file_set import FileSet
from csvkafka.job.letters import HeaderOf
from csvkafka.job.replayed import ReplayedJob
from csvkafka.ledger.list_chunks import ListChunks
from csvkafka.model import SourceIdentity
from csvkafka.retry import ANSWERING_SECONDS
from csvkafka.rows.blocks import Header, read_header
from csvkafka.rows.pieces import check_columns
from csvkafka.sets.frozen import FrozenList
from csvkafka.sets.selection import never_without
from csvkafka.sets.some_keys import KEYS_SHOWN

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from csvkafka.remote.remote_source import RemoteSource


def open_source(
    config: LoadConfig,
    *,
    s3_client: S3Client | None = None,
    pinned: SourceIdentity | None = None,
    points: RestartPoints | None = None,
    clock: Clock | None = None,
    give_up_seconds: float = ANSWERING_SECONDS,
) -> S3Source | LocalSource | RemoteSource:
    """The source that the settings name; touches nothing yet. See `S3Source` for the arguments."""
    compression = Compression(config.spec.source_compression)
    if config.source_path is not None:
        return LocalSource(
            config.source_path, pinned=pinned, compression=compression, points=points
        )
    if config.remote is not None:
        from csvkafka.remote.opened import remote_object
        from csvkafka.remote.remote_source import RemoteSource

        return RemoteSource(
            config.remote,
            remote_object(config.remote, config.source_authorization, os.environ),
            pinned=pinned,
            compression=compression,
            points=points,
            clock=clock,
            give_up_seconds=give_up_seconds,
        )
    version_id = config.s3_version_id or (None if pinned is None else pinned.version_id)
    return S3Source(
        config.s3_bucket,
        config.s3_key,
        client=s3_client,
        version_id=version_id,
        request_payer=config.s3_request_payer,
        customer_key=config.s3_customer_key,
        pinned=pinned,
        compression=compression,
        points=points,
        clock=clock,
        give_up_seconds=give_up_seconds,
    )


def set_objects(
    config: LoadConfig,
    *,
    s3_client: S3Client | None = None,
    clock: Clock | None = None,
    keys_shown: int | None = KEYS_SHOWN,
    give_up_seconds: float = ANSWERING_SECONDS,
    is_without: Callable[[str], bool] = never_without,
) -> S3Set:
    """The objects of the set that the settings name; see `S3Set`."""
    place = SetPlace(config.s3_bucket, config.s3_prefix, config.s3_manifest, config.s3_globs)
    access = Access(
        request_payer=config.s3_request_payer,
        customer_key=config.s3_customer_key,
        compression=Compression(config.spec.source_compression),
        give_up_seconds=give_up_seconds,
    )
    return S3Set(
        place, access, client=s3_client, clock=clock, keys_shown=keys_shown, is_without=is_without
    )


def _unless_unknown(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except CheckpointError:
        return False


def job_set(
    config: LoadConfig,
    kept_in: ItemStore,
    *,
    points: Callable[[int], RestartPoints] | None = None,
    s3_client: S3Client | None = None,
    clock: Clock | None = None,
    give_up_seconds: float = ANSWERING_SECONDS,
    ask: Callable[[Callable[[], bool]], bool] = _unless_unknown,
) -> tuple[FileSet, S3Set]:
    """The set of the settings' job, and its objects; touches nothing yet. `points` as for
    `FileSet`; what must be known of the job while objects are listed is asked by `ask`. (Without
    it, a job whose store cannot be asked is taken for one that was not begun.)"""
    begun = BegunSet(config.spec.job_id, kept_in.item)
    objects = set_objects(
        config,
        s3_client=s3_client,
        clock=clock,
        give_up_seconds=give_up_seconds,
        is_without=lambda key: ask(lambda: begun.is_without(key)),
    )
    chunks = ListChunks(config.spec.job_id, kept_in.item)
    return FileSet(objects, chunks, points, skipped=begun.skipped), objects


def replayed_header(
    config: LoadConfig,
    job: ReplayedJob,
    kept_in: ItemStore,
    s3_client: S3Client | None = None,
    clock: Clock | None = None,
) -> HeaderOf:
    """The header of the replayed job's source, of each file if it is a set; nothing is read yet.
    A letter is a row alone: of its header, the item of the job that loaded it has a digest.

    What it gives raises as `Source.read` and `read_header` do, and SourceChangedError for another
    header than the job's. Raises ConfigError where the header cannot be had."""
    dialect = config.spec.dialect
    if dialect.names == ():
        count = job.columns.partition(" ")[0]
        raise ConfigError(
            "CSV_HEADER=none names the columns by the first row of the source, and a replay reads "
            f"letters only: set CSV_HEADER to those names (c1, c2, and so on, {count} in all)"
        )
    if job.source.files is not None:
        return _of_set(config, job, kept_in, s3_client, clock)

    @cache
    def first() -> tuple[Header, bytes]:
        if dialect.names:
            return _checked(config, job, Header(dialect.names, 0)), b""
        source = open_source(config, s3_client=s3_client, clock=clock)
        source.identify()
        header, first_bytes = _first(config, job.source.uri, lambda: source.read(0))
        return _checked(config, job, header), first_bytes

    return HeaderOf(lambda: first()[1], lambda _: config.spec.columns(first()[0].names))


def _of_set(
    config: LoadConfig,
    job: ReplayedJob,
    kept_in: ItemStore,
    s3_client: S3Client | None,
    clock: Clock | None,
) -> HeaderOf:
    """The columns of a set's files may stand in another order in each. Raises ConfigError for a
    CSV_HEADER that the load did not have: its order would be taken for each file's."""
    if config.spec.dialect.names and not job.header_setting:
        raise ConfigError(
            f"job {job.loaded_by} read the header of each file of {job.source.uri}, whose columns "
            "may stand in another order in each: unset CSV_HEADER, and let the files stand there"
        )
    objects = set_objects(config, s3_client=s3_client, clock=clock)

    begin = f"s3://{objects.bucket}/"

    @cache
    def frozen() -> FrozenList:
        return ListChunks(job.loaded_by, kept_in.item).load(job.source.etag)

    def header_in(uri: str) -> tuple[Header, bytes]:
        piece = frozen().named(uri.removeprefix(begin)) if uri.startswith(begin) else None
        if piece is None:
            raise SourceChangedError(
                f"a row of {uri} was set aside, and the set {job.source.uri} of job "
                f"{job.loaded_by} has no such file; check JOB_ID and DEAD_LETTER_TOPIC"
            )
        return _first(config, uri, partial(objects.open_piece, piece, 0))

    def first_uri() -> str:
        return begin + next(frozen().pieces()).key

    @cache
    def first() -> tuple[Header, bytes]:
        header, first_bytes = header_in(first_uri())
        return _checked(config, job, header), first_bytes

    def columns(uri: str) -> tuple[str, ...]:
        own = config.spec.columns(header_in(uri)[0].names)
        of_first = config.spec.columns(first()[0].names)
        check_columns(uri, own, first_uri, of_first, "its letters are not sent")
        return own

    return HeaderOf(lambda: first()[1], columns)


def _first(
    config: LoadConfig, uri: str, open_chunks: Callable[[], Iterator[bytes]]
) -> tuple[Header, bytes]:
    """The header of a file, and its bytes up to the header's end."""
    taken: list[bytes] = []

    def kept(chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            taken.append(chunk)
            yield chunk

    with closing(open_chunks()) as chunks:  # type: ignore[type-var]
        header = read_header(kept(chunks), config.spec.dialect, uri)
    return header, b"".join(taken)[: header.byte_offset]


def _checked(config: LoadConfig, job: ReplayedJob, header: Header) -> Header:
    columns = config.spec.configuration(header.names)["columns"]
    if columns != job.columns:
        raise SourceChangedError(
            f"the header of {job.source.uri} is not the one that job {job.loaded_by} was begun "
            f"with: {job.columns} then, {columns} now; put the old object back, or set CSV_HEADER "
            "to the names of its columns (not for a set)"
        )
    return header
