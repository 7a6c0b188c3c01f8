"""A real file that nobody here made is in the topic as csv.DictReader reads it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from tests.integration.flights import ROW_COUNT
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
