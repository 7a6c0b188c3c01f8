"""Where checkpoints are, as the settings say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from csvkafka.config.checkpoint_place import CheckpointPlace, place_of
from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import ConfigError
from csvkafka.files.state import default_checkpoint_path
from tests.refusals import refusal

REQUIRED = {
    "S3_BUCKET": "data",
    "S3_KEY": "data.csv",
    "KAFKA_BOOTSTRAP_SERVERS": "broker:9092",
    "KAFKA_TOPIC": "rows",
}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("dynamodb://checkpoints", CheckpointPlace("checkpoints")),
        ("sqlite:///var/lib/c.sqlite", CheckpointPlace(path=Path("/var/lib/c.sqlite"))),
        ("sqlite:////var/lib/c.sqlite", CheckpointPlace(path=Path("//var/lib/c.sqlite"))),
        ("sqlite:///with%20blank/%C3%BC", CheckpointPlace(path=Path("/with blank/ü"))),
        ("sqlite", CheckpointPlace(path=default_checkpoint_path(), is_default=True)),
    ],
)
def test_a_uri_is_read(text: str, place: CheckpointPlace) -> None:
    assert CheckpointPlace.parse(text) == place
    assert CheckpointPlace.named(place.name) == place


@pytest.mark.parametrize(
    "text",
    [
        *("sqlite://", "sqlite:///", "sqlite://c.sqlite", "sqlite:///folder/", "sqlite:c.sqlite"),
        *("dynamodb://", "dynamodb://a/b", "checkpoints", "redis://host", "SQLITE"),
    ],
)
def test_another_text_is_refused_with_what_it_may_be(text: str) -> None:
    with refusal(ConfigError, match="CHECKPOINT"):
        CheckpointPlace.parse(text)


def test_a_tables_name_is_a_place_too() -> None:
    assert CheckpointPlace.named("checkpoints") == CheckpointPlace("checkpoints")
    arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/checkpoints"
    assert CheckpointPlace.named(arn) == CheckpointPlace(arn)


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"DYNAMODB_TABLE": "checkpoints"}, CheckpointPlace("checkpoints")),
        ({"CHECKPOINT": "dynamodb://checkpoints"}, CheckpointPlace("checkpoints")),
        ({"CHECKPOINT": "dynamodb://c", "DYNAMODB_TABLE": "c"}, CheckpointPlace("c")),
        ({"CHECKPOINT": "", "DYNAMODB_TABLE": "c"}, CheckpointPlace("c")),
        ({"CHECKPOINT": "sqlite:///c", "DYNAMODB_TABLE": ""}, CheckpointPlace(path=Path("/c"))),
    ],
)
def test_a_load_has_its_checkpoint_in_one_place(
    more: dict[str, str], place: CheckpointPlace
) -> None:
    assert LoadConfig.from_settings(REQUIRED | more).checkpoint == place


def test_two_places_are_refused() -> None:
    with refusal(ConfigError, match="in one place"):
        place_of({"CHECKPOINT": "sqlite:///c", "DYNAMODB_TABLE": "checkpoints"})


def test_without_any_place_the_table_is_missing() -> None:
    with refusal(ConfigError, match="DYNAMODB_TABLE"):
        LoadConfig.from_settings(REQUIRED)


def test_a_file_that_nobody_named_is_made(tmp_path: Path) -> None:
    assert LoadConfig.from_settings(REQUIRED | {"CHECKPOINT": "sqlite"}).create_table
    named = {"CHECKPOINT": f"sqlite://{tmp_path}/c"}
    assert not LoadConfig.from_settings(REQUIRED | named).create_table
