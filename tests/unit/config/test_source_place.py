"""Where the CSV is, as the settings say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import ConfigError
from csvkafka.model import SourceIdentity
from csvkafka.sources import set_objects
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
    "point",
    [
        "arn:aws:s3:eu-west-1:111122223333:accesspoint/exports",
        "arn:aws:s3:eu-west-1:111122223333:accesspoint:exports",
        "arn:aws:s3-outposts:eu-west-1:111122223333:outpost/op-1/accesspoint/exports",
        "exports--euw1-az1--x-s3",
    ],
)
def test_an_access_point_or_a_directory_bucket_may_stand_for_a_bucket(point: str) -> None:
    found = config(SOURCE=f"s3://{point}/a/b.csv", DYNAMODB_TABLE="checkpoints")
    assert (found.s3_bucket, found.s3_key) == (point, "a/b.csv")


@pytest.mark.parametrize(
    "place",
    [
        {"S3_PREFIX": "exports/"},
        {"S3_MANIFEST": "lists/m.txt"},
        {"S3_MANIFEST": "s3://data/lists/m.txt"},
        {"S3_MANIFEST": "s3://other/lists/m.txt"},
    ],
)
def test_a_set_is_named_as_in_its_item(place: dict[str, str]) -> None:
    """Or `replay` and `verify` take it for another one."""
    found = config(S3_BUCKET="data", **place, DYNAMODB_TABLE="checkpoints")
    objects = set_objects(found)
    assert found.source_uri == SourceIdentity(objects.bucket, objects.name, "", 0).uri


def test_a_remote_object_is_named_by_its_uri() -> None:
    found = config(SOURCE="gs://data/a.csv", DYNAMODB_TABLE="checkpoints")
    assert (found.source_uri, found.is_set, found.is_in_s3) == ("gs://data/a.csv", False, False)


def test_a_remote_object_needs_a_place_for_its_checkpoint() -> None:
    with refusal(ConfigError, match=r"Missing environment variable DYNAMODB_TABLE \(or CHECKPOINT"):
        config(SOURCE="https://h/a.csv")


def test_an_authorization_is_read_from_a_file_and_never_shown(tmp_path: Path) -> None:
    held = tmp_path / "token"
    held.write_text("Bearer SECRET\n")
    place = {"SOURCE": "https://h/a.csv", "CHECKPOINT": "sqlite"}
    for text in ("Bearer SECRET", f"@{held}"):
        found = config(**place, SOURCE_AUTHORIZATION=text)
        assert found.source_authorization == "Bearer SECRET"
        assert "SECRET" not in repr(found)
    for wrong in ("SECRET\nSECRET", "SECRETé", f"@{tmp_path}/none"):
        with refusal(ConfigError, match="SOURCE_AUTHORIZATION") as caught:
            config(**place, SOURCE_AUTHORIZATION=wrong)
        assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        *({"SOURCE": each} for each in ("-", "/dev/stdin", "ftp://h/a.csv", "file://host/a.csv")),
        *({"SOURCE": each} for each in ("s3://data", "s3:///a.csv")),
        {"SOURCE": "a.csv", "S3_BUCKET": "data"},
        {"SOURCE": "a.csv", "SOURCE_AUTHORIZATION": "Bearer T"},
        {"SOURCE": "gs://data", "CHECKPOINT": "sqlite"},
        {"SOURCE": "https://h/a.csv", "S3_KEY": "b.csv", "CHECKPOINT": "sqlite"},
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
