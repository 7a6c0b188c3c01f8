"""What a case loads: one object, or a set of files, as the bucket holds it and as it is judged."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

from csvkafka.local.base import Stack
from csvkafka.testing.checker.documented import read_rows
from csvkafka.testing.checker.set_files import OpenFile
from csvkafka.testing.inputs.csv_files import CsvSpec, write_csv
from csvkafka.testing.inputs.packed import packed


@dataclass(frozen=True, slots=True)
class CaseSource:
    """One object at `key`, whose CSV is `content`, stored as the bytes `stored`; or, where there
    are `files`, a set of them under `prefix`: the CSV of each by its key."""

    bucket: str
    key: str
    prefix: str
    content: bytes
    stored: bytes
    files: dict[str, bytes]

    @classmethod
    def of(
        cls,
        source: CsvSpec | bytes | Mapping[str, bytes],
        stored: bytes | None,
        *,
        bucket: str,
        name: str,
    ) -> CaseSource:
        """The source of the case `name`. `stored` None: the object's bytes are those of its CSV."""
        files: dict[str, bytes] = {}
        content = b""
        if isinstance(source, Mapping):
            files = {f"{name}/{file}": source[file] for file in sorted(source)}
        else:
            content = _written(source) if isinstance(source, CsvSpec) else source
        stored = content if stored is None else stored
        return cls(bucket, f"{name}.csv", f"{name}/", content, stored, files)

    @property
    def row_count(self) -> int:
        """Data rows of the object, or of all files."""
        return sum(map(_rows_in, self.files.values())) if self.files else _rows_in(self.content)

    @property
    def settings(self) -> dict[str, str]:
        """The settings that name it to a loader."""
        key = {"S3_PREFIX": self.prefix} if self.files else {"S3_KEY": self.key}
        return {"S3_BUCKET": self.bucket, **key}

    def put(self, stack: Stack) -> None:
        """Stores it, in a versioned bucket that is made if it is not there."""
        if self.bucket not in {it["Name"] for it in stack.client("s3").list_buckets()["Buckets"]}:
            stack.create_bucket(self.bucket, versioned=True)
        if not self.files:
            stack.put_object(self.bucket, self.key, self.stored)
        for key, data in self.files.items():
            self.put_file(stack, key, data)

    def put_file(self, stack: Stack, key: str, data: bytes) -> None:
        """Stores a file of a set, compressed if its key says so."""
        stack.put_object(self.bucket, key, packed(key, data))

    def opened(self) -> dict[str, OpenFile] | None:
        """The files by their URIs, for the checker; None if it is one object."""
        if not self.files:
            return None
        return {
            f"s3://{self.bucket}/{key}": partial(io.BytesIO, data)
            for key, data in self.files.items()
        }


@lru_cache(maxsize=4)
def _written(spec: CsvSpec) -> bytes:
    """The file of the spec, which most cases share; four such files are kept in memory."""
    return b"".join(write_csv(spec))


@lru_cache(maxsize=4)
def _rows_in(data: bytes) -> int:
    """Data rows as the default dialect reads them; with another one a test knows better how many it
    made. Kept as `_written` is: to count the rows of the file that most cases share took a fifth of
    what a case does itself."""
    return sum(1 for _ in read_rows(io.BytesIO(data), errors="replace"))
