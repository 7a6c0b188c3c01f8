"""What the CSV object is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from csvkafka.aws.s3_source import Compression, S3Source
from csvkafka.cli.doctor.findings import Examination, Finding, Mark
from csvkafka.cli.output import bytes_text
from csvkafka.rows.blocks import read_header

GIVE_UP_SECONDS = 10.0
"""So long S3 is asked again before a check says that it does not answer."""


def check_source(examination: Examination) -> Iterator[Finding]:
    """The object is there, may be read, and has a header."""
    config = examination.config
    source = S3Source(
        config.s3_bucket,
        config.s3_key,
        version_id=config.s3_version_id,
        request_payer=config.s3_request_payer,
        customer_key=config.s3_customer_key,
        compression=Compression(config.spec.source_compression),
        give_up_seconds=GIVE_UP_SECONDS,
    )
    identity = source.identify()
    with closing(source.read(0)) as chunks:
        header = read_header(chunks, config.spec.dialect, identity.uri)
    examination.source, examination.header = identity, header
    version = "" if identity.version_id is None else f", version {identity.version_id}"
    size = bytes_text(identity.size)
    yield Finding(
        Mark.OK, "source", f"{identity.uri}: {size}, pinned by ETag {identity.etag}{version}"
    )
    yield Finding(Mark.OK, "source", f"header of {len(header.names)} columns")
    if identity.is_gzip:
        yield Finding(
            Mark.WARNING,
            "source",
            "gzip has no way in but its start: a resume reads all before it again (it sends "
            "nothing twice)",
        )
