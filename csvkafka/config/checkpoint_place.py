"""Where a job's checkpoints are: `dynamodb://TABLE`, `sqlite:///PATH`, or `sqlite` for a file in
the user's folder for such things."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from csvkafka.errors import ConfigError
from csvkafka.files.state import default_checkpoint_path

DEFAULT_FILE = "sqlite"
"""Says: a file of SQLite, wherever this system keeps such files."""

_TABLE, _FILE = "dynamodb://", "sqlite://"
_FORMS = f"{_TABLE}TABLE, {_FILE}/PATH, or {DEFAULT_FILE} for a file in your own folder"


@dataclass(frozen=True, slots=True)
class CheckpointPlace:
    """A table of DynamoDB or, where there is a `path`, a file of SQLite. `is_default`: nobody typed
    the path, so the file is made where it is missing."""

    table: str = ""
    path: Path | None = None
    is_default: bool = False

    @classmethod
    def parse(cls, text: str) -> CheckpointPlace:
        """What a URI says. Raises ConfigError."""
        if text == DEFAULT_FILE:
            return cls(path=default_checkpoint_path(), is_default=True)
        if text.startswith(_TABLE):
            table = text.removeprefix(_TABLE)
            if table and "/" not in table:
                return cls(table)
        elif text.startswith(_FILE):
            path = unquote(text.removeprefix(_FILE))
            if not path.startswith("/") or path.endswith("/"):
                raise ConfigError(
                    f"CHECKPOINT {text!r} names no file: give its whole path after {_FILE}, such "
                    f"as {_FILE}{Path.cwd() / 'checkpoints.sqlite'}"
                )
            return cls(path=Path(path))
        raise ConfigError(f"CHECKPOINT must be {_FORMS}, not {text!r}")

    @classmethod
    def named(cls, name: str) -> CheckpointPlace:
        """What is given where the specification has a table's name: the name of a table (it holds
        no `:`), or a file as `CHECKPOINT` names it. Raises ConfigError."""
        if name == DEFAULT_FILE or name.startswith((_FILE, _TABLE)):
            return cls.parse(name)
        return cls(name)

    @property
    def name(self) -> str:
        """What `named` reads back."""
        if self.path is None:
            return self.table
        return DEFAULT_FILE if self.is_default else f"{_FILE}{quote(str(self.path))}"


def place_of(values: Mapping[str, str]) -> CheckpointPlace | None:
    """Where the settings say that checkpoints are; None if they do not. Raises ConfigError."""
    uri, table = values.get("CHECKPOINT", ""), values.get("DYNAMODB_TABLE", "")
    if not uri:
        return CheckpointPlace(table) if table else None
    place = CheckpointPlace.parse(uri)
    if table and place != CheckpointPlace(table):
        raise ConfigError(
            f"CHECKPOINT is {uri} and DYNAMODB_TABLE is {table}: a job has its checkpoint in one "
            "place; set one of them, the one where the job was begun"
        )
    return place
