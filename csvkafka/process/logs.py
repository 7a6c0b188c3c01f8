"""The log on stdout, in the documented format. Writing it can never disturb a load."""

from __future__ import annotations

import contextlib
import logging
import os
import sys

from csvkafka.errors import ConfigError

LOG_FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
LOG_DATE_FORMAT = "%Y-%m-%d %H:%M:%S"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_LEVEL_VARIABLE = "LOG_LEVEL"


def log_level() -> str:
    """The level that the environment asks for. Raises ConfigError if there is none of its name."""
    return checked_level(os.environ.get(LOG_LEVEL_VARIABLE) or "INFO", LOG_LEVEL_VARIABLE)


def checked_level(text: str, given_by: str) -> str:
    """The level of this name, which a variable or an option gave. Raises ConfigError if there is
    none."""
    if text.upper() not in LOG_LEVELS:
        raise ConfigError(f"{given_by} must be one of {', '.join(LOG_LEVELS)}, not {text!r}")
    return text.upper()


def is_debugging() -> bool:
    """DEBUG is asked for, by the environment or by whoever has set up logging."""
    asked = os.environ.get(LOG_LEVEL_VARIABLE, "").upper() == "DEBUG"
    return asked or logging.getLogger().isEnabledFor(logging.DEBUG)


def configure_logging(level: str = "INFO") -> None:
    """Logs to stdout from `level` on. A line that cannot be written (disk full, reader gone) is
    dropped."""
    logging.raiseExceptions = False
    logging.basicConfig(
        level=level, format=LOG_FORMAT, datefmt=LOG_DATE_FORMAT, stream=sys.stdout, force=True
    )
    # What the client's own log says at these levels, csvkafka says again in its own words.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("botocore").setLevel(logging.WARNING)


def let_go_of_output() -> None:
    """Flushes stdout and stderr. One that cannot be written any more (its reader has gone, the disk
    is full) is let go, so that Python's own flush at exit does not change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
