"""How a dry run is shown: a table and a few lines on a terminal, one JSON object elsewhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from csvkafka.cli.output import bytes_text, count_text, duration_text
from csvkafka.cli.schemas import told
from csvkafka.config.spelling import Form, spelled
from csvkafka.errors import counted

if TYPE_CHECKING:
    from csvkafka.cli.dry_run import DryRun
    from csvkafka.config.load_config import LoadConfig
    from csvkafka.job.dry_run import PlannedRecord
    from csvkafka.job.estimate import Estimate

VALUE_CHARACTERS = 1_000
"""How many characters of a value are shown on a terminal."""


def print_json(run: DryRun, config: LoadConfig) -> None:
    """`{"records": [{"source_file": …, "source_line": …, "topic": …, "partition": …, "key": …,
    "headers": [[name, value], …], "value": …}, …], "estimate": {…}, "notes": […], "failure": …}`.

    A row that is dropped has `"dropped": true`, and its topic and value are null.

    Where key or value name a schema, its id stands as `key_schema` or `value_schema`, and they are
    shown as JSON. What is no text stands as `{"base64": …}`; a partition that is not known is
    null."""
    report = {
        "records": [_as_json(record, run, config.spec.data_topics) for record in run.records],
        "estimate": asdict(run.estimate),
        "notes": [spelled(note, Form.OPTION) for note in run.notes],
        "failure": None if run.failure is None else spelled(str(run.failure), Form.OPTION),
    }
    click.echo(json.dumps(report, ensure_ascii=False))


def _as_json(record: PlannedRecord, run: DryRun, data_topics: Sequence[str]) -> dict[str, Any]:
    lane = record.lane
    key, key_schema = _key(record, run, data_topics)
    value, value_schema = _value(record, run, data_topics)
    ids = {"key_schema": key_schema, "value_schema": value_schema}
    return {
        "source_file": record.source_file,
        "source_line": record.source_line,
        "topic": None if lane is None else lane.topic,
        "partition": _partition(record, run, data_topics),
        "key": _text_or_base64(key),
        "headers": [[name, _text_or_base64(value)] for name, value in record.headers],
        "value": _text_or_base64(value),
        **{name: schema_id for name, schema_id in ids.items() if schema_id is not None},
        **({"dropped": True} if lane is None else {}),
    }


def _key(
    record: PlannedRecord, run: DryRun, data_topics: Sequence[str]
) -> tuple[bytes | None, int | None]:
    is_data = _is_data(record, data_topics)
    return told(record.key, run.schemas.key if is_data else None)


def _value(
    record: PlannedRecord, run: DryRun, data_topics: Sequence[str]
) -> tuple[bytes | None, int | None]:
    is_data = _is_data(record, data_topics)
    return told(record.value, run.schemas.value if is_data else None)


def _is_data(record: PlannedRecord, data_topics: Sequence[str]) -> bool:
    """Neither dropped nor a dead letter."""
    return record.lane is not None and record.lane.topic in data_topics


def _partition(record: PlannedRecord, run: DryRun, data_topics: Sequence[str]) -> int | None:
    known = run.partitions_known or not _is_data(record, data_topics)
    return record.lane.partition if known and record.lane is not None else None


def _place(record: PlannedRecord, run: DryRun, data_topics: Sequence[str]) -> str:
    if record.lane is None:
        return "(dropped)"
    partition = _partition(record, run, data_topics)
    return f"{record.lane.topic}-{'?' if partition is None else partition}"


def _text_or_base64(data: bytes | None) -> str | dict[str, str] | None:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def print_table(run: DryRun, config: LoadConfig) -> None:
    """For people."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("row", justify="right", no_wrap=True)
    table.add_column("topic-partition", no_wrap=True)
    table.add_column("key", overflow="fold")
    has_headers = any(record.headers for record in run.records)
    if has_headers:
        table.add_column("headers", overflow="fold")
    table.add_column("value", overflow="fold", ratio=1)
    for record in run.records:
        cells = [
            count_text(record.source_line),
            _place(record, run, config.spec.data_topics),
            _named(*_key(record, run, config.spec.data_topics)),
        ]
        if has_headers:
            pairs = (f"{name}: {_shown(value)}" for name, value in record.headers)
            cells.append("\n".join(pairs))
        value = _named(*_value(record, run, config.spec.data_topics))
        table.add_row(*map(Text, [*cells, value]))
    console = Console(highlight=False)
    console.print(table)
    for note in run.notes:
        click.echo(f"note: {spelled(' '.join(note.split()), Form.OPTION)}")
    if not run.partitions_known:
        click.echo("note: '?' is a partition that the key chooses among those of the topic")
    for line in estimate_lines(run.estimate, config.spec.compression):
        click.echo(line)
    click.echo("Nothing was sent, and nothing was written.")


def _named(data: bytes | None, schema_id: int | None) -> str:
    """With the schema before it, if there is one."""
    return _shown(data) if schema_id is None else f"schema {schema_id}: {_shown(data)}"


def _shown(data: bytes | None) -> str:
    """Text as it stands, if nothing in it moves the cursor; anything else as Python writes it."""
    if data is None:
        return "null"
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = ""
    if not text.isprintable() or (data and not text):
        text = repr(data)[1:] if not text else repr(text)
    if len(text) <= VALUE_CHARACTERS:
        return text
    return f"{text[:VALUE_CHARACTERS]}… ({count_text(len(text))} characters)"


def estimate_lines(estimate: Estimate, codec: str) -> Iterator[str]:
    """What the whole load would take, and on how much that rests."""
    looked = f"{counted(estimate.sampled_rows, 'row')} ({bytes_text(estimate.sampled_bytes)})"
    if estimate.is_exact:
        yield f"All of it, {looked}:"
    else:
        yield f"Estimated from {looked} in {counted(estimate.places, 'place')}:"
    about = "" if estimate.is_exact else "about "
    unknown = "not known: the length of this compressed source shows only at its end"
    if not estimate.sampled_rows:
        unknown = "not known: no place that was looked at holds a whole row"
    rows, topic_bytes = estimate.row_count, estimate.topic_bytes
    writes, seconds = estimate.most_checkpoint_writes, estimate.encode_seconds
    if rows is None or topic_bytes is None or writes is None or seconds is None:
        yield f"  rows               {unknown}"
    else:
        packed = "not compressed" if codec == "none" else codec
        yield f"  rows               {about}{count_text(rows)}"
        if estimate.dropped_count:
            yield f"  of these, dropped  {about}{count_text(estimate.dropped_count)}"
        yield f"  bytes in the topic {about}{bytes_text(topic_bytes)} ({packed}, one replica)"
        yield f"  checkpoint writes  at most {count_text(writes)}"
        yield f"  encoding           about {duration_text(seconds)} of one processor"
    if estimate.rows_per_second is not None:
        yield (
            f"  (measured: {count_text(estimate.rows_per_second)} rows/s in one thread of this "
            "machine; reading, network and brokers come on top)"
        )
    if estimate.misfits:
        yield (
            f"  in {counted(estimate.misfits, 'place')} a row did not fit: it is a bad row, or a "
            "field with line ends that the look cut in two"
        )
