"""How a loader that is not ours is started: its command line and its environment.

The command may be any program. What it needs to know is in the documented environment variables
(S3_BUCKET ... JOB_ID, and AWS_* for the stack), and in placeholders that its arguments may hold:
`my-loader --input s3://{bucket}/{key} --topic {topic}`.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from csvkafka.config.settings import SETTINGS
from csvkafka.errors import ConfigError

PLACEHOLDERS = {
    "bucket": "S3_BUCKET",
    "key": "S3_KEY",
    "prefix": "S3_PREFIX",
    "bootstrap_servers": "KAFKA_BOOTSTRAP_SERVERS",
    "topic": "KAFKA_TOPIC",
    "table": "DYNAMODB_TABLE",
    "job_id": "JOB_ID",
    "endpoint_url": "AWS_ENDPOINT_URL",
    "columns": "CSV_COLUMNS",
    "registry": "SCHEMA_REGISTRY_URL",
}
"""Placeholder -> the variable that holds the same; empty where it is not given: one object has no
prefix, a set no key, and few judgements a declared table and a registry. `{folder}` is one more: an
empty folder that lasts for all incarnations, for loaders that keep their progress in a file."""

_ALL_PLACEHOLDERS = (*PLACEHOLDERS, "folder")

# JSON and shell code among the arguments have braces of their own.
_PLACEHOLDER = re.compile(r"(?<!\$)\{([a-z_]+)\}")

# The loader takes the shell's place, so signals reach it and the exit code is its own.
_IN_FOLDER = ("/bin/sh", "-c", 'cd "$0" && exec "$@"')


@dataclass(frozen=True, slots=True)
class LoaderCommand:
    """A command line, not started yet. `variables` are the loader's own, beside the documented
    ones; they may hold placeholders too. It runs in `working_folder`."""

    arguments: tuple[str, ...]
    variables: Mapping[str, str]
    working_folder: Path

    @classmethod
    def parse(
        cls,
        command: str,
        variables: Sequence[str] = (),
        working_folder: Path | None = None,
    ) -> LoaderCommand:
        """Reads a command line as a shell would split it, and `NAME=VALUE` texts.

        Raises ConfigError if that cannot be run at all."""
        folder = working_folder or Path.cwd()
        try:
            arguments = tuple(shlex.split(command))
        except ValueError as error:
            raise ConfigError(f"the command {command!r} cannot be read: {error}") from error
        if not arguments:
            raise ConfigError("the command is empty; give the loader to be judged")
        given = dict(text.partition("=")[::2] for text in variables)
        if not all(given) or not all("=" in text for text in variables):
            raise ConfigError("a variable for the loader is given as NAME=VALUE")
        for text in (*arguments, *given.values()):
            _check_placeholders(text)
        if not _is_runnable(arguments[0], folder):
            raise ConfigError(
                f"there is no program {arguments[0]!r}; give its path, or one that PATH finds"
            )
        return cls(arguments, given, folder)

    def argv(self, values: Mapping[str, str]) -> list[str]:
        """The arguments for one judgement; `values` by placeholder."""
        return [
            *_IN_FOLDER,
            str(self.working_folder),
            *(_filled(a, values) for a in self.arguments),
        ]

    def python_program(self, values: Mapping[str, str]) -> list[str] | None:
        """What this very Python runs, of a command `PYTHON -P PROGRAM...`: a script, or -m and a
        module, and arguments. None: another program, or another way to give it (-c)."""
        filled = [_filled(argument, values) for argument in self.arguments]
        if filled[:2] != [sys.executable, "-P"] or len(filled) == 2:
            return None
        is_option = filled[2].startswith("-") and filled[2] != "-m"
        return None if is_option else filled[2:]

    def environment(
        self, documented: Mapping[str, str], values: Mapping[str, str]
    ) -> dict[str, str]:
        """This process's environment without settings and AWS access of its own, the documented
        variables, and the loader's own."""
        settings = {setting.variable for setting in SETTINGS}
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in settings and not name.startswith("AWS_")
        }
        own = {name: _filled(value, values) for name, value in self.variables.items()}
        return {**inherited, **documented, **own}

    def __str__(self) -> str:
        return shlex.join(self.arguments)


def placeholder_values(documented: Mapping[str, str], folder: Path) -> dict[str, str]:
    """What each placeholder stands for."""
    values = {name: documented.get(variable, "") for name, variable in PLACEHOLDERS.items()}
    return {**values, "folder": str(folder)}


def _check_placeholders(text: str) -> None:
    unknown = [name for name in _PLACEHOLDER.findall(text) if name not in _ALL_PLACEHOLDERS]
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in _ALL_PLACEHOLDERS)
        raise ConfigError(f"there is no placeholder {{{unknown[0]}}}; there are {known}")


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _is_runnable(program: str, folder: Path) -> bool:
    if os.sep in program:
        path = folder / program
        return path.is_file() and os.access(path, os.X_OK)
    return shutil.which(program) is not None
