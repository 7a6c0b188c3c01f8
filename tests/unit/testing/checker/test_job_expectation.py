"""What records should be, by the settings alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import UserFunctionError
from csvkafka.testing.checker.job_expectation import expectation_of
from tests.refusals import refusal

CONFIG = LoadConfig.from_settings(
    {
        "S3_BUCKET": "data",
        "S3_KEY": "rows.csv",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
        "KAFKA_TOPIC": "rows",
        "DYNAMODB_TABLE": "checkpoints",
        "JOB_ID": "job",
    }
)


def raises(row: dict[str, object], _line: int) -> object:
    raise KeyError(row["name"])


def adds_a_number(row: dict[str, object], _line: int) -> object:
    return row["name"] + 1  # type: ignore[operator]


def ends_the_process(_row: dict[str, object], _line: int) -> object:
    raise SystemExit(3)


def gives_none(_row: dict[str, object], _line: int) -> object:
    return None


def gives_text(_row: dict[str, object], _line: int) -> object:
    return "text"


def gives_an_object(_row: dict[str, object], _line: int) -> object:
    return {"name": object()}


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        (raises, "raised KeyError"),
        (adds_a_number, "raised TypeError"),
        (ends_the_process, "raised SystemExit"),
        (gives_none, "returned no JSON object"),
        (gives_text, "returned no JSON object"),
        (gives_an_object, "returned no JSON object"),
    ],
)
def test_a_transform_that_fails_is_named_with_its_row(
    transform: Callable[..., object], said: str
) -> None:
    config = replace(CONFIG, spec=replace(CONFIG.spec, transform=transform))  # type: ignore[arg-type]
    fields_of = expectation_of(config, partition_count=1).fields_of
    place = f"transform {__name__}:{transform.__name__} {said} for row 2 of s3://data/rows.csv"
    with refusal(UserFunctionError, place) as caught:
        fields_of({"name": "x-ray"}, 2)
    assert "x-ray" not in str(caught.value)
