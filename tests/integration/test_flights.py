"""A real file that nobody here made is in the topic as csv.DictReader reads it."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path

import pyarrow.csv

from tests.integration.flights import NATURAL_TYPES, ROW_COUNT, flights_table
from tests.integration.kafka_rows import values_in
from tests.integration.loads import LoadPlace


def test_flights_are_in_the_topic_row_for_row(place: LoadPlace, flights: Path) -> None:
    place.stack.put_object(place.bucket, place.key, flights)
    result = place.load()
    assert (result.row_count, result.total_sent) == (ROW_COUNT, ROW_COUNT)
    values = values_in(place.stack.bootstrap_servers, place.topic)
    assert len(values) == ROW_COUNT
    source_file = f"s3://{place.bucket}/{place.key}"
    with flights.open(encoding="utf-8-sig", newline="") as file:
        for line, (row, value) in enumerate(zip(csv.DictReader(file), values, strict=True), 1):
            expected = {**row, "_source_line": line, "_source_file": source_file}
            assert json.loads(value) == expected


def test_typed_flights_are_what_pyarrow_reads(
    place: LoadPlace, flights: Path, tmp_path: Path
) -> None:
    declared = tmp_path / "columns.toml"
    declared.write_text(flights_table(NATURAL_TYPES))
    place.stack.put_object(place.bucket, place.key, flights)
    result = place.load(CSV_COLUMNS=str(declared))
    assert (result.row_count, result.total_sent) == (ROW_COUNT, ROW_COUNT)
    source_file = f"s3://{place.bucket}/{place.key}"
    # pyarrow finds the types by itself; which text is null it must be told.
    reading = pyarrow.csv.read_csv(
        flights,
        convert_options=pyarrow.csv.ConvertOptions(null_values=["NA"], strings_can_be_null=True),
    )
    values = iter(values_in(place.stack.bootstrap_servers, place.topic))
    line = 0
    for batch in reading.to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            line += 1
            found = json.loads(next(values))
            found["time_hour"] = datetime.fromisoformat(found["time_hour"])
            assert found == {**row, "_source_line": line, "_source_file": source_file}
    assert (line, next(values, None)) == (ROW_COUNT, None)
