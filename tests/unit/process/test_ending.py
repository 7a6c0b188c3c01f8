"""What the log says of what ended a run, and which exit code follows."""

from __future__ import annotations

import logging

import pytest

from csvkafka.errors import (
    ConfigError,
    FencedError,
    StoppedError,
    UserFunctionError,
)
from csvkafka.exit_codes import ExitCode
from csvkafka.process.ending import exit_code, log_ending, wants_detailed
from tests.refusals import refusal, refusal_in

log = logging.getLogger("test")


@pytest.mark.parametrize(
    ("error", "plain", "detailed"),
    [
        (ConfigError("x"), 1, ExitCode.SETTINGS),
        (FencedError("x"), 1, ExitCode.FENCED),
        (StoppedError(15), 143, 143),
        (StoppedError(2), 130, 130),
        (ZeroDivisionError("x"), 1, ExitCode.DEFECT),
    ],
)
def test_exit_codes(error: Exception, plain: int, detailed: int) -> None:
    assert exit_code(error, detailed=False) == plain
    assert exit_code(error, detailed=True) == detailed


def test_the_environment_asks_for_detailed_codes() -> None:
    assert not wants_detailed({})
    assert not wants_detailed({"EXIT_CODES": ""})
    assert wants_detailed({"EXIT_CODES": "detailed"})
    with refusal(ConfigError, "EXIT_CODES must be one of plain, detailed, not 'many'"):
        wants_detailed({"EXIT_CODES": "many"})


def test_a_stop_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    stopped = StoppedError(15)
    refusal_in(StoppedError, str(stopped))
    with caplog.at_level(logging.INFO):
        assert log_ending(log, stopped) == 143
    (record,) = caplog.records
    assert record.levelname == "INFO", "the failure alarm counts ERROR"
    assert record.getMessage().startswith("Stopped: ")


def failed() -> UserFunctionError:
    def parse(text: str) -> int:
        return int(text)

    try:
        parse("4929-1234")
    except ValueError as error:
        return UserFunctionError.of("the transform own:parse", "row 2 of s3://b/k", error)
    raise AssertionError


def test_a_failed_function_is_named_without_values(caplog: pytest.LogCaptureFixture) -> None:
    error = failed()
    with caplog.at_level(logging.DEBUG):
        assert log_ending(log, error) == 1
    assert "own:parse raised ValueError for row 2 of s3://b/k" in caplog.text
    assert "return int(text)" in error.frames
    assert "4929" not in caplog.text + error.frames


def test_what_no_error_of_ours_foresaw_is_a_defect(caplog: pytest.LogCaptureFixture) -> None:
    assert log_ending(log, ZeroDivisionError("x")) == 1
    assert "This is a defect of csvkafka" in caplog.text
    assert "ZeroDivisionError: x" in caplog.text
