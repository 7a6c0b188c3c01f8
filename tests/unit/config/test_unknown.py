"""A setting's name that is no setting: refused from a program, warned about in the environment."""

from __future__ import annotations

import pytest

from csvkafka.config.unknown import check_settings, misspelt_variables
from csvkafka.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("KEY_COLUM", "'KEY_COLUM' is no setting, is 'KEY_COLUMN' meant?"),
        ("key_column", "'key_column' is no setting, is 'KEY_COLUMN' meant?"),
        ("CSV_DELIMTER", "is 'CSV_DELIMITER' meant?"),
        ("LINGER_MS", "'LINGER_MS' is no setting;"),
        ("CHECKPOINT_INTERVAL", "'CHECKPOINT_INTERVAL' is the argument checkpoint_interval"),
    ],
)
def test_a_program_is_refused_by_name_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_settings({"ENCODE_WORKERS": "1", name: "1"})
    assert said in str(caught.value)
    assert "ENCODE_WORKERS" not in str(caught.value)


def test_what_a_program_took_over_from_the_environment_is_not_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KEY_COLUM", "id")
    check_settings({"KEY_COLUM": "id", "KEY_COLUMN": "id", "AWS_REGION": "eu-west-1"})
    with pytest.raises(ConfigError, match="KEY_COLUM"):
        check_settings({"KEY_COLUM": "another"})


def test_a_variable_that_is_nearly_ours_is_warned_about() -> None:
    environment = {"CSV_DELIMTER": ";", "KAFKA_COMPRESION_TYPE": "zstd", "S3_VERSION": "1"}
    said = list(misspelt_variables(environment))
    assert said == [
        "CSV_DELIMTER is set, which csvkafka does not read: is CSV_DELIMITER meant?",
        "KAFKA_COMPRESION_TYPE is set, which csvkafka does not read: is KAFKA_COMPRESSION_TYPE "
        "meant?",
    ]


@pytest.mark.parametrize(
    "environment",
    [
        {"KAFKA_HEAP_OPTS": "-Xmx1g", "KAFKA_OPTS": "", "KAFKA_LOG_DIRS": "/x", "S3_ENDPOINT": "x"},
        {"CSV_DELIMTER": ";", "CSV_DELIMITER": ","},
        {"PATH": "/bin", "HOME": "/root", "JOB_NAME": "nightly", "ON_CALL": "ada"},
    ],
)
def test_what_others_set_is_let_be(environment: dict[str, str]) -> None:
    assert list(misspelt_variables(environment)) == []
