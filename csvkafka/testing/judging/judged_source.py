"""What a judged loader is given to load: one object, or a set of them under a prefix.

The same rows in both cases: of a set, each file has the header and its share of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO

from csvkafka.local.base import Stack
from csvkafka.testing.checker.documented import read_rows
from csvkafka.testing.checker.expectation import Expectation
from csvkafka.testing.checker.row_ledger import SourceRow
from csvkafka.testing.checker.set_files import OpenFile, SetFiles
from csvkafka.testing.inputs.csv_files import write_csv
from csvkafka.testing.judging.plan import JudgePlan

KEY = "data.csv"
PREFIX = "exports/"


class JudgedSource:
    """The CSV of a plan in `folder`, to be `put` into a bucket."""

    def __init__(self, plan: JudgePlan, folder: Path, bucket: str) -> None:
        """Writes it. Raises ConfigError for a row that does not fit the plan's table."""
        self._plan = plan
        self._bucket = bucket
        self._files: dict[str, Path] = {}
        count, row_count = plan.files or 1, plan.csv.row_count
        for number in range(count):
            key = KEY if plan.files is None else f"{PREFIX}part-{number:05d}.csv"
            path = folder / Path(key).name
            begin, end = row_count * number // count, row_count * (number + 1) // count
            with path.open("wb") as file:
                file.writelines(write_csv(plan.csv, begin, end))
            self._files[key] = path
        table = plan.table
        self.record_count = row_count if table is None else table.record_count(self.rows())
        """How many of its rows make a record."""

    @property
    def settings(self) -> dict[str, str]:
        """The variables that name it to a loader."""
        name = {"S3_KEY": KEY} if self._plan.files is None else {"S3_PREFIX": PREFIX}
        return {"S3_BUCKET": self._bucket, **name}

    @property
    def byte_count(self) -> int:
        """Of all files."""
        return sum(path.stat().st_size for path in self._files.values())

    def put(self, stack: Stack) -> None:
        """Stores it in a bucket of its own."""
        stack.create_bucket(self._bucket)
        for key, path in self._files.items():
            stack.put_object(self._bucket, key, path)

    def rows(self) -> Iterator[SourceRow]:
        """All rows, in their order."""
        for path in self._files.values():
            with path.open("rb") as source:
                yield from read_rows(source)

    def expectation(self, settings: Mapping[str, str]) -> Expectation:
        """What the records should be of a load by these settings, which is over. Raises
        RegistryUnavailableError, RegistryRefusedError."""
        plan, files = self._plan, None
        if plan.files is not None:
            opened: dict[str, OpenFile] = {
                f"s3://{self._bucket}/{key}": partial(_opened, path)
                for key, path in self._files.items()
            }
            files = SetFiles(opened, read_rows)
        if plan.table is not None:
            return plan.table.expectation(settings, files, plan.identify_by)
        if files is None:
            return plan.expected(f"s3://{self._bucket}/{KEY}")
        return plan.expected(f"s3://{self._bucket}/{PREFIX}", files.lines)


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")
