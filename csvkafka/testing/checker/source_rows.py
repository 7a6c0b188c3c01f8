"""What a job's settings make of its source: a file's rows, a set's files, a replay's letters."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from io import BytesIO
from typing import BinaryIO

from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import SourceChangedError
from csvkafka.interfaces import ItemStore
from csvkafka.job.definition import JobSpec
from csvkafka.job.replayed import replayed_job
from csvkafka.ledger.list_chunks import ListChunks
from csvkafka.model import DuplicateColumns, Piece, SourceIdentity
from csvkafka.sources import open_source, set_objects
from csvkafka.testing.checker.documented import SourceRows, numbered_names, read_rows
from csvkafka.testing.checker.replayed_rows import PinnedLetters, ReplayedRows
from csvkafka.testing.checker.set_files import OpenFile
from csvkafka.testing.inputs.byte_stream import stream_of


def source_rows(
    spec: JobSpec, source: BinaryIO, of_letter: Sequence[str] | None = None
) -> SourceRows:
    """The rows of a CSV of a load by these settings; `of_letter` are the names of the columns of a
    row that stands alone, whatever it holds."""
    dialect, is_alone = spec.dialect, of_letter is not None
    encoding = codecs.lookup(dialect.encoding).name
    # Text is decoded many rows at a time: what is none must not end it before the rows ahead of it.
    # Half of a surrogate pair is what UTF-16 may hold that is none.
    escaping = "surrogatepass" if encoding.startswith("utf-16") else "surrogateescape"
    renames = spec.duplicate_columns is DuplicateColumns.NUMBER and not is_alone
    return read_rows(
        source,
        encoding="utf-8-sig" if encoding == "utf-8" else encoding,
        delimiter=dialect.delimiter,
        quotechar=dialect.quotechar,
        escapechar=dialect.escapechar,
        doublequote=dialect.doublequote,
        comment=dialect.comment,
        trailing_delimiter=dialect.trailing_delimiter,
        skipped_lines=0 if is_alone else dialect.skipped_lines,
        names=of_letter if is_alone else dialect.names,
        errors=escaping,
        rename=numbered_names if renames else None,
    )


def files_of(config: LoadConfig, pieces: Iterator[Piece]) -> dict[str, OpenFile]:
    """The files of a set, by URI and in its order; none is opened yet."""
    objects = set_objects(config)

    @contextmanager
    def opened(piece: Piece) -> Iterator[BinaryIO]:
        with closing(objects.open_piece(piece, 0)) as chunks:
            yield stream_of(chunks)

    return {f"s3://{objects.bucket}/{piece.key}": partial(opened, piece) for piece in pieces}


def replayed_rows(
    config: LoadConfig, store: ItemStore, source: SourceIdentity, columns: str
) -> ReplayedRows:
    """The rows of a replay, whose item has these letters for a source, and this for its `columns`.

    Raises as `replayed_job` and `ReplayedRows`, and SourceChangedError where the settings name
    another source than the one that the rows once stood in, or that has another header now."""
    spec = config.spec
    job = replayed_job(source.key, lambda job_id: store.item(job_id).get(), store.where)
    job.check_source(config.source_uri)
    files: Mapping[str, OpenFile] = {}
    if job.source.files is not None:
        frozen = ListChunks(job.loaded_by, store.item).load(job.source.etag)
        files = files_of(config, frozen.pieces())

    def names_of(uri: str) -> Sequence[str]:
        if spec.dialect.names:
            return source_rows(spec, BytesIO()).names
        if uri in files:
            with files[uri]() as stream:
                return source_rows(spec, stream).names
        opened = open_source(config)
        opened.identify()
        with closing(opened.read(0)) as chunks:
            names = source_rows(spec, stream_of(chunks)).names
        now = spec.configuration(names)["columns"]
        if now != columns:
            raise SourceChangedError(
                f"the header of {uri} is not the one that the replay was begun with: {columns} "
                f"then, {now} now; put the old object back, or set CSV_HEADER to the names of its "
                "columns"
            )
        return names

    def read_row(data: BytesIO, names: Sequence[str]) -> SourceRows:
        return source_rows(spec, data, names)

    letters, first_uri = PinnedLetters.of(source), next(iter(files), job.source.uri)
    return ReplayedRows(config.kafka, letters, spec.dialect.encoding, names_of, read_row, first_uri)
