"""The first records as they would be sent, and the first row that would not be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from csvkafka.cli.doctor.findings import Examination, Finding, Mark
from csvkafka.cli.schemas import told, with_ids
from csvkafka.encode.bad_row import first_rows
from csvkafka.encode.encoder import encode_block
from csvkafka.encode.partitioning import lane_chooser
from csvkafka.encode.row_json import RowEncoder
from csvkafka.errors import CsvKafkaError, counted
from csvkafka.model import START, Block, EncodePlan, Lane
from csvkafka.rows.blocks import cut_blocks
from csvkafka.rows.preview import Preview
from csvkafka.schema.subjects import WireSchemas

RECORDS_SHOWN = 3


class _SampleEnds(CsvKafkaError):
    """The sample is not all of the source: what follows its last whole row is not judged."""


def show_records(examination: Examination) -> Iterator[Finding]:
    """Three records, and whether all rows of the sample can become one."""
    spec, look, source = examination.spec, examination.look, examination.source
    if look is None or source is None or not look.header.names:
        return
    config = replace(examination.config, spec=spec)
    spec, unregistered = with_ids(config, look.header.names, source.uri)
    if unregistered:
        yield Finding(Mark.WARNING, "record", unregistered)
    facts = examination.facts
    are_known = facts.keys() >= set(spec.data_topics)
    lanes = spec.lanes(
        facts[spec.topic].partition_count if are_known else 1,
        spec.routed_partitions(facts) if are_known else None,
    )
    plan = examination.plan(look.source_uri, lanes, spec)
    shown = sent = row_count = 0
    try:
        for block in cut_blocks(_chunks(look), START, plan):
            encoded = encode_block(block, plan)
            good = encoded.end.row_count - block.start.row_count
            for finding in _records(block, good, plan, lanes if are_known else ()):
                if shown < RECORDS_SHOWN:
                    shown += 1
                    yield finding
            row_count = encoded.end.row_count
            sent += sum(encoded.rows_by_lane)
            if encoded.failure is not None:
                yield Finding(
                    Mark.ERROR,
                    "record",
                    examination.remedied(_said(encoded.failure)),
                    "the load would end here",
                )
                return
    except _SampleEnds:
        pass
    how = "all rows" if look.is_whole else "all rows in sight"
    dropped = f", {counted(row_count - sent, 'row')} dropped" if sent < row_count else ""
    yield Finding(Mark.OK, "record", f"{counted(sent, 'row')} can be sent{dropped}", how)


def _chunks(look: Preview) -> Iterator[bytes]:
    if look.sample:
        yield look.sample
    if not look.is_whole:
        raise _SampleEnds


def _records(
    block: Block, count: int, plan: EncodePlan, lanes: tuple[Lane, ...]
) -> Iterator[Finding]:
    """The block's first `count` rows as records; where they go if that is known."""
    if count == 0:
        return
    count = min(count, RECORDS_SHOWN)
    if count < block.row_count:
        block = first_rows(block, count, plan.dialect)
    rows, lane_of = RowEncoder(plan).encode(block), lane_chooser(plan)
    for index, value in enumerate(rows.values):
        if index in rows.dropped:
            number = block.start.row_count + index + 1
            yield Finding(Mark.OK, "record", f"(row {number} is dropped)", "as CSV_COLUMNS says")
            continue
        key = None if rows.keys is None else rows.keys[index]
        if index in rows.letters:
            place = "to the dead-letter topic"
        elif lanes:
            lane = lanes[lane_of(rows.topics[index] if rows.topics else 0, key)]
            of_topic = f" of topic {lane.topic}" if plan.routed_lanes else ""
            place = f"to partition {lane.partition}{of_topic}"
        else:
            place = "partition not known"
        schemas = plan.schemas or WireSchemas()
        key, _ = told(key, schemas.key)
        content, schema_id = told(value, None if index in rows.letters else schemas.value)
        place += "" if schema_id is None else f", schema {schema_id}"
        keyed = "" if key is None else f", key {key.decode('utf-8', 'replace')!r}"
        yield Finding(Mark.OK, "record", (content or b"").decode("utf-8", "replace"), place + keyed)


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, CsvKafkaError) else f"{type(error).__name__}: {error}"
