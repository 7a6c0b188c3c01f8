"""What is no CSV, or hardly one: both encoders make the same records of it, and stop with the
same error at the same place."""

from __future__ import annotations

import dataclasses
import gzip
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from csvkafka.compiled import ENCODER_VARIABLE, compiled_module
from csvkafka.encode.encoder import _prepared, encode_block
from csvkafka.errors import CsvKafkaError
from csvkafka.model import START, BadRows, Dialect, EncodePlan
from csvkafka.rows.blocks import cut_blocks, read_header
from tests.unit.encode.encoded import values_of

if compiled_module() is None:
    pytest.skip("the compiled encoder is not in use", allow_module_level=True)

URI = "s3://bucket/key.csv"
PLAN = EncodePlan((), URI, compression="none", block_bytes=4_096)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a whole object: the records of each lane, and what ended them."""

    lanes: tuple[tuple[bytes, ...], ...]
    error: str


Load = Callable[[bytes, EncodePlan], Loaded]

MAX_ROW_BYTES = 1_000_000


@pytest.fixture
def by_both(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Loads an object by either encoder; fails unless both make the same of it."""

    def load(data: bytes, plan: EncodePlan) -> Loaded:
        found = []
        for encoder in ("compiled", "python"):
            monkeypatch.setenv(ENCODER_VARIABLE, encoder)
            _forget()
            assert (compiled_module() is None) is (encoder == "python")
            found.append(_loaded(data, plan))
        assert found[0] == found[1]
        return found[0]

    yield load
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    """Which encoder is in use is asked once, and held by each plan."""
    compiled_module.cache_clear()
    _prepared.cache_clear()


def _loaded(data: bytes, plan: EncodePlan) -> Loaded:
    lanes: tuple[list[bytes], list[bytes]] = ([], [])
    error = ""
    try:
        header = read_header([data], plan.dialect, URI)
        plan = dataclasses.replace(plan, header=header.names)
        for block in cut_blocks([data], START, plan, max(MAX_ROW_BYTES, 64 * plan.block_bytes)):
            encoded = encode_block(block, plan)
            for lane, values in enumerate(lanes):
                values += values_of(encoded, lane)
            if encoded.failure is not None:
                raise encoded.failure
    except CsvKafkaError as raised:
        error = f"{type(raised).__name__}: {raised}"
    return Loaded(tuple(map(tuple, lanes)), error)


# -- no CSV at all -----------------------------------------------------------------------------

NOISE = random.Random(15).randbytes(60_000)
NO_CSV = {
    "noise": NOISE,
    "noise behind a header": b"a,b\n1,2\n" + NOISE,
    "gzip": gzip.compress(NOISE, mtime=0),
    "zeros": bytes(50_000),
    "zeros behind rows": b"a,b\n" + b"1,2\n" * 3_000 + bytes(20_000),
    "JSON": b'{"a": "1", "b": [1, 2]}\n' * 500,
    "HTML": b'<!DOCTYPE html>\n<p class="x">it\'s, "so"</p>\r\n' * 300,
    "line ends": b"\r\n\n\r" * 9_000,
    "quotes": b'"' * 30_001,
    "one quote": b'a,b\n1,2\n"' + b"3,4\n" * 5_000,
    "UTF-16": "a,b\n1,2\n".encode("utf-16") * 900,
    "control characters": bytes(range(32)) * 900,
    "half of a line": b"a,b\n" + b"1,2\n" * 2_000 + b"3",
}


@pytest.mark.parametrize("name", NO_CSV)
@pytest.mark.parametrize("bad_rows", BadRows)
def test_what_is_no_csv_ends_alike(by_both: Load, name: str, bad_rows: BadRows) -> None:
    by_both(NO_CSV[name], dataclasses.replace(PLAN, bad_rows=bad_rows))


@pytest.mark.parametrize(
    "dialect", [Dialect(encoding="latin-1"), Dialect(";", "'"), Dialect("|", "")]
)
def test_it_ends_alike_in_other_dialects(by_both: Load, dialect: Dialect) -> None:
    for data in NO_CSV.values():
        by_both(data, dataclasses.replace(PLAN, dialect=dialect, bad_rows=BadRows.KEEP))


def test_noise_behind_rows_is_refused_where_it_begins(
    by_both: Load,
) -> None:
    loaded = by_both(b"a,b\n" + b"1,2\n" * 3_000 + b"\xff\xfe" + NOISE, PLAN)
    assert len(loaded.lanes[0]) == 3_000
    assert loaded.error.startswith(f"SourceCorruptError: row 3001 at byte 12004 of {URI}")


# -- bytes that are no UTF-8 -------------------------------------------------------------------


@pytest.mark.parametrize("torn", [b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80"])
@pytest.mark.parametrize("rows_before", [0, 1, 14, 15, 16, 1_000])
def test_bytes_that_are_no_utf8_at_the_end_of_a_block(
    by_both: Load, torn: bytes, rows_before: int
) -> None:
    # Each row has 64 bytes, and a block 16 rows.
    rows = b"".join(b"%08d," % row + b"x" * 54 + b"\n" for row in range(rows_before))
    plan = dataclasses.replace(PLAN, block_bytes=1_024)
    for last in (b"1," + torn, b"1," + torn + b"\n", b'1,"' + torn + b'"\r\n', torn):
        for behind in (b"", rows):
            loaded = by_both(b"a,b\n" + rows + last + behind, plan)
            assert len(loaded.lanes[0]) == rows_before
            where = f"row {rows_before + 1} at byte {4 + 64 * rows_before} of {URI}"
            assert loaded.error.startswith(f"SourceCorruptError: {where} is not valid utf-8")


# -- many columns, long ones, names of every kind ----------------------------------------------


def test_ten_thousand_columns_and_a_row_of_one_less(
    by_both: Load,
) -> None:
    names = b",".join(b"c%d" % n for n in range(10_000)) + b"\n"
    row = b",".join(b"%d" % n for n in range(10_000)) + b"\n"
    short = row.removeprefix(b"0,")
    loaded = by_both(names + row * 3 + short + row, PLAN)
    assert len(loaded.lanes[0]) == 3
    assert json.loads(loaded.lanes[0][2])["c9999"] == "9999"
    byte_offset = len(names) + 3 * len(row)
    assert loaded.error.startswith(
        f"MalformedRowError: row 4 at byte {byte_offset} of {URI} has 9999 fields"
    )


MILLIONS = 64_000_000


@pytest.mark.parametrize(("quote", "is_taken"), [(b'"', True), (b"", False)])
def test_a_column_of_64_mb(by_both: Load, quote: bytes, is_taken: bool) -> None:
    data = b"a,b\n1,2\n3," + quote + b"x" * MILLIONS + quote + b"\n5,6\n"
    limit = 2 * MILLIONS if is_taken else 1_000_000
    loaded = by_both(data, dataclasses.replace(PLAN, max_record_bytes=limit, block_bytes=1 << 20))
    if is_taken:
        assert len(loaded.lanes[0]) == 3
        assert len(json.loads(loaded.lanes[0][1])["b"]) == MILLIONS
        return
    assert len(loaded.lanes[0]) == 1
    assert loaded.error.startswith(
        f"RecordTooLargeError: row 2 at byte 8 of {URI} makes a batch of"
    )


@pytest.mark.parametrize(("quote", "kind"), [(b"", "RecordTooLarge"), (b'"', "MalformedRow")])
def test_a_column_above_the_limit_of_a_row(by_both: Load, quote: bytes, kind: str) -> None:
    data = b"a,b\n1,2\n3," + quote + b"x" * MAX_ROW_BYTES + quote + b"\n"
    loaded = by_both(data, PLAN)
    assert len(loaded.lanes[0]) == 1
    assert loaded.error.startswith(f"{kind}Error: row 2 at byte 8 of {URI}")
    assert f"within {MAX_ROW_BYTES} bytes, the limit of a row" in loaded.error


def test_a_header_that_holds_every_escape(by_both: Load) -> None:
    marks = [chr(code) for code in (*range(32), *b'"\\/,', 127, 0x2028, 0x2029, 0xE9, 0x1F600)]
    names = [f"{mark}{number}{mark}" for number, mark in enumerate(marks)] + ["".join(marks)]
    header = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    fields = ",".join('"' + mark.replace('"', '""') + '"' for mark in [*marks, "".join(marks)])
    loaded = by_both(f"{header}\n{fields}\n{fields}\r\n".encode(), PLAN)
    assert loaded.error == ""
    record = json.loads(loaded.lanes[0][1])
    assert record == {
        **dict(zip(names, [*marks, "".join(marks)], strict=True)),
        "_source_line": 2,
        "_source_file": URI,
    }
