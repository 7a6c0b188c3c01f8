"""Arguments of the documented classes that are of another kind, refused at once by name."""

from __future__ import annotations

from typing import Any

import pytest

from csvkafka.checkpoint import CheckpointManager
from csvkafka.errors import ConfigError
from csvkafka.processor import CSVToKafkaProcessor
from tests.refusals import refusal


def made(**arguments: Any) -> CSVToKafkaProcessor:
    manager = CheckpointManager("checkpoints", "job")
    given = {"checkpoint_manager": manager, **arguments}
    return CSVToKafkaProcessor("data", "rows.csv", "127.0.0.1:9092", "rows", **given)


@pytest.mark.parametrize(
    ("argument", "value", "said"),
    [
        ("checkpoint_manager", "table", "a CheckpointManager, .* not str"),
        ("checkpoint_manager", None, "a CheckpointManager, .* not NoneType"),
        ("settings", ["a"], "a mapping .* not list"),
        ("settings", "", "a mapping .* not str"),
        ("transform", 3, "a function .* not int"),
        ("transform", "own:parse", 'a function .* not str; .*"TRANSFORM": "module:function"'),
    ],
)
def test_an_argument_of_another_kind_is_refused(argument: str, value: object, said: str) -> None:
    with refusal(ConfigError, f"'{argument}' must be {said}"):
        made(**{argument: value})


def test_a_checkpoint_manager_that_is_set_later_is_looked_at_too() -> None:
    processor = made()
    processor.checkpoint_manager = "table"  # type: ignore[assignment]
    with refusal(ConfigError, "'checkpoint_manager' must be a CheckpointManager"):
        processor.process()


def test_a_client_of_another_service_is_refused() -> None:
    processor = made()
    processor.s3_client = object()  # type: ignore[assignment]
    with refusal(ConfigError, "'s3_client' must be a client for S3"):
        processor.process()


@pytest.mark.parametrize(
    ("names", "said"),
    [(("checkpoints", None), "'job_id' must be text"), ((3, "job"), "'table_name' must be text")],
)
def test_a_checkpoint_manager_takes_texts(names: tuple[Any, Any], said: str) -> None:
    with refusal(ConfigError, said):
        CheckpointManager(*names)
