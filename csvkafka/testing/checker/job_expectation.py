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
from csvkafka.testing.checker.replayed_rows import ReplayedRows
from csvkafka.testing.checker.row_ledger import Fields, SourceRow
from csvkafka.testing.checker.set_files import SetFiles
from csvkafka.testing.checker.wire import JobSchemas, WireRecords

PlaceOf = Callable[[int], tuple[str, int]]
"""The file, and the line in it, of a line of the source."""


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
    spec = config.spec
    uri = config.source_uri
    expectation = Expectation(
        decode=documented_record(uri) if files is None else documented_record(files=files.lines),
        fields_of=_fields_of(spec, (lambda line: (uri, line)) if files is None else files.place_of),
        identify_by=identify_by,
        key_of=None if spec.key_column is None else ColumnKey(spec.key_column),
        partition_of=_partition_of(spec, partition_count),
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
    )


def _fields_of(spec: JobSpec, place_of: PlaceOf) -> Callable[[SourceRow, int], Fields | None]:
    """What a row's record holds; None for a row that goes to the dead-letter topic."""
    fields_of: Callable[[SourceRow, int], Fields] = documented_row
    if (transform := spec.transform) is not None:
        name = spec.configuration(header=())["TRANSFORM"]
        fields_of = _transformed(transform, f"the transform {name}", place_of)
    if spec.bad_rows is not BadRows.DEAD_LETTER:
        return fields_of
    if fields_of is documented_row:
        return documented_row_that_is_good

    def good(row: SourceRow, line: int) -> Fields | None:
        if not is_good(row):
            return None
        try:
            return fields_of(row, line)
        except UserFunctionError:
            return None

    return good


def _transformed(
    transform: Transform, name: str, place_of: PlaceOf
) -> Callable[[SourceRow, int], Fields]:
    """What the user's function makes of a row. Raises UserFunctionError where it raises, or returns
    no JSON object."""

    def transformed(row: SourceRow, line_of_source: int) -> Fields:
        uri, line = place_of(line_of_source)
        place = f"row {line} of {uri}"
        before = {**row, "_source_line": line, "_source_file": uri}
        try:
            result = transform(before, line)  # type: ignore[arg-type]
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it may be anything
            raise UserFunctionError.of(name, place, error) from None
        try:
            fields = orjson.loads(orjson.dumps(dict(result), option=orjson.OPT_NON_STR_KEYS))
        except (TypeError, ValueError) as error:
            raise UserFunctionError.no_object(name, place, error) from None
        fields.pop("_source_line", None)
        fields.pop("_source_file", None)
        return fields  # type: ignore[no-any-return]

    return transformed


def _partition_of(spec: JobSpec, partition_count: int) -> Callable[[bytes | None], int]:
    match spec.routing:
        case Routing.ONE_PARTITION:
            partition = spec.partition or 0
            return lambda _: partition
        case Routing.KEY_CRC32:
            return lambda key: 0 if key is None else zlib.crc32(key) % partition_count
        case Routing.KEY_MURMUR2:
            return lambda key: 0 if key is None else (murmur2(key) & 0x7FFFFFFF) % partition_count
