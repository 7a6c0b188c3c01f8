"""What a judged loader is given to load: one object, or a set of them under a prefix.

The same rows in both cases: of a set, each file has the header and its share of them.
"""

from __future__ import annotations

from collections.abc import Iterator
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

    def expectation(self) -> Expectation:
        """What the records should be."""
        if self._plan.files is None:
            return self._plan.expected(f"s3://{self._bucket}/{KEY}")
        opened: dict[str, OpenFile] = {
            f"s3://{self._bucket}/{key}": partial(_opened, path)
            for key, path in self._files.items()
        }
        lines = SetFiles(opened, read_rows).lines
        return self._plan.expected(f"s3://{self._bucket}/{PREFIX}", lines)


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")
