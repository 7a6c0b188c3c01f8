"""A real file that nobody here made, by its natural types, killed again and again: all its records
are what pyarrow reads, which finds the types by itself."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastavro
import pyarrow.csv
import pytest

from csvkafka.config.load_config import kafka_settings
from csvkafka.model import Step
from csvkafka.testing.checker.topic_reader import TopicReader
from csvkafka.testing.judging.recovery_case import KILLED
from tests.integration.flights import NATURAL_TYPES, ROW_COUNT, flights_csv, flights_table
from tests.recovery.setting_aside import NewCase
from tests.registries import SmallRegistry, small_registry


def json_reader(_: SmallRegistry | None) -> Callable[[bytes], dict[str, Any]]:
    def read(value: bytes) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(value)
        found["time_hour"] = datetime.fromisoformat(found["time_hour"])
        return found

    return read


def avro_reader(registry: SmallRegistry | None) -> Callable[[bytes], dict[str, Any]]:
    assert registry is not None
    ((schema_id, (_, text)),) = registry.schemas.items()
    schema = fastavro.parse_schema(json.loads(text))

    def read(value: bytes) -> dict[str, Any]:
        assert value[:5] == b"\0" + schema_id.to_bytes(4, "big")
        content = io.BytesIO(value[5:])
        found = fastavro.schemaless_reader(content, schema, None)
        assert not content.read()
        return found

    return read


READERS = {"json": json_reader, "avro": avro_reader}


def read_by_pyarrow(path: Path) -> Iterator[dict[str, Any]]:
    # Which text is null it must be told.
    nulls = pyarrow.csv.ConvertOptions(null_values=["NA"], strings_can_be_null=True)
    reading = pyarrow.csv.read_csv(path, convert_options=nulls)
    for batch in reading.to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            row["time_hour"] = row["time_hour"].astimezone(UTC)
            yield row


@pytest.mark.parametrize("record_format", READERS)
def test_every_record_is_what_pyarrow_reads(
    recovery_case: NewCase, tmp_path: Path, seed: int, record_format: str
) -> None:
    path = flights_csv()
    declared = tmp_path / "columns.toml"
    declared.write_text(flights_table(NATURAL_TYPES, f'format = "{record_format}"'))
    settings = {"CSV_COLUMNS": str(declared)}
    with small_registry() if record_format == "avro" else nullcontext() as registry:
        if registry is not None:
            settings["SCHEMA_REGISTRY_URL"] = registry.url
            settings["SCHEMA_REGISTRY_AUTO_REGISTER"] = "true"
        case = recovery_case(path.read_bytes(), block_bytes=262_144, settings=settings)
        chance = random.Random(seed)
        for number in range(4):
            worker = case.start()
            worker.wait_for_step(Step.BATCH_ACKNOWLEDGED, from_rows=ROW_COUNT * number // 5)
            worker.lives_for(chance.uniform(0.0, 0.1))
            assert worker.kill() == KILLED, worker.output()
        case.assert_midway()
        case.run()
    read = READERS[record_format](registry)
    line = 0
    with TopicReader(kafka_settings(case.stack.environment()), case.topic) as topic:
        records = iter(topic.records()[0])
        for line, row in enumerate(read_by_pyarrow(path), 1):
            own = {"_source_line": line, "_source_file": f"s3://recovery/{case.key}"}
            assert read(next(records).value or b"") == {**row, **own}
        assert (line, next(records, None)) == (ROW_COUNT, None)
