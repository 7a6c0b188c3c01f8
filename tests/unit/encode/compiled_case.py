"""One comparison of the compiled way with the reference way, for any bytes: for Hypothesis, and for
the coverage-guided fuzzer of `tests/fuzz`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from csvkafka.compiled import compiled_module
from csvkafka.encode.bad_row import BadRow
from csvkafka.encode.encoder import encode_compiled, encode_reference
from csvkafka.encode.left_rows import FEW
from csvkafka.model import BadRows, Block, Dialect, EncodedBlock, EncodePlan, Position, Routing
from csvkafka.rows.csv_rows import parse_rows, row_ends

NO_LIMIT = 1 << 60
DEFAULT = Dialect()

DIALECTS = (
    DEFAULT,
    Dialect(";"),
    Dialect("\t", "'"),
    Dialect("|", ""),
    Dialect(",", "\\"),
    Dialect('"', ","),
    Dialect("\x1f", "\x01"),
    Dialect(encoding="latin-1"),
)

Way = Callable[[Block, EncodePlan, tuple[int, ...]], EncodedBlock | None]


@dataclass(frozen=True, slots=True)
class Case:
    """Bytes that begin with a row, how they are to be read, and as which rows of the source."""

    data: bytes
    dialect: Dialect = DEFAULT
    width: int = 2
    key: int | None = None
    routing: Routing = Routing.ONE_PARTITION
    lane_count: int = 1
    bad_rows: BadRows = BadRows.STOP
    max_batch_bytes: int = 1_000_000
    above: int | None = None
    rows_before: int = 0
    skip: tuple[int, ...] = ()
    at_end: bool = True
    row_overhead: int = 0
    limit: int = NO_LIMIT

    @property
    def plan(self) -> EncodePlan:
        header = tuple(f"column {n}" for n in range(self.width))
        return EncodePlan(
            header,
            "s3://bucket/key",
            self.dialect,
            lane_count=1 if self.routing is Routing.ONE_PARTITION else self.lane_count,
            routing=self.routing,
            key_column=None if self.key is None else header[self.key],
            compression="none",
            bad_rows=self.bad_rows,
            max_batch_bytes=self.max_batch_bytes,
            max_record_bytes=self.max_batch_bytes,
            set_aside_above_bytes=self.above if self.bad_rows is BadRows.DEAD_LETTER else None,
        )


def whole_rows(case: Case) -> tuple[int, int]:
    """What the compiled module finds: bytes of whole rows, and their number."""
    compiled = compiled_module()
    assert compiled is not None
    dialect = case.dialect
    quote = ord(dialect.quotechar) if dialect.quotechar else -1
    return compiled.whole_rows(
        case.data, ord(dialect.delimiter), quote, case.at_end, case.row_overhead, case.limit
    )


def whole_rows_by_csv(case: Case) -> tuple[int, int]:
    """The same by the csv module."""
    data = case.data
    if not case.at_end:
        data = data[: max(data.rfind(b"\n"), data.rfind(b"\r")) + 1]
    end = rows = 0
    for row_end, is_row in row_ends(data, case.dialect):
        size = row_end + (rows + 1) * case.row_overhead
        if is_row and rows and size > case.limit:
            break
        end = row_end
        rows += is_row
    return end, rows


def encoded_both_ways(case: Case) -> tuple[EncodedBlock | str | None, EncodedBlock | str]:
    """The whole rows of the case as one block, by the compiled way (None: not taken) and by the
    reference way; in its place, which row is bad and why."""
    end, rows = whole_rows_by_csv(replace(case, at_end=True, limit=NO_LIMIT))
    begin = Position(0, case.rows_before)
    block = Block(case.data[:end], begin, Position(end, case.rows_before + rows), False)

    def by(way: Way) -> EncodedBlock | str | None:
        try:
            return way(block, case.plan, case.skip)
        except BadRow as bad:
            return f"row {bad.row_index}: {type(bad.error).__name__}: {bad.error}"

    reference = by(encode_reference)
    assert reference is not None
    return by(encode_compiled), reference


def may_be_left(case: Case, reference: EncodedBlock | str) -> bool:
    """Whether the compiled way may leave the block to the reference way, which makes `reference` of
    it: many rows have another width than the header's, or are dead letters, as those are that make
    too large a record, or one of several lanes has too much for one batch."""
    rows = parse_rows(case.data.decode("latin-1"), case.dialect)
    has_small_batches = case.max_batch_bytes < 1_000_000
    left = sum(bool(row) and len(row) != case.width for row in rows)
    if case.bad_rows is BadRows.DEAD_LETTER and isinstance(reference, EncodedBlock):
        left = max(left, reference.rows_by_lane[-1])
    return has_small_batches or left > FEW


def check(case: Case) -> None:
    """Raises AssertionError if the two ways differ."""
    assert whole_rows(case) == whole_rows_by_csv(case), case
    compiled, reference = encoded_both_ways(case)
    if compiled is None:
        assert may_be_left(case, reference), case
    else:
        assert compiled == reference, case


def case_of(choices: bytes, data: bytes) -> Case:
    """A case for any bytes: `choices` (8 bytes are looked at) decide how `data` is read."""
    a, b, c, d, e, f, g, h = (choices + bytes(8))[:8]
    width = 1 + b % 4
    key = None if c % 3 == 0 else c % width
    return Case(
        data,
        DIALECTS[a % len(DIALECTS)],
        width,
        key,
        Routing.ONE_PARTITION if key is None else tuple(Routing)[d % 3],
        1 + e % 5,
        tuple(BadRows)[d // 3 % 3],
        (1_000_000, 200)[e // 5 % 2],
        (None, None, 60, 75, 90, 130)[e // 10 % 6],
        (0, 8, 97, 99_990)[f % 4],
        tuple(g >> shift & 3 for shift in (0, 2, 4)) if g & 128 else (),
        bool(h & 1),
        (0, 7)[h >> 1 & 1],
        NO_LIMIT if h & 4 else h >> 3,
    )
