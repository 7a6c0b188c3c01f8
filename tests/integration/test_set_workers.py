"""Sets whose files are jobs of their own, on real servers, by one worker and by several."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest

from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import ConfigChangedError, FilesFailedError, SourceChangedError
from csvkafka.testing.checker.verify import verify_job
from csvkafka.wiring import run_load
from tests.integration.command_line import run_csvkafka
from tests.integration.loads import LoadPlace
from tests.refusals import refusal


def put(place: LoadPlace, count: int = 7, rows: int = 20) -> list[str]:
    keys = []
    for number in range(count):
        header, order = (b"id,n\n", b"%d,a\n") if number % 3 else (b"n,id\n", b"a,%d\n")
        data = header + b"".join(order % (1_000 * number + row) for row in range(rows))
        keys.append(f"x/part-{number:02}.csv")
        place.stack.put_object(place.bucket, keys[-1], data)
    return keys


def of_set(place: LoadPlace, **more: str) -> dict[str, str]:
    given = {"S3_KEY": "", "S3_PREFIX": "x/", "ORDER": "object"}
    return place.settings(**(given | more))


def load(place: LoadPlace, **more: str) -> Any:
    return run_load(LoadConfig.from_settings(of_set(place, **more)))


def lines_by_file(place: LoadPlace) -> dict[str, list[int]]:
    found = defaultdict(list)
    for record in place.records():
        found[record["_source_file"].partition(f"{place.bucket}/")[2]].append(
            record["_source_line"]
        )
    return dict(found)


def test_each_file_is_loaded_once_in_its_order_and_the_set_is_complete(place: LoadPlace) -> None:
    keys = put(place)
    result = load(place)
    assert (result.row_count, result.sent_now, result.already_complete) == (140, 140, False)
    assert lines_by_file(place) == {key: list(range(1, 21)) for key in keys}
    item = place.item()
    assert item is not None
    assert (item["status"], item["last_line"], item["total_sent"]) == ("COMPLETED", 140, 140)
    assert load(place).already_complete
    verdict = verify_job(LoadConfig.from_settings(of_set(place))).verdict
    assert verdict.is_clean, str(verdict)
