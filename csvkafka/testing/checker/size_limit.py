"""Which rows are to be set aside because their record would be too large.

The size of a record is the bytes of its key, of its value, and of the names and values of its
headers, not compressed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from csvkafka.testing.checker.documented import TopicRecord
from csvkafka.testing.checker.row_ledger import SourceRow


def record_size(record: TopicRecord) -> int:
    """The size of a record as it stands in the topic."""
    size = len(record.key or b"") + len(record.value or b"")
    return size + sum(len(name.encode()) + len(value or b"") for name, value in record.headers)


@dataclass(frozen=True, slots=True)
class SizeLimit:
    """Rows whose record would be larger than `most_bytes` are to be set aside.

    `size_of(row, source_line, key)` is the size that the record of a good row must have.
    `bound_of(row)` is never less, and cheap: most rows are far from any limit. None: there is no
    such bound."""

    most_bytes: int
    size_of: Callable[[SourceRow, int, bytes | None], int]
    bound_of: Callable[[SourceRow], int] | None = None

    def size_above(self, row: SourceRow, source_line: int, key: bytes | None) -> int:
        """The size of the row's record if that is above the limit; else 0."""
        if self.bound_of is not None and self.bound_of(row) <= self.most_bytes:
            return 0
        size = self.size_of(row, source_line, key)
        return size if size > self.most_bytes else 0
