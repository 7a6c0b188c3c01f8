"""What a judgement is to do, and who watches it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from csvkafka.errors import ConfigError
from csvkafka.testing.checker.documented import FileLines, documented_record
from csvkafka.testing.checker.expectation import Expectation, IdentifyBy
from csvkafka.testing.checker.topic_reader import Isolation
from csvkafka.testing.inputs.csv_files import CsvSpec, column_names
from csvkafka.testing.judging.judged_table import JudgedTable
from csvkafka.testing.processes.loader_command import LoaderCommand

DEFAULT_FILE = CsvSpec(
    50_000, quoted_fraction=0.2, newline_fraction=0.02, unicode_fraction=0.05, hostile_fraction=0.02
)


@dataclass(frozen=True, slots=True)
class JudgePlan:
    """What is run, and how it is struck.

    `stall_seconds`: a loader that neither brings a new record nor ends for this long is killed as
    hung. `failures`: the judgement ends after this many ends with an error in a row, without a new
    record, and after `errors` of them in all. `run_again`: a loader that is done is started once
    more, and should then send nothing. `files`: the CSV is a set of this many objects under a
    prefix (S3_PREFIX), loaded by their keys; None: one object (S3_KEY).

    `csv_columns` is a declared table (docs/records.md) by which the loader is to make its records,
    in the topics of its routes too; `csv` must have the columns that it names, and
    `schema_registry_url` is a registry that runs, for records that name a schema.
    `expectation(source_uri)` is for yet other records; the URI of a set is that of its prefix.

    `forks`: what this very Python runs (`PYTHON -P PROGRAM`) is forked from the nursery, so that a
    start costs little: in a folder of its own, not in the command's, and without variables of
    Python's own. Else each is started as users start it.

    Raises ConfigError for what does not go together, and for a table that does not fit."""

    command: LoaderCommand
    csv: CsvSpec = DEFAULT_FILE
    files: int | None = None
    kills: int = 5
    pauses: int = 0
    seed: int = 0
    partitions: int = 1
    stall_seconds: float = 60.0
    failures: int = 3
    errors: int = 10
    run_again: bool = False
    isolations: tuple[Isolation, ...] = tuple(Isolation)
    identify_by: IdentifyBy = IdentifyBy.LINE
    csv_columns: Path | None = None
    schema_registry_url: str | None = None
    expectation: Callable[[str], Expectation] | None = None
    forks: bool = False
    table: JudgedTable | None = field(init=False, default=None, compare=False)
    """What `csv_columns` declares."""

    def __post_init__(self) -> None:
        if self.files is not None and self.files < 1:
            raise ConfigError("a set of files has at least one: give files=1, or more")
        if self.csv_columns is None and self.schema_registry_url is not None:
            raise ConfigError(
                "SCHEMA_REGISTRY_URL is for a table whose records name a schema: give CSV_COLUMNS "
                "too, or leave it out"
            )
        if self.csv_columns is None:
            return
        if self.expectation is not None:
            raise ConfigError("CSV_COLUMNS and an Expectation exclude each other: give one of them")
        table = JudgedTable(
            self.csv_columns,
            column_names(self.csv),
            self.schema_registry_url,
            self.command.variables,
        )
        object.__setattr__(self, "table", table)

    def expected(
        self, source_uri: str, files: Mapping[str, FileLines] | None = None
    ) -> Expectation:
        """What the records should be where no table declares them; `files` has the lines of each
        file of a set, by its URI."""
        if self.expectation is not None:
            return self.expectation(source_uri)
        decode = documented_record(source_uri) if files is None else documented_record(files=files)
        return Expectation(decode=decode, identify_by=self.identify_by)


class JudgeView(Protocol):
    """Whoever watches."""

    def phase(self, text: str, total: int) -> None:
        """Says what begins now, and how much it will do in all (`total`)."""

    def reached(self, done: int) -> None:
        """How much of it is done."""

    def say(self, text: str) -> None:
        """A fact worth a line."""


class Unwatched:
    """A `JudgeView` for nobody."""

    def phase(self, text: str, total: int) -> None: ...
    def reached(self, done: int) -> None: ...
    def say(self, text: str) -> None: ...
