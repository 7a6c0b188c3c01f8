"""The compiled encoder, where it was built and is wanted: row ends and records in one pass over the
bytes, without the interpreter and its lock.

It is optional. What `csvkafka._compiled` (the sources are in `compiled/`) makes, Python makes too,
to the same bytes, in `rows` and `encode`.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from functools import cache
from typing import Protocol, cast

from csvkafka.errors import ConfigError

ENCODER_VARIABLE = "CSVKAFKA_ENCODER"
"""`compiled` or `python`; without it the compiled one, where it was built."""


CompiledColumn = tuple[int, int, int, int, tuple[bytes, ...], tuple[bytes, ...], tuple[bytes, ...]]
"""Kind, options, two numbers and the texts of null, true and false, as `compiled/columns.h` has
them."""

CompiledDrop = tuple[int, bool, tuple[bytes, ...]]
"""A column of the file, whether the condition is negated, and its texts."""

CompiledTable = tuple[
    tuple[CompiledColumn | None, ...],
    tuple[int, ...],
    int,
    tuple[bytes, ...],
    int,
    tuple[int, ...],
    tuple[bytes, ...],
    tuple[CompiledDrop, ...],
]
"""The columns of the file (None: neither in the record nor in its key), those in the record in its
order, the form of the row's number in it, what stands before and behind the number in its headers,
the form of its key, the key's columns, what stands before each and behind the last, and which rows
make no record, as `compiled/plan.h` has them."""


class CompiledEncoder(Protocol):
    """Frames the rows of one plan, up to one that is left to the caller: it has another width than
    the header, a field that is not plainly of its declared type, or perhaps too large a record.

    Its methods raise ValueError where a quote is open at the end of the data."""

    def frame(
        self, data: bytes, offset: int, number: int, delta: int, rows: int, piece_bytes: int
    ) -> tuple[bytes, int, int, int]:
        """The records of rows that begin at byte `offset`: at most `rows` of them, until there are
        `piece_bytes` of records, or one is left. Returns these bytes, the byte offset of the next
        row, how many rows they are, and the byte offset behind the next row if it is left, else -1.
        `number` is the first one's `source_line`, `delta` its place in the batch."""
        ...

    def frame_lanes(
        self,
        data: bytes,
        offset: int,
        number: int,
        skips: Sequence[int],
        rows: Sequence[int],
        dropped: bytes | memoryview,
    ) -> tuple[list[tuple[int, bytes]], int, int, int]:
        """Frames the rows of `data` from byte `offset` on, up to one that is left; before them,
        there were so many `rows` in each lane. A row makes no record if its byte of `dropped`, the
        first of which is for the first row, is not 0; what is missing is 0.

        Returns of each lane how many rows there are now, and the records of the new ones (without
        those of the lane's first `skips`); then the byte offset of the next row, how many rows were
        read (those that are dropped, too), and the byte offset behind the next row if it is left,
        else -1."""
        ...

    def skip(self, data: bytes, rows: int) -> int:
        """The byte offset behind the first `rows` rows, of any width."""
        ...

    def texts(self, data: bytes, column: int) -> list[str | None]:
        """The text of a column in each row, None for one of another width than the header's. Holds
        the interpreter's lock."""
        ...


class CompiledModule(Protocol):
    """What `compiled/module.c` gives. Calls run without the interpreter's lock,
    but for those that say that they hold it."""

    def Encoder(  # noqa: N802 - a class
        self,
        texts: tuple[bytes, ...],
        delimiter: int,
        quote: int,
        key: int,
        lane_count: int,
        routing: int,
        table: CompiledTable | None,
        most_bytes: int,
    ) -> CompiledEncoder:
        """`texts`: what stands before each field, before the row's number, and behind it. `quote`
        -1: nothing is quoted. `key`: the field that is the key, -1: null keys. `routing`: 0 all to
        lane 0, 1 crc32, 2 murmur2. `most_bytes`: rows are left whose record (key, value, headers)
        may have more, -1: none is for its size."""
        ...

    def whole_rows(
        self,
        data: bytes,
        delimiter: int,
        quote: int,
        at_end: bool,
        row_overhead: int,
        limit: int,
    ) -> tuple[int, int]:
        """The whole rows that `data` begins with: how many bytes they take (with blank lines among
        and behind them), and how many they are. They are as many as fit into `limit` bytes, if each
        counts `row_overhead` bytes more, but at least one. A last row without a line end is whole
        only if `at_end`."""
        ...

    def is_utf8(self, data: bytes) -> bool:
        """Whether Python's strict decoder takes it."""
        ...

    def moved(self, section: bytes, by: int) -> bytes:
        """The records of a section, with offset deltas that are `by` more.

        Raises ValueError for what is no section of records."""
        ...

    def agreeing(
        self,
        section: bytes,
        place: int,
        rows: Sequence[Sequence[str]],
        lines: Sequence[int],
        names: tuple[str, ...],
        file: str,
        key: int,
    ) -> int:
        """For the checker: how many of the records of a batch's `section`, from byte `place` on,
        are the documented records of the `rows`, one by one. `lines` has the `_source_line` of each
        row; both are lists. `key` is the field that must be the record's key; -1: any key will do.
        Holds the interpreter's lock."""
        ...

    def outline(self, section: bytes, count: int, base_offset: int) -> tuple[bytes, bytes] | None:
        """For the checker, of the records of a batch: the byte of the section where each begins
        and where the last one ends, and their Kafka offsets, as int64 of this machine; None if one
        has headers, or is torn."""
        ...

    def records_of(
        self, section: bytes, count: int, base_offset: int
    ) -> list[tuple[int, bytes | None, bytes | None, tuple[()]]] | None:
        """For the checker: the Kafka offset, key, value and headers of the records of a batch; None
        if one has headers, or is torn. Holds the interpreter's lock."""
        ...


@cache
def compiled_module() -> CompiledModule | None:
    """The module; None where Python is to encode.

    Raises ConfigError for another value of CSVKAFKA_ENCODER, and for `compiled` where there is
    none."""
    wanted = os.environ.get(ENCODER_VARIABLE, "")
    if wanted not in ("", "compiled", "python"):
        raise ConfigError(f"{ENCODER_VARIABLE} must be compiled or python, not {wanted!r}")
    if wanted == "python":
        return None
    try:
        return cast(CompiledModule, importlib.import_module("csvkafka._compiled"))
    except ImportError as error:
        if wanted == "compiled":
            raise ConfigError(
                f"{ENCODER_VARIABLE} is compiled, but this csvkafka holds no compiled encoder "
                f"({error}): install a wheel that has one, or a C compiler with Python's headers "
                f"before csvkafka, or leave out {ENCODER_VARIABLE}"
            ) from error
        return None
