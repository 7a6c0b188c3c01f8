"""How the program ends: what it logs of an error, and the exit code that says what it was."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from csvkafka.errors import ConfigError, CsvKafkaError, StoppedError
from csvkafka.exit_codes import ExitCode

EXIT_CODES_VARIABLE = "EXIT_CODES"
PLAIN, DETAILED = EXIT_CODES = ("plain", "detailed")
"""plain: the documented 0 and 1. detailed: what `exit_codes.ExitCode` tells apart."""


def wants_detailed(environment: Mapping[str, str]) -> bool:
    """Whether the environment asks for detailed exit codes. Raises ConfigError."""
    return are_detailed(environment.get(EXIT_CODES_VARIABLE) or PLAIN, EXIT_CODES_VARIABLE)


def are_detailed(text: str, given_by: str) -> bool:
    """Whether `text`, which a variable or an option gave, asks for them. Raises ConfigError."""
    if text not in EXIT_CODES:
        raise ConfigError(
            f"{given_by} must be one of {', '.join(EXIT_CODES)}, not {text!r}; set one of them"
        )
    return text == DETAILED


def exit_code(error: Exception, *, detailed: bool) -> int:
    """The process's exit code after `error`."""
    if isinstance(error, CsvKafkaError):
        return error.detailed_exit_code if detailed else error.exit_code
    return ExitCode.DEFECT if detailed else 1


def log_ending(log: logging.Logger, error: Exception, *, detailed: bool = False) -> int:
    """Logs what ended the run, in one line; returns the exit code.

    A stop is no error. Of what the user's own function raised nothing is shown that could hold
    values of a row."""
    if isinstance(error, StoppedError):
        log.info("Stopped: %s", error)
    elif isinstance(error, CsvKafkaError):
        log.error("%s: %s", type(error).__name__, error)
    else:
        log.error("This is a defect of csvkafka; please report it with this log", exc_info=error)
    return exit_code(error, detailed=detailed)
