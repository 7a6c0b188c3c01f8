"""The source of a load, opened: an object in S3, a set of them, a file of this machine, or an
object elsewhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from csvkafka.aws.s3_set import Access, S3Set, SetPlace
from csvkafka.aws.s3_source import Compression, S3Source
from csvkafka.clock import Clock
from csvkafka.config.load_config import LoadConfig
from csvkafka.files.local_source import LocalSource
from csvkafka.interfaces import RestartPoints
from csvkafka.model import SourceIdentity
from csvkafka.retry import ANSWERING_SECONDS
from csvkafka.sets.some_keys import KEYS_SHOWN

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from csvkafka.remote.place import RemotePlace
    from csvkafka.remote.remote_source import RemoteObject, RemoteSource


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
        from csvkafka.remote.remote_source import RemoteSource

        return RemoteSource(
            config.remote,
            _remote_object(config, config.remote),
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


def _remote_object(config: LoadConfig, place: RemotePlace) -> RemoteObject:
    # Each client takes long to import, and is there with its extra only.
    match place.scheme:
        case "gs":
            from csvkafka.remote.gcs_object import GcsObject

            return GcsObject(place)
        case "azure":
            from csvkafka.remote.azure_object import AzureObject

            return AzureObject(place, os.environ)
    from csvkafka.remote.web_object import WebObject

    return WebObject(place, config.source_authorization)


def set_objects(
    config: LoadConfig,
    *,
    s3_client: S3Client | None = None,
    clock: Clock | None = None,
    keys_shown: int | None = KEYS_SHOWN,
    give_up_seconds: float = ANSWERING_SECONDS,
) -> S3Set:
    """The objects of the set that the settings name; see `S3Set`."""
    place = SetPlace(config.s3_bucket, config.s3_prefix, config.s3_manifest, config.s3_globs)
    access = Access(
        request_payer=config.s3_request_payer,
        customer_key=config.s3_customer_key,
        compression=Compression(config.spec.source_compression),
        give_up_seconds=give_up_seconds,
    )
    return S3Set(place, access, client=s3_client, clock=clock, keys_shown=keys_shown)
