"""What a job's settings promise: the record of each row, its key, and the partition it belongs in.

All follows from the settings and from `csv.DictReader`, with none of the loader's code: partitions
of keys are kafka-python's murmur2 and zlib's crc32.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import orjson
from kafka.partitioner.default import murmur2

from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import UserFunctionError
from csvkafka.job.definition import JobSpec
from csvkafka.model import BadRows, FileOrder, Routing, Transform
from csvkafka.schema.table import KeyFormat, Metadata, RecordFormat
from csvkafka.testing.checker.declared import DeclaredRows, declared_record
from csvkafka.testing.checker.declared_values import canonical
from csvkafka.testing.checker.documented import (
    ColumnKey,
    documented_record,
    documented_row,
    documented_row_that_is_good,
    is_good,
)
from csvkafka.testing.checker.expectation import Expectation, IdentifyBy, number_of
from csvkafka.testing.checker.record_sizes import DeclaredSizes, DocumentedSizes, PlaceOf
from csvkafka.testing.checker.replayed_rows import ReplayedRows
from csvkafka.testing.checker.row_ledger import Fields, SourceRow
from csvkafka.testing.checker.set_files import SetFiles
from csvkafka.testing.checker.size_limit import SizeLimit
from csvkafka.testing.checker.wire import JobSchemas, WireRecords


def expectation_of(
    config: LoadConfig,
    partition_count: int,
    files: SetFiles | ReplayedRows | None = None,
    identify_by: IdentifyBy = IdentifyBy.LINE,
    routed_partitions: Mapping[str, int] | None = None,
    schemas: JobSchemas | None = None,
) -> Expectation:
    """What the records of a correct load under these settings are; `files` are those of a set, or
    those whose letters are replayed.
    `routed_partitions` are those of the topics of the table's routes (1 where none are given).
    `schemas` tell what records and keys name, where that is not the registry of the settings.

    Rows are told by their content, too, where the settings leave their lines out."""
    spec, uri = config.spec, config.source_uri
    place_of, uris = _places(config, files)
    transformed = None
    sizes: _Transformed | DocumentedSizes = DocumentedSizes(place_of, uris)
    if spec.transform is not None:
        name = spec.configuration(header=())["TRANSFORM"]
        sizes = transformed = _Transformed(spec.transform, f"the transform {name}", place_of)
    expectation = Expectation(
        decode=documented_record(uri) if files is None else documented_record(files=files.lines),
        fields_of=_fields_of(spec, transformed),
        identify_by=identify_by,
        key_of=None if spec.key_column is None else ColumnKey(spec.key_column),
        partition_of=_partition_of(spec, partition_count),
        size_limit=_size_limit(spec, sizes),
    )
    if files is not None and spec.order is FileOrder.OBJECT:
        expectation = replace(expectation, stream_of=files.file_of)
    if spec.table is None:
        return expectation
    counts = [partition_count]
    counts += [(routed_partitions or {}).get(topic, 1) for topic in spec.data_topics[1:]]
    if schemas is None and config.registry is not None:
        schemas = JobSchemas(config)
    return _declared(expectation, config, files, counts, schemas)


def _places(
    config: LoadConfig, files: SetFiles | ReplayedRows | None
) -> tuple[PlaceOf, Sequence[str]]:
    """Where a row of the source stands, and the files that rows stand in."""
    uri = config.source_uri
    if files is None:
        return lambda line: (uri, line), [uri]
    return files.place_of, [*files.lines]


def _size_limit(
    spec: JobSpec, sizes: DocumentedSizes | DeclaredSizes | _Transformed
) -> SizeLimit | None:
    if spec.bad_rows is not BadRows.DEAD_LETTER or spec.size_limit is None:
        return None
    return SizeLimit(spec.size_limit, sizes.size_of, sizes.bound_of)


def _declared(
    expectation: Expectation,
    config: LoadConfig,
    files: SetFiles | ReplayedRows | None,
    counts: Sequence[int],
    schemas: JobSchemas | None,
) -> Expectation:
    """`counts` are the numbers of partitions of the topics of rows."""
    table = config.spec.whole_table
    assert table is not None
    wire, key_id = None, 0
    if schemas is not None:
        if table.format is not RecordFormat.JSON:
            wire = WireRecords(table, schemas.text_of, canonical, schemas.value_id)
        if table.key_format is KeyFormat.AVRO and table.key:
            key_id = schemas.key_id(table)
    rows = DeclaredRows(table, key_id, None if wire is None else wire.given_defaults())
    choosers = [_partition_of(config.spec, count) for count in counts]

    def number_for(row: SourceRow, key: bytes | None) -> int:
        topic = rows.topic_of(row)
        return number_of(topic, choosers[topic](key))

    lines = None if files is None else files.lines
    sizes = DeclaredSizes(rows, *_places(config, files))
    return replace(
        expectation,
        decode=declared_record(table, config.source_uri, lines, wire),
        fields_of=rows.fields_of,
        is_dropped=rows.is_dropped if table.drops else None,
        key_of=rows.key_of if table.key else None,
        topics=config.spec.data_topics,
        number_for=number_for if table.routes else None,
        topic_of=rows.topic_of if table.routes else None,
        identify_by=(
            IdentifyBy.CONTENT if table.metadata is Metadata.NONE else expectation.identify_by
        ),
        size_limit=_size_limit(config.spec, sizes),
    )


def _fields_of(
    spec: JobSpec, transformed: _Transformed | None
) -> Callable[[SourceRow, int], Fields | None]:
    """What a row's record holds; None for a row that goes to the dead-letter topic."""
    fields_of = documented_row if transformed is None else transformed.fields_of
    if spec.bad_rows is not BadRows.DEAD_LETTER:
        return fields_of
    if transformed is None:
        return documented_row_that_is_good

    def good(row: SourceRow, line: int) -> Fields | None:
        if not is_good(row):
            return None
        try:
            return fields_of(row, line)
        except UserFunctionError:
            return None

    return good


class _Transformed:
    """What the user's function, called `name`, makes of rows, and how large that is."""

    bound_of = None
    """It may make anything of a small row."""

    def __init__(self, transform: Transform, name: str, place_of: PlaceOf) -> None:
        self._transform = transform
        self._name = name
        self._place_of = place_of
        self._measured = 0, 0
        """The line of the row that was transformed last, and the size of what came of it."""

    def fields_of(self, row: SourceRow, line_of_source: int) -> Fields:
        """The record's. Raises UserFunctionError where the function raises, or returns no JSON
        object."""
        uri, line = self._place_of(line_of_source)
        place = f"row {line} of {uri}"
        before = {**row, "_source_line": line, "_source_file": uri}
        try:
            result = self._transform(before, line)  # type: ignore[arg-type]
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it may be anything
            raise UserFunctionError.of(self._name, place, error) from None
        try:
            value = orjson.dumps(dict(result), option=orjson.OPT_NON_STR_KEYS)
            fields = orjson.loads(value)
        except (TypeError, ValueError) as error:
            raise UserFunctionError.no_object(self._name, place, error) from None
        self._measured = line_of_source, len(value)
        fields.pop("_source_line", None)
        fields.pop("_source_file", None)
        return fields  # type: ignore[no-any-return]

    def size_of(self, row: SourceRow, line_of_source: int, key: bytes | None) -> int:
        """As `SizeLimit` wants it."""
        if self._measured[0] != line_of_source:
            self.fields_of(row, line_of_source)
        return self._measured[1] + len(key or b"")


def _partition_of(spec: JobSpec, partition_count: int) -> Callable[[bytes | None], int]:
    match spec.routing:
        case Routing.ONE_PARTITION:
            partition = spec.partition or 0
            return lambda _: partition
        case Routing.KEY_CRC32:
            return lambda key: 0 if key is None else zlib.crc32(key) % partition_count
        case Routing.KEY_MURMUR2:
            return lambda key: 0 if key is None else (murmur2(key) & 0x7FFFFFFF) % partition_count
