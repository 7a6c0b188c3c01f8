"""Which encoder is in use, and what is said where it cannot be the one that is wanted."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from csvkafka.compiled import ENCODER_VARIABLE, compiled_module
from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import ConfigError


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    compiled_module.cache_clear()
    yield
    compiled_module.cache_clear()


@pytest.fixture
def was_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "csvkafka._compiled", None)


def test_python_is_chosen_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENCODER_VARIABLE, "python")
    assert compiled_module() is None


@pytest.mark.usefixtures("was_not_built")
@pytest.mark.parametrize("wanted", ["", None])
def test_python_encodes_where_nothing_was_built(
    monkeypatch: pytest.MonkeyPatch, wanted: str | None
) -> None:
    monkeypatch.delenv(ENCODER_VARIABLE, raising=False)
    if wanted is not None:
        monkeypatch.setenv(ENCODER_VARIABLE, wanted)
    assert compiled_module() is None


@pytest.mark.usefixtures("was_not_built")
def test_an_encoder_that_is_insisted_on_and_was_not_built_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(ENCODER_VARIABLE, "compiled")
    with pytest.raises(ConfigError, match=r"no compiled encoder .*leave out CSVKAFKA_ENCODER"):
        compiled_module()


def test_no_load_begins_with_an_encoder_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENCODER_VARIABLE, "pypy")
    names = ("S3_BUCKET", "S3_KEY", "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_TOPIC", "DYNAMODB_TABLE")
    with pytest.raises(ConfigError, match="must be compiled or python, not 'pypy'"):
        LoadConfig.from_settings(dict.fromkeys(names, "x"))
