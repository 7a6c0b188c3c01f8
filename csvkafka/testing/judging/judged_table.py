"""The declared table by which a judged loader is to make its records.

What the record of a row must be follows from the table by the checker's own reading
(`declared`, `wire`); nothing of csvkafka's encoder has a part in it. Which partition a key chooses
no table says: so any will do, but equal keys must be in one partition of each topic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from csvkafka.config.load_config import LoadConfig
from csvkafka.errors import ConfigError
from csvkafka.schema.fitting import check_columns
from csvkafka.testing.checker.declared import DeclaredRows
from csvkafka.testing.checker.expectation import Expectation, IdentifyBy
from csvkafka.testing.checker.job_expectation import expectation_of
from csvkafka.testing.checker.row_ledger import SourceRow
from csvkafka.testing.checker.set_files import SetFiles
from csvkafka.testing.checker.wire import JudgedSchemas

_ANY_JOB = {
    "S3_BUCKET": "judge",
    "S3_KEY": "judge",
    "KAFKA_BOOTSTRAP_SERVERS": "judge:9092",
    "KAFKA_TOPIC": "judge-rows-of-no-route",
    "DYNAMODB_TABLE": "judge",
    "JOB_ID": "judge",
}
"""For a look at the table before there are servers."""

_NEEDED_TO_READ = (
    "CSV_HASH_KEY",
    "SCHEMA_REGISTRY_BASIC_AUTH",
    "SCHEMA_REGISTRY_BEARER_TOKEN",
    "SCHEMA_REGISTRY_SSL_CAFILE",
)
"""Variables of the loader's own that its judge needs too."""


class JudgedTable:
    """The table in the TOML file `path`, for a CSV with these `columns`. `registry_url` is the
    registry of the schemas that its records name; `variables` are the loader's own."""

    def __init__(
        self,
        path: Path,
        columns: Sequence[str],
        registry_url: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Asks no server. Raises ConfigError for a table that cannot be read or does not fit, and
        where a registry is missing."""
        self.settings = {"CSV_COLUMNS": str(path.absolute())}
        if registry_url is not None:
            self.settings["SCHEMA_REGISTRY_URL"] = registry_url
        given = variables or {}
        self._known = {name: given[name] for name in _NEEDED_TO_READ if name in given}
        config = self._config(_ANY_JOB)
        table = config.spec.whole_table
        assert table is not None
        check_columns(table, columns, "the CSV that is made")
        config.spec.schemas(columns)
        self._rows = DeclaredRows(table)
        self.routed_topics = config.spec.data_topics[1:]
        """The topics of its routes, by name."""

    def record_count(self, rows: Iterable[SourceRow]) -> int:
        """How many of the rows of the CSV make a record. Raises ConfigError for one that does not
        fit the table: what becomes of it, the table does not say."""
        count = 0
        for line, row in enumerate(rows, 1):
            if misfit := self._rows.misfit(row):
                raise ConfigError(
                    f"row {line} of the CSV that is made does not fit CSV_COLUMNS: {misfit}; "
                    "dead letters are not judged, so declare what the column holds, or choose "
                    "another CSV (--preset typed)"
                )
            count += not self._rows.is_dropped(row)
        return count

    def check_registry(self, settings: Mapping[str, str]) -> None:
        """Asks the registry once, if there is one. Raises RegistryUnavailableError,
        RegistryRefusedError."""
        config = self._config(settings)
        if config.registry is not None:
            JudgedSchemas(config).check_reachable()

    def expectation(
        self, settings: Mapping[str, str], files: SetFiles | None, identify_by: IdentifyBy
    ) -> Expectation:
        """What the records should be of a load by these settings, which is over; `files` are those
        of a set. Raises RegistryUnavailableError, RegistryRefusedError."""
        config = self._config(settings)
        schemas = None if config.registry is None else JudgedSchemas(config)
        due = expectation_of(config, 1, files, identify_by, schemas=schemas)
        return replace(due, partition_of=None, number_for=None)

    def _config(self, settings: Mapping[str, str]) -> LoadConfig:
        return LoadConfig.from_settings({**settings, **self._known, **self.settings})
