"""Where the CSV is, as the settings say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import ConfigError
from tests.refusals import refusal

SINK = {"KAFKA_BOOTSTRAP_SERVERS": "broker:9092", "KAFKA_TOPIC": "rows"}


def config(**settings: str) -> LoadConfig:
    return LoadConfig.from_settings(SINK | settings)


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("/data/a b.csv", "/data/a b.csv"),
        ("a%20b.csv", f"{Path.cwd()}/a%20b.csv"),
        ("~/a.csv", f"{Path.home()}/a.csv"),
        ("file:///data/a%20b.csv", "/data/a b.csv"),
        ("file://localhost/data/a.csv", "/data/a.csv"),
    ],
)
def test_a_file_is_named_by_its_path(source: str, path: str) -> None:
    found = config(SOURCE=source)
    assert found.source_path == Path(path)
    assert found.source_uri == f"file://{path}"
    assert found.checkpoint.is_default
    assert found.create_table


def test_an_object_is_named_by_its_uri() -> None:
    found = config(SOURCE="s3://data/exports/a b.csv", DYNAMODB_TABLE="checkpoints")
    assert (found.s3_bucket, found.s3_key) == ("data", "exports/a b.csv")
    assert found.source_path is None


@pytest.mark.parametrize(
    "settings",
    [
        *({"SOURCE": each} for each in ("-", "/dev/stdin", "ftp://h/a.csv", "file://host/a.csv")),
        *({"SOURCE": each} for each in ("s3://data", "s3:///a.csv")),
        {"SOURCE": "a.csv", "S3_BUCKET": "data"},
        {"SOURCE": "a.csv", "S3_REQUEST_PAYER": "requester"},
        {"SOURCE": "s3://data/a.csv", "S3_KEY": "b.csv", "DYNAMODB_TABLE": "checkpoints"},
        {"SOURCE": "s3://data/a.csv", "S3_PREFIX": "x/", "DYNAMODB_TABLE": "checkpoints"},
        {"SOURCE": "s3://data/a.csv", "S3_INCLUDE": "*", "DYNAMODB_TABLE": "checkpoints"},
    ],
)
def test_what_is_no_source_or_two_is_refused(settings: dict[str, str]) -> None:
    with refusal(ConfigError, match="SOURCE"):
        config(**settings)


def test_an_object_needs_a_place_for_its_checkpoint() -> None:
    with refusal(ConfigError, match="Missing environment variable DYNAMODB_TABLE"):
        config(SOURCE="s3://data/a.csv")
